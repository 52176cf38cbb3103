"""Dijkstra's search around one detector, one detector at a time, nearest first.

The same search fills the neighbour lists, looks beyond them for events that are far from everything,
and finds the edges of a long path. Paths never lead through the boundary.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import BALL_QUEUE, BALL_TOUCHED
from decoders.kernels.queue import drop_first, push


@kernel
def ball_start(ball, source):
    """Begin a search; the previous one must have been ended."""
    ball.nodes[source].distance = 0
    ball.nodes[source].parent = -1
    ball.nodes[source].position = -1
    ball.nodes[source].observables = np.uint64(0)
    ball.touched[0] = source
    ball.state[BALL_TOUCHED] = 1
    ball.state[BALL_QUEUE] = push(ball.queue, 0, np.int64(0), np.int64(source))


@kernel
def ball_next(graph, ball):
    """The next nearest detector (the source first), or -1 when there is none left."""
    size = ball.state[BALL_QUEUE]
    while size > 0:
        distance = ball.queue[0].key
        here = ball.queue[0].what
        size = drop_first(ball.queue, size)
        if distance > ball.nodes[here].distance:
            continue
        for at in range(graph.indptr[here], graph.indptr[here + 1]):
            there = graph.neighbours[at]
            through = distance + graph.weights[at]
            known = ball.nodes[there].distance
            if known < 0:
                ball.touched[ball.state[BALL_TOUCHED]] = there
                ball.state[BALL_TOUCHED] += 1
            elif known <= through:
                continue
            ball.nodes[there].distance = through
            ball.nodes[there].parent = here
            ball.nodes[there].observables = ball.nodes[here].observables ^ graph.masks[at]
            size = push(ball.queue, size, through, np.int64(there))
        ball.state[BALL_QUEUE] = size
        return here
    ball.state[BALL_QUEUE] = 0
    return np.int64(-1)


@kernel
def ball_end(ball):
    """Forget the search, at the cost of what it touched."""
    for at in range(ball.state[BALL_TOUCHED]):
        ball.nodes[ball.touched[at]].distance = -1
    ball.state[BALL_TOUCHED] = 0
    ball.state[BALL_QUEUE] = 0
