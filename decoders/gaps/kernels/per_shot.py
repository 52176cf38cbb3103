"""Gaps under weights that every shot has of its own: the lightest matching of the other logical class.

Where an observable is a detector (see `decoders.gaps.logical_classes`), the other class is one that matching
can be told to stay in: that detector fires, or not. So the shot is matched once more on that graph, under the
same weights.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, NO_PARTNER, OK, _record
from decoders.kernels.pools import certain_flips_of, flips_of, view
from decoders.reweighted.kernels.reweighted import match_reweighted

_i8 = np.int64

#: One observable that has two classes.
RIVAL = _record(
    order=_i8,  # int64 (num_edges,): which edge of the given graph each edge of the observable's graph is
    weights=_i8,  # int32 (num_edges,): the shot's, in that order
    bits=_i8,  # uint8 (num_detectors,): whether an event changes in which class the last detector fires
    events=_i8,  # int64 (num_detectors,): the shot's, and the last detector if it fires
    num_detectors=_i8,  # with the one more
    num_edges=_i8,
    observable=_i8,
)


@kernel
def order_of(rival):
    """The pool `order` of a rival record."""
    return view(rival.order, rival.num_edges, np.int64)


@kernel
def weights_of(rival):
    """The pool `weights` of a rival record."""
    return view(rival.weights, rival.num_edges, np.int32)


@kernel
def bits_of(rival):
    """The pool `bits` of a rival record."""
    return view(rival.bits, rival.num_detectors, np.uint8)


@kernel
def events_of(rival):
    """The pool `events` of a rival record."""
    return view(rival.events, rival.num_detectors, np.int64)


@kernel
def find_gaps(graphs, reweights, rivals, rival_work, graph, work, events, count, weights, predicted, gaps):
    """Find the gaps of the observables in `rivals` after `work` has matched the shot under `weights`.

    `graphs`, `reweights` and `rivals` have a record for each of these observables, `graph` is the one without
    further detectors. `events` int64, the first `count` are the shot's. `predicted` uint8 (bytes,): the
    observables predicted; where the matching disagrees there is no gap to speak of: 0. `gaps` int64
    (observables,) receives the others, FAR where there is no other class. Returns a status.
    """
    flips, certain_flips = flips_of(work), certain_flips_of(graph)
    for number in range(len(rivals)):
        rival = rivals[number]
        order, own_weights, bits, own_events = (
            order_of(rival),
            weights_of(rival),
            bits_of(rival),
            events_of(rival),
        )
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
