"""Maximise the windows' likelihood, with a penalty on deviations from the initial rates.

The logarithm of each rate is its initial value plus three deviations: of its class repeated in space and
time, of its class repeated in time, and its own. Each deviation is normally distributed with a spread given
for its level: rates that the shots determine poorly follow those of their class, and these the initial
values. Rates are positive by construction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from qec.priors.descent import minimize
from qec.priors.likelihood import Floats, WindowModel
from qec.priors.mechanisms import Mechanisms

# Gain in log-likelihood of ten steps at which to stop: the likelihood changes by two per cent.
_TOLERANCE = 0.02
# Attenuation 3 is p = 0.475: larger rates cannot be distinguished from 1/2, and the search must be bounded.
_LARGEST_LOG = np.log(3.0)


@dataclass(frozen=True)
class Spread:
    """Expected deviation of rates from their initial values: standard deviations of natural logarithms.

    Attributes:
        kind: of all mechanisms that differ by a shift in space and time.
        place: of one mechanism in all cycles, relative to its kind.
        single: of one mechanism in one cycle, relative to its place; 0: the same in all cycles.
    """

    kind: float = 1.0
    place: float = 0.5
    single: float = 0.3

    def __post_init__(self) -> None:
        for name, value in (("kind", self.kind), ("place", self.place), ("single", self.single)):
            if not 0 <= value < np.inf:
                raise ValueError(f"spread: {name} is {value}: must be zero or a positive number")


@dataclass(frozen=True, eq=False)
class Levels:
    """Classes of mechanisms that deviate together, at each of the three levels."""

    class_of: tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]

    def covariance(self, spread: Spread) -> Floats:
        """Return the prior covariance of the logarithms of the rates: float64 (sets, sets)."""
        total = np.zeros((len(self.class_of[0]),) * 2)
        for classes, width in zip(self.class_of, _widths(spread), strict=True):
            total += width**2 * (classes[:, None] == classes[None, :])
        return total


def levels_of(mechanisms: Mechanisms) -> Levels:
    """Classify a DEM's mechanisms by their detectors' coordinates."""
    single = np.arange(len(mechanisms.sets))
    return Levels((mechanisms.repeated_in_space(), mechanisms.repeated_in_time(), single))


def fit(
    model: WindowModel,
    counts: Floats,
    *,
    start: Floats,
    levels: Levels,
    spread: Spread,
    initial: Floats | None = None,
    max_iterations: int = 500,
) -> Floats:
    """Find the attenuations of greatest penalised composite likelihood.

    The composite likelihood is divided by the number of windows that a detector is in, so that each detection
    event counts about once against the spreads.

    Args:
        model: the windows.
        counts: (2**size, windows), shots with each pattern.
        start: prior attenuation of each set.
        levels: classes of sets that deviate together.
        spread: expected deviations.
        initial: attenuations at which the search begins; None: `start`.
        max_iterations: of the search.
    """
    active = [pair for pair in zip(levels.class_of, _widths(spread), strict=True) if pair[1] > 0]
    if not active:
        return start.copy()
    sizes = [int(classes.max()) + 1 for classes, _ in active]
    borders = np.cumsum([0, *sizes])
    parts = [slice(low, high) for low, high in pairwise(borders.tolist())]
    log_start = np.log(start)
    weight = 1 / model.multiplicity
    best = saturated(counts)

    def attenuations(deviations: Floats) -> Floats:
        logs = log_start.copy()
        for (classes, width), part in zip(active, parts, strict=True):
            logs += width * deviations[part][classes]
        return np.exp(np.minimum(logs, _LARGEST_LOG))

    def loss(deviations: Floats) -> tuple[float, Floats]:
        now = attenuations(deviations)
        value, gradient = model.score(now, counts)
        gradient = gradient * now * weight
        gradient[now >= np.exp(_LARGEST_LOG)] = 0
        result = deviations.copy()
        for (classes, width), part, size in zip(active, parts, sizes, strict=True):
            result[part] -= width * np.bincount(classes, weights=gradient, minlength=size)
        return float(deviations @ deviations) / 2 - weight * (value - best), result

    first = np.zeros(borders[-1])
    if initial is not None:
        first = _project(np.log(initial) - log_start, active, parts, sizes)
    return attenuations(minimize(loss, first, max_iterations=max_iterations, tolerance=_TOLERANCE))


def saturated(counts: Floats) -> float:
    """Return the largest log-likelihood of any model of the windows."""
    total = counts.sum(axis=0)
    return float(np.sum(counts * np.log(np.maximum(counts, 1) / np.maximum(total, 1))))


def _widths(spread: Spread) -> tuple[float, float, float]:
    return spread.kind, spread.place, spread.single


def _project(
    logs: Floats,
    active: Sequence[tuple[NDArray[np.intp], float]],
    parts: Sequence[slice],
    sizes: Sequence[int],
) -> Floats:
    """Approximate logarithms by deviations: class means, level by level."""
    result = np.zeros(parts[-1].stop)
    left = logs.copy()
    for (classes, width), part, size in zip(active, parts, sizes, strict=True):
        means = np.bincount(classes, weights=left, minlength=size) / np.bincount(classes, minlength=size)
        result[part] = means / width
        left -= means[classes]
    return result
