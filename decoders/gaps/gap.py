"""What the search for the best solution of the other logical class needs beside the matching's own graph."""

import numpy as np
from numpy.typing import NDArray

from decoders.gaps.logical_classes import Gauge
from decoders.kernels import layout
from decoders.matching.workspace import LIST_LENGTH, SearchGraph, Workspace
from decoders.model.matching_graph import MatchingGraph

# The search goes from one boundary to the other, so lists of neighbours should hold all that lies between;
# at most so many detectors each and so many bytes in all.
_LONGEST_LIST = 1024
_LIST_BYTES = 1 << 26
_ENTRY_BYTES = layout.NEAR.itemsize + 2


class GapGraph:
    """A matching graph with two detectors more, for `kernels.gap`; read only once made.

    Args:
        graph: the graph without them.
        list_length: of the lists of neighbours; None chooses.

    Raises:
        ValueError: a loop of edges flips an observable, see `Gauge.of`.
    """

    def __init__(self, graph: MatchingGraph, *, list_length: int | None = None) -> None:
        self.gauges = [Gauge.of(graph, observable=observable) for observable in range(graph.num_observables)]
        if list_length is None:
            affordable = _LIST_BYTES // (_ENTRY_BYTES * (graph.num_detectors + 1))
            list_length = max(LIST_LENGTH, min(_LONGEST_LIST, affordable))
        everything = np.ones(graph.num_edges, dtype=np.bool_)
        self.search_graph = SearchGraph(_with_two_detectors(graph, everything), list_length=list_length)
        self.sides = [Sides(graph, gauge) for gauge in self.gauges]
        #: Workspaces that no thread uses now.
        self.idle: list[Workspace] = []
        self._scale = graph.weight_scale

    def workspace(self) -> Workspace:
        """Memory for one thread."""
        work = Workspace(self.search_graph)
        work.record["keep_duals"] = 1
        return work

    def gaps_of(self, observable: int, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Gaps in units of log-likelihood from integer ones, infinite where there is no other class."""
        gauge = self.gauges[observable]
        reached = (steps < layout.FAR) & gauge.two_classes
        return np.minimum(np.where(reached, steps / self._scale, np.inf), gauge.unseen)


class Sides:
    """Distances to the two boundaries of one observable."""

    def __init__(self, graph: MatchingGraph, gauge: Gauge) -> None:
        at_boundary = graph.edge_v < 0
        flipping = _boundary_distances(graph, gauge.flipping)
        # What has no flipping boundary cannot help to get from one boundary to the other.
        useful = np.bincount(graph.component[graph.edge_u[gauge.flipping]], minlength=graph.num_detectors) > 0
        staying = _boundary_distances(graph, at_boundary & ~gauge.flipping)
        staying[:-2][~useful[graph.component]] = layout.FAR
        #: int64 (2, num_detectors + 2): to the boundary that flips the observable, and to the other one.
        self.distances = np.stack([flipping, staying])
        through = staying[graph.edge_u[gauge.flipping]] + np.abs(graph.edge_weight[gauge.flipping])
        #: int64 (1,): from one boundary to the other.
        self.across = np.array([through.min(initial=layout.FAR)], dtype=np.int64)


def _boundary_distances(graph: MatchingGraph, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Distances of detectors to the boundary by the allowed ones of its edges, FAR where there is no way."""
    left = _with_two_detectors(graph, (graph.edge_v >= 0) | allowed)
    found: NDArray[np.int64] = SearchGraph(left, list_length=0).arrays["detectors"]["boundary"].copy()
    return found


def _with_two_detectors(graph: MatchingGraph, kept: NDArray[np.bool_]) -> MatchingGraph:
    """The graph with some of its edges and with two detectors more that have none."""
    return MatchingGraph.from_edges(
        num_detectors=graph.num_detectors + 2,
        num_observables=graph.num_observables,
        edge_u=graph.edge_u[kept],
        edge_v=graph.edge_v[kept],
        edge_weight=graph.edge_weight[kept],
        edge_probability=graph.edge_probability[kept],
        edge_observables=graph.edge_observables[kept],
        weight_scale=graph.weight_scale,
        certain_detectors=np.append(graph.certain_detectors, [False, False]),
        certain_observables=graph.certain_observables,
        undetectable_probability=graph.undetectable_probability,
        undetectable_observables=graph.undetectable_observables,
    )
