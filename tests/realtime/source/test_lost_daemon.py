"""A daemon is killed under its sources: they notice, and never take a wrong answer for a right one."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from decoders.streaming.layers import LayeredModel
from realtime.client import DaemonLost, Status, StreamClient
from realtime.protocol.wire import parse_result
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from realtime.source.jobs import Job
from realtime.source.simulation import sample_events
from realtime.source.source import SourceConfig, SourceProcess, serve
from tests.support.loop_shots import changed, circuit, shots, untimed
from tests.support.waiting import until


class InThread:
    """A source in a thread of this process, which plays one job."""

    def __init__(self, config: SourceConfig, job: Job) -> None:
        self.reports: list[dict[str, Any]] = []
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(serve, config, self._lines(job), self.reports.append)

    def _lines(self, job: Job) -> Iterator[str]:
        yield json.dumps([asdict(job)])
        self._ending.wait()

    def result(self) -> None:
        """Wait for its end, and raise what it raised."""
        with self._pool:
            try:
                self._future.result(timeout=240)  # it may have to compile first
            finally:
                self._ending.set()


def saved_shots(folder: Path) -> Path:
    model = LayeredModel.from_dem(circuit().detector_error_model(decompose_errors=True))
    return sample_events(circuit(), shots=8, seed=1, model=model).save(folder / "shots")


def test_sources_notice_a_killed_daemon_and_may_wait_for_the_next(
    model_file: Path, short_folder: Path, tmp_path: Path
) -> None:
    folder = str(saved_shots(tmp_path))
    config = DaemonConfig(model=str(model_file), bind=f"ipc://{short_folder}/control", streams=3)
    first = DaemonProcess(config)
    first.start()

    def config_of(stream: int, reconnect_s: float) -> SourceConfig:
        return SourceConfig(
            control=first.control,
            playlist=folder,
            stream=stream,
            policy="block",
            cycle_ns=2e6,
            reconnect_s=reconnect_s,
        )

    leaving = InThread(config_of(1, 0.0), Job(folder=folder, shots=9_999))  # more than it can play
    data = shots().packed[0]
    with StreamClient(first.control, stream=2) as client, SourceProcess(config_of(0, 60.0)) as patient:
        waiting = patient.play([Job(folder=folder, shots=8)])
        assert next(waiting)["status"] == "OK"
        client.send(data[:5])
        first.kill()
        with pytest.raises(DaemonLost, match="the daemon has ended"):
            client.finish(data[-1])
        with pytest.raises(ConnectionError, match="is lost: it has ended"):
            leaving.result()
        assert {report.get("status") for report in leaving.reports} <= {None, "OK", "MISSING"}
        with DaemonProcess(config) as second:
            assert len(list(short_folder.glob("control-*"))) == 0  # those of the first one
            reports = list(waiting)
            kinds = [report["type"] for report in reports]
            assert [kind for kind in kinds if kind != "shot"] == ["lost", "reconnected", "job"]
            statuses = [report["status"] for report in reports if report["type"] == "shot"]
            assert len(statuses) == 7
            assert statuses.count("MISSING") <= 1
            assert statuses.count("OK") >= 6
            assert reports[-1]["frames"] >= 2 * 7
            with Client(second.control) as again:
                # The rest of a broken shot in a new session is never a whole shot.
                welcome = again.hello(stream=2)
                assert welcome.boot != client.welcome.boot
                pair = again.connect(welcome)
                _, *rest = untimed(welcome.session, count=1, stream=2)[0]
                for at, message in enumerate(rest):
                    assert pair.outgoing.poll(20_000, 2)
                    assert pair.send(changed(message, sequence=at))
                result = parse_result(pair.receive(timeout_ms=20_000) or b"")
                assert result.status == Status.RESTARTED
                pair.close()
            assert second.stop(timeout_s=60) == 0
    assert list(short_folder.iterdir()) == []


def test_a_daemon_that_hangs_is_noticed(
    daemon: DaemonProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime.source.presence._SILENCE_NS", 300_000_000)
    folder = str(saved_shots(tmp_path))
    config = SourceConfig(control=daemon.control, playlist=folder, stream=1, policy="block", cycle_ns=2e6)
    source = InThread(config, Job(folder=folder, shots=999))
    until(lambda: any(report.get("status") == "OK" for report in source.reports))
    os.kill(daemon.pid, signal.SIGSTOP)
    try:
        with pytest.raises(ConnectionError, match=r"it has not answered for [\d.]+ s"):
            source.result()
    finally:
        os.kill(daemon.pid, signal.SIGCONT)
    with Client(daemon.control) as client:  # and lives on
        until(lambda: not client.stats()["streams"][1]["connected"])
