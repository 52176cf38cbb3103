"""Errors of a DEM as sets of edges of its matching graph, for weighing a matching by whole errors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.kernels import layout
from decoders.workspace import Pools

#: Weight of an edge that no set of errors flips alone: heavier than any edge (at most 2**25).
IMPOSSIBLE = 1 << 28


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
        seen = edge_of >= 0
        pair = error[seen].astype(np.int64) * num_edges + edge_of[seen]
        chance_of = np.zeros(int(error[-1]) + 1 if error.size else 0)
        chance_of[error] = probability
        # An edge that an even number of an error's components are is not flipped by it.
        pair, times = np.unique(pair, return_counts=True)
        pair = pair[times % 2 == 1]
        error, edge = pair // num_edges, pair % num_edges
        number, size = np.unique(error, return_counts=True)
        first = np.cumsum(size) - size
        groups: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        single = np.full(num_edges, IMPOSSIBLE, dtype=np.int64)
        for count in np.unique(size).tolist():
            these = np.flatnonzero(size == count)
            edges = edge[first[these, np.newaxis] + np.arange(count)]
            key = edges[:, 0]
            for column in range(1, count):
                _, key = np.unique(key, return_inverse=True)
                key = key * num_edges + edges[:, column]
            _, index, inverse = np.unique(key, return_index=True, return_inverse=True)
            with np.errstate(divide="ignore", over="ignore"):
                decay = np.bincount(inverse, weights=np.log1p(-2 * chance_of[number[these]]))
                chance = -np.expm1(decay) / 2  # of an odd number of them
                steps = np.rint(np.log((1 - chance) / chance) * weight_scale / 2)
            weight = 2 * np.minimum(steps, IMPOSSIBLE // 2).astype(np.int64)
            if count == 1:
                single[edges[index, 0]] = weight
            else:
                groups.append((edges[index], weight))
        lengths = [np.full(weight.size, edges.shape[1]) for edges, weight in groups]
        start = np.concatenate([[0], *lengths]).cumsum().astype(np.int32)
        empty = np.zeros(0, dtype=np.int32)
        return cls(
            start=start,
            edge=np.concatenate([empty, *(edges.reshape(-1) for edges, _ in groups)]).astype(np.int32),
            weight=np.concatenate([empty, *(weight for _, weight in groups)]).astype(np.int32),
            alone=_alone(single, groups).astype(np.int32),
        )

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


def _alone(
    single: NDArray[np.int64], groups: list[tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> NDArray[np.int64]:
    """Weight of the lightest set of errors that flips one edge, by Bellman and Ford's relaxation.

    An error that flips an edge and others does, with those others flipped back.
    """
    alone = single.copy()
    while True:
        before = alone.copy()
        for edges, weight in groups:
            total = weight + before[edges].sum(axis=1)
            for column in range(edges.shape[1]):
                np.minimum.at(alone, edges[:, column], total - before[edges[:, column]])
        if np.array_equal(alone, before):
            return alone
