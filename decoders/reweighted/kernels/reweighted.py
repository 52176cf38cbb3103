"""Matching under weights that every shot has of its own.

Nothing can be prepared but the topology. So each event looks around itself, nearest detectors first, only
until it has met another event or is surer of the boundary; what it has seen becomes its neighbour list, in
the form that the searches know. A way to the boundary longer than that is not needed by events matched in
the first pass: searches find it, if they come so far.

For kernels: `match_reweighted(graph, reweight, work, detectors, count, weights)` matches `count` detection
events under `weights`, int32 (num_edges,), even, of any sign, their sizes adding up to less than 2**31 on any
path; then `work.flips` and `work.weight` describe the matching, and `reweighted_edges` lists its edges.
`graph`, `reweight` and `work` are records of a `ReweightedGraph` and a `Workspace` for it; each thread needs
its own of all three. The same events can be matched again under other weights, at once.
"""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import ADD, AT_BOUNDARY, FAR, FLIPS_SOMETHING, FULL, LIST_LIMIT, OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import search_all
from decoders.matching.kernels.correction import apply_mate, mate_path
from decoders.matching.kernels.dijkstra import ball_end, ball_next, ball_start
from decoders.matching.kernels.first_pass import find_nearest, load_events, match_few, match_nearest
from decoders.matching.kernels.paths import path_outward

# DETECTOR.outward of a detector whose way to the boundary has not been laid.
UNKNOWN = np.int64(-2)


@kernel
def load_weights(graph, reweight, weights):
    """Give every edge its weight of this shot; those of negative weight are taken as present.

    Of edges with the same two ends only the lightest counts. Taking a negative edge as present leaves an edge
    of the opposite weight, which takes it away again (Edmonds and Johnson 1973).
    """
    adjacent, places, present = pool(graph, "adjacent"), pool(reweight, "places"), pool(reweight, "present")
    boundary_weight, boundary_edge = pool(reweight, "boundary_weight"), pool(graph, "boundary_edge")
    twin_of, edge_has_flips = pool(reweight, "twin_of"), pool(reweight, "edge_has_flips")
    ends = pool(graph, "ends")
    num_present = 0
    total = np.int64(0)
    for edge in range(reweight.num_edges):
        weight = np.int64(weights[edge])
        if weight < 0:
            present[num_present] = edge
            num_present += 1
            total += weight
            weight = -weight
        there, back = places[2 * edge], places[2 * edge + 1]
        if reweight.has_twins == 0 or twin_of[edge] == edge:
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
        if reweight.has_twins:
            adjacent[there].edge = edge
            adjacent[back].edge = edge
            adjacent[there].flips = edge_has_flips[edge]
            adjacent[back].flips = edge_has_flips[edge]
    reweight.num_present = num_present
    reweight.present_weight = total


@kernel
def load_found(graph, reweight, work, detectors, count):
    """Put the detection events that are left by the present edges into `found`, ascending if they were.

    Returns how many there are.
    """
    found, parity = pool(work, "found"), pool(reweight, "parity")
    present, ends = pool(reweight, "present"), pool(graph, "ends")
    if reweight.num_present == 0:
        for index in range(count):
            found[index] = detectors[index]
        return count
    for index in range(count):
        parity[detectors[index]] = 1
    for at in range(reweight.num_present):
        edge = present[at]
        parity[ends[2 * edge]] ^= 1
        if ends[2 * edge + 1] >= 0:
            parity[ends[2 * edge + 1]] ^= 1
    size = 0
    for index in range(count):
        if parity[detectors[index]]:
            parity[detectors[index]] = 0
            found[size] = detectors[index]
            size += 1
    for at in range(reweight.num_present):
        for end in range(2):
            detector = np.int64(ends[2 * present[at] + end])
            if detector < 0 or parity[detector] == 0:
                continue
            parity[detector] = 0
            place = size
            while place > 0 and found[place - 1] > detector:
                found[place] = found[place - 1]
                place -= 1
            found[place] = detector
            size += 1
    return size


