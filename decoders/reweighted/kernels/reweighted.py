"""Exact matching under per-shot edge weights.

Only the topology can be precomputed. Each event therefore searches its neighbourhood, nearest detectors
first, until it has reached another event or the boundary is known to be nearer; the detectors settled become
its neighbour list, in the form that the searches of `matching` read. Events matched in the first pass need no
longer path to the boundary; the tree searches find it if they grow that far.

Entry for kernels: `match_reweighted(graph, reweight, work, detectors, count, weights)`. Afterwards
`work.flips` and `work.weight` describe the matching, and `reweighted_edges` lists its edges. The weights of
any path must add up to less than 2**31 in absolute value. `graph`, `reweight` and `work` are records of a
`ReweightedGraph` and a `Workspace` for it; each thread needs its own. The same events can be matched again
under other weights at once.
"""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import ADD, AT_BOUNDARY, FAR, FULL, LIST_LIMIT, OK, PATH_FLIPS
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import search_all
from decoders.matching.kernels.correction import apply_mate, mate_path
from decoders.matching.kernels.dijkstra import end_dijkstra, settle_next, start_dijkstra
from decoders.matching.kernels.first_pass import (
    find_nearest,
    load_events,
    match_small_shot,
    match_tight_pairs,
)
from decoders.matching.kernels.paths import write_boundary_path

# DETECTOR.outward of a detector whose path to the boundary is not stored.
UNKNOWN = np.int64(-2)


@kernel
def load_weights(graph, reweight, weights):
    """Set the weight of every edge; edges of negative weight are assumed present.

    Of parallel edges only the lightest counts. Assuming a negative edge present leaves an edge of the
    opposite weight, which removes it again (Edmonds and Johnson 1973).

    Args:
        graph: GRAPH record; writes adjacent and boundary_edge.
        reweight: REWEIGHT record; writes present, boundary_weight and their totals.
        weights: int32 (num_edges,), even.
    """
    adjacent, positions, negative = (
        pool(graph, "adjacent"),
        pool(reweight, "positions"),
        pool(reweight, "negative"),
    )
    boundary_weight, boundary_edge = pool(reweight, "boundary_weight"), pool(graph, "boundary_edge")
    first_parallel, edge_has_flips = pool(reweight, "first_parallel"), pool(reweight, "edge_has_flips")
    ends = pool(graph, "ends")
    num_negative = 0
    total = np.int64(0)
    for edge in range(reweight.num_edges):
        weight = np.int64(weights[edge])
        if weight < 0:
            negative[num_negative] = edge
            num_negative += 1
            total += weight
            weight = -weight
        there, back = positions[2 * edge], positions[2 * edge + 1]
        if reweight.has_parallel_edges == 0 or first_parallel[edge] == edge:
            lighter = True
        elif back < 0:
            lighter = weight < boundary_weight[ends[2 * edge]]
        else:
            lighter = weight < adjacent[there].weight
        if not lighter:
            continue
        if back < 0:
            boundary_weight[ends[2 * edge]] = weight
            boundary_edge[ends[2 * edge]] = edge
            continue
        adjacent[there].weight = weight
        adjacent[back].weight = weight
        if reweight.has_parallel_edges:
            adjacent[there].edge = edge
            adjacent[back].edge = edge
            adjacent[there].flips = edge_has_flips[edge]
            adjacent[back].flips = edge_has_flips[edge]
    reweight.num_negative = num_negative
    reweight.negative_weight = total


@kernel
def load_residual_events(graph, reweight, work, detectors, count):
    """Write the detection events that the present edges leave to WORK.fired; return their number.

    `detectors` int64 (capacity,): the first `count` are the shot's events; ascending order is preserved.
    """
    fired, parity = pool(work, "fired"), pool(reweight, "parity")
    negative, ends = pool(reweight, "negative"), pool(graph, "ends")
    if reweight.num_negative == 0:
        for index in range(count):
            fired[index] = detectors[index]
        return count
    for index in range(count):
        parity[detectors[index]] = 1
    for at in range(reweight.num_negative):
        edge = negative[at]
        parity[ends[2 * edge]] ^= 1
        if ends[2 * edge + 1] >= 0:
            parity[ends[2 * edge + 1]] ^= 1
    size = 0
    for index in range(count):
        if parity[detectors[index]]:
            parity[detectors[index]] = 0
            fired[size] = detectors[index]
            size += 1
    for at in range(reweight.num_negative):
        for end in range(2):
            detector = np.int64(ends[2 * negative[at] + end])
            if detector < 0 or parity[detector] == 0:
                continue
            parity[detector] = 0
            place = size
            while place > 0 and fired[place - 1] > detector:
                fired[place] = fired[place - 1]
                place -= 1
            fired[place] = detector
            size += 1
    return size


