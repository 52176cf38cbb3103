"""Soft outputs: how sure a decoder was of each shot, whether rightly so, and what dropping the rest gains.

The gap of a shot is the difference in log-likelihood between the best solutions of the two logical classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from qec.statistics.binomial import logical_error_rate
from qec.statistics.estimate import Estimate, likelihood_factor_of

_FACTOR = likelihood_factor_of(confidence=0.95)


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Shots of similar gaps.

    Attributes:
        low: smallest gap.
        high: largest gap; may be infinite.
        predicted: mean of the error probabilities that the gaps predict.
        observed: fraction of shots with a logical error, with its interval.
        shots: how many there are.
        errors: how many of them have a logical error.
    """

    low: float
    high: float
    predicted: float
    observed: Estimate
    shots: int
    errors: int


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is left when the shots with the smallest gaps are discarded.

    Attributes:
        threshold: shots with a smaller gap are discarded.
        discarded: fraction of all shots that this is.
        error: logical error probability of the others, with its interval.
        shots: how many others there are.
        errors: how many of them have a logical error.
    """

    threshold: float
    discarded: float
    error: Estimate
    shots: int
    errors: int


def error_probability(gap: ArrayLike) -> NDArray[np.float64]:
    """The probability that the other class is the true one: 1 / (1 + exp(gap)).

    Exact if each class had a single solution; other solutions of a class count too in truth.

    Raises:
        ValueError: a gap is not a number.
    """
    gaps = np.asarray(gap, dtype=np.float64)
    if np.isnan(gaps).any():
        raise ValueError("a gap is not a number (nan)")
    found: NDArray[np.float64] = expit(-gaps)
    return found


def calibration(
    *, gaps: ArrayLike, failed: ArrayLike, bins: int = 12, likelihood_factor: float = _FACTOR
) -> list[CalibrationBin]:
    """Predicted against observed logical error, in bins of about equally many shots.

    Shots of equal gaps are never parted, so there may be fewer bins, and bins of unequal size.

    Args:
        gaps: (shots,), infinite allowed.
        failed: bool (shots,), whether the shot's prediction was wrong.
        bins: how many bins to make.
        likelihood_factor: of the intervals, see `logical_error_rate`; the default is 95 % confidence.

    Returns:
        The bins in the order of growing gaps.

    Raises:
        ValueError: no shots, lengths that disagree, gaps that are no numbers, or less than one bin.
    """
    ordered, wrong = _in_order(gaps, failed)
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    predicted = error_probability(ordered)
    ends = _between_different(ordered, [len(ordered) * k // bins for k in range(1, bins + 1)])
    found = []
    start = 0
    for end in ends:
        shots, errors = end - start, int(wrong[start:end].sum())
        found.append(
            CalibrationBin(
                low=float(ordered[start]),
                high=float(ordered[end - 1]),
                predicted=float(predicted[start:end].mean()),
                observed=logical_error_rate(errors=errors, shots=shots, likelihood_factor=likelihood_factor),
                shots=shots,
                errors=errors,
            )
        )
        start = end
    return found


def post_selection(
    *, gaps: ArrayLike, failed: ArrayLike, fractions: Sequence[float], likelihood_factor: float = _FACTOR
) -> list[Kept]:
    """Logical error of what is left when the least certain shots are discarded.

    Args:
        gaps: (shots,), infinite allowed.
        failed: bool (shots,), whether the shot's prediction was wrong.
        fractions: how much to discard, each at least 0 and below 1. Shots of equal gaps are kept or
            discarded together, so that the fraction discarded may be smaller, never larger.
        likelihood_factor: of the intervals, see `logical_error_rate`; the default is 95 % confidence.

    Returns:
        One entry for each fraction.

    Raises:
        ValueError: no shots, lengths that disagree, gaps that are no numbers, or fractions out of range.
    """
    ordered, wrong = _in_order(gaps, failed)
    total = len(ordered)
    left = np.concatenate([np.cumsum(wrong[::-1])[::-1], [0]])
    found = []
    for fraction in fractions:
        if not 0 <= fraction < 1:
            raise ValueError(f"fractions to discard must be at least 0 and below 1, got {fraction}")
        # Rounding must not turn 0.3 x 10 into 2.
        most = min(int(fraction * total * (1 + 1e-12)), total - 1)
        start = int(np.searchsorted(ordered, ordered[most], side="left"))
        shots, errors = total - start, int(left[start])
        found.append(
            Kept(
                threshold=float(ordered[start]) if start else 0.0,
                discarded=start / total,
                error=logical_error_rate(errors=errors, shots=shots, likelihood_factor=likelihood_factor),
                shots=shots,
                errors=errors,
            )
        )
    return found


def _in_order(gaps: ArrayLike, failed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Gaps and failures, checked, the smallest gap first."""
    numbers = np.asarray(gaps, dtype=np.float64)
    wrong = np.asarray(failed)
    if numbers.ndim != 1 or wrong.shape != numbers.shape:
        raise ValueError(
            f"gaps and failed must be flat and equally long, got {numbers.shape} and {wrong.shape}"
        )
    if wrong.dtype != np.bool_:
        raise ValueError(f"failed must be bool, got {wrong.dtype}")
    if not numbers.size:
        raise ValueError("no shots: gaps is empty")
    if np.isnan(numbers).any():
        raise ValueError("a gap is not a number (nan)")
    order = np.argsort(numbers, kind="stable")
    return numbers[order], wrong[order]


def _between_different(ordered: NDArray[np.float64], ends: Sequence[int]) -> list[int]:
    """Ends of bins, moved back to where values change, or on where a bin would be empty; the last stays."""
    total = len(ordered)
    found: list[int] = []
    last = 0
    for end in ends:
        moved = total
        if end < total:
            moved = int(np.searchsorted(ordered, ordered[end], side="left"))
            if moved <= last:
                moved = int(np.searchsorted(ordered, ordered[end], side="right"))
        if moved > last:
            found.append(moved)
            last = moved
    return found
