"""The components of errors: pairs that cancel, and pairs that are another edge."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point, kernel


@kernel
def _find_edge(
    first: Any,
    second: Any,
    observables: NDArray[np.uint64],
    edge_u: NDArray[np.int32],
    edge_v: NDArray[np.int32],
    edge_observables: NDArray[np.uint64],
) -> bool:
    """Whether there is an edge with these ends and observables; edges are sorted by their ends."""
    low = np.int64(0)
    high = np.int64(edge_u.size)
    while low < high:
        middle = (low + high) // 2
        if edge_u[middle] < first or (edge_u[middle] == first and edge_v[middle] < second):
            low = middle + 1
        else:
            high = middle
    while low < edge_u.size and edge_u[low] == first and edge_v[low] == second:
        word = 0
        while word < observables.size and observables[word] == edge_observables[low, word]:
            word += 1
        if word == observables.size:
            return True
        low += 1
    return False


@kernel
def _copy(
    ends: NDArray[np.int32],
    probability: NDArray[np.float64],
    observables: NDArray[np.uint64],
    error: NDArray[np.int32],
    source: int,
    target: int,
) -> None:
    """Copy one component over another."""
    ends[target, 0] = ends[source, 0]
    ends[target, 1] = ends[source, 1]
    for word in range(observables.shape[1]):
        observables[target, word] = observables[source, word]
    probability[target] = probability[source]
    error[target] = error[source]


@entry_point
def cancel_pairs(
    ends: NDArray[np.int32],
    probability: NDArray[np.float64],
    observables: NDArray[np.uint64],
    error: NDArray[np.int32],
) -> int:
    """Remove components that occur twice in one error, because together they flip nothing.

    Arrays as in `recombine`, changed in place. Returns how many components are left, in the same order.
    """
    kept = 0
    first = 0  # of the kept components of the present error
    for index in range(error.size):
        if index > 0 and error[index] != error[index - 1]:
            first = kept
        same = first
        while same < kept:
            equal = ends[same, 0] == ends[index, 0] and ends[same, 1] == ends[index, 1]
            for word in range(observables.shape[1]):
                equal &= observables[same, word] == observables[index, word]
            if equal:
                break
            same += 1
        if same == kept:
            _copy(ends, probability, observables, error, index, kept)
            kept += 1
        else:
            for other in range(same + 1, kept):
                _copy(ends, probability, observables, error, other, other - 1)
            kept -= 1
    return kept


@entry_point
def recombine(
    ends: NDArray[np.int32],
    probability: NDArray[np.float64],
    observables: NDArray[np.uint64],
    error: NDArray[np.int32],
    edge_u: NDArray[np.int32],
    edge_v: NDArray[np.int32],
    edge_observables: NDArray[np.uint64],
    both: NDArray[np.uint64],
) -> int:
    """Replace two components of an error by one edge that flips the same, as long as there are such.

    ends int32 (components, 2), probability float64, observables uint64 (components, words) and error int32,
    ascending, are changed in place; edges as in MatchingGraph; both uint64 (words,) is scratch. Returns how
    many components are left, in the same order.
    """
    kept = 0
    start = 0
    while start < error.size:
        stop = start
        while stop < error.size and error[stop] == error[start]:
            stop += 1
        one = start
        while one < stop:
            other = one + 1
            while other < stop:
                first: Any = np.int64(-1)
                second: Any = np.int64(-1)
                if _joint_ends(ends, one, other) == 1:  # two edges to the boundary, or two that meet
                    first, second = _outer_ends(ends, one, other)
                if first >= 0:
                    for word in range(both.size):
                        both[word] = observables[one, word] ^ observables[other, word]
                    if _find_edge(first, second, both, edge_u, edge_v, edge_observables):
                        break
                other += 1
            if other == stop:
                one += 1
                continue
            ends[one, 0] = first
            ends[one, 1] = second
            for word in range(both.size):
                observables[one, word] = both[word]
            for index in range(other, stop - 1):
                ends[index, 0] = ends[index + 1, 0]
                ends[index, 1] = ends[index + 1, 1]
                for word in range(both.size):
                    observables[index, word] = observables[index + 1, word]
            stop -= 1
            one = start
        behind = stop
        while behind < error.size and error[behind] == error[start]:
            behind += 1
        for index in range(start, stop):
            _copy(ends, probability, observables, error, index, kept)
            kept += 1
        start = behind
    return kept


@kernel
def _joint_ends(ends: NDArray[np.int32], one: int, other: int) -> int:
    """How many ends two components share, the boundary counting as one; 0 if a component has no detector."""
    if ends[one, 0] < 0 or ends[other, 0] < 0:
        return 0
    shared = 0
    for a in range(2):
        for b in range(2):
            if ends[one, a] == ends[other, b]:
                shared += 1
    return shared


@kernel
def _outer_ends(ends: NDArray[np.int32], one: int, other: int) -> tuple[Any, Any]:
    """The two ends that two components with one in common do not share, smaller first, the boundary last."""
    first = np.int64(-1)
    second = np.int64(-1)
    for a in range(2):
        for b in range(2):
            if ends[one, a] == ends[other, b]:
                first = np.int64(ends[one, 1 - a])
                second = np.int64(ends[other, 1 - b])
    if first < 0 or (0 <= second < first):
        return second, first
    return first, second
