"""Neighbour lists and boundary distances of the detection events of one shot.

Only the topology can be precomputed. Each event therefore searches its neighbourhood, nearest detectors
first, until it has reached another event or the boundary is known to be nearer; the detectors settled become
its neighbour list, in the form that the searches of `matching` read.

Where few weights change from shot to shot, lists under the weights common to all shots (the base weights) are
kept: a list is valid up to its first detector with a changed edge. `build_base_lists` builds them when they
are first needed; a shot in which REWEIGHT.use_base_lists is 0 does without.
"""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, FAR, LIST_LIMIT, PATH_FLIPS
from decoders.kernels.records import pool
from decoders.matching.kernels.dijkstra import end_dijkstra, settle_next, start_dijkstra
from decoders.matching.kernels.paths import write_boundary_path

# DETECTOR.outward of a detector whose path to the boundary is not stored.
UNKNOWN = np.int64(-2)


@kernel
def store_boundary_path(graph, reweight, work, source, end):
    """Store the path from the source of the present search to the boundary edge of `end`.

    Where it meets a stored path, it follows that path, which is equally short; so no two paths form a cycle.
    Writes DETECTOR.outward, outward_edges and REWEIGHT.routed.
    """
    detectors, nodes = pool(graph, "detectors"), pool(work, "dijkstra_nodes")
    routed = pool(reweight, "routed")
    outward_edges = pool(graph, "outward_edges")
    following = np.int64(-1)
    edge = np.int64(pool(graph, "boundary_edge")[end])
    while True:
        if detectors[end].outward == UNKNOWN:
            detectors[end].outward = following
            outward_edges[end] = edge
            routed[reweight.num_routed] = end
            reweight.num_routed += 1
        if end == source:
            return
        following = end
        edge = nodes[end].edge
        end = nodes[end].parent


@kernel
def store_boundary_flips(graph, work, source):
    """Write the observables that the stored path of a detector flips to DETECTOR.flips and boundary_flips."""
    detectors, path = pool(graph, "detectors"), pool(work, "path")
    edge_flips, boundary_flips = pool(graph, "edge_flips"), pool(graph, "boundary_flips")
    width = graph.flip_bytes
    detectors[source].flips = 0
    if width == 0:
        return
    for byte in range(width):
        boundary_flips[source * width + byte] = 0
    for at in range(write_boundary_path(graph, work, source, 0)):
        for byte in range(width):
            boundary_flips[source * width + byte] ^= edge_flips[path[at] * width + byte]
    for byte in range(width):
        if boundary_flips[source * width + byte]:
            detectors[source].flips = PATH_FLIPS


@kernel
def build_neighbour_list(graph, reweight, work, source, used):
    """Write the neighbour list of an event, up to and including the first event found.

    Its distance to the boundary is final if the boundary is nearer or no event was found; otherwise it is set
    to FAR, which is equivalent as long as events are compared with their nearest. This is Dijkstra's search
    as in `dijkstra.py`, but detectors farther than a known event or twice the known boundary distance are not
    queued.

    Args:
        graph: GRAPH record; writes `neighbours`, parents, steps, and list fields and boundary of DETECTOR.
        reweight: REWEIGHT record; may store a boundary path.
        work: WORK record; Dijkstra fields are scratch.
        source: the detector.
        used: first free entry of `neighbours`.

    Returns:
        Entry after the list, and whether the list was truncated before the boundary distance was final.
    """
    detectors, neighbours, parents = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(graph, "parents"),
    )
    steps = pool(graph, "steps")
    nodes, queue, touched = (
        pool(work, "dijkstra_nodes"),
        pool(work, "dijkstra_queue"),
        pool(work, "dijkstra_touched"),
    )
    indptr, adjacent = pool(graph, "indptr"), pool(graph, "adjacent")
    event_of, boundary_weight = pool(work, "event_of"), pool(reweight, "boundary_weight")
    first = used
    own = adjacent[indptr[source]].edge if indptr[source] < indptr[source + 1] else np.int32(0)
    start_dijkstra(work, source)
    size = work.dijkstra_queue_size
    boundary = boundary_weight[source]
    end = np.int64(source)
    limit = 2 * boundary
    radius = FAR
    cut = False
    while size > 0:
        distance = queue[0].key
        here = queue[0].what
        size = drop_first(queue, size)
        if distance > nodes[here].distance:
            continue
        if distance > limit:  # queued before the limit was lowered
            break
        if here != source:
            if (
                used - first == reweight.list_length
                or used + 1 == graph.num_neighbours
                or distance >= LIST_LIMIT
            ):
                radius = distance
                cut = True
                break
            node = nodes[here]
            node.entry = used - first
            neighbours[used].detector = here - source
            neighbours[used].span = distance | node.flips
            parents[used] = nodes[node.parent].entry
            steps[used] = node.edge - own
            used += 1
            if event_of[here] >= 0:
                radius = distance
                break
        for at in range(indptr[here], indptr[here + 1]):
            other = np.int64(adjacent[at].detector)
            there = nodes[other]
            through = distance + adjacent[at].weight
            if through > limit:
                continue
            if there.distance < 0:
                touched[work.num_dijkstra_touched] = other
                work.num_dijkstra_touched += 1
            elif there.distance <= through:
                continue
            there.distance = through
            there.parent = here
            there.edge = adjacent[at].edge
            there.flips = nodes[here].flips | adjacent[at].flips
            size = push(queue, size, through, other)
            if event_of[other] >= 0:
                limit = through
            elif boundary_weight[other] < FAR and through + boundary_weight[other] < boundary:
                boundary = through + boundary_weight[other]
                end = other
                limit = min(limit, 2 * boundary)
    detector = detectors[source]
    detector.first = first
    detector.last = used
    detector.radius = min(radius, 2 * boundary, FAR)
    detector.boundary = FAR
    # All detectors nearer than the radius have been settled.
    if boundary <= radius and boundary < FAR:
        detector.boundary = boundary
        store_boundary_path(graph, reweight, work, source, end)
        store_boundary_flips(graph, work, source)
        cut = False
    end_dijkstra(work)
    return used, cut


