"""Edges determined by the detection events, such as those of heralds, and probabilities given them."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.kernels import observed_edges as kernels
from decoders.correlated.kernels import whole_errors
from decoders.model.matching_graph import MatchingGraph

#: Least probability of an edge that no error flips without an observed edge: it stays possible, because shots
#: that only parts of errors explain are decoded, but outweighs several errors of any usual strength.
LEAST_PROBABILITY = 1e-28

Floats = NDArray[np.float64]


def find_observed(graph: MatchingGraph) -> NDArray[np.bool_]:
    """Find the edges that belong to all solutions of a syndrome or to none: those on no cycle.

    The symmetric difference of two solutions consists of cycles, with the boundary as one vertex.

    Returns:
        bool (num_edges,).
    """
    observed = np.zeros(graph.num_edges, dtype=np.bool_)
    times = np.full(graph.num_detectors, -1, dtype=np.int32)
    low, place, entry = np.empty((3, graph.num_detectors), dtype=np.int32)
    kernels.find_bridges(
        graph.edge_u,
        graph.edge_v,
        graph.indptr,
        graph.adjacent_detector,
        graph.adjacent_edge,
        times,
        low,
        place,
        entry,
        observed,
    )
    return observed


class Conditional(NamedTuple):
    """Probabilities of edges given the observed edges that share errors with them."""

    #: float64 (num_edges,): with all of those absent; unconditional where there are none.
    absent: Floats
    #: int64 (pairs,), ascending: edge * num_edges + observed edge.
    pair: NDArray[np.int64]
    #: float64 (pairs,): of the edge with this observed edge present and the others absent, at most 1/2.
    present: Floats

    @classmethod
    def of(
        cls,
        *,
        observed: NDArray[np.bool_],
        error: NDArray[np.int32],
        edge_of: NDArray[np.int32],
        probability: Floats,
        edge_probability: Floats,
    ) -> "Conditional":
        """Condition each edge on the observed edges that share errors with it.

        An error may have happened without its observed edge if another one has flipped that back, and the
        observed edge may have happened by itself. Each error counts with its least likely observed edge only,
        whose other errors are taken as independent of the remaining ones of the conditioned edge: exact where
        errors flip one observed edge each.

        Args:
            observed: bool (num_edges,), as `find_observed` returns it.
            error: int32 (components,): the error that each component is part of, ascending.
            edge_of: int32 (components,): the edge that each component is, negative where it is none.
            probability: float64 (components,): of the error, at most 1/2.
            edge_probability: float64 (num_edges,): of each edge unconditionally, at most 1/2.
        """
        num_edges = edge_probability.size
        num_errors = int(np.count_nonzero(np.diff(error, prepend=-1)))
        start = np.empty(num_errors + 1, dtype=np.int32)
        edge = np.empty(error.size, dtype=np.int32)
        chance = np.empty(num_errors)
        count = whole_errors.collect_errors(error, edge_of, probability, start, edge, chance)
        edge, chance = edge[: start[count]], chance[:count]
        of_entry = np.repeat(np.arange(count), np.diff(start[: count + 1]))
        is_observed = observed[edge]
        witness = _least_likely(of_entry[is_observed], edge[is_observed], edge_probability, count)
        witness_of_entry = witness[of_entry]

        # Of each pair, two independent parities: of the errors that flip both edges, and of the others that
        # flip the observed edge.
        chosen = np.flatnonzero(~is_observed & (witness_of_entry >= 0))
        pair, pair_of = np.unique(
            edge[chosen].astype(np.int64) * num_edges + witness_of_entry[chosen], return_inverse=True
        )
        conditioned, given = pair // num_edges, pair % num_edges
        both = _Parity.of(pair_of, chance[of_entry[chosen]], pair.size)
        of_observed = _Parity.of(edge[is_observed], chance[of_entry[is_observed]], num_edges)
        others = of_observed.at(given).without(both)
        odd, other_odd = both.odd(), others.odd()
        cancelled = odd * other_odd
        cancelled /= cancelled + (1 - odd) * (1 - other_odd)
        shared = odd * (1 - other_odd)
        shared /= shared + (1 - odd) * other_odd

        plain = np.flatnonzero(~is_observed & (witness_of_entry < 0))
        all_absent = _Parity.of(
            np.concatenate([conditioned, edge[plain].astype(np.int64)]),
            np.concatenate([cancelled, chance[of_entry[plain]]]),
            num_edges,
        )
        by_pair = _Parity.of(np.arange(pair.size), cancelled, pair.size)
        elsewhere = all_absent.at(conditioned).without(by_pair).odd()
        shared = np.minimum(shared, 0.5)
        absent = edge_probability.copy()
        absent[conditioned] = np.clip(
            all_absent.odd()[conditioned],
            np.minimum(LEAST_PROBABILITY, edge_probability[conditioned]),
            edge_probability[conditioned],
        )
        return cls(absent, pair, shared * (1 - elsewhere) + elsewhere * (1 - shared))


def _least_likely(
    group: NDArray[np.int64], edge: NDArray[np.int32], edge_probability: Floats, num_groups: int
) -> NDArray[np.int64]:
    """The least likely edge of each group, int64 (num_groups,), -1 for groups without any."""
    by_likelihood = np.argsort(edge_probability, kind="stable")
    rank = np.empty(edge_probability.size, dtype=np.int64)
    rank[by_likelihood] = np.arange(rank.size)
    least = np.full(num_groups, rank.size, dtype=np.int64)
    np.minimum.at(least, group, rank[edge])
    return np.append(by_likelihood, -1)[least]


class _Parity:
    """Probability that an odd number of independent errors happens, for groups of errors.

    The product of all 1 - 2p of a group, as the sum of the logarithms of the factors that are not 0, so that
    errors can be taken out again.
    """

    def __init__(self, number: NDArray[np.intp], halves: NDArray[np.intp], logarithm: Floats) -> None:
        self.number = number
        self.halves = halves  # errors of probability 1/2
        self.logarithm = logarithm

    @classmethod
    def of(cls, group: NDArray[Any], chance: Floats, num_groups: int) -> "_Parity":
        """Add up errors with these chances, at most 1/2, by the groups that they belong to."""
        half = chance == 0.5
        logarithm: Floats = np.log1p(-2 * np.where(half, 0.0, chance))
        return cls(
            np.bincount(group, minlength=num_groups),
            np.bincount(group[half], minlength=num_groups),
            np.bincount(group, weights=logarithm, minlength=num_groups).astype(np.float64),
        )

    def at(self, groups: NDArray[np.int64]) -> "_Parity":
        """The groups of these numbers."""
        return _Parity(self.number[groups], self.halves[groups], self.logarithm[groups])

    def without(self, part: "_Parity") -> "_Parity":
        """Each group without some of its errors."""
        number = self.number - part.number
        rest = np.where(number > 0, np.minimum(self.logarithm - part.logarithm, 0), 0)
        return _Parity(number, self.halves - part.halves, rest)

    def odd(self) -> Floats:
        """Probability of an odd number, float64 (groups,)."""
        result: Floats = np.where(self.halves > 0, 0.5, -np.expm1(self.logarithm) / 2)
        return result
