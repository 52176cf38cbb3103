"""Tanner graph of a DEM: error mechanisms and the detectors they flip, for belief propagation."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from decoders.belief_matching.kernels.layout import BELIEF, TANNER
from decoders.belief_matching.kernels.simd import LANES
from decoders.matching.workspace import Pools, as_bytes
from decoders.model.dem import DemArrays
from decoders.model.matching_graph import MatchingGraph


class ErrorMechanisms(NamedTuple):
    """The errors of a DEM with components combined, and the mechanisms into which equal errors are merged.

    Detectors and edges that appear an even number of times in an error cancel.
    """

    #: float64 (errors,).
    probability: NDArray[np.float64]
    #: uint64 (errors, words): observables that each flips.
    observables: NDArray[np.uint64]
    #: int64 (errors,): mechanism of each error; errors with equal detectors and observables share one.
    mechanism: NDArray[np.int64]
    #: int64 (mechanisms,): first error of each mechanism.
    leader: NDArray[np.int64]
    #: int64 (links,) each: an error and a detector that it flips, sorted.
    link_error: NDArray[np.int64]
    link_detector: NDArray[np.int64]
    #: int64 (parts,) each: an error and an edge that it flips, sorted.
    part_error: NDArray[np.int64]
    part_edge: NDArray[np.int64]

    @classmethod
    def of(cls, arrays: DemArrays, *, graph: MatchingGraph, edge_of: NDArray[np.int32]) -> "ErrorMechanisms":
        """Combine the components of errors.

        Args:
            arrays: the DEM.
            graph, edge_of: result of `MatchingGraph.from_arrays`.
        """
        error, first = np.unique(arrays.component_error, return_index=True)
        index = np.searchsorted(error, arrays.component_error)
        owner, detector = _odd_pairs(
            np.repeat(index, 2), arrays.component_ends.reshape(-1).astype(np.int64), graph.num_detectors
        )
        flipped = np.zeros((error.size, arrays.component_observables.shape[1]), dtype=np.uint64)
        np.bitwise_xor.at(flipped, index, arrays.component_observables)
        mechanism, leader = same_rows(owner, detector, flipped)
        part_error, part_edge = _odd_pairs(index, edge_of.astype(np.int64), graph.num_edges)
        return cls(
            probability=arrays.component_probability[first],
            observables=flipped,
            mechanism=mechanism,
            leader=leader,
            link_error=owner,
            link_detector=detector,
            part_error=part_error,
            part_edge=part_edge,
        )


class TannerGraph(Pools):
    """Errors of a DEM as hyperedges: each flips any number of detectors. Read-only after construction.

    Errors with equal detectors and observables are merged into one mechanism, which occurs when an odd number
    of them does. The components of an error (separated by `^`) give the edges of the matching graph that it
    flips; if errors of one mechanism have different components, each counts by its share of the probability.

    Each detector is a row of links. Rows are ordered by decreasing distance from the first detector of their
    connected component: on a tree, one forward and one backward pass are exact.
    """

    def __init__(self, **arrays: NDArray[Any]) -> None:
        """Store the arrays of the record TANNER."""
        super().__init__(TANNER)
        self.own(**arrays)
        self.set(
            num_detectors=arrays["links"].size - 1,
            num_mechanisms=arrays["prior"].size,
            num_links=arrays["mechanisms"].size,
            num_edges=arrays["shares_start"].size - 1,
            num_shares=arrays["share"].size,
            num_flippers=arrays["flippers"].size,
            flip_bytes=arrays["flipped"].size // max(arrays["prior"].size, 1),
            longest_row=int(np.diff(arrays["links"]).max(initial=1)),
        )

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # Records hold addresses, which are meaningless in a copy or in another process.
        return partial(type(self), **self.arrays), ()

    @classmethod
    def from_errors(cls, errors: ErrorMechanisms, *, graph: MatchingGraph) -> Self:
        """Build the Tanner graph of a DEM's errors; `graph` is the matching graph of the same DEM."""
        num_mechanisms = errors.leader.size
        probability = _odd_chance(errors.probability, errors.mechanism, num_mechanisms)
        with np.errstate(divide="ignore", over="ignore"):
            prior = np.clip(probability / (1 - probability), 1e-30, 1e30)

        # The links of the first error of each mechanism are those of all.
        leads = np.isin(errors.link_error, errors.leader)
        link_mechanism, link_detector = (
            errors.mechanism[errors.link_error[leads]],
            errors.link_detector[leads],
        )
        row_of = _rows_by_distance(link_detector, link_mechanism, graph.num_detectors, num_mechanisms)
        link_row = row_of[link_detector]
        order = np.lexsort((link_mechanism, link_row))

        flipper, edge = errors.part_error, errors.part_edge
        total = np.bincount(errors.mechanism, weights=errors.probability, minlength=num_mechanisms)
        part = errors.probability[flipper] / total[errors.mechanism[flipper]]
        flips = errors.observables[errors.leader]
        width = max(num_mechanisms, 1)
        pair, place = np.unique(edge * width + errors.mechanism[flipper], return_inverse=True)
        return cls(
            links=starts(np.bincount(link_row, minlength=graph.num_detectors)),
            row_of=row_of,
            mechanisms=link_mechanism[order].astype(np.int32),
            prior=prior.astype(np.float32),
            shares_start=starts(np.bincount(pair // width, minlength=graph.num_edges)),
            shared_by=(pair % width).astype(np.int32),
            flippers=np.flatnonzero(flips.any(axis=1)).astype(np.int32),
            flipped=as_bytes(flips, (graph.num_observables + 7) // 8).reshape(-1),
            share=np.bincount(place, weights=part, minlength=pair.size).astype(np.float32),
        )


class Beliefs(Pools):
    """Memory of belief propagation, for one thread and LANES shots.

    Args:
        tanner: the Tanner graph.
        max_sweeps: most iterations.
        max_postponed: most shots that can wait to be restarted.
    """

    def __init__(self, tanner: TannerGraph, *, max_sweeps: int, max_postponed: int = LANES) -> None:
        """Allocate the arrays of the record BELIEF."""
        super().__init__(BELIEF)
        names = "num_detectors", "num_mechanisms", "num_links", "num_edges", "longest_row"
        sizes = {name: int(tanner.record[name][0]) for name in names}
        lengths = {
            "odds": sizes["num_mechanisms"],
            "messages": sizes["num_links"],
            "signs": sizes["num_detectors"],
            "before": sizes["longest_row"],
            "differences": sizes["longest_row"],
            "active": 1,
            "posteriors": sizes["num_mechanisms"],
        }
        self.own(**{name: np.zeros(LANES * length, np.float32) for name, length in lengths.items()})
        self.own(
            weights=np.zeros(LANES * sizes["num_edges"], dtype=np.int32),
            shot_weights=np.zeros(sizes["num_edges"], dtype=np.int32),
            shot_events=np.zeros(sizes["num_detectors"], dtype=np.int64),
            group=np.zeros(LANES, dtype=np.int64),
            postponed=np.zeros(max_postponed, dtype=np.int64),
        )
        self.set(**sizes, max_sweeps=max_sweeps, max_postponed=max_postponed)


def _rows_by_distance(
    detector: NDArray[np.int64], mechanism: NDArray[np.int64], num_detectors: int, num_mechanisms: int
) -> NDArray[np.int32]:
    """Number detectors by decreasing distance from the first one of their connected component.

    Args:
        detector, mechanism: int64 (links,), the two ends of each link.
        num_detectors, num_mechanisms: sizes.

    Returns:
        int32 (num_detectors,): the row of each detector. On a tree every detector but the first has exactly
        one mechanism in common with detectors of later rows.
    """
    size = num_detectors + num_mechanisms
    near, far = detector, num_detectors + mechanism
    links = csr_matrix((np.ones(near.size, dtype=np.int8), (near, far)), shape=(size + 1, size + 1))
    _, label = connected_components(links, directed=False)
    _, start = np.unique(label[:num_detectors], return_index=True)
    # An additional node is connected to the first detector of each component: one search visits all.
    near, far = np.concatenate([near, np.full(start.size, size)]), np.concatenate([far, start])
    both = csr_matrix(
        (np.ones(2 * near.size, dtype=np.int8), (np.append(near, far), np.append(far, near))),
        shape=(size + 1, size + 1),
    )
    visited = breadth_first_order(both, size, return_predecessors=False)
    visited = visited[visited < num_detectors]
    row_of = np.empty(num_detectors, dtype=np.int32)
    row_of[visited] = np.arange(num_detectors - 1, -1, -1)
    return row_of


def starts(sizes: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the start of each of consecutive runs of the given sizes, and the end of the last, int32."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)


def _odd_pairs(
    owner: NDArray[np.int64], item: NDArray[np.int64], num_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the (owner, item) pairs that occur an odd number of times, sorted; drop negative items."""
    kept = item >= 0
    pair, times = np.unique(owner[kept] * max(num_items, 1) + item[kept], return_counts=True)
    pair = pair[times % 2 == 1]
    return pair // max(num_items, 1), pair % max(num_items, 1)


def same_rows(
    owner: NDArray[np.int64], detector: NDArray[np.int64], flipped: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number errors by their flips; return the number of each error, and the first error of each number."""
    num_errors = flipped.shape[0]
    sizes = np.bincount(owner, minlength=num_errors)
    table = np.full((num_errors, int(sizes.max(initial=0)) + flipped.shape[1]), -1, dtype=np.int64)
    column = np.arange(owner.size) - (np.cumsum(sizes) - sizes)[owner]
    table[owner, column] = detector
    table[:, table.shape[1] - flipped.shape[1] :] = flipped.view(np.int64)
    if not num_errors or not table.shape[1]:
        return np.zeros(num_errors, dtype=np.int64), np.zeros(min(num_errors, 1), dtype=np.int64)
    order = np.lexsort(table.T)
    new = np.ones(num_errors, dtype=np.bool_)
    new[1:] = (table[order[1:]] != table[order[:-1]]).any(axis=1)
    number = np.empty(num_errors, dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return number, order[new]


def _odd_chance(
    probability: NDArray[np.float64], group: NDArray[np.int64], num_groups: int
) -> NDArray[np.float64]:
    """Return the probability that an odd number of the independent errors of each group occur."""
    odd, even = np.zeros(num_groups), np.ones(num_groups)
    order = np.argsort(group, kind="stable")
    rank = np.arange(order.size) - np.searchsorted(group[order], group[order])
    by_rank = order[np.argsort(rank, kind="stable")]
    for first, last in pairwise([0, *np.cumsum(np.bincount(rank)).tolist()]):
        member = by_rank[first:last]  # one error of every group with enough errors
        p, at = probability[member], group[member]
        odd[at], even[at] = odd[at] * (1 - p) + even[at] * p, even[at] * (1 - p) + odd[at] * p
    return odd / (odd + even)
