"""`qec distance`: its lines and file, circuits from files, and wrong use."""

import json
from pathlib import Path

import pytest
import stim

from experiments import cli
from experiments.common.points import Point


def test_a_memory_and_the_same_circuit_from_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, data = tmp_path / "memory.stim", tmp_path / "distance.json"
    assert cli.main(["distance", "--noise", "uniform", "--rounds", "2", "--decoder", "mwpm"]) == 0
    title, _, *lines = capsys.readouterr().out.splitlines()
    assert title == "surface, d = 3, 2 cycles, basis Z, uniform, p = 0.001, mwpm"
    Point("surface", "cx", 3, 2, "z", "uniform", 0.001).circuit().to_file(file)
    arguments = ["distance", str(file), "--rounds", "2", "--decoder", "mwpm"]
    assert cli.main([*arguments, "--json", str(data)]) == 0
    title, _, *same = capsys.readouterr().out.splitlines()
    assert title == f"{file}, mwpm"
    assert same[: len(lines)] == lines
    found = json.loads(data.read_text())
    assert (found["graphlike_distance"], found["distance_at_most"]) == (3, 3)
    assert found["failures"]["exact"]
    assert f"{found['failures']['probability']:.4g}" in lines[-2]
    assert cli.main([*arguments, "--most_sets", "10"]) == 0
    assert "(estimate)" in capsys.readouterr().out


def test_errors_of_more_than_two_detectors_can_be_shorter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four edges from side to side, or one edge and one error with three detectors."""
    circuit = stim.Circuit(
        """
        X_ERROR(0.01) 0 1 2 3
        E(0.001) X0 X1 X2
        M 0 1 2 3
        DETECTOR rec[-4] rec[-3]
        DETECTOR rec[-3] rec[-2]
        DETECTOR rec[-2] rec[-1]
        OBSERVABLE_INCLUDE(0) rec[-4]
        """
    )
    file = tmp_path / "short.stim"
    circuit.to_file(file)
    assert cli.main(["distance", str(file), "--decoder", "mwpm"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["distance,", "at", "most", "2"] for line in lines)


def test_without_a_logical_operator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "sure.stim"
    stim.Circuit("X_ERROR(0.1) 0\nM 0 1\nDETECTOR rec[-2]\nOBSERVABLE_INCLUDE(0) rec[-1]").to_file(file)
    assert cli.main(["distance", str(file), "--decoder", "mwpm"]) == 0
    assert "none: no errors flip an observable undetected" in capsys.readouterr().out


def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "empty.stim"
    stim.Circuit("H 0").to_file(file)
    for arguments, words in (
        ([str(file)], "needs detectors and observables"),
        ([str(tmp_path / "none.stim")], "No such file"),
        (["--noise", "device:willow_72q", "--p", "0.1"], "leave --p out"),
    ):
        assert cli.main(["distance", *arguments]) == 2
        assert words in capsys.readouterr().err
