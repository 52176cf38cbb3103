"""Wire format: frames of syndrome data, result frames, control messages.

Numbers are little-endian. Data and result frames are a fixed header followed by a payload; control messages
are JSON objects.

Checksum: CRC-32 as in zlib and PNG (polynomial 0xEDB88320 reflected), over the whole frame with the
checksum's own four bytes zero.
"""

import json
import zlib
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = b"QECF"
#: Version of frames; recordings hold frames.
VERSION = 1
#: Version of control messages and connections, for hello.
PROTOCOL = 2
#: Version of the messages for programs, see the control message `open`.
PROGRAM_PROTOCOL = 1
#: Cycles of a frame.
MAX_CYCLES = 64
#: Shots, sequence numbers, cycles and times are at most this: sums of two of them stay below 2^63.
MAX_NUMBER = (1 << 62) - 1
#: Bytes of the largest message; sockets refuse larger ones.
MAX_MESSAGE = 65536
MAX_CONTROL = 65536


class Type(IntEnum):
    """Type of a frame."""

    DATA = 1
    #: The answer to a shot.
    RESULT = 2
    #: Progress in the middle of a shot: the cycles whose errors are final.
    COMMIT = 3
    #: The answer to a shot whose outcome the source waits for.
    OUTCOME = 4


class Flags(IntEnum):
    """Bits of a data frame's `flags`."""

    FIRST = 1
    #: The payload ends with the row of the data readout.
    LAST = 2
    #: The source aborts the shot; no payload.
    ABORT = 4
    #: Recorded data are replayed.
    REPLAY = 8
    #: The readout is the second one of a patch whose measurement basis is chosen while it runs.
    SECOND_READOUT = 16
    #: The source waits for the outcome of this readout.
    DECIDE = 32


class Payload(IntEnum):
    """Meaning of the bits of a row."""

    EVENTS = 1
    MEASUREMENTS = 2


class Status(IntEnum):
    """Outcome of a shot. Flips are valid with OK only."""

    OK = 0
    #: Frames are missing or out of order.
    GAP = 1
    #: The decoder's backlog exceeded the limit.
    BACKLOG = 2
    #: A frame was damaged, or does not fit the session.
    MALFORMED = 3
    #: The session began or ended in the middle of the shot.
    RESTARTED = 4
    #: No frame arrived within the timeout.
    TIMEOUT = 5
    ABORTED = 6
    #: More cycles than the session allows.
    OVERSIZE = 7
    #: No error explains the detection events.
    UNEXPLAINED = 8


class Fault(IntEnum):
    """Reason why bytes are not a frame, in the order of the checks: no field is used before it is checked."""

    NONE = 0
    SHORT = 1
    LONG = 2
    MAGIC = 3
    VERSION = 4
    CHECKSUM = 5
    TYPE = 6
    #: Negative numbers, unknown flags or payload, cycles beyond the limit, reserved bytes.
    FIELD = 7
    #: The payload is not as long as the header says.
    LENGTH = 8
    #: Bits are set beyond the last column.
    PADDING = 9


_FAULTS = {
    Fault.SHORT: "shorter than its header",
    Fault.LONG: f"longer than {MAX_MESSAGE} bytes",
    Fault.MAGIC: f"does not begin with {MAGIC.decode()}",
    Fault.VERSION: f"not of version {VERSION}",
    Fault.CHECKSUM: "the checksum does not fit",
    Fault.TYPE: "not of the expected type",
    Fault.FIELD: "a field is out of range",
    Fault.LENGTH: "the payload is not as long as the header says",
    Fault.PADDING: "bits are set beyond the last column of a row",
}


