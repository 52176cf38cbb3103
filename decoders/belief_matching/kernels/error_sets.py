"""Sets of hyperedge errors that yield a set of edges, and their weights.

A matching is a set of edges, but errors flip several edges at once. The weight of a solution is therefore
that of a set of errors: the sum of log((1 - p) / p). A greedy search covers the edges of a matching by
errors, always choosing the error with the largest saving. Edges that no error flips alone and that no chosen
error covers remain uncovered: such a solution consists of components of errors, and weighs more than any
solution of whole errors.
"""

import numpy as np

from decoders.belief_matching.kernels.simd import LANES
from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import ITEM
from decoders.kernels.records import Pool, pool, record

_i4, _i8, _u8 = np.int32, np.int64, np.uint64
#: Penalty of an uncovered edge: larger than the weight of any set of errors.
UNCOVERED = _i8(1 << 40)
_IN_SET, _LISTED = np.uint8(1), np.uint8(2)

#: The errors of a DEM as sets of edges; read-only. A variant is a mechanism together with one of the sets
#: of edges into which its errors are decomposed.
ERRORS = record(
    weight=Pool(_i8, "num_mechanisms"),  # log((1 - p) / p) * SCALE, not negative
    first_row=Pool(_i4, "num_mechanisms + 1"),
    rows=Pool(_i4, "num_links"),  # mechanism m flips the detectors of rows[first_row[m]:first_row[m + 1]]
    mechanism=Pool(_i4, "num_variants"),
    first_edge=Pool(_i4, "num_variants + 1"),
    edges=Pool(_i4, "num_parts"),  # variant v flips edges[first_edge[v]:first_edge[v + 1]], at least two
    first_variant=Pool(_i4, "num_edges + 1"),
    variants=Pool(_i4, "num_parts"),  # edge e is in variants[first_variant[e]:first_variant[e + 1]]
    alone=Pool(_i4, "num_edges"),  # the likeliest mechanism that flips just this edge, -1 if there is none
    edge_cost=Pool(_i8, "num_edges"),  # weight of that mechanism, at least UNCOVERED if there is none
    num_mechanisms=_i8,
    num_links=_i8,
    num_variants=_i8,
    num_parts=_i8,
    num_edges=_i8,
    differs=_i8,  # whether covering errors may flip other observables than the edges, or not exist
)
#: Memory of the searches for sets of errors, one per thread; sizes as in `ERRORS`.
SETS = record(
    marks=Pool(np.uint8, "num_edges"),  # zero between shots
    marked_edges=Pool(_i8, "num_edges"),  # edges with a nonzero mark
    queue=Pool(ITEM, "max_queue"),
    flips=Pool(np.uint8, "flip_bytes"),
    number_of=Pool(_i4, "num_detectors"),  # index of a row in the region, -1 outside; -1 between shots
    region=Pool(_i8, "num_detectors"),  # rows of the region
    states=Pool(np.uint8, "num_mechanisms"),  # zero between shots
    seen=Pool(_i8, "num_mechanisms"),  # mechanisms with a nonzero state
    #: Independent columns, and the columns of which each is a sum; the last row is the current column, the
    #: one before it the events.
    basis=Pool(_u8, "(max_rows + 2) * 2 * max_words"),
    pivots=Pool(_i8, "max_rows"),  # the column whose lowest row this is, -1
    columns=Pool(_i8, "max_rows"),  # the mechanism of each column
    num_edges=_i8,
    num_detectors=_i8,
    num_mechanisms=_i8,
    flip_bytes=_i8,
    max_queue=_i8,
    max_rows=_i8,
    max_words=_i8,
    num_listed=_i8,
)


@kernel
def flip_mechanism(tanner, mechanism, flips):
    """XOR the observables of a mechanism into `flips`, uint8 (flip_bytes,)."""
    flipped = pool(tanner, "flipped")
    for byte in range(tanner.flip_bytes):
        flips[byte] ^= flipped[mechanism * tanner.flip_bytes + byte]


