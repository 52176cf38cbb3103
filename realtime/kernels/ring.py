"""A ring of messages between two threads: one puts in, one takes out, nobody waits for a lock.

`ends` int64 (24,): how many messages were taken at [0] and put in at [16], a cache line and its neighbour
apart. `slots` uint8 (2^k, bytes): eight bytes of size, then the message.
"""

import numpy as np
from numpy.typing import NDArray

from realtime.kernels.atomics import load_word, store_word
from realtime.kernels.byte_access import get_number, put_number
from realtime.kernels.jit import kernel

TAKEN, PUT = np.int64(0), np.int64(16)


def new_ring(*, slots: int, max_message: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The two arrays of an empty ring.

    Args:
        slots: how many messages fit, rounded up to a power of two.
        max_message: bytes of the longest.
    """
    count = 1 << max(0, slots - 1).bit_length()
    return np.zeros(24, dtype=np.int64), np.zeros((count, 8 + (max_message + 7) // 8 * 8), dtype=np.uint8)


@kernel
def ring_put(ends, slots, message, size):
    """Put in message[:size]; false if the ring is full or the message too long."""
    put = load_word(ends, PUT)
    if put - load_word(ends, TAKEN) >= len(slots) or size > slots.shape[1] - 8:
        return False
    slot = slots[put & (len(slots) - 1)]
    put_number(slot, 0, 8, size)
    for byte in range(size):
        slot[8 + byte] = message[byte]
    store_word(ends, PUT, put + 1)
    return True


@kernel
def ring_take(ends, slots, buffer):
    """Take the oldest message into `buffer`; its size, or -1 if there is none.

    Of a message longer than the buffer only the beginning is copied.
    """
    taken = load_word(ends, TAKEN)
    if taken == load_word(ends, PUT):
        return np.int64(-1)
    slot = slots[taken & (len(slots) - 1)]
    size = get_number(slot, 0, 8)
    for byte in range(min(size, len(buffer))):
        buffer[byte] = slot[8 + byte]
    store_word(ends, TAKEN, taken + 1)
    return size
