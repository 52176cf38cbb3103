"""What a first matching implies: edges that are more likely beside those found, and so shorter.

A second matching is needed only where that matters. The first one's dual solution gives every point of the
graph a potential: how far the regions around it reach beyond it. A matching stays optimal when the weights
of its own edges fall, for no other edge set can fall by more; and when an edge that it does not use stays at
least as heavy as the potentials of its two ends together, for then the regions fit on it as before.
"""

import numpy as np

from decoders.kernels.ball import ball_end, ball_next, ball_start
from decoders.kernels.jit import kernel
from decoders.kernels.layout import NOT_LOWERED, NOT_SEEN, NOT_USED
from decoders.kernels.matching import mate_path
from decoders.kernels.pools import (
    active_of,
    ball_nodes_of,
    covered_of,
    detectors_of,
    edge_flips_of,
    events_of,
    first_edges_of,
    flips_of,
    implied_of,
    implied_start_of,
    limits_of,
    lowered_as_of,
    lowered_of,
    near_of,
    path_of,
    potentials_of,
    prices_of,
    seen_of,
    weights_of,
)


@kernel
def list_edges(graph, work, count):
    """List the edges of the present matching in `seen`, with their weights in `prices`."""
    path, prices, seen, weights = path_of(work), prices_of(work), seen_of(work), weights_of(graph)
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            edge = path[at]
            if prices[edge] == NOT_SEEN:
                seen[work.num_seen] = edge
                work.num_seen += 1
            prices[edge] = weights[edge] if prices[edge] < 0 else NOT_USED


@kernel
def forget_edges(work):
    """Empty the list of edges."""
    prices, seen = prices_of(work), seen_of(work)
    for at in range(work.num_seen):
        prices[seen[at]] = NOT_SEEN
    work.num_seen = 0


@kernel
def keep_first_edges(work):
    """Remember the edges listed: they imply what they imply whatever is matched later."""
    prices, seen, first_edges = prices_of(work), seen_of(work), first_edges_of(work)
    count = 0
    for at in range(work.num_seen):
        if prices[seen[at]] >= 0:
            first_edges[count] = seen[at]
            count += 1
    work.num_first = count


@kernel
def raise_potential(work, detector, height):
    """An event's region reaches so far beyond a detector."""
    potentials = potentials_of(work)
    if potentials[detector] == 0:
        covered_of(work)[work.num_covered] = detector
        work.num_covered += 1
    potentials[detector] = max(potentials[detector], height)


@kernel
def cover(graph, work, count):
    """Set the potentials of all detectors that regions reach beyond."""
    detectors, near, events, limits = detectors_of(graph), near_of(graph), events_of(work), limits_of(work)
    ball = ball_nodes_of(work)
    for index in range(count):
        event = events[index]
        radius = event.radius
        if radius <= 0:
            continue
        detector = detectors[event.detector]
        if radius > detector.radius or (work.num_active > 0 and radius > limits[index].limit):
            ball_start(work, event.detector)
            there = ball_next(graph, work)
            while there >= 0 and ball[there].distance < radius:
                raise_potential(work, there, radius - ball[there].distance)
                there = ball_next(graph, work)
            ball_end(work)
            continue
        raise_potential(work, event.detector, radius)
        at = detector.first
        while at < detector.last and near[at].span < radius:
            raise_potential(work, np.int64(near[at].detector), radius - (near[at].span & ~1))
            at += 1


@kernel
def forget_potentials(work):
    """Set the potentials back to zero."""
    potentials, covered = potentials_of(work), covered_of(work)
    for at in range(work.num_covered):
        potentials[covered[at]] = 0
    work.num_covered = 0


@kernel
def activate(work, slot, edge, weight):
    """Make the way between two detectors as short as the edge's new weight, from now on."""
    lowered, active = lowered_of(work), active_of(work)
    if weight >= lowered[slot]:
        return
    if lowered[slot] == NOT_LOWERED:
        active[work.num_active] = slot
        work.num_active += 1
    lowered[slot] = weight
    lowered_as_of(work)[slot] = edge


@kernel
def forget_active(work):
    """Give the edges lowered for the last shot their usual weights back."""
    lowered, active = lowered_of(work), active_of(work)
    for at in range(work.num_active):
        lowered[active[at]] = NOT_LOWERED
    work.num_active = 0


@kernel
def lower(graph, work):
    """Lower what the first edges imply: the prices of edges in use, and active edges where regions overlap.

    Returns whether edges that the present matching does not use have become too light for its regions.
    """
    implied, starts = implied_of(graph), implied_start_of(graph)
    potentials, prices, first_edges = potentials_of(work), prices_of(work), first_edges_of(work)
    num_active = work.num_active
    changed = False
    for at in range(work.num_first):
        edge = first_edges[at]
        for entry in range(starts[edge], starts[edge + 1]):
            other = implied[entry]
            height = potentials[other.u] + potentials[other.v]
            if height < other.weight:
                continue
            # The regions of an edge in use fill it, so no such edge is passed over.
            if prices[other.edge] >= 0:
                prices[other.edge] = min(prices[other.edge], other.weight)
            elif height > other.weight and other.weight < lowered_of(work)[other.slot]:
                activate(work, np.int64(other.slot), np.int64(other.edge), np.int64(other.weight))
                changed = True
    return changed or work.num_active > num_active


@kernel
def add_up(graph, work):
    """Write what the edges listed flip and weigh to `flips` and `weight`."""
    prices, seen, flips, edge_flips = prices_of(work), seen_of(work), flips_of(work), edge_flips_of(graph)
    work.weight = graph.certain_weight
    width = graph.flip_bytes
    for at in range(work.num_seen):
        edge = seen[at]
        if prices[edge] >= 0:
            work.weight += prices[edge]
            for byte in range(width):
                flips[byte] ^= edge_flips[edge * width + byte]
