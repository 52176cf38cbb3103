"""Decoding contexts: input, output and working memory of one thread, in a record for kernels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.kernels import layout
from decoders.matching.workspace import Pools
from decoders.pymatching.kernels.context import CONTEXT, EDGES, PAIRS, PREDICTIONS

#: Decodes the shots of a context, given the address of its record; returns a status.
Kernel = Callable[[int], int]


class SharedContext(Pools):
    """Fields that all contexts of a decoder share: the graph, its masks and its fault ids."""

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
        super().__init__(CONTEXT)
        self.search_graph = search_graph
        self.num_detectors, self.num_nodes = num_detectors, num_nodes
        self.num_fault_ids, self.num_edges = num_fault_ids, edge_weight.size
        packed_inverted = search_graph.arrays["inverted"]
        inverted = np.unpackbits(packed_inverted, count=num_nodes, bitorder="little")
        present = np.flatnonzero(edge_weight < 0)
        start, ids, base = faults or np.zeros((3, 0), dtype=np.int64)
        self.own(
            graph=search_graph.record,
            mask=is_detector.astype(np.uint8),
            inverted=inverted,
            packed_mask=np.packbits(is_detector, bitorder="little"),
            packed_inverted=packed_inverted,
            fault_start=np.ascontiguousarray(start),
            fault_ids=np.ascontiguousarray(ids),
            base_faults=np.ascontiguousarray(base),
            present=present,
        )
        self.record["weight_scale"] = weight_scale
        self.set(
            num_nodes=num_nodes,
            packed_nodes=packed_inverted.size,
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


class Context(Pools):
    """Decoding context of one thread. Its own arrays hold the input and the answer of a single syndrome.

    `record` has four entries, one for each form of answer, so that nothing is set before a call: fault ids,
    edges and pairs of events of its own syndrome, and fault ids of other arrays.
    """

    def __init__(self, shared: SharedContext) -> None:
        super().__init__(CONTEXT)
        self.record = np.repeat(shared.record, 4)
        self.shared = shared  # owns what the record points to
        self.work = SecondWorkspace(shared.search_graph)
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
            shots=self.syndrome,
            predictions=self.prediction,
            weights=self.weight,
        )
        self.set(num_shots=1, row_bytes=self.syndrome.size, prediction_bytes=self.prediction.size)
        self.record["wanted"] = [PREDICTIONS, EDGES, PAIRS, PREDICTIONS]
        addresses = range(
            self.record.ctypes.data, self.record.ctypes.data + self.record.nbytes, CONTEXT.itemsize
        )
        #: The only argument of kernels that decode its own syndrome.
        self.address: int
        self.address, self._edges, self._pairs, self._batch = addresses
        names = list(CONTEXT.names or ())
        words = self.record.view(np.int64).reshape(4, len(names))
        self._input = words[3, names.index("shots") : names.index("shot") + 1]
        self._num_listed = words[:, names.index("num_listed")]

    def read(self, syndrome: ArrayLike) -> None:
        """Copy a syndrome into the context; see `SharedContext.check_syndrome`."""
        row = self.rows.get(syndrome.shape) if type(syndrome) is np.ndarray else None
        if row is not None:
            row[:] = syndrome
            return
        events = self.shared.check_syndrome(syndrome)
        self.syndrome[: events.size] = events
        self.syndrome[events.size :] = 0

    def decode(self, kernel: Kernel) -> bool:
        """Decode its own syndrome to `prediction` and `weight`; returns whether a matching exists."""
        return self._run(kernel, self.address)

    def list_edges(self, kernel: Kernel) -> NDArray[np.int64] | None:
        """Decode its own syndrome to edges; int64 (edges,), overwritten later; None if no matching exists."""
        return self.listed[: self._num_listed[1]] if self._run(kernel, self._edges) else None

    def list_pairs(self, kernel: Kernel) -> NDArray[np.int64] | None:
        """Decode its own syndrome to pairs of events.

        Returns:
            int64 (pairs, 2), sorted, -1 as the second for the boundary; None if no matching exists.
        """
        if not self._run(kernel, self._pairs):
            return None
        return self.listed[: 2 * self._num_listed[2]].reshape(-1, 2).copy()

    def decode_rows(
        self,
        kernel: Kernel,
        shots: NDArray[np.uint8],
        predictions: NDArray[np.uint8],
        weights: NDArray[np.float64] | None,
        first: int,
        last: int,
        *,
        is_packed: bool,
        packs_predictions: bool,
    ) -> int:
        """Decode the shots first..last-1 of C-contiguous arrays.

        Returns:
            The number of the first shot that has no matching, or `last`.
        """
        self._input[:] = (
            _address_of(shots),
            shots.shape[1],
            last,
            is_packed,
            packs_predictions,
            _address_of(predictions),
            predictions.shape[1],
            0 if weights is None else _address_of(weights),
            first,
        )
        return last if self._run(kernel, self._batch) else int(self._input[-1])

    def _run(self, kernel: Kernel, address: int) -> bool:
        status = kernel(address)
        while status == layout.FULL:  # it continues at the shot at which it stopped
            self.work.grow()
            status = kernel(address)
        return bool(status == layout.OK)


def _address_of(array: NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])
