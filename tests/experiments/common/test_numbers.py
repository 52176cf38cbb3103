"""Numbers, intervals and durations as a reader sees them."""

import math

import pytest

from experiments.common.numbers import duration, estimate, number
from qec.statistics import Estimate


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