@kernel
def apply_negative_edges(graph, reweight, work):
    """Initialise `flips` and `weight` of the workspace with certain flips and the edges assumed present."""
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    edge_flips = pool(graph, "edge_flips")
    negative = pool(reweight, "negative")
    width = graph.flip_bytes
    for byte in range(width):
        flips[byte] = certain_flips[byte]
    for at in range(reweight.num_negative):
        for byte in range(width):
            flips[byte] ^= edge_flips[negative[at] * width + byte]
    work.weight = reweight.negative_weight


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
def build_event_lists(graph, reweight, work, count):
    """Build the neighbour lists of the events in WORK.fired and, where needed, their boundary distances."""
    fired, event_of = pool(work, "fired"), pool(work, "event_of")
    for index in range(count):
        event_of[fired[index]] = index
    reset_boundary_paths(graph, reweight)
    used = 0
    any_cut = False
    for index in range(count):
        used, cut = build_neighbour_list(graph, reweight, work, fired[index], used)
        any_cut = any_cut or cut
    if any_cut:
        measure_event_boundaries(graph, reweight, work, count)


@kernel
def run_first_pass(graph, reweight, work, count):
    """Match tight pairs and tight boundary edges; return the number of unmatched events."""
    apply_negative_edges(graph, reweight, work)
    load_events(graph, work, count)
    find_nearest(graph, work, count)
    return match_tight_pairs(graph, work, count)


@kernel
def match_reweighted(graph, reweight, work, detectors, count, weights):
    """Match detection events under the weights of this shot.

    Args:
        graph: GRAPH record; written.
        reweight: REWEIGHT record; written.
        work: WORK record; written.
        detectors: int64 (capacity,): the first `count` are the detectors that fired.
        count: number of events.
        weights: int32 (num_edges,), even.

    Returns:
        Number of events after edges of negative weight were assumed present, and a status.
    """
    load_weights(graph, reweight, weights)
    return match_loaded(graph, reweight, work, detectors, count)


@kernel
def match_loaded(graph, reweight, work, detectors, count):
    """Match detection events as `match_reweighted` does, under the weights that are loaded."""
    event_of, visited, fired = pool(work, "event_of"), pool(work, "visited"), pool(work, "fired")
    count = load_residual_events(graph, reweight, work, detectors, count)
    apply_negative_edges(graph, reweight, work)
    if count == 0:
        return count, OK
    build_event_lists(graph, reweight, work, count)
    status = OK
    few = work.keep_duals == 0 and match_small_shot(graph, work, count)
    if not few and run_first_pass(graph, reweight, work, count) > 0:
        status = search_all(graph, work, count)
        for at in range(work.num_visited):
            if status == OK:
                store_found_boundary_path(graph, reweight, work, visited[at])
                apply_mate(graph, work, visited[at], ADD)
    for index in range(count):
        event_of[fired[index]] = -1
    return count, status


@kernel
def reweighted_edges(graph, reweight, work, count, edges):
    """List the edges of the matching of `match_reweighted`, including those assumed present.

    Args:
        graph, reweight, work: records as left by `match_reweighted`.
        count: number of events that it returned.
        edges: int32 (capacity,), written; an edge listed an even number of times is not in the solution.

    Returns:
        Number of edges listed, and a status.
    """
    path, negative = pool(work, "path"), pool(reweight, "negative")
    size = 0
    for at in range(reweight.num_negative):
        if size == len(edges):
            return size, FULL
        edges[size] = negative[at]
        size += 1
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            if size == len(edges):
                return size, FULL
            edges[size] = path[at]
            size += 1
    return size, OK


@entry_point
def match_to_edges(graphs, reweights, works, detectors, weights, edges):
    """Match one shot and list the edges of its matching; return their number and a status.

    Args:
        graphs, reweights, works: one record each; written.
        detectors: int64 (events,).
        weights: int32 (num_edges,), even.
        edges: int32 (capacity,), written.
    """
    graph, reweight, work = graphs[0], reweights[0], works[0]
    count, status = match_reweighted(graph, reweight, work, detectors, len(detectors), weights)
    if status != OK:
        return 0, status
    return reweighted_edges(graph, reweight, work, count, edges)
