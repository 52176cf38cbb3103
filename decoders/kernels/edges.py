"""From error components to edges: merging, adjacency, connected components. All linear in the input."""

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import kernel


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
def merge_components(
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    probability: NDArray[np.float64],
    observables: NDArray[np.uint64],
    order: NDArray[np.int32],
    other_order: NDArray[np.int32],
    starts: NDArray[np.int64],
    edge_first: NDArray[np.int32],
    edge_second: NDArray[np.int32],
    edge_probability: NDArray[np.float64],
    edge_complement: NDArray[np.float64],
    edge_observables: NDArray[np.uint64],
    edge_of: NDArray[np.int32],
) -> int:
    """Merge components with the same two ends and the same observables; returns the number of edges.

    In: first, second int32 (components,), -1 where there is no detector; probability; observables
    uint64 (components, words). Scratch: order, other_order int32 (components,); starts int64
    (detectors + 2,). Out, all with room for every component: edges sorted by (first, second), then
    by first appearance; edge_of int32 (components,), the edge that each component became part of. An odd
    number of independent mechanisms flips the edge; its probability and one minus it are both kept as sums
    of positive terms, exact even next to one.
    """
    num_components = first.size
    words = observables.shape[1]
    for index in range(num_components):
        order[index] = index
    _stable_order(second, order, starts, other_order)
    _stable_order(first, other_order, starts, order)
    num_edges = 0
    run = 0  # the first edge with the current two ends
    for index in order:
        if num_edges == run or edge_first[run] != first[index] or edge_second[run] != second[index]:
            run = num_edges
        edge = run
        while edge < num_edges:
            word = 0
            while word < words and edge_observables[edge, word] == observables[index, word]:
                word += 1
            if word == words:
                break
            edge += 1
        edge_of[index] = edge
        p = probability[index]
        if edge == num_edges:
            edge_first[edge] = first[index]
            edge_second[edge] = second[index]
            edge_probability[edge] = p
            edge_complement[edge] = 1.0 - p
            for word in range(words):
                edge_observables[edge, word] = observables[index, word]
            num_edges += 1
        else:
            q = edge_probability[edge]
            not_q = edge_complement[edge]
            edge_probability[edge] = p * not_q + q * (1.0 - p)
            edge_complement[edge] = p * q + (1.0 - p) * not_q
    return num_edges


@kernel
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


@kernel
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
