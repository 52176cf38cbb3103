"""Transposed detection events: one row of bits per detector, to be counted with AND and popcount.

A b8 file has one row per shot, but coincidences of detectors are counted over columns. Shots are transposed
in chunks, so that only a chunk exists as single bytes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qec.datasets import pack

Words = NDArray[np.uint64]
Counts = NDArray[np.int64]

_SHOTS_AT_ONCE = 8192  # a multiple of 64: chunks end with a word
_ROWS_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class EventColumns:
    """Detection events of many shots, one row of bits per detector.

    Attributes:
        num_shots: shots.
        words: uint64 (num_detectors, ceil(num_shots / 64)); bit i % 64 of word i // 64 is shot i, bits beyond
            the last shot are zero.
    """

    num_shots: int
    words: Words

    @property
    def num_detectors(self) -> int:
        """Detectors in a shot."""
        return len(self.words)

    def singles(self) -> Counts:
        """Count the events of each detector: int64 (num_detectors,)."""
        return np.asarray(np.bitwise_count(self.words).sum(axis=1, dtype=np.int64))

    def pairs(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Counts:
        """Count the shots in which both detectors of each pair fired: int64 (pairs,)."""
        found = np.empty(len(first), dtype=np.int64)
        for start in range(0, len(first), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            both = self.words[first[part]] & self.words[second[part]]
            found[part] = np.bitwise_count(both).sum(axis=1, dtype=np.int64)
        return found

    def patterns(self, windows: NDArray[np.intp]) -> NDArray[np.float64]:
        """Count the shots in which exactly a given set of a window's detectors fired.

        Args:
            windows: (windows, size) detectors.

        Returns:
            float64 (windows, 2**size); bit b of the second index is set if detector `windows[., b]` fired.
        """
        num_windows, size = windows.shape
        found = np.empty((num_windows, 2**size))
        weights = (1 << np.arange(size)).astype(np.uint32)
        for index, window in enumerate(windows):
            bits = np.unpackbits(
                self.words[window].view(np.uint8), axis=1, count=self.num_shots, bitorder="little"
            )
            pattern = np.zeros(self.num_shots, dtype=np.uint32)
            for row, weight in zip(bits, weights, strict=True):
                pattern += row * weight
            found[index] = np.bincount(pattern, minlength=2**size)
        return found


def event_columns(detection_events: ArrayLike, *, num_detectors: int) -> EventColumns:
    """Transpose shots.

    Args:
        detection_events: bool (shots, num_detectors), or bit-packed uint8 (shots, ceil(num_detectors / 8)),
            least significant bit first. Memory maps and strided views (every second shot) are read in
            chunks.
        num_detectors: detectors in a shot.

    Raises:
        ValueError: wrong dtype or shape, bits set beyond the last detector, or no shots.
    """
    array = np.asarray(detection_events)
    if array.ndim == 2 and len(array) == 0:
        raise ValueError("detection_events: no shots: must have at least one")
    if array.ndim != 2:
        pack(array, num_bits=num_detectors, what="detection_events")  # raises the error
    shots = len(array)
    words = np.zeros((num_detectors, (shots + 63) // 64), dtype=np.uint64)
    for start in range(0, shots, _SHOTS_AT_ONCE):
        chunk = pack(array[start : start + _SHOTS_AT_ONCE], num_bits=num_detectors, what="detection_events")
        if num_detectors == 0:
            continue
        bits = np.unpackbits(chunk, axis=1, count=num_detectors, bitorder="little")
        columns = np.packbits(np.ascontiguousarray(bits.T), axis=1, bitorder="little")
        padded = np.zeros((num_detectors, -(-columns.shape[1] // 8) * 8), dtype=np.uint8)
        padded[:, : columns.shape[1]] = columns
        first = start // 64
        words[:, first : first + padded.shape[1] // 8] = padded.view("<u8")
    return EventColumns(num_shots=shots, words=words)
