"""How much of a sweep is done and how long the rest will take."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

from experiments.common.tables import duration


@dataclass
class _Task:
    decoder: str
    num_detectors: int
    shots: int
    errors: int
    seconds: float = 0.0
    timed_shots: int = 0

    @property
    def per_shot(self) -> float | None:
        """Seconds of one worker for one shot, from the largest batch so far."""
        return self.seconds / self.timed_shots if self.timed_shots and self.seconds > 0 else None


class Tracker:
    """Counts what arrives from the workers and estimates the time left.

    A task that has not begun is taken to cost as much per detector and shot as the others of its decoder. The
    first row of each worker is not timed: its decoder may have compiled code for seconds.

    Args:
        max_shots: shots after which a task is done.
        max_errors: errors after which a task is done, or None.
        num_workers: processes that share the work.
    """

    def __init__(self, *, max_shots: int, max_errors: int | None, num_workers: int) -> None:
        self._max_shots = max_shots
        self._max_errors = max_errors
        self._num_workers = num_workers
        self._tasks: dict[str, _Task] = {}
        self._new_shots = 0
        self._num_rows = 0

    def expect(self, *, strong_id: str, decoder: str, num_detectors: int, shots: int, errors: int) -> None:
        """Announce a task, with the shots and errors that it has from earlier runs."""
        self._tasks[strong_id] = _Task(decoder, num_detectors, shots, errors)

    def add(self, stats: Any) -> None:
        """Count a row (`sinter.TaskStats`) that has come in."""
        task = self._tasks[stats.strong_id]
        task.shots += stats.shots
        task.errors += stats.errors
        self._new_shots += stats.shots
        self._num_rows += 1
        if self._num_rows > self._num_workers and stats.shots > task.timed_shots:
            task.seconds = stats.seconds
            task.timed_shots = stats.shots

    def _shots_left(self, task: _Task) -> float:
        left = float(max(0, self._max_shots - task.shots))
        if self._max_errors is not None:
            if task.errors >= self._max_errors:
                return 0.0
            if task.errors:
                left = min(left, (self._max_errors - task.errors) * task.shots / task.errors)
        return left

    @property
    def num_tasks(self) -> int:
        """All tasks announced."""
        return len(self._tasks)

    @property
    def num_done(self) -> int:
        """Tasks that have all their shots or errors."""
        return sum(self._shots_left(task) == 0 for task in self._tasks.values())

    @property
    def new_shots(self) -> int:
        """Shots that have come in during this run."""
        return self._new_shots

    def seconds_left(self) -> float | None:
        """Estimated time to the end; None as long as nothing was timed."""
        costs: dict[str, list[float]] = defaultdict(list)
        for task in self._tasks.values():
            if task.per_shot is not None:
                costs[task.decoder].append(task.per_shot / max(1, task.num_detectors))
        if not costs:
            return None
        anywhere = median(cost for group in costs.values() for cost in group)
        total = 0.0
        for task in self._tasks.values():
            per_shot = task.per_shot
            if per_shot is None:
                group = costs.get(task.decoder)
                per_shot = (median(group) if group else anywhere) * max(1, task.num_detectors)
            total += self._shots_left(task) * per_shot
        return total / self._num_workers

    def message(self) -> str:
        """The line for the user."""
        left = self.seconds_left()
        ending = "" if left is None else f", about {duration(left)} left"
        return f"{self.num_done}/{self.num_tasks} points done, {self._new_shots:,} shots in this run{ending}"
