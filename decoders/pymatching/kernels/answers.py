"""Answers in the forms of PyMatching's: fault ids, edges of the solution, pairs of detection events."""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import mate_path
from decoders.pymatching.kernels.context import EDGES, PAIRS


@kernel
def write_answer(context, graph, work, shot, count):
    """Write the present matching of `count` events in the form that is wanted."""
    if context.weights != 0:
        pool(context, "weights")[shot] = work.weight / context.weight_scale
    if context.wanted == EDGES:
        list_edges(context, graph, work, count)
    elif context.wanted == PAIRS:
        list_pairs(context, work, count)
    elif context.lists_faults:
        write_faults(context, graph, work, shot, count)
    else:
        write_flips(context, work, shot)


@kernel
def prediction_of(context, shot):
    """The row of predictions of a shot."""
    size = context.prediction_bytes
    return pool(context, "predictions")[shot * size : (shot + 1) * size]


@kernel
def write_flips(context, work, shot):
    """Write the observables that the matching flips."""
    flips, row = pool(work, "flips"), prediction_of(context, shot)
    if context.packs_predictions:
        for byte in range(len(flips)):
            row[byte] = flips[byte]
    else:
        for fault in range(context.num_flips):
            row[fault] = flips[fault >> 3] >> np.uint8(fault & 7) & np.uint8(1)


@kernel
def toggle(row, faults, first, last, is_packed):
    """Flip the fault ids faults[first..last-1] in a row of bytes, or of bits."""
    for at in range(first, last):
        fault = faults[at]
        if is_packed:
            row[fault >> 3] ^= np.uint8(1 << (fault & 7))
        else:
            row[fault] ^= np.uint8(1)


@kernel
def write_faults(context, graph, work, shot, count):
    """Write the fault ids of the matching's edges, edge by edge."""
    path, row = pool(work, "path"), prediction_of(context, shot)
    start, faults = pool(context, "fault_start"), pool(context, "fault_ids")
    for byte in range(len(row)):
        row[byte] = 0
    toggle(row, pool(context, "base_faults"), np.int64(0), context.num_base, context.packs_predictions)
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            edge = path[at]
            toggle(row, faults, start[edge], start[edge + 1], context.packs_predictions)


@kernel
def mark(marks, listed, size, edge):
    """Count an edge of a path: 1 for an odd number of times, 2 for an even one; returns the new size."""
    if marks[edge] == 0:
        listed[size] = edge
        size += 1
    marks[edge] = 2 if marks[edge] == 1 else 1
    return size


@kernel
def list_edges(context, graph, work, count):
    """List the edges that an odd number of paths contain, those taken as present included."""
    path, marks = pool(work, "path"), pool(context, "marks")
    listed, present = pool(context, "listed"), pool(context, "present")
    size = 0
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            size = mark(marks, listed, size, path[at])
    for at in range(context.num_present):
        size = mark(marks, listed, size, present[at])
    context.num_listed = 0
    for at in range(size):
        edge = listed[at]
        if marks[edge] == 1:
            listed[context.num_listed] = edge
            context.num_listed += 1
        marks[edge] = 0


@kernel
def list_pairs(context, work, count):
    """List pairs of nodes that are matched, the smaller first, -1 as the second for the boundary."""
    events, halves, listed = pool(work, "events"), pool(work, "halves"), pool(context, "listed")
    size = 0
    for index in range(count):
        mate = events[index].mate
        node = events[index].detector
        if mate == AT_BOUNDARY:
            other = np.int64(-1)
        elif mate <= PAIRED:
            other = events[(PAIRED - mate) >> 1].detector
        else:
            other = events[halves[mate].to].detector
        if other < 0 or node < other:
            listed[2 * size] = node
            listed[2 * size + 1] = other
            size += 1
    context.num_listed = size
