"""Tables of counts against sinter's reader and fits."""

from pathlib import Path

import pytest
import sinter
from scipy.stats import binomtest

import qec.statistics

pytest.importorskip("pandas")


def write(path: Path, rows: list[sinter.TaskStats]) -> Path:
    path.write_text("\n".join([sinter.CSV_HEADER, *(row.to_csv_line() for row in rows)]) + "\n")
    return path


def row(
    strong_id: str, shots: int, errors: int, *, discards: int = 0, **metadata: object
) -> sinter.TaskStats:
    return sinter.TaskStats(
        strong_id=strong_id,
        decoder="mwpm",
        json_metadata=metadata or None,
        shots=shots,
        errors=errors,
        discards=discards,
        seconds=0.5,
    )


def test_totals_and_exact_intervals(tmp_path: Path) -> None:
    first = write(
        tmp_path / "a.csv", [row("x", 1000, 20, d=3, r=10), row("y", 500, 0, d=5, r=20), row("z", 9, 9)]
    )
    second = write(tmp_path / "b.csv", [row("x", 3000, 50, discards=40, r=10, d=3)])
    table = qec.statistics.read_counts(first, second)
    assert table["shots"].tolist() == [4000, 500, 9]
    assert table["errors"].tolist() == [70, 0, 9]
    assert table["discards"].tolist() == [40, 0, 0]
    assert table["d"].tolist()[:2] == [3, 5]
    for kept, at in ((3960, 0), (500, 1), (9, 2)):
        errors = int(table["errors"][at])
        exact = binomtest(errors, kept).proportion_ci(0.95, method="exact")
        assert table["error_rate"][at] == errors / kept
        assert table["error_rate_low"][at] == pytest.approx(exact.low)
        assert table["error_rate_high"][at] == pytest.approx(exact.high)
    epsilon = sinter.shot_error_rate_to_piece_error_rate(70 / 3960, pieces=10)
    assert table["error_per_cycle"][0] == pytest.approx(epsilon)
    assert table["error_per_cycle"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "no column shots: not a CSV file of counts"),
        (
            f"{sinter.CSV_HEADER}\n10,11,0,1,mwpm,x,null,\n",
            "line 2: not a row of counts .11 errors and 0 discards in 10",
        ),
        (f"{sinter.CSV_HEADER}\n10,x,0,1,mwpm,x,null,\n", "line 2: not a row of counts"),
    ],
)
def test_what_is_no_file_of_counts(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        qec.statistics.read_counts(path)


def test_files_that_are_missing_or_given_twice(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [row("x", 10, 1)])
    with pytest.raises(ValueError, match="given twice"):
        qec.statistics.read_counts(path, tmp_path / ".." / tmp_path.name / "a.csv")
    with pytest.raises(ValueError, match="no files"):
        qec.statistics.read_counts()
    with pytest.raises(FileNotFoundError, match="no such CSV file"):
        qec.statistics.read_counts(tmp_path / "b.csv")
