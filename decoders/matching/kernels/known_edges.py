"""The edges between events that are known so far; every event has a chain of half-edges that point away."""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import NONE
from decoders.kernels.records import pool


@kernel
def known_edge(work, event, other):
    """The half-edge from one event to another, or -1."""
    events, halves = pool(work, "events"), pool(work, "halves")
    half = events[event].first
    while half >= 0 and halves[half].to != other:
        half = halves[half].next
    return half


@kernel
def is_known(work, event, other, distance):
    """Whether an edge from one event to another is known, and no longer than this.

    Longer ones are found past active edges before the lists are read. The shortest is always the first.
    """
    half = known_edge(work, event, other)
    return half >= 0 and pool(work, "edges")[half >> 1].distance <= distance


@kernel
def add_edge(work, event, other, distance, near):
    """Make an edge known to both ends; returns the half-edge away from `event`."""
    events, halves, edges = pool(work, "events"), pool(work, "halves"), pool(work, "edges")
    edge = work.num_edges
    if edge == work.max_edges:
        work.overflow = 1
        return -1
    work.num_edges = edge + 1
    edges[edge].distance = distance
    edges[edge].near = near
    edges[edge].way = NONE
    away = 2 * edge + 1
    halves[away].to = other
    halves[away].next = events[event].first
    events[event].first = away
    halves[away - 1].to = event
    halves[away - 1].next = events[other].first
    events[other].first = away - 1
    return away
