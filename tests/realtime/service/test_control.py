"""Answers to control messages that are as long as a message may be, or longer."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from realtime.protocol import wire
from realtime.service.client import Client
from realtime.transport import ControlClient, ControlServer, Hub


def test_an_answer_too_long_for_a_message_is_an_error_and_ends_nothing(short_folder: Path) -> None:
    """It ended the daemon: every client could do that by asking 48 streams for their statistics."""
    undone: list[dict[str, Any]] = []
    with Hub() as hub, Hub() as other, ThreadPoolExecutor(1) as pool:
        server = ControlServer(hub, f"ipc://{short_folder}/control")
        client = ControlClient(other, server.endpoint)
        for size, words in (
            (wire.MAX_CONTROL, "internal error: the answer is a control message of"),
            (9, ""),
        ):
            asked = pool.submit(client.ask, {"type": "ping"})
            text = {"type": "pong", "text": "x" * size}
            assert server.poll(timeout_ms=10_000, answer=lambda *_: text, undo=undone.append)  # noqa: B023
            if words:
                with pytest.raises(ValueError, match=words):
                    asked.result()
            else:
                assert asked.result() == text
        assert [len(reply["text"]) for reply in undone] == [wire.MAX_CONTROL]
        client.close()
        server.close()


def test_statistics_come_in_parts(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    rest = client.ask({"type": "stats", "first": 1})
    assert [stream["stream"] for stream in rest["streams"]] == [1]
    assert rest["num_streams"] == 2
    with pytest.raises(ValueError, match="first=2: this daemon has streams 0 to 1"):
        client.ask({"type": "stats", "first": 2})
    ask = client.ask

    def answer(message: dict[str, Any], **_: object) -> dict[str, Any]:
        found = ask(message)
        return {**found, "streams": found["streams"][:1]}

    monkeypatch.setattr(client, "ask", answer)
    assert [stream["stream"] for stream in client.stats()["streams"]] == [0, 1]
