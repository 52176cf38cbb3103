"""Which detector belongs to which cycle."""

import numpy as np
from numpy.typing import NDArray


def cycle_of_detectors(coordinates: NDArray[np.float64]) -> NDArray[np.int32]:
    """The cycle of each detector, int32 (detectors,), from coordinates (detectors, k); -1 where unknown."""
    num_detectors, dimensions = coordinates.shape
    cycle = np.full(num_detectors, -1, dtype=np.int32)
    if dimensions >= 2:
        time = coordinates[:, 1].copy()
        if dimensions >= 3:
            third = coordinates[:, 2]
            time = np.where(np.isnan(third), time, third)
        known = np.isfinite(time) & (np.abs(time) < 2**31)
        cycle[known] = np.floor(time[known]).astype(np.int32)
        cycle[cycle < 0] = -1
    return cycle
