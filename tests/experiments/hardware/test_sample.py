"""The simulated sample: what ships is what the command makes."""

from pathlib import Path

import numpy as np
import pytest

import decoders
from experiments.hardware import sample
from qec.datasets import find_experiments, read_experiment
from qec.resources import data_path

PER_EXPERIMENT = len(sample.DISTANCES) * len(sample.BASES) * len(sample.CYCLES)


def contents(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_made_twice_it_is_the_same(tmp_path: Path) -> None:
    folders = sample.make_sample(tmp_path / "a", shots=5)
    sample.make_sample(tmp_path / "b", shots=5)
    assert len(folders) == PER_EXPERIMENT
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    sample.make_sample(tmp_path / "c", shots=5, seed=1)
    assert contents(tmp_path / "a") != contents(tmp_path / "c")
    with pytest.raises(ValueError, match=r"already holds metadata\.json"):
        sample.make_sample(tmp_path / "a", shots=5)


def test_the_command_replaces_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample.make_sample(tmp_path / "a", shots=5)
    assert sample.main(["--out", str(tmp_path / "a")]) == 2
    assert capsys.readouterr().err.endswith("choose another folder (or give --replace)\n")
    assert sample.main(["--out", str(tmp_path / "a"), "--replace"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == PER_EXPERIMENT
    assert read_experiment(find_experiments(tmp_path / "a")[0]).shots == sample.SHOTS


def test_what_ships_is_whole_and_is_what_the_command_makes(tmp_path: Path) -> None:
    shipped = data_path(f"samples/{sample.NAME}")
    made = {path.relative_to(tmp_path) for path in sample.make_sample(tmp_path, shots=1)}
    folders = find_experiments(shipped)
    assert {path.relative_to(shipped) for path in folders} == made
    for folder in folders:
        experiment = read_experiment(folder)
        experiment.verify()
        assert experiment.shots == sample.SHOTS
        again = read_experiment(tmp_path / folder.relative_to(shipped))
        assert experiment.num_detectors == again.num_detectors
        assert experiment.metadata.center == again.metadata.center
        assert f"d{experiment.metadata.distance}_at_q{experiment.metadata.center[0]:g}_" in str(folder)  # type: ignore[index]
        assert set(experiment.predictions) == {f"{name}_with_si1000_prior" for name in sample.DECODERS}
        decoder = decoders.from_dem("pymatching", experiment.error_model())
        predicted = decoder.decode_batch(experiment.detection_events, bit_packed=True)
        differing = (predicted != experiment.predictions["pymatching_with_si1000_prior"]).any(axis=1).sum()
        # Another version of PyMatching may break ties in another way.
        assert differing <= 0.01 * experiment.shots


def test_the_sample_has_the_noise_it_claims() -> None:
    """Detection fractions of SI1000 at p = 0.3 %: 8.5 % at d = 3, 9.2 % at d = 5 (less in few cycles)."""
    for distance, expected in ((3, 0.085), (5, 0.092)):
        fractions = [
            np.mean(read_experiment(folder).unpacked("detection_events"))
            for folder in find_experiments(data_path(f"samples/{sample.NAME}"))
            if f"d{distance}_at" in str(folder) and folder.name == "r20"
        ]
        assert np.mean(fractions) == pytest.approx(expected, rel=0.05)
