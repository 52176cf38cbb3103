"""Decoding of a graph with error probabilities given for each shot."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.model.matching_graph import MatchingGraph
from decoders.pymatching.edges import BOUNDARY, MAX_WEIGHT, EdgeColumns
from decoders.pymatching.problem import fault_words
from decoders.reweighted.decoder import ReweightedDecoder
from decoders.reweighted.probabilities import ShotProbabilities

Bytes = NDArray[np.uint8]
Weights = NDArray[np.float64]


class ReweightedEngine:
    """A graph whose edges may get other probabilities with each shot."""

    def __init__(
        self,
        columns: EdgeColumns,
        *,
        num_nodes: int,
        num_fault_ids: int,
        boundary: set[int],
        certain_detectors: NDArray[np.int64],
        certain_observables: NDArray[np.int64],
    ) -> None:
        """Make the decoder of some edges; arguments as of `Problem.of`.

        Raises:
            ValueError: an edge leads from a node to itself or between boundary nodes, or is too heavy.
        """
        is_detector = np.ones(num_nodes, dtype=np.bool_)
        is_detector[list(boundary)] = False
        inside = np.append(is_detector, False)  # the last is the virtual boundary, number -1
        first = np.where(inside[columns.node1], columns.node1, BOUNDARY)
        second = np.where(inside[columns.node2], columns.node2, BOUNDARY)
        wrong = np.flatnonzero((first == second) | (np.abs(columns.weight) > MAX_WEIGHT))
        if wrong.size:
            at = int(wrong[0])
            raise ValueError(
                f"edge_probabilities: edge {at} of edges() leads from a node to itself or between boundary "
                f"nodes, or weighs more than {MAX_WEIGHT:.0f}: make the graph without such edges"
            )
        high = np.maximum(first, second)
        low = np.minimum(first, second)
        edge_u, edge_v = np.where(low < 0, high, low), np.where(low < 0, BOUNDARY, high)
        self._order = np.lexsort((edge_v, edge_u))
        certain = np.zeros(num_nodes, dtype=np.bool_)
        certain[certain_detectors] = True
        words = (num_fault_ids + 63) // 64
        flips = np.zeros(64 * words, dtype=np.uint8)
        flips[certain_observables] = 1
        graph = MatchingGraph.from_edges(
            num_detectors=num_nodes,
            num_observables=num_fault_ids,
            edge_u=edge_u[self._order].astype(np.int32),
            edge_v=edge_v[self._order].astype(np.int32),
            edge_weight=np.zeros(high.size, dtype=np.int32),
            edge_probability=np.full(high.size, 0.5),
            edge_observables=fault_words(columns, self._order, words),
            weight_scale=1.0,
            certain_detectors=certain,
            certain_observables=np.packbits(flips, bitorder="little").view("<u8").astype(np.uint64),
        )
        self._decoder = ReweightedDecoder(graph=graph, edge_weight=columns.weight[self._order])
        self._mask = np.packbits(is_detector, bitorder="little")

    def decode_batch(
        self, shots: Bytes, edge_probabilities: Any, *, is_packed: bool, packs_predictions: bool, threads: int
    ) -> tuple[Bytes, Weights]:
        """Decode shots checked by `SharedContext.check_shots`; probabilities in the order of the edges."""
        given = ShotProbabilities.of(
            edge_probabilities, num_shots=shots.shape[0], num_edges=self._order.size
        ).renumbered(self._order)
        packed = shots if is_packed else np.packbits(shots, axis=1, bitorder="little")
        packed = np.pad(packed, ((0, 0), (0, self._mask.size - packed.shape[1]))) & self._mask
        predictions, weights = self._decoder.decode_packed(packed, given, threads=threads)
        if not packs_predictions:
            count = self._decoder.graph.num_observables
            predictions = np.unpackbits(predictions, axis=1, count=count, bitorder="little")
        return predictions, weights
