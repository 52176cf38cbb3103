"""Worker processes of this machine that count portions of a sweep."""

import contextlib
import multiprocessing
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from experiments.common.workers import die_with_parent
from experiments.sweep.portions import Portion, PortionCounts


class Processes:
    """Workers as `experiments.sweep.dispatch.Workers` describes them.

    Args:
        pool: of the processes.
        number: of processes.
    """

    def __init__(self, pool: ProcessPoolExecutor, number: int) -> None:
        self._pool = pool
        self.slots = number
        self._finished: queue.SimpleQueue[Future[PortionCounts]] = queue.SimpleQueue()

    def submit(self, work: Callable[[Portion], PortionCounts], portion: Portion) -> None:
        """Have a portion counted."""
        self._pool.submit(work, portion).add_done_callback(self._finished.put)

    def results(self, *, seconds: float) -> Iterator[PortionCounts]:
        """Yield the counts that have come in; wait up to `seconds` for the first.

        Raises:
            ValueError: a worker process was killed.
        """
        timeout: float | None = seconds
        while True:
            try:
                found = self._finished.get(block=timeout is not None, timeout=timeout)
            except queue.Empty:
                return
            timeout = None
            try:
                yield found.result()
            except BrokenProcessPool:
                raise ValueError(
                    "a worker process ended before its shots: killed, or out of memory; run the same command"
                ) from None


@contextlib.contextmanager
def processes(number: int) -> Iterator[Processes]:
    """Start worker processes, which end with the block, also in the middle of a portion."""
    before = set(multiprocessing.active_children())
    # Spawned, not forked: numba and numpy may hold threads and locks here.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(number, mp_context=context, initializer=die_with_parent)
    try:
        yield Processes(pool, number)
    except BaseException:
        # They do not see Ctrl-C; what they count is drawn again.
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
