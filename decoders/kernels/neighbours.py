"""What every shot asks again and again, computed once: who is near, and how far is the boundary."""

import numpy as np

from decoders.kernels.ball import ball_end, ball_next, ball_start
from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, LIST_LIMIT, Ball, Graph
from decoders.kernels.queue import drop_first, push


@kernel
def measure_boundary(detectors, indptr, neighbours, weights, masks, edge_weight, edge_mask, queue):
    """Distance, observables and next step to the boundary for every detector.

    `edge_weight` (int64, FAR without one) and `edge_mask` describe each detector's own boundary edge.
    """
    size = 0
    for detector in range(len(detectors)):
        detectors[detector].boundary = edge_weight[detector]
        detectors[detector].observables = edge_mask[detector]
        detectors[detector].outward = -1
        if edge_weight[detector] < FAR:
            size = push(queue, size, edge_weight[detector], np.int64(detector))
    while size > 0:
        distance = queue[0].key
        here = queue[0].what
        size = drop_first(queue, size)
        if distance > detectors[here].boundary:
            continue
        for at in range(indptr[here], indptr[here + 1]):
            there = neighbours[at]
            through = distance + weights[at]
            if through < detectors[there].boundary:
                detectors[there].boundary = through
                detectors[there].observables = detectors[here].observables ^ masks[at]
                detectors[there].outward = np.int32(here)
                size = push(queue, size, through, np.int64(there))


@kernel
def fill_lists(
    detectors, near, parents, indptr, neighbours, weights, masks, ball_nodes, ball_queue, touched, ball_state, longest
):
    """Write each detector's `longest` nearest detectors to near; returns the number of entries used.

    `parents` (int16) holds, for each entry, the place in the same list from which its shortest path
    arrives, -1 if that is the detector itself.
    """
    graph = Graph(detectors, near, indptr, neighbours, weights, masks)
    ball = Ball(ball_nodes, ball_queue, touched, ball_state)
    used = 0
    for source in range(len(detectors)):
        detectors[source].first = used
        ball_start(ball, source)
        ball_next(graph, ball)
        radius = FAR
        while True:
            there = ball_next(graph, ball)
            if there < 0:
                break
            node = ball_nodes[there]
            if used - detectors[source].first == longest or node.distance >= LIST_LIMIT:
                radius = node.distance
                break
            node.position = used - detectors[source].first
            near[used].detector = there
            near[used].distance = node.distance
            near[used].observables = node.observables
            parents[used] = ball_nodes[node.parent].position
            used += 1
        ball_end(ball)
        detectors[source].last = used
        detectors[source].radius = radius
    return used
