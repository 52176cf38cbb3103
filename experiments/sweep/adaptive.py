"""Shots where a fit needs them: allocation over the points of a sweep until results are precise enough."""

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.sweep.plan import PointState

Floats = NDArray[np.float64]

# Part of the time that is spread evenly over the points: it shows whether the fit describes all of them.
_EVEN = 0.25
# A result is looked at each time the counted time has grown by this factor: few looks, little bias.
_LOOK_GROWTH = 1.25
# The allocation begins when each point has this number of errors, or of shots.
_PILOT_ERRORS, _PILOT_SHOTS = 20, 20_000
_PORTION_SECONDS = 10.0


class Target(Protocol):
    """A result that is fitted to the counts of several points.

    Attributes:
        states: the points.
    """

    states: Sequence[PointState]

    def gradients(self) -> tuple[Floats, Floats] | None:
        """Compute how the failure probabilities depend on the fitted parameters.

        Returns:
            Derivatives of the probability of each point, (points, parameters), and the direction of the
            result among the parameters, (parameters,). None: the counts are too few for a fit.
        """
        ...

    def half_width(self) -> float | None:
        """Compute half of the result's 95 % interval, relative to its value; None: not known yet."""
        ...


class _Goal:
    """A target, and what was given out for it."""

    def __init__(self, target: Target, precision: float, max_shots: int) -> None:
        self.states = target.states
        self.reached = 0.0  # the part of the shots that the result needs, at the last look
        self.is_done = False
        self._target, self._precision, self._max_shots = target, precision, max_shots
        self._looked_at = -1.0  # seconds counted then
        self._even = self._given = 0.0  # seconds given out: evenly, in all

    @property
    def seconds(self) -> float:
        """Time of all shots that were counted in this run."""
        return sum(state.seconds for state in self.states)

    def look(self) -> None:
        """Fit, if the counts have grown enough since the last look."""
        seconds = self.seconds
        if seconds == self._looked_at or seconds < _LOOK_GROWTH * self._looked_at or self.is_done:
            return
        if not all(map(_is_counted, self.states)):
            return
        self._looked_at = seconds
        width = self._target.half_width()
        if width is not None:
            self.reached = min(1.0, (self._precision / max(width, 1e-300)) ** 2)
            self.is_done = width <= self._precision

    def part(self) -> float:
        """Estimate the part of the work that was given out."""
        return self.reached * (self._given + 1e-9) / (self.seconds + 1e-9)

    def give(self, slots: int) -> tuple[PointState, int] | None:
        """Choose the next point and its number of shots; None: nothing now."""
        left = [self._max_shots - state.shots - state.in_flight for state in self.states]
        open_points = [k for k, shots in enumerate(left) if shots > 0]
        unknown = [k for k in open_points if not _is_known(self.states[k])]
        even = False
        if unknown:
            # The first portion measures the time of a shot.
            ready = [k for k in unknown if self.states[k].returned or not self.states[k].in_flight]
            chosen = min(ready, key=lambda k: self.states[k].shots + self.states[k].in_flight, default=None)
        elif self._even <= _EVEN * self._given or (gains := self._gains()) is None:
            even = True
            chosen = min(open_points, key=self._spent, default=None)
        else:
            chosen = max(open_points, key=lambda k: float(gains[k]), default=None)
        if chosen is None:
            return None
        state = self.states[chosen]
        # Small against what was counted, so that the allocation can follow.
        shots = state.portion_shots(left[chosen], seconds=min(_PORTION_SECONDS, self.seconds / (4 * slots)))
        seconds = shots * (state.seconds_per_shot() or 0.0)
        self._given += seconds
        self._even += seconds * even
        return state, shots

    def _gains(self) -> Floats | None:
        """Compute by how much a second at each point lowers the variance of the result."""
        found = self._target.gradients()
        if found is None:
            return None
        gradients, direction = found
        rate = np.array([state.error_rate for state in self.states])
        shots = np.array([state.shots + state.in_flight for state in self.states], dtype=np.float64)
        variance = rate * (1 - rate)
        information = (gradients * (shots / variance)[:, None]).T @ gradients
        scale = np.sqrt(np.maximum(np.diag(information), 1e-300))
        scaled = information / np.outer(scale, scale) + 1e-9 * np.eye(scale.size)
        weights = np.linalg.solve(scaled, direction / scale) / scale
        seconds = np.array([state.seconds_per_shot() or math.inf for state in self.states])
        result: Floats = (gradients @ weights) ** 2 / variance / seconds
        return result

    def _spent(self, k: int) -> float:
        return self.states[k].assigned * (self.states[k].seconds_per_shot() or 0.0)


def _is_counted(state: PointState) -> bool:
    return state.errors >= _PILOT_ERRORS or state.shots >= _PILOT_SHOTS


def _is_known(state: PointState) -> bool:
    return _is_counted(state) and state.seconds_per_shot() is not None


class AdaptivePlan:
    """Take results to a relative precision, with the shots where they lower its variance most.

    Each portion goes to the point where a second lowers the variance of the result most (by the information
    matrix of the fit, as for c-optimal designs), but a quarter of the time goes evenly to all. A result is
    looked at each time its counted time has grown by a quarter. Once half of its 95 % interval is below the
    precision, no more portions are given out; those under way still count.

    Args:
        states: all points, each of at most one target.
        targets: the results.
        precision: half of the 95 % interval, relative to the value.
        max_shots: of each point.
    """

    def __init__(
        self, states: list[PointState], targets: Sequence[Target], *, precision: float, max_shots: int
    ) -> None:
        self.states = states
        self._number = {id(state): number for number, state in enumerate(states)}
        self._goals = [_Goal(target, precision, max_shots) for target in targets]

    def choose(self, slots: int) -> tuple[int, int] | None:
        """Choose a point of the result that is farthest from its precision; see `Plan`."""
        for goal in self._goals:
            goal.look()
        for goal in sorted(self._goals, key=_Goal.part):
            if not goal.is_done and (found := goal.give(slots)) is not None:
                return self._number[id(found[0])], found[1]
        return None

    def progress(self) -> list[float]:
        """Return, for each point, the part of its result's precision that is reached."""
        parts = {id(state): goal.reached for goal in self._goals for state in goal.states}
        return [parts.get(id(state), 1.0) for state in self.states]

    @property
    def num_results(self) -> int:
        """Number of results."""
        return len(self._goals)

    @property
    def num_reached(self) -> int:
        """Number of results that are precise enough."""
        return sum(goal.is_done for goal in self._goals)
