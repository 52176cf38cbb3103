"""Distances and kinds of boundary with which kernels prove that no other logical class can become lighter."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from decoders.gap import Sides
from decoders.gauge import Gauge
from decoders.graph import MatchingGraph
from decoders.kernels import layout
from decoders.workspace import Pools

# Distances between all pairs of detectors in components that flip something: at most this many bytes.
_MOST_BYTES = 1 << 22
_MOST_STEPS = 255  # the largest number in a byte
# The largest distance known, in edges of usual weight. Pairs of a cheap way across are hardly ever longer;
# longer distances count as this one, which is less than they are.
_LONGEST_EDGES = 5.5


@dataclass(frozen=True, eq=False, kw_only=True)
class Crossings:
    """Tables for `kernels.crossings`, of the components that flip observables.

    A way across leads from one kind of boundary of an observable to the other (see `Gauge`).
    """

    #: int32 (num_detectors,): the number, here, of each detector, -1 in other components.
    spots: NDArray[np.int32]
    #: uint8 (spots * spots,): distances from detector to detector in steps, rounded down; 255 is any more.
    apart: NDArray[np.uint8]
    #: Integer weight of one step.
    step: int
    #: layout.SIDE (observables * spots,): distances to the two kinds of boundary.
    sides: NDArray[np.void]
    #: uint8 (observables * num_edges,): the kind of boundary to which each edge leads, 0 if to neither.
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, graph: MatchingGraph) -> "Crossings | None":
        """Measure a graph without negative weights.

        Returns:
            The tables; None if no observable has two classes, or has them for other reasons than
            boundaries, or more than 2,048 detectors lie in components that flip something.
        """
        flips = graph.edge_observables.any(axis=1)
        matters = np.bincount(graph.component[graph.edge_u[flips]], minlength=graph.num_detectors) > 0
        watched = np.flatnonzero(matters[graph.component])
        if watched.size**2 > _MOST_BYTES:
            return None
        try:
            gauges = [Gauge.of(graph, observable=index) for index in range(graph.num_observables)]
        except ValueError:
            return None
        gauges = [gauge for gauge in gauges if gauge.two_classes]
        if not gauges:
            return None
        spots = np.full(graph.num_detectors, -1, dtype=np.int32)
        spots[watched] = np.arange(watched.size)
        edges = spots[graph.edge_u] >= 0
        probability, weight = graph.edge_probability[edges], graph.edge_weight[edges]
        usual = float(probability @ weight / probability.sum())
        step = max(1, int(_LONGEST_EDGES * usual / _MOST_STEPS))
        sides = np.zeros((len(gauges), watched.size), dtype=layout.SIDE)
        kinds = np.zeros((len(gauges), graph.num_edges), dtype=np.uint8)
        for row, kind, gauge in zip(sides, kinds, gauges, strict=True):
            row["one"], row["other"] = Sides(graph, gauge).distances[:, watched]
            kind[graph.edge_v < 0] = layout.OTHER_SIDE
            kind[gauge.flipping] = layout.ONE_SIDE
        return cls(
            spots=spots,
            apart=_steps_apart(graph, spots, watched.size, step).reshape(-1),
            step=step,
            sides=sides.reshape(-1),
            kinds=kinds.reshape(-1),
        )

    def add_to(self, search_graph: Pools) -> None:
        """Give the tables to a search graph."""
        num_spots = int(self.spots.max()) + 1
        search_graph.own(spots=self.spots, apart=self.apart, sides=self.sides, kinds=self.kinds)
        search_graph.set(num_spots=num_spots, num_crossings=self.sides.size // num_spots, step=self.step)


def _steps_apart(graph: MatchingGraph, spots: NDArray[np.int32], size: int, step: int) -> NDArray[np.uint8]:
    inner = (graph.edge_v >= 0) & (spots[graph.edge_u] >= 0)
    u, v, weight = spots[graph.edge_u[inner]], spots[graph.edge_v[inner]], graph.edge_weight[inner]
    # No two of them are parallel: one would flip an observable that the other does not, so there were a loop.
    edges = csr_array((weight.astype(np.float64), (u, v)), shape=(size, size))
    longest = float(step * _MOST_STEPS)
    distance = np.minimum(dijkstra(edges, directed=False, limit=longest), longest)
    steps: NDArray[np.uint8] = (distance // step).astype(np.uint8)
    return steps
