"""Belief propagation, then matching on weights by what each mechanism is believed.

The answer is compared with plain matching's where the two predict different observables: that of the
lighter set of whole errors is taken. Ties go to belief propagation, which takes into account how many sets of
errors there are of either kind. So if every error of the model is a single edge, the answer is always one of
minimum weight.
"""

import numpy as np

from decoders.belief_matching.kernels.elimination import IMPOSSIBLE, solve_by_beliefs
from decoders.belief_matching.kernels.error_sets import (
    LEFT_OVER,
    cover_edges,
    flip_mechanism,
    toggle_edge,
    weigh_believed,
)
from decoders.belief_matching.kernels.simd import LANES
from decoders.belief_matching.kernels.sum_product import (
    forget_beliefs,
    note_settled,
    num_active,
    propagate,
    weigh_edges,
)
from decoders.gaps.kernels.per_shot import find_gaps
from decoders.kernels.bits import set_bits_toggled
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import match_shot
from decoders.matching.kernels.correction import mate_path
from decoders.reweighted.kernels.reweighted import match_reweighted


@kernel
def load_lanes(tanner, graph, belief, shots, count):
    """Put the events of the first `count` shots of `group` into the lanes; the other lanes are inactive."""
    toggles, events = pool(graph, "toggles"), pool(belief, "shot_events")
    signs, active, group = pool(belief, "signs"), pool(belief, "active"), pool(belief, "group")
    row_of = pool(tanner, "row_of")
    for lane in range(LANES):
        if lane >= count:
            active[lane] = 0
            continue
        for at in range(set_bits_toggled(shots[group[lane]], toggles, events)):
            signs[row_of[events[at]] * LANES + lane] = -1


@kernel
def flip_believed(tanner, belief, lane, flips):
    """Apply the observables of all mechanisms that are more likely than not in a lane."""
    odds, flippers = pool(belief, "odds"), pool(tanner, "flippers")
    for index in range(tanner.num_flippers):
        if odds[flippers[index] * LANES + lane] > 1:
            flip_mechanism(tanner, np.int64(flippers[index]), flips)


@kernel
def match_lane(graph, reweight, work, belief, shot, lane):
    """Match the shot in a lane on the weights that its lane has now. Returns the events left and a status."""
    weights, shot_weights = pool(belief, "weights"), pool(belief, "shot_weights")
    events = pool(belief, "shot_events")
    for edge in range(belief.num_edges):
        shot_weights[edge] = weights[edge * LANES + lane]
    count = set_bits_toggled(shot, pool(graph, "toggles"), events)
    return match_reweighted(graph, reweight, work, events, count, shot_weights)


@kernel
def reset_prediction(graph, flips):
    """Predict the observables that are always flipped."""
    certain_flips = pool(graph, "certain_flips")
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]


@kernel
def is_predicted(graph, work, prediction):
    """Whether a matching flips the observables predicted."""
    flips = pool(work, "flips")
    differ = np.uint8(0)
    for byte in range(graph.flip_bytes):
        differ |= flips[byte] ^ prediction[byte]
    return differ == 0


@kernel
def weigh_matching(tanner, errors, sets, graph, work, count, flips):
    """Find a light set of whole errors for the matching of `count` events in `work`.

    `flips` receives what the set flips. Returns its weight, LEFT_OVER or more if the matching has edges that
    no error of the set accounts for.
    """
    path = pool(work, "path")
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            toggle_edge(sets, path[at])
    reset_prediction(graph, flips)
    return cover_edges(tanner, errors, sets, graph, flips)


