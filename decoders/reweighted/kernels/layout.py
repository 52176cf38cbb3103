"""State of matching with per-shot edge weights."""

import numpy as np

from decoders.kernels.records import Pool, record

_i4, _i8 = np.int32, np.int64

REWEIGHT = record(
    places=Pool(_i4, "2 * num_edges"),  # where an edge stands in the adjacency; the second -1 at the boundary
    twin_of=Pool(_i4, "num_edges"),  # the first edge with the same two ends
    edge_has_flips=Pool(np.uint8, "num_edges"),
    boundary_weight=Pool(_i8, "num_detectors"),  # the shot's weight of the edge to the boundary, or FAR
    present=Pool(_i8, "num_edges"),  # edges of negative weight, taken as present
    chained=Pool(_i8, "num_detectors"),  # detectors whose way to the boundary has been laid
    parity=Pool(np.uint8, "num_detectors"),  # zero between shots
    num_detectors=_i8,
    num_edges=_i8,
    has_twins=_i8,
    list_length=_i8,  # no list is longer
    num_present=_i8,
    present_weight=_i8,  # what the edges in `present` weigh together
    num_chained=_i8,  # -1: all ways to the boundary have been laid
)
