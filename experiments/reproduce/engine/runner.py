"""Runs jobs that have no record yet: in worker processes, or one alone; shows the time left."""

import contextlib
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import stim

from experiments.common.preparation import compile_kernels
from experiments.common.progress import Progress
from experiments.common.tables import duration
from experiments.common.workers import die_with_parent, interrupts_kept_from_workers
from experiments.reproduce.engine.figure import Job, Place, Record
from experiments.reproduce.engine.records import RecordsFile

_WAKE_SECONDS = 0.5


class Clock:
    """Time left, from the costs that jobs announce and the time that others took.

    Args:
        jobs: all that will be done.
        workers: processes that share them.
    """

    def __init__(self, jobs: Sequence[Job], *, workers: int) -> None:
        self._left = {job.key: job for job in jobs}
        self._workers = workers
        # One second's worth of trust in the announced costs.
        self._announced = self._taken = 1.0

    def done(self, job: Job, seconds: float) -> None:
        """Count a finished job and the time it took its worker."""
        del self._left[job.key]
        if not job.alone:
            self._announced += job.cost
            self._taken += seconds

    @property
    def num_left(self) -> int:
        """Jobs that are not done."""
        return len(self._left)

    def seconds_left(self) -> float:
        """Estimate for the rest."""
        shared = sum(job.cost for job in self._left.values() if not job.alone)
        alone = sum(job.cost for job in self._left.values() if job.alone)
        return (shared * self._taken / self._announced + alone) / self._workers


class Runner:
    """Does jobs and keeps their records.

    Args:
        records: open.
        workers: processes; with 1 everything happens in this process.
        decoders: names of decoders to compile before several processes would do it at the same time.
        progress: where lines are shown.
    """

    def __init__(
        self, *, records: RecordsFile, workers: int, decoders: Sequence[str], progress: Progress
    ) -> None:
        self._records = records
        self._workers = workers
        self._decoders = decoders
        self._progress = progress
        self._clock = Clock([], workers=workers)
        self._name = ""
        self._is_warm = False

    def expect(self, jobs: Sequence[Job]) -> None:
        """Announce all jobs of the run, so that the time left is that of all of them."""
        self._clock = Clock(list(self._missing(jobs).values()), workers=self._workers)

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

    def _show(self, words: str = "", *, always: bool = False) -> None:
        left = duration(self._clock.seconds_left())
        detail = words or f"{self._clock.num_left} jobs left"
        self._progress.show(f"{self._name}: {detail}, about {left} left in all", always=always)

    def _keep(self, job: Job, record: Record, seconds: float) -> None:
        self._records.add(job, record, seconds=seconds)
        self._clock.done(job, seconds)
        self._show()

    def _alone(self, job: Job) -> None:
        place = Place(workers=self._workers, folder=self._records.state_folder(job), say=self._say)
        start = time.monotonic()
        record = job.work(**job.arguments, place=place)
        self._keep(job, record, time.monotonic() - start)

    def _warm_up(self) -> None:
        if self._is_warm:
            return
        _first_sample()
        compile_kernels("qec reproduce", self._decoders, progress=self._progress)
        self._is_warm = True

    def _say(self, words: str) -> None:
        self._progress.show(f"{self._name}: {words}")

    def _share(self, jobs: Sequence[Job]) -> None:
        if self._workers == 1:
            for job in jobs:
                self._keep(job, *timed(job))
            return
        # Long jobs first, so that no worker is left with one at the end.
        queue = sorted(jobs, key=lambda job: -job.cost)
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


def timed(job: Job) -> tuple[Record, float]:
    """A job's record and the seconds it took."""
    start = time.monotonic()
    record = job.work(**job.arguments)
    return record, time.monotonic() - start


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool whose processes are gone at the end, even in the middle of a job."""
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
    _first_sample()


def _first_sample() -> None:
    # stim's first sample of a process can hang if two threads make it at once.
    stim.Circuit("X_ERROR(0.1) 0\nM 0\nDETECTOR rec[-1]").compile_detector_sampler(seed=0).sample(1)
