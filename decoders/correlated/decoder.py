"""Matching twice: the second time with the weights that the first one's edges imply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar, Self

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.base import Gaps, Packed, Weights
from decoders.correlated.edge_correlations import CorrelatedGraph
from decoders.correlated.kernels import batch, second_gaps
from decoders.correlated.workspace import SecondWorkspace
from decoders.gaps.logical_classes import LogicalDetector, make_logicals
from decoders.gaps.per_shot_gap import PerShotGaps, allocate_gaps, scale_gaps
from decoders.kernels import layout
from decoders.matching.decoder import MWPM
from decoders.matching.failure import explain_failure, unexplained
from decoders.matching.workspace import Workspace, read_only
from decoders.reweighted.graph import ReweightedGraph

# Second matchings look farther: 23 cache lines of neighbours instead of 11.
_LIST_LENGTH = 184


class _ThreadMemory:
    """All that one thread writes to while it looks for gaps."""

    def __init__(self, decoder: CorrelatedMWPM, logicals: list[LogicalDetector]) -> None:
        self.first_graph = decoder.search_graph.record.copy()
        self.first_graph["only_first"] = 1
        if not decoder.correlated.observed.any():
            self.first_graph["num_implied"] = 0  # matched once
        self.first_work = SecondWorkspace(decoder.search_graph)
        self.first_work.record["keep_duals"] = 1  # no short cut that two matchings would not take
        self.graph = ReweightedGraph(decoder.graph)
        self.work = Workspace(self.graph)
        self.gap_classes = PerShotGaps(self.graph, logicals)
        self.uses = np.zeros(decoder.graph.num_edges, dtype=np.uint8)
        self.weights = decoder.graph.edge_weight.copy()

    def grow(self) -> None:
        """Give the kernels more room."""
        for one in (self.first_work, self.work, self.gap_classes):
            one.grow()


class CorrelatedMWPM(MWPM):
    """Two-pass correlated matching (after Fowler, arXiv 1310.0863).

    A first matching as by "mwpm"; its edges make the edges more likely that the same errors flip (see
    `CorrelatedGraph`), and the shot is matched with those weights. The second matching is the lightest
    with the new weights, but only that part of the shot is matched again for which the first matching's dual
    solution does not prove that nothing changes (see `decoders.correlated.kernels.implied_weights`).

    Observed edges, which the syndrome determines, count before the first matching: it has the weights of
    edges given which of the observed edges have happened. Without any, its weights are those of "mwpm".

    Where the two matchings predict different flips, the errors of the model decide which is taken. Weights
    are those of the matching taken, with the second matching's edge weights.

    Where only predictions are asked for, components without observables are matched once: they decide
    nothing more. Of matchings that are equally light, another one may be found then.

    Shots that the components of errors explain, but no matching in which pairs of them are put together,
    are decoded by plain matching.

    The gap of an observable is how much more the lightest solution that predicts the opposite weighs than
    the lightest of all, both with the second matching's edge weights; 0 where the first matching was taken
    and the second predicts otherwise.
    """

    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 0.2, 5: 1.0, 7: 2.9, 9: 9.0, 11: 22.0}
    rough_cost_growth = 0.38

    _decode_many = staticmethod(batch.decode_batch_twice)
    _workspace = SecondWorkspace
    _decode_one = staticmethod(batch.decode_to_edges_twice)

    def __init__(self, *, correlated: CorrelatedGraph, compare: bool = True) -> None:
        super().__init__(
            graph=correlated.graph,
            name="mwpm-correlated",
            implied=correlated.implied,
            list_length=_LIST_LENGTH,
        )
        self.search_graph.set(certain_weight=correlated.offset)
        self.search_graph.use_observed_edges(correlated.observed)
        if compare:
            correlated.errors.add_to(self.search_graph)
        self.correlated = correlated
        self._compare = compare
        self._logicals: list[LogicalDetector] | None = None  # made when gaps are first asked for
        self._idle_memory: list[_ThreadMemory] = []
        self._parts_decoder: MWPM | None = None  # made when a shot needs it

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        return partial(type(self), correlated=self.correlated, compare=self._compare), ()

    @classmethod
    def from_dem(  # type: ignore[override]
        cls, dem: stim.DetectorErrorModel, *, compare: bool = True
    ) -> Self:
        """Make the decoder for a DEM.

        Args:
            dem: errors decomposed into components with at most two detectors, as `decompose_errors=True`
                makes them; without `^` this is plain matching.
            compare: where the two matchings predict different flips, take the one that the errors of the
                model explain better (see `decoders.correlated.kernels.arbitrate`); otherwise the second.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        return cls(correlated=CorrelatedGraph.from_dem(dem), compare=compare)

    def warm_up(self, *, gaps: bool = False) -> None:
        """Compile the kernels; see `Decoder.warm_up`."""
        super().warm_up(gaps=gaps)
        if self.correlated.parts is not None:
            self._plain().warm_up(gaps=gaps)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        in_parts = self._only_in_parts(packed)
        if in_parts is None:
            return super()._decode_packed(packed, weights=weights, threads=threads)
        predictions = np.zeros((packed.shape[0], (self.num_observables + 7) // 8), dtype=np.uint8)
        found = np.zeros(packed.shape[0])
        for chosen, decode in ((~in_parts, super()._decode_packed), (in_parts, self._plain()._decode_packed)):
            predictions[chosen], some = decode(packed[chosen], weights=weights, threads=threads)
            if some is not None:
                found[chosen] = some
        return predictions, found if weights else None

    def _only_in_parts(self, packed: Packed) -> NDArray[np.bool_] | None:
        """Find the shots that only the components of errors explain; None if no shot.

        Raises:
            ValueError: a shot that not even those explain.
        """
        parts = self.correlated.parts
        if parts is None:
            return None
        in_parts = unexplained(self.graph, packed)
        if not in_parts.any():
            return None
        impossible = np.flatnonzero(unexplained(parts, packed))
        if impossible.size:
            number = int(impossible[0])
            inverted = np.packbits(parts.certain_detectors, bitorder="little")
            raise ValueError(explain_failure(parts, packed[number] ^ inverted, number))
        return in_parts

    def _plain(self) -> MWPM:
        assert self.correlated.parts is not None
        if self._parts_decoder is None:
            self._parts_decoder = MWPM(graph=self.correlated.parts)
        return self._parts_decoder

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        in_parts = self._only_in_parts(packed)
        if in_parts is None:
            return self._second_gaps(packed, threads=threads)
        predictions = np.zeros((packed.shape[0], (self.num_observables + 7) // 8), dtype=np.uint8)
        weights, gaps = np.zeros(packed.shape[0]), np.zeros((packed.shape[0], self.num_observables))
        for chosen, decode in ((~in_parts, self._second_gaps), (in_parts, self._plain()._decode_with_gaps)):
            predictions[chosen], weights[chosen], gaps[chosen] = decode(packed[chosen], threads=threads)
        return predictions, weights, gaps

    def _second_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        """Gaps of shots that have a matching in the graph, with the second matching's weights."""
        if self._logicals is None:
            self._logicals = make_logicals(self.graph)
        # Of equally light matchings another may be found where weights are asked for as well.
        predictions, _ = self._decode_packed(packed, weights=False, threads=threads)
        _, weights = self._decode_packed(packed, weights=True, threads=threads)
        assert weights is not None
        steps = allocate_gaps(packed.shape[0], self._logicals)
        run = partial(self._gaps_in, read_only(packed), predictions, steps, self._logicals)
        self._in_portions(run, packed.shape[0], threads)
        return predictions, weights, scale_gaps(steps, self._logicals, scale=self.graph.weight_scale)

    def _gaps_in(
        self,
        packed: Packed,
        predictions: Packed,
        steps: NDArray[np.int64],
        logicals: list[LogicalDetector],
        first: int,
        last: int,
    ) -> None:
        """Find the integer gaps of the shots first..last-1, which have been decoded."""
        try:
            memory = self._idle_memory.pop()
        except IndexError:
            memory = _ThreadMemory(self, logicals)
        at, status = 0, layout.FULL
        while status == layout.FULL:
            at, status = second_gaps.find_second_gaps(
                memory.first_graph,
                memory.first_work.record,
                memory.graph.record,
                memory.graph.reweight.record,
                memory.work.record,
                *memory.gap_classes.records,
                *self.correlated.implied,
                self.graph.edge_weight,
                memory.uses,
                memory.weights,
                packed[first:last],
                predictions[first:last],
                steps[first:last],
                at,
            )
            if status == layout.FULL:
                memory.grow()
        self._idle_memory.append(memory)
        assert status == layout.OK  # decoded before
