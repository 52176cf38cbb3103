"""Models that a daemon cannot serve: an error that names the file."""

from pathlib import Path

import pytest

from realtime.service.daemon import DaemonConfig, make_decoder, read_model


@pytest.mark.parametrize("ending", [".stim", ".dem"])
@pytest.mark.parametrize("text", ["", "MISSPELT 0", "M[open", "error[open", "error(0.1) L0\n"])
def test_a_wrong_model_is_named(ending: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{ending}"
    path.write_text(text)
    config = DaemonConfig(model=str(path))
    given, is_circuit = read_model(config)
    with pytest.raises(ValueError, match=rf"model\{ending}: \w"):
        make_decoder(config, given, is_circuit=is_circuit)
