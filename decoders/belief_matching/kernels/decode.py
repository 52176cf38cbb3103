"""Kernels of belief matching: propagate beliefs, match with the resulting weights, choose a prediction.

Where the prediction differs from that of plain matching, the lighter set of hyperedge errors decides. Ties go
to belief propagation, which accounts for the number of error sets of either class. If every error of the
model is a single edge, the solution thus always has minimum weight.

Records: tanner (TANNER), belief (BELIEF), errors (ERRORS), sets (SETS); graph, reweight and work for matching
under the shot's weights; plain_graph and plain_work for plain matching; class_graphs, class_reweights,
gap_classes and class_work for gaps (empty if not requested). All but graphs, tanner and errors are written.
"""

import numpy as np

from decoders.belief_matching.kernels.elimination import IMPOSSIBLE, solve_by_beliefs
from decoders.belief_matching.kernels.error_sets import (
    UNCOVERED,
    cover_edges,
    flip_mechanism,
    toggle_edge,
    weigh_likely_mechanisms,
)
from decoders.belief_matching.kernels.simd import LANES
from decoders.belief_matching.kernels.sum_product import (
    num_active,
    propagate,
    reset_beliefs,
    store_final_posteriors,
    weigh_edges,
)
from decoders.gaps.kernels.per_shot import find_gaps
from decoders.kernels.bits import list_differing_bits
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import match_shot
from decoders.matching.kernels.correction import mate_path
from decoders.reweighted.kernels.reweighted import match_reweighted


@kernel
def load_lanes(tanner, graph, belief, shots, count):
    """Load the events of the first `count` shots of BELIEF.group into the lanes; deactivate the other lanes.

    `shots` is uint8 (shots, shot_bytes). Writes BELIEF.signs and active.
    """
    inverted, events = pool(graph, "inverted"), pool(belief, "shot_events")
    signs, active, group = pool(belief, "signs"), pool(belief, "active"), pool(belief, "group")
    row_of = pool(tanner, "row_of")
    for lane in range(LANES):
        if lane >= count:
            active[lane] = 0
            continue
        for at in range(list_differing_bits(shots[group[lane]], inverted, events)):
            signs[row_of[events[at]] * LANES + lane] = -1


@kernel
def flip_likely_mechanisms(tanner, belief, lane, flips):
    """XOR the observables of all mechanisms that are more likely than not in a lane into `flips`.

    `flips` is uint8 (flip_bytes,).
    """
    odds, flippers = pool(belief, "odds"), pool(tanner, "flippers")
    for index in range(tanner.num_flippers):
        if odds[flippers[index] * LANES + lane] > 1:
            flip_mechanism(tanner, np.int64(flippers[index]), flips)


@kernel
def match_lane(graph, reweight, work, belief, shot, lane):
    """Match the shot of a lane under the weights of the lane; return the number of events and a status.

    `shot` is uint8 (shot_bytes,). Writes BELIEF.shot_weights and shot_events, and the matching to `work`.
    """
    weights, shot_weights = pool(belief, "weights"), pool(belief, "shot_weights")
    events = pool(belief, "shot_events")
    for edge in range(belief.num_edges):
        shot_weights[edge] = weights[edge * LANES + lane]
    count = list_differing_bits(shot, pool(graph, "inverted"), events)
    return match_reweighted(graph, reweight, work, events, count, shot_weights)


@kernel
def reset_prediction(graph, flips):
    """Set `flips`, uint8 (flip_bytes,), to the observables that are flipped in every shot."""
    certain_flips = pool(graph, "certain_flips")
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]


@kernel
def is_predicted(graph, work, prediction):
    """Return whether the matching in `work` flips the observables of `prediction`, uint8 (flip_bytes,)."""
    flips = pool(work, "flips")
    differ = np.uint8(0)
    for byte in range(graph.flip_bytes):
        differ |= flips[byte] ^ prediction[byte]
    return differ == 0


@kernel
def weigh_matching(tanner, errors, sets, graph, work, count, flips):
    """Find a light set of hyperedge errors for the matching of `count` events in `work`.

    `flips` uint8 (flip_bytes,) receives the observables of the set. Returns its weight, at least UNCOVERED if
    an edge of the matching is not covered by any error of the set.
    """
    path = pool(work, "path")
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            toggle_edge(sets, path[at])
    reset_prediction(graph, flips)
    return cover_edges(tanner, errors, sets, graph, flips)


