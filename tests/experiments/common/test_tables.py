"""Tables, numbers and progress as a reader sees them."""

import io
import math

import pytest

from experiments.common.progress import Progress
from experiments.common.tables import duration, estimate, number, table
from qec.statistics import Estimate


def test_columns_are_aligned_to_the_right() -> None:
    lines = table(["d", "errors"], [["3", "12"], ["11", ""]]).split("\n")
    assert lines == ["   d   errors", "   3       12", "  11"]


def test_uneven_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="1 cells under 2 titles"):
        table(["d", "errors"], [["3"]])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (2.0449, "2.04"),
        (12.34, "12.3"),
        (999.4, "999"),
        (1234.5, "1.23e+03"),
        (0.12345, "0.123"),
        (0.012345, "1.23e-02"),
        (0.00123456, "1.23e-03"),
        (math.inf, "inf"),
        (math.nan, "-"),
    ],
)
def test_numbers_keep_three_digits(value: float, shown: str) -> None:
    assert number(value) == shown


def test_an_estimate_shows_its_interval() -> None:
    assert estimate(Estimate(value=0.0065, low=0.0064, high=0.0066)) == "6.50e-03 [6.40e-03, 6.60e-03]"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0 s"), (89, "89 s"), (95, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_rewrites_one_line_on_a_terminal_and_wipes_it() -> None:
    stream = _Terminal()
    with Progress(stream=stream, period=0) as progress:
        progress.show("a long message")
        progress.show("short")
    assert stream.getvalue() == "\ra long message\rshort         \r" + " " * 5 + "\r"


def test_progress_writes_lines_to_a_log_and_not_too_often() -> None:
    stream = io.StringIO()
    with Progress(stream=stream, period=1e9) as progress:
        progress.show("left out")
        progress.show("kept", always=True)
    assert stream.getvalue() == "kept\n"
