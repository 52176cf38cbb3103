"""The thread of one stream: what it cannot have it says, and it does not outlive its keeper."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from decoders import StreamingDecoder
from realtime.kernels import loop
from realtime.kernels.clock import now_ns
from realtime.service.session import Session
from realtime.service.worker import ThreadOptions, Worker
from tests.support.loop_shots import circuit, untimed


def until(condition: Callable[[], bool]) -> None:
    for _ in range(10_000):
        if condition():
            return
        time.sleep(0.001)
    pytest.fail("it never came to pass")


@pytest.fixture
def worker() -> Iterator[Worker]:
    session = Session(decoder=StreamingDecoder.from_circuit(circuit()))
    made = Worker(session=session, hub=None, options=ThreadOptions(core=4095))
    made.start()
    yield made
    made.stop()
    assert not made.is_alive


def test_a_core_that_does_not_exist_is_noted(worker: Worker) -> None:
    assert len(worker.notes) == 1
    assert worker.notes[0].startswith("core 4095 cannot be used")


def test_the_heartbeat_comes_from_the_loop(worker: Worker) -> None:
    assert worker.heartbeat_age_ns() is None
    worker.begin()
    first = int(worker._words[loop.BEAT])
    until(lambda: worker._words[loop.BEAT] > first)
    worker.end()
    assert worker.heartbeat_age_ns() is None


def test_a_worker_without_a_keeper_ends_its_session_and_can_begin_another(worker: Worker) -> None:
    worker._keeper_ns = np.int64(1)
    worker._words[loop.KEEPER] = 0
    worker.begin()
    until(lambda: worker.heartbeat_age_ns() is None and worker.notes[-1].startswith("a session was ended"))
    worker._keeper_ns = np.int64(0)
    worker.begin()
    assert worker.heartbeat_age_ns() is not None


def test_a_keeper_that_is_late_keeps_its_session(worker: Worker) -> None:
    """On a machine that was paused the worker may wake before its keeper."""
    worker._keeper_ns = np.int64(10**10)
    worker.begin()
    worker._words[loop.KEEPER] = now_ns() - 2 * 10**10
    before = int(worker._words[loop.BEAT])
    until(lambda: worker._words[loop.BEAT] > before or worker.heartbeat_age_ns() is None)
    worker.keep()
    before = int(worker._words[loop.BEAT])
    until(lambda: worker._words[loop.BEAT] > before or worker.heartbeat_age_ns() is None)
    assert worker.heartbeat_age_ns() is not None


def test_what_fails_between_two_frames_fails_its_caller_only(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(worker.session, "begin", fail)
        with pytest.raises(OSError, match="no room"):
            worker.begin()
    assert worker.heartbeat_age_ns() is None
    worker.begin()
    worker.reset_latencies()
    assert worker.is_alive


def test_a_stop_without_an_order_does_not_end_serving(worker: Worker) -> None:
    """An order may be carried out before its sender sets the word that interrupts the loop."""
    session = worker.begin().session
    worker._words[loop.STOP] = 1
    until(lambda: worker._words[loop.STOP] == 0)
    for message in untimed(session, count=1)[0]:
        assert worker.data_ring.put(message)
    until(lambda: worker.session.counters()["shots_ok"] == 1)
