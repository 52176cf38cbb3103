"""The recorder: files that can be read again; a full or a slow disk costs messages, and never time."""

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime.protocol.recording import Content
from realtime.service import recorder
from realtime.service.event_log import EventLog
from realtime.service.recorder import Recorder
from realtime.source.recorded_shots import Answer, answer_message
from realtime.source.recording import Recording, read_recording
from tests.support.full_disk import full_disk
from tests.support.loop_shots import SESSION, untimed
from tests.support.waiting import until

_OK = Answer(status="OK", flips=b"\x01", num_observables=1)


class Recorded:
    """A recorder of one stream whose messages come from the test."""

    def __init__(self, folder: Path, limit_bytes: int = 0) -> None:
        self.recorder = Recorder(folder, streams=1, limit_bytes=limit_bytes)
        self.tap = self.recorder.taps[0]
        self.lines: list[str] = []
        self.log = EventLog("text", write=self.lines.append)
        self._shots: Iterator[int] = itertools.count()
        self.recorder.start(about={"decoder": "mwpm"}, model="the model")

    def shots(self, count: int) -> None:
        """Let the daemon receive and answer some shots, four messages each."""
        for _ in range(count):
            shot = next(self._shots)
            for message in untimed(SESSION, count=1, first=shot)[0]:
                self.tap.put(message, content=Content.RECEIVED, time_ns=1)
            answer = answer_message(_OK, shot=shot, cycles=20, session=SESSION)
            self.tap.put(answer, content=Content.SENT, time_ns=2)

    def written(self) -> None:
        """Wait until the recorder has taken everything."""
        until(lambda: self.tap.taken == self.tap.filled and not self.tap.marks)
        self.recorder.report(self.log)
        self.log.flush(now=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "recordings"


def recordings(folder: Path) -> list[Recording]:
    return [read_recording(path) for path in sorted(folder.iterdir())]


def begin(recorded: Recorded) -> None:
    recorded.tap.mark({"kind": "events", "cycle_ns": 1100, "policy": "block"})


def test_each_session_has_a_file(folder: Path) -> None:
    recorded = Recorded(folder)
    for count in (2, 3):
        begin(recorded)
        recorded.shots(count)
        recorded.tap.mark(None)
    begin(recorded)  # a session without data leaves no file
    recorded.recorder.close()
    first, second = recordings(folder)
    assert (first.num_shots, second.num_shots) == (2, 3)
    assert (first.cycle_ns, first.model, first.notes["decoder"]) == (1100, "the model", "mwpm")
    assert [answer.flips for answer in second.groups[0].answers if answer] == [b"\x01"] * 3
    counts = recorded.recorder.counts(0)
    assert (counts["files"], counts["messages"], counts["missing"]) == (2, 20, 0)
    assert counts["num_bytes"] == sum(path.stat().st_size for path in folder.iterdir())
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_long_sessions_are_cut_between_shots(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "FILE_BYTES", 1500)
    recorded = Recorded(folder)
    begin(recorded)
    for _ in range(6):
        recorded.shots(1)
        recorded.written()
    recorded.tap.mark(None)
    recorded.recorder.close()
    parts = recordings(folder)
    assert len(parts) > 1
    assert sum(part.num_shots for part in parts) == 6
    assert sum(part.num_incomplete for part in parts) == 0


def test_a_full_disk_costs_messages_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "_RETRY_NS", 0)
    recorded = Recorded(folder)
    begin(recorded)
    with full_disk(300):
        recorded.shots(200)  # more than a writer's buffer
        recorded.written()
    assert any("recording stopped" in line and "File too large" in line for line in recorded.lines)
    logged = [int(number[1]) for line in recorded.lines if (number := re.search(r"messages=(\d+)", line))]
    counts = recorded.recorder.counts(0)
    assert sum(logged) == counts["missing"] > 400
    recorded.shots(2)
    recorded.tap.mark(None)
    recorded.recorder.close()
    (found,) = recordings(folder)
    counts = recorded.recorder.counts(0)
    assert found.num_missing == counts["missing"]
    assert counts["missing"] + counts["messages"] == 4 * 202
    assert found.num_shots >= 2


def test_a_slow_disk_costs_messages_and_never_waits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "TAP_BYTES", 1 << 10)
    monkeypatch.setattr(recorder, "_INTERVAL_S", 0.2)  # slower than the messages
    recorded = Recorded(folder)
    begin(recorded)
    recorded.shots(10)
    recorded.tap.mark(None)
    recorded.recorder.close()
    (found,) = recordings(folder)
    assert found.num_missing == recorded.recorder.counts(0)["missing"]
    assert found.num_missing + recorded.recorder.counts(0)["messages"] == 40
    assert 0 < found.num_missing < 40


def test_recording_ends_at_the_limit(folder: Path) -> None:
    recorded = Recorded(folder, limit_bytes=1000)
    begin(recorded)
    for _ in range(4):
        recorded.shots(1)
        recorded.written()
    recorded.recorder.close()
    (found,) = recordings(folder)
    assert found.num_shots < 4
    assert any("the files have reached the limit" in line for line in recorded.lines)
    assert recorded.recorder.counts(0)["missing"] == 4 * (4 - found.num_shots)


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="recordings go into a folder"):
        Recorder(tmp_path / "file", streams=1)
