"""Reinitialise freed detection events before they are matched again."""

from decoders.correlated.kernels.layout import second_of
from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, FREE, NONE, OUT_OF_TREE
from decoders.kernels.records import pool
from decoders.matching.kernels.regions import scan_list, visit_event


@kernel
def free_events(graph, work):
    """Reset partners, radii and blossoms of the chosen events."""
    second = second_of(work)
    events, nodes, chosen = pool(work, "events"), pool(work, "nodes"), pool(second, "chosen")
    spare = pool(work, "spare")
    detectors = pool(graph, "detectors")
    for at in range(second.num_chosen):
        visit_event(
            graph, work, chosen[at]
        )  # all before any: what is known of others' nearest is from before
    work.mark += 1
    for at in range(second.num_chosen):
        blossom = nodes[chosen[at]].parent
        while blossom >= 0 and nodes[blossom].mark != work.mark:
            nodes[blossom].mark = work.mark
            spare[work.num_spare] = blossom
            work.num_spare += 1
            blossom = nodes[blossom].parent
    for at in range(second.num_chosen):
        index = chosen[at]
        event, node = events[index], nodes[index]
        event.mate = FREE
        event.radius = 0
        event.reach = 0
        event.scan = detectors[event.detector].first
        event.top = index
        event.next_leaf = -1
        node.label = OUT_OF_TREE
        node.parent = -1
        node.base_event = index
        node.first_leaf = index
        node.last_leaf = index
        node.dual = 0
        node.since = 0
        node.boundary = detectors[event.detector].boundary
        node.exit = -1


@kernel
def room_along(work, half):
    """Return the room along an edge: up to the other region, or half of it if both start again."""
    second = second_of(work)
    distance, other = pool(work, "edges")[half >> 1].distance, pool(work, "halves")[half].to
    if pool(second, "changes")[other].chosen:
        return distance >> 1
    return distance - pool(work, "events")[other].radius


@kernel
def find_room(graph, work, index):
    """Grow a freed event as far as possible; returns the half-edge that stops it, NONE without."""
    events, detectors, halves = pool(work, "events"), pool(graph, "detectors"), pool(work, "halves")
    event = events[index]
    room = pool(work, "nodes")[index].boundary
    edge = NONE
    half = event.first
    while half >= 0:
        along = room_along(work, half)
        if along < room:
            room = along
            edge = half
        half = halves[half].next
    # An edge that is not known yet leaves room for half of what has been looked through.
    horizon = pool(work, "detour_searches")[index].horizon
    last = detectors[event.detector].last
    while event.reach < min(2 * room, horizon) and event.scan < last and work.overflow == 0:
        half = scan_list(graph, work, index, min(2 * room, horizon))
        if half >= 0:
            along = room_along(work, half)
            if along < room:
                room = along
                edge = half
    if event.reach < 2 * room:
        room = event.reach >> 1
        edge = NONE
    event.radius = room
    pool(work, "nodes")[index].dual = room
    return edge


@kernel
def match_chosen(graph, work):
    """Give freed events their first radii, and match along tight edges."""
    second = second_of(work)
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    edges = pool(work, "edges")
    chosen = pool(second, "chosen")
    for at in range(second.num_chosen):
        nodes[chosen[at]].entry = find_room(graph, work, chosen[at])
    for at in range(second.num_chosen):
        index = chosen[at]
        event = events[index]
        half = nodes[index].entry
        if event.mate != FREE:
            continue
        if half < 0:
            if event.radius == nodes[index].boundary:
                event.mate = AT_BOUNDARY
            continue
        other = events[halves[half].to]
        if other.mate == FREE and event.radius + other.radius == edges[half >> 1].distance:
            event.mate = half
            other.mate = half ^ 1
