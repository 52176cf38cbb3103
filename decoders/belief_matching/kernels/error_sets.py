"""Sets of whole errors that give a set of edges, and what they weigh.

A matching is a set of edges, but errors flip several edges at once. The weight of a solution is therefore
that of a set of whole errors: the sum of log((1 - p) / p) over them. A greedy search covers the edges of a
matching by errors, always taking the error that saves most. Edges that no error flips alone, and that no
error chosen accounts for, are left over: such a solution is possible for parts of errors only, and weighs
more than any that is possible.
"""

import numpy as np

from decoders.belief_matching.kernels.simd import LANES
from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import ITEM
from decoders.kernels.records import Pool, pool, record

_i4, _i8, _u8 = np.int32, np.int64, np.uint64
#: Weight of an edge left over, added to its own: more than any set of errors weighs.
LEFT_OVER = _i8(1 << 40)
_IN_SET, _LISTED = np.uint8(1), np.uint8(2)

#: The errors of a DEM as sets of edges; read only. A variant is a mechanism together with one of the sets of
#: edges into which its errors are decomposed.
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
    price=Pool(_i8, "num_edges"),  # its weight, or LEFT_OVER and more
    num_mechanisms=_i8,
    num_links=_i8,
    num_variants=_i8,
    num_parts=_i8,
    num_edges=_i8,
    differs=_i8,  # whether sets of errors may flip other observables than the edges do, or be impossible
)
#: What the searches for sets of errors write to, one for each thread; the sizes are those of `ERRORS`.
SETS = record(
    marks=Pool(np.uint8, "num_edges"),  # zero between shots
    listed=Pool(_i8, "num_edges"),  # the edges whose mark is not zero
    queue=Pool(ITEM, "max_queue"),
    flips=Pool(np.uint8, "flip_bytes"),
    number_of=Pool(_i4, "num_detectors"),  # number of a row in the region, -1 outside; -1 between shots
    region=Pool(_i8, "num_detectors"),  # its rows
    states=Pool(np.uint8, "num_mechanisms"),  # zero between shots
    seen=Pool(_i8, "num_mechanisms"),  # mechanisms whose state is not zero
    #: Independent columns, and which columns each is a sum of; the last row is the column worked on, the one
    #: before the events.
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
    """Apply the observables that a mechanism flips."""
    flipped = pool(tanner, "flipped")
    for byte in range(tanner.flip_bytes):
        flips[byte] ^= flipped[mechanism * tanner.flip_bytes + byte]


@kernel
def toggle_edge(sets, edge):
    """Put an edge into the set of edges to be covered, or take it out."""
    marks, listed = pool(sets, "marks"), pool(sets, "listed")
    if marks[edge] == 0:
        listed[sets.num_listed] = edge
        sets.num_listed += 1
        marks[edge] = _LISTED
    marks[edge] ^= _IN_SET


@kernel
def saving_of(errors, sets, variant):
    """By how much the edges to be covered get lighter if a variant's mechanism explains its edges."""
    marks, price, edges = pool(sets, "marks"), pool(errors, "price"), pool(errors, "edges")
    first_edge = pool(errors, "first_edge")
    saving = -pool(errors, "weight")[pool(errors, "mechanism")[variant]]
    for at in range(first_edge[variant], first_edge[variant + 1]):
        edge = edges[at]
        saving += price[edge] if marks[edge] & _IN_SET else -price[edge]
    return saving


@kernel
def offer_edge(errors, sets, edge, size):
    """Queue the variants that flip an edge and save something. Returns the size of the queue."""
    queue, variants = pool(sets, "queue"), pool(errors, "variants")
    first_variant = pool(errors, "first_variant")
    for at in range(first_variant[edge], first_variant[edge + 1]):
        variant = np.int64(variants[at])
        saving = saving_of(errors, sets, variant)
        # A full queue costs quality, not correctness.
        if saving > 0 and size < sets.max_queue:
            size = push(queue, size, -saving, variant)
    return size


@kernel
def cover_edges(tanner, errors, sets, graph, flips):
    """Find a light set of whole errors for the edges that were toggled, and forget them.

    `flips` uint8 (flip_bytes,) receives the observables of the errors in addition to what it holds. Returns
    the weight, LEFT_OVER or more if an edge is left over.
    """
    queue, marks, listed = pool(sets, "queue"), pool(sets, "marks"), pool(sets, "listed")
    edges, first_edge = pool(errors, "edges"), pool(errors, "first_edge")
    mechanism = pool(errors, "mechanism")
    weight, price, alone = pool(errors, "weight"), pool(errors, "price"), pool(errors, "alone")
    edge_flips = pool(graph, "edge_flips")
    size = 0
    for index in range(sets.num_listed):
        if marks[listed[index]] & _IN_SET:
            size = offer_edge(errors, sets, listed[index], size)
    total = np.int64(0)
    while size > 0:
        expected, variant = -queue[0].key, queue[0].what
        size = drop_first(queue, size)
        saving = saving_of(errors, sets, variant)
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
            size = offer_edge(errors, sets, np.int64(edges[at]), size)
    for index in range(sets.num_listed):
        edge = listed[index]
        if marks[edge] & _IN_SET:
            total += price[edge]
            if alone[edge] >= 0:
                flip_mechanism(tanner, np.int64(alone[edge]), flips)
            else:
                for byte in range(graph.flip_bytes):
                    flips[byte] ^= edge_flips[edge * graph.flip_bytes + byte]
        marks[edge] = 0
    sets.num_listed = 0
    return total


@kernel
def weigh_believed(errors, belief, lane):
    """Weight of all mechanisms that are more likely than not in a lane."""
    odds, weight = pool(belief, "odds"), pool(errors, "weight")
    total = np.int64(0)
    for mechanism in range(errors.num_mechanisms):
        if odds[mechanism * LANES + lane] > 1:
            total += weight[mechanism]
    return total
