"""Find where a graph repeats itself: stretches of detectors whose edges are those of detectors before.

A stretch begin..end-1 has a period P: the adjacency of each of its detectors d is that of d - P, with P added
to all detectors and one and the same number added to all edges. This is a property of the graph, found by
comparing its numbers, so it does not matter whether a model was written with `repeat` blocks.
"""

import numpy as np

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.records import pool
from decoders.matching.kernels.dijkstra import ball_end, ball_next, ball_start


@kernel
def edge_shift(graph, detector, period, expected):
    """The number added to the edges of a detector since one period before; -1 if its adjacency differs.

    `expected` is the number found at other detectors, -1 without any; a detector without edges has the same.
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
def reach_of_list(graph, work, source, longest):
    """The first and the last detector whose adjacency a search for a neighbour list would read."""
    low = np.int64(source)
    high = np.int64(source)
    ball_start(work, source)
    for _ in range(longest + 2):
        there = ball_next(graph, work)
        if there < 0:
            break
        low = min(low, there)
        high = max(high, there)
    ball_end(work)
    return low, high


@kernel
def find_period(graph, work, middle, longest, most, tries):
    """The smallest period with which all that a detector's list depends on repeats; 0 without one.

    Periods up to `most` are tried, and at most `tries` detectors compared. Returns the period, the number
    added to edges, the first and the last detector that were found to repeat, and the tries left.
    """
    low, high = reach_of_list(graph, work, middle, longest)
    for period in range(1, min(most, low) + 1):
        # The detector itself first: it tells most periods apart.
        shift = edge_shift(graph, middle, period, np.int64(-1))
        tries -= 1
        detector = low
        while shift > 0 and detector <= high:
            shift = edge_shift(graph, detector, period, shift)
            detector += 1
            tries -= 1
        if shift > 0:
            return np.int64(period), shift, low, high, tries
        if tries <= 0:
            break
    return np.int64(0), np.int64(0), low, high, tries


@entry_point
def find_stretches(graphs, works, longest, shortest, stack, stretches):
    """Find stretches of the graph that repeat; returns how many.

    In the middle of a range of detectors the period is looked for and its stretch extended as far as it goes;
    what is left on both sides is searched the same way. Without a period in the middle, both halves are.

    longest: of the neighbour lists. shortest: ranges with fewer detectors are left alone. stack: int64
    (places, 2), scratch. stretches: int64 (room, 3), receives begin, end and period, ascending.
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
        if last - first < shortest or tries <= 0 or count == len(stretches) or depth + 2 > len(stack):
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
            while begin > max(first, period) and edge_shift(graph, begin - 1, period, shift) > 0:
                begin -= 1
            while end < last and edge_shift(graph, end, period, shift) > 0:
                end += 1
            place = count
            while place > 0 and stretches[place - 1, 0] > begin:
                for column in range(3):
                    stretches[place, column] = stretches[place - 1, column]
                place -= 1
            stretches[place, 0] = begin
            stretches[place, 1] = end
            stretches[place, 2] = period
            count += 1
        stack[depth, 0] = first
        stack[depth, 1] = begin
        stack[depth + 1, 0] = end
        stack[depth + 1, 1] = last
        depth += 2
    return count
