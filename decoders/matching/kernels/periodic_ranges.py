"""Detection of periodic ranges of detectors, whose adjacency repeats that of one period before.

In a periodic range begin..end-1 of period P the adjacency of each detector d is that of d - P, with P added
to all detectors and one constant added to all edges. This is a property of the graph, found by comparing
numbers; it does not matter whether a model was written with `repeat` blocks.
"""

import numpy as np

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.records import pool
from decoders.matching.kernels.dijkstra import end_dijkstra, settle_next, start_dijkstra


@kernel
def compute_edge_shift(graph, detector, period, expected):
    """Return the constant added to a detector's edges since one period before; -1 if its adjacency differs.

    `expected` is the constant of other detectors, -1 if not known yet; a detector without edges returns it.
    """
    indptr, adjacent = pool(graph, "indptr"), pool(graph, "adjacent")
    here = np.int64(indptr[detector])
    there = np.int64(indptr[detector - period])
    size = np.int64(indptr[detector + 1]) - here
    if np.int64(indptr[detector - period + 1]) - there != size:
        return np.int64(-1)
    if size == 0:
        return max(np.int64(0), expected)
    shift = np.int64(adjacent[here].edge) - np.int64(adjacent[there].edge)
    if shift < 0 or (expected > 0 and shift != expected):
        return np.int64(-1)
    for _ in range(size):
        same = (
            adjacent[here].detector - adjacent[there].detector == period
            and adjacent[here].edge - adjacent[there].edge == shift
            and adjacent[here].weight == adjacent[there].weight
            and adjacent[here].flips == adjacent[there].flips
        )
        if not same:
            return np.int64(-1)
        here += 1
        there += 1
    return shift


@kernel
def measure_list_extent(graph, work, source, longest):
    """Return the first and last detector whose adjacency a search for a neighbour list would read.

    Writes the Dijkstra fields of `work` (scratch).
    """
    low = np.int64(source)
    high = np.int64(source)
    start_dijkstra(work, source)
    for _ in range(longest + 2):
        there = settle_next(graph, work)
        if there < 0:
            break
        low = min(low, there)
        high = max(high, there)
    end_dijkstra(work)
    return low, high


@kernel
def find_period(graph, work, middle, longest, most, tries):
    """Find the smallest period with which the surroundings of a detector's list repeat.

    Args:
        graph: GRAPH record.
        work: WORK record; Dijkstra fields are scratch.
        middle: the detector.
        longest: most detectors per list.
        most: largest period to try.
        tries: most detectors to compare.

    Returns:
        Period (0 if there is none), constant added to edges, first and last detector found to repeat, and
        remaining tries.
    """
    low, high = measure_list_extent(graph, work, middle, longest)
    for period in range(1, min(most, low) + 1):
        # The detector itself first: it excludes most wrong periods.
        shift = compute_edge_shift(graph, middle, period, np.int64(-1))
        tries -= 1
        detector = low
        while shift > 0 and detector <= high:
            shift = compute_edge_shift(graph, detector, period, shift)
            detector += 1
            tries -= 1
        if shift > 0:
            return np.int64(period), shift, low, high, tries
        if tries <= 0:
            break
    return np.int64(0), np.int64(0), low, high, tries


@entry_point
def find_periodic_ranges(graphs, works, longest, shortest, stack, ranges):
    """Find periodic ranges of the graph.

    The period is searched for in the middle of a range of detectors and its periodic range extended as far as
    possible; the detectors on both sides are searched in the same way. If the middle has no period, both
    halves are.

    Args:
        graphs: one GRAPH record.
        works: one WORK record; Dijkstra fields are scratch.
        longest: most detectors per neighbour list.
        shortest: ranges with fewer detectors are skipped.
        stack: int64 (depth, 2), scratch.
        ranges: int64 (capacity, 3), written: begin, end and period, ascending.

    Returns:
        Number of periodic ranges.
    """
    graph, work = graphs[0], works[0]
    count = 0
    stack[0, 0] = 0
    stack[0, 1] = graph.num_detectors
    depth = 1
    tries = 4 * graph.num_detectors
    while depth > 0:
        depth -= 1
        first = stack[depth, 0]
        last = stack[depth, 1]
        if last - first < shortest or tries <= 0 or count == len(ranges) or depth + 2 > len(stack):
            continue
        middle = (first + last) // 2
        period, shift, begin, end, tries = find_period(
            graph, work, middle, longest, (last - first) // 3, tries
        )
        end += 1
        if period == 0 or begin < first or end > last:
            begin = middle
            end = middle
        else:
            while begin > max(first, period) and compute_edge_shift(graph, begin - 1, period, shift) > 0:
                begin -= 1
            while end < last and compute_edge_shift(graph, end, period, shift) > 0:
                end += 1
            place = count
            while place > 0 and ranges[place - 1, 0] > begin:
                for column in range(3):
                    ranges[place, column] = ranges[place - 1, column]
                place -= 1
            ranges[place, 0] = begin
            ranges[place, 1] = end
            ranges[place, 2] = period
            count += 1
        stack[depth, 0] = first
        stack[depth, 1] = begin
        stack[depth + 1, 0] = end
        stack[depth + 1, 1] = last
        depth += 2
    return count
