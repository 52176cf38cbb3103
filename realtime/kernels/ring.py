"""Lock-free ring of messages between two threads, one of which puts messages in and one takes them out.

The threads may belong to two processes that share the memory. Each then checks what the other has written.
"""

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.records import pool
from realtime.kernels.atomics import load_word, store_word
from realtime.kernels.jit import kernel
from realtime.kernels.records import RING

TAKEN, PUT = 0, 16
_WORD = 8
# Two ends, and as much as keeps the first slot out of their cache lines.
_END_WORDS = 32


class Ring:
    """Memory of a ring.

    Args:
        slots: number of messages that fit, rounded up to a power of two.
        max_message: bytes of the longest message.
        memory: int64 (num_words,), see `ring_words`, that is used in place of new memory.
    """

    def __init__(self, *, slots: int, max_message: int, memory: NDArray[np.int64] | None = None) -> None:
        count, words = _shape(slots, max_message)
        if memory is None:
            memory = np.zeros(ring_words(slots, max_message), dtype=np.int64)
        self._ends, self._slots = memory[:_END_WORDS], memory[_END_WORDS:].reshape(count, words)
        at = self._slots.ctypes.data
        #: RING (1,), valid as long as this object.
        self.record = np.array([(self._ends.ctypes.data, at, at, count, words)], dtype=RING)

    def clear(self) -> None:
        """Forget all messages; neither thread may use the ring meanwhile."""
        self._ends[:] = 0

    def put(self, message: bytes) -> bool:
        """Put a message in; false if the ring is full or the message too long."""
        data = np.frombuffer(message, dtype=np.uint8).copy()
        return bool(ring_put(self.record[0], data, np.int64(len(data))))

    def take(self) -> bytes | None:
        """Take the oldest message out, None if there is none."""
        buffer = np.zeros(self._slots[0].nbytes, dtype=np.uint8)
        size = int(ring_take(self.record[0], buffer))
        return None if size < 0 else buffer[:size].tobytes()


def ring_words(slots: int, max_message: int) -> int:
    """Return the number of 8-byte words of a ring's memory."""
    count, words = _shape(slots, max_message)
    return _END_WORDS + count * words


def _shape(slots: int, max_message: int) -> tuple[int, int]:
    """Return the number of slots and the words of each."""
    return 1 << max(0, slots - 1).bit_length(), 1 + (max_message + 7) // 8


@kernel
def ring_put(ring, message, size):
    """Put message[:size] in; false if the ring is full or the message too long."""
    ends = pool(ring, "ends")
    put = load_word(ends, PUT)
    if put - load_word(ends, TAKEN) >= ring.num_slots or size > (ring.slot_words - 1) * _WORD:
        return False
    first = (put & (ring.num_slots - 1)) * ring.slot_words
    pool(ring, "sizes")[first] = size
    slot = pool(ring, "bytes")[(first + 1) * _WORD : (first + ring.slot_words) * _WORD]
    for byte in range(size):
        slot[byte] = message[byte]
    store_word(ends, PUT, put + 1)
    return True


@kernel
def ring_take(ring, buffer):
    """Take the oldest message out into `buffer`; its size in bytes, or -1 if the ring is empty.

    A message longer than the buffer is cut off at the buffer's end.
    """
    ends = pool(ring, "ends")
    taken = load_word(ends, TAKEN)
    if taken == load_word(ends, PUT):
        return np.int64(-1)
    first = (taken & (ring.num_slots - 1)) * ring.slot_words
    slot = pool(ring, "bytes")[(first + 1) * _WORD : (first + ring.slot_words) * _WORD]
    size = min(max(pool(ring, "sizes")[first], 0), len(slot))
    for byte in range(min(size, len(buffer))):
        buffer[byte] = slot[byte]
    store_word(ends, TAKEN, taken + 1)
    return size
