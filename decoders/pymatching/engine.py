"""Decoding in PyMatching's forms of input and output, on any number of threads, each with its own context."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.correlated.decoder import CorrelatedMWPM
from decoders.matching.failure import explain_failure
from decoders.pymatching.context import Context, Kernel, SharedContext
from decoders.pymatching.kernels.decode import decode_context
from decoders.pymatching.kernels.decode_twice import decode_context_twice
from decoders.pymatching.problem import Problem

Bytes = NDArray[np.uint8]
Weights = NDArray[np.float64]
#: Answers a bit-packed shot, given with its number, that has no matching in the graph; or raises ValueError.
Rescue = Callable[[Bytes, int], tuple[Bytes, float]]

# Threads get their shots in portions, so that one that got hard shots does not keep the others waiting.
_PORTIONS_PER_THREAD = 4


class Engine:
    """A graph that is ready to decode, and the idle contexts for it."""

    def __init__(
        self,
        problem: Problem,
        *,
        kernel: Kernel,
        num_detectors: int,
        rescue: Rescue | None = None,
        num_flips: int | None = None,
    ) -> None:
        self.problem = problem
        graph = problem.graph
        self.shared = SharedContext(
            search_graph=problem.search_graph,
            num_detectors=num_detectors,
            num_nodes=graph.num_detectors,
            num_fault_ids=problem.num_fault_ids,
            num_flips=problem.num_fault_ids if num_flips is None else num_flips,
            weight_scale=graph.weight_scale,
            is_detector=problem.is_detector,
            edge_weight=graph.edge_weight,
            faults=problem.faults,
        )
        self.kernel = kernel
        self.idle: list[Context] = []
        #: Whether neighbour lists are still made when a shot needs them.
        self.is_lazy = not problem.search_graph.is_complete
        self._rescue = rescue or self._explain
        #: Whether there are edges of negative weight.
        self.has_negative = bool((graph.edge_weight < 0).any())
        self._ends = np.stack([graph.edge_u, graph.edge_v], axis=1).astype(np.int64)
        self._mask = self.shared.arrays["packed_mask"]

    @classmethod
    def plain(cls, problem: Problem) -> "Engine":
        """Decode by plain matching."""
        num_detectors = int(np.count_nonzero(problem.is_detector))
        return cls(problem, kernel=decode_context, num_detectors=num_detectors)

    @classmethod
    def correlated(cls, decoder: CorrelatedMWPM, *, num_fault_ids: int) -> "Engine":
        """Decode by two-pass correlated matching."""

        def rescue(shot: Bytes, number: int) -> tuple[Bytes, float]:
            prediction, weight = decoder.decode_batch(shot[np.newaxis], bit_packed=True, return_weights=True)
            flips = np.unpackbits(prediction[0], count=decoder.num_observables, bitorder="little")
            return np.pad(flips, (0, num_fault_ids - flips.size)), float(weight[0])

        problem = Problem(
            decoder.graph,
            decoder.search_graph,
            None,
            np.ones(decoder.num_detectors, dtype=np.bool_),
            num_fault_ids,
        )
        return cls(
            problem,
            kernel=decode_context_twice,
            num_detectors=decoder.num_detectors,
            rescue=rescue,
            num_flips=decoder.num_observables,
        )

    def take_context(self) -> Context:
        """Take an idle context, or make one; it is to be put back into `idle`."""
        try:
            return self.idle.pop()
        except IndexError:
            return Context(self.shared)

    def finish_syndrome(self, context: Context) -> None:
        """Decode a context's own syndrome again, for which the kernel has failed or lists may be missing.

        Raises:
            ValueError: no matching exists.
        """
        packed = self._prepare(context)
        if not context.decode(self.kernel):
            context.prediction[:], context.weight[:] = self._rescue(packed, 0)

    def decode_batch(
        self,
        shots: Bytes,
        *,
        is_packed: bool,
        packs_predictions: bool,
        return_weights: bool,
        threads: int,
    ) -> tuple[Bytes, Weights | None]:
        """Decode checked shots, C-contiguous uint8 (shots, width), to predictions and weights."""
        size = self.problem.num_fault_ids
        num_shots = shots.shape[0]
        predictions = np.zeros((num_shots, (size + 7) // 8 if packs_predictions else size), np.uint8)
        weights = np.zeros(num_shots) if return_weights else None
        if self.is_lazy:
            width = (self.shared.num_nodes + 7) // 8
            packed = shots if is_packed else np.packbits(shots, axis=1, bitorder="little")
            self.problem.search_graph.prepare(np.pad(packed, ((0, 0), (0, width - packed.shape[1]))))
            self.is_lazy = not self.problem.search_graph.is_complete

        def decode(first: int, last: int) -> None:
            context = self.take_context()
            try:
                while True:
                    at = context.decode_rows(
                        self.kernel,
                        shots,
                        predictions,
                        weights,
                        first,
                        last,
                        is_packed=is_packed,
                        packs_predictions=packs_predictions,
                    )
                    if at == last:
                        break
                    bits, weight = self._rescue(self._packed_row(shots[at], is_packed=is_packed), at)
                    predictions[at] = np.packbits(bits, bitorder="little") if packs_predictions else bits
                    if weights is not None:
                        weights[at] = weight
                    first = at + 1
            finally:
                self.idle.append(context)

        portions = min(num_shots, threads * _PORTIONS_PER_THREAD)
        if threads == 1 or portions < 2:
            decode(0, num_shots)
        else:
            bounds = [num_shots * portion // portions for portion in range(portions + 1)]
            with ThreadPoolExecutor(max_workers=threads) as pool:
                # In order, so that the first bad shot is the one reported.
                list(pool.map(decode, *zip(*pairwise(bounds), strict=True)))
        return predictions, weights

    def decode_to_edges(self, syndrome: ArrayLike) -> NDArray[np.int64]:
        """Decode a syndrome to edges, int64 (edges, 2), -1 for the boundary."""
        context = self.take_context()
        try:
            context.read(syndrome)
            if self.is_lazy:
                self._prepare(context)
            found = context.list_edges(self.kernel)
            if found is None:
                self._explain(self._prepare(context), 0)
            return self._ends[found]
        finally:
            self.idle.append(context)

    def decode_to_pairs(self, syndrome: ArrayLike) -> NDArray[np.int64]:
        """Decode a syndrome to pairs of events, int64 (pairs, 2), see `Context.list_pairs`."""
        context = self.take_context()
        try:
            context.read(syndrome)
            if self.is_lazy:
                self._prepare(context)
            found = context.list_pairs(self.kernel)
            if found is None:
                self._explain(self._prepare(context), 0)
            assert found is not None
            return found
        finally:
            self.idle.append(context)

    def _prepare(self, context: Context) -> Bytes:
        """Make the neighbour lists that a context's own syndrome asks for; returns it bit-packed."""
        packed: Bytes = np.packbits(context.syndrome, bitorder="little") & self._mask
        if self.is_lazy:
            self.problem.search_graph.prepare(packed[np.newaxis])
            self.is_lazy = not self.problem.search_graph.is_complete
        return packed

    def _packed_row(self, row: Bytes, *, is_packed: bool) -> Bytes:
        packed = row if is_packed else np.packbits(row, bitorder="little")
        masked: Bytes = np.pad(packed, (0, self._mask.size - packed.size)) & self._mask
        return masked

    def _explain(self, shot: Bytes, number: int) -> tuple[Bytes, float]:
        inverted = self.problem.search_graph.arrays["inverted"]
        reason = explain_failure(self.problem.graph, shot ^ inverted, number)
        raise ValueError(f"No perfect matching could be found. {reason[0].upper()}{reason[1:]}")
