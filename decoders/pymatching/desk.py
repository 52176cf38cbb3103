"""Desks: the working memory of one thread, around a record that kernels get the address of."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.kernels import layout
from decoders.matching.workspace import Pools, Workspace
from decoders.pymatching.kernels.desk import DESK, EDGES, MATES, PREDICTIONS

#: Decodes the shots of a desk, given the address of its record; returns a status.
Kernel = Callable[[int], int]


class DeskLayout(Pools):
    """What all desks of a decoder have in common."""

    def __init__(
        self,
        *,
        search_graph: Pools,
        num_detectors: int,
        num_nodes: int,
        num_fault_ids: int,
        num_flips: int,
        weight_scale: float,
        is_detector: NDArray[np.bool_],
        edge_weight: NDArray[np.int32],
        faults: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None,
    ) -> None:
        super().__init__(DESK)
        self.search_graph = search_graph
        self.num_detectors, self.num_nodes = num_detectors, num_nodes
        self.num_fault_ids, self.num_edges = num_fault_ids, edge_weight.size
        packed_toggles = search_graph.arrays["toggles"]
        toggles = np.unpackbits(packed_toggles, count=num_nodes, bitorder="little")
        present = np.flatnonzero(edge_weight < 0)
        start, ids, base = faults or np.zeros((3, 0), dtype=np.int64)
        self.own(
            graph=search_graph.record,
            mask=is_detector.astype(np.uint8),
            toggles=toggles,
            packed_mask=np.packbits(is_detector, bitorder="little"),
            packed_toggles=packed_toggles,
            fault_start=np.ascontiguousarray(start),
            fault_ids=np.ascontiguousarray(ids),
            base_faults=np.ascontiguousarray(base),
            present=present,
        )
        self.record["weight_scale"] = weight_scale
        self.set(
            num_nodes=num_nodes,
            packed_nodes=packed_toggles.size,
            num_flips=num_flips,
            lists_faults=int(faults is not None),
            num_faults=ids.size,
            num_base=base.size,
            num_present=present.size,
            num_edges=edge_weight.size,
        )

    def check_syndrome(self, syndrome: ArrayLike) -> NDArray[Any]:
        """Check one syndrome, and flatten one with a column for each repetition.

        Raises:
            ValueError: it has a shape that is not possible.
        """
        events = np.asarray(syndrome)
        least, most = self.num_detectors, self.num_nodes
        if events.ndim == 2 and events.size == least:
            events = events.T.reshape(-1)
        if events.ndim != 1 or not least <= events.size <= most:
            sizes = (
                f"({least},)" if least == most else f"({least},) for the detectors to ({most},) for all nodes"
            )
            raise ValueError(f"the syndrome has shape {events.shape}: must be {sizes}")
        return events

    def check_shots(self, shots: NDArray[Any], *, is_packed: bool) -> NDArray[np.uint8]:
        """Check the syndromes of several shots; returns them as uint8, C-contiguous.

        Raises:
            ValueError: they have a shape that is not possible, or bits beyond the last node.
        """
        per_column = 8 if is_packed else 1
        least, most = -(-self.num_detectors // per_column), -(-self.num_nodes // per_column)
        if shots.ndim != 2 or not least <= shots.shape[1] <= most:
            sizes = f"(shots, {least})" if least == most else f"(shots, {least}) to (shots, {most})"
            raise ValueError(
                f"{'bit-packed ' if is_packed else ''}shots have shape {shots.shape}: must be {sizes} for "
                f"{self.num_detectors} detectors and {self.num_nodes} nodes"
            )
        if shots.dtype == np.bool_:
            shots = shots.view(np.uint8)
        rows: NDArray[np.uint8] = np.ascontiguousarray(shots, dtype=np.uint8)
        used = self.num_nodes - 8 * (rows.shape[1] - 1)
        if is_packed and used < 8 and (beyond := np.flatnonzero(rows[:, -1] >> used)).size:
            raise ValueError(
                f"shot {beyond[0]} has bits set beyond its {self.num_nodes} nodes: pack with "
                "bitorder='little' and zeros as padding"
            )
        return rows


class Desk(Pools):
    """The working memory of one thread. Its own arrays hold the input and the answer of a single syndrome."""

    def __init__(self, shared: DeskLayout) -> None:
        super().__init__(DESK)
        self.record[:] = shared.record
        self.shared = shared  # owns what the record points to
        self.work = Workspace(shared.search_graph)
        #: The only argument of kernels.
        self.address = int(self.record.ctypes.data)
        #: uint8 (num_nodes,)
        self.syndrome = np.zeros(shared.num_nodes, dtype=np.uint8)
        #: Shape -> where the values of a syndrome of that shape go.
        self.rows = {self.syndrome.shape: self.syndrome}
        if shared.arrays["mask"][shared.num_detectors :].sum() == 0:
            short = self.syndrome[: shared.num_detectors]  # what comes after them does not matter
            self.rows[short.shape] = short
        #: uint8 (num_fault_ids,)
        self.prediction = np.zeros(shared.num_fault_ids, dtype=np.uint8)
        #: float64 (1,)
        self.weight = np.zeros(1)
        #: int64 (num_edges + 2 num_nodes,)
        self.listed = np.zeros(shared.num_edges + 2 * shared.num_nodes, dtype=np.int64)
        self.own(
            work=self.work.record,
            listed=self.listed,
            marks=np.zeros(shared.num_edges, dtype=np.uint8),
        )
        self.take_syndrome()

    def read(self, syndrome: ArrayLike) -> None:
        """Make a syndrome the desk's own; see `DeskLayout.check_syndrome`."""
        events = self.shared.check_syndrome(syndrome)
        self.syndrome[: events.size] = events
        self.syndrome[events.size :] = 0

    def take_syndrome(self) -> None:
        """Make the desk's own arrays the input and the output."""
        self.own(shots=self.syndrome, predictions=self.prediction, weights=self.weight)
        self.set(
            wanted=int(PREDICTIONS),
            num_shots=1,
            shot=0,
            row_bytes=self.syndrome.size,
            prediction_bytes=self.prediction.size,
            is_packed=0,
            packs_predictions=0,
        )

    def take_shots(
        self,
        shots: NDArray[np.uint8],
        predictions: NDArray[np.uint8],
        weights: NDArray[np.float64] | None,
        *,
        is_packed: bool,
        packs_predictions: bool,
    ) -> None:
        """Make arrays of several shots the input and the output; `take_syndrome` ends it."""
        self.own(shots=shots, predictions=predictions)
        self.record["weights"] = 0 if weights is None else weights.ctypes.data
        self.set(
            num_shots=shots.shape[0],
            shot=0,
            row_bytes=shots.shape[1],
            prediction_bytes=predictions.shape[1],
            is_packed=int(is_packed),
            packs_predictions=int(packs_predictions),
        )

    def list(self, kernel: Kernel, *, mates: bool) -> NDArray[np.int64] | None:
        """Decode the desk's own syndrome to edges, or to pairs of a node and its mate.

        Returns:
            int64 (edges,), or int64 (events, 2) with -1 for the boundary; None if no matching exists.
        """
        self.set(wanted=int(MATES if mates else EDGES))
        try:
            status = self.run(kernel)
        finally:
            self.set(wanted=int(PREDICTIONS))
        if status != layout.OK:
            return None
        size = int(self.record["num_listed"][0])
        return self.listed[: 2 * size].reshape(size, 2).copy() if mates else self.listed[:size].copy()

    def run(self, kernel: Kernel) -> int:
        """Decode the desk's shots up to the first that has no matching; returns the status of that one."""
        self.record["shot"] = 0
        status: Any = kernel(self.address)
        while status == layout.FULL:
            self.work.grow()
            status = kernel(self.address)
        return int(status)
