"""Many shots in one call, each with error probabilities of its own for some edges or for all."""

import numpy as np

from decoders.kernels.bits import list_differing_bits
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import Pool, pool, record
from decoders.reweighted.kernels.event_lists import build_base_lists
from decoders.reweighted.kernels.reweighted import load_weights, match_loaded

_i4, _i8, _f8 = np.int32, np.int64, np.float64

#: Weight steps, as many as in `MatchingGraph`.
_MAX_STEPS = _f8((1 << 24) - 1)

SHOT_WEIGHTS = record(
    # Written by the caller: probabilities given with the shots.
    entry_start=Pool(_i8, "num_shots + 1"),  # those of shot s are entries start[s]:start[s + 1]; not if dense
    entry_edge=Pool(_i4, "num_entries"),  # not if dense: then the entries of a shot are its edges in order
    entry_probability=Pool(_f8, "num_entries"),
    is_dense=_i8,
    num_shots=_i8,
    num_entries=_i8,
    # Weights of edges without a probability of their own; written once.
    base_weight=Pool(_f8, "num_edges"),
    base_steps=Pool(_i4, "num_edges"),  # even
    base_scale=_f8,  # steps per unit of weight; a step counts 2
    base_largest=_f8,
    num_largest=_i8,  # edges whose weight has that size
    num_fractions=_i8,  # edges whose weight is no whole number
    num_negative=_i8,
    num_edges=_i8,
    num_detectors=_i8,
    # Written by the kernel.
    weight=Pool(_f8, "num_edges"),  # base_weight between shots
    steps=Pool(_i4, "num_edges"),
    events=Pool(_i8, "num_detectors"),
    is_base_loaded=_i8,  # whether the search graph has the base weights
)


@kernel
def weight_of(probability):
    """Weight log((1 - p) / p) of an error of probability p."""
    weight = np.log((1 - probability) / probability)
    if np.isinf(weight):  # a probability below 1e-308
        weight = -np.log(probability)
    return weight


@kernel
def round_weight(weight, scale):
    """Even integer weight, rounded as in `MatchingGraph`."""
    steps = weight * scale
    return np.int32(2 * np.int64(steps + (0.5 if steps >= 0 else -0.5)))


@kernel
def entry_edge(given, first, at):
    """The edge of an entry, of a shot whose entries begin at `first`."""
    return _i8(at - first) if given.is_dense else _i8(pool(given, "entry_edge")[at])


@kernel
def scale_of(weights):
    """Steps per unit of weight: 1 if all weights are whole numbers, otherwise by the largest."""
    largest = 0.0
    is_whole = True
    for weight in weights:
        largest = max(largest, abs(weight))
        is_whole = is_whole and weight == np.rint(weight)
    return 1.0 if is_whole else _MAX_STEPS / largest


@kernel
def keeps_scale(given, first, last):
    """Whether the entries first..last-1 change single weights only, and neither the scale nor a sign."""
    if given.is_dense or given.num_negative > 0:
        return False
    base, probability = pool(given, "base_weight"), pool(given, "entry_probability")
    largest, fractions = given.num_largest, given.num_fractions
    for at in range(first, last):
        weight = weight_of(probability[at])
        if weight < 0 or weight > given.base_largest:
            return False
        before = base[entry_edge(given, first, at)]
        largest += _i8(weight == given.base_largest) - _i8(before == given.base_largest)
        fractions += _i8(weight != np.rint(weight)) - _i8(before != np.rint(before))
    return largest > 0 and (fractions > 0) == (given.num_fractions > 0)


@kernel
def set_steps(graph, reweight, edge, steps, is_changed):
    """Give an edge that has no twin another weight, not negative; `is_changed`: other than its own."""
    positions, ends = pool(reweight, "positions"), pool(graph, "ends")
    changed = pool(reweight, "is_changed")
    for end in range(2):
        if ends[2 * edge + end] >= 0:
            changed[ends[2 * edge + end]] = is_changed
    there, back = positions[2 * edge], positions[2 * edge + 1]
    if back < 0:
        pool(reweight, "boundary_weight")[ends[2 * edge]] = steps
    else:
        pool(graph, "adjacent")[there].weight = steps
        pool(graph, "adjacent")[back].weight = steps


@kernel
def load_all(graph, reweight, given, first, last):
    """Load the weights of a shot, all of them; returns the scale."""
    weight, steps, base = pool(given, "weight"), pool(given, "steps"), pool(given, "base_weight")
    probability = pool(given, "entry_probability")
    for at in range(first, last):
        weight[entry_edge(given, first, at)] = weight_of(probability[at])
    scale = scale_of(weight)
    for edge in range(given.num_edges):
        steps[edge] = round_weight(weight[edge], scale)
    load_weights(graph, reweight, steps)
    given.is_base_loaded = 0
    for at in range(first, last):
        edge = entry_edge(given, first, at)
        weight[edge] = base[edge]
    return scale


@kernel
def match_given(graph, reweight, work, given, shot, count):
    """Match the first `count` of the events under the weights of a shot; returns the scale and a status."""
    events, base_steps = pool(given, "events"), pool(given, "base_steps")
    first, last = shot * given.num_edges, (shot + 1) * given.num_edges
    if given.is_dense == 0:
        first, last = pool(given, "entry_start")[shot], pool(given, "entry_start")[shot + 1]
    if reweight.has_parallel_edges or not keeps_scale(given, first, last):
        scale = load_all(graph, reweight, given, first, last)
        _, status = match_loaded(graph, reweight, work, events, count)
        return scale, status
    if given.is_base_loaded == 0:
        load_weights(graph, reweight, base_steps)
        given.is_base_loaded = 1
    build_base_lists(graph, reweight, work, events, count)
    probability = pool(given, "entry_probability")
    for at in range(first, last):
        steps = round_weight(weight_of(probability[at]), given.base_scale)
        set_steps(graph, reweight, entry_edge(given, first, at), steps, 1)
    reweight.use_base_lists = 1
    _, status = match_loaded(graph, reweight, work, events, count)
    reweight.use_base_lists = 0
    for at in range(first, last):
        edge = entry_edge(given, first, at)
        set_steps(graph, reweight, edge, base_steps[edge], 0)
    return given.base_scale, status


@entry_point
def decode_given(graphs, reweights, works, givens, shots, predictions, weights, first_shot):
    """Decode bit-packed shots, each under its own weights, up to the first that fails.

    Args:
        graphs, reweights, works: records of a `ReweightedGraph` and a `Workspace`.
        givens: a SHOT_WEIGHTS record; its shots are numbered as those here.
        shots: uint8 (shots, shot_bytes).
        predictions: uint8 (shots, flip_bytes).
        weights: float64 (shots,).
        first_shot: the shot to begin with.

    Returns:
        The shot at which it stopped, and a status.
    """
    graph, reweight, work, given = graphs[0], reweights[0], works[0], givens[0]
    inverted, events, flips = pool(graph, "inverted"), pool(given, "events"), pool(work, "flips")
    for shot in range(first_shot, len(shots)):
        count = list_differing_bits(shots[shot], inverted, events)
        scale, status = match_given(graph, reweight, work, given, shot, count)
        if status != OK:
            return shot, status
        weights[shot] = work.weight / (2 * scale)
        for byte in range(graph.flip_bytes):
            predictions[shot, byte] = flips[byte]
    return len(shots), OK
