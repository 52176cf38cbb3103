"""Many shots in one call."""

from decoders.kernels.bits import set_bits, set_bits_toggled
from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, FREE, LEADS, OK, POSTPONED
from decoders.kernels.pairs import match_nearest, prepare_searches
from decoders.kernels.paths import flip_path, path_by_search, path_in_list
from decoders.kernels.pools import (
    boundary_flips_of,
    certain_flips_of,
    detectors_of,
    edges_of,
    event_of_of,
    events_of,
    found_of,
    halves_of,
    near_of,
    toggles_of,
)
from decoders.kernels.search import find_partner


@kernel
def search_all(graph, work, count):
    """Find partners for all events that have none. Returns a status.

    A search that would have to leave the neighbour lists waits until all others are done: its partner
    has often grown towards it by then, and searching the graph itself is what costs most.
    """
    events = events_of(work)
    for may_look_beyond in range(2):
        work.may_look_beyond = may_look_beyond
        postponed = False
        for index in range(count):
            if events[index].mate == FREE:
                status = find_partner(graph, work, index)
                if status == POSTPONED:
                    postponed = True
                elif status != OK:
                    return status
        if not postponed:
            break
    return OK


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
        status = search_all(graph, work, count)
    for index in range(count):
        event_of[found[index]] = -1
    return status


@kernel
def apply_matching(graph, work, count, flips):
    """Apply the observables of a matched shot to a row of bit-packed flips; returns its weight."""
    detectors, near, boundary_flips = detectors_of(graph), near_of(graph), boundary_flips_of(graph)
    events, halves, edges = events_of(work), halves_of(work), edges_of(work)
    width = graph.flip_bytes
    weight = 0
    for index in range(count):
        event = events[index]
        mate = event.mate
        if mate == AT_BOUNDARY:
            detector = detectors[event.detector]
            weight += detector.boundary
            if detector.flips:
                for byte in range(width):
                    flips[byte] ^= boundary_flips[event.detector * width + byte]
            continue
        entry = event.scan - 1
        if mate >= 0 and mate & 1:  # one of the two half-edges: the one away from who found it
            entry = edges[mate >> 1].near
            weight += edges[mate >> 1].distance
        elif mate == LEADS:
            weight += near[entry].span & ~1
        else:
            continue
        if entry < 0:
            other = events[halves[mate].to].detector
            flip_path(graph, work, path_by_search(graph, work, event.detector, other), flips)
        elif near[entry].span & 1:
            flip_path(graph, work, path_in_list(graph, work, event.detector, entry), flips)
    return weight


@kernel
def decode_batch(graphs, works, shots, flips, weights, first_shot):
    """Decode bit-packed shots, up to the first that fails.

    `flips` uint8 (shots, flip_bytes), `weights` int64 (shots,). Returns the number of the shot at
    which it stopped and a status.
    """
    graph, work = graphs[0], works[0]
    found, toggles, certain_flips = found_of(work), toggles_of(graph), certain_flips_of(graph)
    for shot in range(first_shot, len(shots)):
        if graph.has_toggles:
            count = set_bits_toggled(shots[shot], toggles, found)
        else:
            count = set_bits(shots[shot], found)
        for byte in range(graph.flip_bytes):
            flips[shot, byte] = certain_flips[byte]
        weights[shot] = graph.certain_weight
        if count > 0:
            status = match_events(graph, work, count)
            if status != OK:
                return shot, status
            weights[shot] += apply_matching(graph, work, count, flips[shot])
    return len(shots), OK
