"""Regions: how far each event has grown, and which edges it can meet next.

Two invariants make the lazily discovered edges exact:
* feasible: the radii of two events in different regions never add up to more than their distance, and
  no radius exceeds the distance to the boundary;
* known: every edge of an event shorter than twice its radius is known. An edge between events of
  radius a <= b is at least 2b long unless known, and so cannot be tight before it is found.
"""

import numpy as np

from decoders.kernels.heap import push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FAR,
    INNER,
    MEETS_BOUNDARY,
    MEETS_EDGE,
    NEEDS_SCAN,
    NONE,
    OUT_OF_TREE,
    OUTER,
    PAIRED,
    TAKE_AWAY,
)
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import apply_mate
from decoders.matching.kernels.detours import find_ways_from
from decoders.matching.kernels.dijkstra import ball_end, ball_next, ball_start
from decoders.matching.kernels.known_edges import add_edge, is_known, known_edge


@kernel
def schedule(work, when, what):
    """Put an item on the queue of the running search."""
    queue = pool(work, "queue")
    size = work.queue_size
    if size == work.max_queue:
        work.overflow = 1
        return
    work.queue_size = push(queue, size, when, what)


@kernel
def radius_now(work, event):
    """The radius of an event at the present time of the search."""
    events, nodes = pool(work, "events"), pool(work, "nodes")
    top = nodes[events[event].top]
    if top.label == OUTER:
        return events[event].radius + (work.now - top.since)
    if top.label == INNER:
        return events[event].radius - (work.now - top.since)
    return events[event].radius


@kernel
def settle(work, region):
    """Write what has grown or shrunk since the last time into the radii of a region's events."""
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
    """Schedule the moment at which a growing event meets the event at the other end of a half-edge."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    edges = pool(work, "edges")
    here = halves[half ^ 1].to
    there = halves[half].to
    top = events[there].top
    if top == events[here].top or nodes[top].label == INNER:
        return
    gap = edges[half >> 1].distance - radius_now(work, here) - radius_now(work, there)
    if nodes[top].label == OUTER:
        gap >>= 1  # both grow; even, because tight edges of even length tie all radii of a tree to one parity
    schedule(work, work.now + gap, (half << 2) | MEETS_EDGE)


@kernel
def list_limit(work, event):
    """How far an event's neighbour list tells the truth: lowered edges may make farther ways shorter."""
    return pool(work, "limits")[event].horizon if work.num_active > 0 else FAR


@kernel
def scan_list(graph, work, event, limit):
    """Look for the next event in the neighbour list; returns a new half-edge, or -1 if none was added.

    What is at least `limit` away is left out.
    """
    detectors, near, events = pool(graph, "detectors"), pool(graph, "near"), pool(work, "events")
    event_of = pool(work, "event_of")
    e = events[event]
    detector = detectors[e.detector]
    at = e.scan
    while at < detector.last and near[at].span < limit:
        other = np.int64(event_of[e.detector + near[at].detector])
        at += 1
        if other >= 0:
            e.scan = at
            e.reach = near[at - 1].span & ~1
            if is_known(work, event, other, e.reach):
                return -1
            return add_edge(work, event, other, e.reach, at - 1)
    if at == detector.last:
        limit = min(limit, detector.radius)
    e.scan = at
    e.reach = max(e.reach, limit)
    return -1


@kernel
def boundary_of(work, event):
    """How far an event is from the boundary; FAR where two trees grow, for then boundaries are events."""
    if work.two_trees:
        return FAR
    return pool(work, "nodes")[event].boundary


@kernel
def scan_beyond(graph, work, event):
    """Beyond the neighbour list: search the graph itself, half as far again."""
    detectors, events, edges = pool(graph, "detectors"), pool(work, "events"), pool(work, "edges")
    event_of, ball = pool(work, "event_of"), pool(work, "ball_nodes")
    e = events[event]
    step = max(2 * (e.reach >> 2) + 2, pool(graph, "near")[detectors[e.detector].first].span & ~1)
    target = min(e.reach + step, 2 * boundary_of(work, event))
    ball_start(work, e.detector)
    there = ball_next(graph, work)
    while there >= 0 and ball[there].distance < target:
        if work.num_active > 0:
            look_for_exit(graph, work, event, there)
        elif graph.has_exits:
            look_for_boundary(graph, work, event, there)
        other = np.int64(event_of[there])
        if other >= 0 and other != event:
            half = known_edge(work, event, other)
            if half < 0:
                half = add_edge(work, event, other, ball[there].distance, NONE)
                if half < 0:
                    break
                schedule_edge(work, half)
            elif ball[there].distance < edges[half >> 1].distance:  # known before edges were lowered
                edges[half >> 1].distance = ball[there].distance
                edges[half >> 1].near = NONE
                edges[half >> 1].way = NONE
                schedule_edge(work, half)
        there = ball_next(graph, work)
    e.reach = target if there >= 0 else FAR
    ball_end(work)


@kernel
def look_for_boundary(graph, work, event, there):
    """Whether an event's way to the boundary is shorter past the edge there of a detector it has come to."""
    node = pool(work, "nodes")[event]
    through = pool(work, "ball_nodes")[there].distance + pool(graph, "exits")[there]
    if through < node.boundary:
        node.boundary = through
        node.exit = there
        schedule(work, work.now + through - radius_now(work, event), (event << 2) | MEETS_BOUNDARY)


