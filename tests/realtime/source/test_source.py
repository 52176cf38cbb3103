"""The source as a process: answers, refusals, death in the middle of a shot, no orphan."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from decoders import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from realtime.service.client import Client, DaemonProcess
from realtime.source.jobs import Job
from realtime.source.playlist import Playlist
from realtime.source.simulation import sample_events
from realtime.source.source import SourceConfig, SourceProcess, serve
from tests.support.loop_shots import circuit

_CYCLE_NS = 50_000.0


@pytest.fixture(scope="module")
def shots() -> Playlist:
    memory = circuit()
    model = LayeredModel.from_dem(memory.detector_error_model(decompose_errors=True))
    return sample_events(memory, shots=8, seed=1, model=model)


@pytest.fixture(scope="module")
def folder(shots: Playlist, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(shots.save(tmp_path_factory.mktemp("shots") / "shots"))


@pytest.fixture
def source(daemon: DaemonProcess, folder: str) -> Iterator[SourceProcess]:
    with SourceProcess(patient(daemon, folder)) as process:
        yield process


def patient(daemon: DaemonProcess, folder: str) -> SourceConfig:
    """On a busy machine frames may be late: no shot is dropped for that."""
    return SourceConfig(control=daemon.control, playlist=folder, cycle_ns=_CYCLE_NS, policy="block")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_answers_are_those_of_the_offline_decoder(
    source: SourceProcess, shots: Playlist, folder: str
) -> None:
    decoder = StreamingDecoder.from_circuit(circuit())
    for _ in range(2):  # a source plays several lists in one session
        *found, final = source.play([Job(folder=folder, shots=8)])
        assert [report["status"] for report in found] == ["OK"] * 8
        assert final["frames"] == 8 * 2
        for report in found:
            decoder.reset()
            decoder.push(shots.rows[report["index"]], bit_packed=True)
            flips = decoder.finish(shots.last[report["index"]], bit_packed=True)
            assert bytes.fromhex(report["flips"]) == np.packbits(flips, bitorder="little").tobytes()
    pid = source.pid
    assert source.stop() == 0
    assert not alive(pid)


def test_killed_in_the_middle_of_a_shot(daemon: DaemonProcess, folder: str) -> None:
    """The daemon gives the shot up, answers nothing wrong, and serves the next source at once."""
    slow = SourceConfig(control=daemon.control, playlist=folder, cycle_ns=100_000_000.0, frame_cycles=1)
    with SourceProcess(slow) as dying, Client(daemon.control) as client:

        def shots_done() -> int:
            return int(client.stats()["streams"][0]["counters"]["shots"])

        before, pid = shots_done(), dying.pid
        reports = dying.play([Job(folder=folder, shots=1)])
        threading.Timer(0.5, dying.kill).start()
        with pytest.raises(RuntimeError, match="the source has ended"):
            next(reports)
    assert not alive(pid)  # once it has been waited for
    with SourceProcess(patient(daemon, folder)) as next_one:
        *found, _ = next_one.play([Job(folder=folder, shots=3)])
    assert [report["status"] for report in found] == ["OK"] * 3
    with Client(daemon.control) as client:
        counters = client.stats()["streams"][0]["counters"]
    assert counters["shots"] - before == 4  # the broken one was closed, as broken
    assert counters["shots_ok"] <= counters["shots"] - 1


def test_ctrl_c_is_the_parents_business(source: SourceProcess, folder: str) -> None:
    os.kill(source.pid, signal.SIGINT)
    *found, _ = source.play([Job(folder=folder, shots=2)])
    assert [report["status"] for report in found] == ["OK"] * 2


def test_leaving_in_the_middle_ends_the_process(daemon: DaemonProcess, folder: str) -> None:
    slow = SourceConfig(control=daemon.control, playlist=folder, cycle_ns=100_000_000.0, frame_cycles=1)
    with SourceProcess(slow) as process:
        pid = process.pid
        process._order([{"folder": folder, "shots": 100}])
    assert not alive(pid)


def test_refusals_are_told(daemon: DaemonProcess, folder: str, tmp_path: Path) -> None:
    def refused(**changes: object) -> str:
        config = SourceConfig(**{"control": daemon.control, "playlist": folder, **changes})  # type: ignore[arg-type]
        with pytest.raises((ValueError, OSError)) as error:
            serve(config, iter(()), lambda report: None)
        return str(error.value)

    nowhere = SourceConfig(control=daemon.control, playlist=folder, stream=9)
    with pytest.raises(ValueError, match="daemon has streams"), SourceProcess(nowhere):
        pass
    assert "digest" in refused(digest="0" * 16)
    assert "0 cycles in a frame" in refused(frame_cycles=0)
    assert "No such file" in refused(playlist=str(tmp_path / "none"))
    wide = Playlist(
        rows=np.zeros((1, 5, 3), dtype=np.uint8),
        last=np.zeros((1, 3), dtype=np.uint8),
        observable_flips=None,
        kind="events",
        bits=24,
        last_bits=24,
    )
    assert "24 and 24 bits" in refused(playlist=str(wide.save(tmp_path / "wide")))
    assert "secret_key" in refused(secret_key="x")
