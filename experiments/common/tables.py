"""Plain-text tables and numbers with their intervals, for the terminal."""

import math
from collections.abc import Sequence
from typing import Protocol


class _Estimate(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align columns to the right under their titles.

    Args:
        header: titles of the columns.
        rows: cells, as many in each row as there are titles.

    Returns:
        The lines, indented by two blanks, without a final newline.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under {len(header)} titles: {list(row)}")
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  " + "   ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def number(value: float, digits: int = 3) -> str:
    """A number to a few significant digits: plain when that is short, else like `1.23e-05`; nan is `-`."""
    if math.isnan(value):
        return "-"
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    if 0.1 <= abs(value) < 10**digits:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def estimate(found: _Estimate, digits: int = 3) -> str:
    """A value with its interval: `6.49e-03 [6.31e-03, 6.67e-03]`."""
    return f"{number(found.value, digits)} [{number(found.low, digits)}, {number(found.high, digits)}]"


def duration(seconds: float) -> str:
    """A span of time for people: `45 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
