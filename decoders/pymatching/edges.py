"""Edges of a matching graph, in the order in which they were added, with PyMatching's merge strategies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: The second end of an edge to the virtual boundary.
BOUNDARY = -1
#: Probability of an edge whose probability is not known.
UNKNOWN = -1.0
#: Edges heavier than this are refused, as PyMatching refuses them.
MAX_WEIGHT = float((1 << 24) - 1)

_NONE: frozenset[int] = frozenset()


class EdgeColumns(NamedTuple):
    """Edges as arrays."""

    #: int64 (edges,): the ends as they were given; `BOUNDARY` for the virtual boundary, as the second only.
    node1: NDArray[np.int64]
    node2: NDArray[np.int64]
    #: float64 (edges,)
    weight: NDArray[np.float64]
    #: float64 (edges,), `UNKNOWN` where none is known.
    probability: NDArray[np.float64]
    #: int64 (edges + 1,): the fault ids of edge e are fault_ids[fault_start[e]:fault_start[e + 1]].
    fault_start: NDArray[np.int64]
    #: int64 (entries,)
    fault_ids: NDArray[np.int64]

    @classmethod
    def of_rows(cls, rows: list[Edge]) -> EdgeColumns:
        """Collect edges into arrays."""
        start = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row.fault_ids) for row in rows], out=start[1:])
        return cls(
            np.array([row.node1 for row in rows], dtype=np.int64),
            np.array([row.node2 for row in rows], dtype=np.int64),
            np.array([row.weight for row in rows], dtype=np.float64),
            np.array([row.probability for row in rows], dtype=np.float64),
            start,
            np.array([fault for row in rows for fault in sorted(row.fault_ids)], dtype=np.int64),
        )

    def rows(self) -> Iterator[Edge]:
        """Give the edges one by one."""
        start, faults = self.fault_start.tolist(), self.fault_ids.tolist()
        columns = (self.node1, self.node2, self.weight, self.probability)
        for number, values in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
            first, last = start[number], start[number + 1]
            node1, node2, weight, probability = values
            fault_ids = frozenset(faults[first:last]) if first < last else _NONE
            yield Edge(node1, node2, weight, probability, fault_ids)


@dataclass(slots=True)
class Edge:
    """One edge; fields as in `EdgeColumns`."""

    node1: int
    node2: int
    weight: float
    probability: float
    fault_ids: frozenset[int]

    def attributes(self) -> dict[str, Any]:
        """Give PyMatching's attributes of an edge."""
        return {
            "fault_ids": set(self.fault_ids),
            "weight": self.weight,
            "error_probability": self.probability,
        }


def _disallow(old: Edge, new: Edge) -> None:
    end = "boundary" if old.node2 == BOUNDARY else old.node2
    raise ValueError(
        f"edge ({old.node1}, {end}) is in the graph already: give a merge_strategy other than 'disallow', "
        f"one of {', '.join(MERGE_STRATEGIES)}"
    )


def _merge_independent(old: Edge, new: Edge) -> None:
    old.weight = float(merge_weights(np.float64(old.weight), np.float64(new.weight)))
    p, q = old.probability, new.probability
    old.probability = p * (1 - q) + q * (1 - p) if min(p, q) >= 0 else UNKNOWN


def _keep_lighter(old: Edge, new: Edge) -> None:
    if new.weight < old.weight:
        _replace(old, new)


def _keep(old: Edge, new: Edge) -> None:
    pass


def _replace(old: Edge, new: Edge) -> None:
    old.weight, old.probability, old.fault_ids = new.weight, new.probability, new.fault_ids


#: What happens to an edge when another one with the same ends is added.
MERGE_STRATEGIES: dict[str, Callable[[Edge, Edge], None]] = {
    "disallow": _disallow,
    "independent": _merge_independent,
    "smallest-weight": _keep_lighter,
    "keep-original": _keep,
    "replace": _replace,
}


def find_strategy(name: str) -> Callable[[Edge, Edge], None]:
    """Find a merge strategy by its name.

    Raises:
        ValueError: there is none of this name.
    """
    try:
        return MERGE_STRATEGIES[name]
    except KeyError:
        raise ValueError(f"merge_strategy={name!r}: must be one of {', '.join(MERGE_STRATEGIES)}") from None


def merge_weights(a: Any, b: Any) -> Any:
    """Weight of an odd number of two independent errors, that of p (1 - q) + q (1 - p).

    Args:
        a, b: float64, weights log((1 - p) / p), any shape.
    """
    # In this order of operations sums are rounded as PyMatching rounds them.
    least = np.sign(a) * np.sign(b) * np.minimum(np.abs(a), np.abs(b))
    return least + np.log(1 + np.exp(-np.abs(a + b))) - np.log(1 + np.exp(-np.abs(a - b)))


class EdgeTable:
    """Edges with at most one between two nodes. Columns and rows are made from each other when needed."""

    def __init__(self, columns: EdgeColumns | None = None) -> None:
        self._columns = columns
        self._rows: list[Edge] | None = [] if columns is None else None
        self._place: dict[tuple[int, int], int] | None = None

    def __len__(self) -> int:
        return len(self._rows) if self._rows is not None else self.columns.node1.size

    def __iter__(self) -> Iterator[Edge]:
        return iter(self.rows)

    @property
    def columns(self) -> EdgeColumns:
        """The edges as arrays; not to be changed."""
        if self._columns is None:
            self._columns = EdgeColumns.of_rows(self.rows)
        return self._columns

    @property
    def rows(self) -> list[Edge]:
        """The edges one by one; not to be changed."""
        if self._rows is None:
            self._rows = list(self.columns.rows())
        return self._rows

    def find(self, node1: int, node2: int) -> Edge | None:
        """Find the edge between two nodes, in either order."""
        at = self._places().get((node1, node2) if node1 < node2 else (node2, node1))
        return None if at is None else self.rows[at]

    def add(self, edge: Edge, *, merge_strategy: str) -> Edge:
        """Add an edge, or merge it with the one that is there; returns the one that is there now.

        Raises:
            ValueError: an edge is there and the strategy is "disallow", or no strategy has this name.
        """
        merge = find_strategy(merge_strategy)
        places, rows = self._places(), self.rows
        node1, node2 = edge.node1, edge.node2
        at = places.setdefault((node1, node2) if node1 < node2 else (node2, node1), len(rows))
        if at < len(rows):
            merge(rows[at], edge)
        else:
            rows.append(edge)
        self._columns = None
        return rows[at]

    def _places(self) -> dict[tuple[int, int], int]:
        """Number of each edge, by its ends in ascending order."""
        if self._place is None:
            ends = ((row.node1, row.node2) for row in self.rows)
            self._place = {(min(pair), max(pair)): at for at, pair in enumerate(ends)}
        return self._place
