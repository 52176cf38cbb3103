"""Error suppression factor Lambda from the logical error per cycle at several distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qec.statistics.counts import whole_numbers
from qec.statistics.estimate import Estimate, sigmas_of
from qec.statistics.line_fit import Points


@dataclass(frozen=True)
class SuppressionFit:
    """Lambda and the fitted line ln epsilon_d = ln prefactor - (d + 1) / 2 ln Lambda.

    Attributes:
        value: Lambda with its interval. NaN in [0, inf] if the points determine none (no distance
            with an error); infinite if only the smallest distance had errors.
        prefactor: epsilon extrapolated to (d + 1) / 2 = 0, with its interval.
        deviance: Twice the log-likelihood by which the points miss the line: about
            `degrees_of_freedom` where the line describes them.
        degrees_of_freedom: Informative points minus two; not below zero.
        distances: Distances of the points.
        epsilons: Logical errors per cycle of the points.
    """

    value: Estimate
    prefactor: Estimate
    deviance: float
    degrees_of_freedom: int
    distances: tuple[int, ...]
    epsilons: tuple[Estimate, ...]

    def predict(self, distance: float) -> Estimate:
        """Predict the error per cycle at a distance from the line, with the interval of the fit.

        Raises:
            ValueError: If the distance is not a finite number.
        """
        if not math.isfinite(distance):
            raise ValueError(f"distance must be a finite number, got {distance}")
        points = Points.from_estimates(
            distances=np.asarray(self.distances, dtype=np.float64), epsilons=self.epsilons
        )
        return _epsilon_at(points, distance=distance, confidence=self.value.confidence)


def suppression_factor(
    *, distances: ArrayLike, epsilons: Sequence[Estimate], confidence: float = 0.95
) -> SuppressionFit:
    """Estimate Lambda = epsilon_d / epsilon_(d+2) by linear regression of ln epsilon_d against d.

    Lambda = exp(-2 slope) (arXiv 2408.13687). Each point is weighted by 1 / sigma^2, sigma being the half
    width of its interval in ln epsilon divided by the normal quantile of its own `confidence`; the interval
    of Lambda then is the usual propagation of those sigmas. A point whose interval reaches down to zero (no
    error observed) has no place on a logarithmic axis and enters by its likelihood instead, as an upper limit
    of the same confidence. A point with interval [0, 1/2] has no effect.

    The interval is the profile likelihood interval of the given confidence; for points without zeros it
    equals exp(-2 (slope -+ z sigma_slope)) with the normal quantile z. It does not grow if the points
    scatter more than their intervals imply: see `deviance`.

    Args:
        distances: Whole numbers >= 1, as many as epsilons; at least two different ones.
        epsilons: Logical errors per cycle with their intervals, as `error_per_cycle` and `average` return
            them.
        confidence: Coverage of the resulting intervals, such as 0.95 or 0.68.

    Raises:
        ValueError: For lengths that disagree, fewer than two different distances, an epsilon outside
            [0, 1/2] or without a value, or an interval of no width.
    """
    checked = checked_distances(distances)
    # A profile likelihood interval ends where the log-likelihood has dropped by z^2 / 2.
    drop = sigmas_of(confidence=confidence) ** 2 / 2
    if len(epsilons) != checked.size:
        raise ValueError(f"epsilons has {len(epsilons)} entries but distances has {checked.size}")
    for distance, epsilon in zip(checked, epsilons, strict=True):
        _check_epsilon(epsilon, distance=distance)
    points = Points.from_estimates(distances=checked, epsilons=epsilons)
    slope, low, high = points.slope_interval(drop=drop)
    if not points.positive.any():
        slope = math.nan
    informative = int(np.count_nonzero(points.positive | (points.rate > 0)))
    return SuppressionFit(
        value=Estimate(
            value=math.exp(-2 * slope),
            low=math.exp(-2 * high),
            high=math.exp(-2 * low),
            confidence=confidence,
        ),
        prefactor=_epsilon_at(points, distance=-1.0, confidence=confidence),
        deviance=points.deviance(),
        degrees_of_freedom=max(0, informative - 2),
        distances=tuple(int(distance) for distance in checked),
        epsilons=tuple(epsilons),
    )


def checked_distances(distances: ArrayLike) -> NDArray[np.float64]:
    """Return distances as float64; ValueError unless whole, at least 1, and two of them different."""
    checked = whole_numbers("distances", distances)
    if np.unique(checked).size < 2:
        raise ValueError(f"Lambda needs at least two different distances, got {np.unique(checked).size}")
    if checked.min() < 1:
        raise ValueError(f"distances must be at least 1, got {checked.min():.0f}")
    return checked


def _check_epsilon(epsilon: Estimate, *, distance: float) -> None:
    if not 0 <= epsilon.low <= epsilon.value <= epsilon.high <= 0.5:
        raise ValueError(
            f"epsilon at distance {distance:.0f} must lie between 0 and 1/2 with its interval, "
            f"got {epsilon.value} in [{epsilon.low}, {epsilon.high}]"
        )
    if epsilon.low == epsilon.high:
        raise ValueError(f"epsilon at distance {distance:.0f} needs an interval of some width, got {epsilon}")
    if epsilon.value == epsilon.high and epsilon.high < 0.5:
        raise ValueError(
            f"epsilon at distance {distance:.0f} must lie below the end of its interval, got {epsilon}"
        )


def _epsilon_at(points: Points, *, distance: float, confidence: float) -> Estimate:
    # A profile likelihood interval ends where the log-likelihood has dropped by z^2 / 2.
    drop = sigmas_of(confidence=confidence) ** 2 / 2
    level, low, high = points.level_interval(origin=distance, drop=drop)
    return Estimate(value=math.exp(level), low=math.exp(low), high=math.exp(high), confidence=confidence)
