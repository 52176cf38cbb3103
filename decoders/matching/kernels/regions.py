"""Regions: growth of radii, and discovery of the edges that become tight next.

Two invariants make lazy discovery of edges exact:
* feasible: the radii of two events in different regions never add up to more than their distance, and
  no radius exceeds the distance to the boundary;
* known: every edge of an event shorter than twice its radius is known. An edge between events of
  radius a <= b is at least 2b long unless known, and so cannot be tight before it is discovered.
"""

import numpy as np

from decoders.kernels.heap import push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FAR,
    INNER,
    NEEDS_SCAN,
    NONE,
    OUT_OF_TREE,
    OUTER,
    PAIRED,
    SUBTRACT,
    TIGHT_BOUNDARY,
    TIGHT_EDGE,
)
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import apply_mate
from decoders.matching.kernels.detours import find_detours_from
from decoders.matching.kernels.dijkstra import end_dijkstra, settle_next, start_dijkstra
from decoders.matching.kernels.known_edges import add_edge, find_known_edge, is_known


@kernel
def push_item(work, when, what):
    """Push an item onto the queue of the running search. Writes `queue`, `queue_size` or `overflow`."""
    queue = pool(work, "queue")
    size = work.queue_size
    if size == work.max_queue:
        work.overflow = 1
        return
    work.queue_size = push(queue, size, when, what)


@kernel
def get_radius(work, event):
    """Return the radius of an event at the current time of the search."""
    events, nodes = pool(work, "events"), pool(work, "nodes")
    top = nodes[events[event].top]
    if top.label == OUTER:
        return events[event].radius + (work.now - top.since)
    if top.label == INNER:
        return events[event].radius - (work.now - top.since)
    return events[event].radius


@kernel
def update_duals(work, region):
    """Add the growth since the last update to a region's dual and to the radii of its events."""
    events, nodes = pool(work, "events"), pool(work, "nodes")
    node = nodes[region]
    grown = work.now - node.since
    node.since = work.now
    if grown == 0 or node.label == OUT_OF_TREE:
        return
    if node.label == INNER:
        grown = -grown
    node.dual += grown
    event = node.first_leaf
    events[event].radius += grown
    while event != node.last_leaf:
        event = events[event].next_leaf
        events[event].radius += grown


@kernel
def schedule_edge(work, half):
    """Schedule the time at which an edge from a growing event becomes tight.

    `half` leads from the growing event to the other one.
    """
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    edges = pool(work, "edges")
    here = halves[half ^ 1].to
    there = halves[half].to
    top = events[there].top
    if top == events[here].top or nodes[top].label == INNER:
        return
    gap = edges[half >> 1].distance - get_radius(work, here) - get_radius(work, there)
    if nodes[top].label == OUTER:
        gap >>= 1  # both grow; even, since tight edges of even length give all radii of a tree one parity
    push_item(work, work.now + gap, (half << 2) | TIGHT_EDGE)


@kernel
def list_horizon(work, event):
    """Return up to which distance an event's neighbour list is valid: less than FAR with lowered edges."""
    return pool(work, "detour_searches")[event].horizon if work.num_active > 0 else FAR


@kernel
def scan_list(graph, work, event, limit):
    """Discover the next event in the neighbour list; return the new half-edge, or -1 if none was added.

    Entries at a distance of `limit` or more are not read. Writes EVENT.scan and EVENT.reach.
    """
    detectors, neighbours, events = pool(graph, "detectors"), pool(graph, "neighbours"), pool(work, "events")
    event_of = pool(work, "event_of")
    e = events[event]
    detector = detectors[e.detector]
    at = e.scan
    while at < detector.last and neighbours[at].span < limit:
        other = np.int64(event_of[e.detector + neighbours[at].detector])
        at += 1
        if other >= 0:
            e.scan = at
            e.reach = neighbours[at - 1].span & ~1
            if is_known(work, event, other, e.reach):
                return -1
            return add_edge(work, event, other, e.reach, at - 1)
    if at == detector.last:
        limit = min(limit, detector.radius)
    e.scan = at
    e.reach = max(e.reach, limit)
    return -1


