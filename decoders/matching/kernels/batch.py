"""Decoding of one shot, and of many shots in one call."""

from decoders.kernels.bits import is_empty_shot, list_differing_bits, list_set_bits
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import ADD, FREE, FULL, OK, POSTPONED
from decoders.kernels.records import pool
from decoders.matching.kernels.alternating_tree import find_partner
from decoders.matching.kernels.correction import apply_mate, mate_path
from decoders.matching.kernels.first_pass import (
    find_nearest,
    load_events,
    match_small_shot,
    match_tight_pairs,
)


@kernel
def search_all(graph, work, count):
    """Match all events that are unmatched after the first pass; return a status.

    A search that would have to go beyond the neighbour lists is postponed until all others are done: its
    partner has often grown towards it by then, and searching the graph is the most expensive step.
    """
    events = pool(work, "events")
    reset_search(work)
    for may_search_graph in range(2):
        work.may_search_graph = may_search_graph
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
def reset_search(work):
    """Reset known edges, blossoms and visited events of the previous shot."""
    work.num_visited = 0
    work.num_edges = 0
    work.num_blossoms = 0
    work.num_spare = 0
    work.mark = 0
    work.overflow = 0


@kernel
def match_once(graph, work, count):
    """Match the detectors fired[0..count-1] under the weights of the graph; return a status."""
    visited = pool(work, "visited")
    load_events(graph, work, count)
    find_nearest(graph, work, count)
    status = OK
    if match_tight_pairs(graph, work, count) > 0:
        status = search_all(graph, work, count)
        for at in range(work.num_visited):
            if status == OK:
                apply_mate(graph, work, visited[at], ADD)
    return status


@kernel
def clear_event_lookup(work, count):
    """Reset `event_of` of all events."""
    events, event_of = pool(work, "events"), pool(work, "event_of")
    for index in range(count):
        event_of[events[index].detector] = -1


@kernel
def match_found(graph, work, count):
    """Match the detectors fired[0..count-1] under the weights of the graph; return a status.

    Writes the matching to `events`, the observables that it flips to `flips`, its weight to `weight`.
    """
    if count == 0 or (work.keep_duals == 0 and match_small_shot(graph, work, count)):
        return OK
    status = match_once(graph, work, count)
    clear_event_lookup(work, count)
    return status


@kernel
def reset_flips(graph, work):
    """Reset `flips` to the observables that are flipped in every shot."""
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]


@kernel
def load_shot(graph, work, shot):
    """Reset `flips` and `weight`, and write the events of one shot to `fired`; return their number.

    `shot` uint8 (shot_bytes,) is bit-packed.
    """
    reset_flips(graph, work)
    work.weight = graph.certain_weight
    if graph.has_inverted:
        return list_differing_bits(shot, pool(graph, "inverted"), pool(work, "fired"))
    return list_set_bits(shot, pool(work, "fired"))


@kernel
def match_shot(graph, work, shot):
    """Match the detection events of one bit-packed shot; return their number and a status."""
    count = load_shot(graph, work, shot)
    return count, match_found(graph, work, count)


@kernel
def answer_empty_shot(graph, shots, shot, predictions, weights):
    """Write the answer for a shot without detection events; return whether it is one.

    Writes row `shot` of predictions uint8 (shots, flip_bytes) and of weights int64 (shots,) if not empty.
    """
    if graph.has_inverted or not is_empty_shot(shots, shot):
        return False
    certain_flips = pool(graph, "certain_flips")
    for byte in range(graph.flip_bytes):
        predictions[shot, byte] = certain_flips[byte]
    if len(weights) > 0:
        weights[shot] = graph.certain_weight
    return True


@kernel
def write_prediction(graph, work, shot, predictions, weights):
    """Write flips and weight of the present matching to row `shot` of `predictions` and `weights`."""
    flips = pool(work, "flips")
    for byte in range(graph.flip_bytes):
        predictions[shot, byte] = flips[byte]
    if len(weights) > 0:
        weights[shot] = work.weight


@kernel
def list_matching(graph, work, count, edges):
    """Write the edges of the present matching; return their number and a status (FULL if `edges` is).

    `edges` int32 (capacity,) receives edge numbers.
    """
    path = pool(work, "path")
    size = 0
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            if size == len(edges):
                return size, FULL
            edges[size] = path[at]
            size += 1
    return size, OK


@entry_point
def decode_batch(graphs, works, shots, predictions, weights, first_shot):
    """Decode bit-packed shots until one fails.

    Args:
        graphs: one GRAPH record.
        works: one WORK record; written.
        shots: uint8 (shots, shot_bytes).
        predictions: uint8 (shots, flip_bytes), written.
        weights: int64 (shots,), written; empty if not requested.
        first_shot: first shot to decode.

    Returns:
        Index of the shot at which it stopped, and a status.
    """
    graph, work = graphs[0], works[0]
    for shot in range(first_shot, len(shots)):
        if not answer_empty_shot(graph, shots, shot, predictions, weights):
            status = match_found(graph, work, load_shot(graph, work, shots[shot]))
            if status != OK:
                return shot, status
            write_prediction(graph, work, shot, predictions, weights)
    return len(shots), OK


@entry_point
def decode_to_edges(graphs, works, shot, edges):
    """Decode one bit-packed shot to the edges of its matching.

    Args:
        graphs: one GRAPH record.
        works: one WORK record; written.
        shot: uint8 (shot_bytes,).
        edges: int32 (capacity,), receives edge numbers; an edge on two paths is listed twice.

    Returns:
        Number of edges, and a status.
    """
    graph, work = graphs[0], works[0]
    count, status = match_shot(graph, work, shot)
    if status != OK:
        return 0, status
    return list_matching(graph, work, count, edges)