class WireError(ValueError):
    """Bytes that are not a frame, for the reason `fault`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"not a frame: {_FAULTS[fault]}")
        self.fault = fault


HEADER = np.dtype(
    [
        ("magic", "S4"),
        ("version", "<u2"),
        ("type", "u1"),
        ("header_length", "u1"),
        ("session", "<i8"),  # positive, random for every hello
        ("stream", "<u2"),
        ("flags", "<u2"),
        ("cycles", "<u2"),  # rows in the payload, without that of the data readout
        ("kind", "u1"),
        ("reserved", "u1"),
        ("shot", "<i8"),
        ("sequence", "<i8"),  # counts the frames of a session
        ("first_cycle", "<i8"),
        # When the last cycle of the frame was due on the shared monotonic clock; 0: unknown.
        ("due_ns", "<i8"),
        ("bits_per_cycle", "<u2"),
        ("final_bits", "<u2"),  # of the data readout's row; 0 without LAST
        ("checksum", "<u4"),
    ]
)
assert HEADER.itemsize == 64

RESULT = np.dtype(
    [
        ("magic", "S4"),
        ("version", "<u2"),
        ("type", "u1"),
        ("header_length", "u1"),
        ("session", "<i8"),
        ("stream", "<u2"),
        ("status", "<u2"),
        ("num_observables", "<u2"),
        ("reserved", "<u2"),
        ("shot", "<i8"),
        ("first_sequence", "<i8"),  # of the frames received, -1 if none
        ("last_sequence", "<i8"),
        ("cycles", "<i8"),  # received
        ("committed", "<i8"),  # cycles whose errors are final
        ("max_backlog", "<i8"),  # cycles
        ("due_ns", "<i8"),  # of the last frame
        ("received_ns", "<i8"),  # the last frame
        ("done_ns", "<i8"),  # the correction is ready
        ("digest", "<u8"),  # of decoder and model, as in the ready message
        ("syndrome_hash", "<u4"),  # CRC-32 of the payloads of the shot, one after the other
        ("checksum", "<u4"),
    ]
)
assert RESULT.itemsize == 112
# Gaps follow the flips of an outcome if the source has asked for them: one unsigned number of GAP_BYTES for
# each observable, log-odds in steps of 1 / GAP_STEPS; ENDLESS_GAP: infinite, or larger than what fits.
GAP_BYTES, GAP_STEPS, ENDLESS_GAP = 4, 1000, (1 << 32) - 1
_HEADERS = {Type.DATA: HEADER, Type.RESULT: RESULT, Type.COMMIT: RESULT, Type.OUTCOME: RESULT}


class Frame(NamedTuple):
    """A data frame; `rows` and `final` are views of the received bytes."""

    header: np.void
    #: uint8 (cycles, ceil(bits_per_cycle / 8)), least significant bit first.
    rows: NDArray[np.uint8]
    #: uint8 (ceil(final_bits / 8),).
    final: NDArray[np.uint8]


class Result(NamedTuple):
    """A result or commit frame; `flips` is a view of the received bytes."""

    header: np.void
    #: uint8 (ceil(num_observables / 8),), least significant bit first.
    flips: NDArray[np.uint8]
    #: float64 (num_observables,): gap of each observable, log-odds; None: the outcome has no gaps.
    gaps: NDArray[np.float64] | None = None

    @property
    def status(self) -> Status:
        """Outcome of the shot."""
        return Status(int(self.header["status"]))

    @property
    def is_commit(self) -> bool:
        """Whether this is a commit: the shot continues."""
        return int(self.header["type"]) == Type.COMMIT


def row_bytes(bits: int) -> int:
    """Return the bytes of a row of `bits` bits."""
    return (bits + 7) // 8


def payload_bytes(*, cycles: int, bits_per_cycle: int, final_bits: int) -> int:
    """Return the bytes of the payload of a data frame."""
    return cycles * row_bytes(bits_per_cycle) + row_bytes(final_bits)


def encode_frame(
    *,
    session: int,
    stream: int,
    shot: int,
    sequence: int,
    first_cycle: int,
    due_ns: int,
    kind: Payload,
    rows: NDArray[np.uint8],
    bits_per_cycle: int,
    final: NDArray[np.uint8] | None = None,
    final_bits: int = 0,
    flags: int = 0,
) -> bytes:
    """Encode a data frame.

    Args:
        session, stream, shot, sequence, first_cycle, due_ns: see HEADER.
        kind: meaning of the bits.
        rows: uint8 (cycles, ceil(bits_per_cycle / 8)), at most MAX_CYCLES.
        bits_per_cycle: columns of a row.
        final: uint8 (ceil(final_bits / 8),), the row of the data readout; sets LAST.
        final_bits: columns of `final`.
        flags: FIRST, ABORT, REPLAY.

    Raises:
        WireError: the fields make no valid frame, see `parse_frame`.
    """
    header = np.zeros((), dtype=HEADER)
    if final is not None:
        flags |= Flags.LAST
    for name, value in (
        ("magic", MAGIC),
        ("version", VERSION),
        ("type", int(Type.DATA)),
        ("header_length", HEADER.itemsize),
        ("session", session),
        ("stream", stream),
        ("flags", int(flags)),
        ("cycles", len(rows)),
        ("kind", int(kind)),
        ("shot", shot),
        ("sequence", sequence),
        ("first_cycle", first_cycle),
        ("due_ns", due_ns),
        ("bits_per_cycle", bits_per_cycle),
        ("final_bits", final_bits),
    ):
        header[name] = value
    message = sealed(header.tobytes() + rows.tobytes() + (b"" if final is None else final.tobytes()), HEADER)
    parse_frame(message)
    return message


def sealed(message: bytes, dtype: "np.dtype[np.void]") -> bytes:
    """Return the message with its checksum set, for a header of this dtype."""
    at = offset(dtype, "checksum")
    return message[:at] + zlib.crc32(_without_checksum(message, at)).to_bytes(4, "little") + message[at + 4 :]


def parse_frame(message: bytes | memoryview) -> Frame:
    """Read a data frame without copying it.

    Raises:
        WireError: with the first fault found.
    """
    header = _checked_header(message, (Type.DATA,))
    fields = {name: int(header[name]) for name in ("cycles", "bits_per_cycle", "final_bits", "flags", "kind")}
    numbers = [int(header[name]) for name in ("session", "shot", "sequence", "first_cycle", "due_ns")]
    last = bool(fields["flags"] & Flags.LAST)
    abort = bool(fields["flags"] & Flags.ABORT)
    if (
        min(numbers) < 0
        or max(numbers[1:]) > MAX_NUMBER
        or fields["flags"] > sum(Flags)
        or fields["kind"] not in list(Payload)
        or fields["cycles"] > MAX_CYCLES
        or int(header["reserved"])
        or (abort and (last or fields["cycles"]))
        or (fields["final_bits"] > 0 and not last)
        or (fields["cycles"] == 0 and not last and not abort)
    ):
        raise WireError(Fault.FIELD)
    bits, final_bits, cycles = fields["bits_per_cycle"], fields["final_bits"], fields["cycles"]
    if len(message) != HEADER.itemsize + payload_bytes(
        cycles=cycles, bits_per_cycle=bits, final_bits=final_bits
    ):
        raise WireError(Fault.LENGTH)
    width = row_bytes(bits)
    body = np.frombuffer(message, dtype=np.uint8, offset=HEADER.itemsize)
    rows, final = body[: cycles * width].reshape(cycles, width), body[cycles * width :]
    if (bits % 8 and cycles and (rows[:, -1] >> (bits % 8)).any()) or (
        final_bits % 8 and final[-1] >> (final_bits % 8)
    ):
        raise WireError(Fault.PADDING)
    return Frame(header, rows, final)


def parse_result(message: bytes | memoryview) -> Result:
    """Read a result, outcome or commit frame without copying it.

    Raises:
        WireError: with the first fault found.
    """
    header = _checked_header(message, (Type.RESULT, Type.COMMIT, Type.OUTCOME))
    if int(header["status"]) not in list(Status) or int(header["reserved"]):
        raise WireError(Fault.FIELD)
    num_observables = int(header["num_observables"])
    end = RESULT.itemsize + row_bytes(num_observables)
    has_gaps = int(header["type"]) == Type.OUTCOME and len(message) > end
    if len(message) != end + (GAP_BYTES * num_observables if has_gaps else 0):
        raise WireError(Fault.LENGTH)
    flips = np.frombuffer(message, dtype=np.uint8, offset=RESULT.itemsize)[: row_bytes(num_observables)]
    gaps = None
    if has_gaps:
        steps = np.frombuffer(message, dtype="<u4", offset=end)
        gaps = np.where(steps < ENDLESS_GAP, steps / GAP_STEPS, np.inf)
    return Result(header, flips, gaps)


def _checked_header(message: bytes | memoryview, types: tuple[Type, ...]) -> np.void:
    """Return the header after the checks that need no other field."""
    dtype = _HEADERS[types[0]]
    if len(message) < dtype.itemsize:
        raise WireError(Fault.SHORT)
    if len(message) > MAX_MESSAGE:
        raise WireError(Fault.LONG)
    header: np.void = np.frombuffer(message, dtype=dtype, count=1)[0]
    if bytes(message[:4]) != MAGIC:
        raise WireError(Fault.MAGIC)
    if int(header["version"]) != VERSION or int(header["header_length"]) != dtype.itemsize:
        raise WireError(Fault.VERSION)
    at = offset(dtype, "checksum")
    if zlib.crc32(_without_checksum(message, at)) != int(header["checksum"]):
        raise WireError(Fault.CHECKSUM)
    if int(header["type"]) not in types:
        raise WireError(Fault.TYPE)
    return header


def _without_checksum(message: bytes | memoryview, at: int) -> bytes:
    return bytes(message[:at]) + bytes(4) + bytes(message[at + 4 :])


def offset(dtype: "np.dtype[np.void]", name: str) -> int:
    """Return the position of a header's field, bytes."""
    assert dtype.fields is not None
    return int(dtype.fields[name][1])


def encode_control(message: dict[str, Any]) -> bytes:
    """Encode a control message, a JSON object with a "type".

    Raises:
        ValueError: no type, or more than MAX_CONTROL bytes.
    """
    if not isinstance(message.get("type"), str):
        raise ValueError('a control message must have a "type"')
    text = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MAX_CONTROL:
        raise ValueError(f"a control message of {len(text)} bytes: must be at most {MAX_CONTROL}")
    return text


def parse_control(message: bytes) -> dict[str, Any]:
    """Read a control message.

    Raises:
        ValueError: too long, not a JSON object, or no type.
    """
    if len(message) > MAX_CONTROL:
        raise ValueError(f"a control message of {len(message)} bytes: must be at most {MAX_CONTROL}")
    try:
        value = json.loads(message)
    except (ValueError, RecursionError):
        raise ValueError("a control message is a JSON object") from None
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise ValueError('a control message is a JSON object with a "type"')
    return value
