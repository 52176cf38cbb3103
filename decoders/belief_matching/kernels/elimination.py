"""Gaussian elimination for a set of whole errors that explains a shot, ordered by beliefs.

Start from all mechanisms believed more likely than not. The detection events that they leave are explained
by changing further mechanisms, those nearest to even odds first: ordered statistics decoding of order 0
(Panteleev and Kalachev, Quantum 5, 585, 2021). Only mechanisms within a region around these events take part.
"""

import numpy as np

from decoders.belief_matching.kernels.error_sets import flip_mechanism
from decoders.belief_matching.kernels.simd import LANES
from decoders.kernels.bits import trailing_zeros
from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.records import pool

_HALF = np.float32(0.5)
# States of a mechanism.
_SEEN, _CHANGED = np.uint8(1), np.uint8(2)
#: Returned instead of a weight: no set of errors explains the events; none was found within the region.
IMPOSSIBLE, NOT_FOUND = np.int64(-1), np.int64(-2)
# Reliabilities as integer keys.
_STEPS = 1 << 16


@kernel
def grow_region(tanner, errors, belief, sets, lane):
    """Number the rows around those whose events are not explained by what is believed in a lane.

    Returns how many of the rows are not explained, how many rows the region has, and whether it has all that
    can be reached.
    """
    links, mechanisms = pool(tanner, "links"), pool(tanner, "mechanisms")
    chances, signs = pool(belief, "chances"), pool(belief, "signs")
    number_of, region, rows = pool(sets, "number_of"), pool(sets, "region"), pool(errors, "rows")
    first_row = pool(errors, "first_row")
    size = 0
    for row in range(tanner.num_detectors):
        odd = signs[row * LANES + lane] < 0
        for link in range(links[row], links[row + 1]):
            if chances[mechanisms[link] * LANES + lane] > _HALF:
                odd = not odd
        if odd:
            region[size] = row
            number_of[row] = size
            size += 1
    num_unexplained = size
    at = 0
    while at < size and size <= sets.max_rows:
        row = region[at]
        at += 1
        for link in range(links[row], links[row + 1]):
            mechanism = mechanisms[link]
            for place in range(first_row[mechanism], first_row[mechanism + 1]):
                if number_of[rows[place]] < 0 and size < sets.max_rows:
                    region[size] = rows[place]
                    number_of[rows[place]] = size
                    size += 1
                elif number_of[rows[place]] < 0:
                    return num_unexplained, size, False
    return num_unexplained, size, size <= sets.max_rows


@kernel
def queue_mechanisms(tanner, errors, belief, sets, lane, size):
    """Queue the mechanisms that flip rows of the region only, least reliable first.

    Returns the size of the queue and the number of mechanisms whose state is set.
    """
    links, mechanisms, chances = pool(tanner, "links"), pool(tanner, "mechanisms"), pool(belief, "chances")
    number_of, region, rows = pool(sets, "number_of"), pool(sets, "region"), pool(errors, "rows")
    first_row = pool(errors, "first_row")
    states, seen, queue = pool(sets, "states"), pool(sets, "seen"), pool(sets, "queue")
    num_seen = 0
    queued = 0
    for at in range(size):
        for link in range(links[region[at]], links[region[at] + 1]):
            mechanism = np.int64(mechanisms[link])
            if states[mechanism]:
                continue
            states[mechanism] = _SEEN
            seen[num_seen] = mechanism
            num_seen += 1
            inside = True
            for place in range(first_row[mechanism], first_row[mechanism + 1]):
                inside = inside and number_of[rows[place]] >= 0
            if inside:
                chance = np.float64(chances[mechanism * LANES + lane])
                chance = np.float64(min(max(chance, 1e-30), 1 - 1e-8))
                reliability = np.int64(abs(np.log(chance / (1 - chance))) * _STEPS)
                queued = push(queue, queued, reliability, mechanism)
    return queued, num_seen


@kernel
def lowest_bit(basis, start, words):
    """Place of the lowest one bit of `words` words, -1 if there is none."""
    for word in range(words):
        if basis[start + word] != np.uint64(0):
            return 64 * word + np.int64(trailing_zeros(basis[start + word]))
    return np.int64(-1)


