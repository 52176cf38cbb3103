"""From matched events to the edges between them."""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import NOT_LOWERED
from decoders.kernels.records import pool
from decoders.matching.kernels.dijkstra import ball_end, ball_next, ball_start


@kernel
def edge_between(graph, detector, other):
    """The edge between two adjacent detectors."""
    indptr, adjacent = pool(graph, "indptr"), pool(graph, "adjacent")
    at = indptr[detector]
    while adjacent[at].detector != other:
        at += 1
    return adjacent[at].edge


@kernel
def path_outward(graph, work, detector, length):
    """Write the edges from a detector to the boundary to `path` behind `length` others, now so many."""
    detectors, path = pool(graph, "detectors"), pool(work, "path")
    outward_edges = pool(graph, "outward_edges")
    while detector >= 0:
        path[length] = outward_edges[detector]
        length += 1
        detector = detectors[detector].outward
    return length


@kernel
def path_in_list(graph, work, detector, entry, length):
    """Write the edges from a detector to an entry of its list to `path` behind others, now so many."""
    parents, path, steps = pool(graph, "parents"), pool(work, "path"), pool(graph, "steps")
    first = pool(graph, "detectors")[detector].first
    own = pool(graph, "adjacent")[pool(graph, "indptr")[detector]].edge
    while True:
        path[length] = own + steps[entry]
        length += 1
        if parents[entry] < 0:
            return length
        entry = first + parents[entry]


@kernel
def path_by_search(graph, work, detector, other):
    """Write the edges between two detectors far from each other to `path`; returns how many."""
    ball, path = pool(work, "ball_nodes"), pool(work, "path")
    ball_start(work, detector)
    while ball_next(graph, work) != other:
        pass
    length = 0
    while other != detector:
        path[length] = lightest_now(work, ball[other].edge)
        length += 1
        other = ball[other].parent
    ball_end(work)
    return length


@kernel
def lightest_now(work, slot):
    """The lightest edge between the ends of a graph's lightest edge: another one where one is lowered."""
    if work.num_active > 0 and pool(work, "lowered")[slot] != NOT_LOWERED:
        return np.int64(pool(work, "lowered_as")[slot])
    return np.int64(slot)


@kernel
def path_to_exit(graph, work, detector, exit, distance):
    """Write the edges of a way to the boundary, this long, that leads past lowered edges, to `path`.

    Behind the detector `exit` it is that detector's lowered edge to the boundary or its usual way there.
    """
    ball, path, lowered = pool(work, "ball_nodes"), pool(work, "path"), pool(work, "lowered")
    ball_start(work, detector)
    while ball_next(graph, work) != exit:
        pass
    behind = distance - ball[exit].distance
    length = 0
    here = exit
    while here != detector:
        path[length] = lightest_now(work, ball[here].edge)
        length += 1
        here = ball[here].parent
    ball_end(work)
    slot = pool(graph, "boundary_edge")[exit]
    if slot >= 0 and lowered[slot] == behind:
        path[length] = pool(work, "lowered_as")[slot]
        return length + 1
    return path_outward(graph, work, exit, length)


@kernel
def path_of_way(graph, work, index, outward):
    """Write the edges of a way through an active edge to `path`; returns how many."""
    way, path = pool(work, "ways")[index], pool(work, "path")
    length = np.int64(0)
    if way.entry >= 0:
        length = path_in_list(graph, work, way.start, way.entry, length)
    path[length] = lightest_now(work, way.slot)
    length += 1
    if outward:
        if way.end >= 0:
            slot = pool(graph, "boundary_edge")[way.end]
            if slot >= 0 and pool(work, "lowered")[slot] < pool(graph, "detectors")[way.end].boundary:
                path[length] = lightest_now(work, slot)
                length += 1
            else:
                length = path_outward(graph, work, way.end, length)
    elif way.exit >= 0:
        length = path_in_list(graph, work, way.end, way.exit, length)
    return length


@kernel
def flip_path(graph, work, length):
    """Apply the observables of the edges in `path` to the flips of the present matching."""
    edge_flips, path, flips = pool(graph, "edge_flips"), pool(work, "path"), pool(work, "flips")
    width = graph.flip_bytes
    for at in range(length):
        for byte in range(width):
            flips[byte] ^= edge_flips[path[at] * width + byte]
