"""Whole errors as sets of edges: collected from components, merged where equal, and edges weighed alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point


@entry_point
def collect_errors(
    error: NDArray[np.int32],
    edge_of: NDArray[np.int32],
    probability: NDArray[np.float64],
    start: NDArray[np.int32],
    edge: NDArray[np.int32],
    chance: NDArray[np.float64],
) -> int:
    """List the edges that each error flips, ascending.

    error int32 (components,) ascending, edge_of int32 (components,), negative where a component is no edge,
    and probability float64 (components,) are read. start int32 (errors + 1,), edge int32 (components,) and
    chance float64 (errors,) are written, for errors that flip any edge. Returns how many those are.
    """
    count = 0
    used: Any = np.int64(0)
    at = 0
    start[0] = 0
    while at < error.size:
        first = used
        group = error[at]
        p = probability[at]
        while at < error.size and error[at] == group:
            new = edge_of[at]
            at += 1
            if new < 0:
                continue
            place = used
            while place > first and edge[place - 1] > new:
                place -= 1
            if place > first and edge[place - 1] == new:  # twice is not at all
                for other in range(place, used):
                    edge[other - 1] = edge[other]
                used -= 1
                continue
            for other in range(used, place, -1):
                edge[other] = edge[other - 1]
            edge[place] = new
            used += 1
        if used > first:
            chance[count] = p
            count += 1
            start[count] = used
    return count


@entry_point
def merge_errors(
    start: NDArray[np.int32],
    edge: NDArray[np.int32],
    chance: NDArray[np.float64],
    count: int,
    bucket: NDArray[np.int32],
    order: NDArray[np.int32],
) -> None:
    """Merge errors that flip the same edges: the first gets the chance of an odd number, others -1.

    The first three as `collect_errors` leaves them. bucket int32 (num_edges + 1,), zeros, and order int32
    (errors,) are scratch.
    """
    for index in range(count):
        bucket[edge[start[index]] + 1] += 1
    for number in range(bucket.size - 1):
        bucket[number + 1] += bucket[number]
    for index in range(count - 1, -1, -1):
        # Filled from the back: afterwards bucket[e + 1] is where the errors with the least edge e begin.
        least = edge[start[index]] + 1
        bucket[least] -= 1
        order[bucket[least]] = index
    for number in range(bucket.size - 1):
        first = bucket[number + 1]
        last: Any = np.int64(count)
        if number + 2 < bucket.size:
            last = np.int64(bucket[number + 2])
        for one in range(first, last):
            kept = order[one]
            if chance[kept] < 0:
                continue
            size = start[kept + 1] - start[kept]
            for two in range(one + 1, last):
                other = order[two]
                if chance[other] < 0 or start[other + 1] - start[other] != size:
                    continue
                same = True
                for at in range(1, size):
                    if edge[start[kept] + at] != edge[start[other] + at]:
                        same = False
                        break
                if same:
                    chance[kept] = chance[kept] * (1 - chance[other]) + chance[other] * (1 - chance[kept])
                    chance[other] = -1.0


@entry_point
def weigh_errors(
    start: NDArray[np.int32],
    edge: NDArray[np.int32],
    chance: NDArray[np.float64],
    count: int,
    scale: float,
    impossible: int,
    weight: NDArray[np.int32],
    alone: NDArray[np.int32],
) -> tuple[int, int]:
    """Turn chances into integer weights, and move single edges from the list of errors to `alone`.

    start and edge are compacted in place; weight int32 (errors,) and alone int32 (num_edges,), filled with
    `impossible`, are written. Returns how many errors and entries are left.
    """
    kept = 0
    used: Any = np.int64(0)
    first: Any = np.int64(start[0])
    for index in range(count):
        last = np.int64(start[index + 1])
        if chance[index] >= 0:
            steps: Any = np.int64(impossible)
            if chance[index] > 1e-300:
                exact = np.log((1 - chance[index]) / chance[index]) * scale / 2
                steps = min(steps, 2 * np.int64(np.rint(exact)))
            if last - first == 1:
                alone[edge[first]] = steps
            else:
                for at in range(first, last):
                    edge[used] = edge[at]
                    used += 1
                weight[kept] = steps
                kept += 1
                start[kept] = used
        first = last
    return kept, used


@entry_point
def weigh_alone(
    start: NDArray[np.int32],
    edge: NDArray[np.int32],
    weight: NDArray[np.int32],
    alone: NDArray[np.int32],
    limit: int,
) -> None:
    """Lower `alone`: an error that flips an edge and others, with those others flipped back (Bellman, Ford).

    At most `limit` rounds; later ones only lower what is built of many errors.
    """
    for _ in range(limit):
        changed = False
        for error in range(weight.size):
            total = np.int64(weight[error])
            for at in range(start[error], start[error + 1]):
                total += alone[edge[at]]
            for at in range(start[error], start[error + 1]):
                before = np.int64(alone[edge[at]])
                if total - before < before:
                    alone[edge[at]] = total - before
                    total += total - 2 * before
                    changed = True
        if not changed:
            return
