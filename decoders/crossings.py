"""Distances across a graph, which tell quickly whether another logical class is near."""

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

#: Gaps of a first matching, in edges, from which on a second hardly ever predicts otherwise: few events in
#: other components make few edges lighter (measured: docs/pages/decoders.md).
LEAST_EDGES, EDGES_PER_EVENT, MOST_EDGES = 0.85, 0.05, 1.5
# The distances between all pairs of detectors that matter are known: in so many bytes at most.
_MOST_BYTES = 1 << 22
_MOST_STEPS = 255  # what a byte holds
# A pair of a way across that is light enough is hardly ever longer than the gap and so many edges more.
_EXTRA_EDGES = 4


@dataclass(frozen=True, eq=False, kw_only=True)
class Crossings:
    """What `kernels.crossings` knows of the components that flip observables.

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
    #: Integer weight of the lightest way across.
    across: int
    #: Gaps, in integer weight, from which on a prediction is not questioned: this one, or
    sure_gap: int
    #: this one and
    sure_least: int
    #: so much more for each event in other components, if that is less.
    sure_step: int

    @classmethod
    def of(cls, graph: MatchingGraph, *, sure_gap: float | None = None) -> "Crossings | None":
        """Measure a graph without negative weights.

        None if that is of no use: no observable has two classes, or has them for other reasons than
        boundaries, or too many detectors matter.

        Args:
            graph: the matching graph.
            sure_gap: in units of log-likelihood. Default: `LEAST_EDGES` and `EDGES_PER_EVENT` for each event
                in other components, at most `MOST_EDGES`, times the weight that an edge has on average when
                it happens.
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
        sides = [Sides(graph, gauge) for gauge in gauges if gauge.two_classes]
        if not sides:
            return None
        spots = np.full(graph.num_detectors, -1, dtype=np.int32)
        spots[watched] = np.arange(watched.size)
        edges = spots[graph.edge_u] >= 0
        probability, weight = graph.edge_probability[edges], graph.edge_weight[edges]
        usual = float(probability @ weight / probability.sum())
        least, per_event, most = LEAST_EDGES * usual, EDGES_PER_EVENT * usual, MOST_EDGES * usual
        if sure_gap is not None:
            most = min(sure_gap * graph.weight_scale, float(layout.FAR))
            least, per_event = most, 0.0
        step = max(1, int((MOST_EDGES + _EXTRA_EDGES) * usual / _MOST_STEPS))
        table = np.zeros((len(sides), watched.size), dtype=layout.SIDE)
        for row, side in zip(table, sides, strict=True):
            row["one"], row["other"] = side.distances[:, watched]
        return cls(
            spots=spots,
            apart=_steps_apart(graph, spots, watched.size, step).reshape(-1),
            step=step,
            sides=table.reshape(-1),
            across=min(int(side.across[0]) for side in sides),
            sure_gap=int(most),
            sure_least=int(least),
            sure_step=int(per_event),
        )

    def add_to(self, search_graph: Pools) -> None:
        """Let the kernels that work with a search graph know of them.

        Where edges of a component that matters imply others there, its own events count as well: then the
        largest of the default gaps is asked for, whatever the shot.
        """
        own = bool(search_graph.record["has_own_implied"][0])
        search_graph.own(spots=self.spots, apart=self.apart, sides=self.sides)
        num_spots = int(self.spots.max()) + 1
        search_graph.set(
            num_spots=num_spots,
            num_crossings=self.sides.size // num_spots,
            step=self.step,
            across=self.across,
            sure_gap=self.sure_gap,
            sure_least=self.sure_gap if own else self.sure_least,
            sure_step=self.sure_step,
        )


def _steps_apart(graph: MatchingGraph, spots: NDArray[np.int32], size: int, step: int) -> NDArray[np.uint8]:
    inner = (graph.edge_v >= 0) & (spots[graph.edge_u] >= 0)
    u, v, weight = spots[graph.edge_u[inner]], spots[graph.edge_v[inner]], graph.edge_weight[inner]
    # No two of them are parallel: one would flip an observable that the other does not, so there were a loop.
    edges = csr_array((weight.astype(np.float64), (u, v)), shape=(size, size))
    longest = float(step * _MOST_STEPS)
    distance = np.minimum(dijkstra(edges, directed=False, limit=longest), longest)
    steps: NDArray[np.uint8] = (distance // step).astype(np.uint8)
    return steps
