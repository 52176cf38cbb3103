"""Failure probability from a number of failures, with exact and likelihood intervals."""

from __future__ import annotations

import math

from scipy.special import betainccinv, betaincinv, gammainccinv, gammaincinv

from qec.statistics.counts import checked_counts
from qec.statistics.estimate import Estimate, check_confidence, confidence_of, sigmas_of


def logical_error_rate(
    *, errors: int, shots: int, likelihood_factor: float = 1000.0, confidence: float | None = None
) -> Estimate:
    """Estimate the logical error probability per shot, with its interval.

    With `confidence` it is the exact interval of Clopper and Pearson (Biometrika 26, 404, 1934), which
    contains the truth at least as often as stated for any number of errors. No error in n shots gives
    (0, 0, 1 - ((1 - confidence) / 2)^(1/n)).

    Without, it is a likelihood interval: every probability under which the observed count is at most
    `likelihood_factor` times less likely than under the best one (the definition of `sinter.fit_binomial`).
    For a few errors it contains the truth less often than `confidence_of(likelihood_factor)`: about 85 %
    instead of 95 % where two errors are expected.

    Args:
        errors: Number of shots with a logical error.
        shots: Number of shots, at least one.
        likelihood_factor: 1000 is close to 99.98 % confidence; not used if `confidence` is given.
        confidence: Least coverage of the exact interval, such as 0.95.

    Returns:
        Value errors/shots, its interval, and the confidence (that of the factor for many errors).

    Raises:
        ValueError: For errors < 0, errors > shots, shots < 1, numbers that are not whole, a factor <= 1, or
            a confidence that is not between 0 and 1.
    """
    _, (num_errors,), (num_shots,) = checked_counts(cycles=1, errors=errors, shots=shots)
    value = float(num_errors / num_shots)
    if confidence is not None:
        low, high = exact_interval(errors=float(num_errors), shots=float(num_shots), confidence=confidence)
        return Estimate(value=value, low=low, high=high, confidence=confidence)
    approximate = confidence_of(likelihood_factor=likelihood_factor)
    low, high = likelihood_interval(
        errors=float(num_errors), shots=float(num_shots), drop=math.log(likelihood_factor)
    )
    return Estimate(value=value, low=low, high=high, confidence=approximate)


def exact_interval(*, errors: float, shots: float, confidence: float) -> tuple[float, float]:
    """Find the interval of Clopper and Pearson: outside it the count lies in a tail of (1 - confidence) / 2.

    Counts need not be integers: with effective ones it is the interval of Korn and Graubard (Survey
    Methodology 24, 193, 1998).
    """
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    others = shots - errors
    low = 0.0 if errors <= 0 else float(betaincinv(errors, others + 1, tail))
    # The upper end from the complement of the tail: it keeps its digits where the tail is small.
    high = 1.0 if others <= 0 else float(betainccinv(errors + 1, others, tail))
    return min(low, errors / shots), max(high, errors / shots)


def exact_over_likelihood(*, errors: float, confidence: float) -> tuple[float, float]:
    """Compute both ends of the exact interval of a Poisson mean, divided by those of the likelihood interval.

    The exact interval is that of Garwood (Biometrika 28, 437, 1936). The factors are (1, 1.92) for no
    error and 95 %, (0.44, 1.21) for one, and approach 1 as 1 / (2 sqrt(errors)).
    """
    tail = (1 - confidence) / 2
    drop = sigmas_of(confidence=confidence) ** 2 / 2
    highest = float(gammainccinv(errors + 1, tail))
    if errors <= 0:
        return 1.0, max(1.0, highest / drop)
    from scipy.optimize import brentq

    low, high = (
        brentq(lambda x: x - 1 - math.log(x) - drop / errors, *ends, xtol=1e-300, rtol=1e-12)
        for ends in ((1e-300, 1.0), (1.0, 2 + 4 * drop / errors))
    )
    lowest = float(gammaincinv(errors, tail))
    return min(1.0, lowest / (errors * low)), max(1.0, highest / (errors * high))


def exact_over_jeffreys(*, errors: float, confidence: float) -> tuple[float, float]:
    """Compute both ends of the exact interval of a Poisson mean, divided by those of Jeffreys' interval."""
    tail = (1 - confidence) / 2
    upper = float(gammainccinv(errors + 1, tail) / gammainccinv(errors + 0.5, tail))
    if errors <= 0:
        return 1.0, upper
    return float(gammaincinv(errors, tail) / gammaincinv(errors + 0.5, tail)), upper


def likelihood_interval(*, errors: float, shots: float, drop: float) -> tuple[float, float]:
    """Find the probabilities at which the binomial log-likelihood has fallen by `drop`.

    Counts need not be integers.
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
    from scipy.optimize import brentq

    best = errors / (errors + others)

    def remaining(shift: float) -> float:
        # shift = ln(p / best); the ratio (1 - p) / (1 - best) is 1 + odds * (1 - p / best).
        return errors * shift + others * math.log1p(-math.expm1(shift) * errors / others) + drop

    start = -1.0
    while remaining(start) > 0:
        start *= 2
    return best * math.exp(brentq(remaining, start, 0.0, xtol=1e-300, rtol=1e-14))
