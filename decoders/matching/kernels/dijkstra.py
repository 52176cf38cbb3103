"""Dijkstra's search from one detector; detectors are settled one at a time, nearest first.

This search fills the neighbour lists, finds events beyond them, and reconstructs the edges of long paths.
Paths never pass through the boundary.
"""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR
from decoders.kernels.records import pool


@kernel
def start_dijkstra(work, source):
    """Start a search. The previous one must have been ended.

    Writes the Dijkstra fields of `work`.
    """
    centre = pool(work, "dijkstra_nodes")[source]
    centre.distance = 0
    centre.parent = -1
    centre.edge = -1
    centre.entry = -1
    centre.flips = 0
    pool(work, "dijkstra_touched")[0] = source
    work.num_dijkstra_touched = 1
    work.dijkstra_limit = FAR
    work.dijkstra_queue_size = push(pool(work, "dijkstra_queue"), np.int64(0), np.int64(0), np.int64(source))


@kernel
def settle_next(graph, work):
    """Settle the next nearest detector, the source first; return it, or -1 if none is left.

    Writes the Dijkstra fields of `work`.
    """
    nodes, queue, touched = (
        pool(work, "dijkstra_nodes"),
        pool(work, "dijkstra_queue"),
        pool(work, "dijkstra_touched"),
    )
    indptr, adjacent, lowered = pool(graph, "indptr"), pool(graph, "adjacent"), pool(work, "lowered")
    size = work.dijkstra_queue_size
    while size > 0:
        distance = queue[0].key
        here = queue[0].what
        size = drop_first(queue, size)
        if distance > nodes[here].distance:
            continue
        for at in range(indptr[here], indptr[here + 1]):
            there = nodes[adjacent[at].detector]
            weight = adjacent[at].weight
            if work.num_active > 0:
                weight = min(weight, lowered[adjacent[at].edge])
            through = distance + weight
            if through > work.dijkstra_limit:
                continue
            if there.distance < 0:
                touched[work.num_dijkstra_touched] = adjacent[at].detector
                work.num_dijkstra_touched += 1
            elif there.distance <= through:
                continue
            there.distance = through
            there.parent = here
            there.edge = adjacent[at].edge
            there.flips = nodes[here].flips | adjacent[at].flips
            size = push(queue, size, through, np.int64(adjacent[at].detector))
        work.dijkstra_queue_size = size
        return here
    work.dijkstra_queue_size = 0
    return np.int64(-1)


@kernel
def end_dijkstra(work):
    """Reset the search in time proportional to the detectors reached.

    Writes the Dijkstra fields of `work`.
    """
    nodes, touched = pool(work, "dijkstra_nodes"), pool(work, "dijkstra_touched")
    for at in range(work.num_dijkstra_touched):
        nodes[touched[at]].distance = -1
    work.num_dijkstra_touched = 0
    work.dijkstra_queue_size = 0
