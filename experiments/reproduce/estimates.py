"""From records to logical errors per cycle and Lambda, as the paper averages them."""

import math
from collections.abc import Sequence

from qec.statistics import CycleFit, Estimate, average, error_per_cycle, logical_error_rate
from qec.statistics.estimate import likelihood_factor_of

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


def ratio(above: Estimate, below: Estimate) -> Estimate:
    """Quotient of two independent positive estimates; relative errors added in squares, on each side."""
    value = above.value / below.value
    up = math.hypot(above.plus / above.value, below.minus / below.value)
    down = math.hypot(above.minus / above.value, below.plus / below.value)
    return Estimate(value, value * max(0.0, 1 - down), value * (1 + up))


def sigma(estimate: Estimate) -> float:
    """Standard deviation behind a 95 % interval."""
    return (estimate.high - estimate.low) / (2 * _SIGMAS_95)


__all__ = ["average", "fit", "one_sigma", "probability", "ratio", "sigma"]
