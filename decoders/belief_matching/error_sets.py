"""Errors of a DEM as sets of edges, and the memory of searches for sets of errors."""

from collections.abc import Callable
from functools import partial
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from decoders.belief_matching.kernels import error_sets, sum_product
from decoders.belief_matching.tanner import ErrorMechanisms, TannerGraph, same_rows, starts
from decoders.kernels import layout
from decoders.matching.workspace import Pools
from decoders.model.matching_graph import MatchingGraph

#: Most detectors in the region of Gaussian elimination: 64 KiB per thread.
MAX_ROWS = 512


class ErrorSets(Pools):
    """Mechanisms of a DEM with weights, and the sets of edges that each may flip; read-only."""

    def __init__(self, *, differs: bool, **arrays: NDArray[Any]) -> None:
        """Store the arrays of the record ERRORS."""
        super().__init__(error_sets.ERRORS)
        self._differs = differs
        self.own(**arrays)
        self.set(
            num_mechanisms=arrays["weight"].size,
            num_links=arrays["rows"].size,
            num_variants=arrays["mechanism"].size,
            num_parts=arrays["edges"].size,
            num_edges=arrays["alone"].size,
            differs=int(differs),
        )

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # Records hold addresses, which are meaningless in a copy or in another process.
        return partial(type(self), differs=self._differs, **self.arrays), ()

    @classmethod
    def from_errors(cls, errors: ErrorMechanisms, *, graph: MatchingGraph, tanner: TannerGraph) -> Self:
        """Describe the errors from which `tanner` was made; `graph` is the matching graph of the same DEM."""
        weight = np.rint(-np.log(tanner.arrays["prior"].astype(np.float64)) * float(sum_product.SCALE))
        weight = weight.astype(np.int64)
        # Errors of one mechanism with equal decompositions are one variant.
        number, first = same_rows(
            errors.part_error, errors.part_edge, errors.mechanism.astype(np.uint64)[:, np.newaxis]
        )
        mechanism = errors.mechanism[first]
        leads = np.isin(errors.part_error, first)
        part, edge = number[errors.part_error[leads]], errors.part_edge[leads]
        order = np.argsort(part, kind="stable")
        part, edge = part[order], edge[order]
        sizes = np.bincount(part, minlength=first.size)

        # The lightest of the mechanisms that flip one edge alone is written last.
        alone = np.full(graph.num_edges, -1, dtype=np.int32)
        single = np.flatnonzero(sizes[part] == 1)
        single = single[np.argsort(-weight[mechanism[part[single]]], kind="stable")]
        alone[edge[single]] = mechanism[part[single]]
        p = graph.edge_probability
        by_itself = np.rint((np.log1p(-p) - np.log(p)) * float(sum_product.SCALE)).astype(np.int64)
        edge_cost = (
            np.where(alone >= 0, weight[alone], by_itself + error_sets.UNCOVERED) if alone.size else by_itself
        )

        seen = np.zeros((first.size, errors.observables.shape[1]), dtype=np.uint64)
        np.bitwise_xor.at(seen, part, graph.edge_observables[edge])
        differs = bool((alone < 0).any() or (seen != errors.observables[first])[sizes > 0].any())

        several = sizes > 1
        kept = several[part]
        part, edge = (np.cumsum(several) - 1)[part[kept]], edge[kept]
        row = np.repeat(np.arange(graph.num_detectors), np.diff(tanner.arrays["links"]))
        by_mechanism = np.lexsort((row, tanner.arrays["mechanisms"]))
        return cls(
            differs=differs,
            weight=weight,
            first_row=starts(np.bincount(tanner.arrays["mechanisms"], minlength=weight.size)),
            rows=row[by_mechanism].astype(np.int32),
            mechanism=mechanism[several].astype(np.int32),
            first_edge=starts(sizes[several]),
            edges=edge.astype(np.int32),
            first_variant=starts(np.bincount(edge, minlength=graph.num_edges)),
            variants=part[np.lexsort((part, edge))].astype(np.int32),
            alone=alone,
            edge_cost=edge_cost,
        )


class SetSearch(Pools):
    """Memory of searches for sets of errors, for one thread."""

    def __init__(self, errors: ErrorSets, tanner: TannerGraph) -> None:
        super().__init__(error_sets.SETS)
        names = "num_edges", "num_mechanisms", "num_parts"
        num_edges, num_mechanisms, num_parts = (int(errors.record[name][0]) for name in names)
        num_detectors = int(tanner.record["num_detectors"][0])
        flip_bytes = int(tanner.record["flip_bytes"][0])
        max_rows = min(num_detectors, MAX_ROWS)
        max_words = (max_rows + 63) // 64
        max_queue = max(num_mechanisms, 2 * num_parts + 64)
        self.own(
            marks=np.zeros(num_edges, dtype=np.uint8),
            marked_edges=np.zeros(num_edges, dtype=np.int64),
            queue=np.zeros(max_queue, dtype=layout.ITEM),
            flips=np.zeros(flip_bytes, dtype=np.uint8),
            number_of=np.full(num_detectors, -1, dtype=np.int32),
            region=np.zeros(num_detectors, dtype=np.int64),
            states=np.zeros(num_mechanisms, dtype=np.uint8),
            seen=np.zeros(num_mechanisms, dtype=np.int64),
            basis=np.zeros((max_rows + 2) * 2 * max_words, dtype=np.uint64),
            pivots=np.zeros(max_rows, dtype=np.int64),
            columns=np.zeros(max_rows, dtype=np.int64),
        )
        self.set(
            num_edges=num_edges,
            num_detectors=num_detectors,
            num_mechanisms=num_mechanisms,
            flip_bytes=flip_bytes,
            max_queue=max_queue,
            max_rows=max_rows,
            max_words=max_words,
        )
