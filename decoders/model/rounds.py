"""Assignment of detectors to cycles. First and last cycles may have fewer detectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


def cycle_of_detectors(*, coordinates: NDArray[np.float64]) -> NDArray[np.int32]:
    """Read the cycle of each detector from its coordinates.

    Time is the third coordinate, as in stim's surface codes (x, y, t, ...), or the second of two, as in
    stim's repetition code (x, t). The cycle is the time rounded down; if some times are negative, all are
    shifted so that the earliest becomes cycle 0.

    Args:
        coordinates: float64 (detectors, k), NaN where a detector has fewer than k coordinates.

    Returns:
        int32 (detectors,), -1 for a detector with fewer than two coordinates.
    """
    num_detectors, dimensions = coordinates.shape
    cycle = np.full(num_detectors, -1, dtype=np.int32)
    if dimensions < 2:
        return cycle
    time = coordinates[:, 1]
    if dimensions > 2:
        time = np.where(np.isnan(coordinates[:, 2]), time, coordinates[:, 2])
    known = ~np.isnan(time)
    if known.any():
        whole = np.floor(time[known])
        # Times beyond int32 are no cycle numbers; clipping avoids an invalid cast.
        cycle[known] = np.clip(whole - min(0.0, float(whole.min())), 0, 2**31 - 1).astype(np.int32)
    return cycle


@dataclass(frozen=True, eq=False, kw_only=True)
class Rounds:
    """Detectors sorted by cycle: `detectors[indptr[c]:indptr[c + 1]]` are those of cycle c."""

    #: int32 (num_detectors,): cycle of each detector.
    cycle: NDArray[np.int32]
    #: int32 (num_cycles + 1,).
    indptr: NDArray[np.int32]
    #: int32 (num_detectors,): ascending within each cycle.
    detectors: NDArray[np.int32]

    @classmethod
    def from_cycles(cls, cycle: ArrayLike) -> Rounds:
        """Sort detectors by cycle.

        Args:
            cycle: int (num_detectors,), at least 0.

        Raises:
            ValueError: the cycle of a detector is unknown (-1).
        """
        cycles = np.ascontiguousarray(cycle, dtype=np.int32)
        unknown = np.flatnonzero(cycles < 0)
        if unknown.size:
            raise ValueError(
                f"the cycle of detector D{unknown[0]} is unknown ({unknown.size} in all): give the "
                "circuit's DETECTOR instructions coordinates (x, y, t), or pass the cycles"
            )
        counts = np.bincount(cycles)
        indptr = np.zeros(counts.size + 1, dtype=np.int32)
        np.cumsum(counts, out=indptr[1:])
        return cls(cycle=cycles, indptr=indptr, detectors=np.argsort(cycles, kind="stable").astype(np.int32))

    @property
    def num_cycles(self) -> int:
        """Number of cycles: one more than the last; cycles in between may be empty."""
        return self.indptr.size - 1

    def detectors_of(self, *, first: int, last: int) -> NDArray[np.int32]:
        """Return the detectors of cycles first..last, inclusive: int32, ascending within each cycle.

        Raises:
            ValueError: cycles out of range.
        """
        if not 0 <= first <= last < self.num_cycles:
            raise ValueError(f"cycles {first} to {last}: use 0 <= first <= last < {self.num_cycles}")
        return self.detectors[self.indptr[first] : self.indptr[last + 1]]