@kernel
def predict_lane(
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

    The candidates are the likely mechanisms if they are `settled` (explain all events), else the matching
    under the lane's weights (left in `work`), and plain matching. If no set of hyperedge errors yields
    either, Gaussian elimination finds one; a shot that no such set explains gets the prediction of plain
    matching.

    Args:
        tanner, belief, graph, reweight, work, plain_graph, plain_work, errors, sets: records, see above.
        shot: uint8 (shot_bytes,).
        lane: lane of the shot.
        settled: whether belief propagation explained all events.
        prediction: uint8 (flip_bytes,), written.

    Returns:
        A status.
    """
    plain_count, status = match_shot(plain_graph, plain_work, shot)
    if status != OK:
        return status
    if settled:
        reset_prediction(graph, prediction)
        flip_likely_mechanisms(tanner, belief, lane, prediction)
        if is_predicted(graph, plain_work, prediction):
            return OK
        weight = weigh_likely_mechanisms(errors, belief, lane)
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
    if min(weight, plain_weight) >= UNCOVERED:
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
    gap_classes,
    class_work,
    shot,
    lane,
    matched,
    predicted,
    gaps,
):
    """Compute the gaps of the shot in a lane, matching it first unless it is `matched`; return a status.

    `predicted` is uint8 (flip_bytes,); `gaps` int64 (observables,) is written.
    """
    events = pool(belief, "shot_events")
    if not matched:
        _, status = match_lane(graph, reweight, work, belief, shot, lane)
        if status != OK:
            return status
    count = list_differing_bits(shot, pool(graph, "inverted"), events)
    return find_gaps(
        class_graphs,
        class_reweights,
        gap_classes,
        class_work,
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
    gap_classes,
    class_work,
    shots,
    count,
    may_stop,
    predictions,
    gaps,
):
    """Decode the first `count` shots of BELIEF.group, or postpone some if `may_stop`; return a status.

    Postponed shots are appended to BELIEF.postponed.
    """
    active, group, postponed = pool(belief, "active"), pool(belief, "group"), pool(belief, "postponed")
    reset_beliefs(tanner, belief)
    load_lanes(tanner, graph, belief, shots, count)
    stopped = propagate(tanner, belief, belief.max_sweeps, may_stop)
    if len(gap_classes) > 0:
        store_final_posteriors(tanner, belief)
    if len(gap_classes) > 0 or (not stopped and num_active(belief) > 0):
        weigh_edges(tanner, belief)
    for lane in range(count):
        settled = active[lane] == 0
        if stopped and not settled:
            continue
        shot = group[lane]
        status = predict_lane(
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
        if status == OK and len(gap_classes) > 0:
            status = gaps_of_lane(
                graph,
                reweight,
                work,
                belief,
                class_graphs,
                class_reweights,
                gap_classes,
                class_work,
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
            postponed[belief.num_postponed] = group[lane]
            belief.num_postponed += 1
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
    gap_classes,
    class_works,
    shots,
    order,
    predictions,
    gaps,
    first,
):
    """Decode bit-packed shots in a given order, from position `first` on, until one fails.

    Args:
        tanners, ..., class_works: records, see above.
        shots: uint8 (shots, shot_bytes).
        order: int64 (n,), n at most max_postponed: indices of the shots.
        predictions: uint8 (shots, flip_bytes), written.
        gaps: int64 (shots, observables), written if requested.
        first: position in `order`. `num_postponed` must be 0 at the start.

    Returns:
        Position in `order` at which to continue with a larger workspace, and a status.
    """
    belief = beliefs[0]
    group, postponed = pool(belief, "group"), pool(belief, "postponed")
    while first < len(order) or belief.num_postponed > 0:
        may_stop = first < len(order)
        if may_stop:
            count = min(LANES, len(order) - first)
            for lane in range(count):
                group[lane] = order[first + lane]
        else:
            count = min(LANES, belief.num_postponed)
            for lane in range(count):
                group[lane] = postponed[belief.num_postponed - count + lane]
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
            gap_classes,
            class_works[0],
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
            belief.num_postponed -= count
    return first, OK
