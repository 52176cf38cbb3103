"""Find the edges of a matching graph that lie on no cycle."""

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point, kernel


@kernel
def _search_from(
    root: int,
    through: int,
    time: int,
    edge_u: NDArray[np.int32],
    edge_v: NDArray[np.int32],
    indptr: NDArray[np.int32],
    adjacent_detector: NDArray[np.int32],
    adjacent_edge: NDArray[np.int32],
    times: NDArray[np.int32],
    low: NDArray[np.int32],
    place: NDArray[np.int32],
    entry: NDArray[np.int32],
    is_bridge: NDArray[np.bool_],
) -> int:
    """Search depth first from a detector that was reached through an edge (-1: none). Returns the time.

    Arrays as in `find_bridges`.
    """
    times[root] = time
    low[root] = time
    place[root] = indptr[root]
    entry[root] = through
    time += 1
    here = root
    while True:
        if place[here] < indptr[here + 1]:
            at = place[here]
            place[here] += 1
            edge = adjacent_edge[at]
            there = adjacent_detector[at]
            if edge == entry[here]:
                continue
            if there < 0:
                low[here] = 0
            elif times[there] >= 0:
                low[here] = min(low[here], times[there])
            else:
                times[there] = time
                low[there] = time
                place[there] = indptr[there]
                entry[there] = edge
                time += 1
                here = there
            continue
        edge = entry[here]
        before = 0  # the boundary's time
        if here != root:
            parent = edge_v[edge] if edge_u[edge] == here else edge_u[edge]
            low[parent] = min(low[parent], low[here])
            before = times[parent]
        if edge >= 0:
            is_bridge[edge] = low[here] > before
        if here == root:
            return time
        here = parent


@entry_point
def find_bridges(
    edge_u: NDArray[np.int32],
    edge_v: NDArray[np.int32],
    indptr: NDArray[np.int32],
    adjacent_detector: NDArray[np.int32],
    adjacent_edge: NDArray[np.int32],
    times: NDArray[np.int32],
    low: NDArray[np.int32],
    place: NDArray[np.int32],
    entry: NDArray[np.int32],
    is_bridge: NDArray[np.bool_],
) -> None:
    """Mark the edges on no cycle; the boundary is one vertex, parallel edges are a cycle (Tarjan 1974).

    Edges and adjacency as in MatchingGraph. times int32 (num_detectors,), -1 on entry, and low, place and
    entry int32 (num_detectors,) are scratch: when the search came to a detector, the earliest vertex reached
    from beyond it, the adjacency entry to look at next, and the edge it came by. is_bridge bool (num_edges,),
    False on entry, is written.
    """
    time = 1  # the boundary was found at 0
    for edge in range(edge_u.size):
        if edge_v[edge] < 0 and times[edge_u[edge]] < 0:
            time = _search_from(
                edge_u[edge],
                edge,
                time,
                edge_u,
                edge_v,
                indptr,
                adjacent_detector,
                adjacent_edge,
                times,
                low,
                place,
                entry,
                is_bridge,
            )
    for detector in range(times.size):
        if times[detector] < 0:
            time = _search_from(
                detector,
                -1,
                time,
                edge_u,
                edge_v,
                indptr,
                adjacent_detector,
                adjacent_edge,
                times,
                low,
                place,
                entry,
                is_bridge,
            )
