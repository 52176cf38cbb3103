"""Merging of error components into edges of a matching graph, batch by batch."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.model.dem import Components
from decoders.model.kernels import edges as edge_kernels

# Initial capacity: this many edges plus four per detector.
_FEW = 1 << 10


class MergedEdges(NamedTuple):
    """Edges sorted by (first, second), then by the first component of each."""

    #: int32 (edges,): the smaller detector, -1 if no detector sees the edge.
    first: NDArray[np.int32]
    #: int32 (edges,): the larger detector, -1 if there is none.
    second: NDArray[np.int32]
    #: float64 (edges,): probability that an odd number of its components occur, and its complement.
    probability: NDArray[np.float64]
    complement: NDArray[np.float64]
    #: uint64 (edges, words).
    observables: NDArray[np.uint64]


class EdgeMerger:
    """Merge components with equal detectors and observables into edges.

    Memory is proportional to the number of edges, not of components.
    """

    def __init__(self, *, num_detectors: int, num_observables: int) -> None:
        self._num_detectors = num_detectors
        self._words = (num_observables + 63) // 64
        self._num_edges = 0
        size = _FEW + 4 * num_detectors
        self._arrays = self._room_for(size)  # untouched pages take no memory
        self._make_table(size)
        self._place_of = np.empty(0, dtype=np.int32)  # sorted index of each edge, minus num_undetectable

    def add(self, components: Components, *, edge_of: NDArray[np.int32] | None = None) -> None:
        """Merge a batch.

        Args:
            components: the batch.
            edge_of: int32 (components,), receives the index of the edge that each component was merged into;
                `renumber` converts it to an index of the result.
        """
        edge_of = np.empty(0, dtype=np.int32) if edge_of is None else edge_of
        start, size = 0, components.probability.size
        while True:
            arrays: tuple[NDArray[Any], ...] = self._arrays
            start, self._num_edges = edge_kernels.add_components(  # type: ignore[call-arg]
                components.ends,
                components.probability,
                components.observables,
                start,
                self._num_edges,
                self._table,
                self._num_detectors,
                *arrays,
                edge_of,
            )
            if start == size:
                return
            self._grow(self._num_edges + self._num_edges // 2 + 1)

    def finish(self) -> tuple[MergedEdges, MergedEdges]:
        """Sort the merged edges and empty the merger.

        Returns:
            Edges with at least one detector, and edges without any.
        """
        self._table = np.empty(0, dtype=np.int32)
        size = self._num_edges
        first, second = self._arrays[0][:size], self._arrays[1][:size]
        order, self._place_of = np.empty((2, size), dtype=np.int32)
        starts = np.empty(self._num_detectors + 2, dtype=np.int64)
        edge_kernels.sort_edges(first, second, self._place_of, order, starts)
        num_undetectable = int(np.count_nonzero(first < 0))  # their ends are (-1, -1), so they come first
        del first, second, starts
        self._place_of[order] = np.arange(-num_undetectable, size - num_undetectable, dtype=np.int32)
        seen: list[NDArray[Any]] = []
        unseen: list[NDArray[Any]] = []
        arrays: list[NDArray[Any]] = list(self._arrays)
        self._arrays = self._room_for(0)
        while arrays:  # one by one, so that each is freed once it has been sorted
            array = arrays.pop(0)[:size]
            seen.append(array[order[num_undetectable:]])
            unseen.append(array[order[:num_undetectable]])
        return MergedEdges(*seen), MergedEdges(*unseen)

    def renumber(self, edge_of: NDArray[np.int32]) -> None:
        """Convert indices written by `add` to indices of sorted edges, in place; negative if undetectable."""
        np.take(self._place_of, edge_of, out=edge_of, mode="clip")  # unbuffered; all are in range

    def _room_for(self, size: int) -> MergedEdges:
        """Allocate uninitialised arrays for `size` edges."""
        return MergedEdges(
            np.empty(size, dtype=np.int32),
            np.empty(size, dtype=np.int32),
            np.empty(size),
            np.empty(size),
            np.empty((size, self._words), dtype=np.uint64),
        )

    def _grow(self, size: int) -> None:
        """Enlarge the arrays and the hash table to `size` edges."""
        for array in self._arrays:
            # Nothing else refers to them. Large arrays are grown in place, without a copy.
            array.resize((size, *array.shape[1:]), refcheck=False)
        self._make_table(size)

    def _make_table(self, size: int) -> None:
        """Enter all edges in a hash table with capacity for `size` edges."""
        places = 1 << (size + size // 3).bit_length()  # at most three quarters are ever filled
        self._table = np.full(places, -1, dtype=np.int32)
        first, second, _, _, observables = self._arrays
        edge_kernels.fill_table(self._table, self._num_detectors, first, second, observables, self._num_edges)
