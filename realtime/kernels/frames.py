"""Data frames checked in the same order as in wire.parse_frame, and answers written."""

import numpy as np

from realtime.kernels.byte_access import get_number, put_number
from realtime.kernels.checksum import crc32_around
from realtime.kernels.jit import kernel
from realtime.protocol import wire
from realtime.protocol.session_record import OFFSETS, RESULT_OFFSETS

HEADER_BYTES = wire.HEADER.itemsize
RESULT_BYTES = wire.RESULT.itemsize
_VERSION, _MAX_CYCLES, _MAX_MESSAGE = wire.VERSION, wire.MAX_CYCLES, wire.MAX_MESSAGE
_DATA = int(wire.Type.DATA)
_FIRST, _LAST, _ABORT = int(wire.Flags.FIRST), int(wire.Flags.LAST), int(wire.Flags.ABORT)
_ALL_FLAGS = int(sum(wire.Flags))
_LAST_PAYLOAD = int(max(wire.Payload))
_MAGIC = int.from_bytes(wire.MAGIC, "little")
_NONE, _SHORT, _LONG, _BAD_MAGIC, _BAD_VERSION, _CHECKSUM, _TYPE, _FIELD, _LENGTH, _PADDING = map(
    int, wire.Fault
)

_AT_VERSION, _AT_TYPE, _AT_HEADER_LENGTH = OFFSETS["version"], OFFSETS["type"], OFFSETS["header_length"]
_AT_SESSION, _AT_STREAM, _AT_FLAGS = OFFSETS["session"], OFFSETS["stream"], OFFSETS["flags"]
_AT_CYCLES, _AT_KIND, _AT_RESERVED = OFFSETS["cycles"], OFFSETS["kind"], OFFSETS["reserved"]
_AT_SHOT, _AT_SEQUENCE, _AT_FIRST_CYCLE = OFFSETS["shot"], OFFSETS["sequence"], OFFSETS["first_cycle"]
_AT_DUE, _AT_BITS, _AT_FINAL_BITS = OFFSETS["due_ns"], OFFSETS["bits_per_cycle"], OFFSETS["final_bits"]
_AT_CHECKSUM = OFFSETS["checksum"]
_RESULT_CHECKSUM = RESULT_OFFSETS["checksum"]


@kernel
def session_of(frame):
    """Field `session`."""
    return get_number(frame, _AT_SESSION, 8)


@kernel
def stream_of(frame):
    """Field `stream`."""
    return get_number(frame, _AT_STREAM, 2)


@kernel
def flags_of(frame):
    """Field `flags`."""
    return get_number(frame, _AT_FLAGS, 2)


@kernel
def cycles_of(frame):
    """Field `cycles`."""
    return get_number(frame, _AT_CYCLES, 2)


@kernel
def kind_of(frame):
    """Field `kind`."""
    return get_number(frame, _AT_KIND, 1)


@kernel
def shot_of(frame):
    """Field `shot`."""
    return get_number(frame, _AT_SHOT, 8)


@kernel
def sequence_of(frame):
    """Field `sequence`."""
    return get_number(frame, _AT_SEQUENCE, 8)


@kernel
def first_cycle_of(frame):
    """Field `first_cycle`."""
    return get_number(frame, _AT_FIRST_CYCLE, 8)


@kernel
def due_of(frame):
    """Field `due_ns`."""
    return get_number(frame, _AT_DUE, 8)


@kernel
def bits_of(frame):
    """Field `bits_per_cycle`."""
    return get_number(frame, _AT_BITS, 2)


@kernel
def final_bits_of(frame):
    """Field `final_bits`."""
    return get_number(frame, _AT_FINAL_BITS, 2)


@kernel
def fault_of(frame, size):
    """The first fault of the message frame[:size], 0 if there is none; twin of wire.parse_frame."""
    if size < HEADER_BYTES:
        return _SHORT
    if size > _MAX_MESSAGE or size > len(frame):
        return _LONG
    if get_number(frame, 0, 4) != _MAGIC:
        return _BAD_MAGIC
    if get_number(frame, _AT_VERSION, 2) != _VERSION or frame[_AT_HEADER_LENGTH] != HEADER_BYTES:
        return _BAD_VERSION
    if crc32_around(frame, _AT_CHECKSUM, size) != get_number(frame, _AT_CHECKSUM, 4):
        return _CHECKSUM
    if frame[_AT_TYPE] != _DATA:
        return _TYPE
    flags, cycles, kind, final_bits = flags_of(frame), cycles_of(frame), kind_of(frame), final_bits_of(frame)
    last, abort = (flags & _LAST) != 0, (flags & _ABORT) != 0
    if (
        session_of(frame) < 0
        or shot_of(frame) < 0
        or sequence_of(frame) < 0
        or first_cycle_of(frame) < 0
        or due_of(frame) < 0
        or flags > _ALL_FLAGS
        or kind < 1
        or kind > _LAST_PAYLOAD
        or cycles > _MAX_CYCLES
        or frame[_AT_RESERVED] != 0
        or (abort and (last or cycles > 0))
        or (final_bits > 0 and not last)
        or (cycles == 0 and not last and not abort)
    ):
        return _FIELD
    bits = bits_of(frame)
    width = (bits + 7) >> 3
    final_width = (final_bits + 7) >> 3
    if size != HEADER_BYTES + cycles * width + final_width:
        return _LENGTH
    if bits & 7:
        for row in range(cycles):
            if frame[HEADER_BYTES + row * width + width - 1] >> (bits & 7):
                return _PADDING
    if final_bits & 7 and frame[size - 1] >> (final_bits & 7):
        return _PADDING
    return _NONE


@kernel
def seal_answer(answer, done_ns):
    """Set the time at which an answer was ready, and the checksum."""
    put_number(answer, RESULT_OFFSETS_DONE, 8, done_ns)
    put_number(answer, _RESULT_CHECKSUM, 4, crc32_around(answer, _RESULT_CHECKSUM, len(answer)))


RESULT_OFFSETS_DONE = np.int64(RESULT_OFFSETS["done_ns"])
