"""Belief-matching decoder: belief propagation on hyperedges, then matching with the resulting weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ClassVar, Self

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.base import Decoder, Gaps, Packed, Weights
from decoders.belief_matching.error_sets import ErrorSets, SetSearch
from decoders.belief_matching.kernels import decode, sum_product
from decoders.belief_matching.tanner import Beliefs, ErrorMechanisms, TannerGraph
from decoders.gaps.logical_classes import LogicalDetector, make_logicals
from decoders.gaps.per_shot_gap import PerShotGaps, allocate_gaps, scale_gaps
from decoders.kernels import layout
from decoders.matching.failure import explain_failure, first_unexplained
from decoders.matching.workspace import SearchGraph, Workspace, read_only
from decoders.model.dem import make_likely_errors_certain, read_dem
from decoders.model.matching_graph import MatchingGraph
from decoders.reweighted.graph import ReweightedGraph

#: Most iterations of belief propagation.
MAX_SWEEPS = 5
# Shots per task of a thread: a multiple of the lanes.
_PORTION = 256


class _ThreadMemory:
    """Memory of one thread; with logical detectors if gaps are requested."""

    def __init__(self, decoder: BeliefMatching, logicals: list[LogicalDetector]) -> None:
        self.graph = ReweightedGraph(decoder.graph)
        self.work = Workspace(self.graph)
        self.plain_work = Workspace(decoder.plain_graph)
        self.sets = SetSearch(decoder.errors, decoder.tanner)
        self.beliefs = Beliefs(decoder.tanner, max_sweeps=decoder.max_sweeps, max_postponed=_PORTION)
        self.gap_classes = PerShotGaps(self.graph, logicals)


class BeliefMatching(Decoder):
    """Belief matching (Higgott, Bohdanowicz, Kubica, Flammia and Campbell, PRX 13, 031007, 2023).

    Matching treats an error that flips more than two detectors as several independent edges. Belief
    propagation treats it as one hyperedge: given a shot's detection events it estimates the probability of
    every error, and each edge gets the weight -log(q), with the estimated probability q that it is part of
    the shot's errors. Then the events are matched exactly under these weights. If the most likely errors
    explain all events by themselves, they are the solution.

    Belief propagation is exact on trees only. Its prediction is therefore compared with that of plain
    matching wherever the two differ: the lighter set of hyperedge errors that yields either of them is
    chosen. If no set yields either, another one is determined by Gaussian elimination in the order of the
    beliefs, among the mechanisms around the events concerned. Shots that only components of errors explain
    get the prediction of plain matching.

    The gap of an observable is the weight of the lightest solution that predicts the opposite, minus that of
    the lightest of all, under the shot's own weights -log(q). It is 0 where the prediction is not that of the
    lightest solution. Gaps rank shots by reliability, but underestimate the number of errors: in loops,
    belief propagation counts the same evidence several times.

    Examples:
        >>> import decoders, stim
        >>> dem = stim.DetectorErrorModel("error(0.1) D0 D1 ^ D2 L0")
        >>> decoders.from_dem("belief-matching", dem).decode([True, True, True])
        array([ True])
    """

    uses_threads = True
    gives_weights = False
    gives_gaps = True
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 0.8, 5: 3.9, 7: 10.0, 9: 25.0, 11: 50.0}

    def __init__(
        self,
        *,
        graph: MatchingGraph,
        tanner: TannerGraph,
        errors: ErrorSets,
        max_sweeps: int = MAX_SWEEPS,
    ) -> None:
        super().__init__(
            name="belief-matching", num_detectors=graph.num_detectors, num_observables=graph.num_observables
        )
        if max_sweeps < 1:
            raise ValueError(f"max_sweeps={max_sweeps}: must be at least 1")
        self.graph = graph
        self.tanner = tanner
        self.errors = errors
        self.plain_graph = SearchGraph(graph)
        self.max_sweeps = max_sweeps
        self._idle: list[_ThreadMemory] = []
        self._idle_with_gaps: list[_ThreadMemory] = []
        self._logicals: list[LogicalDetector] | None = None  # created when gaps are first requested

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # Records hold addresses, which are meaningless in a copy or in another process.
        made = partial(type(self), graph=self.graph, tanner=self.tanner, errors=self.errors)
        return partial(made, max_sweeps=self.max_sweeps), ()

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel, *, max_sweeps: int = MAX_SWEEPS) -> Self:
        """Construct the decoder for a DEM.

        Args:
            dem: errors with at most two detectors per component, as `decompose_errors=True` makes them. The
                components of an error are matched as separate edges but propagate beliefs as one hyperedge.
            max_sweeps: most iterations of belief propagation over all detectors, alternately forward and
                backward; it stops early once it explains all events. One iteration achieves about as much
                as two that update all messages in parallel. Two are exact if errors and detectors form a
                tree.

        Raises:
            ValueError: an error has a component with more than two detectors, or max_sweeps is below 1.
        """
        arrays = make_likely_errors_certain(read_dem(dem))
        graph, edge_of = MatchingGraph.from_arrays(arrays)
        whole = ErrorMechanisms.of(arrays, graph=graph, edge_of=edge_of)
        tanner = TannerGraph.from_errors(whole, graph=graph)
        errors = ErrorSets.from_errors(whole, graph=graph, tanner=tanner)
        return cls(graph=graph, tanner=tanner, errors=errors, max_sweeps=max_sweeps)

    def warm_up(self, *, gaps: bool = False) -> None:
        """Compile the kernels; see `Decoder.warm_up`."""
        super().warm_up(gaps=gaps)  # builds the gap graphs; without shots no kernel runs
        none = read_only(np.zeros((0, (self.num_detectors + 7) // 8), dtype=np.uint8))
        predictions = np.zeros((0, (self.num_observables + 7) // 8), dtype=np.uint8)
        for logicals in [[], self._logicals or []] if gaps else [[]]:
            order = np.zeros(0, dtype=np.int64)
            self._decode_portion(none, predictions, allocate_gaps(0, logicals), logicals, order)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        return self._decode_all(packed, allocate_gaps(packed.shape[0], []), [], threads=threads), None

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        if self._logicals is None:
            self._logicals = make_logicals(self.graph)
        steps = allocate_gaps(packed.shape[0], self._logicals)
        predictions = self._decode_all(packed, steps, self._logicals, threads=threads)
        return predictions, np.zeros(0), scale_gaps(steps, self._logicals, scale=float(sum_product.SCALE))

    def _decode_all(
        self, packed: Packed, steps: NDArray[np.int64], logicals: list[LogicalDetector], *, threads: int
    ) -> Packed:
        """Decode all shots; with logical detectors, write their integer gaps to `steps`."""
        packed = read_only(packed)
        certain = self.graph.certain_observables.astype("<u8").view(np.uint8)
        predictions = np.tile(certain[: (self.num_observables + 7) // 8], (packed.shape[0], 1))
        inverted = np.packbits(self.graph.certain_detectors, bitorder="little")
        num_events = np.bitwise_count(packed ^ inverted).sum(axis=1)
        # Lanes wait for the slowest one: group shots with similar numbers of events.
        order = np.argsort(num_events, kind="stable")
        quiet, order = np.split(order, [np.searchsorted(num_events[order], 1)])
        if logicals and quiet.size:  # shots without events have equal gaps
            order = np.concatenate([quiet[:1], order])
        portions = [order[start : start + _PORTION] for start in range(0, order.size, _PORTION)]
        run = partial(self._decode_portion, packed, predictions, steps, logicals)
        if threads == 1 or len(portions) < 2:
            explained = all(run(portion) for portion in portions)
        else:
            with ThreadPoolExecutor(max_workers=threads) as pool:
                explained = all(list(pool.map(run, reversed(portions))))
        if not explained:
            shots = packed ^ inverted
            number = first_unexplained(self.graph, shots)
            raise ValueError(explain_failure(self.graph, shots[number], number))
        steps[quiet] = steps[quiet[:1]]
        return predictions

    def _decode_portion(
        self,
        packed: Packed,
        predictions: Packed,
        steps: NDArray[np.int64],
        logicals: list[LogicalDetector],
        order: NDArray[np.int64],
    ) -> bool:
        """Decode shots with idle or new memory; return whether all shots are explained."""
        idle = self._idle_with_gaps if logicals else self._idle
        try:
            memory = idle.pop()
        except IndexError:
            memory = _ThreadMemory(self, logicals)
        try:
            at, status = 0, layout.FULL
            memory.beliefs.set(num_postponed=0)
            while status == layout.FULL:
                at, status = decode.decode_in_lanes(
                    self.tanner.record,
                    memory.beliefs.record,
                    memory.graph.record,
                    memory.graph.reweight.record,
                    memory.work.record,
                    self.plain_graph.record,
                    memory.plain_work.record,
                    self.errors.record,
                    memory.sets.record,
                    *memory.gap_classes.records,
                    packed,
                    order,
                    predictions,
                    steps,
                    at,
                )
                if status == layout.FULL:
                    memory.work.grow()
                    memory.plain_work.grow()
                    memory.gap_classes.grow()
        finally:
            idle.append(memory)
        return bool(status == layout.OK)
