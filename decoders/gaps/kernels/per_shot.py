"""Gaps under per-shot edge weights: the lightest matching of the other logical class.

With an observable expressed as a detector (see `decoders.gaps.logical_classes`), matching can be restricted
to the other class: that detector fires, or not. The shot is matched again on that graph under the same
weights.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, NO_PARTNER, OK
from decoders.kernels.records import Pool, pool, record
from decoders.reweighted.kernels.reweighted import match_reweighted

_i4, _i8 = np.int32, np.int64

#: One observable with two classes; order, bits and sizes are constant, the others written by `find_gaps`.
GAP_CLASS = record(
    order=Pool(_i8, "num_edges"),  # index in the given graph of each edge of the observable's graph
    weights=Pool(_i4, "num_edges"),  # weights of the shot, in that order
    bits=Pool(np.uint8, "num_detectors"),  # whether an event changes the class in which the last one fires
    events=Pool(_i8, "num_detectors"),  # events of the shot, and the last detector if it fires
    num_detectors=_i8,  # including the additional one
    num_edges=_i8,
    observable=_i8,
)


@kernel
def find_gaps(
    graphs, reweights, gap_classes, class_work, graph, work, events, count, weights, predicted, gaps
):
    """Compute the gaps of observables after `work` has matched the shot.

    Args:
        graphs: GRAPH (observables,): graph of each observable with two classes.
        reweights: REWEIGHT (observables,), likewise.
        gap_classes: GAP_CLASS (observables,), likewise; written.
        class_work: WORK record for these graphs; written.
        graph: GRAPH record without additional detectors.
        work: WORK record with the matching.
        events: int64 (capacity,): the first `count` are the shot's events.
        count: number of events.
        weights: int32 (edges,): the shot's weights.
        predicted: uint8 (flip_bytes,): predicted observables; where the matching differs the gap is 0.
        gaps: int64 (observables,), written; FAR where there is no other class.

    Returns:
        A status.
    """
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    for number in range(len(gap_classes)):
        gap_class = gap_classes[number]
        order, own_weights, bits = (
            pool(gap_class, "order"),
            pool(gap_class, "weights"),
            pool(gap_class, "bits"),
        )
        own_events = pool(gap_class, "events")
        byte, place = gap_class.observable >> 3, np.uint8(gap_class.observable & 7)
        if (predicted[byte] ^ flips[byte]) >> place & np.uint8(1):
            gaps[gap_class.observable] = 0
            continue
        fires = 1 ^ np.int64((flips[byte] ^ certain_flips[byte]) >> place & np.uint8(1))
        for index in range(count):
            own_events[index] = events[index]
            fires ^= np.int64(bits[events[index]])
        if fires:
            own_events[count] = gap_class.num_detectors - 1
        for edge in range(gap_class.num_edges):
            own_weights[edge] = weights[order[edge]]
        _, status = match_reweighted(
            graphs[number], reweights[number], class_work, own_events, count + fires, own_weights
        )
        if status == OK:
            gaps[gap_class.observable] = class_work.weight - work.weight
        elif status == NO_PARTNER:
            gaps[gap_class.observable] = FAR
        else:
            return status
    return OK
