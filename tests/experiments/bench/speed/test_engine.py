"""`qec bench engine`: a row for each circuit, with the times of the engine and of sinter's worker."""

import csv
from pathlib import Path

import pytest

from experiments import cli


def test_one_circuit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--distances",
        "3",
        "--p",
        "0.002",
        "--repeats",
        "1",
        "--seconds",
        "0.05",
        "--out",
        str(tmp_path),
    ]
    assert cli.main(["bench", "engine", *options]) == 0
    with (tmp_path / "bench_engine.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["decoder"], row["d"], row["p"]) == ("mwpm", "3", "0.002")
    assert float(row["lowest"]) == float(row["highest"]) == float(row["faster"]) > 0
    assert min(float(row[name]) for name in ("engine us", "drawing us", "decoding us", "sinter us")) > 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 130
    assert "faster" in out
