"""Propagated intervals, exponents of power laws and crossings of curves: data with known answers."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from qec.statistics import Estimate, propagation
from qec.statistics.crossing import crossing
from tests.support.chance import FALSE_ALARM


def _power_law(distance: int, strength: float, threshold: float, *, width: float = 0.02) -> Estimate:
    middle = 0.05 * (strength / threshold) ** ((distance + 1) / 2)
    return propagation.from_log_sigma(middle, width)


def test_crossing_of_power_laws() -> None:
    strengths = [0.5, 0.8, 1.0, 1.3, 1.6, 2.0]
    small, large = ([_power_law(d, s, 1.42) for s in strengths] for d in (3, 5))
    found = crossing(strengths, small, large, seed=1)
    assert found is not None
    assert found.value == pytest.approx(1.42, rel=1e-6)
    assert 1.36 < found.low < 1.42 < found.high < 1.48
    assert crossing(strengths[:3], small[:3], large[:3], seed=1) is None
    assert crossing(strengths[:4], small[:4], large[:4], seed=1) is None
    nothing = [Estimate(0.0, 0.0, 1e-5)] * 6
    assert crossing(strengths, small, nothing, seed=1) is None


def test_crossing_covers_the_truth() -> None:
    rng = np.random.default_rng(2)
    strengths = np.linspace(0.6, 2.0, 8).tolist()
    covered = 0
    for trial in range(60):
        curves = []
        for distance in (3, 5):
            values = [_power_law(distance, s, 1.4).value * math.exp(0.05 * rng.normal()) for s in strengths]
            curves.append([propagation.from_log_sigma(v, 0.05) for v in values])
        found = crossing(strengths, *curves, seed=trial)
        covered += found is not None and found.low <= 1.4 <= found.high
    assert binom.cdf(covered, 60, 0.95) > FALSE_ALARM  # 57 on average


def test_slope_of_a_power_law() -> None:
    x = [0.02, 0.03, 0.05, 0.08]
    found = propagation.fit_exponent(x, [_power_law(5, s, 0.1) for s in x])
    assert found.value == pytest.approx(3.0)
    wide = propagation.fit_exponent(x, [_power_law(5, s, 0.1, width=0.2) for s in x])
    assert wide.plus == pytest.approx(10 * found.plus)
    bent = [_power_law(5, s, 0.1).value * f for s, f in zip(x, (1, 1.5, 0.7, 1), strict=True)]
    assert (
        propagation.fit_exponent(x, [propagation.from_log_sigma(v, 0.02) for v in bent]).plus > 5 * found.plus
    )
    with pytest.raises(ValueError, match="needs three points"):
        propagation.fit_exponent(x[:2], [_power_law(5, s, 0.1) for s in x[:2]])


def test_ratio_of_estimates() -> None:
    found = propagation.divide(propagation.from_sigma(2.0, 0.06), propagation.from_sigma(4.0, 0.16))
    assert found.value == 0.5
    assert propagation.sigma_of(found) == pytest.approx(0.5 * 0.05, rel=1e-2)
    few = propagation.divide(Estimate(2.0, 0.0, 4.0), Estimate(1.0, 0.0, 2.0))
    assert (few.low, few.high) == (0.0, math.inf)
