"""Distribution of a sweep's portions to worker processes, and collection of their counts."""

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import sinter

from experiments.sweep.plan import Plan, Portions
from experiments.sweep.portions import Portion, PortionCounts, count_portion

# One is counted, one waits, so that the worker need not wait for this process.
_PORTIONS_PER_WORKER = 2
_POLL_SECONDS = 0.5


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
    """Have workers count the portions of a plan; `experiments.sweep.command` writes the rows.

    Yields:
        New rows of counts, `sinter.TaskStats`; an empty list twice a second where there are none.

    Raises:
        ValueError: see `Workers.results`.
    """
    portions = Portions(plan)
    while True:
        slots = workers.slots
        while len(portions) < _PORTIONS_PER_WORKER * slots and (portion := portions.give(slots)) is not None:
            workers.submit(count_portion, portion)
        if not len(portions):
            return
        rows = []
        for found in workers.results(seconds=_POLL_SECONDS):
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