@kernel
def look_for_exit(graph, work, event, there):
    """Whether an event's way to the boundary is shorter past a detector that its search has come to."""
    node, distance = pool(work, "nodes")[event], pool(work, "ball_nodes")[there].distance
    behind = pool(graph, "detectors")[there].boundary
    slot = pool(graph, "boundary_edge")[there]
    if slot >= 0:
        behind = min(behind, np.int64(pool(work, "lowered")[slot]))
    if distance + behind < node.boundary:
        node.boundary = distance + behind
        node.exit = there
        node.way = NONE
        schedule(work, work.now + node.boundary - radius_now(work, event), (event << 2) | MEETS_BOUNDARY)


@kernel
def may_look_farther(graph, work, event):
    """Whether there is more to see of ways past active edges than an event has looked for."""
    limit = pool(work, "limits")[event]
    radius = pool(graph, "detectors")[pool(work, "events")[event].detector].radius
    return work.num_portals > 0 and limit.horizon < radius and limit.is_last == 0


@kernel
def look_farther(graph, work, event):
    """Make longer ways past active edges known to a growing event; returns how far its list then holds."""
    limit, node, halves = pool(work, "limits")[event], pool(work, "nodes")[event], pool(work, "halves")
    around = pool(graph, "detectors")[pool(work, "events")[event].detector]
    step = max(limit.horizon, pool(graph, "near")[around.first].span & ~1) + 2
    farther = min(around.radius, limit.horizon + step)
    found = find_ways_from(graph, work, event, farther)
    if found > limit.horizon:
        limit.horizon = found
    else:
        limit.is_last = 1
    half = pool(work, "events")[event].first
    while half >= 0:
        schedule_edge(work, half)
        half = halves[half].next
    if limit.boundary < node.boundary:
        node.boundary = limit.boundary
        node.exit = limit.exit
        node.way = limit.way
        schedule(work, work.now + node.boundary - radius_now(work, event), (event << 2) | MEETS_BOUNDARY)
    return limit.horizon


@kernel
def reveal(graph, work, event):
    """Make known what a growing event can meet before its next scan, and schedule that scan."""
    detectors, events = pool(graph, "detectors"), pool(work, "events")
    e = events[event]
    limit = 2 * boundary_of(work, event)
    radius = radius_now(work, event)
    list_end = list_limit(work, event)
    while e.reach <= 2 * radius and e.reach < limit and e.reach < FAR and work.overflow == 0:
        if e.reach < list_end and (
            e.scan < detectors[e.detector].last or e.reach < detectors[e.detector].radius
        ):
            half = scan_list(graph, work, event, list_end)
            if half >= 0:
                schedule_edge(work, half)
        elif may_look_farther(graph, work, event):
            list_end = look_farther(graph, work, event)
            limit = 2 * pool(work, "nodes")[event].boundary
        elif work.may_look_beyond:
            scan_beyond(graph, work, event)
            limit = 2 * boundary_of(work, event)
        else:
            work.postponed = 1
            return
    if e.reach < limit and e.reach < FAR:
        schedule(work, work.now + ((e.reach + 1) >> 1) - radius, (event << 2) | NEEDS_SCAN)


@kernel
def open_event(graph, work, event):
    """An event has begun to grow: schedule everything that can happen to it. Its region must be settled."""
    events, halves = pool(work, "events"), pool(work, "halves")
    e = events[event]
    boundary = boundary_of(work, event)
    if boundary < FAR:
        schedule(work, work.now + boundary - e.radius, (event << 2) | MEETS_BOUNDARY)
    half = e.first
    while half >= 0:
        schedule_edge(work, half)
        half = halves[half].next
    reveal(graph, work, event)


@kernel
def make_node(graph, work, index):
    """An event that a search has come to for the first time gets a node, and its nearest edges are known.

    So are those of the events whose nearest it is.
    """
    events, node, woken = pool(work, "events"), pool(work, "nodes")[index], pool(work, "woken")
    event = events[index]
    event.woken = 1
    event.next_leaf = -1
    woken[work.num_woken] = index
    work.num_woken += 1
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
    node.way = NONE
    if event.nearest >= 0 and not is_known(work, index, event.nearest, event.reach):
        add_edge(work, index, event.nearest, event.reach, event.scan - 1)
    suitor = event.suitor
    while suitor >= 0:
        if events[suitor].woken == 0 and not is_known(work, suitor, index, events[suitor].reach):
            add_edge(work, suitor, index, events[suitor].reach, events[suitor].scan - 1)
        suitor = events[suitor].next_suitor
    if work.num_active > 0:
        limit = pool(work, "limits")[index]
        event.reach = min(event.reach, limit.horizon)
        if limit.boundary < node.boundary:
            node.boundary = limit.boundary
            node.exit = limit.exit
            node.way = limit.way


@kernel
def wake(graph, work, index):
    """Prepare an event, and its mate, for a search.

    A pair of the first pass becomes a match along a known edge. What it contributed to the shot's
    flips and weight is taken away; it is counted again when all searches are done.
    """
    events = pool(work, "events")
    if events[index].woken:
        return
    mate = events[index].mate
    if mate <= PAIRED:
        partner = (PAIRED - mate) >> 1
        if not work.two_trees:  # that search looks for a weight only
            apply_mate(graph, work, index if (PAIRED - mate) & 1 else partner, TAKE_AWAY)
        make_node(graph, work, index)
        make_node(graph, work, partner)
        half = known_edge(work, index, partner)
        events[index].mate = half
        events[partner].mate = half ^ 1
    else:
        if mate == AT_BOUNDARY and not work.two_trees:
            apply_mate(graph, work, index, TAKE_AWAY)
        make_node(graph, work, index)
