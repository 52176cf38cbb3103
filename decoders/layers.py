"""The repeating structure of a memory experiment: first cycles, one copy of the bulk, last cycles.

A detector error model with a time coordinate is a stack of layers, one per cycle and one for the data
readout. Every edge belongs to the layer of its earlier end. All layers in the bulk have the same edges, so
one copy serves a memory of any length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.correlations import CorrelatedGraph
from decoders.graph import MatchingGraph
from decoders.layer_correlations import LayerImplied, implied_by_layer
from decoders.repeats import shorten


class LayerEdges(NamedTuple):
    """The edges whose earlier end is in one layer, sorted. Columns stand for detectors."""

    #: int64 (edges,): column of the earlier end.
    column: NDArray[np.int64]
    #: int64 (edges,): how many layers later the other end is; 0 for edges to the boundary.
    later: NDArray[np.int64]
    #: int64 (edges,): column of the other end, -1 for the boundary.
    other: NDArray[np.int64]
    #: int64 (edges,), float64 (edges,), uint64 (edges, words): as in MatchingGraph.
    weight: NDArray[np.int64]
    probability: NDArray[np.float64]
    observables: NDArray[np.uint64]

    def chosen(self, mask: NDArray[np.bool_]) -> "LayerEdges":
        """Those edges for which the mask is true."""
        return LayerEdges(
            self.column[mask],
            self.later[mask],
            self.other[mask],
            self.weight[mask],
            self.probability[mask],
            self.observables[mask],
        )

    def same_as(self, other: "LayerEdges") -> bool:
        """Whether two layers have the same edges, with the same weights and observables."""
        fields = ("column", "later", "other", "weight", "observables")
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in fields)


@dataclass(frozen=True, eq=False, kw_only=True)
class LayeredModel:
    """A detector error model as layers of columns."""

    num_observables: int
    #: How many layers the whole model has, the data readout's included.
    num_layers: int
    #: float64 (columns, k): coordinates without time; the order of columns everywhere, which is that of the
    #: detectors of a full layer.
    stabilizers: NDArray[np.float64]
    #: The layers before the bulk, and behind it.
    first: tuple[LayerEdges, ...]
    last: tuple[LayerEdges, ...]
    #: One layer of the bulk; None if the model is too short to have one.
    bulk: LayerEdges | None
    #: int64 (layers seen, columns): detector numbers in a model of as few bulk layers as were seen, -1 where
    #: a layer has no detector.
    seen_detectors: NDArray[np.int64]
    #: Number of detectors in a layer of the bulk; 0 if detectors are not numbered cycle by cycle.
    detectors_per_layer: int
    weight_scale: float
    #: The most layers that an edge reaches ahead.
    longest_reach: int
    #: Least number of errors that flip an observable unseen, 0 if there is none.
    distance: int
    #: bool (columns,): whether an error in the detector's component, in any layer, flips an observable.
    watched: NDArray[np.bool_]
    #: What the edges of each layer seen imply; None if windows are matched once.
    implied: tuple[LayerImplied, ...] | None = None

    @property
    def num_columns(self) -> int:
        """Number of columns."""
        return int(self.stabilizers.shape[0])

    @property
    def num_detectors(self) -> int:
        """Number of detectors of the whole model."""
        skipped = self.num_layers - int(self.seen_detectors.shape[0])
        return int((self.seen_detectors >= 0).sum()) + skipped * self.detectors_per_layer

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel, *, correlated: bool = False) -> "LayeredModel":
        """Find the layers of a DEM. A REPEAT block of any length costs the same.

        With `correlated`, edges are those of a `CorrelatedGraph`, and what they imply is kept.

        Raises:
            ValueError: a detector without time coordinate, two detectors of one place and cycle, errors
                more likely than not, or a component with more than two detectors.
        """
        short, skipped_repeats, repeated = shorten(dem)
        found = CorrelatedGraph.from_dem(short) if correlated else None
        graph = MatchingGraph.from_dem(short) if found is None else found.graph
        likely = (graph.edge_weight < 0).any() or (graph.undetectable_probability > 0.5).any()
        likely |= found is not None and found.any_likely
        if likely or graph.certain_detectors.any() or graph.certain_observables.any():
            raise ValueError(
                "streaming takes errors of probability up to one half; decode with 'mwpm' instead"
            )
        layer, column, stabilizers = _places(graph)
        seen = int(layer.max(initial=0)) + 1
        detectors = np.full((seen, stabilizers.shape[0]), -1, dtype=np.int64)
        detectors[layer, column] = np.arange(layer.size)
        edges, layer_of, place_of = _edges_by_layer(graph, layer, column, seen)
        implied = None
        if found is not None:
            implied = tuple(
                implied_by_layer(found.implied, layer_of=layer_of, place_of=place_of, num_layers=seen)
            )
        start, stop = _longest_run(edges, detectors >= 0)
        if any(not ((start <= layer[part]) & (layer[part] < stop)).all() for part in repeated):
            raise ValueError("the repeated cycles of this model do not have the same errors in each cycle")
        per_layer = 0
        if stop > start:
            per_layer = int((detectors[start] >= 0).sum())
            steps = np.diff(detectors[start:stop], axis=0)[:, detectors[start] >= 0]
            if not (steps == per_layer).all():
                per_layer = 0
                if skipped_repeats:
                    raise ValueError("the detectors of the repeated cycles are not numbered cycle by cycle")
        return cls(
            num_observables=graph.num_observables,
            num_layers=seen + skipped_repeats,
            stabilizers=stabilizers,
            first=tuple(edges[:start]),
            bulk=edges[start] if stop > start else None,
            last=tuple(edges[stop:]),
            seen_detectors=detectors,
            detectors_per_layer=per_layer,
            weight_scale=graph.weight_scale,
            longest_reach=max((int(e.later.max(initial=0)) for e in edges), default=0),
            distance=_distance(short),
            watched=_watched(graph, column, stabilizers.shape[0]),
            implied=implied,
        )

    def detector_numbers(self, num_layers: int) -> NDArray[np.int64]:
        """Detector numbers, int64 (num_layers, columns), of a memory of so many layers; -1 where none is.

        Raises:
            ValueError: no memory of this model has so many layers, or detectors are not numbered cycle by
                cycle and the model's own length is another.
        """
        seen = self.seen_detectors.shape[0]
        self.check_length(num_layers)
        if num_layers == seen:
            return self.seen_detectors.copy()
        if not self.detectors_per_layer:
            raise ValueError(f"{num_layers} layers: detectors not numbered cycle by cycle, only {seen} fit")
        start, stop = len(self.first), seen - len(self.last)
        bulk_layers = num_layers - len(self.first) - len(self.last)
        extra = num_layers - seen
        parts = [self.seen_detectors[:start]]
        if bulk_layers:
            steps = np.arange(bulk_layers)[:, np.newaxis] * self.detectors_per_layer
            row = self.seen_detectors[start]
            parts.append(np.where(row >= 0, row + steps, -1))
        ending = self.seen_detectors[stop:]
        parts.append(np.where(ending >= 0, ending + extra * self.detectors_per_layer, -1))
        return np.concatenate(parts)

    def check_length(self, num_layers: int) -> None:
        """Check that there is a memory of so many layers.

        Raises:
            ValueError: there is none.
        """
        fixed = len(self.first) + len(self.last)
        if self.bulk is None and num_layers != fixed:
            raise ValueError(f"{num_layers} layers: this model has no repeating bulk, only {fixed} fit")
        if num_layers < fixed:
            raise ValueError(f"{num_layers} layers: the first and last cycles alone are {fixed}")

    def layer_edges(self, first: int, count: int, *, to_end: bool) -> list[LayerEdges]:
        """The edges of `count` layers from layer `first` on; the last layers of the memory if `to_end`."""
        ending = list(self.last) if to_end else []
        layers: list[LayerEdges] = []
        for at in range(first, first + count - len(ending)):
            if at < len(self.first):
                layers.append(self.first[at])
            else:
                assert self.bulk is not None
                layers.append(self.bulk)
        return (layers + ending)[-count:] if count else []

    def sample_layers(self, num_layers: int, *, seed: int) -> NDArray[np.uint8]:
        """Draw the detection events of one shot from the edges' probabilities, uint8 (layers, columns).

        Raises:
            ValueError: no memory of this model has so many layers.
        """
        self.check_length(num_layers)
        random = np.random.default_rng(seed)
        rows = np.zeros((num_layers + self.longest_reach, self.num_columns), dtype=np.uint8)
        for at, edges in enumerate(self.layer_edges(0, num_layers, to_end=True)):
            happened = edges.chosen(random.random(edges.column.size) < edges.probability)
            np.bitwise_xor.at(rows[at], happened.column, 1)
            inside = happened.other >= 0
            np.bitwise_xor.at(rows, (at + happened.later[inside], happened.other[inside]), 1)
        return rows[:num_layers]


def _places(
    graph: MatchingGraph,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Layer and column of every detector, and the coordinates of the columns."""
    unknown = np.flatnonzero(graph.detector_cycle < 0)
    if unknown.size:
        raise ValueError(
            f"detector D{unknown[0]} has no time coordinate ({unknown.size} such in all): streaming needs "
            "DETECTOR instructions with coordinates (x, y, t)"
        )
    times, layer = np.unique(graph.detector_cycle, return_inverse=True)
    layer = layer.astype(np.int64)
    gaps = np.flatnonzero(np.diff(times) > 1)
    if gaps.size:
        raise ValueError(
            f"no detector has a time from {times[gaps[0]] + 1} to {times[gaps[0] + 1] - 1}: streaming needs "
            "time coordinates that count cycles"
        )
    coordinates = np.nan_to_num(graph.detector_coordinates, nan=np.inf)
    if coordinates.size:
        is_flat = np.isinf(coordinates[:, 2]) if coordinates.shape[1] > 2 else np.ones(layer.size, dtype=bool)
        coordinates[is_flat, 1] = 0  # (x, t): what is left of the place is x
        if coordinates.shape[1] > 2:
            coordinates[:, 2] = 0
    place, column = np.unique(coordinates, axis=0, return_inverse=True)
    column = column.reshape(-1).astype(np.int64)
    key = layer * max(1, place.shape[0]) + column
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(np.diff(key[order]) == 0)
    if twice.size:
        one, two = order[twice[0]], order[twice[0] + 1]
        raise ValueError(
            f"detectors D{one} and D{two} have the same place and cycle: streaming tells stabilizers "
            "apart by their coordinates"
        )
    # Columns in the order of the detectors of a full layer: then a window that holds a whole shot numbers
    # its detectors in their own order, and equal weights are decided as in whole-history decoding.
    full = np.flatnonzero(layer == np.argmax(np.bincount(layer, minlength=1)))
    first = np.full(place.shape[0], layer.size)
    first[column[full]] = full
    order = np.argsort(first, kind="stable")
    place, column = place[order], np.argsort(order)[column]
    dimensions = graph.detector_coordinates.shape[1]
    place[np.isinf(place)] = np.nan
    return layer, column, np.delete(place, 2 if dimensions > 2 else 1, axis=1) if dimensions > 1 else place


