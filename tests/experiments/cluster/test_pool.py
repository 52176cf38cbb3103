"""Connection to a cluster: what is refused before any work, and tasks whose worker is lost."""

import sys
from concurrent.futures import CancelledError, Future
from typing import Any

import pytest
from distributed import KilledWorker

from experiments import cli
from experiments.cluster import pool
from experiments.cluster.versions import VersionsDifferError, check_versions, versions


def refusal(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["sweep", "--distances", "3", "--out", "a.csv", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_cluster_without_dask_names_the_extra(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "distributed", None)
    line = refusal("--cluster", "tcp://127.0.0.1:1", capsys=capsys)
    assert line.endswith("--cluster needs dask: install the extra: pip install 'below-threshold[cluster]'")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "somewhere", "empty.json"])
def test_an_address_without_scheduler(
    address: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pool, "_CONTACT_SECONDS", 0.2)
    (tmp_path / "empty.json").write_text("{}")
    assert f"--cluster {address}: no scheduler answers there" in refusal("--cluster", address, capsys=capsys)
    assert "leave --processes out" in refusal("--cluster", address, "--processes", "2", capsys=capsys)


def test_other_versions_are_refused_by_the_worker() -> None:
    check_versions(versions())
    for name in ("qec", "stim", "numba"):
        with pytest.raises(VersionsDifferError, match=f"has {name} .*, this machine 0.1.2: install the same"):
            check_versions(versions() | {name: "0.1.2"})
        with pytest.raises(VersionsDifferError):  # a worker that came later
            pool._run_task(versions() | {name: "0.1.2"}, len, ("",))


class FakeClient:
    """A scheduler that ends tasks as it is told."""

    status = "running"

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)

    def nthreads(self) -> dict[str, int]:
        return {}

    def submit(self, run: Any, *arguments: Any, key: str, pure: bool) -> "Future[Any]":
        future: Future[Any] = Future()
        outcome = self._outcomes.pop(0) if self._outcomes else None
        if outcome is None:
            future.set_result(run(*arguments))
        else:
            future.set_exception(outcome)
        return future


def killed() -> KilledWorker:
    return KilledWorker("key", None, 3)  # type: ignore[arg-type]


def test_a_task_whose_worker_is_lost_runs_again_and_has_one_result() -> None:
    workers = pool.Pool(FakeClient(killed(), killed()), "here")
    workers.submit(len, "abc")
    assert list(workers.results(seconds=0.1)) == [3]
    assert list(workers.results(seconds=0.01)) == []
    assert (workers.slots, workers.has_workers) == (1, False)


class LostResult:
    """A future whose result was on a worker that was lost."""

    def __init__(self) -> None:
        self._fetched = 0

    def add_done_callback(self, call: Any) -> None:
        call(self)

    def result(self, timeout: float) -> int:
        self._fetched += 1
        if self._fetched < 3:
            raise TimeoutError
        return 7


def test_a_result_that_is_lost_is_waited_for_without_blocking() -> None:
    """Meanwhile lost workers are replaced: nobody else would compute it."""
    client, refills = FakeClient(), []
    client.submit = lambda *_, **__: LostResult()  # type: ignore[method-assign]
    workers = pool.Pool(client, "here", refill=lambda: refills.append(1))
    workers.submit(len, "abc")
    assert list(workers.results(seconds=0.1)) == [7]
    assert refills


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([killed() for _ in range(20)], "here: a task ends each worker that begins it; out of memory"),
        ([CancelledError()], "here: lost the connection to the scheduler"),
        (
            [ModuleNotFoundError("x", name="numba")],
            "here: a worker has no module numba: install",
        ),
        ([ValueError("shot 5 of seed 1: no errors")], "shot 5 of seed 1"),
    ],
)
def test_what_ends_a_run_is_one_line(outcomes: list[BaseException], words: str) -> None:
    workers = pool.Pool(FakeClient(*outcomes), "here")
    workers.submit(len, "abc")
    with pytest.raises(ValueError, match=words):
        list(workers.results(seconds=0.1))
