"""Matching graph whose weights change from shot to shot."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.base import pack_shots
from decoders.kernels import layout
from decoders.matching.workspace import Pools, Workspace, as_bytes
from decoders.model.matching_graph import MatchingGraph
from decoders.reweighted.kernels import event_lists, reweighted
from decoders.reweighted.kernels.layout import BASE_LIST, REWEIGHT

#: Most detectors in the neighbour list of an event.
LIST_LENGTH = 64
#: Largest weight; the weights of one path must add up to less than 2**31.
MAX_WEIGHT = 1 << 25
# Most entries of all neighbour lists under base weights.
_MAX_BASE_ENTRIES = 1 << 24


class ReweightedGraph(Pools):
    """Topology of a matching graph, and memory for the weights of one shot at a time.

    For `decoders.reweighted.kernels`: `record` is the kernels' `graph`, `reweight.record` their `reweight`.
    Every thread needs its own, and a `Workspace` for it. The graph's own weights, and which of its errors are
    more likely than not, are ignored; errors of probability one still occur, and undetectable errors are
    predicted if more likely than not.

    Args:
        graph: the matching graph.
        list_length: most detectors in the neighbour list of an event.
        keep_base_lists: make room for lists under base weights, for `decode_given`.
    """

    def __init__(
        self, graph: MatchingGraph, *, list_length: int = LIST_LENGTH, keep_base_lists: bool = False
    ) -> None:
        super().__init__(layout.GRAPH)
        num_detectors, num_edges = graph.num_detectors, graph.num_edges
        flip_bytes = (graph.num_observables + 7) // 8
        edge_flips = as_bytes(graph.edge_observables, flip_bytes)
        has_flips = np.zeros(num_edges, dtype=np.uint8)
        if flip_bytes:
            has_flips[edge_flips.any(axis=1)] = 1
        likely = graph.undetectable_probability > 0.5
        certain = [graph.certain_observables, *graph.undetectable_observables[likely]]
        certain_flips = as_bytes(np.bitwise_xor.reduce(np.array(certain), axis=0)[np.newaxis], flip_bytes)[0]
        at_boundary = graph.edge_v < 0
        ends = np.stack([graph.edge_u, graph.edge_v], axis=1)
        # Edges are sorted by their ends; the first of parallel edges represents all of them.
        same = np.zeros(num_edges, dtype=np.bool_)
        same[1:] = (ends[1:] == ends[:-1]).all(axis=1)
        first_parallel = np.maximum.accumulate(np.where(same, 0, np.arange(num_edges))).astype(np.int32)
        boundary_edge = np.full(num_detectors, -1, dtype=np.int32)
        boundary_edge[graph.edge_u[at_boundary]] = first_parallel[at_boundary]

        entries = graph.adjacent_detector >= 0
        entries[same[graph.adjacent_edge]] = False
        adjacent = np.zeros(int(entries.sum()), dtype=layout.ADJACENT)
        adjacent["detector"] = graph.adjacent_detector[entries]
        adjacent["edge"] = graph.adjacent_edge[entries]
        adjacent["flips"] = has_flips[adjacent["edge"]]
        row = np.repeat(np.arange(num_detectors), np.diff(graph.indptr))[entries]
        indptr = np.zeros(num_detectors + 1, dtype=np.int32)
        indptr[1:] = np.cumsum(np.bincount(row, minlength=num_detectors))
        positions = np.full((num_edges, 2), -1, dtype=np.int32)
        positions[adjacent["edge"], (row > adjacent["detector"]).astype(np.int64)] = np.arange(adjacent.size)
        positions = positions[first_parallel]

        room = num_detectors * min(list_length, max(num_detectors, 1))
        num_base_entries = min(room, _MAX_BASE_ENTRIES) if keep_base_lists else 0
        num_neighbours = num_base_entries + room + 1
        detectors = np.zeros(num_detectors, dtype=layout.DETECTOR)
        detectors["outward"] = event_lists.UNKNOWN
        self.own(
            detectors=detectors,
            neighbours=np.zeros(num_neighbours, dtype=layout.NEIGHBOUR),
            parents=np.zeros(num_neighbours, dtype=np.int16),
            steps=np.zeros(num_neighbours, dtype=np.int32),
            outward_edges=np.full(num_detectors, -1, dtype=np.int32),
            indptr=indptr,
            adjacent=adjacent,
            boundary_edge=boundary_edge,
            boundary_flips=np.zeros(num_detectors * flip_bytes, dtype=np.uint8),
            edge_flips=edge_flips.reshape(-1),
            ends=ends.reshape(-1),
            boundary_weight=np.full(num_detectors, layout.FAR, dtype=np.int64),
            inverted=np.packbits(graph.certain_detectors, bitorder="little"),
            certain_flips=certain_flips,
        )
        self.set(
            num_detectors=num_detectors,
            num_neighbours=num_neighbours,
            num_adjacent=adjacent.size,
            num_edges=num_edges,
            flip_bytes=flip_bytes,
            shot_bytes=(num_detectors + 7) // 8,
            has_lazy_boundary=1,
            has_inverted=int(graph.certain_detectors.any()),
        )
        base_lists = np.zeros(num_detectors if keep_base_lists else 0, dtype=BASE_LIST)
        base_lists["first"] = -1
        self.reweight = Pools(REWEIGHT)
        self.reweight.own(
            base_lists=base_lists,
            is_changed=np.zeros(base_lists.size, dtype=np.uint8),
            positions=positions.reshape(-1),
            first_parallel=first_parallel,
            edge_has_flips=has_flips,
            boundary_weight=self.arrays["boundary_weight"],
            negative=np.zeros(num_edges, dtype=np.int64),
            routed=np.zeros(num_detectors, dtype=np.int64),
            parity=np.zeros(num_detectors, dtype=np.uint8),
        )
        self.reweight.set(
            num_base_lists=base_lists.size,
            most_base_entries=num_base_entries,
            num_detectors=num_detectors,
            num_edges=num_edges,
            has_parallel_edges=int(same.any()),
            list_length=list_length,
        )


class Solution(NamedTuple):
    """Minimum-weight matching of a shot under its weights."""

    #: uint8 (ceil(observables / 8),): observables that it flips.
    flips: NDArray[np.uint8]
    #: Total weight, in the unit of the given weights.
    weight: int
    #: int64 (edges,), ascending: indices of its edges.
    edges: NDArray[np.int64]


class ReweightedMatching:
    """Exact minimum-weight perfect matching under weights given with each shot, one shot at a time.

    Args:
        graph: the matching graph.
        list_length: most detectors in the neighbour list of an event.

    Examples:
        >>> import numpy as np, stim
        >>> from decoders.model.matching_graph import MatchingGraph
        >>> graph = MatchingGraph.from_dem(stim.DetectorErrorModel("error(0.1) D0 L0"))
        >>> ReweightedMatching(graph=graph).match([True], weights=np.array([6], dtype=np.int32)).weight
        6
    """

    def __init__(self, *, graph: MatchingGraph, list_length: int = LIST_LENGTH) -> None:
        self.graph = graph
        self.search_graph = ReweightedGraph(graph, list_length=list_length)
        self.work = Workspace(self.search_graph)

    def match(self, detection_events: ArrayLike, *, weights: NDArray[np.int32]) -> Solution:
        """Match one shot.

        Args:
            detection_events: bool, or integers 0 and 1, (num_detectors,).
            weights: int32 (num_edges,), even, of any sign, at most 2**25 in absolute value.

        Raises:
            ValueError: wrong shape, dtype or value, or no set of edges explains the detection events.
        """
        events = np.asarray(detection_events)
        if events.shape != (self.graph.num_detectors,):
            raise ValueError(
                f"detection events have shape {events.shape}, expected ({self.graph.num_detectors},)"
            )
        if weights.dtype != np.int32 or weights.shape != (self.graph.num_edges,):
            raise ValueError(
                f"weights are {weights.dtype} {weights.shape}, expected int32 ({self.graph.num_edges},)"
            )
        if weights.size and (weights & 1 | (np.abs(weights) > MAX_WEIGHT)).any():
            raise ValueError(f"weights must be even and at most {MAX_WEIGHT} in absolute value")
        packed = pack_shots(events[np.newaxis])[0] ^ self.search_graph.arrays["inverted"]
        bits = np.unpackbits(packed, count=self.graph.num_detectors, bitorder="little")
        detectors = np.flatnonzero(bits).astype(np.int64)
        edges = np.zeros(max(64, self.graph.num_edges), dtype=np.int32)
        records = self.search_graph.record, self.search_graph.reweight.record, self.work.record
        weights = np.ascontiguousarray(weights)
        while True:
            size, status = reweighted.match_to_edges(*records, detectors, weights, edges)
            if status == layout.OK:
                break
            if status == layout.NO_PARTNER:
                raise ValueError("no set of edges explains the detection events: check shot and graph")
            self.work.grow()
            edges = np.zeros(2 * edges.size, dtype=np.int32)
        times = np.bincount(edges[:size], minlength=self.graph.num_edges)
        return Solution(
            flips=self.work.arrays["flips"].copy(),
            weight=int(self.work.record["weight"][0]),
            edges=np.flatnonzero(times % 2),
        )
