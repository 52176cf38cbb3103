"""Tap of a stream: a ring of bytes to which the hot loop copies its messages, as entries of a recording.

One thread puts entries in, another takes bytes out. A message for which there is no room is counted instead;
the next one with room is preceded by an entry with that number.
"""

from collections import deque
from typing import Any, NamedTuple

import numpy as np

from decoders.kernels.records import pool
from realtime.kernels.atomics import load_word, store_word
from realtime.kernels.jit import kernel
from realtime.kernels.records import TAP
from realtime.protocol.recording import ENTRY_BYTES, Content
from realtime.protocol.wire import RESULT as RESULT_HEADER
from realtime.protocol.wire import Type, offset

# Places in `ends`: bytes taken out so far, bytes put in so far.
TAKEN, PUT = 0, 16
_WORD = 8
_TYPE = offset(RESULT_HEADER, "type")


class Mark(NamedTuple):
    """Place in the stream of bytes at which a session begins or ends."""

    place: int
    #: Description of the session that begins; None: one ends.
    session: dict[str, Any] | None
    #: Messages before this place that no entry has counted.
    num_lost: int


class Tap:
    """Memory of a tap.

    Args:
        num_bytes: size, a power of two; 0: nothing is recorded.
    """

    def __init__(self, *, num_bytes: int = 0) -> None:
        self._ends = np.zeros(24, dtype=np.int64)
        # Written once: the first use of a page would cost the hot loop a page fault.
        self._memory = np.full(num_bytes // _WORD, -1, dtype=np.int64)
        at = self._memory.ctypes.data
        #: TAP (1,), valid as long as this object.
        self.record = np.array([(self._ends.ctypes.data, at, at, num_bytes // _WORD, 0)], dtype=TAP)
        self._bytes = memoryview(self._memory.view(np.uint8).data) if num_bytes else memoryview(b"")
        #: Places at which a session begins or ends.
        self.marks: deque[Mark] = deque()

    @property
    def is_open(self) -> bool:
        """Whether messages are recorded."""
        return bool(self._bytes)

    # --- called by the thread that puts entries in

    def put(self, message: bytes, *, content: Content, time_ns: int) -> None:
        """Put a message in, from Python."""
        if self.is_open:
            data = np.frombuffer(message, dtype=np.uint8).copy()
            put_entry(self.record[0], data, np.int64(len(data)), np.int64(time_ns), np.int64(content))

    def mark(self, session: dict[str, Any] | None) -> None:
        """Note that a session begins or ends here."""
        if self.is_open:
            lost, self.record["num_lost"] = int(self.record["num_lost"][0]), 0
            self.marks.append(Mark(int(self._ends[PUT]), session, lost))

    # --- called by the thread that takes bytes out

    @property
    def taken(self) -> int:
        """Bytes taken out so far."""
        return int(self._ends[TAKEN])

    @property
    def filled(self) -> int:
        """Bytes put in so far."""
        return int(load_word(self._ends, PUT))

    def scan(self, until: int) -> tuple[int, int, int]:
        """Look through the entries from `taken` up to the byte `until`.

        Returns:
            The number of messages; of messages missing; and the place after the last result, -1 without.
        """
        found = np.zeros(3, dtype=np.int64)
        scan_entries(self.record[0], np.int64(self.taken), np.int64(until), found)
        messages, missing, after_result = found.tolist()
        return messages, missing, after_result

    def view(self, until: int) -> list[memoryview]:
        """Return the bytes from `taken` up to `until`, in one or two parts, valid until `release`."""
        first, last, size = self.taken, until, len(self._bytes)
        if first == last:
            return []
        begin, end = first % size, (last - 1) % size + 1
        return [self._bytes[begin:end]] if begin < end else [self._bytes[begin:], self._bytes[:end]]

    def release(self, until: int) -> None:
        """Make room up to the byte `until`."""
        store_word(self._ends, TAKEN, np.int64(until))


@kernel
def put_entry(tap, message, size, time, content):
    """Put an entry with message[:size] in, or count it as lost.

    Args:
        tap: record TAP with num_words > 0.
        message: uint8.
        size: bytes of it.
        time: when the message was received or sent, ns.
        content: a `Content`.
    """
    ends, words, memory = pool(tap, "ends"), pool(tap, "words"), pool(tap, "bytes")
    mask = tap.num_words - 1
    at = load_word(ends, PUT) // _WORD
    head, length = ENTRY_BYTES // _WORD, (size + _WORD - 1) // _WORD
    needed = head + length
    if tap.num_lost > 0:
        needed += head + 1
    if at + needed - load_word(ends, TAKEN) // _WORD > tap.num_words:
        tap.num_lost += 1
        return
    if tap.num_lost > 0:
        words[at & mask] = time
        words[(at + 1) & mask] = _WORD | (np.int64(Content.GAP) << 32)
        words[(at + 2) & mask] = tap.num_lost
        at += head + 1
        tap.num_lost = 0
    words[at & mask] = time
    words[(at + 1) & mask] = size | (content << 32)
    at += head
    if length > 0:
        words[(at + length - 1) & mask] = 0  # padding
    first = (at & mask) * _WORD
    straight = min(size, tap.num_words * _WORD - first)
    part = memory[first : first + straight]
    for byte in range(straight):
        part[byte] = message[byte]
    for byte in range(straight, size):
        memory[byte - straight] = message[byte]
    store_word(ends, PUT, (at + length) * _WORD)


@kernel
def scan_entries(tap, first, last, found):
    """Count messages, found[0], and missing ones, found[1]; found[2]: place after the last result, or -1."""
    words, memory = pool(tap, "words"), pool(tap, "bytes")
    mask, at, end = tap.num_words - 1, first // _WORD, last // _WORD
    found[2] = -1
    while at < end:
        word = words[(at + 1) & mask]
        size, content = word & 0xFFFFFFFF, word >> 32
        begin = at + ENTRY_BYTES // _WORD
        at = begin + (size + _WORD - 1) // _WORD
        if content == Content.GAP:
            found[1] += words[begin & mask]
            continue
        found[0] += 1
        if content == Content.SENT and memory[(begin & mask) * _WORD + _TYPE] == Type.RESULT:
            found[2] = at * _WORD
