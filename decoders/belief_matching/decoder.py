"""Belief propagation on the errors as they are, then matching on the weights that it finds."""

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
from decoders.gaps.logical_classes import Gauge
from decoders.gaps.per_shot_gap import Rivals, as_likelihood, gauges_of, no_gaps
from decoders.kernels import layout
from decoders.matching.failure import explain_failure, first_unexplained
from decoders.matching.workspace import SearchGraph, Workspace, read_only
from decoders.model.dem import read_dem, with_likely_errors_present
from decoders.model.matching_graph import MatchingGraph
from decoders.reweighted.graph import ReweightedGraph

#: Sweeps after which beliefs that explain no shot are taken as they are.
MAX_SWEEPS = 5
# Shots that a thread takes at a time: a multiple of the lanes.
_PORTION = 256


class _Desk:
    """All that one thread writes to; of the observables' gauges if gaps are wanted."""

    def __init__(self, decoder: "BeliefMatching", gauges: list[Gauge]) -> None:
        self.graph = ReweightedGraph(decoder.graph)
        self.work = Workspace(self.graph)
        self.plain_work = Workspace(decoder.plain_graph)
        self.sets = SetSearch(decoder.errors, decoder.tanner)
        self.beliefs = Beliefs(decoder.tanner, max_sweeps=decoder.max_sweeps, max_waiting=_PORTION)
        self.rivals = Rivals(self.graph, gauges)