@kernel
def toggle_edge(sets, edge):
    """Add an edge to the set of edges to cover, or remove it. Writes SETS.marks and marked_edges."""
    marks, marked_edges = pool(sets, "marks"), pool(sets, "marked_edges")
    if marks[edge] == 0:
        marked_edges[sets.num_listed] = edge
        sets.num_listed += 1
        marks[edge] = _LISTED
    marks[edge] ^= _IN_SET


@kernel
def compute_saving(errors, sets, variant):
    """Return the weight saved if a variant's mechanism covers its edges."""
    marks, edge_cost, edges = pool(sets, "marks"), pool(errors, "edge_cost"), pool(errors, "edges")
    first_edge = pool(errors, "first_edge")
    saving = -pool(errors, "weight")[pool(errors, "mechanism")[variant]]
    for at in range(first_edge[variant], first_edge[variant + 1]):
        edge = edges[at]
        saving += edge_cost[edge] if marks[edge] & _IN_SET else -edge_cost[edge]
    return saving


@kernel
def queue_variants(errors, sets, edge, size):
    """Queue the variants that flip an edge and save weight; return the new size of SETS.queue."""
    queue, variants = pool(sets, "queue"), pool(errors, "variants")
    first_variant = pool(errors, "first_variant")
    for at in range(first_variant[edge], first_variant[edge + 1]):
        variant = np.int64(variants[at])
        saving = compute_saving(errors, sets, variant)
        # A full queue reduces the quality of the cover, not its correctness.
        if saving > 0 and size < sets.max_queue:
            size = push(queue, size, -saving, variant)
    return size


@kernel
def cover_edges(tanner, errors, sets, graph, flips):
    """Cover the toggled edges by a light set of errors, and reset them.

    `flips` uint8 (flip_bytes,) is XORed with the observables of the errors. Returns the weight, at least
    UNCOVERED if an edge remains uncovered.
    """
    queue, marks, marked_edges = pool(sets, "queue"), pool(sets, "marks"), pool(sets, "marked_edges")
    edges, first_edge = pool(errors, "edges"), pool(errors, "first_edge")
    mechanism = pool(errors, "mechanism")
    weight, edge_cost, alone = pool(errors, "weight"), pool(errors, "edge_cost"), pool(errors, "alone")
    edge_flips = pool(graph, "edge_flips")
    size = 0
    for index in range(sets.num_listed):
        if marks[marked_edges[index]] & _IN_SET:
            size = queue_variants(errors, sets, marked_edges[index], size)
    total = np.int64(0)
    while size > 0:
        expected, variant = -queue[0].key, queue[0].what
        size = drop_first(queue, size)
        saving = compute_saving(errors, sets, variant)
        if saving <= 0:
            continue
        if saving < expected:
            size = push(queue, size, -saving, variant)
            continue
        total += weight[mechanism[variant]]
        flip_mechanism(tanner, np.int64(mechanism[variant]), flips)
        for at in range(first_edge[variant], first_edge[variant + 1]):
            toggle_edge(sets, np.int64(edges[at]))
        for at in range(first_edge[variant], first_edge[variant + 1]):
            size = queue_variants(errors, sets, np.int64(edges[at]), size)
    for index in range(sets.num_listed):
        edge = marked_edges[index]
        if marks[edge] & _IN_SET:
            total += edge_cost[edge]
            if alone[edge] >= 0:
                flip_mechanism(tanner, np.int64(alone[edge]), flips)
            else:
                for byte in range(graph.flip_bytes):
                    flips[byte] ^= edge_flips[edge * graph.flip_bytes + byte]
        marks[edge] = 0
    sets.num_listed = 0
    return total


@kernel
def weigh_likely_mechanisms(errors, belief, lane):
    """Return the weight of all mechanisms that are more likely than not in a lane."""
    odds, weight = pool(belief, "odds"), pool(errors, "weight")
    total = np.int64(0)
    for mechanism in range(errors.num_mechanisms):
        if odds[mechanism * LANES + lane] > 1:
            total += weight[mechanism]
    return total