@kernel
def take_present(graph, reweight, work):
    """Start `flips` and `weight` with what is always there and with the edges taken as present."""
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    edge_flips = pool(graph, "edge_flips")
    present = pool(reweight, "present")
    width = graph.flip_bytes
    for byte in range(width):
        flips[byte] = certain_flips[byte]
    for at in range(reweight.num_present):
        for byte in range(width):
            flips[byte] ^= edge_flips[present[at] * width + byte]
    work.weight = reweight.present_weight


@kernel
def lay_chain(graph, reweight, work, source, end):
    """Lay the way from the present search's source to the boundary beyond `end`.

    Where it meets a way laid before, it goes on along that one, which is as short: no two make a circle.
    """
    detectors, nodes = pool(graph, "detectors"), pool(work, "ball_nodes")
    chained = pool(reweight, "chained")
    outward_edges = pool(graph, "outward_edges")
    following = np.int64(-1)
    edge = np.int64(pool(graph, "boundary_edge")[end])
    while True:
        if detectors[end].outward == UNKNOWN:
            detectors[end].outward = following
            outward_edges[end] = edge
            chained[reweight.num_chained] = end
            reweight.num_chained += 1
        if end == source:
            return
        following = end
        edge = nodes[end].edge
        end = nodes[end].parent


@kernel
def note_boundary(graph, work, source):
    """Write what the way from a detector to the boundary flips."""
    detectors, path = pool(graph, "detectors"), pool(work, "path")
    edge_flips, boundary_flips = pool(graph, "edge_flips"), pool(graph, "boundary_flips")
    width = graph.flip_bytes
    detectors[source].flips = 0
    if width == 0:
        return
    for byte in range(width):
        boundary_flips[source * width + byte] = 0
    for at in range(path_outward(graph, work, source, 0)):
        for byte in range(width):
            boundary_flips[source * width + byte] ^= edge_flips[path[at] * width + byte]
    for byte in range(width):
        if boundary_flips[source * width + byte]:
            detectors[source].flips = FLIPS_SOMETHING


@kernel
def look_around(graph, reweight, work, source, used):
    """Write an event's neighbour list, from place `used` on, up to and with the first event in it.

    Its distance to the boundary is final if that is nearer, or nothing else is: otherwise it is set to FAR,
    which is as good as the truth while events are compared with their nearest. Returns the place behind the
    list, and whether the list ended too early for that.

    Dijkstra's search, as in `dijkstra.py`, but what is farther than an event or twice the boundary, as far as
    they are known yet, is not even queued.
    """
    detectors, near, parents = pool(graph, "detectors"), pool(graph, "near"), pool(graph, "parents")
    steps = pool(graph, "steps")
    nodes, queue, touched = pool(work, "ball_nodes"), pool(work, "ball_queue"), pool(work, "ball_touched")
    indptr, adjacent = pool(graph, "indptr"), pool(graph, "adjacent")
    event_of, boundary_weight = pool(work, "event_of"), pool(reweight, "boundary_weight")
    first = used
    own = adjacent[indptr[source]].edge if indptr[source] < indptr[source + 1] else np.int32(0)
    ball_start(work, source)
    size = work.ball_size
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
        if distance > limit:  # it was queued when less was known
            break
        if here != source:
            if used - first == reweight.list_length or used + 1 == graph.num_near or distance >= LIST_LIMIT:
                radius = distance
                cut = True
                break
            node = nodes[here]
            node.entry = used - first
            near[used].detector = here - source
            near[used].span = distance | node.flips
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
                touched[work.ball_reached] = other
                work.ball_reached += 1
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
    # All detectors nearer than the radius have been seen.
    if boundary <= radius and boundary < FAR:
        detector.boundary = boundary
        lay_chain(graph, reweight, work, source, end)
        note_boundary(graph, work, source)
        cut = False
    ball_end(work)
    return used, cut


@kernel
def forget_chains(graph, reweight):
    """No way to the boundary is laid."""
    detectors, chained = pool(graph, "detectors"), pool(reweight, "chained")
    if reweight.num_chained < 0:
        for detector in range(graph.num_detectors):
            detectors[detector].outward = UNKNOWN
    for at in range(reweight.num_chained):
        detectors[chained[at]].outward = UNKNOWN
    reweight.num_chained = 0