@kernel
def boundary_distance(work, event):
    """Return the distance to the boundary; FAR if two trees grow, where boundaries are events."""
    if work.two_trees:
        return FAR
    return pool(work, "nodes")[event].boundary


@kernel
def scan_graph(graph, work, event):
    """Discover events beyond the neighbour list by a Dijkstra search with a half larger radius.

    Writes known edges and EVENT.reach; schedules the edges found.
    """
    detectors, events, edges = pool(graph, "detectors"), pool(work, "events"), pool(work, "edges")
    event_of, search_nodes = pool(work, "event_of"), pool(work, "dijkstra_nodes")
    e = events[event]
    step = max(2 * (e.reach >> 2) + 2, pool(graph, "neighbours")[detectors[e.detector].first].span & ~1)
    target = min(e.reach + step, 2 * boundary_distance(work, event))
    start_dijkstra(work, e.detector)
    there = settle_next(graph, work)
    while there >= 0 and search_nodes[there].distance < target:
        if work.num_active > 0:
            shorten_boundary_detour(graph, work, event, there)
        elif graph.has_lazy_boundary:
            shorten_boundary_path(graph, work, event, there)
        other = np.int64(event_of[there])
        if other >= 0 and other != event:
            half = find_known_edge(work, event, other)
            if half < 0:
                half = add_edge(work, event, other, search_nodes[there].distance, NONE)
                if half < 0:
                    break
                schedule_edge(work, half)
            elif search_nodes[there].distance < edges[half >> 1].distance:  # known before edges were lowered
                edges[half >> 1].distance = search_nodes[there].distance
                edges[half >> 1].neighbour = NONE
                edges[half >> 1].detour = NONE
                schedule_edge(work, half)
        there = settle_next(graph, work)
    e.reach = target if there >= 0 else FAR
    end_dijkstra(work)


@kernel
def shorten_boundary_path(graph, work, event, there):
    """Shorten an event's path to the boundary by the boundary edge of a detector that its search reached."""
    node = pool(work, "nodes")[event]
    through = pool(work, "dijkstra_nodes")[there].distance + pool(graph, "boundary_weight")[there]
    if through < node.boundary:
        node.boundary = through
        node.exit = there
        push_item(work, work.now + through - get_radius(work, event), (event << 2) | TIGHT_BOUNDARY)


@kernel
def shorten_boundary_detour(graph, work, event, there):
    """Shorten an event's path to the boundary by a detector that its search reached, with lowered edges."""
    node, distance = pool(work, "nodes")[event], pool(work, "dijkstra_nodes")[there].distance
    rest = pool(graph, "detectors")[there].boundary
    slot = pool(graph, "boundary_edge")[there]
    if slot >= 0:
        rest = min(rest, np.int64(pool(work, "lowered")[slot]))
    if distance + rest < node.boundary:
        node.boundary = distance + rest
        node.exit = there
        node.detour = NONE
        push_item(work, work.now + node.boundary - get_radius(work, event), (event << 2) | TIGHT_BOUNDARY)


@kernel
def can_extend_horizon(graph, work, event):
    """Return whether an event may have further paths through active edges that were not searched for."""
    limit = pool(work, "detour_searches")[event]
    radius = pool(graph, "detectors")[pool(work, "events")[event].detector].radius
    return work.num_portals > 0 and limit.horizon < radius and limit.is_exhausted == 0


@kernel
def extend_horizon(graph, work, event):
    """Search for longer paths through active edges; return the distance to which the list is then valid."""
    limit, node, halves = (
        pool(work, "detour_searches")[event],
        pool(work, "nodes")[event],
        pool(work, "halves"),
    )
    around = pool(graph, "detectors")[pool(work, "events")[event].detector]
    step = max(limit.horizon, pool(graph, "neighbours")[around.first].span & ~1) + 2
    farther = min(around.radius, limit.horizon + step)
    found = find_detours_from(graph, work, event, farther)
    if found > limit.horizon:
        limit.horizon = found
    else:
        limit.is_exhausted = 1
    half = pool(work, "events")[event].first
    while half >= 0:
        schedule_edge(work, half)
        half = halves[half].next
    if limit.boundary < node.boundary:
        node.boundary = limit.boundary
        node.exit = limit.exit
        node.detour = limit.detour
        push_item(work, work.now + node.boundary - get_radius(work, event), (event << 2) | TIGHT_BOUNDARY)
    return limit.horizon


