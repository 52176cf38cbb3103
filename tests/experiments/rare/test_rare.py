"""`qec rare`: its table and file, memories that are measured already, and wrong use."""

import csv
from pathlib import Path

import pytest
import stim

from experiments import cli
from experiments.common.points import Point
from experiments.rare import command
from qec.statistics import per_shot
from tests.support.inline_pool import inline_pool

_QUICK = ["rare", "--noise", "uniform", "--population", "32", "--decoder", "mwpm"]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_table_file_and_continuation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rare.csv"
    quick = [*_QUICK, "--distances", "3", "--rounds", "2", "--out", str(out)]
    assert cli.main([*quick, "--p", "0.0005", "--threads", "2"]) == 0
    assert "d=3 p=0.0005" in capsys.readouterr().out
    (first,) = rows_of(out)
    assert (first["method"], first["population"], first["cycles"]) == ("splitting", "32", "2")
    values = [float(value) for value in first["estimates"].split()]
    assert len(values) == 16
    probability = float(first["probability"])
    assert probability == pytest.approx(sum(values) / 16, rel=1e-4)
    assert float(first["low"]) < probability < float(first["high"])
    assert per_shot(epsilon=float(first["epsilon"]), cycles=2) == pytest.approx(probability, rel=1e-4)
    # The workers of a cluster make the same estimates, in any order.
    monkeypatch.setattr(command, "connect", inline_pool)
    shared = tmp_path / "shared.csv"
    assert cli.main([*quick, "--p", "0.0005", "--cluster", "x", "--out", str(shared)]) == 0
    assert rows_of(shared)[0]["estimates"] == first["estimates"]
    # The first memory is not measured again; a half-written line is.
    out.write_text(out.read_text() + ",surface,uniform,0.02,3,2,z,mwpm,1,dir")
    assert cli.main([*quick, "--p", "0.0005", "0.02"]) == 0
    again, second = rows_of(out)
    assert again == first
    assert (second["p"], second["method"], second["estimates"]) == ("0.02", "direct", "")


def test_a_circuit_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "memory.stim"
    Point("repetition", "cx", 5, 4, "z", "uniform", 0.002).circuit().to_file(file)
    out = tmp_path / "rare.csv"
    assert cli.main([*_QUICK, "--circuit", str(file), "--rounds", "4", "--out", str(out)]) == 0
    (row,) = rows_of(out)
    assert (row["circuit"], row["cycles"], row["distance"]) == (str(file), "4", "")
    assert 0 < float(row["epsilon"]) < 1e-4
    assert "memory" in capsys.readouterr().out


def test_wrong_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "empty.stim"
    stim.Circuit("H 0").to_file(file)
    other = tmp_path / "other.csv"
    other.write_text("shots,errors\n")
    for arguments, words in (
        (["--circuit", str(file)], "--rounds d: --circuit needs its number of cycles"),
        (["--circuit", str(file), "--rounds", "3"], "needs detectors and observables"),
        (["--out", str(other)], "is no table of qec rare"),
        (["--minutes", "0"], "must be above 0"),
    ):
        assert cli.main([*_QUICK, *arguments]) == 2
        assert words in capsys.readouterr().err
