"""Probabilities of failures too rare for direct sampling: splitting over the strength of the noise.

The failure probability at low noise is that at high noise, which is sampled directly, times one ratio per
step down. Each ratio is an average over failing sets of errors at the noise above (Bravyi and Vargo,
arXiv 1308.6270, who sample them by Metropolis chains); here a population of such sets is carried from step
to step, reweighted, resampled and moved by chains that never leave the failing sets (sequential Monte Carlo,
Del Moral, Doucet and Jasra 2006). For a fixed ladder of noise strengths the product of the average weights
is an unbiased estimate however well the chains mix; repetitions show its variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from qec.sampling.detectors import Packed, checked_seed
from qec.sampling.errors import ErrorList
from qec.sampling.kernels import splitting as kernels

# Standard deviation of the logarithm of the weights in one step down.
_LADDER_STEP = 0.8
_BATCH = 1024  # shots drawn and decoded at once

#: Function of bit-packed events and flips of shots that returns which shots fail, bool (shots,).
Fails = Callable[[Packed, Packed], NDArray[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class SplittingResult:
    """Estimate of a failure probability.

    Attributes:
        probability: the estimate; 0 if the population died out.
        scales: factors of every error's odds at each step, descending to 1.
        ratios: average weight of each step.
        start: failure probability at the first step, sampled directly.
    """

    probability: float
    scales: tuple[float, ...]
    ratios: tuple[float, ...]
    start: float


class Splitting:
    """Estimator of the probability that a decoder fails on a DEM.

    The decoder is that of the DEM itself at every step: only the probabilities of errors change.

    Args:
        dem: its errors must fit in memory, REPEAT blocks unrolled; suggested decompositions are ignored.
        fails: decodes shots and returns which fail.
        population: number of failing sets of errors.
        proposals: proposals per member and step, in units of the expected number of errors there.

    Raises:
        ValueError: a population below 2, proposals not above 0, a DEM without errors or with certain ones.
    """

    def __init__(
        self, *, dem: stim.DetectorErrorModel, fails: Fails, population: int = 512, proposals: float = 2.0
    ) -> None:
        if population < 2 or proposals <= 0:
            raise ValueError(
                f"population={population}, proposals={proposals}: must be at least 2 and above 0"
            )
        errors = ErrorList.from_dem(dem.flattened())
        if errors.num_errors == 0:
            raise ValueError("the DEM has no errors: it must have at least one")
        if (errors.probability == 1).any():
            raise ValueError("the DEM must not have certain errors: their odds cannot be scaled")
        self._fails = fails
        self._population = population
        self._errors = errors
        # In the order of time, so that a stretch of the list is a stretch of time.
        starts, ends = errors.target_first[:-1], errors.target_first[1:]
        targets = [errors.targets[a:b] for a, b in zip(starts, ends, strict=True)]
        order = sorted(range(len(targets)), key=lambda e: (max(targets[e]), tuple(targets[e])))
        self._probability = errors.probability[order]
        ordered = [targets[error] for error in order]
        first = np.cumsum([0, *map(len, ordered)], dtype=np.int64)
        self._targets = (first, np.concatenate(ordered))
        self._at_detectors = _errors_of_detectors(*self._targets, num_detectors=dem.num_detectors)
        self._proposals = proposals

    @property
    def num_errors(self) -> int:
        """Number of errors of the model."""
        return len(self._probability)

    def scaled(self, scale: float) -> NDArray[np.float64]:
        """Return the probabilities of errors with their odds p / (1 - p) multiplied: float64 (errors,)."""
        odds = scale * self._probability / (1 - self._probability)
        scaled: NDArray[np.float64] = odds / (1 + odds)
        return scaled

    def ladder(self, top: float) -> tuple[float, ...]:
        """Choose scales from below `top` to 1 so that about half of a population stays effective at each
        step.

        The variance of the log-weights of a step is that of the number of errors, which is about its mean.

        Raises:
            ValueError: top not above 1.
        """
        if not top > 1:
            raise ValueError(f"top={top}: must be above 1")
        scales = [top]
        while scales[-1] > 1:
            step = _LADDER_STEP / math.sqrt(1 + float(self.scaled(scales[-1]).sum()))
            scales.append(max(1.0, scales[-1] * math.exp(-step)))
        return tuple(scales[1:])

    def estimate(
        self, *, top: float, shots: int, seed: int, population: int | None = None
    ) -> SplittingResult:
        """Estimate the failure probability once; independent estimates show its variance.

        Args:
            top: scale of the odds at which failures are sampled directly.
            shots: shots drawn there.
            seed: of all random numbers.
            population: number of failing sets, if not that of the constructor.

        Raises:
            ValueError: no failure at the top, or top not above 1.
        """
        population = population or self._population
        scales = self.ladder(top)
        generator = np.random.default_rng([seed, 0x5917])
        sets, start = self._at_the_top(top, shots, seed)
        sets = sets.chosen(generator.integers(len(sets.counts), size=population))
        states = generator.integers(1, 1 << 63, size=(population, 4), dtype=np.uint64)
        scale, ratios = top, []
        self._move(scale, states, sets)
        for following in scales:
            weights = self._log_weights(scale, following, sets.counts)
            most = weights.max()
            linear = np.exp(weights - most)
            ratios.append(float(linear.mean() * math.exp(most)))
            scale = following
            sets = sets.chosen(_systematic(linear / linear.sum(), generator))
            if scale > 1:
                self._move(scale, states, sets)
        return SplittingResult(
            probability=start * math.prod(ratios), scales=scales, ratios=tuple(ratios), start=start
        )

    def sample_fraction(self, *, scale: float, shots: int, seed: int) -> float:
        """Sample directly the fraction of shots that fail with all odds multiplied by `scale`."""
        num_failed = sum(int(failed.sum()) for _, failed in self._draws(scale, shots, seed))
        return num_failed / shots

    def _at_the_top(self, top: float, shots: int, seed: int) -> tuple[_Sets, float]:
        """Draw independent shots; return the failing sets of errors and their fraction."""
        found = [sets.chosen(np.flatnonzero(failed)) for sets, failed in self._draws(top, shots, seed)]
        joined = _Sets(*(np.concatenate(part) for part in zip(*found, strict=True)))
        if len(joined.counts) == 0:
            raise ValueError(
                f"no failure in {shots} shots at {top} times the odds: use a higher top, or more shots"
            )
        return joined, len(joined.counts) / shots

    def _draws(self, scale: float, shots: int, seed: int) -> Iterator[tuple[_Sets, NDArray[np.bool_]]]:
        """Draw shots in batches; yield their errors, and which fail."""
        line = self._line(scale)
        size = min(shots, _BATCH)
        for first in range(0, shots, size):
            sets = self._empty(min(size, shots - first), mean=float(line[-1]))
            if kernels.draw_all(line, *self._targets, checked_seed(seed), np.int64(first), *sets) < len(
                sets.counts
            ):
                raise ValueError(
                    f"a shot with more than {sets.members.shape[1]} errors at {scale} times the odds"
                )
            yield sets, self._fails(sets.events, sets.flips)

    def _line(self, scale: float) -> NDArray[np.float64]:
        line: NDArray[np.float64] = np.zeros(self.num_errors + 1)
        np.cumsum(-np.log1p(-self.scaled(scale)), out=line[1:])
        return line

    def _empty(self, size: int, *, mean: float) -> _Sets:
        """Make empty sets with room for far more errors than any shot has."""
        capacity = min(self.num_errors, math.ceil(mean + 20 * math.sqrt(mean)) + 64)
        return _Sets(
            np.zeros((size, capacity), dtype=np.int32),
            np.zeros(size, dtype=np.int64),
            np.zeros((size, (self._errors.num_detectors + 7) // 8), dtype=np.uint8),
            np.zeros((size, (self._errors.num_observables + 7) // 8), dtype=np.uint8),
        )

    def _move(self, scale: float, states: NDArray[np.uint64], sets: _Sets) -> None:
        """Move every member among failing sets by its number of proposals, in place."""
        probability, line = self.scaled(scale), self._line(scale)
        odds = probability / (1 - probability)
        size, capacity = sets.members.shape
        left = np.full(size, math.ceil(self._proposals * probability.sum()), dtype=np.int64)
        changed = np.zeros((size, 2 * capacity), dtype=np.int32)
        num_changed = np.zeros(size, dtype=np.int64)
        while left.any():
            kernels.propose(
                line, odds, *self._targets, *self._at_detectors, states, left, *sets, changed, num_changed
            )
            fails = np.ones(size, dtype=np.uint8)
            moved = np.flatnonzero(num_changed)
            if moved.size:
                fails[moved] = self._fails(sets.events[moved], sets.flips[moved])
            kernels.take_back(fails, *self._targets, *sets, changed, num_changed)

    def _log_weights(self, scale: float, following: float, counts: NDArray[np.int64]) -> NDArray[np.float64]:
        # The odds of all errors change by the same factor, so only the number of errors matters.
        none = float(np.log1p(-self.scaled(following)).sum() - np.log1p(-self.scaled(scale)).sum())
        weights: NDArray[np.float64] = counts.astype(np.float64) * math.log(following / scale) + none
        return weights


class _Sets(NamedTuple):
    """Sets of errors: members int32 (sets, capacity), their numbers, bit-packed events and flips."""

    members: NDArray[np.int32]
    counts: NDArray[np.int64]
    events: Packed
    flips: Packed

    def chosen(self, numbers: NDArray[np.int64]) -> _Sets:
        """Copy some of the sets."""
        return _Sets(self.members[numbers], self.counts[numbers], self.events[numbers], self.flips[numbers])


def _errors_of_detectors(
    target_first: NDArray[np.int64], targets: NDArray[np.int64], *, num_detectors: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """List the errors of each detector, as rows of a sparse matrix."""
    errors = np.repeat(np.arange(len(target_first) - 1, dtype=np.int32), np.diff(target_first))
    detectors, errors = targets[targets >= 0], errors[targets >= 0]
    first = np.searchsorted(np.sort(detectors), np.arange(num_detectors + 1)).astype(np.int64)
    return first, errors[np.argsort(detectors, kind="stable")]


def _systematic(weights: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Resample members: as many as there are weights, each on average in proportion to its weight."""
    size = len(weights)
    places = (np.arange(size) + generator.random()) / size
    chosen: NDArray[np.int64] = np.minimum(np.searchsorted(np.cumsum(weights), places), size - 1)
    return chosen
