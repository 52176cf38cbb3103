"""The matching problem of a graph with boundary nodes: detectors, and one edge from each to the boundary."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.matching.workspace import SearchGraph
from decoders.model.matching_graph import MatchingGraph, round_weights
from decoders.pymatching.edges import BOUNDARY, MAX_WEIGHT, EdgeColumns

#: With more fault ids they are listed by edge: paths are then looked up for every pair that is matched.
MAX_FLIPS = 64


class FaultLists(NamedTuple):
    """Fault ids by edge, and those that every shot begins with."""

    #: int64 (num_edges + 1,): those of edge e are ids[start[e]:start[e + 1]].
    start: NDArray[np.int64]
    ids: NDArray[np.int64]
    #: int64: flipped in every shot.
    base: NDArray[np.int64]


class Problem(NamedTuple):
    """A graph ready to be searched. Nodes keep their numbers; boundary nodes have no edges."""

    graph: MatchingGraph
    search_graph: SearchGraph
    #: Fault ids where there are too many for the graph's observables; otherwise None.
    faults: FaultLists | None
    #: bool (num_nodes,)
    is_detector: NDArray[np.bool_]
    num_fault_ids: int

    @classmethod
    def of(
        cls,
        columns: EdgeColumns,
        *,
        num_nodes: int,
        num_fault_ids: int,
        boundary: set[int],
        certain_detectors: NDArray[np.int64],
        certain_observables: NDArray[np.int64],
    ) -> "Problem":
        """Build the problem of some edges.

        Weights are rounded over all edges, as PyMatching rounds them. Edges between boundary nodes count for
        nothing else. Of several edges from a detector to the boundary, through whichever nodes, the lightest
        counts. An edge from a node to itself is part of every solution if its weight is negative.

        Args:
            columns: the edges.
            num_nodes: number of nodes, boundary nodes included.
            num_fault_ids: number of fault ids.
            boundary: the boundary nodes.
            certain_detectors: int64, detectors that are flipped in every shot.
            certain_observables: int64, fault ids that are flipped in every shot.

        Raises:
            ValueError: a weight is larger than `MAX_WEIGHT`.
        """
        heavy = np.flatnonzero(np.abs(columns.weight) > MAX_WEIGHT)
        if heavy.size:
            at = int(heavy[0])
            ends = f"({columns.node1[at]}, {columns.node2[at] if columns.node2[at] >= 0 else 'boundary'})"
            raise ValueError(
                f"edge {ends} has the weight {columns.weight[at]}: the maximum absolute edge weight of "
                f"{MAX_WEIGHT:.0f} is exceeded"
            )
        steps, scale = round_weights(columns.weight)
        is_detector = np.ones(num_nodes, dtype=np.bool_)
        is_detector[list(boundary)] = False
        chosen, edge_u, edge_v, loops = _search_edges(columns, steps, is_detector)
        loops = loops[steps[loops] < 0]
        base = _odd(np.concatenate([certain_observables, *(_faults_of(columns, edge) for edge in loops)]))
        words = (num_fault_ids + 63) // 64 if num_fault_ids <= MAX_FLIPS else 0
        certain = np.zeros(num_nodes, dtype=np.bool_)
        certain[certain_detectors] = True
        graph = MatchingGraph.from_edges(
            num_detectors=num_nodes,
            num_observables=num_fault_ids if words else 0,
            edge_u=edge_u,
            edge_v=edge_v,
            edge_weight=steps[chosen],
            edge_probability=np.full(chosen.size, 0.5),
            edge_observables=fault_words(columns, chosen, words),
            weight_scale=scale,
            certain_detectors=certain,
            certain_observables=np.bitwise_or.reduce(
                np.uint64(1) << base.astype(np.uint64), initial=np.uint64(0), keepdims=True
            )[:words]
            if words
            else np.zeros(0, dtype=np.uint64),
        )
        search_graph = SearchGraph(graph, on_demand=True)
        search_graph.record["certain_weight"] += steps[loops].sum(dtype=np.int64)
        faults = None
        if num_fault_ids > MAX_FLIPS:
            faults = _fault_lists(columns, chosen, base, graph.edge_weight < 0)
        return cls(graph, search_graph, faults, is_detector, num_fault_ids)


def _search_edges(
    columns: EdgeColumns, steps: NDArray[np.int32], is_detector: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Choose the edges that can be part of a lightest matching, sorted by their ends.

    Returns their numbers, the smaller and the larger end (-1 for the boundary), and the numbers of the loops.
    """
    inside = np.append(is_detector, False)  # the last is the virtual boundary, number -1
    first = np.where(inside[columns.node1], columns.node1, BOUNDARY)
    second = np.where(inside[columns.node2], columns.node2, BOUNDARY)
    low, high = np.minimum(first, second), np.maximum(first, second)
    loops = np.flatnonzero((low == high) & (low >= 0))
    candidates = np.flatnonzero(low != high)
    edge_u = np.where(low < 0, high, low)[candidates]
    edge_v = np.where(low < 0, BOUNDARY, high)[candidates]
    # By ends, the lightest of the edges to the boundary first, of equals the first that was added.
    order = np.lexsort((steps[candidates], edge_v, edge_u))
    edge_u, edge_v = edge_u[order], edge_v[order]
    is_first = np.ones(order.size, dtype=np.bool_)
    is_first[1:] = (edge_u[1:] != edge_u[:-1]) | (edge_v[1:] != edge_v[:-1])
    chosen = candidates[order[is_first]]
    return chosen, edge_u[is_first].astype(np.int32), edge_v[is_first].astype(np.int32), loops


def _faults_of(columns: EdgeColumns, edge: int) -> NDArray[np.int64]:
    return columns.fault_ids[columns.fault_start[edge] : columns.fault_start[edge + 1]]


def _odd(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Keep the values that appear an odd number of times, ascending."""
    different, times = np.unique(values, return_counts=True)
    odd: NDArray[np.int64] = different[times % 2 == 1]
    return odd


def fault_words(columns: EdgeColumns, chosen: NDArray[np.int64], words: int) -> NDArray[np.uint64]:
    """Fault ids of the chosen edges as words of observables, uint64 (edges, words)."""
    flips = np.zeros((columns.weight.size, words), dtype=np.uint64)
    if words:
        edge = np.repeat(np.arange(columns.weight.size), np.diff(columns.fault_start))
        bit = np.uint64(1) << (columns.fault_ids % 64).astype(np.uint64)
        np.bitwise_xor.at(flips, (edge, columns.fault_ids // 64), bit)
    return flips[chosen]


def _fault_lists(
    columns: EdgeColumns, chosen: NDArray[np.int64], base: NDArray[np.int64], present: NDArray[np.bool_]
) -> FaultLists:
    lengths = np.diff(columns.fault_start)[chosen]
    start = np.zeros(chosen.size + 1, dtype=np.int64)
    np.cumsum(lengths, out=start[1:])
    places = np.arange(start[-1]) + np.repeat(columns.fault_start[chosen] - start[:-1], lengths)
    ids = columns.fault_ids[places]
    of_present = ids[np.repeat(present, lengths)]
    return FaultLists(start, ids, _odd(np.concatenate([base, of_present])))
