"""Bars of statistical tests: one false alarm in a million runs with other seeds, over all comparisons."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, stdtrit
from scipy.stats import binom

FALSE_ALARM = 1e-6


def sigmas(comparisons: int = 1) -> float:
    """Standard deviations that the largest of some normal numbers exceeds once in a million: 4.9 for one."""
    return float(-ndtri(FALSE_ALARM / comparisons / 2))


def student_sigmas(values: int) -> float:
    """The same for the mean of some values, in units of its standard error that their scatter gives."""
    return float(-stdtrit(values - 1, FALSE_ALARM / 2))


def assert_binomial(found: ArrayLike, shots: int, probability: ArrayLike) -> None:
    """Counts agree with their probabilities, by the exact tails of the binomial distribution."""
    counts, chances = np.broadcast_arrays(np.asarray(found), np.asarray(probability, dtype=np.float64))
    tails = np.minimum(binom.cdf(counts, shots, chances), binom.sf(counts - 1, shots, chances))
    least = FALSE_ALARM / counts.size / 2
    where = np.unravel_index(tails.argmin(), tails.shape)
    assert tails.min() >= least, f"{where}: {counts[where]} of {shots}, expected {chances[where] * shots:.1f}"


def assert_equal_counts(first: ArrayLike, second: ArrayLike) -> None:
    """Pairs of counts, of equally many shots, have equal expectations: one is Binomial(sum, 1/2)."""
    one, other = np.asarray(first), np.asarray(second)
    tails = binom.cdf(np.minimum(one, other), one + other, 0.5)
    where = np.unravel_index(tails.argmin(), tails.shape)
    assert tails.min() >= FALSE_ALARM / tails.size / 2, f"{where}: {one[where]} and {other[where]}"
