"""Reference for windowed decoding: PyMatching pairs the events, scipy finds the paths between them."""

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pymatching
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from decoders import MatchingGraph
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import WindowPlan


class _Window:
    """The graph of some layers, searched by others' code; weights are integers."""

    _made: ClassVar[dict[int, "_Window"]] = {}  # keeps each graph alive, so that its id stays its own

    def __init__(self, graph: MatchingGraph, beyond: NDArray[np.bool_]) -> None:
        size = graph.num_detectors
        self.graph = graph
        self.edge_of: dict[tuple[int, int], int] = {}
        for edge in range(graph.num_edges):
            ends = int(graph.edge_u[edge]), int(graph.edge_v[edge])
            known = self.edge_of.get(ends)
            if known is None or graph.edge_weight[edge] < graph.edge_weight[known]:
                self.edge_of[ends] = edge
        self.beyond = beyond
        self._matching = pymatching.Matching()
        inner = [(ends, graph.edge_weight[edge]) for ends, edge in self.edge_of.items() if ends[1] >= 0]
        for (u, v), weight in inner:
            self._matching.add_edge(u, v, weight=float(weight))
        for (u, v), edge in self.edge_of.items():
            if v < 0:
                self._matching.add_boundary_edge(u, weight=float(graph.edge_weight[edge]))
        rows, columns = np.array([ends for ends, _ in inner]).T
        weights = np.array([weight for _, weight in inner], dtype=np.float64)
        self._distance, self._before = dijkstra(
            csr_array((weights, (rows, columns)), shape=(size, size)),
            directed=False,
            return_predecessors=True,
        )
        self._exit = np.full(size, np.inf)
        for (u, v), edge in self.edge_of.items():
            if v < 0:
                self._exit[u] = graph.edge_weight[edge]

    @classmethod
    def of(cls, cut: "Cut", **layers: int) -> "_Window":
        graph, beyond = cut(**layers)
        if id(graph) not in cls._made:
            cls._made[id(graph)] = cls(graph, beyond)
        return cls._made[id(graph)]

    def pairs(self, events: NDArray[np.uint8]) -> list[tuple[int, int]]:
        """Matched detectors, the second -1 for the boundary."""
        syndrome = events[: self._matching.num_detectors]
        assert not events[self._matching.num_detectors :].any()
        return [(int(u), int(v)) for u, v in self._matching.decode_to_matched_dets_array(syndrome)]

    def path(self, u: int, v: int) -> list[int]:
        """The edges of the shortest path."""
        edges = []
        if v < 0:
            v = int(np.argmin(self._distance[u] + self._exit))
            edges.append(self.edge_of[v, -1])
        while v != u:
            before = int(self._before[u, v])
            edges.append(self.edge_of[min(v, before), max(v, before)])
            v = before
        return edges


#: `cut_layers` for one model.
Cut = Callable[..., tuple[MatchingGraph, NDArray[np.bool_]]]


def naive_stream(
    model: LayeredModel, plan: WindowPlan, shot: NDArray[np.uint8], *, cut: Cut
) -> tuple[dict[int, list[bool]], list[bool]]:
    """Decode one shot, uint8 (layers, columns), in windows that `cut` makes.

    A pair with both events in the committed layers (and one to the boundary inside the window) is committed
    whole, others as far as their edges touch these layers.

    Returns:
        The flips committed by each window, by the number of cycles that had come when it was full, and the
        prediction.
    """
    rows = shot.copy()
    flips = np.zeros(model.num_observables, dtype=np.bool_)
    committed: dict[int, list[bool]] = {}
    start = 0
    while start + plan.window < len(rows):
        window = _Window.of(cut, first=min(start, len(model.first)), count=plan.window, to_end=False)
        events = rows[start : start + plan.window].ravel()
        left = _commit(window, events, plan.commit * model.num_columns, flips)
        rows[start : start + plan.window] = left.reshape(plan.window, -1)
        assert not rows[start : start + plan.commit].any()
        start += plan.commit
        committed[start + plan.buffer] = flips.tolist()
    count = len(rows) - start
    window = _Window.of(cut, first=min(start, len(model.first)), count=count, to_end=True)
    left = _commit(window, rows[start:].ravel(), rows[start:].size, flips)
    assert not left.any()
    return committed, flips.tolist()


def _commit(
    window: _Window, events: NDArray[np.uint8], seam: int, flips: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Decode events and commit the detectors before the seam; returns the events that are left."""
    left = events.copy()
    for pair in window.pairs(events):
        u, v = max(pair), min(pair)
        path = window.path(u, v)
        inside = [end < seam for end in (u, v) if end >= 0]
        whole = all(inside) and not any(window.beyond[edge] for edge in path)
        for edge in path:
            ends = [int(end) for end in (window.graph.edge_u[edge], window.graph.edge_v[edge]) if end >= 0]
            if whole or min(ends) < seam:
                left[ends] ^= 1
                for observable in range(flips.size):
                    word = int(window.graph.edge_observables[edge, observable // 64])
                    flips[observable] ^= bool(word >> observable % 64 & 1)
    return left
