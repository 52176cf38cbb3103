"""Decoding context: a record with the graph, working memory, input and output of one thread.

An entry point gets the address of this record as its only argument. numba needs about 0.2 us to look at each
array argument, and as much as a small shot takes to decode for a record.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import GRAPH, WORK
from decoders.kernels.records import Pool, record, record_at

_i8 = np.int64

# Context.wanted: the form of the answer.
PREDICTIONS, EDGES, PAIRS = _i8(0), _i8(1), _i8(2)

CONTEXT = record(
    graph=Pool(GRAPH, "1"),
    work=Pool(WORK, "1"),
    wanted=_i8,
    # Input, written by the caller.
    shots=Pool(np.uint8, "num_shots * row_bytes"),  # a byte for each node, or bits with is_packed
    row_bytes=_i8,
    num_shots=_i8,
    is_packed=_i8,
    packs_predictions=_i8,
    predictions=Pool(np.uint8, "num_shots * prediction_bytes"),
    prediction_bytes=_i8,
    weights=Pool(np.float64, "num_shots"),  # address 0 if nobody asks for them
    shot=_i8,  # the shot to begin with; set to the one at which decoding stopped
    listed=Pool(_i8, "num_edges + 2 * num_nodes"),  # edges, or pairs of nodes
    # The decoder, written once.
    num_nodes=_i8,
    packed_nodes=_i8,  # ceil(num_nodes / 8)
    num_flips=_i8,  # observables of the graph; predictions after them stay as they are
    mask=Pool(np.uint8, "num_nodes"),  # 1 where a node is a detector, 0 at boundary nodes
    inverted=Pool(np.uint8, "num_nodes"),  # 1 where edges taken as present flip the node
    packed_mask=Pool(np.uint8, "packed_nodes"),  # the same as bits
    packed_inverted=Pool(np.uint8, "packed_nodes"),
    lists_faults=_i8,  # whether fault ids are listed by edge, instead of the graph's flips
    fault_start=Pool(_i8, "num_edges + 1"),  # those of edge e are fault_ids[start[e]:start[e + 1]]
    fault_ids=Pool(_i8, "num_faults"),
    num_faults=_i8,
    base_faults=Pool(_i8, "num_base"),  # fault ids that are flipped in every shot
    num_base=_i8,
    present=Pool(_i8, "num_present"),  # edges of negative weight, taken as present before decoding
    num_present=_i8,
    marks=Pool(np.uint8, "num_edges"),  # zero between shots
    num_edges=_i8,
    weight_scale=np.float64,
    num_listed=_i8,  # written by the kernel: edges, or pairs
)


@kernel
def context_at(address):
    """Return the record at an address."""
    return record_at(address, CONTEXT)
