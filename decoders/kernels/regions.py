"""Regions: how far each event has grown, and which edges it can meet next.

Two invariants make the lazily discovered edges exact:
* feasible: the radii of two events in different regions never add up to more than their distance, and
  no radius exceeds the distance to the boundary;
* known: every edge of an event shorter than twice its radius is known. An edge between events of
  radius a <= b is at least 2b long unless known, and so cannot be tight before it is found.
"""

from decoders.kernels.ball import ball_end, ball_next, ball_start
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    FAR,
    INNER,
    MEETS_BOUNDARY,
    MEETS_EDGE,
    NEEDS_SCAN,
    NOW,
    NUM_EDGES,
    OUT_OF_TREE,
    OUTER,
    OVERFLOW,
    QUEUE_SIZE,
)
from decoders.kernels.queue import push


@kernel
def schedule(work, when, what):
    """Put an item on the queue of the running search."""
    size = work.state[QUEUE_SIZE]
    if size == len(work.queue):
        work.state[OVERFLOW] = 1
        return
    work.state[QUEUE_SIZE] = push(work.queue, size, when, what)


@kernel
def radius_now(work, event):
    """The radius of an event at the present time of the search."""
    top = work.nodes[work.events[event].top]
    if top.label == OUTER:
        return work.events[event].radius + (work.state[NOW] - top.since)
    if top.label == INNER:
        return work.events[event].radius - (work.state[NOW] - top.since)
    return work.events[event].radius


@kernel
def settle(work, region):
    """Write what has grown or shrunk since the last time into the radii of a region's events."""
    node = work.nodes[region]
    grown = work.state[NOW] - node.since
    node.since = work.state[NOW]
    if grown == 0 or node.label == OUT_OF_TREE:
        return
    if node.label == INNER:
        grown = -grown
    node.dual += grown
    event = node.first_leaf
    work.events[event].radius += grown
    while event != node.last_leaf:
        event = work.events[event].next_leaf
        work.events[event].radius += grown


@kernel
def known_edge(work, event, other):
    """The half-edge from one event to another, or -1."""
    half = work.events[event].first
    while half >= 0 and work.halves[half].to != other:
        half = work.halves[half].next
    return half


@kernel
def add_edge(work, event, other, distance, near):
    """Make an edge known to both ends; returns the half-edge away from `event`."""
    edge = work.state[NUM_EDGES]
    if edge == len(work.edges):
        work.state[OVERFLOW] = 1
        return -1
    work.state[NUM_EDGES] = edge + 1
    work.edges[edge].distance = distance
    work.edges[edge].near = near
    away = 2 * edge + 1
    work.halves[away].to = other
    work.halves[away].next = work.events[event].first
    work.events[event].first = away
    work.halves[away - 1].to = event
    work.halves[away - 1].next = work.events[other].first
    work.events[other].first = away - 1
    return away


@kernel
def schedule_edge(work, half):
    """Schedule the moment at which a growing event meets the event at the other end of a half-edge."""
    here = work.halves[half ^ 1].to
    there = work.halves[half].to
    top = work.events[there].top
    if top == work.events[here].top or work.nodes[top].label == INNER:
        return
    gap = work.edges[half >> 1].distance - radius_now(work, here) - radius_now(work, there)
    if work.nodes[top].label == OUTER:
        gap >>= 1  # both grow; even, because tight edges of even length tie all radii of a tree to one parity
    schedule(work, work.state[NOW] + gap, (half << 2) | MEETS_EDGE)


@kernel
def scan_list(graph, work, event):
    """Look for the next event in the neighbour list; returns a new half-edge, or -1 if none was added."""
    e = work.events[event]
    detector = graph.detectors[e.detector]
    at = e.scan
    while at < detector.last:
        other = work.event_of[graph.near[at].detector]
        at += 1
        if other >= 0:
            e.scan = at
            e.reach = graph.near[at - 1].distance
            if known_edge(work, event, other) >= 0:
                return -1
            return add_edge(work, event, other, e.reach, at - 1)
    e.scan = at
    e.reach = max(e.reach, detector.radius)
    return -1


@kernel
def scan_beyond(graph, work, ball, event):
    """Beyond the neighbour list: search the graph itself, twice as far as before."""
    e = work.events[event]
    detector = graph.detectors[e.detector]
    target = min(max(2 * e.reach, 2), 2 * detector.boundary)
    ball_start(ball, e.detector)
    there = ball_next(graph, ball)
    while there >= 0 and ball.nodes[there].distance < target:
        other = work.event_of[there]
        if other >= 0 and other != event and known_edge(work, event, other) < 0:
            half = add_edge(work, event, other, ball.nodes[there].distance, -1)
            if half < 0:
                break
            schedule_edge(work, half)
        there = ball_next(graph, ball)
    e.reach = target if there >= 0 else FAR
    ball_end(ball)


@kernel
def reveal(graph, work, ball, event):
    """Make known what a growing event can meet before its next scan, and schedule that scan."""
    e = work.events[event]
    limit = 2 * graph.detectors[e.detector].boundary
    radius = radius_now(work, event)
    while e.reach <= 2 * radius and e.reach < limit and e.reach < FAR and work.state[OVERFLOW] == 0:
        if e.scan < graph.detectors[e.detector].last or e.reach < graph.detectors[e.detector].radius:
            half = scan_list(graph, work, event)
            if half >= 0:
                schedule_edge(work, half)
        else:
            scan_beyond(graph, work, ball, event)
    if e.reach < limit and e.reach < FAR:
        schedule(work, work.state[NOW] + ((e.reach + 1) >> 1) - radius, (event << 2) | NEEDS_SCAN)


@kernel
def open_event(graph, work, ball, event):
    """An event has begun to grow: schedule everything that can happen to it. Its region must be settled."""
    e = work.events[event]
    boundary = graph.detectors[e.detector].boundary
    if boundary < FAR:
        schedule(work, work.state[NOW] + boundary - e.radius, (event << 2) | MEETS_BOUNDARY)
    half = e.first
    while half >= 0:
        schedule_edge(work, half)
        half = work.halves[half].next
    reveal(graph, work, ball, event)
