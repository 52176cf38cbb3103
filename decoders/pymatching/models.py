"""Edges of detector error models, merged as PyMatching merges them."""

import warnings
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.model.dem import DemArrays, HyperedgeError, read_dem
from decoders.model.hyperedges import DroppedErrorsWarning, without_hyperedges
from decoders.pymatching.edges import EdgeColumns, merge_weights


class ModelEdges(NamedTuple):
    """A DEM as a graph with one edge between two nodes."""

    columns: EdgeColumns
    num_detectors: int
    num_observables: int
    #: int64, ascending: detectors and observables that errors of probability one flip, taken together.
    certain_detectors: NDArray[np.int64]
    certain_observables: NDArray[np.int64]


def read_model(dem: stim.DetectorErrorModel, *, drop_hyperedges: bool) -> ModelEdges:
    """Read a DEM; components of errors are edges, to the virtual boundary if one detector sees them.

    Of components with the same detectors the observables of the first one are kept, and the weight is that of
    an odd number of them. Components that no detector sees are left out.

    Args:
        dem: the model.
        drop_hyperedges: leave components with more than two detectors out, with a warning.

    Raises:
        ValueError: a component has more than two detectors, and they are not to be left out.
    """
    try:
        arrays = read_dem(dem)
    except HyperedgeError:
        if not drop_hyperedges:
            raise
        clean, counts = without_hyperedges(dem)
        warnings.warn(
            f"{counts}: make the DEM with decompose_errors=True, or pass it through "
            "decoders.resolve_hyperedges",
            DroppedErrorsWarning,
            stacklevel=4,
        )
        arrays = read_dem(clean)
    columns = _merge_components(arrays)
    certain = arrays.certain_observables[np.newaxis]
    return ModelEdges(
        columns,
        arrays.num_detectors,
        arrays.num_observables,
        np.flatnonzero(arrays.certain_detectors),
        _set_bits(certain)[1],
    )


def _merge_components(arrays: DemArrays) -> EdgeColumns:
    seen = np.flatnonzero(arrays.component_ends[:, 0] >= 0)
    ends = arrays.component_ends[seen].astype(np.int64)
    probability = arrays.component_probability[seen]
    key = ends[:, 0] * (arrays.num_detectors + 1) + ends[:, 1]
    _, first, edge = np.unique(key, return_index=True, return_inverse=True)
    # Edges are numbered by their first component.
    order = np.argsort(first)
    number = np.empty(order.size, dtype=np.int64)
    number[order] = np.arange(order.size)
    first, edge = first[order], number[edge]
    with np.errstate(over="ignore"):
        weight = np.log((1 - probability) / probability)
    huge = np.isinf(weight)  # a probability below 1e-308
    weight[huge] = -np.log(probability[huge])
    merged, total = weight[first], probability[first]
    # The components of an edge one after the other, those of all edges at the same time.
    by_edge = np.argsort(edge, kind="stable")
    place = np.arange(edge.size) - np.searchsorted(edge[by_edge], edge[by_edge])
    for turn in range(1, int(place.max(initial=0)) + 1):
        component = by_edge[place == turn]
        into = edge[component]
        merged[into] = merge_weights(merged[into], weight[component])
        p, q = total[into], probability[component]
        total[into] = p * (1 - q) + q * (1 - p)
    flipping, fault_ids = _set_bits(arrays.component_observables[seen[first]])
    start = np.zeros(first.size + 1, dtype=np.int64)
    np.cumsum(np.bincount(flipping, minlength=first.size), out=start[1:])
    return EdgeColumns(ends[first, 0], ends[first, 1], merged, total, start, fault_ids)


def _set_bits(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give row and place of the one bits of rows of words, row by row."""
    rows = np.flatnonzero(words.any(axis=1))
    bits = np.unpackbits(words[rows].astype("<u8").view(np.uint8), axis=1, bitorder="little")
    which, place = np.nonzero(bits)
    return rows[which], place
