"""The record of one thread that decodes: where its graph, its input and its output lie in memory.

A kernel gets the address of this record as its only argument. numba needs about 0.2 us to look at each array
argument, more than a small shot takes to decode.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.pools import view

_i8 = np.int64

# Desk.wanted: the form of the answer.
PREDICTIONS, EDGES, MATES = _i8(0), _i8(1), _i8(2)

_FIELDS = {
    "graph": _i8,  # GRAPH
    "work": _i8,  # WORK
    # Input, written by the caller.
    "wanted": _i8,
    "shots": _i8,  # uint8 (num_shots * row_bytes,): a byte for each node, or bits with is_packed
    "row_bytes": _i8,
    "num_shots": _i8,
    "is_packed": _i8,
    "packs_predictions": _i8,
    "predictions": _i8,  # uint8 (num_shots * prediction_bytes,)
    "prediction_bytes": _i8,
    "weights": _i8,  # float64 (num_shots,), or address 0 if nobody asks for them
    "listed": _i8,  # EDGES: int64 (num_edges,); MATES: int64 (2 num_nodes,), pairs of a node and its mate
    # The decoder, written once.
    "num_nodes": _i8,
    "num_flips": _i8,  # observables of the graph; predictions after them stay as they are
    "mask": _i8,  # uint8 (num_nodes,): 1 where a node is a detector, 0 at boundary nodes
    "toggles": _i8,  # uint8 (num_nodes,): 1 where edges taken as present flip the node
    "packed_mask": _i8,  # uint8 (ceil(num_nodes / 8),): the same as bits
    "packed_toggles": _i8,
    "lists_faults": _i8,  # whether fault ids are listed by edge, instead of the graph's flips
    "fault_start": _i8,  # int64 (num_edges + 1,): those of edge e are fault_ids[start[e]:start[e + 1]]
    "fault_ids": _i8,  # int64 (num_faults,)
    "num_faults": _i8,
    "base_faults": _i8,  # int64 (num_base,): fault ids that are flipped in every shot
    "num_base": _i8,
    "present": _i8,  # int64 (num_present,): edges of negative weight, taken as present before decoding
    "num_present": _i8,
    "marks": _i8,  # uint8 (num_edges,): zero between shots
    "num_edges": _i8,
    # Written by the kernel.
    "shot": _i8,  # the shot to begin with, then the one at which decoding stopped
    "num_listed": _i8,
    "weight_scale": np.float64,
}
DESK: "np.dtype[np.record]" = np.dtype((np.record, list(_FIELDS.items())))  # type: ignore[assignment]


@kernel
def bytes_at(address, length):
    """The uint8 array at an address."""
    return view(address, length, np.uint8)


@kernel
def integers_at(address, length):
    """The int64 array at an address."""
    return view(address, length, np.int64)


@kernel
def floats_at(address, length):
    """The float64 array at an address."""
    return view(address, length, np.float64)
