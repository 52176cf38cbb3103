"""What every shot asks again and again, computed once: who is near, and how far is the boundary."""

import numpy as np

from decoders.kernels.ball import ball_end, ball_next, ball_start
from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, LIST_LIMIT
from decoders.kernels.pools import adjacent_of, ball_nodes_of, ball_queue_of, detectors_of, indptr_of, near_of
from decoders.kernels.queue import drop_first, push


@kernel
def measure_boundary(graphs, works, edge_weight, edge_observables):
    """Distance, observables and next step to the boundary for every detector.

    `edge_weight` (int64, FAR without one) and `edge_observables` (uint64) describe each detector's own
    boundary edge.
    """
    graph, work = graphs[0], works[0]
    detectors, indptr, adjacent, queue = (
        detectors_of(graph),
        indptr_of(graph),
        adjacent_of(graph),
        ball_queue_of(work),
    )
    size = 0
    for detector in range(graph.num_detectors):
        detectors[detector].boundary = edge_weight[detector]
        detectors[detector].observables = edge_observables[detector]
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
            there = detectors[adjacent[at].detector]
            through = distance + adjacent[at].weight
            if through < there.boundary:
                there.boundary = through
                there.observables = detectors[here].observables ^ adjacent[at].observables
                there.outward = here
                size = push(queue, size, through, np.int64(adjacent[at].detector))


@kernel
def fill_lists(graphs, works, parents, longest):
    """Write each detector's `longest` nearest detectors to `near`; returns the number of entries used.

    `parents` (int16) gets, for each entry, the place in the same list from which its shortest path
    arrives, -1 if that is the detector itself.
    """
    graph, work = graphs[0], works[0]
    detectors, near, nodes = detectors_of(graph), near_of(graph), ball_nodes_of(work)
    used = 0
    for source in range(graph.num_detectors):
        detector = detectors[source]
        detector.first = used
        ball_start(work, source)
        ball_next(graph, work)
        radius = FAR
        while True:
            there = ball_next(graph, work)
            if there < 0:
                break
            node = nodes[there]
            if used - detector.first == longest or node.distance >= LIST_LIMIT:
                radius = node.distance
                break
            node.position = used - detector.first
            near[used].detector = there
            near[used].distance = node.distance
            near[used].observables = node.observables
            parents[used] = nodes[node.parent].position
            used += 1
        ball_end(work)
        detector.last = used
        detector.radius = radius
    return used
