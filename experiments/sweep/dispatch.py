"""Give portions of a sweep to workers, and count what comes back."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import sinter

from experiments.sweep.plan import Plan, Portions
from experiments.sweep.portions import Portion, PortionCounts, count_portion

# Portions of each worker: one it counts, one that waits for it.
_EACH = 2
_WAKE_SECONDS = 0.5


class Workers(Protocol):
    """Processes that count portions: `experiments.cluster.Pool`, `experiments.sweep.processes.Processes`."""

    @property
    def slots(self) -> int:
        """Portions that are counted at the same time, at least 1."""
        ...

    def submit(self, work: Callable[[Portion], PortionCounts], portion: Portion, /) -> None:
        """Have a portion counted, again if its worker is lost."""
        ...

    def results(self, *, seconds: float) -> Iterator[PortionCounts]:
        """Yield the counts that have come in; wait up to `seconds` for the first."""
        ...


def collect(plan: Plan, workers: Workers) -> Iterator[list[Any]]:
    """Count what a plan gives out.

    Yields:
        New rows of counts, `sinter.TaskStats`; an empty list twice a second where there are none.

    Raises:
        ValueError: see `Workers.results`.
    """
    portions = Portions(plan)
    while True:
        slots = workers.slots
        while len(portions) < _EACH * slots and (portion := portions.give(slots)) is not None:
            workers.submit(count_portion, portion)
        if not len(portions):
            return
        rows = []
        for found in workers.results(seconds=_WAKE_SECONDS):
            state = portions.take(found)
            if state is not None:
                rows.append(
                    sinter.TaskStats(
                        strong_id=state.point.strong_id,
                        decoder=state.point.decoder,
                        json_metadata=state.point.metadata,
                        shots=found.shots,
                        errors=found.errors,
                        discards=found.discards,
                        seconds=found.seconds,
                    )
                )
        yield rows
