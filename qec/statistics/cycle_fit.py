"""Logical error per cycle from counted logical errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qec.statistics.binomial import exact_interval, exact_over_likelihood
from qec.statistics.conversion import per_cycle
from qec.statistics.counts import checked_counts
from qec.statistics.decay import HALF, Decay
from qec.statistics.estimate import Estimate, sigmas_of


@dataclass(frozen=True)
class CycleFit:
    """Logical error per cycle, and the line fitted to ln(1 - 2P).

    Attributes:
        epsilon: Logical error per cycle, 0 to 1/2, with its interval.
        intercept: ln(1 - 2P) of the line at zero cycles: preparation and readout together flip the result
            with probability (1 - exp(intercept)) / 2. It may lie slightly above 0, since the first and the
            last cycle differ from the others; NaN if the data do not determine it.
        num_points: Number of experiments used.
        deviance: Twice the log-likelihood by which independent points would fit better: about
            `degrees_of_freedom` if the line describes the data, much larger if it does not.
        degrees_of_freedom: Points minus fitted numbers.
        first_cycles: Number of cycles of the shortest experiment.
        first_probability: Fitted failure probability there.
    """

    epsilon: Estimate
    intercept: float
    num_points: int
    deviance: float
    degrees_of_freedom: int
    first_cycles: int
    first_probability: float

    def probability(self, cycles: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted failure probability per shot after each number of cycles, float64."""
        length = np.asarray(cycles, dtype=np.float64) - self.first_cycles
        factor = math.log1p(-2 * min(self.epsilon.value, HALF))
        kept = np.exp(length * factor)
        result: NDArray[np.float64] = -np.expm1(length * factor) / 2 + self.first_probability * kept
        return result


def error_per_cycle(
    *,
    cycles: ArrayLike,
    errors: ArrayLike,
    shots: ArrayLike,
    free_intercept: bool | None = None,
    confidence: float = 0.95,
) -> CycleFit:
    """Estimate the logical error per cycle from one or several durations.

    One duration gives epsilon = (1 - (1 - 2 errors/shots)^(1/cycles)) / 2. Several give the line
    ln(1 - 2P) = intercept + cycles ln(1 - 2 epsilon), whose free intercept takes up preparation and readout
    (arXiv 2408.13687). The line is fitted by binomial maximum likelihood, not by least squares, under the
    conditions 0 <= epsilon <= 1/2 and 0 <= P <= 1/2, so every count is valid:

    - no errors at all: epsilon is 0 with an upper end;
    - half of the shots or more: the upper end is 1/2. If that holds for all durations and the intercept is
      free, nothing is known: epsilon is 1/2 with interval [0, 1/2].

    For one duration the interval is that of Clopper and Pearson. For several it is a profile likelihood
    interval: all epsilon whose likelihood, at their best intercept, is within a factor exp(z^2 / 2) of the
    maximum, z being the normal quantile of `confidence` (factor 6.8 for 0.95, 1.65 for 0.6827). Since such
    intervals are too short for a few errors, its ends are multiplied by the ratio of Garwood's exact
    interval to the likelihood interval of a Poisson mean, for the number of all errors (1.92 above for
    none, 1.05 for a hundred). Intervals assume independent shots; compare `deviance` with
    `degrees_of_freedom` to see whether the scatter of the points agrees.

    Args:
        cycles: Numbers of cycles, each at least 1; one number or a sequence. Duplicates are fine.
        errors: Shots with a logical error, as many as cycles.
        shots: Shots, as many as cycles, or one number for all.
        free_intercept: True fits the intercept, False holds it at 0; None fits it where there are at least
            two different numbers of cycles.
        confidence: Coverage of the interval, such as 0.95 or 0.68.

    Raises:
        ValueError: For invalid counts (see `Counts`), a confidence outside (0, 1), or
            free_intercept=True with a single number of cycles.
    """
    cycle_counts, error_counts, shot_counts = checked_counts(cycles=cycles, errors=errors, shots=shots)
    drop = sigmas_of(confidence=confidence) ** 2 / 2
    free = chosen_intercept(cycles=cycle_counts, free_intercept=free_intercept)
    decay = Decay(cycles=cycle_counts, shots=shot_counts, free=free)
    epsilons, firsts, best = decay.fit(error_counts[None, :])
    num_errors, num_shots = float(error_counts.sum()), float(shot_counts.sum())
    one_duration = not free and np.unique(cycle_counts).size == 1
    if one_duration:
        # The closed form is exact.
        pooled = num_errors / num_shots
        epsilons = np.array([per_cycle(probability=pooled, cycles=float(cycle_counts[0]))])
    lows, highs = decay.interval(error_counts[None, :], epsilons, best, drop=drop)
    low, high = float(lows[0]), float(highs[0])
    if one_duration:
        ends = exact_interval(errors=num_errors, shots=num_shots, confidence=confidence)
        exact = [per_cycle(probability=end, cycles=float(cycle_counts[0])) for end in ends]
        # Far above half of the shots the exact interval holds no epsilon.
        low, high = min(low, exact[0]), max(high, exact[1])
    else:
        lower, upper = exact_over_likelihood(errors=num_errors, confidence=confidence)
        low, high = low * lower, min(0.5, high * upper)
    epsilon, first = float(epsilons[0]), float(firsts[0])
    value = 0.5 if epsilon >= HALF else epsilon
    saturated = float(decay.log_likelihood(error_counts / shot_counts, error_counts))
    first_cycles = int(cycle_counts.min())
    if not free:
        first = float(decay.failure(epsilons, firsts)[0].min())
    if value == 0.5:
        intercept = math.nan if free else 0.0
    elif free:
        intercept = _log1p(-2 * first) - first_cycles * math.log1p(-2 * epsilon)
    else:
        intercept = 0.0
    return CycleFit(
        epsilon=Estimate(value=value, low=low, high=max(high, value), confidence=confidence),
        intercept=intercept,
        num_points=len(cycle_counts),
        deviance=max(0.0, 2 * (saturated - float(best[0]))),
        degrees_of_freedom=len(cycle_counts) - (2 if free else 1),
        first_cycles=first_cycles,
        first_probability=first,
    )


def chosen_intercept(*, cycles: NDArray[np.float64], free_intercept: bool | None) -> bool:
    """Return whether the intercept is fitted; ValueError if that is requested but impossible."""
    several = np.unique(cycles).size > 1
    if free_intercept and not several:
        raise ValueError(
            f"a free intercept needs at least two different numbers of cycles, got only {cycles[0]:.0f}"
        )
    return several if free_intercept is None else free_intercept


def _log1p(x: float) -> float:
    return math.log1p(x) if x > -1 else -math.inf