def _edges_by_layer(
    graph: MatchingGraph, layer: NDArray[np.int64], column: NDArray[np.int64], num_layers: int
) -> tuple[list[LayerEdges], NDArray[np.int64], NDArray[np.int64]]:
    """Edges by the layer of their earlier end, in one canonical order; each edge's layer and place in it."""
    u, v = graph.edge_u.astype(np.int64), graph.edge_v.astype(np.int64)
    swap = (v >= 0) & (layer[np.maximum(v, 0)] < layer[u])
    u, v = np.where(swap, v, u), np.where(swap, u, v)
    inner = v >= 0
    at = layer[u] if u.size else np.zeros(0, dtype=np.int64)
    here = column[u]
    later = np.where(inner, layer[np.maximum(v, 0)] - at, 0) if u.size else at
    other = np.where(inner, column[np.maximum(v, 0)], -1) if u.size else at
    flat = inner & (later == 0) & (other < here)
    here, other = np.where(flat, other, here), np.where(flat, here, other)
    words = [graph.edge_observables[:, word] for word in range(graph.edge_observables.shape[1])]
    order = np.lexsort((*words, graph.edge_weight, other, later, here, at))
    bounds = np.searchsorted(at[order], np.arange(num_layers + 1))
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size) - bounds[at[order]]
    layers = [
        LayerEdges(
            column=here[chosen],
            later=later[chosen],
            other=other[chosen],
            weight=graph.edge_weight[chosen].astype(np.int64),
            probability=graph.edge_probability[chosen],
            observables=graph.edge_observables[chosen],
        )
        for chosen in (order[bounds[t] : bounds[t + 1]] for t in range(num_layers))
    ]
    return layers, at, place


def _longest_run(edges: Sequence[LayerEdges], present: NDArray[np.bool_]) -> tuple[int, int]:
    """The longest run of two or more layers with the same edges and detectors; at the end, empty, if none."""
    best = (len(edges), len(edges))
    start = 0
    for stop in range(1, len(edges) + 1):
        same = stop < len(edges) and edges[stop].same_as(edges[start])
        if not same or (present[stop] != present[start]).any():
            if stop - start >= 2 and stop - start > best[1] - best[0]:
                best = (start, stop)
            start = stop
    return best


def _watched(graph: MatchingGraph, column: NDArray[np.int64], columns: int) -> NDArray[np.bool_]:
    """Which columns have a detector whose component flips an observable."""
    flipping = np.unique(graph.component[graph.edge_u[graph.edge_observables.any(axis=1)]])
    return np.bincount(column[np.isin(graph.component, flipping)], minlength=columns) > 0


def _distance(dem: stim.DetectorErrorModel) -> int:
    """The graphlike distance of a DEM, 0 if no error flips an observable unseen."""
    try:
        return len(dem.shortest_graphlike_error())
    except ValueError:
        return 0
