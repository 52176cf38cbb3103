"""The log of a daemon says what happens, in a bounded number of lines."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from realtime.service.client import Client
from realtime.service.daemon import Daemon, DaemonConfig
from realtime.service.event_log import EventLog
from realtime.transport import Hub, connect_pair
from tests.support.loop_shots import changed, untimed
from tests.support.waiting import until


def test_text_and_json_say_the_same() -> None:
    lines: list[str] = []
    for form in ("text", "json", "none"):
        EventLog(form, write=lines.append).event("session opened", stream=3, who="", reason="a b")  # type: ignore[arg-type]
    text, data = lines
    assert text.split(" ", 1)[1] == 'info session opened: stream=3 reason="a b"'
    assert json.loads(data).items() >= {"event": "session opened", "level": "info", "stream": 3}.items()


def test_frequent_events_are_counted() -> None:
    lines: list[str] = []
    log = EventLog("json", write=lines.append)
    for number in range(1000):
        log.count("connection refused", {"times": 1}, who=f"key {number}")
        log.count("damaged frames", {"CHECKSUM": 1, "SHORT": 0}, stream=0)
        log.flush()
    log.flush(now=True)
    found = [json.loads(line) for line in lines]
    assert len(found) <= 2 * 12
    assert sum(event.get("CHECKSUM", 0) for event in found) == 1000
    assert sum(event["times"] for event in found if event["event"] == "connection refused") == 1000
    assert not any("SHORT" in event for event in found)


def test_a_daemon_logs_its_sessions_and_what_goes_wrong(
    model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon in a thread, with real sockets. Loads are not checked: one is told to take in everything."""
    monkeypatch.setattr("realtime.service.daemon._STALL_NS", 1)
    lines: list[str] = []
    daemon = Daemon(DaemonConfig(model=str(model_file), log="json", max_load=0), write=lines.append)

    def events(name: str) -> list[dict[str, Any]]:
        return [event for event in map(json.loads, list(lines)) if event["event"] == name]

    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        with Client(daemon.endpoint) as client, Hub() as hub:
            welcome = client.hello(cycle_ns=1)
            pair = client.connect(welcome)
            stranger = connect_pair(hub, data=welcome.data, results=welcome.results, token="guess")
            one, two, three = untimed(welcome.session)[0]
            for message in (one, two[:40], changed(two, cycles=65), three[:80]):
                until(lambda: pair.send(message))  # noqa: B023
            with pytest.raises(ValueError, match="in use"), Client(daemon.endpoint) as other:
                other.hello()
            until(lambda: bool(events("connection refused")))
            until(lambda: bool(events("shots failed")))
            stranger.close()
            pair.close()
    finally:
        daemon.stop()
        thread.join()
        daemon.close()
    (opened,), (closed,) = events("session opened"), events("session closed")
    assert (opened["stream"], opened["cycle_ns"], closed["shots"]) == (0, 1, 1)
    assert sum(event.get("SHORT", 0) for event in events("damaged frames")) == 1
    assert sum(event.get("FIELD", 0) for event in events("damaged frames")) == 1
    assert events("shots failed")[0]["MALFORMED"] == 1
    assert "not the token of the session" in events("connection refused")[0]["reason"]
    assert "in use" in events("hello refused")[0]["reason"]
    assert events("stall of the machine")
    assert events("started")[0]["control"] == daemon.endpoint
    assert events("ending")[0]["reason"] == "stopped"
    assert str(welcome.session) not in "".join(lines)
    assert welcome.token not in "".join(lines)
