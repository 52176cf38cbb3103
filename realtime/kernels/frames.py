"""Validate data frames, seal frames and results. A header is a record in the memory of its message."""

import numpy as np

from realtime.kernels.checksum import crc32_around
from realtime.kernels.jit import kernel
from realtime.protocol import wire
from realtime.protocol.wire import Fault, Flags, Payload, Type

HEADER_BYTES = wire.HEADER.itemsize
RESULT_BYTES = wire.RESULT.itemsize
_VERSION, _MAX_CYCLES, _MAX_MESSAGE = wire.VERSION, wire.MAX_CYCLES, wire.MAX_MESSAGE
_ALL_FLAGS = sum(Flags)
_MAX_NUMBER = np.int64(wire.MAX_NUMBER)
_LAST_PAYLOAD = int(max(Payload))
_MAGIC = tuple(wire.MAGIC)
_HEADER_CHECKSUM = wire.offset(wire.HEADER, "checksum")
_RESULT_CHECKSUM = wire.offset(wire.RESULT, "checksum")


@kernel
def find_fault(message, header, size):
    """Find the first fault of message[:size], Fault.NONE without; twin of wire.parse_frame."""
    if size < HEADER_BYTES:
        return Fault.SHORT
    if size > _MAX_MESSAGE or size > len(message):
        return Fault.LONG
    for byte in range(len(_MAGIC)):
        if message[byte] != _MAGIC[byte]:
            return Fault.MAGIC
    if header["version"] != _VERSION or header["header_length"] != HEADER_BYTES:
        return Fault.VERSION
    if crc32_around(message, _HEADER_CHECKSUM, size) != header["checksum"]:
        return Fault.CHECKSUM
    if header["type"] != Type.DATA:
        return Fault.TYPE
    flags, cycles = np.int64(header["flags"]), np.int64(header["cycles"])
    bits, final_bits = np.int64(header["bits_per_cycle"]), np.int64(header["final_bits"])
    last, abort = (flags & Flags.LAST) != 0, (flags & Flags.ABORT) != 0
    if (
        header["session"] < 0
        or header["shot"] < 0
        or header["sequence"] < 0
        or header["first_cycle"] < 0
        or header["due_ns"] < 0
        or header["shot"] > _MAX_NUMBER
        or header["sequence"] > _MAX_NUMBER
        or header["first_cycle"] > _MAX_NUMBER
        or header["due_ns"] > _MAX_NUMBER
        or flags > _ALL_FLAGS
        or header["kind"] < 1
        or header["kind"] > _LAST_PAYLOAD
        or cycles > _MAX_CYCLES
        or header["reserved"] != 0
        or (abort and (last or cycles > 0))
        or (final_bits > 0 and not last)
        or (cycles == 0 and not last and not abort)
    ):
        return Fault.FIELD
    width = (bits + 7) >> 3
    final_width = (final_bits + 7) >> 3
    if size != HEADER_BYTES + cycles * width + final_width:
        return Fault.LENGTH
    if bits & 7:
        for row in range(cycles):
            if message[HEADER_BYTES + row * width + width - 1] >> (bits & 7):
                return Fault.PADDING
    if final_bits & 7 and message[size - 1] >> (final_bits & 7):
        return Fault.PADDING
    return Fault.NONE


@kernel
def seal_frame(message, header, size):
    """Set the checksum of the data frame message[:size]."""
    header["checksum"] = crc32_around(message, _HEADER_CHECKSUM, size)


@kernel
def seal_result(message, header, done_ns):
    """Set the time at which a result was ready, ns, and its checksum."""
    header["done_ns"] = done_ns
    header["checksum"] = crc32_around(message, _RESULT_CHECKSUM, len(message))
