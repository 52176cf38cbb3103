"""How much heavier the best solution of the other logical class is: one search more after the matching.

Solutions of the two classes of an observable differ in whether an odd number of events is matched to the
boundary that flips it (see `decoders.gaps.logical_classes`). Take each of the two boundaries as one event
more, whose distance to another event is that event's distance to this boundary. With radius zero for both,
the radii of the shot's matching are a feasible dual solution. So if the two new events are to be matched as
well, the best solution is one search away (Edmonds 1965), and it is the best one of the other class. Each
unit of time in which both of them grow adds two to the weight: twice the time at which their trees meet is
the gap, and nothing needs to be rematched.

Events that are matched to a boundary touch its new event from the start, so they grow with it as one
blossom: through it they could be paired with each other at no cost. Ways from one event to another through
a new event are never tight without passing it, so lists of neighbours need not know them.
"""

from decoders.kernels.bits import is_quiet
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import AT_BOUNDARY, FAR, FREE, FULL, NONE, OK, OUTER
from decoders.kernels.records import pool
from decoders.matching.kernels.alternating_tree import grow_tree, leave_tree
from decoders.matching.kernels.batch import match_shot, reset_search
from decoders.matching.kernels.blossoms import enter_tree, join, new_blossom, open_region
from decoders.matching.kernels.known_edges import add_edge
from decoders.matching.kernels.regions import make_node, wake


@kernel
def add_boundary_event(graph, work, index, count, detector, distances, across):
    """Make an event of a boundary, `index`, and its edges to those of the events 0..count-1 that matter."""
    events = pool(work, "events")
    event = events[index]
    event.detector = detector
    event.mate = FREE
    event.scan = 0
    event.nearest = NONE
    event.suitor = NONE
    event.next_suitor = NONE
    event.first = NONE
    event.top = index
    event.radius = 0
    event.reach = FAR  # all its edges are known
    make_node(graph, work, index)
    for other in range(count):
        distance = distances[events[other].detector]
        if distance - events[other].radius < across:  # or the boundaries meet first
            add_edge(work, index, other, distance, NONE)


@kernel
def add_child(work, blossom, child):
    """Add a region to a growing ring, at its end."""
    nodes, events = pool(work, "nodes"), pool(work, "events")
    shell = nodes[blossom]
    node = nodes[child]
    last = nodes[shell.child].previous
    join(work, last, NONE, child)
    join(work, child, NONE, shell.child)
    node.parent = blossom
    events[shell.last_leaf].next_leaf = node.first_leaf
    shell.last_leaf = node.last_leaf
    event = node.first_leaf
    events[event].top = blossom
    while event != node.last_leaf:
        event = events[event].next_leaf
        events[event].top = blossom


@kernel
def plant(graph, work, seed, count, distances):
    """Let the event of a boundary grow, together with all regions that are matched to this boundary."""
    events, nodes, detectors = pool(work, "events"), pool(work, "nodes"), pool(graph, "detectors")
    root = seed
    for index in range(count):
        detector = events[index].detector
        if events[index].mate != AT_BOUNDARY or distances[detector] != detectors[detector].boundary:
            continue
        if nodes[events[index].top].label == OUTER:
            continue  # as near to the boundary planted before
        wake(graph, work, index)
        if root == seed:
            root = new_blossom(work)
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
            join(work, seed, NONE, seed)
        add_child(work, root, events[index].top)
    enter_tree(work, root, OUTER, NONE)
    open_region(graph, work, root)


@kernel
def search_other_class(graph, work, count, distances, across):
    """How much more than the matching just found the best one of the other class weighs, and a status.

    FAR if there is none. Spoils the matching.
    """
    events, event_of = pool(work, "events"), pool(work, "event_of")
    searched = False
    helpful = False
    for index in range(count):
        detector = events[index].detector
        searched |= events[index].woken == 1
        if distances[1, detector] < FAR:
            helpful = True
            event_of[detector] = index
    if not helpful:
        return across, OK
    if not searched:
        reset_search(work)
    work.now = 0
    work.postponed = 0
    work.may_look_beyond = 1
    work.two_trees = 1
    for side in range(2):
        add_boundary_event(
            graph, work, count + side, count, graph.num_detectors - 2 + side, distances[side], across
        )
    add_edge(work, count, count + 1, across, NONE)
    for side in range(2):
        plant(graph, work, count + side, count, distances[side])
    met = grow_tree(graph, work)
    gap = 2 * work.now if met >= 0 else FAR
    leave_tree(work)
    work.two_trees = 0
    for index in range(count):
        event_of[events[index].detector] = -1
    return gap, FULL if work.overflow else OK


@entry_point
def decode_with_gaps(graphs, works, distances, across, shots, predictions, weights, gaps, first_shot):
    """Decode bit-packed shots as `decode_batch` does, and find the gap of one observable.

    `graphs` has two detectors more than the shots, without edges. `distances` int64 (2, detectors) are
    those to the boundaries that flip the observable and do not, FAR without one, `across` int64 (1,) that
    from one of them to the other. `gaps` int64 (shots,), FAR where there is no other class. `works` must
    keep duals.
    """
    graph, work = graphs[0], works[0]
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    for shot in range(first_shot, len(shots)):
        gaps[shot] = across[0]
        if not graph.has_toggles and is_quiet(shots, shot):
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
