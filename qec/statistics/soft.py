"""Soft outputs: calibration of complementary gaps, and post-selection by them.

The gap of a shot is the difference in log-likelihood between the best solutions of the two logical classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from qec.statistics.binomial import logical_error_rate
from qec.statistics.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class CalibrationBin:
    """Shots of similar gaps.

    Attributes:
        low: smallest gap.
        high: largest gap; may be infinite.
        predicted: mean of the error probabilities that the gaps predict.
        observed: fraction of shots with a logical error, with its interval.
        shots: number of shots.
        errors: number of shots with a logical error.
    """

    low: float
    high: float
    predicted: float
    observed: Estimate
    shots: int
    errors: int


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Shots that are kept when those with the smallest gaps are discarded.

    Attributes:
        threshold: shots with a smaller gap are discarded.
        discarded: discarded fraction of all shots.
        error: logical error probability of the kept shots, with its interval.
        shots: number of kept shots.
        errors: number of kept shots with a logical error.
    """

    threshold: float
    discarded: float
    error: Estimate
    shots: int
    errors: int


def error_probability(gap: ArrayLike) -> NDArray[np.float64]:
    """Compute the probability that the other class is the true one: 1 / (1 + exp(gap)).

    Exact if each class has a single solution; in general, all solutions of a class contribute.

    Args:
        gap: log-likelihood ratio, one number or an array.

    Raises:
        ValueError: a gap is not a number.
    """
    gaps = np.asarray(gap, dtype=np.float64)
    if np.isnan(gaps).any():
        raise ValueError("gaps must not be NaN")
    found: NDArray[np.float64] = expit(-gaps)
    return found


def calibration(
    *, gaps: ArrayLike, failed: ArrayLike, bins: int = 12, likelihood_factor: float | None = None
) -> list[CalibrationBin]:
    """Compare predicted and observed logical errors, in bins of about equally many shots.

    Shots of equal gaps stay together, so there may be fewer bins, and bins of unequal size.

    Args:
        gaps: (shots,), infinite allowed.
        failed: bool (shots,), whether the shot's prediction was wrong.
        bins: number of bins.
        likelihood_factor: of likelihood intervals, see `logical_error_rate`; None: exact ones of 95 %
            confidence.

    Returns:
        Bins in the order of increasing gaps.

    Raises:
        ValueError: no shots, lengths that disagree, NaN among the gaps, or less than one bin.
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
                observed=_rate(errors, shots, likelihood_factor),
                shots=shots,
                errors=errors,
            )
        )
        start = end
    return found


def post_selection(
    *, gaps: ArrayLike, failed: ArrayLike, fractions: Sequence[float], likelihood_factor: float | None = None
) -> list[Kept]:
    """Estimate the logical error of the kept shots when those with the smallest gaps are discarded.

    Args:
        gaps: (shots,), infinite allowed.
        failed: bool (shots,), whether the shot's prediction was wrong.
        fractions: fractions to discard, each at least 0 and below 1. Shots of equal gaps are kept or
            discarded together, so that the fraction discarded may be smaller, never larger.
        likelihood_factor: of likelihood intervals, see `logical_error_rate`; None: exact ones of 95 %
            confidence.

    Returns:
        One entry for each fraction.

    Raises:
        ValueError: no shots, lengths that disagree, NaN among the gaps, or fractions out of range.
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
                error=_rate(errors, shots, likelihood_factor),
                shots=shots,
                errors=errors,
            )
        )
    return found


def _rate(errors: int, shots: int, likelihood_factor: float | None) -> Estimate:
    if likelihood_factor is None:
        return logical_error_rate(errors=errors, shots=shots, confidence=0.95)
    return logical_error_rate(errors=errors, shots=shots, likelihood_factor=likelihood_factor)


def _in_order(gaps: ArrayLike, failed: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Check gaps and failures, and sort them by gap."""
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
        raise ValueError("gaps must not be NaN")
    order = np.argsort(numbers, kind="stable")
    return numbers[order], wrong[order]


def _between_different(ordered: NDArray[np.float64], ends: Sequence[int]) -> list[int]:
    """Move ends of bins back to where values change, or forward past an empty bin; the last stays."""
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
