"""One shot, and many shots in one call."""

from decoders.kernels.again import apply_observed, forget_shot, match_again
from decoders.kernels.bits import is_quiet, set_bits, set_bits_toggled
from decoders.kernels.compare import is_first_likelier, weigh_first
from decoders.kernels.jit import kernel
from decoders.kernels.layout import ADD, DIFFERENT, FREE, FULL, IS_WATCHED, OK, POSTPONED
from decoders.kernels.matching import apply_mate, mate_path
from decoders.kernels.pairs import find_nearest, load_events, match_few, match_nearest
from decoders.kernels.pools import (
    certain_flips_of,
    detectors_of,
    event_of_of,
    events_of,
    flips_of,
    found_of,
    path_of,
    toggles_of,
    woken_of,
)
from decoders.kernels.search import find_partner


@kernel
def search_all(graph, work, count):
    """Find partners for all events that have none. Returns a status.

    A search that would have to leave the neighbour lists waits until all others are done: its partner
    has often grown towards it by then, and searching the graph itself is what costs most.
    """
    events = events_of(work)
    reset_search(work)
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
def reset_search(work):
    """Forget the known edges, blossoms and woken events of the last shot."""
    work.num_woken = 0
    work.num_edges = 0
    work.num_blossoms = 0
    work.num_spare = 0
    work.mark = 0
    work.overflow = 0


@kernel
def match_once(graph, work, count):
    """Match the detectors found[0..count-1] with the weights of the graph. Returns a status."""
    woken = woken_of(work)
    load_events(graph, work, count)
    find_nearest(graph, work, count)
    status = OK
    if match_nearest(graph, work, count) > 0:
        status = search_all(graph, work, count)
        for at in range(work.num_woken):
            if status == OK:
                apply_mate(graph, work, woken[at], ADD)
    elif graph.num_implied > 0:
        reset_search(work)
    return status


@kernel
def flips_alike_again(graph, work, count):
    """Whether no second matching can flip anything else: the events do not imply edges among themselves."""
    if graph.has_own_implied:
        return False
    detectors, found = detectors_of(graph), found_of(work)
    watched = 0
    for at in range(count):
        if detectors[found[at]].flips & IS_WATCHED:
            watched += 1
    return watched == 0 or watched == count


@kernel
def choose_prediction(graph, work, count):
    """Choose between two matchings that predict different flips. Returns a status."""
    status = DIFFERENT
    if work.only_flips != 0:
        # Only watched components have been matched a second time, and now all of it is needed.
        forget_shot(work)
        reset_flips(graph, work)
        status = match_once(graph, work, count)
        work.only_flips = 0
        if status == OK:
            status = match_again(graph, work, count)
        work.only_flips = 1
    if status != DIFFERENT:
        return status
    takes_first = is_first_likelier(graph, work)
    if work.overflow:
        return FULL
    if takes_first:
        weight = graph.certain_weight + weigh_first(graph, work)
        forget_shot(work)
        reset_flips(graph, work)
        status = match_once(graph, work, count)
        if status == OK and graph.num_observed > 0:
            status = apply_observed(graph, work, count)
        work.weight = weight
        return status
    return OK


@kernel
def match_found(graph, work, count):
    """Match the detectors found[0..count-1], twice if edges of the graph imply others. Returns a status.

    Leaves the matching in the events, the observables that it flips in `flips`, its weight in `weight`.
    """
    events, event_of = events_of(work), event_of_of(work)
    once = graph.num_implied == 0 or (work.only_flips != 0 and flips_alike_again(graph, work, count))
    forget_shot(work)
    if count == 0 or (once and work.keep_duals == 0 and match_few(graph, work, count)):
        return OK
    status = match_once(graph, work, count)
    if status == OK and not once:
        status = match_again(graph, work, count)
    if status == DIFFERENT:
        status = choose_prediction(graph, work, count)
    for index in range(count):
        event_of[events[index].detector] = -1
    return status


@kernel
def reset_flips(graph, work):
    """Nothing is flipped but what always is."""
    flips, certain_flips = flips_of(work), certain_flips_of(graph)
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]


@kernel
def match_shot(graph, work, shot):
    """Match the detection events of one bit-packed shot. Returns the number of events and a status."""
    found = found_of(work)
    reset_flips(graph, work)
    work.weight = graph.certain_weight
    count = set_bits_toggled(shot, toggles_of(graph), found) if graph.has_toggles else set_bits(shot, found)
    return count, match_found(graph, work, count)


@kernel
def decode_batch(graphs, works, shots, predictions, weights, first_shot):
    """Decode bit-packed shots, up to the first that fails.

    `predictions` uint8 (shots, flip_bytes), `weights` int64 (shots,), or empty if nobody asks for them.
    Returns the number of the shot at which it stopped and a status.
    """
    graph, work = graphs[0], works[0]
    work.only_flips = len(weights) == 0
    flips, certain_flips = flips_of(work), certain_flips_of(graph)
    for shot in range(first_shot, len(shots)):
        if not graph.has_toggles and is_quiet(shots, shot):
            for byte in range(graph.flip_bytes):
                predictions[shot, byte] = certain_flips[byte]
            if not work.only_flips:
                weights[shot] = graph.certain_weight
            continue
        _, status = match_shot(graph, work, shots[shot])
        if status != OK:
            return shot, status
        for byte in range(graph.flip_bytes):
            predictions[shot, byte] = flips[byte]
        if not work.only_flips:
            weights[shot] = work.weight
    return len(shots), OK


@kernel
def decode_to_edges(graphs, works, shot, edges):
    """Decode one bit-packed shot to the edges of its matching; returns how many there are and a status.

    `edges` int32 receives edge numbers; an edge on two paths is listed twice.
    """
    graph, work = graphs[0], works[0]
    path = path_of(work)
    work.only_flips = 0
    count, status = match_shot(graph, work, shot)
    size = 0
    if status == OK:
        for index in range(count):
            for at in range(mate_path(graph, work, index)):
                if size == len(edges):
                    return size, FULL
                edges[size] = path[at]
                size += 1
    return size, status
