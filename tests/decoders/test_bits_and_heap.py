"""Bit lists and heap."""

import heapq

import numpy as np
import pytest

from decoders.kernels import bits, heap, layout


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.parametrize("width", [0, 1, 2, 7, 8, 9, 15, 16, 17, 40])
def test_places_of_the_set_bits(width: int, density: float) -> None:
    rng = np.random.default_rng(width)
    for _ in range(5):
        flags = rng.random(8 * width) < density
        others = rng.random(8 * width) < 0.3
        row, inverted = (np.packbits(each, bitorder="little") for each in (flags, others))
        row.flags.writeable = False
        found = np.full(8 * width, -1, dtype=np.int64)
        count = bits.list_set_bits(row, found)
        assert found[:count].tolist() == np.flatnonzero(flags).tolist()
        assert (found[count:] == -1).all()
        count = bits.list_differing_bits(row, inverted, found)
        assert found[:count].tolist() == np.flatnonzero(flags ^ others).tolist()


@pytest.mark.parametrize("width", [0, 1, 7, 8, 9, 30])
def test_quiet_rows(width: int) -> None:
    rows = np.zeros((8 * width + 1, width), dtype=np.uint8)
    for bit in range(8 * width):
        rows[bit + 1, bit // 8] = 1 << bit % 8
    rows.flags.writeable = False
    assert bits.is_empty_shot(rows, 0)
    assert not any(bits.is_empty_shot(rows, row) for row in range(1, len(rows)))


@pytest.mark.parametrize("keys", [1, 4, 1 << 40])
def test_the_queue_gives_the_smallest_key_first(keys: int) -> None:
    rng = np.random.default_rng(keys)
    items = np.zeros(200, dtype=layout.ITEM)
    size = np.int64(0)
    naive: list[int] = []
    for step in range(2000):
        if size < 200 and (size == 0 or rng.random() < 0.52):
            key = rng.integers(-keys, keys)
            size = np.int64(heap.push(items, size, key, np.int64(step)))
            heapq.heappush(naive, int(key))
        else:
            assert items[0]["key"] == heapq.heappop(naive)
            size = np.int64(heap.drop_first(items, size))
        assert size == len(naive)
        inside = items[:size]
        assert len(set(inside["what"].tolist())) == size  # each item once
        assert sorted(inside["key"].tolist()) == sorted(naive)
