"""One shot, and many shots in one call, matched twice where edges imply others."""

from decoders.correlated.kernels.arbitrate import flip_first, is_first_likelier, weigh_first
from decoders.correlated.kernels.layout import second_of
from decoders.correlated.kernels.rematch import forget_shot, match_again, match_rest_again
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import DIFFERENT, FULL, IS_RELEVANT, OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import (
    answer_empty_shot,
    clear_event_lookup,
    list_matching,
    load_shot,
    match_once,
    reset_search,
    write_prediction,
)
from decoders.matching.kernels.first_pass import match_small_shot


@kernel
def flips_alike_again(graph, work, count):
    """Return whether no second matching can change the prediction."""
    if graph.has_own_implied:
        return False
    detectors, fired = pool(graph, "detectors"), pool(work, "fired")
    relevant = 0
    for at in range(count):
        if detectors[fired[at]].flips & IS_RELEVANT:
            relevant += 1
    return relevant == 0 or relevant == count


@kernel
def match_first(graph, work, count):
    """Match with the weights of the graph, and forget the last shot's searches. Returns a status."""
    reset_search(work)
    return match_once(graph, work, count)


@kernel
def choose_prediction(graph, work, count):
    """Choose between two matchings that predict different flips. Returns a status.

    If the first is taken, `flips` and `weight` are its, while the events keep their second matching.
    """
    second = second_of(work)
    status = match_rest_again(graph, work, count)
    if status != OK:
        return status
    takes_first = is_first_likelier(graph, work)
    if work.overflow:
        return FULL
    if takes_first:
        second.takes_first = 1
        work.weight = graph.certain_weight + weigh_first(graph, work)
        flip_first(graph, work)
    return OK


@kernel
def match_found_twice(graph, work, count):
    """Match the detectors fired[0..count-1], twice if edges of the graph imply others. Returns a status.

    Leaves the matching in the events, the observables that it flips in `flips`, its weight in `weight`.
    """
    second = second_of(work)
    second.takes_first = 0
    once = graph.num_implied == 0 or (second.only_flips != 0 and flips_alike_again(graph, work, count))
    forget_shot(work)
    if count == 0 or (once and work.keep_duals == 0 and match_small_shot(graph, work, count)):
        return OK
    status = match_first(graph, work, count)
    if status == OK and not once:
        status = match_again(graph, work, count)
    if status == DIFFERENT:
        status = choose_prediction(graph, work, count)
    clear_event_lookup(work, count)
    return status


@kernel
def match_shot_twice(graph, work, shot):
    """Match the detection events of one bit-packed shot. Returns the number of events and a status."""
    count = load_shot(graph, work, shot)
    return count, match_found_twice(graph, work, count)


@entry_point
def decode_batch_twice(graphs, works, shots, predictions, weights, first_shot):
    """Decode bit-packed shots as `decode_batch` does, matching them twice."""
    graph, work = graphs[0], works[0]
    second = second_of(work)
    second.only_flips = len(weights) == 0
    for shot in range(first_shot, len(shots)):
        if not answer_empty_shot(graph, shots, shot, predictions, weights):
            status = match_found_twice(graph, work, load_shot(graph, work, shots[shot]))
            if status != OK:
                return shot, status
            write_prediction(graph, work, shot, predictions, weights)
    return len(shots), OK


@entry_point
def decode_to_edges_twice(graphs, works, shot, edges):
    """Decode one bit-packed shot as `decode_to_edges` does, matching it twice."""
    graph, work = graphs[0], works[0]
    second = second_of(work)
    second.only_flips = 0
    count, status = match_shot_twice(graph, work, shot)
    if status != OK:
        return 0, status
    if second.takes_first == 0:
        return list_matching(graph, work, count, edges)
    if second.num_first > len(edges):
        return 0, FULL
    for at in range(second.num_first):
        edges[at] = pool(second, "first_edges")[at]
    return second.num_first, OK
