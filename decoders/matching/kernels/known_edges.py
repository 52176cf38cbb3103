"""Known edges: edges between events discovered so far, as a list of outgoing half-edges per event."""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import NONE
from decoders.kernels.records import pool


@kernel
def find_known_edge(work, event, other):
    """Return the half-edge from one event to another, -1 if the edge is not known."""
    events, halves = pool(work, "events"), pool(work, "halves")
    half = events[event].first
    while half >= 0 and halves[half].to != other:
        half = halves[half].next
    return half


@kernel
def is_known(work, event, other, distance):
    """Return whether an edge between two events that is at most `distance` long is known.

    With lowered weights a longer edge may be known before the lists are read. The shortest is always the
    first in the list.
    """
    half = find_known_edge(work, event, other)
    return half >= 0 and pool(work, "edges")[half >> 1].distance <= distance


@kernel
def add_edge(work, event, other, distance, neighbour):
    """Add a known edge and return its half-edge away from `event`, -1 if the pool is full.

    Writes edges, halves, EVENT.first of both ends, and num_edges or overflow of `work`.
    """
    events, halves, edges = pool(work, "events"), pool(work, "halves"), pool(work, "edges")
    edge = work.num_edges
    if edge == work.max_edges:
        work.overflow = 1
        return -1
    work.num_edges = edge + 1
    edges[edge].distance = distance
    edges[edge].neighbour = neighbour
    edges[edge].detour = NONE
    away = 2 * edge + 1
    halves[away].to = other
    halves[away].next = events[event].first
    events[event].first = away
    halves[away - 1].to = event
    halves[away - 1].next = events[other].first
    events[other].first = away - 1
    return away
