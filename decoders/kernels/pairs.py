"""The first pass: most events are each other's nearest, or nearest to the boundary.

Every event gets a radius of half the distance to its nearest event, at most its distance to the
boundary. That is a feasible dual solution; pairs and boundary edges that are tight in it are matched
at once. What is left over (1 to 25 % of the events) is for the searches, which may undo any of this.
"""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, FOLLOWS, FREE, LEADS, OUT_OF_TREE
from decoders.kernels.pools import detectors_of, event_of_of, events_of, near_of, nodes_of
from decoders.kernels.regions import add_edge, known_edge


@kernel
def match_nearest(graph, work, count):
    """Radii and first matches of the shot's events; returns how many are left without a partner."""
    detectors, near, events, event_of = (
        detectors_of(graph),
        near_of(graph),
        events_of(work),
        event_of_of(work),
    )
    for index in range(count):
        event = events[index]
        detector = detectors[event.detector]
        limit = 2 * detector.boundary
        at = detector.first
        end = detector.last
        nearest = -1
        reach = detector.radius
        while at < end:
            distance = near[at].span & ~1
            if distance >= limit:
                break
            other = event_of[near[at].detector]
            at += 1
            if other >= 0:
                nearest = other
                reach = distance
                break
        event.scan = at
        event.nearest = nearest
        event.mate = FREE
        if nearest < 0 and reach > limit:
            reach = limit
        event.reach = reach
        event.radius = reach >> 1
    left = 0
    for index in range(count):
        event = events[index]
        if event.mate != FREE:
            continue
        nearest = event.nearest
        if nearest >= 0:
            if events[nearest].mate == FREE and event.radius + events[nearest].radius == event.reach:
                event.mate = LEADS
                events[nearest].mate = FOLLOWS
            else:
                left += 1
        elif event.radius == detectors[event.detector].boundary:
            event.mate = AT_BOUNDARY
        else:
            left += 1
    return left


@kernel
def prepare_searches(work, count):
    """Turn the result of the first pass into regions and known edges, for the searches to work on."""
    events, nodes = events_of(work), nodes_of(work)
    work.queue_size = 0
    work.tree_size = 0
    work.num_edges = 0
    work.num_blossoms = 0
    work.num_spare = 0
    work.mark = 0
    work.overflow = 0
    for index in range(count):
        event = events[index]
        event.first = -1
        event.top = index
        event.next_leaf = -1
        node = nodes[index]
        node.label = OUT_OF_TREE
        node.parent = -1
        node.base = index
        node.first_leaf = index
        node.last_leaf = index
        node.mark = 0
        node.dual = event.radius
        node.since = 0
    for index in range(count):
        event = events[index]
        nearest = event.nearest
        if nearest < 0:
            continue
        half = known_edge(work, index, nearest)
        if half < 0:
            half = add_edge(work, index, nearest, event.reach, event.scan - 1)
        if event.mate == LEADS:
            event.mate = half
            events[nearest].mate = half ^ 1
