"""Run the jobs that have no record yet, in worker processes or one alone."""

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

from experiments.cluster.pool import connect
from experiments.common.preparation import compile_kernels
from experiments.common.sampling import take_first_sample
from experiments.common.terminal import Progress
from experiments.common.workers import die_with_parent, interrupts_kept_from_workers
from experiments.engine.preparation import compile_engines
from experiments.reproduce.engine.figure import Job, Place, Record
from experiments.reproduce.engine.records import RecordsFile

_WAKE_SECONDS = 0.5


class Runner:
    """Does jobs and keeps their records.

    Args:
        records: open.
        workers: processes; with 1 everything happens in this process.
        decoders: names of decoders to compile before several processes would do it at the same time.
        progress: where lines are shown.
        cluster: address of a dask scheduler whose workers do the jobs that need no machine for themselves, as
            `experiments.cluster.pool.connect` takes it.
        kept: called when a job has its record.
    """

    def __init__(
        self,
        *,
        records: RecordsFile,
        workers: int,
        decoders: Sequence[str],
        progress: Progress,
        cluster: str | None = None,
        kept: Callable[[], None] | None = None,
    ) -> None:
        self._cluster = cluster
        self._records = records
        self._workers = workers
        self._decoders = decoders
        self._progress = progress
        self._kept = kept
        self._left: dict[str, Job] = {}
        self._done = 0.0
        self._name = ""
        self._is_warm = False

    def expect(self, jobs: Sequence[Job]) -> None:
        """Announce all jobs of the run, so that the time left is that of all of them."""
        self._left = self._missing(jobs)
        self._progress.expect(sum(job.cost for job in self._left.values()))

    def run(self, name: str, jobs: Sequence[Job]) -> None:
        """Do the jobs of one figure that have no record.

        Raises:
            ValueError: a worker process ended before its job (killed, or out of memory); what `work` raises.
            KeyboardInterrupt: records are whole, running jobs are lost.
        """
        self._name = name
        missing = self._missing(jobs)
        shared = [job for job in missing.values() if not job.alone]
        if shared:
            self._warm_up()
            with interrupts_kept_from_workers():
                self._share(shared)
        for job in missing.values():
            if job.alone:
                self._warm_up()
                self._alone(job)

    def _missing(self, jobs: Sequence[Job]) -> dict[str, Job]:
        return {job.key: job for job in jobs if job not in self._records}

    def _show(self) -> None:
        self._progress.show(f"{self._name}: {len(self._left)} jobs left", done=self._done)

    def _keep(self, job: Job, record: Record, seconds: float) -> None:
        self._records.add(job, record, seconds=seconds)
        del self._left[job.key]
        self._done += job.cost
        if self._kept is not None:
            self._kept()
        self._show()

    def _alone(self, job: Job) -> None:
        place = Place(workers=self._workers, folder=self._records.state_folder(job), say=self._say)
        start = time.monotonic()
        record = job.work(**job.arguments, place=place)
        self._keep(job, record, time.monotonic() - start)

    def _warm_up(self) -> None:
        if self._is_warm:
            return
        take_first_sample()
        compile_kernels("qec reproduce", self._decoders, progress=self._progress)
        compile_engines("qec reproduce", self._decoders, progress=self._progress)
        self._is_warm = True

    def _say(self, words: str) -> None:
        self._progress.show(f"{self._name}: {words}")

    def _share(self, jobs: Sequence[Job]) -> None:
        # Long jobs first, so that no worker is left with one at the end.
        queue = sorted(jobs, key=lambda job: -job.cost)
        if self._cluster is not None:
            self._share_on_cluster(queue, self._cluster)
            return
        if self._workers == 1:
            for job in jobs:
                self._keep(job, *timed(job))
            return
        with _pool(min(self._workers, len(queue))) as pool:
            running: dict[Future[tuple[Record, float]], Job] = {pool.submit(timed, job): job for job in queue}
            try:
                while running:
                    done, _ = wait(running, timeout=_WAKE_SECONDS, return_when=FIRST_COMPLETED)
                    for future in done:
                        job = running.pop(future)
                        self._keep(job, *future.result())
                    self._show()
            except BrokenProcessPool:
                raise ValueError(
                    "a worker process ended before its job: killed, or out of memory; run the same command"
                ) from None

    def _share_on_cluster(self, jobs: Sequence[Job], address: str) -> None:
        waiting = {job.key: job for job in jobs}
        with connect(address, workers=self._workers) as pool:
            for job in jobs:
                pool.submit(_timed_by_key, job)
            while waiting:
                for key, record, seconds in pool.results(seconds=_WAKE_SECONDS):
                    self._keep(waiting.pop(key), record, seconds)
                self._show()


def _timed_by_key(job: Job) -> tuple[str, Record, float]:
    """Run a job on a worker of a cluster."""
    take_first_sample()
    return job.key, *timed(job)


def timed(job: Job) -> tuple[Record, float]:
    """Run a job; returns its record and its duration in seconds."""
    start = time.monotonic()
    record = job.work(**job.arguments)
    return record, time.monotonic() - start


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Make a pool whose processes end with the block, even in the middle of a job."""
    before = set(multiprocessing.active_children())
    # Spawned, not forked: numba and numpy may hold threads and locks here.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)
    try:
        yield pool
    except BaseException:
        # They do not see Ctrl-C, and their jobs have nothing that would be lost.
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    die_with_parent()
    take_first_sample()
