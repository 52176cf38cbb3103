"""Answers in the forms of PyMatching's: fault ids, edges of the solution, pairs of detection events."""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import mate_path
from decoders.pymatching.kernels.desk import EDGES, PAIRS


@kernel
def write_answer(desk, graph, work, shot, count):
    """Write the present matching of `count` events in the form that is wanted."""
    if desk.weights != 0:
        pool(desk, "weights")[shot] = work.weight / desk.weight_scale
    if desk.wanted == EDGES:
        list_edges(desk, graph, work, count)
    elif desk.wanted == PAIRS:
        list_pairs(desk, work, count)
    elif desk.lists_faults:
        write_faults(desk, graph, work, shot, count)
    else:
        write_flips(desk, work, shot)


@kernel
def prediction_of(desk, shot):
    """The row of predictions of a shot."""
    size = desk.prediction_bytes
    return pool(desk, "predictions")[shot * size : (shot + 1) * size]


@kernel
def write_flips(desk, work, shot):
    """Write the observables that the matching flips."""
    flips, row = pool(work, "flips"), prediction_of(desk, shot)
    if desk.packs_predictions:
        for byte in range(len(flips)):
            row[byte] = flips[byte]
    else:
        for fault in range(desk.num_flips):
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
def write_faults(desk, graph, work, shot, count):
    """Write the fault ids of the matching's edges, edge by edge."""
    path, row = pool(work, "path"), prediction_of(desk, shot)
    start, faults = pool(desk, "fault_start"), pool(desk, "fault_ids")
    for byte in range(len(row)):
        row[byte] = 0
    toggle(row, pool(desk, "base_faults"), np.int64(0), desk.num_base, desk.packs_predictions)
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            edge = path[at]
            toggle(row, faults, start[edge], start[edge + 1], desk.packs_predictions)


@kernel
def mark(marks, listed, size, edge):
    """Count an edge of a path: 1 for an odd number of times, 2 for an even one; returns the new size."""
    if marks[edge] == 0:
        listed[size] = edge
        size += 1
    marks[edge] = 2 if marks[edge] == 1 else 1
    return size


@kernel
def list_edges(desk, graph, work, count):
    """List the edges that an odd number of paths contain, those taken as present included."""
    path, marks = pool(work, "path"), pool(desk, "marks")
    listed, present = pool(desk, "listed"), pool(desk, "present")
    size = 0
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            size = mark(marks, listed, size, path[at])
    for at in range(desk.num_present):
        size = mark(marks, listed, size, present[at])
    desk.num_listed = 0
    for at in range(size):
        edge = listed[at]
        if marks[edge] == 1:
            listed[desk.num_listed] = edge
            desk.num_listed += 1
        marks[edge] = 0


@kernel
def list_pairs(desk, work, count):
    """List pairs of nodes that are matched, the smaller first, -1 as the second for the boundary."""
    events, halves, listed = pool(work, "events"), pool(work, "halves"), pool(desk, "listed")
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
    desk.num_listed = size
