"""A matching graph whose weights change from shot to shot."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.base import pack_shots
from decoders.kernels import layout
from decoders.matching.workspace import Pools, Workspace, as_bytes
from decoders.model.matching_graph import MatchingGraph
from decoders.reweighted.kernels import reweighted
from decoders.reweighted.kernels.layout import REWEIGHT

#: Longest neighbour list that an event may make itself, in detectors.
LIST_LENGTH = 64
#: Weights of one path must add up to less than 2**31.
MAX_WEIGHT = 1 << 25


class ReweightedGraph(Pools):
    """The topology of a matching graph, and room for the weights of one shot at a time.

    Made for `decoders.reweighted.kernels`: `record` is the kernels' `graph`, `reweight.record` their
    `reweight`. Every thread needs one of its own, and a `Workspace` for it. The graph's own weights and which
    of its errors are more likely than not mean nothing here; errors of probability one keep happening, and
    those that no detector sees are predicted when more likely than not.
    """

    def __init__(self, graph: MatchingGraph, *, list_length: int = LIST_LENGTH) -> None:
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
        # Edges are sorted by their ends, and the first of those with the same ends stands for all.
        same = np.zeros(num_edges, dtype=np.bool_)
        same[1:] = (ends[1:] == ends[:-1]).all(axis=1)
        twin_of = np.maximum.accumulate(np.where(same, 0, np.arange(num_edges))).astype(np.int32)
        boundary_edge = np.full(num_detectors, -1, dtype=np.int32)
        boundary_edge[graph.edge_u[at_boundary]] = twin_of[at_boundary]

        entries = graph.adjacent_detector >= 0
        entries[same[graph.adjacent_edge]] = False
        adjacent = np.zeros(int(entries.sum()), dtype=layout.ADJACENT)
        adjacent["detector"] = graph.adjacent_detector[entries]
        adjacent["edge"] = graph.adjacent_edge[entries]
        adjacent["flips"] = has_flips[adjacent["edge"]]
        row = np.repeat(np.arange(num_detectors), np.diff(graph.indptr))[entries]
        indptr = np.zeros(num_detectors + 1, dtype=np.int32)
        indptr[1:] = np.cumsum(np.bincount(row, minlength=num_detectors))
        places = np.full((num_edges, 2), -1, dtype=np.int32)
        places[adjacent["edge"], (row > adjacent["detector"]).astype(np.int64)] = np.arange(adjacent.size)
        places = places[twin_of]

        num_near = num_detectors * min(list_length, max(num_detectors, 1)) + 1
        detectors = np.zeros(num_detectors, dtype=layout.DETECTOR)
        detectors["outward"] = reweighted.UNKNOWN
        self.own(
            detectors=detectors,
            near=np.zeros(num_near, dtype=layout.NEAR),
            parents=np.zeros(num_near, dtype=np.int16),
            steps=np.zeros(num_near, dtype=np.int32),
            outward_edges=np.full(num_detectors, -1, dtype=np.int32),
            indptr=indptr,
            adjacent=adjacent,
            boundary_edge=boundary_edge,
            boundary_flips=np.zeros(num_detectors * flip_bytes, dtype=np.uint8),
            edge_flips=edge_flips.reshape(-1),
            ends=ends.reshape(-1),
            exits=np.full(num_detectors, layout.FAR, dtype=np.int64),
            toggles=np.packbits(graph.certain_detectors, bitorder="little"),
            certain_flips=certain_flips,
        )
        self.set(
            num_detectors=num_detectors,
            num_near=num_near,
            num_adjacent=adjacent.size,
            num_edges=num_edges,
            flip_bytes=flip_bytes,
            shot_bytes=(num_detectors + 7) // 8,
            has_exits=1,
            has_toggles=int(graph.certain_detectors.any()),
        )
        self.reweight = Pools(REWEIGHT)
        self.reweight.own(
            places=places.reshape(-1),
            twin_of=twin_of,
            edge_has_flips=has_flips,
            boundary_weight=self.arrays["exits"],
            present=np.zeros(num_edges, dtype=np.int64),
            chained=np.zeros(num_detectors, dtype=np.int64),
            parity=np.zeros(num_detectors, dtype=np.uint8),
        )
        self.reweight.set(
            num_detectors=num_detectors,
            num_edges=num_edges,
            has_twins=int(same.any()),
            list_length=list_length,
        )


class Solution(NamedTuple):
    """A shot's lightest matching under the weights that came with it."""

    #: uint8 (ceil(observables / 8),): the observables that it flips.
    flips: NDArray[np.uint8]
    #: In the unit of the weights given.
    weight: int
    #: int64, ascending: the numbers of its edges.
    edges: NDArray[np.int64]


class ReweightedMatching:
    """Exact minimum-weight perfect matching under weights given with each shot; one shot at a time."""

    def __init__(self, *, graph: MatchingGraph, list_length: int = LIST_LENGTH) -> None:
        self.graph = graph
        self.search_graph = ReweightedGraph(graph, list_length=list_length)
        self.work = Workspace(self.search_graph)

    def match(self, detection_events: ArrayLike, *, weights: NDArray[np.int32]) -> Solution:
        """Match one shot.

        Args:
            detection_events: bool, or integers 0 and 1, (num_detectors,).
            weights: int32 (num_edges,), even, of any sign, at most 2**25 in size.

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
            raise ValueError(f"weights are even and at most {MAX_WEIGHT} in size")
        packed = pack_shots(events[np.newaxis])[0] ^ self.search_graph.arrays["toggles"]
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
                raise ValueError("no set of edges explains the detection events: one must be left alone")
            self.work.grow()
            edges = np.zeros(2 * edges.size, dtype=np.int32)
        times = np.bincount(edges[:size], minlength=self.graph.num_edges)
        return Solution(
            flips=self.work.arrays["flips"].copy(),
            weight=int(self.work.record["weight"][0]),
            edges=np.flatnonzero(times % 2),
        )
