"""Small windows of detectors that together contain every set that an error flips."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def cover(sets: Sequence[tuple[int, ...]], *, num_detectors: int, size: int) -> NDArray[np.intp]:
    """Cover sets by windows of equally many detectors: each set lies in at least one of them.

    Greedy: a window begins with a set that no window contains yet and adds the overlapping sets with the
    fewest new detectors, until it is full. Windows are filled with neighbours, since more detectors
    locate errors better.

    Args:
        sets: detectors of each error, none longer than `size`.
        num_detectors: number of detectors of the DEM.
        size: detectors of a window; fewer if the DEM has fewer.

    Returns:
        (windows, size) detectors, each row ascending.
    """
    size = min(size, num_detectors)
    members = [frozenset(detectors) for detectors in sets]
    of_detector: list[list[int]] = [[] for _ in range(num_detectors)]
    for number, detectors in enumerate(sets):
        for detector in detectors:
            of_detector[detector].append(number)
    held = [False] * len(sets)
    windows = []
    for seed in sorted(range(len(sets)), key=lambda number: sets[number]):
        if held[seed]:
            continue
        window = _grow(set(members[seed]), members, of_detector, held, size)
        for detector in range(num_detectors):  # only where a piece of the DEM is smaller than a window
            if len(window) == size:
                break
            window.add(detector)
        for number in {n for detector in window for n in of_detector[detector]}:
            held[number] = held[number] or members[number] <= window
        windows.append(sorted(window))
    return np.array(windows, dtype=np.intp)


def _grow(
    window: set[int],
    members: Sequence[frozenset[int]],
    of_detector: Sequence[Sequence[int]],
    held: Sequence[bool],
    size: int,
) -> set[int]:
    """Add overlapping sets to a window while they fit, those that no window contains yet first."""
    near = {number for detector in window for number in of_detector[detector]}
    while len(window) < size:
        best: tuple[bool, int, int, int] | None = None
        for number in near:
            new = len(members[number] - window)
            if 0 < new <= size - len(window):
                rank = (held[number], new, -len(members[number]), number)
                best = rank if best is None else min(best, rank)
        if best is None:
            return window
        for detector in members[best[-1]] - window:
            window.add(detector)
            near.update(of_detector[detector])
    return window
