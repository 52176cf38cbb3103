"""Overlaps of the regions of a first matching through the edges that the matching implies.

The radii of a dual solution bound the weight of every other matching from below as long as no two regions
overlap. Through an implied edge (u, v), whose weight has fallen to w, the regions of events i and j overlap by
r_i - d(i, u) + r_j - d(v, j) - w if that is positive: a matching that pairs i and j may be lighter than the
bound by as much. This module lists the implied edges of a shot by their endpoints, notes how far the regions
reach beyond each of them, through other implied edges too, and adds up the overlaps.

Two regions at each endpoint are enough, of events that are not paired with each other: a third one reaches
less far. Distances are rounded down, so overlaps are never underestimated.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, IN_BLOSSOM, MOST_ENDPOINTS, NONE, PAIRED
from decoders.kernels.pools import (
    apart_of,
    covers_of,
    crossers_of,
    endpoints_of,
    events_of,
    first_edges_of,
    halves_of,
    implied_of,
    implied_start_of,
    implied_watched_of,
    limits_of,
    spots_of,
)


@kernel
def list_crossers(graph, work, count):
    """List the events of watched components in `crossers`; returns how many.

    Radii are those after the cuts of `share_cuts`: what a pair gains by edges of its own that have become
    lighter.
    """
    events, limits, halves = events_of(work), limits_of(work), halves_of(work)
    crossers, spots = crossers_of(work), spots_of(graph)
    size = np.int64(0)
    for index in range(count):
        spot = np.int64(spots[events[index].detector])
        if spot >= 0:
            crosser = crossers[size]
            crosser.spot = spot
            crosser.row = spot * graph.num_spots
            crosser.first_radius = events[index].radius
            crosser.radius = events[index].radius - limits[index].cut
            crosser.mate = events[index].mate
            crosser.overlap = 0
            limits[index].number = size
            size += 1
    for at in range(size):
        mate = crossers[at].mate
        if mate == AT_BOUNDARY:
            crossers[at].mate = NONE
            crossers[at].pair = at
        else:
            mate = limits[(PAIRED - mate) >> 1 if mate <= PAIRED else halves[mate].to].number
            crossers[at].mate = mate
            crossers[at].pair = min(at, mate)
    return size


@kernel
def fits(graph, work):
    """Whether the regions fit on all implied edges, so that nothing overlaps."""
    starts, watched, implied = implied_start_of(graph), implied_watched_of(graph), implied_of(graph)
    first_edges, covers = first_edges_of(work), covers_of(work)
    for at in range(work.num_first):
        for entry in range(starts[first_edges[at]], watched[first_edges[at]]):
            other = implied[entry]
            if covers[other.u].potential + covers[other.v].potential > other.weight:
                return False
    return True


@kernel
def note_region(work, endpoint, height, pair):
    """A region of a pair reaches this far beyond an endpoint; returns whether that is news."""
    if pair == endpoint.pair:
        if height <= endpoint.height:
            return False
        endpoint.height = height
        return True
    if pair != endpoint.second_pair and endpoint.second_height > 0:
        work.is_crowded = 1
        return False
    if height > endpoint.height:
        endpoint.second_height = endpoint.height
        endpoint.second_pair = endpoint.pair
        endpoint.height = height
        endpoint.pair = pair
    elif height > endpoint.second_height:
        endpoint.second_height = height
        endpoint.second_pair = pair
    else:
        return False
    return True


@kernel
def note_overlap(work, overlap, one, other):
    """Regions of two pairs overlap; where one is in a blossom, all such overlaps are added up."""
    if overlap <= 0:
        return
    if one < 0 or other < 0:
        work.overlaps += overlap
        return
    crossers = crossers_of(work)
    crossers[one].overlap = max(crossers[one].overlap, overlap)
    crossers[other].overlap = max(crossers[other].overlap, overlap)


@kernel
def add_endpoint(graph, work, detector, weight, edge):
    """List one end of an implied edge, with the region that covers it.

    Outside blossoms there is one at most, for regions do not overlap.
    """
    endpoint = endpoints_of(work)[work.num_endpoints]
    work.num_endpoints += 1
    endpoint.weight = weight
    endpoint.edge = edge
    endpoint.spot = NONE
    endpoint.height = 0
    endpoint.pair = NONE
    endpoint.second_height = 0
    endpoint.second_pair = NONE
    if detector == graph.num_detectors:
        return
    endpoint.spot = spots_of(graph)[detector]
    endpoint.row = endpoint.spot * graph.num_spots
    cover = covers_of(work)[detector]
    if cover.potential > 0:
        endpoint.height = cover.potential
        endpoint.pair = IN_BLOSSOM
        if cover.owner < work.max_events:
            endpoint.pair = crossers_of(work)[limits_of(work)[cover.owner].number].pair


@kernel
def list_endpoints(graph, work):
    """List the ends of all implied edges in watched components; returns whether there is room for them."""
    starts, watched = implied_start_of(graph), implied_watched_of(graph)
    implied, first_edges = implied_of(graph), first_edges_of(work)
    work.num_endpoints = 0
    for at in range(work.num_first):
        for entry in range(starts[first_edges[at]], watched[first_edges[at]]):
            if work.num_endpoints == MOST_ENDPOINTS:
                return False
            other = implied[entry]
            weight, edge = np.int64(other.weight), np.int64(other.edge)
            add_endpoint(graph, work, np.int64(other.u), weight, edge)
            add_endpoint(graph, work, np.int64(other.v), weight, edge)
    return True


@kernel
def spread_region(graph, work, size, source, height, pair):
    """A region has come through an implied edge to an endpoint; note what it covers and meets from there."""
    endpoints, crossers, apart = endpoints_of(work), crossers_of(work), apart_of(graph)
    row = endpoints[source].row
    for at in range(work.num_endpoints):
        other = endpoints[at]
        if other.spot >= 0:
            there = height - graph.step * np.int64(apart[row + other.spot])
            if other.pair != pair and other.height > 0:
                note_overlap(work, there + other.height, pair, other.pair)
            if other.second_pair != pair and other.second_height > 0:
                note_overlap(work, there + other.second_height, pair, other.second_pair)
            if there > 0:
                note_region(work, other, there, pair)
    for at in range(size):
        crosser = crossers[at]
        if crosser.pair != pair:
            there = height - graph.step * np.int64(apart[row + crosser.spot])
            note_overlap(work, there + crosser.radius, pair, crosser.pair)


@kernel
def pass_regions(graph, work, size):
    """Let regions reach through implied edges; returns whether all of that can be told.

    It cannot where a region in a blossom does, or where more than two regions come to one endpoint.
    """
    endpoints = endpoints_of(work)
    work.has_passed = 0
    work.is_crowded = 0
    work.overlaps = 0
    num_spreads = 0
    is_new = True
    while is_new:
        is_new = False
        for at in range(work.num_endpoints):
            here, there = endpoints[at], endpoints[at ^ 1]
            if here.spot < 0 or there.spot < 0 or here.height <= here.weight:
                continue
            work.has_passed = 1
            for rank in range(2):
                height = (here.second_height if rank else here.height) - here.weight
                pair = here.second_pair if rank else here.pair
                if height > 0 and pair == IN_BLOSSOM:
                    return False
                if height > 0 and note_region(work, there, height, pair):
                    is_new = True
                    num_spreads += 1
                    if num_spreads > MOST_ENDPOINTS:
                        return False
                    spread_region(graph, work, size, at ^ 1, height, pair)
    return work.is_crowded == 0


@kernel
def add_overlaps(work, size):
    """The sum of the overlaps between regions: no set of new pairs has more.

    Every event is in one new pair, so a pair of the matching has a part in two; half of what they overlap
    counts at either of their ends. Overlaps with regions in blossoms are all added up.
    """
    endpoints, crossers = endpoints_of(work), crossers_of(work)
    for at in range(0, work.num_endpoints, 2):
        u, v = endpoints[at], endpoints[at + 1]
        if v.spot < 0 or u.height + v.height <= u.weight:
            continue
        for rank in range(4):
            one, other = (
                (u.second_height if rank & 1 else u.height),
                (v.second_height if rank & 2 else v.height),
            )
            pair, pair_there = (
                (u.second_pair if rank & 1 else u.pair),
                (v.second_pair if rank & 2 else v.pair),
            )
            if one > 0 and other > 0 and (pair != pair_there or pair == IN_BLOSSOM):
                note_overlap(work, one + other - u.weight, pair, pair_there)
    total = work.overlaps
    for at in range(size):
        total += (crossers[at].overlap + 1) >> 1 if crossers[at].mate < 0 else crossers[at].overlap
    return total
