"""Exact matching where every shot comes with error probabilities of its own: erasures, soft readout."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Literal, Self, overload

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.base import Packed, Weights, check_packed, pack_shots
from decoders.kernels import layout
from decoders.matching.failure import explain_failure
from decoders.matching.workspace import Pools, Workspace, read_only
from decoders.model.matching_graph import MatchingGraph, round_weights
from decoders.reweighted.graph import ReweightedGraph
from decoders.reweighted.kernels import shots as kernels
from decoders.reweighted.probabilities import ShotProbabilities

# Threads get their shots in portions, so that one that got hard shots does not keep the others waiting.
_PORTIONS_PER_THREAD = 4


class ReweightedDecoder:
    """Minimum-weight perfect matching with edge weights log((1 - p) / p) that differ from shot to shot.

    Every shot is matched exactly, with weights rounded as those of a decoder made for that shot alone, so
    that weights are those of PyMatching on a graph rebuilt for each shot. An erased edge has p = 1/2, a
    weight of zero. Edges without a probability of their own keep that of the model.

    Edges are those of `graph`: their ends are `graph.edge_u` and `graph.edge_v` (-1 for the boundary), their
    probabilities `graph.edge_probability`.
    """

    def __init__(self, *, graph: MatchingGraph, edge_weight: NDArray[np.float64] | None = None) -> None:
        """Make the decoder for a graph.

        Args:
            graph: the graph; its integer weights mean nothing here.
            edge_weight: float64 (edges,), weights of edges without a probability of their own. Default: those
                of the graph's probabilities.
        """
        self.graph = graph
        p = graph.edge_probability
        self.edge_weight = np.log((1 - p) / p) if edge_weight is None else edge_weight
        self._idle: list[_Context] = []

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> Self:
        """Make the decoder for a DEM.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        return cls(graph=MatchingGraph.from_dem(dem))

    def __repr__(self) -> str:
        return f"<ReweightedDecoder: {self.graph!r}>"

    def __getstate__(self) -> dict[str, Any]:
        # Contexts hold addresses, which mean nothing in a copy or in another process.
        return self.__dict__ | {"_idle": []}

    @overload
    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        edge_probabilities: Any,
        bit_packed: bool = False,
        return_weights: Literal[False] = False,
        threads: int = 1,
    ) -> NDArray[Any]: ...

    @overload
    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        edge_probabilities: Any,
        bit_packed: bool = False,
        return_weights: Literal[True],
        threads: int = 1,
    ) -> tuple[NDArray[Any], Weights]: ...

    def decode_batch(
        self,
        detection_events: ArrayLike,
        *,
        edge_probabilities: Any,
        bit_packed: bool = False,
        return_weights: bool = False,
        threads: int = 1,
    ) -> NDArray[Any] | tuple[NDArray[Any], Weights]:
        """Predict the observable flips of many shots.

        Args:
            detection_events: bool, or integers 0 and 1, (shots, detectors); with bit_packed uint8
                (shots, ceil(detectors / 8)).
            edge_probabilities: float (shots, edges), strictly between 0 and 1; or a scipy.sparse array of
                that shape: its entries replace the probabilities of those edges, in those shots.
            bit_packed: whether detection events and predictions are bit-packed.
            return_weights: also return the weight of each shot's solution.
            threads: how many threads decode.

        Returns:
            bool (shots, observables), or uint8 (shots, ceil(observables / 8)) with bit_packed; with
            return_weights a tuple of it and float64 (shots,).

        Raises:
            ValueError: wrong shape, dtype or value, or no error explains the detection events of a shot.
        """
        events = np.asarray(detection_events)
        if bit_packed:
            packed = check_packed(events, self.graph.num_detectors)
        elif events.ndim == 2 and events.shape[1] == self.graph.num_detectors:
            packed = pack_shots(events)
        else:
            raise ValueError(
                f"detection events have shape {events.shape}, expected (shots, {self.graph.num_detectors})"
            )
        given = ShotProbabilities.of(
            edge_probabilities, num_shots=packed.shape[0], num_edges=self.graph.num_edges
        )
        predictions, weights = self.decode_packed(packed, given, threads=threads)
        result: NDArray[Any] = predictions
        if not bit_packed:
            count = self.graph.num_observables
            result = np.unpackbits(predictions, axis=1, count=count, bitorder="little").view(np.bool_)
        return (result, weights) if return_weights else result

    def decode_packed(
        self, packed: Packed, given: ShotProbabilities, *, threads: int
    ) -> tuple[Packed, Weights]:
        """Decode checked shots, uint8 (shots, ceil(detectors / 8)), to bit-packed predictions and weights."""
        if threads < 1:
            raise ValueError(f"threads={threads}: must be at least 1")
        num_shots = packed.shape[0]
        packed = read_only(packed)
        predictions = np.zeros((num_shots, (self.graph.num_observables + 7) // 8), dtype=np.uint8)
        weights = np.zeros(num_shots)

        def decode(first: int, last: int) -> None:
            try:
                context = self._idle.pop()
            except IndexError:
                context = _Context(self.graph, self.edge_weight)
            try:
                context.set_probabilities(given.rows(first, last, self.graph.num_edges), last - first)
                stopped = context.run(packed[first:last], predictions[first:last], weights[first:last])
            finally:
                self._idle.append(context)
            if stopped is not None:
                shot = packed[first + stopped] ^ context.graph.arrays["inverted"]
                raise ValueError(explain_failure(self.graph, shot, first + stopped))

        portions = min(num_shots, threads * _PORTIONS_PER_THREAD)
        if threads == 1 or portions < 2:
            decode(0, num_shots)
        else:
            bounds = [num_shots * portion // portions for portion in range(portions + 1)]
            with ThreadPoolExecutor(max_workers=threads) as pool:
                # In order, so that the first bad shot is the one reported.
                list(pool.map(decode, *zip(*pairwise(bounds), strict=True)))
        return predictions, weights


class _Context:
    """Decoding context of one thread: the reweighted graph, working memory and input that it writes to."""

    def __init__(self, graph: MatchingGraph, edge_weight: NDArray[np.float64]) -> None:
        self.graph = ReweightedGraph(graph, keep_base_lists=True)
        self.work = Workspace(self.graph)
        self.given = Pools(kernels.SHOT_WEIGHTS)
        steps, scale = round_weights(edge_weight)
        sizes = np.abs(edge_weight)
        largest = float(sizes.max(initial=0))
        self.given.own(
            base_weight=np.ascontiguousarray(edge_weight, dtype=np.float64),
            base_steps=steps,
            weight=edge_weight.astype(np.float64),
            steps=np.zeros(graph.num_edges, dtype=np.int32),
            events=np.zeros(graph.num_detectors, dtype=np.int64),
        )
        self.given.record["base_scale"] = scale / 2
        self.given.record["base_largest"] = largest
        self.given.set(
            num_edges=graph.num_edges,
            num_detectors=graph.num_detectors,
            num_largest=int(np.count_nonzero(sizes == largest)),
            num_fractions=int(np.count_nonzero(edge_weight != np.rint(edge_weight))),
            num_negative=int(np.count_nonzero(edge_weight < 0)),
        )

    def set_probabilities(self, probabilities: ShotProbabilities, num_shots: int) -> None:
        """Set the edge probabilities of the next shots to decode."""
        start, edge, probability = probabilities
        is_dense = start is None
        self.given.own(
            entry_start=np.zeros(0, dtype=np.int64) if start is None else start,
            entry_edge=edge,
            entry_probability=probability,
        )
        self.given.set(is_dense=int(is_dense), num_shots=num_shots, num_entries=probability.size)

    def run(self, shots: Packed, predictions: Packed, weights: Weights) -> int | None:
        """Decode; returns the number of the first shot that has no matching, None if all have one."""
        at, status = 0, layout.FULL
        while status == layout.FULL:
            at, status = kernels.decode_given(
                self.graph.record,
                self.graph.reweight.record,
                self.work.record,
                self.given.record,
                shots,
                predictions,
                weights,
                at,
            )
            if status == layout.FULL:
                self.work.grow()
        return None if status == layout.OK else at
