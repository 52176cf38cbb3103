"""`qec counts`: files merged into one table, in Parquet and CSV."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sinter

import qec.statistics
from experiments import cli
from experiments.sweep import counts


def file(path: Path, *rows: tuple[Any, int, int]) -> Path:
    found = [
        sinter.TaskStats(
            strong_id=str(data), decoder="mwpm", json_metadata=data, shots=shots, errors=errors, seconds=0.5
        )
        for data, shots, errors in rows
    ]
    counts.write(path, found)
    return path


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    first = file(
        tmp_path / "1.csv", ({"d": 3, "r": 10, "p": 0.1}, 100, 7), ({"d": 5, "r": 10, "p": 0.1}, 50, 0)
    )
    second = file(tmp_path / "2.csv", ({"d": 3, "r": 10, "p": 0.1}, 900, 33), ({"d": "seven"}, 10, 1))
    return [str(first), str(second)]


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_one_table_of_all_files(
    name: str, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / name
    assert cli.main(["counts", *files, "--out", str(out), "--confidence", "0.68"]) == 0
    text = capsys.readouterr().out
    assert "decoder = mwpm" in text
    assert "3 rows" in text
    found = pd.read_parquet(out) if out.suffix == ".parquet" else pd.read_csv(out)
    expected = qec.statistics.read_counts(*files, confidence=0.68)
    assert found.columns.tolist() == expected.columns.tolist()
    assert found["shots"].tolist() == [1000, 50, 10]
    assert found["errors"].tolist() == [40, 0, 1]
    assert found["d"].tolist() == ["3", "5", "seven"]  # a column of Parquet has one type
    for column in ("error_rate", "error_rate_low", "error_per_cycle_high"):
        pd.testing.assert_series_equal(found[column], expected[column], check_dtype=False)


def test_numbers_stay_numbers(tmp_path: Path) -> None:
    path = file(tmp_path / "1.csv", ({"d": 3, "r": 10}, 100, 7), ({"r": 10}, 50, 0))
    assert cli.main(["counts", str(path), "--out", str(tmp_path / "t.parquet")]) == 0
    assert pd.read_parquet(tmp_path / "t.parquet")["d"].iloc[0] == 3


def test_what_is_refused(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = file(tmp_path / "0.csv")
    copy = tmp_path / "copy.csv"
    copy.write_bytes(Path(files[0]).read_bytes())
    for arguments, words in (
        ([str(empty)], "no rows yet"),
        ([files[0], str(copy)], "would count twice"),
        ([files[0], "--out", "t.xlsx"], "must end in .parquet or .csv"),
    ):
        assert cli.main(["counts", *arguments]) == 2
        assert words in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert cli.main(["counts", files[0], "--out", str(tmp_path / "t.parquet")]) == 2
    assert "pip install 'below-threshold[tables]'" in capsys.readouterr().err
    assert not (tmp_path / "t.parquet").exists()
