"""Complementary gap by one additional search after the matching.

The solutions of the two classes of an observable differ in whether an odd number of events is matched to the
boundary that flips it (see `decoders.gaps.logical_classes`). Represent each of the two boundaries by an
additional event, whose distance to another event is the distance of that event to this boundary. With radius
zero for both, the radii of the shot's matching are a feasible dual solution. If the two new events must be
matched as well, the best solution is one search away (Edmonds 1965), and it is the best solution of the
other class. Each unit of time in which both grow adds two to the weight: the gap is twice the time at which
their trees meet, and nothing needs to be rematched.

Events that are matched to a boundary touch its event from the start, so they grow with it as one blossom
(through it they could be paired with each other at no cost). An edge between two events through a boundary
event is never tight unless it passes that event, so neighbour lists need not contain it.
"""

from decoders.kernels.bits import is_empty_shot
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import AT_BOUNDARY, FAR, FREE, FULL, NONE, OK, OUTER
from decoders.kernels.records import pool
from decoders.matching.kernels.alternating_tree import dissolve_tree, grow_tree
from decoders.matching.kernels.batch import match_shot, reset_search
from decoders.matching.kernels.blossoms import add_to_tree, allocate_blossom, link_siblings, schedule_region
from decoders.matching.kernels.known_edges import add_edge
from decoders.matching.kernels.regions import create_node, visit_event


@kernel
def add_boundary_event(graph, work, index, count, detector, distances, across):
    """Create the event `index` of a boundary, and its edges to those of the events 0..count-1 that matter.

    Args:
        graph: GRAPH record with two additional detectors.
        work: WORK record; writes events and known edges.
        index: the new event.
        count: number of events of the shot.
        detector: detector of the new event.
        distances: int64 (detectors,): distances to this boundary.
        across: distance between the boundaries.
    """
    events = pool(work, "events")
    event = events[index]
    event.detector = detector
    event.mate = FREE
    event.scan = 0
    event.nearest = NONE
    event.reverse_nearest = NONE
    event.next_reverse_nearest = NONE
    event.first = NONE
    event.top = index
    event.radius = 0
    event.reach = FAR  # all its edges are known
    create_node(graph, work, index)
    for other in range(count):
        distance = distances[events[other].detector]
        if distance - events[other].radius < across:  # otherwise the boundaries meet first
            add_edge(work, index, other, distance, NONE)


@kernel
def add_child(work, blossom, child):
    """Append a region to the ring of a blossom under construction. Writes `nodes`."""
    nodes, events = pool(work, "nodes"), pool(work, "events")
    shell = nodes[blossom]
    node = nodes[child]
    last = nodes[shell.child].previous
    link_siblings(work, last, NONE, child)
    link_siblings(work, child, NONE, shell.child)
    node.parent = blossom
    events[shell.last_leaf].next_leaf = node.first_leaf
    shell.last_leaf = node.last_leaf
    event = node.first_leaf
    events[event].top = blossom
    while event != node.last_leaf:
        event = events[event].next_leaf
        events[event].top = blossom


@kernel
def grow_boundary_event(graph, work, seed, count, distances):
    """Start to grow the event of a boundary together with all regions matched to this boundary.

    Writes nodes, the tree and the queue of `work`.
    """
    events, nodes, detectors = pool(work, "events"), pool(work, "nodes"), pool(graph, "detectors")
    root = seed
    for index in range(count):
        detector = events[index].detector
        if events[index].mate != AT_BOUNDARY or distances[detector] != detectors[detector].boundary:
            continue
        if nodes[events[index].top].label == OUTER:
            continue  # at the same distance from the other boundary, and already in its tree
        visit_event(graph, work, index)
        if root == seed:
            root = allocate_blossom(work)
            shell = nodes[root]
            shell.parent = NONE
            shell.base_event = seed
            shell.child = seed
            shell.first_leaf = seed
            shell.last_leaf = seed
            shell.mark = 0
            shell.dual = 0
            nodes[seed].parent = root
            events[seed].top = root
            link_siblings(work, seed, NONE, seed)
        add_child(work, root, events[index].top)
    add_to_tree(work, root, OUTER, NONE)
    schedule_region(graph, work, root)


@kernel
def search_other_class(graph, work, count, distances, across):
    """Return the gap of the matching just found, FAR if there is no other class, and a status.

    Destroys the matching in `work`; its flips and weight remain.
    """
    events, event_of = pool(work, "events"), pool(work, "event_of")
    searched = False
    helpful = False
    for index in range(count):
        detector = events[index].detector
        searched |= events[index].visited == 1
        if distances[1, detector] < FAR:
            helpful = True
            event_of[detector] = index
    if not helpful:
        return across, OK
    if not searched:
        reset_search(work)
    work.now = 0
    work.postponed = 0
    work.may_search_graph = 1
    work.two_trees = 1
    for side in range(2):
        add_boundary_event(
            graph, work, count + side, count, graph.num_detectors - 2 + side, distances[side], across
        )
    add_edge(work, count, count + 1, across, NONE)
    for side in range(2):
        grow_boundary_event(graph, work, count + side, count, distances[side])
    met = grow_tree(graph, work)
    gap = 2 * work.now if met >= 0 else FAR
    dissolve_tree(work)
    work.two_trees = 0
    for index in range(count):
        event_of[events[index].detector] = -1
    return gap, FULL if work.overflow else OK


@entry_point
def decode_with_gaps(graphs, works, distances, across, shots, predictions, weights, gaps, first_shot):
    """Decode bit-packed shots as `decode_batch` does, and compute the gap of one observable.

    Args:
        graphs: one GRAPH record with two more detectors than the shots, without edges.
        works: one WORK record with keep_duals set; written.
        distances: int64 (2, detectors): distances to the boundary that flips the observable and to the
            other one, FAR without a path.
        across: int64 (1,): distance between the two boundaries.
        shots: uint8 (shots, shot_bytes).
        predictions: uint8 (shots, flip_bytes), written.
        weights: int64 (shots,), written.
        gaps: int64 (shots,), written; FAR where there is no other class.
        first_shot: first shot to decode.

    Returns:
        Index of the shot at which it stopped, and a status.
    """
    graph, work = graphs[0], works[0]
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    for shot in range(first_shot, len(shots)):
        gaps[shot] = across[0]
        if not graph.has_inverted and is_empty_shot(shots, shot):
            for byte in range(graph.flip_bytes):
                predictions[shot, byte] = certain_flips[byte]
            weights[shot] = graph.certain_weight
            continue
        count, status = match_shot(graph, work, shots[shot])
        if status != OK:
            return shot, status
        for byte in range(graph.flip_bytes):
            predictions[shot, byte] = flips[byte]
        weights[shot] = work.weight
        if count > 0:
            gaps[shot], status = search_other_class(graph, work, count, distances, across[0])
            if status != OK:
                return shot, status
    return len(shots), OK
