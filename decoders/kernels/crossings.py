"""Whether a matching is so far from the other logical class that no second one will change to it.

Solutions of the other class differ from a matching by a way across the graph, from one kind of boundary of
an observable to the other (see decoders/gauge.py), on which pairs of the matching and new pairs alternate.
By the matching's dual solution they weigh at least as much more as the new pairs are longer than their
events' radii together. The least that a way across can cost bounds the gap from below; a search for the
cheapest one (Dijkstra's, from event to event) ends where nothing cheaper than the gap that is called sure
is left.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, FAR, NONE, PAIRED
from decoders.kernels.pools import (
    apart_of,
    crossers_of,
    events_of,
    halves_of,
    limits_of,
    sides_of,
    spots_of,
)


@kernel
def list_crossers(graph, work, count):
    """List the events that ways across can use; returns how many, NONE if no way can be cheap enough."""
    events, limits, halves = events_of(work), limits_of(work), halves_of(work)
    crossers, spots = crossers_of(work), spots_of(graph)
    size = np.int64(0)
    covered = np.int64(0)
    for index in range(count):
        spot = np.int64(spots[events[index].detector])
        if spot >= 0:
            crosser = crossers[size]
            crosser.spot = spot
            crosser.row = spot * graph.num_spots
            crosser.radius = events[index].radius
            crosser.mate = events[index].mate
            limits[index].number = size
            covered += crosser.radius
            size += 1
    work.sure_gap = min(graph.sure_gap, graph.sure_least + graph.sure_step * (count - size))
    if graph.across - 2 * covered >= work.sure_gap:
        return NONE
    for at in range(size):
        mate = crossers[at].mate
        if mate == AT_BOUNDARY:
            crossers[at].mate = NONE
        else:
            crossers[at].mate = limits[(PAIRED - mate) >> 1 if mate <= PAIRED else halves[mate].to].number
    return size


@kernel
def enter(work, at, cost, side):
    """A way comes to an event and follows its pair; returns whether it is across then."""
    crossers = crossers_of(work)
    mate = crossers[at].mate
    if mate >= 0:
        crossers[mate].cost = min(crossers[mate].cost, cost)
    return mate < 0 and side.other <= crossers[at].radius


@kernel
def is_crossed(graph, work, size, first):
    """Whether a way across may cost less than the sure gap; the observable's sides begin at `first`."""
    crossers, sides, apart, sure = crossers_of(work), sides_of(graph), apart_of(graph), work.sure_gap
    for at in range(size):
        # The radius of an event that is matched to a boundary reaches it.
        reached = sides[first + crossers[at].spot].one <= crossers[at].radius
        crossers[at].cost = np.int64(0) if crossers[at].mate < 0 and reached else FAR
    for at in range(size):
        side = sides[first + crossers[at].spot]
        cost = max(np.int64(0), side.one - crossers[at].radius)
        if cost < sure and enter(work, at, cost, side):
            return True
    while True:
        least = sure
        here = NONE
        for at in range(size):
            if 0 <= crossers[at].cost < least:
                least = crossers[at].cost
                here = np.int64(at)
        if here == NONE:
            return False
        crosser = crossers[here]
        crosser.cost = NONE  # done
        if least + sides[first + crosser.spot].other - crosser.radius < sure:
            return True
        for at in range(size):
            if at == here:
                continue  # a pair is followed from one end to the other
            there = crossers[at]
            distance = graph.step * np.int64(apart[crosser.row + there.spot])
            cost = least + max(np.int64(0), distance - crosser.radius - there.radius)
            if cost < sure and enter(work, at, cost, sides[first + there.spot]):
                return True


@kernel
def is_settled(graph, work, count):
    """Whether the present matching, under the graph's own weights, has gaps that are sure."""
    if graph.num_crossings == 0:
        return False
    size = list_crossers(graph, work, count)
    if size == NONE:
        return True
    for crossing in range(graph.num_crossings):
        if is_crossed(graph, work, size, crossing * graph.num_spots):
            return False
    return True