@kernel
def reset_boundary_paths(graph, reweight):
    """Reset the stored paths to the boundary."""
    detectors, routed = pool(graph, "detectors"), pool(reweight, "routed")
    if reweight.num_routed < 0:
        for detector in range(graph.num_detectors):
            detectors[detector].outward = UNKNOWN
    for at in range(reweight.num_routed):
        detectors[routed[at]].outward = UNKNOWN
    reweight.num_routed = 0


@kernel
def measure_event_boundaries(graph, reweight, work, count):
    """Compute the distances of all events to the boundary in one Dijkstra search from there.

    Writes boundary, outward and flips of DETECTOR, outward_edges and boundary_flips.
    """
    detectors, indptr, adjacent = pool(graph, "detectors"), pool(graph, "indptr"), pool(graph, "adjacent")
    fired, event_of, queue = pool(work, "fired"), pool(work, "event_of"), pool(work, "dijkstra_queue")
    boundary_weight, boundary_edge = pool(reweight, "boundary_weight"), pool(graph, "boundary_edge")
    outward_edges = pool(graph, "outward_edges")
    reweight.num_routed = -1
    size = 0
    for index in range(graph.num_detectors):
        detectors[index].boundary = boundary_weight[index]
        detectors[index].outward = -1
        outward_edges[index] = boundary_edge[index]
        if boundary_weight[index] < FAR:
            size = push(queue, size, boundary_weight[index], np.int64(index))
    left = count
    while size > 0 and left > 0:
        distance = queue[0].key
        here = queue[0].what
        size = drop_first(queue, size)
        if distance > detectors[here].boundary:
            continue
        if event_of[here] >= 0:
            left -= 1
        for at in range(indptr[here], indptr[here + 1]):
            there = detectors[adjacent[at].detector]
            through = distance + adjacent[at].weight
            if through < there.boundary:
                there.boundary = through
                there.outward = here
                outward_edges[adjacent[at].detector] = adjacent[at].edge
                size = push(queue, size, through, np.int64(adjacent[at].detector))
    for index in range(count):
        if detectors[fired[index]].boundary < FAR:
            store_boundary_flips(graph, work, fired[index])


@kernel
def store_found_boundary_path(graph, reweight, work, index):
    """Store an event's path to the boundary if it is matched there and a tree search found the path."""
    event, node = pool(work, "events")[index], pool(work, "nodes")[index]
    detector = pool(graph, "detectors")[event.detector]
    if event.mate != AT_BOUNDARY or detector.boundary < FAR:
        return
    detector.boundary = node.boundary
    start_dijkstra(work, event.detector)
    while settle_next(graph, work) != node.exit:
        pass
    store_boundary_path(graph, reweight, work, event.detector, node.exit)
    end_dijkstra(work)
    store_boundary_flips(graph, work, event.detector)


