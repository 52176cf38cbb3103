"""Propagation of standard deviations and 95 % intervals through ratios, logarithms and power laws."""

import math
from collections.abc import Sequence

import numpy as np

from qec.statistics.estimate import Estimate, sigmas_of

_SIGMAS_95 = sigmas_of(confidence=0.95)


def from_sigma(value: float, sigma: float) -> Estimate:
    """A value with a standard deviation, as a 95 % interval."""
    return Estimate(value, value - _SIGMAS_95 * sigma, value + _SIGMAS_95 * sigma)


def from_log_sigma(value: float, sigma: float) -> Estimate:
    """A positive value whose logarithm has a standard deviation, as a 95 % interval."""
    factor = math.exp(_SIGMAS_95 * sigma)
    return Estimate(value, value / factor, value * factor)


def divide(above: Estimate, below: Estimate) -> Estimate:
    """Quotient of two independent positive estimates; relative errors added in squares, on each side."""
    value = above.value / below.value
    up = math.hypot(above.plus / above.value, below.minus / below.value)
    down = math.hypot(above.minus / above.value, below.plus / below.value)
    return Estimate(value, value * max(0.0, 1 - down), value * (1 + up))


def sigma_of(estimate: Estimate) -> float:
    """Standard deviation behind a 95 % interval."""
    return (estimate.high - estimate.low) / (2 * _SIGMAS_95)


def log_sigma_of(estimate: Estimate) -> float:
    """Standard deviation of the logarithm of a positive estimate."""
    if estimate.low <= 0:
        return math.inf
    return math.log(estimate.high / estimate.low) / (2 * _SIGMAS_95)


def fit_exponent(x: Sequence[float], y: Sequence[Estimate]) -> Estimate:
    """Slope of ln y against ln x, by least squares weighted with the intervals of y.

    Where the points scatter more than their intervals say, the interval of the slope grows with the scatter.

    Raises:
        ValueError: fewer than three points whose intervals stay above zero.
    """
    used = [(math.log(a), math.log(b.value), log_sigma_of(b)) for a, b in zip(x, y, strict=True) if b.low > 0]
    if len(used) < 3:
        raise ValueError(f"a slope with an interval needs three points with errors, got {len(used)}")
    logs, values, sigmas = (np.array(column) for column in zip(*used, strict=True))
    weights = sigmas**-2
    centred = logs - np.average(logs, weights=weights)
    spread = float(weights @ centred**2)
    found = float((weights * centred) @ values) / spread
    rest = values - np.average(values, weights=weights) - found * centred
    excess = float(weights @ rest**2) / (len(used) - 2)
    return from_sigma(found, math.sqrt(max(1.0, excess) / spread))
