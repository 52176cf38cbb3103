"""Extrapolation of the logical error per cycle to larger distances, with an error that grows on the way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import logsumexp, ndtr

from qec.statistics.estimate import Estimate
from qec.statistics.propagation import log_sigma_of
from qec.statistics.suppression import checked_distances

Floats = NDArray[np.float64]

#: Scale of the half-normal prior on the change of ln Lambda per step of two distances, one sigma.
ROUGHNESS = 0.03
# Values of that change between which the result is averaged, in units of the scale.
_GRID = (0.0, *np.geomspace(0.03, 3.5, 24))
_FARTHEST = 501.0
# Steps after which the trend has fallen by a factor of e: Lambda tends to a limit, if slowly.
_FADES = 10.0


@dataclass(frozen=True)
class _Weighted:
    """The curve for one roughness: weight of the roughness, and what predictions need."""

    weight: float
    variance: float  # of the steps of ln Lambda, and of its trend per step
    inverse: Floats
    line: Floats
    line_covariance: Floats
    pull: Floats


@dataclass(frozen=True)
class SuppressionCurve:
    """A curve ln epsilon_d whose slope, -ln Lambda / 2 per unit of distance, drifts slowly.

    Attributes:
        distances: of the points.
        epsilons: of the points.
        confidence: of all intervals.
    """

    distances: tuple[int, ...]
    epsilons: tuple[Estimate, ...]
    confidence: float
    _parts: tuple[_Weighted, ...]

    def predict(self, distance: float) -> Estimate:
        """Predict the error per cycle at a distance, inside the points or beyond them."""
        return self._estimate([(1.0, distance)])

    def suppression(self, distance: float, to: float | None = None) -> Estimate:
        """Predict Lambda from a distance to a larger one, by default the next: per step of two."""
        end = distance + 2 if to is None else to
        power = 2 / (end - distance)
        return self._estimate([(power, distance), (-power, end)])

    def distance_for(self, epsilon: float) -> Estimate:
        """Find the distance, a real number, at which the curve falls to an error per cycle.

        The ends of the interval are the distances at which it has fallen so far with the probabilities of
        the ends; infinite if that does not happen below d = 501.
        """
        level = math.log(epsilon)

        def excess(distance: float, probability: float) -> float:
            means, sigmas = self._moments([(1.0, distance)])
            weights = [part.weight for part in self._parts]
            return float(np.dot(weights, ndtr((level - means) / sigmas))) - probability

        tail = (1 - self.confidence) / 2
        ends = [_first_root(excess, self.distances[0], quantile) for quantile in (tail, 0.5, 1 - tail)]
        return Estimate(ends[1], ends[0], ends[2], self.confidence)

    def _estimate(self, terms: Sequence[tuple[float, float]]) -> Estimate:
        """Quantiles of exp(sum of factor x ln epsilon at a distance)."""
        means, sigmas = self._moments(terms)
        weights = np.array([part.weight for part in self._parts])
        width = 12 * float(sigmas.max()) + float(np.ptp(means))
        middle = float(weights @ means)

        def quantile(probability: float) -> float:
            return float(
                brentq(
                    lambda y: float(weights @ ndtr((y - means) / sigmas)) - probability,
                    middle - width,
                    middle + width,
                )
            )

        tail = (1 - self.confidence) / 2
        low, value, high = (math.exp(quantile(part)) for part in (tail, 0.5, 1 - tail))
        return Estimate(value, low, high, self.confidence)

    def _moments(self, terms: Sequence[tuple[float, float]]) -> tuple[Floats, Floats]:
        """Mean and standard deviation of a combination of ln epsilon, for each roughness."""
        factors = np.array([factor for factor, _ in terms])
        places = _steps(np.array([distance for _, distance in terms]), self.distances[0])
        known = _steps(np.asarray(self.distances, dtype=np.float64), self.distances[0])
        rows = factors @ _design(places)
        means, sigmas = [], []
        for part in self._parts:
            cross = factors @ _covariance(places, known, part.variance)
            own = float(factors @ _covariance(places, places, part.variance) @ factors)
            left = rows - cross @ part.inverse @ _design(known)
            variance = own - float(cross @ part.inverse @ cross) + float(left @ part.line_covariance @ left)
            means.append(float(rows @ part.line + cross @ part.pull))
            sigmas.append(math.sqrt(max(variance, 1e-12)))
        return np.array(means), np.array(sigmas)


def fit_suppression_curve(
    *,
    distances: ArrayLike,
    epsilons: Sequence[Estimate],
    confidence: float = 0.95,
    roughness: float = ROUGHNESS,
) -> SuppressionCurve:
    """Fit ln epsilon_d by a line plus a slowly drifting slope, and average over the size of the drift.

    Lambda is not quite constant: boundaries, ends of a memory and the number of paths change it slowly with
    the distance. ln Lambda does a random walk here, with independent normal steps per two units of distance
    (the stochastic form of a smoothing spline: Wahba 1978; Wecker and Ansley 1983), and has a trend on top,
    a normal variable of the same size per step, which fades over twenty units of distance. That size has a
    half-normal prior and is averaged over with the likelihood of the points, so that curvature in the points
    widens the extrapolation, and so does its length. With `roughness` towards zero the curve is the straight
    line of `suppression_factor`.

    Args:
        distances: at least three different ones.
        epsilons: with intervals above zero.
        confidence: of predictions.
        roughness: scale of the prior, in ln Lambda per step. The default, 0.03, is about twice the published
            drift of a simulated device (Lambda = 2.16 at d = 3 to 5, 2.01 at d = 11 to 13, arXiv 2408.13687).

    Raises:
        ValueError: fewer than three distances, lengths that disagree, an interval that reaches zero.
    """
    lengths = checked_distances(distances)
    if len(epsilons) != lengths.size or np.unique(lengths).size < 3 or roughness <= 0:
        raise ValueError(
            f"{lengths.size} distances, {len(epsilons)} epsilons, roughness={roughness}: a curve needs as "
            "many of one as of the other, three different distances, and a roughness above zero"
        )
    if any(not 0 < epsilon.low < epsilon.high for epsilon in epsilons):
        raise ValueError("an interval of an epsilon reaches zero: leave upper limits out")
    order = np.argsort(lengths)
    lengths = lengths[order]
    points = [epsilons[index] for index in order]
    steps = _steps(lengths, float(lengths[0]))
    values = np.log([point.value for point in points])
    noise = np.diag([log_sigma_of(point) ** 2 for point in points])
    found = [_solve(roughness * size, steps, values, noise) for size in _GRID]
    # Half-normal prior on an uneven grid: density times the width that belongs to each value.
    sizes = np.array(_GRID)
    widths = np.gradient(sizes)
    logs = np.array([score for score, _ in found]) - sizes**2 / 2 + np.log(widths)
    weights = np.exp(logs - logsumexp(logs))
    parts = tuple(
        _Weighted(float(weight), *parts)
        for weight, (_, parts) in zip(weights, found, strict=True)
        if weight > 1e-6
    )
    return SuppressionCurve(tuple(int(d) for d in lengths), tuple(points), confidence, parts)


def _solve(
    step: float, steps: Floats, values: Floats, noise: Floats
) -> tuple[float, tuple[float, Floats, Floats, Floats, Floats]]:
    """Restricted log-likelihood of a step size, and the generalised least-squares line with it."""
    covariance = noise + _covariance(steps, steps, step**2)
    inverse = np.linalg.inv(covariance).astype(np.float64)
    design = _design(steps)
    normal = design.T @ inverse @ design
    line_covariance = np.linalg.inv(normal).astype(np.float64)
    line: Floats = line_covariance @ design.T @ inverse @ values
    rest = values - design @ line
    determinants = float(np.linalg.slogdet(covariance)[1]) + float(np.linalg.slogdet(normal)[1])
    score = -(determinants + float(rest @ inverse @ rest)) / 2
    pull: Floats = inverse @ rest
    return score, (step**2, inverse, line, line_covariance, pull)


def _steps(distances: Floats, first: float) -> Floats:
    return (np.asarray(distances, dtype=np.float64) - first) / 2


def _design(steps: Floats) -> Floats:
    return np.stack([np.ones_like(steps), steps], axis=1)


def _covariance(a: Floats, b: Floats, variance: float) -> Floats:
    """Covariance of an integrated random walk from the first point on, and of a trend that fades."""
    low = np.maximum(0.0, np.minimum(a[:, np.newaxis], b[np.newaxis, :]))
    high = np.maximum(a[:, np.newaxis], b[np.newaxis, :])
    trend = _trend(a)[:, np.newaxis] * _trend(b)[np.newaxis, :]
    found: Floats = variance * (low**2 * (3 * high - low) / 6 + trend)
    return found


def _trend(steps: Floats) -> Floats:
    """Integrate twice a change of slope that begins with 1 per step and fades: steps^2 / 2 at first."""
    found: Floats = _FADES * (steps + _FADES * np.expm1(-steps / _FADES))
    return found


def _first_root(excess: Callable[[float, float], float], first: float, probability: float) -> float:
    """Find the first distance at which a probability is reached, from below."""
    low = float(first)
    if excess(low, probability) >= 0:
        return low
    while low < _FARTHEST:
        high = low + 2
        if excess(high, probability) >= 0:
            return float(brentq(lambda d: excess(d, probability), low, high, xtol=1e-6))
        low = high
    return math.inf
