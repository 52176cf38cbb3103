"""Bootstrap intervals for error per cycle and Lambda, from counts.

A replicate of a count of k errors in n shots draws the failure probability from the
Beta(k + 1/2, n - k + 1/2) distribution (Jeffreys) and has n times that many errors. For many errors this
is the ordinary parametric bootstrap, Binomial(n, k/n). For no errors it keeps a spread, where
every ordinary replicate of zero errors would be zero. For one number of cycles the
resulting percentiles are Jeffreys' interval, which is too short for a few errors: as in `error_per_cycle`,
the ends of intervals of epsilon are multiplied by the ratio of Garwood's exact interval of a Poisson mean to
Jeffreys', for the number of all errors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qec.statistics.average import average
from qec.statistics.binomial import exact_over_jeffreys
from qec.statistics.counts import Counts
from qec.statistics.cycle_fit import chosen_intercept, error_per_cycle
from qec.statistics.decay import HALF, Decay
from qec.statistics.estimate import Estimate, check_confidence
from qec.statistics.suppression import checked_distances, suppression_factor

Floats = NDArray[np.float64]

_LEAST_REPLICATES = 100
_SMALLEST = 1e-200  # stands for epsilon = 0 on the logarithmic axis
_BOUNDLESS = 1e15


def bootstrap_error_per_cycle(
    *,
    cycles: ArrayLike,
    errors: ArrayLike,
    shots: ArrayLike,
    free_intercept: bool | None = None,
    confidence: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate the logical error per cycle as `error_per_cycle`, with a parametric bootstrap interval.

    The interval runs between the (1 - confidence) / 2 and (1 + confidence) / 2 quantiles of the replicates,
    widened to the value where that lies outside (no errors: from 0).

    Args:
        cycles: As in `error_per_cycle`.
        errors: As in `error_per_cycle`.
        shots: As in `error_per_cycle`.
        free_intercept: As in `error_per_cycle`.
        confidence: Coverage of the interval.
        replicates: Number of replicates, at least 100.
        seed: Seed of the random numbers; equal seeds give equal intervals.

    Raises:
        ValueError: As `error_per_cycle`, or for fewer than 100 replicates.
    """
    counts = Counts(cycles=cycles, errors=errors, shots=shots)  # type: ignore[arg-type]
    rng = _checked_rng(confidence=confidence, replicates=replicates, seed=seed)
    fit = error_per_cycle(
        cycles=cycles, errors=errors, shots=shots, free_intercept=free_intercept, confidence=confidence
    )
    drawn = _replicates(counts, free_intercept=free_intercept, replicates=replicates, rng=rng)
    found = _percentiles(fit.epsilon.value, drawn, confidence=confidence)
    lower, upper = exact_over_jeffreys(errors=float(counts.arrays()[1].sum()), confidence=confidence)
    return Estimate(found.value, found.low * lower, min(0.5, found.high * upper), confidence)


