"""Format of recorded streams with answers: a line of JSON, then entries, the last of which is a digest.

An entry is a header of 16 bytes and its content, padded with zeros to a multiple of 8 bytes. The content is a
message as it was on the wire, or what a recorder has to say. A file without its last entry is incomplete.
"""

import hashlib
import json
from collections.abc import Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FORMAT = "qec-stream"
#: Version without answers: data frames follow the first line, without entries around them.
FRAMES_ONLY = 1
#: Version with entries.
VERSION = 2
MAX_HEAD = 1 << 20
_LONGEST_CYCLE_NS = 10**12  # as sessions accept
_WORD = 8


class Content(IntEnum):
    """Content of an entry."""

    #: Message that the decoder received, valid or not.
    RECEIVED = 1
    #: Result or commit that the decoder sent.
    SENT = 2
    #: Number of messages that are missing here, as int64: there was no room for them.
    GAP = 3
    #: Text of the circuit or of the error model.
    MODEL = 4
    #: SHA-256 of all bytes before this entry.
    END = 5


#: Header of an entry; all numbers are little-endian.
ENTRY = np.dtype([("time_ns", "<i8"), ("size", "<u4"), ("content", "<u4")])
ENTRY_BYTES = ENTRY.itemsize


class Entry(NamedTuple):
    """Entry of a recording."""

    #: When the message was received or sent, ns of the recording machine's CLOCK_MONOTONIC; 0: unknown.
    time_ns: int
    content: Content
    message: memoryview


def padded(size: int) -> int:
    """Return the size of an entry's content with its padding, bytes."""
    return -(-size // _WORD) * _WORD


def encode_entry(content: Content, message: bytes, *, time_ns: int = 0) -> bytes:
    """Encode an entry."""
    header = np.array([(time_ns, len(message), content)], dtype=ENTRY)
    return header.tobytes() + message + bytes(padded(len(message)) - len(message))


def encode_head(head: dict[str, Any], *, version: int) -> bytes:
    """Encode the first line of a recording.

    Args:
        head: its entries, among them "cycle_ns".
        version: FRAMES_ONLY or VERSION.

    Raises:
        ValueError: more than MAX_HEAD bytes, or a cycle time that no recording has.
    """
    _check_cycle_ns("", head["cycle_ns"], version)
    line = json.dumps({**head, "format": FORMAT, "version": version}, sort_keys=True).encode() + b"\n"
    if len(line) > MAX_HEAD:
        raise ValueError(f"notes of {len(line)} bytes: must be at most {MAX_HEAD}")
    return line


def parse_head(path: Path, line: bytes) -> tuple[dict[str, Any], int]:
    """Read the first line of a recording; return its entries and the version.

    Raises:
        ValueError: not such a line; the message names the file.
    """
    try:
        head = json.loads(line)
        version = head.pop("version") if head.pop("format") == FORMAT else 0
        cycle_ns = head["cycle_ns"]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        version, head, cycle_ns = 0, {}, 0
    if version not in (FRAMES_ONLY, VERSION) or type(version) is not int:
        raise ValueError(
            f'{path}: not a recorded stream; its first line must be JSON with "format": "{FORMAT}", '
            f'"version": {FRAMES_ONLY} or {VERSION}, and "cycle_ns"'
        )
    _check_cycle_ns(f"{path}: ", cycle_ns, version)
    return head, version


def _check_cycle_ns(where: str, cycle_ns: object, version: int) -> None:
    least = 1 if version == FRAMES_ONLY else 0  # a session without schedule
    if type(cycle_ns) is not int or not least <= cycle_ns <= _LONGEST_CYCLE_NS:
        raise ValueError(
            f"{where}cycle_ns is {str(cycle_ns)[:40]}: must be a whole number, {least} to "
            f"{_LONGEST_CYCLE_NS:,}"
        )


def parse_entries(path: Path, data: bytes, *, start: int) -> Iterator[Entry]:
    """Check the digest of a recording, and iterate over its entries, without the last.

    Args:
        path: of the file, for messages.
        data: its bytes.
        start: where its first entry begins.

    Raises:
        ValueError: incomplete or damaged; the message names the file.
    """
    view = memoryview(data)
    ending = ENTRY_BYTES + hashlib.sha256().digest_size
    end = len(data) - ending
    last = np.frombuffer(view[end : end + ENTRY_BYTES], dtype=ENTRY)[0] if end >= start else None
    if last is None or int(last["content"]) != Content.END or int(last["size"]) != ending - ENTRY_BYTES:
        raise ValueError(f"{path}: incomplete: the digest at its end is missing; copy the file again")
    if hashlib.sha256(view[:end]).digest() != bytes(view[end + ENTRY_BYTES :]):
        raise ValueError(f"{path}: damaged: its bytes do not have the digest at its end; copy the file again")
    at = start
    while at < end:
        time_ns, size, content = np.frombuffer(view[at : at + ENTRY_BYTES], dtype=ENTRY)[0].item()
        begin = at + ENTRY_BYTES
        at = begin + padded(size)
        if at > end or content not in list(Content)[:-1]:
            raise ValueError(f"{path}: byte {begin - ENTRY_BYTES}: not an entry of a recording")
        yield Entry(time_ns, Content(content), view[begin : begin + size])
