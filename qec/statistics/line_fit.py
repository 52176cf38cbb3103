"""Fit a line to ln epsilon against distance, where some epsilons are only upper limits.

Every point is reduced to a concave log-likelihood of u = ln epsilon:

- an interval that excludes zero: normal, -(u - mean)^2 / (2 sigma^2), so that ordinary points give ordinary
  weighted least squares;
- an interval that reaches down to zero: Poisson, k u - c exp(u), with its maximum at the value (k = 0 for
  the value zero) and its upper end at that of the interval.

The sum of concave functions of a straight line is concave, so maxima and profiles are unique.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qec.statistics.estimate import Estimate, sigmas_of

Floats = NDArray[np.float64]

# Bounds on ln epsilon and on the slope; a result at a bound means "without limit".
_LEVEL = 600.0
_SLOPE = 200.0
_STEEP = 500.0  # ln epsilon beyond which a Poisson point's rejection no longer grows


@dataclass(frozen=True)
class Points:
    """Log-likelihoods of ln epsilon at several distances; arrays (points,), float64.

    Attributes:
        distances: Distances.
        precision: 1 / sigma^2 of normal points, 0 for others.
        mean: Centre of normal points.
        count: k of Poisson points, 0 for others.
        rate: c of Poisson points, 0 for others.
    """

    distances: Floats
    precision: Floats
    mean: Floats
    count: Floats
    rate: Floats

    @classmethod
    def from_estimates(cls, *, distances: Floats, epsilons: Sequence[Estimate]) -> "Points":
        """Reduce estimates to likelihoods. An estimate with interval [0, 1/2] gets none."""
        rows = [_reduced(estimate) for estimate in epsilons]
        precision, mean, count, rate = np.array(rows, dtype=np.float64).T
        return cls(distances=distances, precision=precision, mean=mean, count=count, rate=rate)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """Points that exclude epsilon = 0, bool (points,)."""
        return (self.precision > 0) | (self.count > 0)

    def level(self, *, slope: float, origin: float) -> float:
        """Find the best ln epsilon at `origin` for a given slope."""
        shifts = slope * (self.distances - origin)
        return _descending_root(lambda level: float(self._pull(level + shifts).sum()), bound=_LEVEL)

    def slope(self, *, level: float, origin: float) -> float:
        """Find the best slope for a given ln epsilon at `origin`."""
        shifts = self.distances - origin
        return _descending_root(
            lambda slope: float(shifts @ self._pull(level + slope * shifts)), bound=_SLOPE
        )

    def best(self) -> tuple[float, float, float]:
        """Fit the line: level at the middle of the points, slope, and log-likelihood."""
        # With a single positive point the middle is that point, whose derivative then has no lever arm
        # and cannot hide, by rounding, the vanishing derivatives of upper limits.
        origin = self.centre
        shifts = self.distances - origin

        def pull(slope: float) -> float:
            level = self.level(slope=slope, origin=origin)
            return float(shifts @ self._pull(level + slope * shifts))

        slope = _descending_root(pull, bound=_SLOPE)
        level = self.level(slope=slope, origin=origin)
        return level, slope, self.log_likelihood(level=level, slope=slope, origin=origin)

    def log_likelihood(self, *, level: float, slope: float, origin: float) -> float:
        """Compute the log-likelihood of a line, up to a constant."""
        u = level + slope * (self.distances - origin)
        poisson = self.count * u - self.rate * np.exp(np.minimum(u, _STEEP))
        return float(np.sum(poisson - self.precision * (u - self.mean) ** 2 / 2))

    def slope_interval(self, *, drop: float) -> tuple[float, float, float]:
        """Find the best slope and the slopes where the profile has fallen by `drop`; infinite without."""
        origin = self.centre
        _, slope, top = self.best()

        def remaining(trial: float) -> float:
            level = self.level(slope=trial, origin=origin)
            return self.log_likelihood(level=level, slope=trial, origin=origin) - top + drop

        low, high = _both_sides(remaining, start=slope, bound=_SLOPE)
        return _unbounded(slope, bound=_SLOPE), low, high

    def level_interval(self, *, origin: float, drop: float) -> tuple[float, float, float]:
        """Find the best ln epsilon of the line at `origin` and the ends of its profile interval."""
        level, slope, top = self.best()
        level = min(max(level + slope * (origin - self.centre), -_LEVEL), _LEVEL)

        def remaining(trial: float) -> float:
            best = self.slope(level=trial, origin=origin)
            return self.log_likelihood(level=trial, slope=best, origin=origin) - top + drop

        low, high = _both_sides(remaining, start=level, bound=_LEVEL)
        return _unbounded(level, bound=_LEVEL), low, high

    def deviance(self) -> float:
        """Compute twice the gain of independent points over the best line (chi-squared for normal points)."""
        _, _, top = self.best()
        counted = self.count > 0
        own = np.zeros(self.count.shape)
        own[counted] = self.count[counted] * (np.log(self.count[counted] / self.rate[counted]) - 1)
        return max(0.0, 2 * (float(own.sum()) - top))

    @property
    def centre(self) -> float:
        """Middle of the points, where level and slope are least correlated."""
        weight = self.precision + self.count
        if weight.sum() == 0:
            return float(self.distances.mean())
        return float(weight @ self.distances / weight.sum())

    def _pull(self, u: Floats) -> Floats:
        """Compute the derivative of each log-likelihood."""
        return self.precision * (self.mean - u) + self.count - self.rate * np.exp(np.minimum(u, _STEEP))


def _reduced(estimate: Estimate) -> tuple[float, float, float, float]:
    """Return (precision, mean, count, rate) of one estimate."""
    sigmas = sigmas_of(confidence=estimate.confidence)
    value, low, high = estimate.value, estimate.low, estimate.high
    if low > 0:
        below, above = math.log(value / low), math.log(high / value)
        # A side cut off at epsilon = 1/2 is shorter than the width.
        width = max(below, above) if high >= 0.5 else (below + above) / 2
        return (sigmas / width) ** 2, math.log(value), 0.0, 0.0
    if high >= 0.5:
        return 0.0, 0.0, 0.0, 0.0
    drop = sigmas**2 / 2
    if value == 0:
        return 0.0, 0.0, 0.0, drop / high
    ratio = high / value
    count = drop / (ratio - 1 - math.log(ratio))
    return 0.0, 0.0, count, count / value


def _descending_root(function: Callable[[float], float], *, bound: float) -> float:
    """Find the root of a descending function within +-bound, or the bound on its side."""
    if function(-bound) <= 0:
        return -bound
    if function(bound) >= 0:
        return bound
    from scipy.optimize import brentq

    return float(brentq(function, -bound, bound, xtol=1e-13, rtol=1e-14, maxiter=500))


def _both_sides(remaining: Callable[[float], float], *, start: float, bound: float) -> tuple[float, float]:
    """Find the zeros of `remaining`, positive at `start`, on both sides; infinite beyond the bound."""
    from scipy.optimize import brentq

    ends = []
    for sign in (-1.0, 1.0):
        near, step = start, 1e-3
        far = near + sign * step
        while abs(far) < bound and remaining(far) > 0:
            step *= 2
            near, far = far, start + sign * step
        if abs(far) >= bound:
            far = sign * bound
            if near == far or remaining(far) > 0:
                ends.append(sign * math.inf)
                continue
        ends.append(float(brentq(remaining, near, far, xtol=1e-12, rtol=1e-13)))
    return ends[0], ends[1]


def _unbounded(value: float, *, bound: float) -> float:
    return value if abs(value) < bound else math.copysign(math.inf, value)
