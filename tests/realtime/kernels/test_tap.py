"""The tap: what is put in is taken out, and what has no room is counted where it is missing."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.kernels.tap import Tap
from realtime.protocol.recording import Content, encode_entry, parse_entries
from tests.support.recordings import with_digest

_BYTES = 512


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 90), st.booleans()), min_size=1, max_size=60))
def test_messages_arrive_or_are_counted(steps: list[tuple[int, bool]]) -> None:
    tap, taken, sent = Tap(num_bytes=_BYTES), b"", 0
    scanned = np.zeros(2, dtype=np.int64)

    def drain() -> bytes:
        until = tap.filled
        scanned[:] += tap.scan(until)[:2]
        found = b"".join(tap.view(until))
        tap.release(until)
        return found

    for number, (size, drains) in enumerate(steps, start=1):
        message = bytes([number]) * size
        tap.put(message, content=Content.RECEIVED, time_ns=number)
        sent += 1
        if drains:
            taken += drain()
    taken += drain()
    tap.mark(None)
    data = with_digest(taken)
    seen = 0
    for entry in parse_entries(Path("x"), data, start=0):
        if entry.content == Content.GAP:
            seen += int.from_bytes(entry.message, "little")
            continue
        seen += 1
        size = steps[seen - 1][0]
        assert (entry.time_ns, bytes(entry.message)) == (seen, bytes([seen]) * size)
    assert seen + tap.marks[0].num_lost == sent
    assert scanned.sum() == seen


def test_entries_are_those_of_the_format() -> None:
    tap = Tap(num_bytes=_BYTES)
    tap.put(b"QECF and more", content=Content.SENT, time_ns=5)
    assert b"".join(tap.view(tap.filled)) == encode_entry(Content.SENT, b"QECF and more", time_ns=5)


def test_a_closed_tap_takes_nothing() -> None:
    tap = Tap()
    tap.put(b"x", content=Content.SENT, time_ns=1)
    tap.mark({})
    assert (tap.is_open, tap.filled, len(tap.marks)) == (False, 0, 0)
