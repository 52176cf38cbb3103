"""One shot, and many shots in one call."""

from decoders.kernels.bits import is_quiet, set_bits, set_bits_toggled
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import ADD, FREE, FULL, OK, POSTPONED
from decoders.kernels.records import pool
from decoders.matching.kernels.alternating_tree import find_partner
from decoders.matching.kernels.correction import apply_mate, mate_path
from decoders.matching.kernels.first_pass import find_nearest, load_events, match_few, match_nearest


@kernel
def search_all(graph, work, count):
    """Find partners for all events that have none. Returns a status.

    A search that would have to leave the neighbour lists waits until all others are done: its partner
    has often grown towards it by then, and searching the graph itself is what costs most.
    """
    events = pool(work, "events")
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
    woken = pool(work, "woken")
    load_events(graph, work, count)
    find_nearest(graph, work, count)
    status = OK
    if match_nearest(graph, work, count) > 0:
        status = search_all(graph, work, count)
        for at in range(work.num_woken):
            if status == OK:
                apply_mate(graph, work, woken[at], ADD)
    return status


@kernel
def forget_events(work, count):
    """No detector has an event."""
    events, event_of = pool(work, "events"), pool(work, "event_of")
    for index in range(count):
        event_of[events[index].detector] = -1


@kernel
def match_found(graph, work, count):
    """Match the detectors found[0..count-1] with the weights of the graph. Returns a status.

    Leaves the matching in the events, the observables that it flips in `flips`, its weight in `weight`.
    """
    if count == 0 or (work.keep_duals == 0 and match_few(graph, work, count)):
        return OK
    status = match_once(graph, work, count)
    forget_events(work, count)
    return status


@kernel
def reset_flips(graph, work):
    """Nothing is flipped but what always is."""
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]


@kernel
def find_shot(graph, work, shot):
    """Write the detection events of one bit-packed shot to `found`; returns how many there are."""
    reset_flips(graph, work)
    work.weight = graph.certain_weight
    if graph.has_toggles:
        return set_bits_toggled(shot, pool(graph, "toggles"), pool(work, "found"))
    return set_bits(shot, pool(work, "found"))


@kernel
def match_shot(graph, work, shot):
    """Match the detection events of one bit-packed shot. Returns the number of events and a status."""
    count = find_shot(graph, work, shot)
    return count, match_found(graph, work, count)


@kernel
def take_quiet(graph, shots, shot, predictions, weights):
    """Answer a shot without detection events; returns whether it is one."""
    if graph.has_toggles or not is_quiet(shots, shot):
        return False
    certain_flips = pool(graph, "certain_flips")
    for byte in range(graph.flip_bytes):
        predictions[shot, byte] = certain_flips[byte]
    if len(weights) > 0:
        weights[shot] = graph.certain_weight
    return True


@kernel
def take_matching(graph, work, shot, predictions, weights):
    """Answer a shot that has been matched."""
    flips = pool(work, "flips")
    for byte in range(graph.flip_bytes):
        predictions[shot, byte] = flips[byte]
    if len(weights) > 0:
        weights[shot] = work.weight


@kernel
def list_matching(graph, work, count, edges):
    """Write the edges of the present matching to `edges`; returns how many there are and a status."""
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
    """Decode bit-packed shots, up to the first that fails.

    `predictions` uint8 (shots, flip_bytes), `weights` int64 (shots,), or empty if nobody asks for them.
    Returns the number of the shot at which it stopped and a status.
    """
    graph, work = graphs[0], works[0]
    for shot in range(first_shot, len(shots)):
        if not take_quiet(graph, shots, shot, predictions, weights):
            status = match_found(graph, work, find_shot(graph, work, shots[shot]))
            if status != OK:
                return shot, status
            take_matching(graph, work, shot, predictions, weights)
    return len(shots), OK


@entry_point
def decode_to_edges(graphs, works, shot, edges):
    """Decode one bit-packed shot to the edges of its matching; returns how many there are and a status.

    `edges` int32 receives edge numbers; an edge on two paths is listed twice.
    """
    graph, work = graphs[0], works[0]
    count, status = match_shot(graph, work, shot)
    if status != OK:
        return 0, status
    return list_matching(graph, work, count, edges)
