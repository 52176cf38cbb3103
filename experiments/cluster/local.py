"""A dask cluster on this machine: scheduler and worker processes on the loopback interface, without pages."""

import asyncio
import contextlib
import logging
import multiprocessing
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from typing import Any

from experiments.common.workers import die_with_parent

_HOST = "127.0.0.1"
# Routes are pages: status, memory, code of running tasks.
_NO_PAGES: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
_END_SECONDS = 5.0


@contextlib.contextmanager
def local_cluster(workers: int) -> Iterator[tuple[Any, Callable[[], None]]]:
    """Start a scheduler and worker processes with one thread each; they end with the block.

    Dask's own supervisors give up on a worker that is killed while it starts, so the processes are ours.

    Yields:
        `distributed.LocalCluster`, and a function that starts workers in place of those that have ended, to
        be called now and then.
    """
    import dask
    import distributed

    running: list[SpawnProcess] = []
    with dask.config.set(_NO_PAGES):
        cluster = distributed.LocalCluster(
            n_workers=0,
            host=_HOST,
            dashboard_address=f"{_HOST}:0",
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )
        # Spawned, not forked: numba and numpy may hold threads and locks here.
        context = multiprocessing.get_context("spawn")

        def refill() -> None:
            running[:] = [process for process in running if process.is_alive()]
            while len(running) < workers:
                process = context.Process(target=_work, args=(cluster.scheduler_address,), daemon=True)
                process.start()
                running.append(process)

        try:
            refill()
            yield cluster, refill
        finally:
            for process in running:
                process.kill()  # what they count is given out again, or not wanted
            for process in running:
                process.join(_END_SECONDS)
            cluster.close()


def silence_dask() -> None:
    """Keep dask's messages from standard error: a lost worker is no news, and its task runs again."""
    for logger in ("distributed", "tornado", "tornado.application"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)


def _work(address: str) -> None:
    """Serve a scheduler until it ends."""
    die_with_parent()
    import dask
    import distributed

    silence_dask()

    async def serve() -> None:
        options: dict[str, Any] = {"nthreads": 1, "host": _HOST, "dashboard": False, "memory_limit": 0}
        async with distributed.Worker(address, **options) as worker:
            await worker.finished()

    with dask.config.set(_NO_PAGES):
        asyncio.run(serve())
