"""CRC-32 as zlib computes it, eight bytes at a time (Kounavis and Berry, slicing by eight, ISCC 2005)."""

import numpy as np
from numpy.typing import NDArray

from realtime.kernels.jit import kernel


def _tables() -> NDArray[np.uint32]:
    tables = np.zeros((8, 256), dtype=np.uint32)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        tables[0, byte] = value
    for slice_ in range(1, 8):
        before = tables[slice_ - 1]
        tables[slice_] = (before >> 8) ^ tables[0, before & 0xFF]
    return tables


_TABLES = _tables()


@kernel
def crc32(data, start, stop, running):
    """Continue the CRC-32 `running` (0 at the start) with data[start:stop], as zlib.crc32 does."""
    value = np.uint32(running) ^ np.uint32(0xFFFFFFFF)
    at = start
    byte = np.uint32(255)
    while at + 8 <= stop:
        low = value ^ (
            np.uint32(data[at])
            | (np.uint32(data[at + 1]) << np.uint32(8))
            | (np.uint32(data[at + 2]) << np.uint32(16))
            | (np.uint32(data[at + 3]) << np.uint32(24))
        )
        value = (
            _TABLES[7, low & byte]
            ^ _TABLES[6, (low >> np.uint32(8)) & byte]
            ^ _TABLES[5, (low >> np.uint32(16)) & byte]
            ^ _TABLES[4, low >> np.uint32(24)]
            ^ _TABLES[3, data[at + 4]]
            ^ _TABLES[2, data[at + 5]]
            ^ _TABLES[1, data[at + 6]]
            ^ _TABLES[0, data[at + 7]]
        )
        at += 8
    while at < stop:
        value = (value >> np.uint32(8)) ^ _TABLES[0, (value ^ np.uint32(data[at])) & byte]
        at += 1
    return np.int64(value ^ np.uint32(0xFFFFFFFF))


@kernel
def crc32_around(data, hole, size):
    """Compute the CRC-32 of data[:size] with the four bytes at `hole` taken as zero."""
    value = np.uint32(crc32(data, 0, hole, 0)) ^ np.uint32(0xFFFFFFFF)
    for _ in range(4):
        value = (value >> np.uint32(8)) ^ _TABLES[0, value & np.uint32(255)]
    return crc32(data, hole + 4, size, np.int64(value ^ np.uint32(0xFFFFFFFF)))