class BeliefMatching(Decoder):
    """Belief matching (Higgott, Bohdanowicz, Kubica, Flammia and Campbell, PRX 13, 031007, 2023).

    Matching treats an error that flips more than two detectors as several independent edges. Belief
    propagation treats it as one: given a shot's detection events it estimates how likely every error is, and
    each edge gets the weight -log(q) for the estimated probability q that it is part of the shot's errors.
    Then the events are matched, exactly for these weights. Where the most likely errors explain all events by
    themselves, they are the answer.

    Belief propagation is exact on trees only. So its answer is compared with that of plain matching wherever
    the two differ: the lighter set of whole errors that gives either of them wins. If no set gives either,
    another one is looked for by Gaussian elimination in the order of the beliefs, among the mechanisms around
    the events in question. A shot that only parts of errors explain gets the answer of plain matching.

    The gap of an observable is how much more the lightest solution that predicts the opposite weighs than
    the lightest of all, under the shot's own weights -log(q). It is 0 where the prediction is not that of the
    lightest of all. Gaps rank shots by reliability, but predict too few errors: in loops, belief propagation
    counts the same evidence several times.
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
            raise ValueError(f"max_sweeps={max_sweeps}: belief propagation needs at least 1 sweep")
        self.graph = graph
        self.tanner = tanner
        self.errors = errors
        self.plain_graph = SearchGraph(graph)
        self.max_sweeps = max_sweeps
        self._idle: list[_Desk] = []
        self._idle_with_gaps: list[_Desk] = []
        self._gauges: list[Gauge] | None = None  # made when gaps are first asked for

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # The kernels' records hold addresses, which mean nothing in a copy or in another process.
        made = partial(type(self), graph=self.graph, tanner=self.tanner, errors=self.errors)
        return partial(made, max_sweeps=self.max_sweeps), ()

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel, *, max_sweeps: int = MAX_SWEEPS) -> Self:
        """Make the decoder for a DEM.

        Args:
            dem: errors with at most two detectors per component, as `decompose_errors=True` makes them. The
                components of an error are matched as edges and believed together.
            max_sweeps: how often belief propagation goes over all detectors, forward and backward in turn,
                unless it explains all events before. One sweep does about as much as two iterations that
                update all messages in parallel. Two are exact where the errors and detectors form a tree.

        Raises:
            ValueError: an error has a component with more than two detectors, or max_sweeps is below 1.
        """
        arrays = with_likely_errors_present(read_dem(dem))
        graph, edge_of = MatchingGraph.from_arrays(arrays)
        whole = ErrorMechanisms.of(arrays, graph=graph, edge_of=edge_of)
        tanner = TannerGraph.from_errors(whole, graph=graph)
        errors = ErrorSets.from_errors(whole, graph=graph, tanner=tanner)
        return cls(graph=graph, tanner=tanner, errors=errors, max_sweeps=max_sweeps)

    def warm_up(self, *, gaps: bool = False) -> None:
        """Compile the kernels; see `Decoder.warm_up`."""
        super().warm_up(gaps=gaps)  # makes what gaps need; no shots are no portion, so that nothing runs
        none = read_only(np.zeros((0, (self.num_detectors + 7) // 8), dtype=np.uint8))
        predictions = np.zeros((0, (self.num_observables + 7) // 8), dtype=np.uint8)
        for gauges in [[], self._gauges or []] if gaps else [[]]:
            order = np.zeros(0, dtype=np.int64)
            self._decode_portion(none, predictions, no_gaps(0, gauges), gauges, order)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        return self._decode_all(packed, no_gaps(packed.shape[0], []), [], threads=threads), None

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        if self._gauges is None:
            self._gauges = gauges_of(self.graph)
        steps = no_gaps(packed.shape[0], self._gauges)
        predictions = self._decode_all(packed, steps, self._gauges, threads=threads)
        return predictions, np.zeros(0), as_likelihood(steps, self._gauges, scale=float(sum_product.SCALE))

    def _decode_all(
        self, packed: Packed, steps: NDArray[np.int64], gauges: list[Gauge], *, threads: int
    ) -> Packed:
        """Predictions of all shots; with `gauges`, their integer gaps into `steps`."""
        packed = read_only(packed)
        certain = self.graph.certain_observables.astype("<u8").view(np.uint8)
        predictions = np.tile(certain[: (self.num_observables + 7) // 8], (packed.shape[0], 1))
        toggles = np.packbits(self.graph.certain_detectors, bitorder="little")
        num_events = np.bitwise_count(packed ^ toggles).sum(axis=1)
        # Shots in neighbouring lanes wait for each other: those with as many events need about as long.
        order = np.argsort(num_events, kind="stable")
        quiet, order = np.split(order, [np.searchsorted(num_events[order], 1)])
        if gauges and quiet.size:  # those of all are as wide as of one
            order = np.concatenate([quiet[:1], order])
        portions = [order[start : start + _PORTION] for start in range(0, order.size, _PORTION)]
        run = partial(self._decode_portion, packed, predictions, steps, gauges)
        if threads == 1 or len(portions) < 2:
            explained = all(run(portion) for portion in portions)
        else:
            with ThreadPoolExecutor(max_workers=threads) as pool:
                explained = all(list(pool.map(run, reversed(portions))))
        if not explained:
            shots = packed ^ toggles
            number = first_unexplained(self.graph, shots)
            raise ValueError(explain_failure(self.graph, shots[number], number))
        steps[quiet] = steps[quiet[:1]]
        return predictions

    def _decode_portion(
        self,
        packed: Packed,
        predictions: Packed,
        steps: NDArray[np.int64],
        gauges: list[Gauge],
        order: NDArray[np.int64],
    ) -> bool:
        """Decode shots at a desk that another thread has left, or a new one; whether all are explained."""
        idle = self._idle_with_gaps if gauges else self._idle
        try:
            desk = idle.pop()
        except IndexError:
            desk = _Desk(self, gauges)
        try:
            at, status = 0, layout.FULL
            desk.beliefs.set(num_waiting=0)
            while status == layout.FULL:
                at, status = decode.decode_in_lanes(
                    self.tanner.record,
                    desk.beliefs.record,
                    desk.graph.record,
                    desk.graph.reweight.record,
                    desk.work.record,
                    self.plain_graph.record,
                    desk.plain_work.record,
                    self.errors.record,
                    desk.sets.record,
                    *desk.rivals.records,
                    packed,
                    order,
                    predictions,
                    steps,
                    at,
                )
                if status == layout.FULL:
                    desk.work.grow()
                    desk.plain_work.grow()
                    desk.rivals.grow()
        finally:
            idle.append(desk)
        return bool(status == layout.OK)
