"""The compiled pieces against their plain twins."""

import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.kernels.checksum import crc32, crc32_around
from realtime.kernels.ring import new_ring, ring_put, ring_take


def as_array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8)


@given(st.binary(max_size=100), st.binary(max_size=40))
def test_the_checksum_is_that_of_zlib(data: bytes, before: bytes) -> None:
    running = zlib.crc32(before)
    assert crc32(as_array(data), 0, len(data), running) == zlib.crc32(data, running)


@given(st.binary(min_size=4, max_size=100), st.data())
def test_the_checksum_around_its_own_place(data: bytes, draw: st.DataObject) -> None:
    hole = draw.draw(st.integers(0, len(data) - 4))
    expected = zlib.crc32(data[:hole] + bytes(4) + data[hole + 4 :])
    assert crc32_around(as_array(data), hole, len(data)) == expected


@given(st.lists(st.none() | st.binary(max_size=20), max_size=60))
def test_a_ring_is_a_bounded_queue(steps: list[bytes | None]) -> None:
    ends, slots = new_ring(slots=4, max_message=16)
    buffer = np.zeros(16, dtype=np.uint8)
    queue: list[bytes] = []
    for step in steps:
        if step is None:
            size = ring_take(ends, slots, buffer)
            assert (buffer[:size].tobytes() if size >= 0 else None) == (queue.pop(0) if queue else None)
        else:
            fits = len(queue) < 4 and len(step) <= 16
            assert ring_put(ends, slots, as_array(step), len(step)) == fits
            if fits:
                queue.append(step)
