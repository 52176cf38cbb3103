"""State of matching with per-shot edge weights."""

import numpy as np

from decoders.kernels.records import Pool, record

_i4, _i8 = np.int32, np.int64

BASE_LIST = record(
    first=_i8,  # entries GRAPH.neighbours[first:last] are the list; -1: not built yet
    last=_i8,
    radius=_i8,  # all nearer detectors are in the list; at most twice the distance to the boundary
    boundary=_i8,  # distance to the boundary, FAR if it is larger than the radius
    end=_i8,  # entry of the detector next to the boundary on the path there, -1 for the list's own detector
)
REWEIGHT = record(
    positions=Pool(_i4, "2 * num_edges"),  # adjacency entries of an edge; the second -1 at the boundary
    first_parallel=Pool(_i4, "num_edges"),  # first edge with the same two ends
    edge_has_flips=Pool(np.uint8, "num_edges"),
    boundary_weight=Pool(_i8, "num_detectors"),  # weight of the boundary edge, or FAR; by load_weights
    negative=Pool(_i8, "num_edges"),  # edges of negative weight, assumed present; by load_weights
    routed=Pool(_i8, "num_detectors"),  # detectors with a stored path to the boundary
    parity=Pool(np.uint8, "num_detectors"),  # scratch of load_residual_events, zero between calls
    base_lists=Pool(BASE_LIST, "num_base_lists"),  # of each detector, or none; by build_base_lists
    is_changed=Pool(np.uint8, "num_base_lists"),  # whether an edge of the detector has another than its base
    #                                             weight; written by the caller
    num_base_lists=_i8,
    num_base_entries=_i8,
    most_base_entries=_i8,  # the first so many of GRAPH.neighbours are for base lists
    use_base_lists=_i8,  # whether base lists may be used in this shot; written by the caller
    num_detectors=_i8,
    num_edges=_i8,
    has_parallel_edges=_i8,
    list_length=_i8,  # most detectors in a neighbour list
    num_negative=_i8,
    negative_weight=_i8,  # their total weight
    num_routed=_i8,  # -1: every detector has a stored path to the boundary
)