@kernel
def decide(
    tanner,
    belief,
    graph,
    reweight,
    work,
    plain_graph,
    plain_work,
    errors,
    sets,
    shot,
    lane,
    settled,
    prediction,
):
    """Predict the observables of the shot in a lane.

    The candidates are the mechanisms believed if they are `settled`, else the matching on believed weights
    (left in `work`), and plain matching. If neither is possible for whole errors, Gaussian elimination looks
    for a set that is; a shot that no set of whole errors explains gets plain matching's answer.
    `prediction` uint8 (flip_bytes,) receives the answer. Returns a status.
    """
    plain_count, status = match_shot(plain_graph, plain_work, shot)
    if status != OK:
        return status
    if settled:
        reset_prediction(graph, prediction)
        flip_believed(tanner, belief, lane, prediction)
        if is_predicted(graph, plain_work, prediction):
            return OK
        weight = weigh_believed(errors, belief, lane)
    else:
        count, status = match_lane(graph, reweight, work, belief, shot, lane)
        if status != OK:
            return status
        flips = pool(work, "flips")
        for byte in range(graph.flip_bytes):
            prediction[byte] = flips[byte]
        if errors.differs == 0 and is_predicted(graph, plain_work, prediction):
            return OK
        weight = weigh_matching(tanner, errors, sets, graph, work, count, prediction)
    flips = pool(sets, "flips")
    plain_weight = weigh_matching(tanner, errors, sets, plain_graph, plain_work, plain_count, flips)
    if min(weight, plain_weight) >= LEFT_OVER:
        reset_prediction(graph, flips)
        plain_weight = solve_by_beliefs(tanner, errors, belief, sets, lane, flips)
        if plain_weight == IMPOSSIBLE:
            flips = pool(plain_work, "flips")
        elif plain_weight < 0:
            return OK
    if plain_weight < weight:
        for byte in range(graph.flip_bytes):
            prediction[byte] = flips[byte]
    return OK


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
    events = pool(belief, "shot_events")
    if not matched:
        _, status = match_lane(graph, reweight, work, belief, shot, lane)
        if status != OK:
            return status
    count = set_bits_toggled(shot, pool(graph, "toggles"), events)
    return find_gaps(
        class_graphs,
        class_reweights,
        rivals,
        rival_work,
        graph,
        work,
        events,
        count,
        pool(belief, "shot_weights"),
        predicted,
        gaps,
    )


@kernel
def decode_group(
    tanner,
    belief,
    graph,
    reweight,
    work,
    plain_graph,
    plain_work,
    errors,
    sets,
    class_graphs,
    class_reweights,
    rivals,
    rival_work,
    shots,
    count,
    may_stop,
    predictions,
    gaps,
):
    """Decode the first `count` shots of `group`, or put some of them off if `may_stop`. Returns a status."""
    active, group, waiting = pool(belief, "active"), pool(belief, "group"), pool(belief, "waiting")
    forget_beliefs(tanner, belief)
    load_lanes(tanner, graph, belief, shots, count)
    stopped = propagate(tanner, belief, belief.max_sweeps, may_stop)
    if len(rivals) > 0:
        note_settled(tanner, belief)
    if len(rivals) > 0 or (not stopped and num_active(belief) > 0):
        weigh_edges(tanner, belief)
    for lane in range(count):
        settled = active[lane] == 0
        if stopped and not settled:
            continue
        shot = group[lane]
        status = decide(
            tanner,
            belief,
            graph,
            reweight,
            work,
            plain_graph,
            plain_work,
            errors,
            sets,
            shots[shot],
            lane,
            settled,
            predictions[shot],
        )
        if status == OK and len(rivals) > 0:
            status = gaps_of_lane(
                graph,
                reweight,
                work,
                belief,
                class_graphs,
                class_reweights,
                rivals,
                rival_work,
                shots[shot],
                lane,
                not settled,
                predictions[shot],
                gaps[shot],
            )
        if status != OK:
            return status
    for lane in range(count):
        if stopped and active[lane] > 0:
            waiting[belief.num_waiting] = group[lane]
            belief.num_waiting += 1
    return OK


@entry_point
def decode_in_lanes(
    tanners,
    beliefs,
    graphs,
    reweights,
    works,
    plain_graphs,
    plain_works,
    errors,
    sets,
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

    `order` int64 (n,), with n at most max_waiting; `predictions` uint8 (shots, flip_bytes). With `rivals`,
    `gaps` int64 (shots, observables) receives those of the matchings on the shots' weights. `num_waiting`
    must be 0 at the start. Returns the place in `order` at which to continue in a larger workspace, and a
    status.
    """
    belief = beliefs[0]
    group, waiting = pool(belief, "group"), pool(belief, "waiting")
    while first < len(order) or belief.num_waiting > 0:
        may_stop = first < len(order)
        if may_stop:
            count = min(LANES, len(order) - first)
            for lane in range(count):
                group[lane] = order[first + lane]
        else:
            count = min(LANES, belief.num_waiting)
            for lane in range(count):
                group[lane] = waiting[belief.num_waiting - count + lane]
        status = decode_group(
            tanners[0],
            belief,
            graphs[0],
            reweights[0],
            works[0],
            plain_graphs[0],
            plain_works[0],
            errors[0],
            sets[0],
            class_graphs,
            class_reweights,
            rivals,
            rival_works[0],
            shots,
            count,
            may_stop,
            predictions,
            gaps,
        )
        if status != OK:
            return first, status
        if may_stop:
            first += count
        else:
            belief.num_waiting -= count
    return first, OK
