"""Dijkstra's search around one detector, one detector at a time, nearest first.

The same search fills the neighbour lists, looks beyond them for events that are far from everything,
and finds the edges of a long path. Paths never lead through the boundary.
"""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR
from decoders.kernels.pools import (
    adjacent_of,
    ball_nodes_of,
    ball_queue_of,
    ball_touched_of,
    indptr_of,
    lowered_of,
)


@kernel
def ball_start(work, source):
    """Begin a search; the previous one must have been ended."""
    centre = ball_nodes_of(work)[source]
    centre.distance = 0
    centre.parent = -1
    centre.edge = -1
    centre.entry = -1
    centre.flips = 0
    ball_touched_of(work)[0] = source
    work.ball_reached = 1
    work.ball_limit = FAR
    work.ball_size = push(ball_queue_of(work), np.int64(0), np.int64(0), np.int64(source))


@kernel
def ball_next(graph, work):
    """The next nearest detector (the source first), or -1 when there is none left."""
    nodes, queue, touched = ball_nodes_of(work), ball_queue_of(work), ball_touched_of(work)
    indptr, adjacent, lowered = indptr_of(graph), adjacent_of(graph), lowered_of(work)
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
    nodes, touched = ball_nodes_of(work), ball_touched_of(work)
    for at in range(work.ball_reached):
        nodes[touched[at]].distance = -1
    work.ball_reached = 0
    work.ball_size = 0
