"""Error mechanisms and the detectors they flip: what belief propagation works on."""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from decoders.dem_reader import DemArrays
from decoders.graph import MatchingGraph
from decoders.kernels import layout
from decoders.kernels.lanes import LANES
from decoders.workspace import Pools, as_bytes


class TannerGraph(Pools):
    """The errors of a DEM as they are, not as edges: each flips any number of detectors. Read only once made.

    Errors that flip the same detectors and observables are one mechanism, which happens when an odd number of
    them does. An error's components (`^` separates them) say which edges of the matching graph it flips; if
    errors of one mechanism say different things, each counts by its share of the probability.
    """

    def __init__(self, **arrays: NDArray[Any]) -> None:
        """Of the arrays that `layout.TANNER` describes."""
        super().__init__(layout.TANNER)
        self.own(**arrays)
        self.set(
            num_detectors=arrays["links"].size - 1,
            num_mechanisms=arrays["prior"].size,
            num_links=arrays["mechanisms"].size,
            num_edges=arrays["shares_start"].size - 1,
            num_shares=arrays["share"].size,
            num_flippers=arrays["flippers"].size,
            flip_bytes=arrays["flipped"].size // max(arrays["flippers"].size, 1),
            longest_row=int(np.diff(arrays["links"]).max(initial=0)),
        )

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # The record holds addresses, which mean nothing in a copy or in another process.
        return partial(type(self), **self.arrays), ()

    @classmethod
    def from_arrays(cls, arrays: DemArrays, *, graph: MatchingGraph, edge_of: NDArray[np.int32]) -> Self:
        """Make the graph of a DEM; `graph` and `edge_of` are what `MatchingGraph.from_arrays` makes of it."""
        error, first = np.unique(arrays.component_error, return_index=True)
        index = np.searchsorted(error, arrays.component_error)
        chance_of_error = arrays.component_probability[first]
        owner, detector = _odd_pairs(
            np.repeat(index, 2), arrays.component_ends.reshape(-1).astype(np.int64), graph.num_detectors
        )
        flipped = np.zeros((error.size, arrays.component_observables.shape[1]), dtype=np.uint64)
        np.bitwise_xor.at(flipped, index, arrays.component_observables)
        mechanism, leader = _same_rows(owner, detector, flipped)
        num_mechanisms = leader.size
        probability = _odd_chance(chance_of_error, mechanism, num_mechanisms)
        with np.errstate(divide="ignore", over="ignore"):
            prior = np.clip(probability / (1 - probability), 1e-30, 1e30)

        # The links of the first error of each mechanism are those of all.
        leads = np.isin(owner, leader)
        link_mechanism, link_detector = mechanism[owner[leads]], detector[leads]
        order = np.lexsort((link_mechanism, link_detector))

        flipper, edge = _odd_pairs(index, edge_of.astype(np.int64), graph.num_edges)
        total = np.bincount(mechanism, weights=chance_of_error, minlength=num_mechanisms)
        part = chance_of_error[flipper] / total[mechanism[flipper]]
        # What the edges flip; errors may flip more that no detector sees.
        seen = np.zeros((error.size, graph.edge_observables.shape[1]), dtype=np.uint64)
        np.bitwise_xor.at(seen, flipper, graph.edge_observables[edge])
        flippers = np.flatnonzero(seen[leader].any(axis=1))
        flipped_bytes = as_bytes(seen[leader[flippers]], (graph.num_observables + 7) // 8)
        width = max(num_mechanisms, 1)
        pair, place = np.unique(edge * width + mechanism[flipper], return_inverse=True)
        return cls(
            links=_starts(np.bincount(link_detector, minlength=graph.num_detectors)),
            mechanisms=link_mechanism[order].astype(np.int32),
            prior=prior.astype(np.float32),
            shares_start=_starts(np.bincount(pair // width, minlength=graph.num_edges)),
            shared_by=(pair % width).astype(np.int32),
            flippers=flippers.astype(np.int32),
            flipped=flipped_bytes.reshape(-1),
            share=np.bincount(place, weights=part, minlength=pair.size).astype(np.float32),
        )


class Beliefs(Pools):
    """Everything that belief propagation writes to, for one thread and LANES shots."""

    def __init__(self, tanner: TannerGraph, *, max_sweeps: int) -> None:
        super().__init__(layout.BELIEF)
        names = "num_detectors", "num_mechanisms", "num_links", "num_edges", "longest_row"
        sizes = {name: int(tanner.record[name][0]) for name in names}
        lengths = {
            "odds": sizes["num_mechanisms"],
            "messages": sizes["num_links"],
            "signs": sizes["num_detectors"],
            "before": sizes["longest_row"],
            "differences": sizes["longest_row"],
            "active": 1,
            "finished": 1,
            "chances": sizes["num_mechanisms"],
        }
        self.own(**{name: np.zeros(LANES * length, np.float32) for name, length in lengths.items()})
        self.own(
            weights=np.zeros(LANES * sizes["num_edges"], dtype=np.int32),
            shot_weights=np.zeros(sizes["num_edges"], dtype=np.int32),
            shot_events=np.zeros(sizes["num_detectors"], dtype=np.int64),
        )
        self.set(**sizes, max_sweeps=max_sweeps)


def _starts(sizes: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)


def _odd_pairs(
    owner: NDArray[np.int64], item: NDArray[np.int64], num_items: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The (owner, item) pairs that appear an odd number of times, sorted; negative items are left out."""
    kept = item >= 0
    pair, times = np.unique(owner[kept] * max(num_items, 1) + item[kept], return_counts=True)
    pair = pair[times % 2 == 1]
    return pair // max(num_items, 1), pair % max(num_items, 1)


def _same_rows(
    owner: NDArray[np.int64], detector: NDArray[np.int64], flipped: NDArray[np.uint64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number errors by what they flip: the number of each, and the first error of each number."""
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
    """The chance that an odd number of the independent errors of each group happen."""
    odd, even = np.zeros(num_groups), np.ones(num_groups)
    order = np.argsort(group, kind="stable")
    rank = np.arange(order.size) - np.searchsorted(group[order], group[order])
    for which in range(int(rank.max(initial=-1)) + 1):  # one more error of each group that has so many
        member = order[rank == which]
        p, at = probability[member], group[member]
        odd[at], even[at] = odd[at] * (1 - p) + even[at] * p, even[at] * (1 - p) + odd[at] * p
    return odd / (odd + even)
