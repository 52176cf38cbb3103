"""Dijkstra's search around one detector, one detector at a time, nearest first.

The same search fills the neighbour lists, looks beyond them for events that are far from everything,
and finds the edges of a long path. Paths never lead through the boundary.
"""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR
from decoders.kernels.records import pool


@kernel
def ball_start(work, source):
    """Begin a search; the previous one must have been ended."""
    centre = pool(work, "ball_nodes")[source]
    centre.distance = 0
    centre.parent = -1
    centre.edge = -1
    centre.entry = -1
    centre.flips = 0
    pool(work, "ball_touched")[0] = source
    work.ball_reached = 1
    work.ball_limit = FAR
    work.ball_size = push(pool(work, "ball_queue"), np.int64(0), np.int64(0), np.int64(source))


@kernel
def ball_next(graph, work):
    """The next nearest detector (the source first), or -1 when there is none left."""
    nodes, queue, touched = pool(work, "ball_nodes"), pool(work, "ball_queue"), pool(work, "ball_touched")
    indptr, adjacent, lowered = pool(graph, "indptr"), pool(graph, "adjacent"), pool(work, "lowered")
    size = work.ball_size
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
            if through > work.ball_limit:
                continue
            if there.distance < 0:
                touched[work.ball_reached] = adjacent[at].detector
                work.ball_reached += 1
            elif there.distance <= through:
                continue
            there.distance = through
            there.parent = here
            there.edge = adjacent[at].edge
            there.flips = nodes[here].flips | adjacent[at].flips
            size = push(queue, size, through, np.int64(adjacent[at].detector))
        work.ball_size = size
        return here
    work.ball_size = 0
    return np.int64(-1)


@kernel
def ball_end(work):
    """Forget the search, at the cost of what it touched."""
    nodes, touched = pool(work, "ball_nodes"), pool(work, "ball_touched")
    for at in range(work.ball_reached):
        nodes[touched[at]].distance = -1
    work.ball_reached = 0
    work.ball_size = 0
