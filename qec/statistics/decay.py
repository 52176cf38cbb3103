"""Maximum likelihood for the decay of a stored logical bit, for many data sets at once.

The model is P(t) = 1/2 - (1/2 - q) (1 - 2 epsilon)^(t - t0): t0 is the shortest experiment and q its failure
probability, which takes up state preparation and readout. This is the line ln(1 - 2P) = intercept + slope t,
written so that neither P = 0 nor P = 1/2 is special and small probabilities do not cancel. For
fixed epsilon the model is affine in q, so the log-likelihood is concave in q; the rest is a search over
epsilon alone.

Arrays: `errors` (sets, points); `epsilon`, `first` (= q) and log-likelihoods (sets,).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy

Floats = NDArray[np.float64]

# The largest float below 1/2 replaces 1/2: it keeps ln(1 - 2 epsilon) finite.
HALF = float(np.nextafter(0.5, 0.0))
_GRID_PER_DECADE = 3
_BLOCK = 400_000  # numbers in memory during the first, coarse search


@dataclass(frozen=True)
class Decay:
    """Durations and shots of an experiment, without its counted errors.

    Attributes:
        cycles: float64 (points,).
        shots: float64 (points,).
        free: Whether preparation and readout are fitted; if not, P(0) = 0.
    """

    cycles: Floats
    shots: Floats
    free: bool

    @property
    def origin(self) -> float:
        """Duration t0 at which `first` is the failure probability."""
        return float(self.cycles.min()) if self.free else 0.0

    @property
    def floor(self) -> float:
        """Epsilon that cannot be distinguished from zero: it changes the log-likelihood by about 1e-9."""
        return min(1e-9 / float(np.sum(self.shots * (self.cycles - self.origin))), 1e-9)

    def fit(self, errors: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the best epsilon, its `first`, and the greatest log-likelihood, each (sets,).

        Where every epsilon fits equally (all P at 1/2) the largest, 1/2, is returned.
        """
        decades = np.log10(HALF / self.floor)
        grid = np.geomspace(self.floor, HALF, int(decades * _GRID_PER_DECADE) + 2)
        block = max(1, _BLOCK // (grid.size * self.cycles.size))
        cell = np.concatenate(
            [self._best_cell(grid, errors[start : start + block]) for start in range(0, len(errors), block)]
        )
        low, high = grid[np.maximum(cell - 1, 0)], grid[np.minimum(cell + 1, grid.size - 1)]
        log_root = _roots(
            lambda log_epsilon, chosen: self._score(np.exp(log_epsilon), errors[chosen]),
            low=np.log(low),
            high=np.log(high),
        )
        epsilon = np.exp(log_root)
        best = self.profile(epsilon, errors)
        # Without a change of sign the maximum is at an end: 0 or 1/2. Equals go to the end.
        for end in (np.zeros(epsilon.shape), high):
            at_end = self.profile(end, errors)
            margin = np.where((end == 0) | (end == HALF), -1e-9, 1e-9)
            epsilon, best = np.where(at_end > best + margin, [end, at_end], [epsilon, best])
        return epsilon, self.best_first(epsilon, errors), best

    def interval(
        self, errors: Floats, epsilon: Floats, best: Floats, *, drop: float
    ) -> tuple[Floats, Floats]:
        """Find the epsilons where the profile has fallen by `drop`; 0 or 1/2 if it does not."""
        # Both sides at once: (2, sets).
        start = np.log(np.clip(epsilon, self.floor, HALF))
        limits = np.stack([np.full(start.shape, np.log(self.floor)), np.full(start.shape, np.log(HALF))])

        sets = np.broadcast_to(np.arange(start.size), limits.shape)

        def remaining(log_epsilon: Floats, chosen: NDArray[np.intp]) -> Floats:
            return self.profile(np.exp(log_epsilon), errors[chosen]) - best[chosen] + drop

        low, high = np.minimum(start, limits), np.maximum(start, limits)
        ends = np.exp(_roots(remaining, low=low, high=high, sets=sets, tolerance=1e-8))
        reached = remaining(limits, sets) >= 0
        below = np.where(reached[0], 0.0, ends[0])
        above = np.where(reached[1], 0.5, ends[1])
        return np.minimum(below, epsilon), np.maximum(above, epsilon)

    def profile(self, epsilon: Floats, errors: Floats) -> Floats:
        """Compute the log-likelihood (without binomial coefficients) at the best `first` for each epsilon."""
        return self.log_likelihood(self.failure(epsilon, self.best_first(epsilon, errors)), errors)

    def log_likelihood(self, failure: Floats, errors: Floats) -> Floats:
        """Compute the log-likelihood of failure probabilities (..., points)."""
        result: Floats = np.sum(xlogy(errors, failure) + xlog1py(self.shots - errors, -failure), axis=-1)
        return result

    def failure(self, epsilon: Floats, first: Floats) -> Floats:
        """Compute failure probabilities (..., points)."""
        kept, lost = self._kept(epsilon)
        return lost / 2 + first[..., None] * kept

    def best_first(self, epsilon: Floats, errors: Floats) -> Floats:
        """Find the `first` of greatest likelihood for given epsilon."""
        if not self.free:
            return np.zeros(np.broadcast_shapes(epsilon.shape, errors.shape[:-1]))
        kept, lost = self._kept(epsilon)
        hits, misses, base = errors * kept, (self.shots - errors) * kept, lost / 2
        none = errors == 0
        shape = np.broadcast_shapes(epsilon.shape, errors.shape[:-1])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # The slope at both ends of 0..1/2; at 1/2 every failure probability is 1/2.
            at_zero = np.where(none, 0.0, hits / base).sum(-1) <= (misses / (1 - base)).sum(-1)
            at_half = hits.sum(-1) >= misses.sum(-1)
            low, high = np.zeros(shape), np.full(shape, 0.5)
            first = np.clip(np.broadcast_to(np.sum(errors, -1) / np.sum(self.shots), shape), 1e-300, 0.49)
            settled = at_zero | at_half
            for _ in range(100):
                failure = base + first[..., None] * kept
                pulls, pushes = hits / failure, misses / (1 - failure)
                pull, push = pulls.sum(-1), pushes.sum(-1)
                # At the best point pull = push. Their reciprocals are nearly straight lines in `first`,
                # which makes Newton's method on the difference converge in a few steps.
                pull_slope = (pulls * kept / failure).sum(-1) / pull**2
                push_slope = (pushes * kept / (1 - failure)).sum(-1) / push**2
                rises = pull > push
                low, high = np.where(rises, first, low), np.where(rises, high, first)
                following = first - (1 / pull - 1 / push) / (pull_slope + push_slope)
                inside = (following >= low) & (following <= high) & (following > 0)
                # If Newton's method leaves the bracket, halve it; next to 0 quarter it, to reach small scales
                # quickly.
                following = np.where(inside, following, np.where(low > 0, (low + high) / 2, high / 4))
                moved = np.abs(following - first) > 1e-10 * first
                first = following
                if not np.any(moved & ~settled):
                    break
        return np.where(at_half, 0.5, np.where(at_zero, 0.0, first))

    def _kept(self, epsilon: Floats) -> tuple[Floats, Floats]:
        """Compute (1 - 2 epsilon)^(t - t0) and one minus it, both (..., points)."""
        log_factor = np.log1p(-2 * np.minimum(epsilon, HALF))[..., None] * (self.cycles - self.origin)
        return np.exp(log_factor), -np.expm1(log_factor)

    def _score(self, epsilon: Floats, errors: Floats) -> Floats:
        """Compute a positive multiple of the profile's slope."""
        kept, lost = self._kept(epsilon)
        failure = lost / 2 + self.best_first(epsilon, errors)[..., None] * kept
        weight = kept * (self.cycles - self.origin)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            pull = np.divide(errors, failure, out=np.zeros(failure.shape), where=(errors > 0) & (weight > 0))
            terms = weight * (pull - (self.shots - errors) / (1 - failure))
        result: Floats = np.sum(terms, axis=-1)
        return result

    def _best_cell(self, grid: Floats, errors: Floats) -> NDArray[np.intp]:
        """Return the index of the grid point of greatest profile; the last among equals."""
        profile = self.profile(grid[None, :], errors[:, None, :])
        good = profile >= profile.max(axis=1, keepdims=True) - 1e-9
        cells: NDArray[np.intp] = grid.size - 1 - np.argmax(good[:, ::-1], axis=1)
        return cells


def _roots(
    function: Callable[[Floats, NDArray[np.intp]], Floats],
    *,
    low: Floats,
    high: Floats,
    sets: NDArray[np.intp] | None = None,
    tolerance: float = 1e-11,
) -> Floats:
    """Roots between `low` and `high` for many sets at once; `high` where both ends have one sign.

    Args:
        function: takes arguments and the numbers of their data sets, int (n,) each.
        low: lower ends.
        high: upper ends.
        sets: numbers of the data sets; None counts them from 0.
        tolerance: absolute, of the roots.
    """
    from scipy.optimize.elementwise import find_root

    chosen = np.arange(low.size) if sets is None else sets
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = find_root(function, (low, high), args=(chosen,), tolerances={"xatol": tolerance})
    roots: Floats = np.where(found.success, found.x, high)
    return roots
