"""Each command that writes a file, on a full disk: one line that names the file, and no half file."""

import ast
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import stim

from experiments import cli
from qec.datasets import write_experiment
from qec.resources import data_path
from tests.support.full_disk import full_disk
from tests.test_architecture import ROOT, parsed, source_files

_SAMPLE = "samples/si1000_surface_code/d3_at_q3_3/Z/r05"
# Name of the file that does not fit -> command, with the folder of the shots and the file to write.
_COMMANDS: dict[str, tuple[int, Callable[[Path, Path], list[object]]]] = {
    "p.dets": (
        5000,
        lambda shots, out: [
            *("decode", "--dem", shots / "m.dem", "--in", shots / "detection_events.b8", "--out", out)
        ],
    ),
    "m.dem": (1000, lambda shots, out: ["learn", shots, "--out", out]),
    "r.csv": (10, lambda shots, out: ["hardware", shots, "--csv", out]),
    "r.json": (10, lambda shots, out: ["hardware", shots, "--json", out]),
    "f.svg": (1000, lambda _, out: ["draw", "--distance", 3, "--rounds", 2, "--p", 0.01, "--out", out]),
    "a.gif": (
        1000,
        lambda _, out: [
            *("draw", "--distance", 3, "--rounds", 2, "--p", 0.01, "--frames", 2, "--out", out),
            *("--detectors", "0,1"),
        ],
    ),
    "k.key_secret": (10, lambda _, out: ["keygen", "k", "--folder", out.parent]),
    "s.qecs": (
        200,
        lambda _, out: ["stream", "--record", out, "--distance", 3, "--cycles", 20, "--shots", 20],
    ),
}


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shots") / "r05"
    shutil.copytree(data_path(_SAMPLE), folder)
    circuit = stim.Circuit.from_file(folder / "circuit_noisy_si1000.stim")
    (folder / "m.dem").write_text(str(circuit.detector_error_model(decompose_errors=True)))
    return folder


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_full_disk(name: str, shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    size, command = _COMMANDS[name]
    spare = tmp_path / "spare"
    spare.mkdir()
    assert cli.main([str(word) for word in command(shots, spare / name)]) == 0
    assert (spare / name).stat().st_size > size
    capsys.readouterr()
    (full := tmp_path / "full").mkdir()
    with full_disk(size):
        assert cli.main([str(word) for word in command(shots, full / name)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("qec ")
    assert error.count("\n") == 1
    assert f"{full / name}: " in error
    assert list(full.iterdir()) == []  # so nothing is in the way of the next attempt


def test_an_experiment_is_written_wholly_or_not_at_all(tmp_path: Path) -> None:
    circuit = stim.Circuit("M 0 1\nDETECTOR rec[-1]\nOBSERVABLE_INCLUDE(0) rec[-2]")

    def write() -> None:
        write_experiment(
            tmp_path / "x",
            metadata={"distance": 3, "rounds": 1, "basis": "Z"},
            circuit=circuit,
            detection_events=np.zeros((500, 1), dtype=np.bool_),
            observable_flips=np.zeros((500, 1), dtype=np.bool_),
        )

    with full_disk(100), pytest.raises(OSError, match="detection_events"):
        write()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    write()


def test_only_one_module_writes_files() -> None:
    """Writers that report no error, or leave half a file, do not come back."""
    wrong = []
    for module, path in source_files(ROOT).items():
        text = path.read_text()
        for node in ast.walk(parsed(text)) if re.search(r"open\(|to_?file|write_", text) else ():
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            words = [str(one.value) for one in values if isinstance(one, ast.Constant)]
            opened = name == "open" and any(set(word) & set("wax+") and len(word) < 4 for word in words)
            if opened or name in ("to_file", "write_text", "write_bytes", "write_shot_data_file", "tofile"):
                wrong.append(f"{module}: {name}")
    # A switch of the system's memory accounting, no file; and a look at whether a file may be written.
    assert wrong == ["experiments.bench.speed.build: write_text", "experiments.common.parser: open"]
