"""Belief propagation, then matching on weights by what each mechanism is believed."""

from decoders.kernels.belief import forget_beliefs, propagate, weigh_edges
from decoders.kernels.belief_pools import (
    active_of,
    flipped_of,
    flippers_of,
    odds_of,
    shot_events_of,
    shot_weights_of,
    signs_of,
    weights_of,
)
from decoders.kernels.bits import set_bits_toggled
from decoders.kernels.jit import kernel
from decoders.kernels.lanes import LANES
from decoders.kernels.layout import OK
from decoders.kernels.pools import (
    certain_flips_of,
    flips_of,
    toggles_of,
)
from decoders.kernels.reweighted import match_reweighted
from decoders.kernels.rivals import find_gaps


@kernel
def load_lanes(graph, belief, shots, order, first, last):
    """Put the events of shots order[first:last] into the lanes; those without a shot need no work."""
    toggles, events, signs, active = (
        toggles_of(graph),
        shot_events_of(belief),
        signs_of(belief),
        active_of(belief),
    )
    for lane in range(LANES):
        if first + lane >= last:
            active[lane] = 0
            continue
        for at in range(set_bits_toggled(shots[order[first + lane]], toggles, events)):
            signs[events[at] * LANES + lane] = -1


@kernel
def flip_believed(tanner, belief, work, lane):
    """Apply the observables of all mechanisms that are more likely than not in a lane."""
    odds, flippers, flipped, flips = odds_of(belief), flippers_of(tanner), flipped_of(tanner), flips_of(work)
    width = tanner.flip_bytes
    for index in range(tanner.num_flippers):
        if odds[flippers[index] * LANES + lane] > 1:
            for byte in range(width):
                flips[byte] ^= flipped[index * width + byte]


@kernel
def match_lane(graph, reweight, work, belief, shot, lane):
    """Match the shot in a lane on the weights that its lane has now. Returns the events left and a status."""
    weights, shot_weights, events = weights_of(belief), shot_weights_of(belief), shot_events_of(belief)
    for edge in range(belief.num_edges):
        shot_weights[edge] = weights[edge * LANES + lane]
    count = set_bits_toggled(shot, toggles_of(graph), events)
    return match_reweighted(graph, reweight, work, events, count, shot_weights)


@kernel
def gaps_of_lane(
    graph,
    reweight,
    work,
    belief,
    class_graphs,
    class_reweights,
    rivals,
    rival_work,
    shot,
    lane,
    matched,
    predicted,
    gaps,
):
    """Find the gaps of the shot in a lane, matching it first unless it is `matched`. Returns a status."""
    events = shot_events_of(belief)
    if not matched:
        _, status = match_lane(graph, reweight, work, belief, shot, lane)
        if status != OK:
            return status
    count = set_bits_toggled(shot, toggles_of(graph), events)
    return find_gaps(
        class_graphs,
        class_reweights,
        rivals,
        rival_work,
        graph,
        work,
        events,
        count,
        shot_weights_of(belief),
        predicted,
        gaps,
    )


@kernel
def decode_in_lanes(
    tanners,
    beliefs,
    graphs,
    reweights,
    works,
    class_graphs,
    class_reweights,
    rivals,
    rival_works,
    shots,
    order,
    predictions,
    gaps,
    first,
):
    """Decode bit-packed shots in the order given, from place `first` of it on, up to the first that fails.

    `order` int64 (n,); `predictions` uint8 (shots, flip_bytes). With `rivals`, `gaps` int64 (shots,
    observables) receives those of the matchings on the shots' weights. Returns where in `order` it stopped
    and a status.
    """
    tanner, belief, graph, reweight, work = tanners[0], beliefs[0], graphs[0], reweights[0], works[0]
    flips, certain_flips, active = flips_of(work), certain_flips_of(graph), active_of(belief)
    while first < len(order):
        last = min(first + LANES, len(order))
        forget_beliefs(tanner, belief)
        load_lanes(graph, belief, shots, order, first, last)
        propagate(tanner, belief, belief.max_sweeps)
        unexplained = False
        for lane in range(last - first):
            unexplained = unexplained or active[lane] > 0
        if unexplained or len(rivals) > 0:
            weigh_edges(tanner, belief)
        for at in range(first, last):
            if active[at - first] > 0:
                _, status = match_lane(graph, reweight, work, belief, shots[order[at]], at - first)
                if status != OK:
                    return at, status
            else:
                for byte in range(graph.flip_bytes):
                    flips[byte] = certain_flips[byte]
                flip_believed(tanner, belief, work, at - first)
            for byte in range(graph.flip_bytes):
                predictions[order[at], byte] = flips[byte]
            if len(rivals) > 0:
                status = gaps_of_lane(
                    graph,
                    reweight,
                    work,
                    belief,
                    class_graphs,
                    class_reweights,
                    rivals,
                    rival_works[0],
                    shots[order[at]],
                    at - first,
                    active[at - first] > 0,
                    predictions[order[at]],
                    gaps[order[at]],
                )
                if status != OK:
                    return at, status
        first = last
    return first, OK