@kernel
def discover_edges(graph, work, event):
    """Discover the edges that a growing event can meet before its next scan, and schedule that scan."""
    detectors, events = pool(graph, "detectors"), pool(work, "events")
    e = events[event]
    limit = 2 * boundary_distance(work, event)
    radius = get_radius(work, event)
    list_end = list_horizon(work, event)
    while e.reach <= 2 * radius and e.reach < limit and e.reach < FAR and work.overflow == 0:
        if e.reach < list_end and (
            e.scan < detectors[e.detector].last or e.reach < detectors[e.detector].radius
        ):
            half = scan_list(graph, work, event, list_end)
            if half >= 0:
                schedule_edge(work, half)
        elif can_extend_horizon(graph, work, event):
            list_end = extend_horizon(graph, work, event)
            limit = 2 * pool(work, "nodes")[event].boundary
        elif work.may_search_graph:
            scan_graph(graph, work, event)
            limit = 2 * boundary_distance(work, event)
        else:
            work.postponed = 1
            return
    if e.reach < limit and e.reach < FAR:
        push_item(work, work.now + ((e.reach + 1) >> 1) - radius, (event << 2) | NEEDS_SCAN)


@kernel
def schedule_event(graph, work, event):
    """Schedule all items of an event that has begun to grow. Its region must be up to date."""
    events, halves = pool(work, "events"), pool(work, "halves")
    e = events[event]
    boundary = boundary_distance(work, event)
    if boundary < FAR:
        push_item(work, work.now + boundary - e.radius, (event << 2) | TIGHT_BOUNDARY)
    half = e.first
    while half >= 0:
        schedule_edge(work, half)
        half = halves[half].next
    discover_edges(graph, work, event)


@kernel
def create_node(graph, work, index):
    """Create the node of an event that a search visits for the first time, and its nearest known edges.

    The edges to events whose nearest it is are added as well. Writes `nodes`, EVENT.visited, `visited`
    and known edges.
    """
    events, node, visited = pool(work, "events"), pool(work, "nodes")[index], pool(work, "visited")
    event = events[index]
    event.visited = 1
    event.next_leaf = -1
    visited[work.num_visited] = index
    work.num_visited += 1
    node.label = OUT_OF_TREE
    node.parent = -1
    node.base_event = index
    node.first_leaf = index
    node.last_leaf = index
    node.mark = 0
    node.dual = event.radius
    node.since = 0
    node.boundary = pool(graph, "detectors")[event.detector].boundary
    node.exit = -1
    node.detour = NONE
    if event.nearest >= 0 and not is_known(work, index, event.nearest, event.reach):
        add_edge(work, index, event.nearest, event.reach, event.scan - 1)
    other = event.reverse_nearest
    while other >= 0:
        if events[other].visited == 0 and not is_known(work, other, index, events[other].reach):
            add_edge(work, other, index, events[other].reach, events[other].scan - 1)
        other = events[other].next_reverse_nearest
    if work.num_active > 0:
        limit = pool(work, "detour_searches")[index]
        event.reach = min(event.reach, limit.horizon)
        if limit.boundary < node.boundary:
            node.boundary = limit.boundary
            node.exit = limit.exit
            node.detour = limit.detour


@kernel
def visit_event(graph, work, index):
    """Prepare an event, and its mate, for a search.

    A pair of the first pass becomes a match along a known edge. Its contribution to `flips` and `weight` is
    subtracted; it is added again when all searches are done.
    """
    events = pool(work, "events")
    if events[index].visited:
        return
    mate = events[index].mate
    if mate <= PAIRED:
        partner = (PAIRED - mate) >> 1
        if not work.two_trees:  # a search for the gap needs only the weight
            apply_mate(graph, work, index if (PAIRED - mate) & 1 else partner, SUBTRACT)
        create_node(graph, work, index)
        create_node(graph, work, partner)
        half = find_known_edge(work, index, partner)
        events[index].mate = half
        events[partner].mate = half ^ 1
    else:
        if mate == AT_BOUNDARY and not work.two_trees:
            apply_mate(graph, work, index, SUBTRACT)
        create_node(graph, work, index)
