"""Distances from the boundary, counted in edges."""

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point


@entry_point
def within_hops(
    first: NDArray[np.int32], second: NDArray[np.int32], most: int, hops: NDArray[np.int32]
) -> bool:
    """Decide whether a path of at most `most` edges leads from each detector with an edge to the boundary.

    Bellman-Ford on the list of edges, which may hold any edge more than once.

    Args:
        first: int32 (edges,): an end of each edge.
        second: int32 (edges,): the other end, -1 for the boundary.
        most: the limit.
        hops: int32 (detectors + 1,): scratch; afterwards the distance of each detector, the boundary
            last, and most + 1 where it is longer.
    """
    boundary = hops.size - 1
    hops[:] = most + 1
    hops[boundary] = 0
    changed = True
    while changed:
        changed = False
        for edge in range(first.size):
            one = first[edge]
            other = second[edge]
            if other < 0:
                other = boundary
            if hops[one] + 1 < hops[other]:
                hops[other] = hops[one] + 1
                changed = True
            elif hops[other] + 1 < hops[one]:
                hops[one] = hops[other] + 1
                changed = True
    short = True
    for edge in range(first.size):
        short = short and hops[first[edge]] <= most and (second[edge] < 0 or hops[second[edge]] <= most)
    return short