def bootstrap_suppression(
    *,
    distances: ArrayLike,
    counts: Sequence[Counts | Sequence[Counts]],
    free_intercept: bool | None = None,
    confidence: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Estimate:
    """Estimate Lambda from counted errors, with a parametric bootstrap interval.

    Every replicate redraws all counts, refits each epsilon, averages over the patches and bases of a
    distance, and redoes the regression of ln epsilon_d against d, weighted by the spread of ln epsilon_d
    among replicates. The interval is taken from the replicates' quantiles; an end that no finite number
    describes is 0 or infinite. The value is `suppression_factor`'s; where that is NaN the interval is
    [0, inf].

    Args:
        distances: Whole numbers >= 1, as many as counts; at least two different ones.
        counts: For each distance the counts of one memory, or a sequence of them (patches, bases) whose
            epsilons are averaged.
        free_intercept: As in `error_per_cycle`, for every fit.
        confidence: Coverage of the interval.
        replicates: Number of replicates, at least 100.
        seed: Seed of the random numbers; equal seeds give equal intervals.

    Raises:
        ValueError: For lengths that disagree, fewer than two different distances, a distance without
            counts, impossible counts, or fewer than 100 replicates.
    """
    lengths = checked_distances(distances)
    rng = _checked_rng(confidence=confidence, replicates=replicates, seed=seed)
    if len(counts) != lengths.size:
        raise ValueError(f"counts has {len(counts)} entries but distances has {lengths.size}")
    epsilons, logs = [], np.empty((replicates, lengths.size))
    for column, entry in enumerate(counts):
        memories = [entry] if isinstance(entry, Counts) else list(entry)
        if not memories or not all(isinstance(memory, Counts) for memory in memories):
            raise ValueError(
                f"counts at distance {lengths[column]:.0f} must be Counts(cycles=, errors=, shots=) "
                "or a non-empty sequence of them"
            )
        fits = [
            error_per_cycle(
                cycles=memory.cycles,
                errors=memory.errors,
                shots=memory.shots,
                free_intercept=free_intercept,
                confidence=confidence,
            )
            for memory in memories
        ]
        epsilons.append(average(estimates=[fit.epsilon for fit in fits]))
        drawn = [
            _replicates(memory, free_intercept=free_intercept, replicates=replicates, rng=rng)
            for memory in memories
        ]
        logs[:, column] = np.log(np.maximum(np.mean(drawn, axis=0), _SMALLEST))
    value = suppression_factor(distances=lengths, epsilons=epsilons, confidence=confidence).value.value
    slopes = _slopes(lengths, logs)
    if slopes is None or math.isnan(value):
        return Estimate(value=value, low=0.0, high=math.inf, confidence=confidence)
    with np.errstate(over="ignore"):
        drawn_lambda = np.exp(-2 * slopes)
    return _percentiles(value, drawn_lambda, confidence=confidence, boundless=True)


def _replicates(
    counts: Counts, *, free_intercept: bool | None, replicates: int, rng: np.random.Generator
) -> Floats:
    """Draw replicates and refit epsilon: float64 (replicates,)."""
    cycles, errors, shots = counts.arrays()
    free = chosen_intercept(cycles=cycles, free_intercept=free_intercept)
    rates = rng.beta(errors + 0.5, shots - errors + 0.5, size=(replicates, errors.size))
    if not free and np.unique(cycles).size == 1:
        pooled = np.minimum(rates @ shots / shots.sum(), HALF)
        return np.asarray(-np.expm1(np.log1p(-2 * pooled) / cycles[0]) / 2)
    epsilon, _, _ = Decay(cycles=cycles, shots=shots, free=free).fit(rates * shots)
    return epsilon


def _slopes(distances: Floats, logs: Floats) -> Floats | None:
    """Compute the weighted least-squares slope of every replicate; None for fewer than two spreads."""
    lower, upper = np.quantile(logs, [0.1587, 0.8413], axis=0)
    known = lower > math.log(_SMALLEST) + 1
    if np.unique(distances[known]).size < 2:
        return None
    weights = np.where(known, 1 / np.maximum(upper - lower, 1e-12) ** 2, 0.0)
    offsets = distances - weights @ distances / weights.sum()
    slopes: Floats = (logs * weights) @ offsets / (weights @ offsets**2)
    return slopes


def _percentiles(value: float, drawn: Floats, *, confidence: float, boundless: bool = False) -> Estimate:
    low, high = (float(end) for end in np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]))
    if boundless:
        low, high = (0.0 if low < 1 / _BOUNDLESS else low), (math.inf if high > _BOUNDLESS else high)
    if not math.isnan(value):
        low, high = min(low, value), max(high, value)
    return Estimate(value=value, low=low, high=high, confidence=confidence)


def _checked_rng(*, confidence: float, replicates: int, seed: int) -> np.random.Generator:
    check_confidence(confidence)
    if replicates < _LEAST_REPLICATES:
        raise ValueError(f"replicates must be at least {_LEAST_REPLICATES}, got {replicates}")
    return np.random.default_rng(seed)
