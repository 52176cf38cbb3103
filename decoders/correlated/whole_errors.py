"""Errors of a DEM as sets of edges of its matching graph, for weighing a matching by whole errors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.kernels import whole_errors as kernels
from decoders.kernels import layout
from decoders.matching.workspace import Pools

#: Weight of an edge that no set of errors flips alone: heavier than any edge (at most 2**25).
IMPOSSIBLE = 1 << 28
_MAX_ROUNDS = 100


class WholeErrors(NamedTuple):
    """Errors that flip two or more edges together, and what it costs to flip a single edge."""

    #: int32 (num_errors + 1,): error e flips the edges edge[start[e]:start[e + 1]], all different.
    start: NDArray[np.int32]
    #: int32 (entries,)
    edge: NDArray[np.int32]
    #: int32 (num_errors,): integer weight of each error, even, not negative.
    weight: NDArray[np.int32]
    #: int32 (num_edges,): integer weight of the lightest set of errors that flips this edge and no other.
    alone: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        *,
        error: NDArray[np.int32],
        edge_of: NDArray[np.int32],
        probability: NDArray[np.float64],
        num_edges: int,
        weight_scale: float,
    ) -> "WholeErrors":
        """Collect the edges of each error and merge errors that flip the same edges.

        Args:
            error: int32 (components,): the error that each component is part of, ascending.
            edge_of: int32 (components,): the edge that each component is, negative where it is none.
            probability: float64 (components,): of the error, at most 1/2.
            num_edges: number of edges of the graph.
            weight_scale: integer weight per unit of log((1 - p) / p).
        """
        num_errors = int(np.count_nonzero(np.diff(error, prepend=-1)))
        start = np.empty(num_errors + 1, dtype=np.int32)
        edge = np.empty(error.size, dtype=np.int32)
        chance = np.empty(num_errors)
        count = kernels.collect_errors(error, edge_of, probability, start, edge, chance)
        kernels.merge_errors(
            start,
            edge,
            chance,
            count,
            np.zeros(num_edges + 1, dtype=np.int32),
            np.empty(count, dtype=np.int32),
        )
        weight = np.empty(count, dtype=np.int32)
        alone = np.full(num_edges, IMPOSSIBLE, dtype=np.int32)
        kept, used = kernels.weigh_errors(start, edge, chance, count, weight_scale, IMPOSSIBLE, weight, alone)
        found = cls(start[: kept + 1].copy(), edge[:used].copy(), weight[:kept].copy(), alone)
        kernels.weigh_alone(*found, _MAX_ROUNDS)
        return found

    def add_to(self, search_graph: Pools) -> None:
        """Have the kernels compare the two matchings of a shot by these errors."""
        num_edges = self.alone.size
        errors = np.zeros(self.weight.size, dtype=layout.ERROR)
        errors["first"], errors["last"], errors["weight"] = self.start[:-1], self.start[1:], self.weight
        of_entry = np.repeat(np.arange(self.weight.size, dtype=np.int32), np.diff(self.start))
        order = np.argsort(self.edge, kind="stable")
        start = np.zeros(num_edges + 1, dtype=np.int32)
        start[1:] = np.cumsum(np.bincount(self.edge, minlength=num_edges))
        search_graph.own(
            errors=errors,
            error_edges=self.edge,
            errors_of_edge=of_entry[order],
            errors_of_edge_start=start,
            alone=self.alone,
        )
        search_graph.set(
            num_errors=self.weight.size,
            num_error_edges=self.edge.size,
            largest_error=int(np.diff(self.start).max(initial=0)),
            compares=1,
        )
