"""Numbers, intervals and durations as text."""

import math
from typing import Protocol


class _Estimate(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def number(value: float, digits: int = 3) -> str:
    """Format a number to a few significant digits: plain if short, else like `1.23e-05`; nan is `-`."""
    if math.isnan(value):
        return "-"
    if value == 0 or math.isinf(value):
        return f"{value:g}"
    if 0.1 <= abs(value) < 10**digits:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        return f"{value:.{decimals}f}"
    return f"{value:.{digits - 1}e}"


def estimate(found: _Estimate, digits: int = 3) -> str:
    """Format a value with its interval: `6.49e-03 [6.31e-03, 6.67e-03]`."""
    return f"{number(found.value, digits)} [{number(found.low, digits)}, {number(found.high, digits)}]"


def duration(seconds: float) -> str:
    """Format a duration: `45 s`, `3 min`, `2 h 5 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
