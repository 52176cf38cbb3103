"""Split a sweep into portions: next point, number of shots, end of each point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from experiments.engine.kernels.draw import BLOCK
from experiments.sweep.portions import PointTask, Portion, PortionCounts
from experiments.sweep.task_sampler import seed_of_point

# Time of a portion, about, in seconds; no more is computed again where a worker is lost.
_SECONDS = 10.0
# Shorter ones at the end of a sweep, so that no worker is left with a long one.
_LEAST_SECONDS = 0.5
# The first portion of a point measures the time of a shot; each later one has at most so many times the shots
# that are known.
_FIRST_BITS = 20_000
_GROWTH = 16


@dataclass
class PointState:
    """Shots of a point: known before, counted in this run, and in portions that are not back yet.

    Attributes:
        point: what to sample.
        seed: of its shots in this run.
        size: detectors of its circuit.
        shots, errors: counted in all, those known before included.
        assigned: shots given out in this run.
        returned: of these, shots that were counted.
        seconds: that they took.
    """

    point: PointTask
    seed: int
    size: int
    shots: int = 0
    errors: int = 0
    assigned: int = 0
    returned: int = 0
    seconds: float = 0.0

    @property
    def in_flight(self) -> int:
        """Shots in portions that are not back yet."""
        return self.assigned - self.returned

    @property
    def error_rate(self) -> float:
        """Estimated errors per shot, above zero."""
        return (self.errors + 0.5) / (self.shots + 1)

    def seconds_per_shot(self) -> float | None:
        """Return the measured time; None before the first portion is back."""
        return max(self.seconds / self.returned, 1e-9) if self.returned else None

    def portion_shots(self, needed: float, *, seconds: float = _SECONDS) -> int:
        """Choose the shots of the next portion.

        Args:
            needed: shots that the point still needs, above zero.
            seconds: most time.

        Returns:
            At least 1 and at most `needed`, rounded up; whole blocks of the engine's random numbers, where
            there are several.
        """
        each = self.seconds_per_shot()
        if each is None:
            chosen = max(1, _FIRST_BITS // self.size)
        else:
            chosen = max(1, min(int(max(seconds, _LEAST_SECONDS) / each), _GROWTH * self.returned))
        if chosen > BLOCK:
            chosen -= (self.assigned + chosen) % BLOCK
        return max(1, min(chosen, int(-(-needed // 1))))


def point_states(
    points: Sequence[PointTask], sizes: Sequence[int], existing: Mapping[str, Any], *, seed: int
) -> list[PointState]:
    """Make the states of the points of a run.

    Args:
        points: of the sweep.
        sizes: detectors of their circuits.
        existing: strong_id -> counts that the file holds (`sinter.TaskStats`).
        seed: of the run. Shots are those of `qec sweep --seed` without a cluster.
    """
    found = []
    for point, size in zip(points, sizes, strict=True):
        known = existing.get(point.strong_id)
        shots, errors = (0, 0) if known is None else (known.shots, known.errors)
        own = seed_of_point(seed, shots, point.strong_id)
        found.append(PointState(point, own, max(1, size), shots=shots, errors=errors))
    return found


class Plan(Protocol):
    """Choice of the next portion."""

    states: list[PointState]

    def choose(self, slots: int) -> tuple[int, int] | None:
        """Choose a point and a number of shots, for one of `slots` workers; None: nothing to do now."""
        ...

    def progress(self) -> list[float]:
        """Return the part of each point that is done, 0 to 1."""
        ...


class Portions:
    """Portions that a plan gave out, each counted once."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._given: dict[int, tuple[PointState, Portion]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._given)

    def give(self, slots: int) -> Portion | None:
        """Give out the next portion; None: there is none now."""
        chosen = self.plan.choose(slots)
        if chosen is None:
            return None
        state = self.plan.states[chosen[0]]
        portion = Portion(self._next, state.point, state.seed, state.assigned, chosen[1])
        state.assigned += portion.shots
        self._given[portion.number] = state, portion
        self._next += 1
        return portion

    def take(self, found: PortionCounts) -> PointState | None:
        """Count a result; None if it was counted before or is of no portion of this run."""
        state, portion = self._given.pop(found.number, (None, None))
        if state is None or portion is None:
            return None
        state.returned += portion.shots
        state.shots += found.shots
        state.errors += found.errors
        state.seconds += found.seconds
        return state


class LimitPlan:
    """Take each point to its number of shots or errors, all points at the same pace.

    The next portion goes to the point with the smallest part done, portions under way included. So a point
    that needs many shots gets most of the workers from the beginning, and all end together.

    Args:
        states: the points.
        max_shots: of each point.
        max_errors: a point ends after about this number; None: no limit.
    """

    def __init__(self, states: list[PointState], *, max_shots: int, max_errors: int | None) -> None:
        self.states = states
        self._max_shots, self._max_errors = max_shots, max_errors

    def choose(self, slots: int) -> tuple[int, int] | None:
        """Choose the point with the smallest part done; see `Plan`."""
        open_points = [
            (self._part(state, state.in_flight), number)
            for number, state in enumerate(self.states)
            if self._needed(state) > 0
        ]
        if not open_points:
            return None
        number = min(open_points)[1]
        return number, self._shots(number, slots)

    def progress(self) -> list[float]:
        """Return the part of each point that is done, 0 to 1."""
        return [min(1.0, self._part(state, 0)) for state in self.states]

    def _part(self, state: PointState, in_flight: int) -> float:
        part = (state.shots + in_flight) / self._max_shots
        if self._max_errors is not None:
            part = max(part, (state.errors + state.error_rate * in_flight) / self._max_errors)
        return part

    def _needed(self, state: PointState) -> float:
        shots = float(self._max_shots - state.shots - state.in_flight)
        if self._max_errors is None or shots <= 0:
            return shots
        errors = self._max_errors - state.errors
        # While nothing is known of a point, it has one portion under way.
        if errors <= 0 or (state.returned == 0 and state.in_flight):
            return 0.0
        return min(shots, errors / state.error_rate - state.in_flight)

    def _shots(self, number: int, slots: int) -> int:
        """Choose the size of a portion: a part of the time that the whole sweep still takes."""
        left = sum(max(0.0, self._needed(state)) * (state.seconds_per_shot() or 0.0) for state in self.states)
        state = self.states[number]
        return state.portion_shots(self._needed(state), seconds=min(_SECONDS, left / (2 * slots)))
