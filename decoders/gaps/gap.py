"""Search graph for complementary gaps with fixed edge weights."""

import numpy as np
from numpy.typing import NDArray

from decoders.gaps.logical_classes import LogicalDetector, make_logicals
from decoders.kernels import layout
from decoders.matching.workspace import LIST_LENGTH, SearchGraph, Workspace
from decoders.model.matching_graph import MatchingGraph

# The search leads from one boundary to the other, so neighbour lists should cover everything in between:
# largest number of detectors per list, and bytes of all lists.
_LONGEST_LIST = 1024
_LIST_BYTES = 1 << 26
_ENTRY_BYTES = layout.NEIGHBOUR.itemsize + 2


class GapGraph:
    """A matching graph with two additional detectors, for `kernels.gap`; read-only after construction.

    Args:
        graph: the matching graph.
        list_length: most detectors per neighbour list; default: chosen from the size of the graph.

    Raises:
        ValueError: see `make_logicals`.
    """

    def __init__(self, graph: MatchingGraph, *, list_length: int | None = None) -> None:
        self.logicals = make_logicals(graph)
        if list_length is None:
            affordable = _LIST_BYTES // (_ENTRY_BYTES * (graph.num_detectors + 1))
            list_length = max(LIST_LENGTH, min(_LONGEST_LIST, affordable))
        everything = np.ones(graph.num_edges, dtype=np.bool_)
        self.search_graph = SearchGraph(_with_two_detectors(graph, everything), list_length=list_length)
        self.sides = [Sides(graph, logical) for logical in self.logicals]
        #: Idle workspaces.
        self.idle: list[Workspace] = []
        self._scale = graph.weight_scale

    def workspace(self) -> Workspace:
        """Allocate the memory of one thread."""
        work = Workspace(self.search_graph)
        work.record["keep_duals"] = 1
        return work

    def gaps_of(self, observable: int, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Convert integer gaps to log-likelihoods.

        Args:
            observable: index of the observable.
            steps: int64 (shots,), FAR where there is no other class.

        Returns:
            float64 (shots,), infinite where there is no other class.
        """
        logical = self.logicals[observable]
        reached = (steps < layout.FAR) & logical.two_classes
        return np.minimum(np.where(reached, steps / self._scale, np.inf), logical.unseen)


class Sides:
    """Distances to the two boundaries of one observable."""

    def __init__(self, graph: MatchingGraph, logical: LogicalDetector) -> None:
        at_boundary = graph.edge_v < 0
        flipping = _boundary_distances(graph, logical.flipping)
        # Components without a flipping boundary contain no path between the two boundaries.
        useful = (
            np.bincount(graph.component[graph.edge_u[logical.flipping]], minlength=graph.num_detectors) > 0
        )
        staying = _boundary_distances(graph, at_boundary & ~logical.flipping)
        staying[:-2][~useful[graph.component]] = layout.FAR
        #: int64 (2, num_detectors + 2): distance to the boundary that flips the observable, and to the other.
        self.distances = np.stack([flipping, staying])
        through = staying[graph.edge_u[logical.flipping]] + np.abs(graph.edge_weight[logical.flipping])
        #: int64 (1,): distance between the two boundaries.
        self.across = np.array([through.min(initial=layout.FAR)], dtype=np.int64)


def _boundary_distances(graph: MatchingGraph, allowed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Compute distances of detectors to the boundary through allowed boundary edges, FAR if there is none."""
    left = _with_two_detectors(graph, (graph.edge_v >= 0) | allowed)
    found: NDArray[np.int64] = SearchGraph(left, list_length=0).arrays["detectors"]["boundary"].copy()
    return found


def _with_two_detectors(graph: MatchingGraph, kept: NDArray[np.bool_]) -> MatchingGraph:
    """Return the graph with the kept edges and two additional detectors without edges."""
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
