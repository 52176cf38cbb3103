"""From records to logical errors per cycle and Lambda, as the paper averages them."""

import math
from collections.abc import Sequence

import numpy as np

from qec.statistics import CycleFit, Estimate, error_per_cycle, likelihood_factor_of, logical_error_rate

_95 = likelihood_factor_of(confidence=0.95)
_SIGMAS_95 = 1.959964


def fit(points: Sequence[tuple[int, int, int]]) -> CycleFit:
    """The line through ln(1 - 2 P) of one patch and basis.

    Args:
        points: (cycles, errors, shots).
    """
    cycles, errors, shots = zip(*points, strict=True)
    return error_per_cycle(cycles=cycles, errors=errors, shots=shots)


def probability(errors: int, shots: int) -> Estimate:
    """Failure probability per shot with its 95 % interval."""
    return logical_error_rate(errors=errors, shots=shots, likelihood_factor=_95)


def one_sigma(value: float, sigma: float) -> Estimate:
    """A value with a standard deviation, as a 95 % interval."""
    return Estimate(value, value - _SIGMAS_95 * sigma, value + _SIGMAS_95 * sigma)


def from_log(value: float, sigma: float) -> Estimate:
    """A positive value whose logarithm has a standard deviation, as a 95 % interval."""
    factor = math.exp(_SIGMAS_95 * sigma)
    return Estimate(value, value / factor, value * factor)


def ratio(above: Estimate, below: Estimate) -> Estimate:
    """Quotient of two independent positive estimates; relative errors added in squares, on each side."""
    value = above.value / below.value
    up = math.hypot(above.plus / above.value, below.minus / below.value)
    down = math.hypot(above.minus / above.value, below.plus / below.value)
    return Estimate(value, value * max(0.0, 1 - down), value * (1 + up))


def sigma(estimate: Estimate) -> float:
    """Standard deviation behind a 95 % interval."""
    return (estimate.high - estimate.low) / (2 * _SIGMAS_95)


def log_sigma(estimate: Estimate) -> float:
    """Standard deviation of the logarithm of a positive estimate."""
    if estimate.low <= 0:
        return math.inf
    return math.log(estimate.high / estimate.low) / (2 * _SIGMAS_95)


def slope(x: Sequence[float], y: Sequence[Estimate]) -> Estimate:
    """Slope of ln y against ln x, by least squares weighted with the intervals of y.

    Where the points scatter more than their intervals say, the interval of the slope grows with the scatter.

    Raises:
        ValueError: fewer than three points whose intervals stay above zero.
    """
    used = [(math.log(a), math.log(b.value), log_sigma(b)) for a, b in zip(x, y, strict=True) if b.low > 0]
    if len(used) < 3:
        raise ValueError(f"a slope with an interval needs three points with errors, got {len(used)}")
    logs, values, sigmas = (np.array(column) for column in zip(*used, strict=True))
    weights = sigmas**-2
    centred = logs - np.average(logs, weights=weights)
    spread = float(weights @ centred**2)
    found = float((weights * centred) @ values) / spread
    rest = values - np.average(values, weights=weights) - found * centred
    excess = float(weights @ rest**2) / (len(used) - 2)
    return one_sigma(found, math.sqrt(max(1.0, excess) / spread))
