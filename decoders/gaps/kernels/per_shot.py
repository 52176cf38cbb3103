"""Gaps under weights that every shot has of its own: the lightest matching of the other logical class.

Where an observable is a detector (see `decoders.gaps.logical_classes`), the other class is one that matching
can be told to stay in: that detector fires, or not. So the shot is matched once more on that graph, under the
same weights.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, NO_PARTNER, OK
from decoders.kernels.records import Pool, pool, record
from decoders.reweighted.kernels.reweighted import match_reweighted

_i4, _i8 = np.int32, np.int64

#: One observable that has two classes.
RIVAL = record(
    order=Pool(_i8, "num_edges"),  # which edge of the given graph each edge of the observable's graph is
    weights=Pool(_i4, "num_edges"),  # the shot's, in that order
    bits=Pool(np.uint8, "num_detectors"),  # whether an event changes in which class the last detector fires
    events=Pool(_i8, "num_detectors"),  # the shot's, and the last detector if it fires
    num_detectors=_i8,  # with the one more
    num_edges=_i8,
    observable=_i8,
)


@kernel
def find_gaps(graphs, reweights, rivals, rival_work, graph, work, events, count, weights, predicted, gaps):
    """Find the gaps of the observables in `rivals` after `work` has matched the shot under `weights`.

    `graphs`, `reweights` and `rivals` have a record for each of these observables, `graph` is the one without
    further detectors. `events` int64, the first `count` are the shot's. `predicted` uint8 (bytes,): the
    observables predicted; where the matching disagrees there is no gap to speak of: 0. `gaps` int64
    (observables,) receives the others, FAR where there is no other class. Returns a status.
    """
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    for number in range(len(rivals)):
        rival = rivals[number]
        order, own_weights, bits = pool(rival, "order"), pool(rival, "weights"), pool(rival, "bits")
        own_events = pool(rival, "events")
        byte, place = rival.observable >> 3, np.uint8(rival.observable & 7)
        if (predicted[byte] ^ flips[byte]) >> place & np.uint8(1):
            gaps[rival.observable] = 0
            continue
        fires = 1 ^ np.int64((flips[byte] ^ certain_flips[byte]) >> place & np.uint8(1))
        for index in range(count):
            own_events[index] = events[index]
            fires ^= np.int64(bits[events[index]])
        if fires:
            own_events[count] = rival.num_detectors - 1
        for edge in range(rival.num_edges):
            own_weights[edge] = weights[order[edge]]
        _, status = match_reweighted(
            graphs[number], reweights[number], rival_work, own_events, count + fires, own_weights
        )
        if status == OK:
            gaps[rival.observable] = rival_work.weight - work.weight
        elif status == NO_PARTNER:
            gaps[rival.observable] = FAR
        else:
            return status
    return OK
