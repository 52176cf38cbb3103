"""Reconstruction of the edges on the paths between matched events."""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import NOT_LOWERED
from decoders.kernels.records import pool
from decoders.matching.kernels.dijkstra import end_dijkstra, settle_next, start_dijkstra


@kernel
def edge_between(graph, detector, other):
    """Return the edge between two adjacent detectors."""
    indptr, adjacent = pool(graph, "indptr"), pool(graph, "adjacent")
    at = indptr[detector]
    while adjacent[at].detector != other:
        at += 1
    return adjacent[at].edge


@kernel
def write_boundary_path(graph, work, detector, length):
    """Append the edges from a detector to the boundary to WORK.path; return the new length."""
    detectors, path = pool(graph, "detectors"), pool(work, "path")
    outward_edges = pool(graph, "outward_edges")
    while detector >= 0:
        path[length] = outward_edges[detector]
        length += 1
        detector = detectors[detector].outward
    return length


@kernel
def write_list_path(graph, work, detector, entry, length):
    """Append the edges from a detector to an entry of its list to WORK.path; return the new length."""
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
def write_searched_path(graph, work, detector, other):
    """Write the edges between two detectors, found by Dijkstra's search, to WORK.path.

    Returns their number.
    """
    search_nodes, path = pool(work, "dijkstra_nodes"), pool(work, "path")
    start_dijkstra(work, detector)
    while settle_next(graph, work) != other:
        pass
    length = 0
    while other != detector:
        path[length] = lightest_now(work, search_nodes[other].edge)
        length += 1
        other = search_nodes[other].parent
    end_dijkstra(work)
    return length


@kernel
def lightest_now(work, slot):
    """Return the lightest edge parallel to an edge of the graph, lowered weights included."""
    if work.num_active > 0 and pool(work, "lowered")[slot] != NOT_LOWERED:
        return np.int64(pool(work, "lowered_as")[slot])
    return np.int64(slot)


@kernel
def path_to_exit(graph, work, detector, exit, distance):
    """Write the edges of a path of length `distance` to the boundary past lowered edges to WORK.path.

    After the detector `exit` the path takes that detector's lowered edge to the boundary or its precomputed
    path. Returns the number of edges.
    """
    search_nodes, path, lowered = pool(work, "dijkstra_nodes"), pool(work, "path"), pool(work, "lowered")
    start_dijkstra(work, detector)
    while settle_next(graph, work) != exit:
        pass
    rest = distance - search_nodes[exit].distance
    length = 0
    here = exit
    while here != detector:
        path[length] = lightest_now(work, search_nodes[here].edge)
        length += 1
        here = search_nodes[here].parent
    end_dijkstra(work)
    slot = pool(graph, "boundary_edge")[exit]
    if slot >= 0 and lowered[slot] == rest:
        path[length] = pool(work, "lowered_as")[slot]
        return length + 1
    return write_boundary_path(graph, work, exit, length)


@kernel
def write_detour_path(graph, work, index, outward):
    """Write the edges of a path through an active edge (record DETOUR) to WORK.path; return their number."""
    detour, path = pool(work, "detours")[index], pool(work, "path")
    length = np.int64(0)
    if detour.entry >= 0:
        length = write_list_path(graph, work, detour.start, detour.entry, length)
    path[length] = lightest_now(work, detour.slot)
    length += 1
    if outward:
        if detour.end >= 0:
            slot = pool(graph, "boundary_edge")[detour.end]
            if slot >= 0 and pool(work, "lowered")[slot] < pool(graph, "detectors")[detour.end].boundary:
                path[length] = lightest_now(work, slot)
                length += 1
            else:
                length = write_boundary_path(graph, work, detour.end, length)
    elif detour.exit >= 0:
        length = write_list_path(graph, work, detour.end, detour.exit, length)
    return length


@kernel
def flip_path(graph, work, length):
    """Apply the observables of the first `length` edges of WORK.path to WORK.flips."""
    edge_flips, path, flips = pool(graph, "edge_flips"), pool(work, "path"), pool(work, "flips")
    width = graph.flip_bytes
    for at in range(length):
        for byte in range(width):
            flips[byte] ^= edge_flips[path[at] * width + byte]
