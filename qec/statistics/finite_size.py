"""Threshold from failure probabilities at several strengths and distances, by finite-size scaling."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc, xlogy

from qec.statistics.counts import checked_counts
from qec.statistics.estimate import Estimate, sigmas_of

Floats = NDArray[np.float64]

# Parameters of the fit; strengths and distances are scaled, see `_Data`.
_THRESHOLD, _EXPONENT, _LEVEL = 0, 1, 2
_NUM = 5
_STARTS = [(at, exponent) for at in np.linspace(-0.8, 0.8, 9) for exponent in (0.5, 1.0)]
# A fit that is worse than this has its outermost points left out.
_LEAST_P_VALUE = 0.01
_LEAVE_OUT = 0.1  # of the points at a time
_TINY = 1e-12


@dataclass(frozen=True)
class ThresholdFit:
    """Fit of P = A + B x + C x^2 with x = (p - p_th) d^(1/nu).

    Attributes:
        threshold: p_th with its interval.
        exponent: 1 / nu with its interval, of the same confidence.
        coefficients: A, B, C.
        used: which points the fit describes, bool (points,); the others lie too far from the threshold.
        deviance: twice the log-likelihood by which the used points miss the fit.
        degrees_of_freedom: of these points.
        strengths, distances, errors, shots: of all points, arrays (points,).
    """

    threshold: Estimate
    exponent: Estimate
    coefficients: tuple[float, float, float]
    used: NDArray[np.bool_]
    deviance: float
    degrees_of_freedom: int
    strengths: Floats = field(repr=False)
    distances: Floats = field(repr=False)
    errors: Floats = field(repr=False)
    shots: Floats = field(repr=False)

    @property
    def scaled(self) -> Floats:
        """Scaled strength x = (p - p_th) d^(1/nu) of each point."""
        result: Floats = (self.strengths - self.threshold.value) * self.distances**self.exponent.value
        return result

    def probability(self, scaled: ArrayLike) -> Floats:
        """Compute the fitted failure probability at scaled strengths."""
        x = np.asarray(scaled, dtype=np.float64)
        level, slope, curvature = self.coefficients
        result: Floats = level + x * (slope + x * curvature)
        return result

    def gradients(self) -> Floats:
        """Compute the derivatives of the fitted probability of each point, float64 (points, 5).

        With respect to p_th, 1 / nu, A, B, C.
        """
        x = self.scaled
        growth = self.distances**self.exponent.value
        _, slope, curvature = self.coefficients
        steepness = slope + 2 * curvature * x
        return np.stack(
            [-steepness * growth, steepness * x * np.log(self.distances), np.ones_like(x), x, x**2], axis=1
        )


def threshold_fit(
    *,
    strengths: ArrayLike,
    distances: ArrayLike,
    errors: ArrayLike,
    shots: ArrayLike,
    confidence: float = 0.95,
) -> ThresholdFit | None:
    """Find the threshold by finite-size scaling.

    Near a threshold the failure probability depends on strength and distance through one variable only,
    x = (p - p_th) d^(1/nu): curves of all distances collapse onto one, approximated by a parabola (Wang,
    Harrington and Preskill, Annals of Physics 303, 31 (2003), section 4). Circuits have as many cycles as the
    distance, or a multiple. The fit is of maximum likelihood for binomial counts. While it is bad (p-value
    below 1 %), the tenth of the points with the largest |x| is left out. The interval is of profile
    likelihood; where the remaining fit is worse than chance, it is widened by the root of deviance over
    degrees of freedom. It does not include what corrections for small distances would change: compare with
    the fit without the smallest one.

    Args:
        strengths: Of the noise, above zero, one for each point.
        distances: Whole numbers; at least two different ones.
        errors: Shots with a logical error.
        shots: Shots.
        confidence: Of the intervals.

    Returns:
        None if the points do not determine a threshold within their strengths: fewer than eight points, no
        crossing, or an interval that reaches beyond the strengths.

    Raises:
        ValueError: For lengths that disagree, or numbers outside their range.
    """
    _, error_counts, shot_counts = checked_counts(cycles=np.ones(np.size(errors)), errors=errors, shots=shots)
    p = np.asarray(strengths, dtype=np.float64)
    d = np.asarray(distances, dtype=np.float64)
    if p.shape != error_counts.shape or d.shape != p.shape:
        raise ValueError(f"{p.size} strengths, {d.size} distances, {error_counts.size} counts: must agree")
    if not (p > 0).all() or not (d >= 1).all():
        raise ValueError("strengths must be above zero and distances at least 1")
    used = np.ones(p.size, dtype=np.bool_)
    while True:
        if np.count_nonzero(used) < _NUM + 3 or len(set(d[used])) < 2 or len(set(p[used])) < 3:
            return None
        data = _Data(p[used], d[used], error_counts[used], shot_counts[used])
        best, deviance = data.fit()
        freedom = data.size - _NUM
        if not -1 < best[_THRESHOLD] < 1:
            return None
        if chdtrc(freedom, deviance) >= _LEAST_P_VALUE:
            break
        scaled = np.abs(data.scaled(best, p, d))
        order = np.argsort(np.where(used, scaled, -1.0))
        fewer = used.copy()
        fewer[order[-max(1, round(_LEAVE_OUT * data.size)) :]] = False
        left = fewer.sum() >= _NUM + 3 and len(set(d[fewer])) > 1 and len(set(p[fewer])) > 2
        if not left:
            break
        used = fewer
    sigmas = sigmas_of(confidence=confidence)
    rise = sigmas**2 * max(1.0, deviance / freedom)
    ends = [data.interval(best, deviance, rise, index) for index in (_THRESHOLD, _EXPONENT)]
    if ends[0][0] <= -1 or ends[0][1] >= 1:
        return None
    (low, high), (flat, steep) = ends
    return ThresholdFit(
        threshold=Estimate(data.strength(best[0]), data.strength(low), data.strength(high), confidence),
        exponent=Estimate(float(best[_EXPONENT]), flat, steep, confidence=confidence),
        coefficients=data.coefficients(best),
        used=used,
        deviance=deviance,
        degrees_of_freedom=freedom,
        strengths=p,
        distances=d,
        errors=error_counts,
        shots=shot_counts,
    )


class _Data:
    """Points with strengths scaled to [-1, 1] and distances to their geometric mean."""

    def __init__(self, p: Floats, d: Floats, errors: Floats, shots: Floats) -> None:
        self._middle, self._half = (p.max() + p.min()) / 2, (p.max() - p.min()) / 2
        self._size = math.exp(float(np.log(d).mean()))
        self._p, self._d = (p - self._middle) / self._half, d / self._size
        self._errors, self._shots = errors, shots
        self._saturated = xlogy(errors, errors / shots) + xlogy(shots - errors, 1 - errors / shots)
        self.size = p.size

    def strength(self, scaled: float) -> float:
        return float(self._middle + self._half * scaled)

    def scaled(self, values: Floats, p: Floats, d: Floats) -> Floats:
        """Compute x of any points, up to a factor."""
        moved = (p - self._middle) / self._half - values[_THRESHOLD]
        result: Floats = moved * (d / self._size) ** values[_EXPONENT]
        return result

    def coefficients(self, values: Floats) -> tuple[float, float, float]:
        """Convert A, B, C to unscaled strengths and distances."""
        factor = 1 / (self._half * self._size ** values[_EXPONENT])
        level, slope, curvature = (float(one) for one in values[_LEVEL:])
        return level, slope * factor, curvature * factor**2

    def residuals(self, values: Floats) -> Floats:
        """Compute the signed roots of the points' deviances."""
        x = (self._p - values[_THRESHOLD]) * self._d ** values[_EXPONENT]
        raw = values[_LEVEL] + x * (values[_LEVEL + 1] + x * values[_LEVEL + 2])
        found = np.clip(raw, _TINY, 1 - _TINY)
        k, n = self._errors, self._shots
        deviance = 2 * (self._saturated - xlogy(k, found) - xlogy(n - k, 1 - found))
        # Outside [0, 1], farther is worse.
        signed = np.sign(k - n * found) * np.sqrt(np.maximum(deviance, 0.0))
        result: Floats = signed + 100 * (found - raw)
        return result

    def _linear(self, at: float, exponent: float) -> Floats:
        """Fit A, B, C by weighted least squares for a given threshold and exponent."""
        rate = (self._errors + 0.5) / (self._shots + 1)
        weight = np.sqrt(self._shots / (rate * (1 - rate)))
        x = (self._p - at) * self._d**exponent
        found, *_ = np.linalg.lstsq(np.vander(x, 3, increasing=True) * weight[:, None], rate * weight)
        return np.array([at, exponent, *found])

    def fit(self) -> tuple[Floats, float]:
        """Find the best parameters, with their deviance."""
        starts = [self._linear(*start) for start in _STARTS]
        rising = [start for start in starts if start[_LEVEL + 1] > 0] or starts
        start = min(rising, key=lambda values: float((self.residuals(values) ** 2).sum()))
        return self._minimum(self.residuals, start)

    def interval(self, best: Floats, deviance: float, rise: float, index: int) -> tuple[float, float]:
        """Find the ends at which the deviance, at the best other parameters, has risen by `rise`."""
        from scipy.optimize import brentq, least_squares

        # The ends of a quadratic likelihood.
        jacobian = np.asarray(least_squares(self.residuals, best, max_nfev=1).jac, dtype=np.float64)
        covariance = np.linalg.pinv(jacobian.T @ jacobian)
        guess = min(1.0, max(1e-6, 1.05 * math.sqrt(rise * max(covariance[index, index], 0.0))))
        others = [number for number in range(_NUM) if number != index]

        def side(sign: float) -> float:
            last = best[others]

            @cache  # the last one decides where the next minimum is looked for
            def above(distance: float) -> float:
                nonlocal last

                def residuals(free: Floats) -> Floats:
                    values = np.empty(_NUM)
                    values[others], values[index] = free, best[index] + sign * distance
                    return self.residuals(values)

                if distance == 0:
                    return -rise
                found = [self._minimum(residuals, start) for start in (best[others], last)]
                last, least = min(found, key=lambda one: one[1])
                return least - deviance - rise

            near, far = 0.0, guess
            while above(far) < 0:
                near, far = far, 1.5 * far
                if far > 4:
                    return sign * math.inf if index == _EXPONENT else sign * 4
            return float(best[index] + sign * brentq(above, near, far, xtol=1e-3 * far, rtol=1e-3))

        return side(-1.0), side(1.0)

    @staticmethod
    def _minimum(residuals: Callable[[Floats], Floats], start: Floats) -> tuple[Floats, float]:
        from scipy.optimize import least_squares

        found = least_squares(residuals, start, method="lm", x_scale="jac", max_nfev=2000)
        return found.x, 2 * float(found.cost)
