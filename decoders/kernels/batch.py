"""Many shots in one call."""

import numpy as np

from decoders.kernels.bits import set_bits
from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, FREE, LEADS, OK
from decoders.kernels.pairs import match_nearest, prepare_searches
from decoders.kernels.pools import detectors_of, edges_of, event_of_of, events_of, found_of, near_of
from decoders.kernels.search import find_partner


@kernel
def match_events(graph, work, count):
    """Match the detectors found[0..count-1] of a shot. Returns a status."""
    events, event_of, found = events_of(work), event_of_of(work), found_of(work)
    for index in range(count):
        events[index].detector = found[index]
        event_of[found[index]] = index
    status = OK
    if match_nearest(graph, work, count) > 0:
        prepare_searches(work, count)
        for index in range(count):
            if events[index].mate == FREE:
                status = find_partner(graph, work, index)
                if status != OK:
                    break
    for index in range(count):
        event_of[found[index]] = -1
    return status


@kernel
def decode_batch(graphs, works, shots, flips, weights, first_shot):
    """Decode bit-packed shots to the first 64 observables and weights, up to the first that fails.

    Returns the number of the shot at which it stopped and a status.
    """
    graph, work = graphs[0], works[0]
    detectors, near = detectors_of(graph), near_of(graph)
    events, edges, found = events_of(work), edges_of(work), found_of(work)
    for shot in range(first_shot, len(shots)):
        count = set_bits(shots[shot], found)
        flip = np.uint64(0)
        weight = 0
        if count > 0:
            status = match_events(graph, work, count)
            if status != OK:
                return shot, status
            for index in range(count):
                event = events[index]
                mate = event.mate
                if mate == AT_BOUNDARY:
                    flip ^= detectors[event.detector].observables
                    weight += detectors[event.detector].boundary
                elif mate == LEADS:
                    flip ^= near[event.scan - 1].observables
                    weight += near[event.scan - 1].distance
                elif mate >= 0 and mate & 1 == 1:
                    flip ^= near[edges[mate >> 1].near].observables
                    weight += edges[mate >> 1].distance
        flips[shot] = flip
        weights[shot] = weight
    return len(shots), OK
