"""Detection events of one shot with their distances and shortest paths in the matching graph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from decoders import MatchingGraph
from experiments.drawing.growth import BOUNDARY, FAR

#: Distances between all pairs are held: 4000 events are 128 MB.
MAX_EVENTS = 2000


@dataclass(frozen=True)
class EventGraph:
    """Distances in the graph with edges of negative weight flipped, which makes all weights nonnegative.

    Attributes:
        graph: The matching graph.
        detectors: int64 (events,): the detectors to match, ascending: the shot's events, changed by errors
            of probability one and by edges of negative weight, which are assumed to be present.
        reach: int64 (events, num_detectors): distance of every detector from each event, `FAR` if none.
        between: int64 (events, events): distances between events.
        boundary: int64 (events,): distance to the boundary, `FAR` if none.
        parent: int32 (events, num_detectors): previous detector on the path from each event, negative at its
            beginning.
        exit: int64 (events,): last detector on the path to the boundary.
        edge_between: Lightest edge of each pair of detectors, smaller first; `BOUNDARY` as second.
    """

    graph: MatchingGraph
    detectors: NDArray[np.int64]
    reach: NDArray[np.int64]
    between: NDArray[np.int64]
    boundary: NDArray[np.int64]
    parent: NDArray[np.int32]
    exit: NDArray[np.int64]
    edge_between: dict[tuple[int, int], int]

    @classmethod
    def from_shot(cls, graph: MatchingGraph, events: NDArray[np.bool_]) -> "EventGraph":
        """Find distances and paths.

        Args:
            graph: A matching graph.
            events: bool (num_detectors,): the detection events of the shot.

        Raises:
            ValueError: Too many events.
        """
        negative = np.flatnonzero(graph.edge_weight < 0)
        detectors = np.flatnonzero(events ^ graph.certain_detectors ^ syndrome(graph, negative))
        if detectors.size > MAX_EVENTS:
            raise ValueError(f"{detectors.size} detection events: at most {MAX_EVENTS} can be drawn")
        weight = np.abs(graph.edge_weight.astype(np.int64))
        lightest: dict[tuple[int, int], int] = {}
        for edge in np.argsort(-weight, kind="stable").tolist():  # lighter ones replace heavier ones
            lightest[int(graph.edge_u[edge]), int(graph.edge_v[edge])] = edge
        size = graph.num_detectors
        inner = np.array([edge for (_, v), edge in lightest.items() if v >= 0], dtype=np.int64)
        ends = graph.edge_u[inner], graph.edge_v[inner]
        adjacency = csr_array((weight[inner].astype(np.float64), ends), shape=(size, size))
        found, parent = dijkstra(adjacency, directed=False, indices=detectors, return_predecessors=True)
        reach = np.where(np.isinf(found), FAR, found).astype(np.int64)
        last_step = np.full(size, FAR, dtype=np.int64)
        outward = np.flatnonzero(graph.edge_v < 0)
        np.minimum.at(last_step, graph.edge_u[outward], weight[outward])
        ways_out = np.minimum(reach + last_step, FAR)
        exits = ways_out.argmin(axis=1) if size else np.zeros(0, dtype=np.int64)
        return cls(
            graph=graph,
            detectors=detectors,
            reach=reach,
            between=reach[:, detectors],
            boundary=ways_out[np.arange(detectors.size), exits],
            parent=parent,
            exit=exits,
            edge_between=lightest,
        )

    def path(self, first: int, second: int) -> list[int]:
        """List the edges of a shortest path between two events, or from the first to the boundary."""
        at = int(self.exit[first] if second == BOUNDARY else self.detectors[second])
        edges = [self.edge_between[at, BOUNDARY]] if second == BOUNDARY else []
        while (before := int(self.parent[first, at])) >= 0:
            edges.append(self.edge_between[min(at, before), max(at, before)])
            at = before
        return edges

    def solution(self, pairs: tuple[tuple[int, int], ...]) -> NDArray[np.int64]:
        """Return the edges of a matching as a solution of the shot: int64, ascending."""
        edges = [edge for pair in pairs for edge in self.path(*pair)]
        times = np.bincount(np.array(edges, dtype=np.int64), minlength=self.graph.num_edges)
        return np.flatnonzero((times + (self.graph.edge_weight < 0)) % 2)


def syndrome(graph: MatchingGraph, edges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the detectors that edges flip in total, bool (num_detectors,)."""
    ends = np.concatenate([graph.edge_u[edges], graph.edge_v[edges]])
    times = np.bincount(ends[ends >= 0], minlength=graph.num_detectors)
    return (times % 2).astype(np.bool_)


def observables_of(graph: MatchingGraph, edges: NDArray[np.int64]) -> list[int]:
    """List the observables that a solution predicts to be flipped."""
    words = np.concatenate(
        [
            graph.edge_observables[edges],
            graph.undetectable_observables[graph.undetectable_probability > 0.5],
            graph.certain_observables[np.newaxis],
        ]
    )
    flips = np.bitwise_xor.reduce(words, axis=0).astype("<u8").view(np.uint8)
    found: list[int] = np.flatnonzero(np.unpackbits(flips, bitorder="little")).tolist()
    return found