@kernel
def reduce_column(sets, start, words):
    """Reduce the column at `start` by the basis. Returns its lowest row, or -1 if nothing is left."""
    basis, pivots = pool(sets, "basis"), pool(sets, "pivots")
    stride = 2 * sets.max_words
    while True:
        row = lowest_bit(basis, start, words)
        if row < 0 or pivots[row] < 0:
            return row
        other = pivots[row] * stride
        for word in range(words):
            basis[start + word] ^= basis[other + word]
            basis[start + sets.max_words + word] ^= basis[other + sets.max_words + word]


@kernel
def eliminate(errors, sets, num_unexplained, size, queued):
    """Change mechanisms of the queue until all events of the region are explained. Returns whether they are.

    Marks the mechanisms to be changed in `states`.
    """
    basis, pivots, columns = pool(sets, "basis"), pool(sets, "pivots"), pool(sets, "columns")
    number_of, rows, first_row = pool(sets, "number_of"), pool(errors, "rows"), pool(errors, "first_row")
    states, queue = pool(sets, "states"), pool(sets, "queue")
    stride, words = 2 * sets.max_words, (size + 63) >> 6
    events, column = sets.max_rows * stride, (sets.max_rows + 1) * stride
    for row in range(size):
        pivots[row] = -1
    for word in range(stride):
        basis[events + word] = 0
    for row in range(num_unexplained):
        basis[events + (row >> 6)] |= np.uint64(1) << np.uint64(row & 63)
    rank = np.int64(0)
    while queued > 0:
        mechanism = queue[0].what
        queued = drop_first(queue, queued)
        for word in range(stride):
            basis[column + word] = 0
        for place in range(first_row[mechanism], first_row[mechanism + 1]):
            number = np.int64(number_of[rows[place]])
            basis[column + (number >> 6)] |= np.uint64(1) << np.uint64(number & 63)
        lowest = reduce_column(sets, column, words)
        if lowest < 0:
            continue
        basis[column + sets.max_words + (rank >> 6)] |= np.uint64(1) << np.uint64(rank & 63)
        for word in range(stride):
            basis[rank * stride + word] = basis[column + word]
        pivots[lowest] = rank
        columns[rank] = mechanism
        rank += 1
        if reduce_column(sets, events, words) < 0:
            for at in range(rank):
                if basis[events + sets.max_words + (at >> 6)] >> np.uint64(at & 63) & np.uint64(1):
                    states[columns[at]] |= _CHANGED
            return True
    return False


@kernel
def solve_by_beliefs(tanner, errors, belief, sets, lane, flips):
    """Find a set of whole errors that explains the events of a lane, from its mean probabilities.

    `flips` uint8 (flip_bytes,) receives the observables of the errors in addition to what it holds. Returns
    the weight of the set, or IMPOSSIBLE, or NOT_FOUND.
    """
    number_of, region, states = pool(sets, "number_of"), pool(sets, "region"), pool(sets, "states")
    seen = pool(sets, "seen")
    chances, weight = pool(belief, "chances"), pool(errors, "weight")
    num_unexplained, size, complete = grow_region(tanner, errors, belief, sets, lane)
    solved = num_unexplained == 0
    num_seen = np.int64(0)
    if not solved and size <= sets.max_rows:
        queued, num_seen = queue_mechanisms(tanner, errors, belief, sets, lane, size)
        solved = eliminate(errors, sets, num_unexplained, size, queued)
    total = IMPOSSIBLE if complete else NOT_FOUND
    if solved:
        total = np.int64(0)
        for mechanism in range(errors.num_mechanisms):
            if (chances[mechanism * LANES + lane] > _HALF) != (states[mechanism] & _CHANGED != 0):
                total += weight[mechanism]
                flip_mechanism(tanner, mechanism, flips)
    for at in range(size):
        number_of[region[at]] = -1
    for at in range(num_seen):
        states[seen[at]] = 0
    return total
