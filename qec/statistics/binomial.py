"""Failure probability from a number of failures, with its likelihood interval."""

from __future__ import annotations

import math

from scipy.optimize import brentq

from qec.statistics.counts import checked_counts
from qec.statistics.estimate import Estimate, confidence_of


def logical_error_rate(*, errors: int, shots: int, likelihood_factor: float = 1000.0) -> Estimate:
    """Estimate the logical error probability per shot, with its likelihood interval.

    The interval holds every probability under which the observed count is at most `likelihood_factor`
    times less likely than under the best one (the definition of `sinter.fit_binomial`). No error in n
    shots gives (0, 0, 1 - factor^(-1/n)).

    Args:
        errors: Number of shots with a logical error.
        shots: Number of shots, at least one.
        likelihood_factor: 1000 is close to 99.98 % confidence, 6.83 to 95 %, 1.65 to 68 %
            (`likelihood_factor_of` converts).

    Returns:
        Value errors/shots, its interval, and the confidence of the factor.

    Raises:
        ValueError: For errors < 0, errors > shots, shots < 1, numbers that are not whole, or a factor <= 1.
    """
    confidence = confidence_of(likelihood_factor=likelihood_factor)
    _, (num_errors,), (num_shots,) = checked_counts(cycles=1, errors=errors, shots=shots)
    low, high = likelihood_interval(
        errors=float(num_errors), shots=float(num_shots), drop=math.log(likelihood_factor)
    )
    return Estimate(value=float(num_errors / num_shots), low=low, high=high, confidence=confidence)


def likelihood_interval(*, errors: float, shots: float, drop: float) -> tuple[float, float]:
    """Find the probabilities at which the binomial log-likelihood has fallen by `drop`.

    Counts need not be integers: detection fractions use effective ones.
    """
    if errors <= 0:
        return 0.0, -math.expm1(-drop / shots)
    if errors >= shots:
        return math.exp(-drop / shots), 1.0
    low = _fall(errors=errors, others=shots - errors, drop=drop)
    # The upper end is the lower end of the complement.
    high = 1 - _fall(errors=shots - errors, others=errors, drop=drop)
    best = errors / shots
    return min(low, best), max(high, best)


def _fall(*, errors: float, others: float, drop: float) -> float:
    """Find the probability below errors / (errors + others) where the log-likelihood has fallen by `drop`."""
    best = errors / (errors + others)

    def remaining(shift: float) -> float:
        # shift = ln(p / best); the ratio (1 - p) / (1 - best) is 1 + odds * (1 - p / best).
        return errors * shift + others * math.log1p(-math.expm1(shift) * errors / others) + drop

    start = -1.0
    while remaining(start) > 0:
        start *= 2
    return best * math.exp(brentq(remaining, start, 0.0, xtol=1e-300, rtol=1e-14))
