"""Error probabilities given with each shot: checked, and in the form of the kernels."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class ShotProbabilities(NamedTuple):
    """Probabilities of edges, shot by shot."""

    #: int64 (shots + 1,): those of shot s are entries start[s]:start[s + 1]; None if every edge has one.
    start: NDArray[np.int64] | None
    #: int32 (entries,): the edge of each entry; empty if every edge has one, in order.
    edge: NDArray[np.int32]
    #: float64 (entries,), strictly between 0 and 1.
    probability: NDArray[np.float64]

    @classmethod
    def of(cls, edge_probabilities: Any, *, num_shots: int, num_edges: int) -> "ShotProbabilities":
        """Check probabilities of edges.

        Args:
            edge_probabilities: float (shots, edges), or a scipy.sparse array of that shape, whose entries
                replace the probabilities of some edges.
            num_shots: number of shots.
            num_edges: number of edges.

        Raises:
            ValueError: another shape, or a probability that is not strictly between 0 and 1.
        """
        shape = tuple(getattr(edge_probabilities, "shape", np.shape(edge_probabilities)))
        if shape != (num_shots, num_edges):
            raise ValueError(
                f"edge_probabilities have shape {shape}: must be ({num_shots}, {num_edges}), a row for each "
                "shot and a column for each edge; a scipy.sparse array leaves other edges as they are"
            )
        if hasattr(edge_probabilities, "tocsr"):  # scipy.sparse
            rows = edge_probabilities.tocsr()
            if not rows.has_canonical_format:
                rows = rows.copy()
                rows.sum_duplicates()
            if rows.nnz != edge_probabilities.nnz:
                raise ValueError("edge_probabilities have two entries for the same shot and edge: leave one")
            probability = np.ascontiguousarray(rows.data, dtype=np.float64)
            start, edge = rows.indptr.astype(np.int64), rows.indices.astype(np.int32)
            found = cls(start, edge, probability)
        else:
            probability = np.ascontiguousarray(edge_probabilities, dtype=np.float64).reshape(-1)
            found = cls(None, np.zeros(0, dtype=np.int32), probability)
        wrong = ~((probability > 0) & (probability < 1))
        if wrong.any():
            at = int(np.argmax(wrong))
            shot, number = found.place_of(at, num_edges)
            raise ValueError(
                f"edge_probabilities: shot {shot}, edge {number} has {probability[at]}: must lie strictly "
                "between 0 and 1; 0.5 is an erased edge"
            )
        return found

    def place_of(self, entry: int, num_edges: int) -> tuple[int, int]:
        """Shot and edge of an entry."""
        if self.start is None:
            return divmod(entry, num_edges)
        return int(np.searchsorted(self.start, entry, side="right")) - 1, int(self.edge[entry])

    def renumbered(self, order: NDArray[np.int64]) -> "ShotProbabilities":
        """Those of edges in another order: edge e of the result is edge order[e] here."""
        if self.start is None:
            rows = self.probability.reshape(-1, order.size)[:, order]
            return self._replace(probability=np.ascontiguousarray(rows).reshape(-1))
        place = np.empty(order.size, dtype=np.int32)
        place[order] = np.arange(order.size, dtype=np.int32)
        return self._replace(edge=place[self.edge])

    def rows(self, first: int, last: int, num_edges: int) -> "ShotProbabilities":
        """Those of the shots first..last-1."""
        if self.start is None:
            return self._replace(probability=self.probability[first * num_edges : last * num_edges])
        begin, end = self.start[first], self.start[last]
        start = self.start[first : last + 1] - begin
        return ShotProbabilities(start, self.edge[begin:end], self.probability[begin:end])
