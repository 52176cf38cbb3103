"""State of matching with per-shot edge weights."""

import numpy as np

from decoders.kernels.records import Pool, record

_i4, _i8 = np.int32, np.int64

REWEIGHT = record(
    positions=Pool(_i4, "2 * num_edges"),  # adjacency entries of an edge; the second -1 at the boundary
    first_parallel=Pool(_i4, "num_edges"),  # first edge with the same two ends
    edge_has_flips=Pool(np.uint8, "num_edges"),
    boundary_weight=Pool(_i8, "num_detectors"),  # weight of the boundary edge, or FAR; by load_weights
    negative=Pool(_i8, "num_edges"),  # edges of negative weight, assumed present; by load_weights
    routed=Pool(_i8, "num_detectors"),  # detectors with a stored path to the boundary
    parity=Pool(np.uint8, "num_detectors"),  # scratch of load_residual_events, zero between calls
    num_detectors=_i8,
    num_edges=_i8,
    has_parallel_edges=_i8,
    list_length=_i8,  # most detectors in a neighbour list
    num_negative=_i8,
    negative_weight=_i8,  # their total weight
    num_routed=_i8,  # -1: every detector has a stored path to the boundary
)