@kernel
def settle_boundaries(graph, reweight, work, count):
    """Measure the distances of all events to the boundary, in one search from there."""
    detectors, indptr, adjacent = pool(graph, "detectors"), pool(graph, "indptr"), pool(graph, "adjacent")
    found, event_of, queue = pool(work, "found"), pool(work, "event_of"), pool(work, "ball_queue")
    boundary_weight, boundary_edge = pool(reweight, "boundary_weight"), pool(graph, "boundary_edge")
    outward_edges = pool(graph, "outward_edges")
    reweight.num_chained = -1
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
        if detectors[found[index]].boundary < FAR:
            note_boundary(graph, work, found[index])


@kernel
def lay_found_way(graph, reweight, work, index):
    """Lay an event's way to the boundary if it is matched there and a search has found the way."""
    event, node = pool(work, "events")[index], pool(work, "nodes")[index]
    detector = pool(graph, "detectors")[event.detector]
    if event.mate != AT_BOUNDARY or detector.boundary < FAR:
        return
    detector.boundary = node.boundary
    ball_start(work, event.detector)
    while ball_next(graph, work) != node.exit:
        pass
    lay_chain(graph, reweight, work, event.detector, node.exit)
    ball_end(work)
    note_boundary(graph, work, event.detector)


@kernel
def prepare_events(graph, reweight, work, count):
    """Give every event in `found` its neighbour list and, where it matters yet, how far the boundary is."""
    found, event_of = pool(work, "found"), pool(work, "event_of")
    for index in range(count):
        event_of[found[index]] = index
    forget_chains(graph, reweight)
    used = 0
    any_cut = False
    for index in range(count):
        used, cut = look_around(graph, reweight, work, found[index], used)
        any_cut = any_cut or cut
    if any_cut:
        settle_boundaries(graph, reweight, work, count)


@kernel
def first_pass(graph, reweight, work, count):
    """Match what is tight at once; returns how many events are left."""
    take_present(graph, reweight, work)
    load_events(graph, work, count)
    find_nearest(graph, work, count)
    return match_nearest(graph, work, count)


@kernel
def match_reweighted(graph, reweight, work, detectors, count, weights):
    """Match detection events under the weights of this shot.

    detectors: int64, the first `count` are those of the events. weights: int32 (num_edges,), even.
    Returns the number of events that were left after taking negative edges as present, and a status.
    """
    event_of, woken, found = pool(work, "event_of"), pool(work, "woken"), pool(work, "found")
    load_weights(graph, reweight, weights)
    count = load_found(graph, reweight, work, detectors, count)
    take_present(graph, reweight, work)
    if count == 0:
        return count, OK
    prepare_events(graph, reweight, work, count)
    status = OK
    few = work.keep_duals == 0 and match_few(graph, work, count)
    if not few and first_pass(graph, reweight, work, count) > 0:
        status = search_all(graph, work, count)
        for at in range(work.num_woken):
            if status == OK:
                lay_found_way(graph, reweight, work, woken[at])
                apply_mate(graph, work, woken[at], ADD)
    for index in range(count):
        event_of[found[index]] = -1
    return count, status


@kernel
def reweighted_edges(graph, reweight, work, count, edges):
    """List the edges of the matching of `match_reweighted`, which returned `count`, those present included.

    edges: int32; an edge that is listed an even number of times is not part of the solution. Returns how many
    are listed and a status.
    """
    path, present = pool(work, "path"), pool(reweight, "present")
    size = 0
    for at in range(reweight.num_present):
        if size == len(edges):
            return size, FULL
        edges[size] = present[at]
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
    """Match one shot and list the edges of its matching; returns how many are listed and a status."""
    graph, reweight, work = graphs[0], reweights[0], works[0]
    count, status = match_reweighted(graph, reweight, work, detectors, len(detectors), weights)
    if status != OK:
        return 0, status
    return reweighted_edges(graph, reweight, work, count, edges)
