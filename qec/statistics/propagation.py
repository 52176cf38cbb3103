"""Propagation of standard deviations and 95 % intervals through ratios, logarithms and power laws."""

import math
from collections.abc import Sequence

import numpy as np

from qec.statistics.estimate import Estimate, sigmas_of

_SIGMAS_95 = sigmas_of(confidence=0.95)


def from_sigma(value: float, sigma: float) -> Estimate:
    """Make a 95 % interval from a value and its standard deviation."""
    return Estimate(value, value - _SIGMAS_95 * sigma, value + _SIGMAS_95 * sigma)


def from_log_sigma(value: float, sigma: float) -> Estimate:
    """Make a 95 % interval from a positive value and the standard deviation of its logarithm."""
    factor = math.exp(_SIGMAS_95 * sigma)
    return Estimate(value, value / factor, value * factor)


def divide(above: Estimate, below: Estimate) -> Estimate:
    """Divide two independent positive estimates, of one confidence.

    Error bars of the logarithms add in quadrature, on each side: the upper end of the ratio takes the upper
    bar of `above` and the lower bar of `below` ("method of variance estimates recovery", Zou and Donner 2008,
    for ln above - ln below). An interval of `above` that reaches 0 gives a ratio that does, and one of
    `below` a ratio without upper end.
    """
    value = above.value / below.value
    up = math.hypot(_log(above.high, above.value), _log(below.value, below.low))
    down = math.hypot(_log(above.value, above.low), _log(below.high, below.value))
    return Estimate(value, value * math.exp(-down), value * math.exp(up), above.confidence)


def _log(above: float, below: float) -> float:
    """Compute ln(above / below), infinite for below = 0."""
    return math.log(above / below) if below > 0 else math.inf


def sigma_of(estimate: Estimate) -> float:
    """Compute the standard deviation of a 95 % interval."""
    return (estimate.high - estimate.low) / (2 * _SIGMAS_95)


def log_sigma_of(estimate: Estimate) -> float:
    """Compute the standard deviation of the logarithm of a positive estimate."""
    if estimate.low <= 0:
        return math.inf
    return math.log(estimate.high / estimate.low) / (2 * _SIGMAS_95)


def fit_exponent(x: Sequence[float], y: Sequence[Estimate]) -> Estimate:
    """Fit the slope of ln y against ln x by least squares, weighted with the intervals of y.

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
