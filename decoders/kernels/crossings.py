"""Proof that a second matching predicts the same flips as the first one.

The lightest solution of another class differs from a matching by ways across the graph, from one kind of
boundary of an observable to the other (see decoders/gauge.py), on which pairs of the matching and new pairs
alternate. If no way across makes the matching lighter, with the weights that it implies, neither does any
solution of another class make the lightest of its own class lighter. By the matching's dual solution a way
across makes it heavier by at least the sum of what its new pairs are longer than their events' radii
together, less the overlaps of regions (see `kernels.endpoints`). Without overlaps there is nothing to prove.
Otherwise a search for the cheapest way across (Dijkstra's, from event to event) ends where nothing cheaper
than the sum of the overlaps is left. From each event it also follows implied edges.
"""

import numpy as np

from decoders.kernels.endpoints import add_overlaps, fits, list_crossers, list_endpoints, pass_regions
from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, MOST_ENDPOINTS, NONE, ONE_SIDE, OTHER_SIDE
from decoders.kernels.pools import apart_of, crossers_of, endpoints_of, kinds_of, sides_of


@kernel
def overlap_of(graph, work, endpoint, kind, distance, first):
    """By how much regions beyond an endpoint overlap a kind of boundary at a distance from it.

    A way across does not lead from an event back to the kind of boundary that the event is matched to.
    """
    crossers, sides = crossers_of(work), sides_of(graph)
    if endpoint.height <= distance:
        return np.int64(0)
    crosser = crossers[max(endpoint.pair, 0)]
    if endpoint.pair >= 0 and crosser.mate < 0:
        side = sides[first + crosser.spot]
        reaches_one, reaches_other = side.one <= crosser.first_radius, side.other <= crosser.first_radius
        if reaches_one != reaches_other and reaches_one == (kind == ONE_SIDE):
            return max(np.int64(0), endpoint.second_height - distance)
    return endpoint.height - distance


@kernel
def overlap_boundaries(graph, work, crossing, first):
    """By how much new pairs of events and boundaries can be too light: one pair at each end of a way across."""
    endpoints, sides, kinds = endpoints_of(work), sides_of(graph), kinds_of(graph)
    one = np.int64(0)
    other = np.int64(0)
    for at in range(work.num_endpoints):
        endpoint = endpoints[at]
        if endpoint.spot < 0:
            continue
        if endpoints[at ^ 1].spot < 0:
            kind = kinds[crossing * graph.num_edges + endpoint.edge]
            if kind == ONE_SIDE:
                one = max(one, overlap_of(graph, work, endpoint, kind, endpoint.weight, first))
            elif kind == OTHER_SIDE:
                other = max(other, overlap_of(graph, work, endpoint, kind, endpoint.weight, first))
        if work.has_passed:
            side = sides[first + endpoint.spot]
            one = max(one, overlap_of(graph, work, endpoint, ONE_SIDE, side.one, first))
            other = max(other, overlap_of(graph, work, endpoint, OTHER_SIDE, side.other, first))
    return one + other


@kernel
def enter(work, at, cost, side):
    """A way comes to an event and follows its pair; returns whether it is across then."""
    crossers = crossers_of(work)
    mate = crossers[at].mate
    if mate >= 0:
        crossers[mate].cost = min(crossers[mate].cost, cost)
    return mate < 0 and side.other <= crossers[at].first_radius


