"""Tasks on a dask cluster: connection, local clusters, results, lost workers."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import queue
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from experiments.cluster.local import local_cluster, silence_dask
from experiments.cluster.versions import check_versions, versions

#: Address that starts workers on this machine.
LOCAL = "local"
_TIMEOUT_SECONDS = 20
_CONTACT_SECONDS = 5
_GATHER_SECONDS = 5
_SLOTS_SECONDS = 1.0  # the number of workers is asked for so often
# A task that ends its worker is given out again so often; dask itself tries several times before.
_ATTEMPTS = 5


class Pool:
    """Runs functions on the workers of a cluster, each task until it has a result.

    A task whose worker is lost runs again on another one. Its result is the same, and is returned once.

    Args:
        client: `distributed.Client`, connected.
        name: of the cluster, for messages.
        refill: starts workers in place of lost ones; called about once a second.
    """

    def __init__(self, client: Any, name: str, *, refill: Callable[[], None] | None = None) -> None:
        self._client = client
        self._refill = refill
        self._name = name
        self._run = uuid.uuid4().hex[:12]
        self._count = itertools.count()
        # Finished: (future, call that submits it again, attempts left).
        self._finished: queue.SimpleQueue[tuple[Any, Callable[[int], None], int]] = queue.SimpleQueue()
        self._waiting: set[Any] = set()
        self._slots, self._next_look = 0, 0.0

    @property
    def slots(self) -> int:
        """Tasks that run at the same time: threads of all workers, at least 1."""
        self._look()
        return max(1, self._slots)

    @property
    def has_workers(self) -> bool:
        """Whether a worker was there at the last look."""
        return self._slots > 0

    def _look(self) -> None:
        if time.monotonic() >= self._next_look:
            if self._refill is not None:
                self._refill()
            self._slots = sum(self._client.nthreads().values())
            self._next_look = time.monotonic() + _SLOTS_SECONDS

    def submit(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Run `work(*arguments)` on a worker; both are pickled."""
        expected = versions()

        def attempt(left: int) -> None:
            key = f"qec-{self._run}-{next(self._count)}"
            future = self._client.submit(_run_task, expected, work, arguments, key=key, pure=False)
            self._wait_for(future, attempt, left)

        attempt(_ATTEMPTS)

    def _wait_for(self, future: Any, attempt: Callable[[int], None], left: int) -> None:
        self._waiting.add(future)  # dask forgets a task of which nobody holds the future
        future.add_done_callback(lambda done: self._finished.put((done, attempt, left)))

    def results(self, *, seconds: float) -> Iterator[Any]:
        """Yield the results that have come in; wait up to `seconds` for the first.

        Raises:
            ValueError: a task failed, ends each worker, or the scheduler is lost.
        """
        self._look()
        timeout: float | None = seconds
        while True:
            try:
                future, attempt, left = self._finished.get(block=timeout is not None, timeout=timeout)
            except queue.Empty:
                if timeout is not None and self._client.status not in ("running", "connecting"):
                    raise ValueError(f"{self._name}: lost the connection to the scheduler") from None
                return
            timeout = None
            self._waiting.discard(future)
            found = self._result(future, attempt, left)
            if found is not None:
                yield found

    def _result(self, future: Any, attempt: Callable[[int], None], left: int) -> Any:
        from distributed import KilledWorker

        try:
            return future.result(timeout=_GATHER_SECONDS)
        except TimeoutError:
            # The worker that had the result was lost before it was fetched: the task runs again.
            self._wait_for(future, attempt, left)
            self._look()
            return None
        except KilledWorker:
            if not left:
                raise ValueError(
                    f"{self._name}: a task ends each worker that begins it; out of memory? Give the workers "
                    "more, or take smaller circuits"
                ) from None
            attempt(left - 1)
            return None
        except CancelledError:
            raise ValueError(f"{self._name}: lost the connection to the scheduler") from None
        except ModuleNotFoundError as error:
            raise ValueError(_without_package(self._name, error)) from None


def _run_task(expected: dict[str, str], work: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    """Run a task on a worker; workers that come later have their versions checked here."""
    check_versions(expected)
    return work(*arguments)


def _answering(address: str) -> str:
    """Return the address of a scheduler, which a file may hold, after a first contact."""
    import distributed

    async def contact(where: str) -> None:
        security = distributed.Security().get_connection_args("client")
        opening = distributed.core.connect(where, timeout=_CONTACT_SECONDS, **security)
        comm = await asyncio.wait_for(opening, 2 * _CONTACT_SECONDS)  # also what answers in another protocol
        await comm.close()

    try:
        where = address
        if Path(address).is_file():
            where = json.loads(Path(address).read_text(encoding="utf-8"))["address"]
        asyncio.run(contact(where))
    except (OSError, ValueError, TypeError, KeyError):
        raise ValueError(
            f"--cluster {address}: no scheduler answers there; give its address, such as "
            f"tcp://10.0.0.1:8786, the file that it wrote, or {LOCAL}"
        ) from None
    return where


def _without_package(name: str, error: ModuleNotFoundError) -> str:
    return (
        f"{name}: a worker has no module {error.name}: install this project, with its extra cluster, in the "
        "environment of the workers"
    )


@contextlib.contextmanager
def connect(address: str, *, workers: int | None = None) -> Iterator[Pool]:
    """Connect to a cluster, or start one on this machine, until the block ends.

    A local cluster listens on the loopback interface and serves no pages.

    Args:
        address: of the scheduler, such as `tcp://10.0.0.1:8786`; a file that it wrote (`--scheduler-file`);
            or `local`.
        workers: processes of a local cluster, one thread each; without effect elsewhere.

    Raises:
        ValueError: dask is not installed, nothing answers, or workers have other versions.
    """
    try:
        import distributed
    except ModuleNotFoundError:
        raise ValueError(
            "--cluster needs dask: install the extra: pip install 'below-threshold[cluster]'"
        ) from None
    silence_dask()
    with contextlib.ExitStack() as stack:
        refill = None
        if address == LOCAL:
            where, refill = stack.enter_context(local_cluster(workers or 1))
        else:
            where = _answering(address)
        client = distributed.Client(where, timeout=_TIMEOUT_SECONDS, set_as_default=False)
        stack.enter_context(client)
        try:
            client.run(check_versions, versions())
        except ModuleNotFoundError as error:
            raise ValueError(_without_package(f"--cluster {address}", error)) from None
        yield Pool(client, f"--cluster {address}", refill=refill)