@kernel
def build_base_lists(graph, reweight, work, detectors, count):
    """Build the neighbour lists under the base weights, where missing, of the first `count` of the detectors.

    The base weights are loaded and no detector is an event.

    Args:
        graph: GRAPH record; writes `neighbours`, parents, steps, and fields of DETECTOR as scratch.
        reweight: REWEIGHT record; writes base_lists and num_base_entries.
        work: WORK record; Dijkstra fields are scratch.
        detectors: int64 (capacity,).
        count: number of detectors.
    """
    base_lists, neighbours = pool(reweight, "base_lists"), pool(graph, "neighbours")
    for index in range(count):
        source = detectors[index]
        base, detector = base_lists[source], pool(graph, "detectors")[source]
        used = reweight.num_base_entries
        if base.first >= 0 or used + reweight.list_length > reweight.most_base_entries:
            continue
        reset_boundary_paths(graph, reweight)
        reweight.num_base_entries, _ = build_neighbour_list(graph, reweight, work, source, used)
        base.first = detector.first
        base.last = detector.last
        base.radius = detector.radius
        base.boundary = detector.boundary
        base.end = -1
        if detector.boundary < FAR:
            end = source
            while pool(graph, "detectors")[end].outward >= 0:
                end = pool(graph, "detectors")[end].outward
            for at in range(detector.first, detector.last):
                if neighbours[at].detector == end - source:
                    base.end = at - detector.first


@kernel
def store_base_boundary_path(graph, reweight, source):
    """Store the path of a base list to the boundary, as `store_boundary_path` does."""
    detectors, routed = pool(graph, "detectors"), pool(reweight, "routed")
    neighbours, parents, steps = pool(graph, "neighbours"), pool(graph, "parents"), pool(graph, "steps")
    indptr, outward_edges = pool(graph, "indptr"), pool(graph, "outward_edges")
    base = pool(reweight, "base_lists")[source]
    entry = base.end
    end = source if entry < 0 else source + neighbours[base.first + entry].detector
    following = np.int64(-1)
    edge = np.int64(pool(graph, "boundary_edge")[end])
    while True:
        if detectors[end].outward == UNKNOWN:
            detectors[end].outward = following
            outward_edges[end] = edge
            routed[reweight.num_routed] = end
            reweight.num_routed += 1
        if entry < 0:
            return
        following = end
        edge = np.int64(pool(graph, "adjacent")[indptr[source]].edge) + steps[base.first + entry]
        entry = np.int64(parents[base.first + entry])
        end = source if entry < 0 else source + neighbours[base.first + entry].detector


@kernel
def take_base_list(graph, reweight, work, source):
    """Make the beginning of a base list the neighbour list of an event; return whether that is enough.

    The list ends before the first detector that has an edge with a changed weight: up to its distance, all
    distances are those under the base weights. That is enough if the list has an event, or the boundary is
    that near.
    """
    event_of, is_changed = pool(work, "event_of"), pool(reweight, "is_changed")
    neighbours = pool(graph, "neighbours")
    base = pool(reweight, "base_lists")[source]
    if base.first < 0 or is_changed[source]:
        return False
    last = base.last
    radius = base.radius
    found = False
    for at in range(base.first, base.last):
        other = source + neighbours[at].detector
        if is_changed[other]:
            last = at
            radius = np.int64(neighbours[at].span & ~1)
            break
        found = found or event_of[other] >= 0
    if not found and base.boundary > radius:
        return False
    detector = pool(graph, "detectors")[source]
    detector.first = base.first
    detector.last = last
    detector.radius = radius
    detector.boundary = FAR
    if base.boundary <= radius and base.boundary < FAR:
        detector.boundary = base.boundary
        store_base_boundary_path(graph, reweight, source)
        store_boundary_flips(graph, work, source)
    return True


@kernel
def build_event_lists(graph, reweight, work, count):
    """Build the neighbour lists of the events in WORK.fired and, where needed, their boundary distances."""
    fired, event_of = pool(work, "fired"), pool(work, "event_of")
    for index in range(count):
        event_of[fired[index]] = index
    reset_boundary_paths(graph, reweight)
    used = reweight.most_base_entries
    any_cut = False
    for index in range(count):
        if reweight.use_base_lists and take_base_list(graph, reweight, work, fired[index]):
            continue
        used, cut = build_neighbour_list(graph, reweight, work, fired[index], used)
        any_cut = any_cut or cut
    if any_cut:
        measure_event_boundaries(graph, reweight, work, count)