@kernel
def leave_through(graph, work, size, crossing, floor, limit, widest):
    """Follow implied edges from the endpoints that a way across has come to; returns whether it is across.

    `floor` is what the way has cost up to the event from which it comes. Gives up, as if it were across,
    where that takes too long.
    """
    crossers, endpoints, apart = crossers_of(work), endpoints_of(work), apart_of(graph)
    sides, kinds = sides_of(graph), kinds_of(graph)
    first = crossing * graph.num_spots
    is_new = True
    while is_new:
        is_new = False
        for at in range(work.num_endpoints):
            here = endpoints[at]
            cost = here.cost + here.weight
            if cost >= limit + widest:
                continue
            there = endpoints[at ^ 1]
            if there.spot < 0:
                if cost < limit and kinds[crossing * graph.num_edges + here.edge] == OTHER_SIDE:
                    return True
                continue
            if cost >= there.cost:
                continue
            there.cost = cost
            work.num_steps += 1
            if work.num_steps > MOST_ENDPOINTS or cost + sides[first + there.spot].other < limit:
                return True
            for other in range(work.num_endpoints):
                end = endpoints[other]
                if end.spot >= 0:
                    end.cost = min(end.cost, cost + graph.step * np.int64(apart[there.row + end.spot]))
            is_new = True
            if cost - there.height >= limit:
                continue
            for other in range(size):
                crosser = crossers[other]
                distance = graph.step * np.int64(apart[there.row + crosser.spot])
                entry = max(floor, cost + distance - crosser.radius)
                if entry < limit and enter(work, other, entry, sides[first + crosser.spot]):
                    return True
    return False


@kernel
def is_crossed(graph, work, size, crossing, limit):
    """Whether a way across may cost less than a limit."""
    crossers, endpoints = crossers_of(work), endpoints_of(work)
    sides, apart, kinds = sides_of(graph), apart_of(graph), kinds_of(graph)
    first = crossing * graph.num_spots
    work.num_steps = 0
    widest = np.int64(0)
    for at in range(size):
        # The radius of an event that is matched to a boundary reaches it.
        reached = sides[first + crossers[at].spot].one <= crossers[at].first_radius
        crossers[at].cost = np.int64(0) if crossers[at].mate < 0 and reached else FAR
        widest = max(widest, crossers[at].radius)
    for at in range(size):
        side = sides[first + crossers[at].spot]
        cost = max(np.int64(0), side.one - crossers[at].radius)
        if cost < limit and enter(work, at, cost, side):
            return True
    for at in range(work.num_endpoints):
        end = endpoints[at]
        if end.spot >= 0:
            end.cost = sides[first + end.spot].one
        else:
            is_one = kinds[crossing * graph.num_edges + end.edge] == ONE_SIDE
            end.cost = np.int64(0) if is_one else FAR
    if leave_through(graph, work, size, crossing, np.int64(0), limit, widest):
        return True
    while True:
        least = limit
        here = NONE
        for at in range(size):
            if 0 <= crossers[at].cost < least:
                least = crossers[at].cost
                here = np.int64(at)
        if here == NONE:
            return False
        crosser = crossers[here]
        crosser.cost = NONE  # done
        if least + sides[first + crosser.spot].other - crosser.radius < limit:
            return True
        for at in range(size):
            if at == here:
                continue  # a pair is followed from one end to the other
            there = crossers[at]
            distance = graph.step * np.int64(apart[crosser.row + there.spot])
            cost = least + max(np.int64(0), distance - crosser.radius - there.radius)
            if cost < limit and enter(work, at, cost, sides[first + there.spot]):
                return True
        start = least - crosser.radius
        for at in range(work.num_endpoints):
            end = endpoints[at]
            if end.spot >= 0:
                end.cost = min(end.cost, start + graph.step * np.int64(apart[crosser.row + end.spot]))
        if leave_through(graph, work, size, crossing, least, limit, widest):
            return True


@kernel
def is_settled(graph, work, count):
    """Whether no matching of another class is lighter, with the weights that the present one implies.

    The edges of the present matching, its cuts and what its regions cover are known (see `again.prepare`).
    """
    if graph.num_crossings == 0:
        return False
    if fits(graph, work):
        return True
    size = list_crossers(graph, work, count)
    if not list_endpoints(graph, work) or not pass_regions(graph, work, size):
        return False
    overlaps = add_overlaps(work, size)
    for crossing in range(graph.num_crossings):
        limit = overlaps + overlap_boundaries(graph, work, crossing, crossing * graph.num_spots)
        if limit > 0 and is_crossed(graph, work, size, crossing, limit):
            return False
    return True
