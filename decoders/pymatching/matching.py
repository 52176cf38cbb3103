"""Minimum-weight perfect matching with the interface of PyMatching's `Matching`."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.correlated.decoder import CorrelatedMWPM
from decoders.pymatching.context import Context
from decoders.pymatching.engine import Engine
from decoders.pymatching.graph import EditableGraph
from decoders.pymatching.problem import Problem
from decoders.pymatching.reweight import ReweightedEngine

Bits = NDArray[np.uint8]
Weights = NDArray[np.float64]

# Each node and each fault id takes memory, used or not.
_MAX_UNUSED = 10**6
_MAX_FAULT_IDS = 10**8


class Matching(EditableGraph):
    """A matching graph that decodes, with the methods of PyMatching 2.4's `Matching`.

    The same graph gives solutions of the same weight; among equally light ones another may be found. Weights
    are rounded as PyMatching rounds them: to integers if all are integers, otherwise to multiples of the
    largest / (2**24 - 1). What differs is listed in the page "Coming from PyMatching".

    Nodes are numbered from 0. A node is a detector, or a boundary node after `set_boundary_nodes`; the
    virtual boundary of `add_boundary_edge` has no number. The first decoding compiles, once on a machine.
    """

    def _changed(self) -> None:
        self._engine: Engine | None = None
        self._correlated_engine: Engine | None = None
        self._reweighted_engine: ReweightedEngine | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Engines hold addresses, which mean nothing in a copy or in another process.
        return self.__dict__ | {
            "_engine": None,
            "_correlated_engine": None,
            "_reweighted_engine": None,
        }

    def _plain(self) -> Engine:
        if self._engine is None:
            sizes = self._sizes()
            self._engine = Engine.plain(Problem.of(self._table.columns, **sizes))
        return self._engine

    def _reweighted(self) -> ReweightedEngine:
        if self._reweighted_engine is None:
            sizes = self._sizes()
            self._reweighted_engine = ReweightedEngine(self._table.columns, **sizes)
        return self._reweighted_engine

    def _sizes(self) -> dict[str, Any]:
        """Arguments of `Problem.of`, apart from the edges; checked before memory is allocated for them."""
        used = 2 * self.num_edges + len(self._boundary) + len(self._certain[0])
        if self._num_nodes - used > _MAX_UNUSED:
            raise ValueError(
                f"{self._num_nodes} nodes, of which at most {used} have edges: number them from 0; at most "
                f"{_MAX_UNUSED} numbers may be left out"
            )
        if self._num_fault_ids > _MAX_FAULT_IDS:
            raise ValueError(f"{self._num_fault_ids} fault ids: at most {_MAX_FAULT_IDS}, number them from 0")
        return {
            "num_nodes": self._num_nodes,
            "num_fault_ids": self._num_fault_ids,
            "boundary": self._boundary,
            "certain_detectors": self._certain[0],
            "certain_observables": self._certain[1],
        }

    def _correlated(self) -> Engine:
        if self._correlated_engine is None:
            if self._model is None:
                raise ValueError(
                    "enable_correlations=True: correlated matching needs a detector error model or circuit, "
                    "loaded with enable_correlations=True and not changed since, such as "
                    "Matching.from_detector_error_model(model, enable_correlations=True)"
                )
            decoder = CorrelatedMWPM.from_dem(self._model)
            self._correlated_engine = Engine.correlated(decoder, num_fault_ids=self._num_fault_ids)
        return self._correlated_engine

    @overload
    def decode(
        self,
        z: ArrayLike,
        *,
        return_weight: Literal[False] = False,
        enable_correlations: bool = False,
        num_neighbours: int | None = None,
    ) -> Bits: ...

    @overload
    def decode(
        self,
        z: ArrayLike,
        *,
        return_weight: Literal[True],
        enable_correlations: bool = False,
        num_neighbours: int | None = None,
    ) -> tuple[Bits, float]: ...

    def decode(
        self,
        z: ArrayLike,
        *,
        return_weight: bool = False,
        enable_correlations: bool = False,
        num_neighbours: int | None = None,
    ) -> Bits | tuple[Bits, float]:
        """Decode one syndrome to the fault ids of the lightest matching.

        Args:
            z: numbers, any but 0 an event, of all detectors or of all nodes, (num_detectors,) to
                (num_nodes,); those of boundary nodes do not matter. Or (checks, repetitions), for
                `repetitions` of a check matrix.
            return_weight: also return the weight of the solution.
            enable_correlations: match twice, the second time with weights that the first one's edges imply;
                the graph must have been loaded so.
            num_neighbours: has no effect; PyMatching had it before 2.0.

        Returns:
            uint8 (num_fault_ids,): 1 for fault ids of an odd number of the solution's edges. With
            return_weight a tuple of it and the sum of those edges' weights.

        Raises:
            ValueError: no matching exists, or z has another shape.
        """
        engine = self._correlated() if enable_correlations else self._engine or self._plain()
        idle = engine.idle
        try:
            context = idle.pop()
        except IndexError:
            context = Context(engine.shared)
        try:
            # As context.read does, without a call.
            row = context.rows.get(z.shape) if type(z) is np.ndarray else None
            if row is None:
                context.read(z)
            else:
                row[:] = z
            if engine.is_lazy or engine.kernel(context.address):
                engine.finish_syndrome(context)
            correction = context.prediction.copy()
            return (correction, context.weight.item()) if return_weight else correction
        finally:
            idle.append(context)

    @overload
    def decode_batch(
        self,
        shots: ArrayLike,
        *,
        return_weights: Literal[False] = False,
        bit_packed_shots: bool = False,
        bit_packed_predictions: bool = False,
        enable_correlations: bool = False,
        threads: int = 1,
        edge_probabilities: Any = None,
    ) -> Bits: ...

    @overload
    def decode_batch(
        self,
        shots: ArrayLike,
        *,
        return_weights: Literal[True],
        bit_packed_shots: bool = False,
        bit_packed_predictions: bool = False,
        enable_correlations: bool = False,
        threads: int = 1,
        edge_probabilities: Any = None,
    ) -> tuple[Bits, Weights]: ...

    def decode_batch(
        self,
        shots: ArrayLike,
        *,
        return_weights: bool = False,
        bit_packed_shots: bool = False,
        bit_packed_predictions: bool = False,
        enable_correlations: bool = False,
        threads: int = 1,
        edge_probabilities: Any = None,
    ) -> Bits | tuple[Bits, Weights]:
        """Decode many syndromes.

        Args:
            shots: numbers, any but 0 an event, (shots, num_detectors) to (shots, num_nodes); with
                bit_packed_shots uint8 (shots, ceil(num_detectors / 8)) to (shots, ceil(num_nodes / 8)), the
                first node in the least significant bit.
            return_weights: also return the weights of the solutions.
            bit_packed_shots: whether shots are bit-packed.
            bit_packed_predictions: whether predictions are to be.
            enable_correlations: see `decode`.
            threads: how many threads decode. PyMatching has no such argument, nor the next one.
            edge_probabilities: float (shots, num_edges), strictly between 0 and 1, in the order of `edges`:
                edges weigh log((1 - p) / p) in that shot, 0 if erased (p = 1/2). Or a scipy.sparse array of
                that shape, whose entries stand for those edges; the others keep their weights.

        Returns:
            uint8 (shots, num_fault_ids), or (shots, ceil(num_fault_ids / 8)) bit-packed; with return_weights
            a tuple of it and float64 (shots,).

        Raises:
            ValueError: no matching exists for a shot (the message says which), or shots have another shape.
        """
        if threads < 1:
            raise ValueError(f"threads={threads}: must be at least 1")
        if edge_probabilities is not None and enable_correlations:
            raise ValueError("edge_probabilities are for plain matching: leave enable_correlations=False")
        engine = self._correlated() if enable_correlations else self._plain()
        rows = engine.shared.check_shots(np.asarray(shots), is_packed=bit_packed_shots)
        if edge_probabilities is not None:
            found = self._reweighted().decode_batch(
                rows,
                edge_probabilities,
                is_packed=bit_packed_shots,
                packs_predictions=bit_packed_predictions,
                threads=threads,
            )
            return found if return_weights else found[0]
        predictions, weights = engine.decode_batch(
            rows,
            is_packed=bit_packed_shots,
            packs_predictions=bit_packed_predictions,
            return_weights=return_weights,
            threads=threads,
        )
        return predictions if weights is None else (predictions, weights)

    def decode_to_edges_array(
        self, syndrome: ArrayLike, *, enable_correlations: bool = False
    ) -> NDArray[np.int64]:
        """Decode one syndrome to the edges of the lightest matching.

        Args:
            syndrome: as z of `decode`.
            enable_correlations: see `decode`.

        Returns:
            int64 (edges, 2): the nodes of each edge, -1 as the second at a boundary, in no particular order.

        Raises:
            ValueError: as `decode`.
        """
        engine = self._correlated() if enable_correlations else self._plain()
        return engine.decode_to_edges(syndrome)

    def decode_to_matched_dets_array(self, syndrome: ArrayLike) -> NDArray[np.int64]:
        """Decode one syndrome to the pairs of detection events that are matched.

        Args:
            syndrome: as z of `decode`.

        Returns:
            int64 (pairs, 2), the smaller node first, -1 as the second for the boundary; sorted.

        Raises:
            ValueError: as `decode`, or an edge has a negative weight.
        """
        engine = self._engine or self._plain()
        if engine.has_negative:
            raise ValueError("the graph has edges of negative weight: only decode_to_edges_array is possible")
        return engine.decode_to_pairs(syndrome)

    def decode_to_matched_dets_dict(self, syndrome: ArrayLike) -> dict[int, int | None]:
        """Decode one syndrome to the mate of each detection event, None for the boundary.

        Args:
            syndrome: as z of `decode`.

        Raises:
            ValueError: as `decode`, or an edge has a negative weight.
        """
        mates: dict[int, int | None] = {}
        for event, mate in self.decode_to_matched_dets_array(syndrome).tolist():
            mates[event] = None if mate < 0 else mate
            if mate >= 0:
                mates[mate] = event
        return mates
