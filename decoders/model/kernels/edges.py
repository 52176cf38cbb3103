"""From error components to edges: merging, adjacency, connected components. All linear in the input."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point, kernel


@kernel
def _stable_order(
    keys: NDArray[np.int32], order: NDArray[np.int32], starts: NDArray[np.int64], out: NDArray[np.int32]
) -> None:
    """Reorder `order` by keys >= -1 (counting sort, stable)."""
    starts[:] = 0
    for index in order:
        starts[keys[index] + 2] += 1
    for key in range(1, starts.size):
        starts[key] += starts[key - 1]
    for index in order:
        bucket = keys[index] + 1
        out[starts[bucket]] = index
        starts[bucket] += 1


@kernel
def _home(table: NDArray[np.int32], first: Any, num_detectors: Any, mixed: Any) -> Any:
    """The place where an edge is looked for first: edges of near detectors are near in memory."""
    mask = np.int64(table.size - 1)
    spread = max(np.int64(1), np.int64(table.size) // (num_detectors + 1))
    return ((first + 1) * spread + (mixed & 15)) & mask


@kernel
def _mix(first: Any, second: Any, observables: NDArray[np.uint64], row: Any) -> Any:
    """Hash the ends and the observables of an edge, to a number of up to 62 bits."""
    # Factors below 2**30, numbers below 2**32: no product overflows, which would be a warning in Python.
    mixed = (first + 2) * np.int64(0x2545F491) + (second + 2) * np.int64(0x1B873593)
    for word in range(observables.shape[1]):
        bits = observables[row, word]
        if bits != 0:
            for half in (bits & np.uint64(0xFFFFFFFF), bits >> np.uint64(32)):
                mixed = ((mixed ^ (mixed >> 31)) & np.int64(0x7FFFFFFF)) ^ np.int64(half)
                mixed = mixed * np.int64(0x2545F491) + 1
    mixed = ((mixed ^ (mixed >> 31)) & np.int64(0x7FFFFFFF)) * np.int64(0x27D4EB2F)
    return mixed ^ (mixed >> 31)


@entry_point
def fill_table(
    table: NDArray[np.int32],
    num_detectors: int,
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    observables: NDArray[np.uint64],
    num_edges: int,
) -> None:
    """Enter the edges 0..num_edges-1, all different, in a table of another size, all of it -1 on entry."""
    mask = np.int64(table.size - 1)
    for edge in range(num_edges):
        mixed = _mix(np.int64(first[edge]), np.int64(second[edge]), observables, edge)
        place = _home(table, np.int64(first[edge]), np.int64(num_detectors), mixed)
        while table[place] >= 0:
            place = (place + ((mixed >> 4) | 1)) & mask
        table[place] = edge


@entry_point
def add_components(
    ends: NDArray[np.int32],
    probability: NDArray[np.float64],
    observables: NDArray[np.uint64],
    start: int,
    num_edges: int,
    table: NDArray[np.int32],
    num_detectors: int,
    edge_first: NDArray[np.int32],
    edge_second: NDArray[np.int32],
    edge_probability: NDArray[np.float64],
    edge_complement: NDArray[np.float64],
    edge_observables: NDArray[np.uint64],
    edge_of: NDArray[np.int32],
) -> tuple[int, int]:
    """Merge components, from number `start` on, with the edges that have the same ends and observables.

    In: ends int32 (components, 2), -1 where there is no detector; probability; observables uint64
    (components, words). Updated: table int32 (a power of two,), edges by their hash, -1 where it is empty;
    the edges, in order of their first components; edge_of int32 (components,), the edge that each component
    became part of, or (0,) if that is of no interest. Returns the number of components that have been merged
    and the number of edges: a new edge that finds the arrays of edges full ends the call.

    An odd number of independent mechanisms flips the edge; its probability and one minus it are both kept as
    sums of positive terms, exact even next to one.
    """
    words = observables.shape[1]
    mask = np.int64(table.size - 1)
    for index in range(start, probability.size):
        first, second = np.int64(ends[index, 0]), np.int64(ends[index, 1])
        mixed = _mix(first, second, observables, index)
        place = _home(table, first, np.int64(num_detectors), mixed)
        while True:
            edge = np.int64(table[place])
            if edge < 0:
                break
            if edge_first[edge] == first and edge_second[edge] == second:
                word = 0
                while word < words and edge_observables[edge, word] == observables[index, word]:
                    word += 1
                if word == words:
                    break
            # Steps of double hashing: the edges of a detector with many are not searched one by one.
            place = (place + ((mixed >> 4) | 1)) & mask
        p = probability[index]
        if edge < 0:
            if num_edges == edge_first.size:
                return index, num_edges
            edge = np.int64(num_edges)
            num_edges += 1
            table[place] = edge
            edge_first[edge] = first
            edge_second[edge] = second
            edge_probability[edge] = p
            edge_complement[edge] = 1.0 - p
            for word in range(words):
                edge_observables[edge, word] = observables[index, word]
        else:
            q = edge_probability[edge]
            not_q = edge_complement[edge]
            edge_probability[edge] = p * not_q + q * (1.0 - p)
            edge_complement[edge] = p * q + (1.0 - p) * not_q
        if edge_of.size:
            edge_of[index] = edge
    return probability.size, num_edges


@entry_point
def sort_edges(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    other_order: NDArray[np.int32],
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
) -> None:
    """Write the order of edges by (first, second), then by number, to `order`.

    first, second int32 (edges,), at least -1; other_order int32 (edges,), starts int64 (detectors + 2,):
    scratch.
    """
    for index in range(order.size):
        order[index] = index
    _stable_order(second, order, starts, other_order)
    _stable_order(first, other_order, starts, order)


@entry_point
def build_adjacency(
    edge_u: NDArray[np.int32],
    edge_v: NDArray[np.int32],
    indptr: NDArray[np.int32],
    fill: NDArray[np.int32],
    adjacent_detector: NDArray[np.int32],
    adjacent_edge: NDArray[np.int32],
) -> None:
    """Rows of neighbours, each sorted by neighbour with the boundary (-1) first.

    Edges must be sorted by (u, v) with u < v or v == -1. indptr int32 (detectors + 1,) zero on
    entry; fill int32 (detectors,) scratch; the adjacency arrays have room for every edge's ends.
    """
    num_edges = edge_u.size
    for edge in range(num_edges):
        indptr[edge_u[edge] + 1] += 1
        if edge_v[edge] >= 0:
            indptr[edge_v[edge] + 1] += 1
    for detector in range(fill.size):
        indptr[detector + 1] += indptr[detector]
        fill[detector] = indptr[detector]
    # Three sweeps put the boundary first, then smaller neighbours, then larger ones, each ascending.
    for edge in range(num_edges):
        if edge_v[edge] < 0:
            u = edge_u[edge]
            adjacent_detector[fill[u]] = -1
            adjacent_edge[fill[u]] = edge
            fill[u] += 1
    for edge in range(num_edges):
        v = edge_v[edge]
        if v >= 0:
            adjacent_detector[fill[v]] = edge_u[edge]
            adjacent_edge[fill[v]] = edge
            fill[v] += 1
    for edge in range(num_edges):
        v = edge_v[edge]
        if v >= 0:
            u = edge_u[edge]
            adjacent_detector[fill[u]] = v
            adjacent_edge[fill[u]] = edge
            fill[u] += 1


@entry_point
def label_components(
    edge_u: NDArray[np.int32],
    edge_v: NDArray[np.int32],
    component: NDArray[np.int32],
    has_boundary: NDArray[np.bool_],
) -> int:
    """Number the connected components by their smallest detector; returns how many there are.

    component int32 (detectors,) and has_boundary bool (detectors,) False on entry are filled, the
    second only up to the number returned. The boundary connects nothing.
    """
    for detector in range(component.size):
        component[detector] = detector
    for edge in range(edge_u.size):
        if edge_v[edge] < 0:
            continue
        a = edge_u[edge]
        while component[a] != a:
            component[a] = component[component[a]]
            a = component[a]
        b = edge_v[edge]
        while component[b] != b:
            component[b] = component[component[b]]
            b = component[b]
        # The smaller detector becomes the root, so that each points to a smaller one or itself.
        if a < b:
            component[b] = a
        else:
            component[a] = b
    count = 0
    for detector in range(component.size):
        parent = component[detector]
        if parent == detector:
            component[detector] = count
            count += 1
        else:
            component[detector] = component[parent]  # a smaller detector: already numbered
    for edge in range(edge_u.size):
        if edge_v[edge] < 0:
            has_boundary[component[edge_u[edge]]] = True
    return count
