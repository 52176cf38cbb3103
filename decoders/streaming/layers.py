"""Layered model of a memory experiment: first cycles, one period of the bulk, last cycles.

A detector error model with a time coordinate is a sequence of layers, one per cycle and one for the data
readout. Every edge belongs to the layer of its earlier end. The layers of the bulk repeat, usually with a
period of one cycle; one period describes a memory of any length.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.correlated.edge_correlations import CorrelatedGraph
from decoders.model.matching_graph import MatchingGraph
from decoders.model.repeat_blocks import Block, shorten
from decoders.streaming.detector_grid import TimeAxis
from decoders.streaming.layer_correlations import LayerErrors, LayerImplied, errors_by_layer, implied_by_layer
from decoders.streaming.layer_edges import Layered, LayerEdges, find_layers

# Most repetitions of all REPEAT blocks but the longest, which are expanded as first or last cycles; every
# window contains them.
_MOST_REPEATS_WRITTEN_OUT = 100


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LayeredModel:
    """A detector error model as layers of columns."""

    num_observables: int
    #: Number of layers of the whole model, including that of the data readout.
    num_layers: int
    #: float64 (columns, k): coordinates without time, in the order of columns, which is that of the detectors
    #: of a full layer. Rows are equal if detectors of one cycle share a position.
    stabilizers: NDArray[np.float64]
    #: Derivation of layers from coordinates.
    time_axis: TimeAxis
    #: Layers before and after the bulk. The number of layers before it is a multiple of the period.
    first: tuple[LayerEdges, ...]
    last: tuple[LayerEdges, ...]
    #: The layers of one period of the bulk; empty if the model has no repeating part.
    bulk: tuple[LayerEdges, ...]
    #: int64 (layers, columns): detector indices of the shortened model, -1 where a layer has no detector.
    seen_detectors: NDArray[np.int64]
    #: Number of detectors in a period of the bulk; 0 if detectors are not numbered period by period.
    detectors_per_period: int
    weight_scale: float
    #: Largest number of layers by which an edge extends to later ones.
    longest_reach: int
    #: Smallest number of errors that flip an observable undetected, 0 if there is none.
    distance: int
    #: bool (layers, columns): whether an edge of the detector's component flips an observable, by layer of
    #: the shortened model; equal for all layers of the bulk at one position of the period.
    relevant: NDArray[np.bool_]
    #: Implied edges of each layer of the shortened model; None if windows are matched once.
    implied: tuple[LayerImplied, ...] | None = None
    #: Whole errors of each of these layers, with `implied`.
    errors: tuple[LayerErrors, ...] | None = None

    #: bool (edges of the layer,) for each of these layers, with `implied`: see `CorrelatedGraph.observed`.
    observed: tuple[NDArray[np.bool_], ...] | None = None

    def __repr__(self) -> str:
        size = f"{self.num_layers} layers of {self.num_columns} columns"
        return f"<LayeredModel: {size}, distance {self.distance}>"

    @property
    def num_columns(self) -> int:
        """Number of columns."""
        return int(self.stabilizers.shape[0])

    @property
    def period(self) -> int:
        """Number of layers after which the bulk repeats; 1 without a bulk."""
        return max(1, len(self.bulk))

    @property
    def recurrence(self) -> int:
        """Largest number of bulk layers, at least 1, from one detector of a column to the next."""
        start = len(self.first)
        counts = (self.seen_detectors[start : start + len(self.bulk)] >= 0).sum(axis=0)
        return -(-self.period // int(counts[counts > 0].min(initial=self.period)))

    @cached_property
    def final_only_columns(self) -> NDArray[np.bool_]:
        """Columns with detectors in the last cycles but not in the bulk, bool (columns,)."""
        columns: NDArray[np.bool_] = np.logical_or.reduce(self._final_only, axis=0)
        return columns

    @cached_property
    def num_final_only(self) -> int:
        """Number of layers before the data readout in which such detectors occur."""
        rows = np.flatnonzero(self._final_only.any(axis=1))
        return len(self._final_only) - int(rows[0]) if rows.size else 0

    @cached_property
    def _final_only(self) -> NDArray[np.bool_]:
        """Mark the detectors of the last cycles, without the data readout, that the bulk does not have."""
        stop = len(self.seen_detectors) - len(self.last)
        rows = np.arange(stop, len(self.seen_detectors) - 1)
        if not self.bulk:
            return np.zeros((0, self.num_columns), dtype=np.bool_)
        like = len(self.first) + (rows - stop) % self.period
        return (self.seen_detectors[rows] >= 0) & (self.seen_detectors[like] < 0)

    @property
    def num_detectors(self) -> int:
        """Number of detectors of the whole model."""
        skipped = self.num_layers - int(self.seen_detectors.shape[0])
        return int((self.seen_detectors >= 0).sum()) + skipped // self.period * self.detectors_per_period

    @classmethod
    def from_dem(
        cls, dem: stim.DetectorErrorModel, *, correlated: bool = False, observe: bool = True
    ) -> "LayeredModel":
        """Find the layers of a DEM. The cost does not depend on the lengths of REPEAT blocks.

        The time coordinate is the one along which the model repeats; `decoders.streaming.detector_grid`
        describes how coordinates become layers and columns.

        Args:
            dem: a graphlike model (or one with suggested decompositions).
            correlated: whether to keep implied edges; edges are then those of a `CorrelatedGraph`.
            observe: as in `CorrelatedGraph.from_dem`. Ignored if an observed edge implies one of a later
                layer: a window may begin between them and would assume the observed edge absent.

        Raises:
            ValueError: a detector without time coordinate, errors more likely than not, a component with
                more than two detectors, or REPEAT blocks whose cycles do not repeat with a period.
        """
        seen: dict[int, int] = {}
        short = shorten(dem)
        graph, found = _graph_of(short.dem, correlated=correlated, observe=observe)
        layered, refusal = find_layers(graph, short)
        if layered is None and len(short.blocks) > 1:
            # Try the longest block alone as the bulk.
            longest = max(short.blocks, key=lambda block: block.detectors_left_out)
            others = {block.number: block.repeats for block in short.blocks if block is not longest}
            if sum(others.values()) <= _MOST_REPEATS_WRITTEN_OUT:
                seen |= others
                short = shorten(dem, seen=seen)
                graph, found = _graph_of(short.dem, correlated=correlated, observe=observe)
                layered, refusal = find_layers(graph, short)
        if layered is not None and any(b.detectors_left_out % layered.per_period for b in short.blocks):
            # Omitted repetitions must be whole periods: keep some more.
            seen |= {block.number: _seen_for_whole_periods(block, layered) for block in short.blocks}
            short = shorten(dem, seen=seen)
            graph, found = _graph_of(short.dem, correlated=correlated, observe=observe)
            layered, refusal = find_layers(graph, short)
        if layered is None or any(b.detectors_left_out % layered.per_period for b in short.blocks):
            raise ValueError(refusal)
        edges, run = layered.edges, layered.run
        seen_layers = len(edges)
        start, stop, period = run or (seen_layers, seen_layers, 1)
        skipped = (
            sum(block.detectors_left_out for block in short.blocks) // max(1, layered.per_period) * period
        )
        implied, errors, observed = None, None, None
        if found is not None:
            if observe and _observed_late(found, layered.layer_of_edge):
                return cls.from_dem(dem, correlated=True, observe=False)
            by_layer = {
                "layer_of": layered.layer_of_edge,
                "place_of": layered.number_in_layer,
            }
            implied = tuple(implied_by_layer(found.implied, **by_layer, num_layers=seen_layers))
            errors = tuple(errors_by_layer(found.errors, **by_layer, num_layers=seen_layers))
            in_order = np.lexsort((layered.number_in_layer, layered.layer_of_edge))
            sizes = np.cumsum([layer.column.size for layer in edges])
            observed = tuple(np.split(found.observed[in_order], sizes[:-1]))
        return cls(
            num_observables=graph.num_observables,
            num_layers=seen_layers + skipped,
            stabilizers=layered.grid.stabilizers,
            time_axis=layered.grid.time_axis,
            first=tuple(edges[:start]),
            bulk=tuple(edges[start : start + period]) if run else (),
            last=tuple(edges[stop:]),
            seen_detectors=layered.detectors,
            detectors_per_period=layered.per_period,
            weight_scale=graph.weight_scale,
            longest_reach=max((int(e.later.max(initial=0)) for e in edges), default=0),
            distance=_distance(short.dem),
            relevant=_mark_relevant(graph, layered.detectors, slice(start, stop), period),
            implied=implied,
            errors=errors,
            observed=observed,
        )

    def detector_numbers(self, num_layers: int) -> NDArray[np.int64]:
        """Return the detector indices of a memory with `num_layers` layers.

        Returns:
            int64 (num_layers, columns), -1 where a layer has no detector.

        Raises:
            ValueError: no memory of this model has this length, or detectors are not numbered cycle by
                cycle and the model's own length differs.
        """
        seen = self.seen_detectors.shape[0]
        self.check_length(num_layers)
        if num_layers == seen:
            return self.seen_detectors.copy()
        if not self.detectors_per_period:
            raise ValueError(
                f"{num_layers} layers: detectors not numbered cycle by cycle, only {seen} layers are possible"
            )
        start, stop = len(self.first), seen - len(self.last)
        periods = (num_layers - start - len(self.last)) // self.period
        extra = (num_layers - seen) // self.period
        steps = np.arange(periods)[:, np.newaxis, np.newaxis] * self.detectors_per_period
        rows = self.seen_detectors[start : start + self.period]
        ending = self.seen_detectors[stop:]
        return np.concatenate(
            [
                self.seen_detectors[:start],
                np.where(rows >= 0, rows + steps, -1).reshape(-1, self.num_columns),
                np.where(ending >= 0, ending + extra * self.detectors_per_period, -1),
            ]
        )

    def check_length(self, num_layers: int) -> None:
        """Check that this model has a memory with `num_layers` layers.

        Raises:
            ValueError: it has none.
        """
        fixed = len(self.first) + len(self.last)
        if not self.bulk and num_layers != fixed:
            raise ValueError(f"{num_layers} layers: this model has no repeating bulk, only {fixed} fit")
        if num_layers < fixed:
            raise ValueError(
                f"{num_layers} layers: must be at least {fixed}, because the first {len(self.first)} and the "
                f"last {len(self.last)} differ from the repeated ones; use more cycles"
            )
        if (num_layers - fixed) % self.period:
            below = num_layers - (num_layers - fixed) % self.period
            raise ValueError(
                f"{num_layers} layers: the cycles repeat with a period of {self.period}, so that "
                f"{below} or {below + self.period} layers fit"
            )

    def longest_length(self, num_layers: int) -> int:
        """Return the length of the longest memory of at most `num_layers` layers, or of the shortest one."""
        fixed = len(self.first) + len(self.last)
        return fixed + max(0, num_layers - fixed) // self.period * self.period if self.bulk else fixed

    def bulk_layer(self, layer: int) -> LayerEdges:
        """Return the layer of the bulk at an offset from its first one; negative offsets are allowed."""
        return self.bulk[layer % len(self.bulk)]

    def layer_edges(self, first: int, count: int, *, to_end: bool) -> list[LayerEdges]:
        """Return the edges of `count` layers from layer `first` on.

        With `to_end`, the last of them are the last layers of the memory.
        """
        ending = list(self.last) if to_end else []
        layers: list[LayerEdges] = []
        for at in range(first, first + count - len(ending)):
            layers.append(self.first[at] if at < len(self.first) else self.bulk_layer(at - len(self.first)))
        return (layers + ending)[-count:] if count else []

    def seen_layers(self, first: int, count: int, *, to_end: bool) -> NDArray[np.int64]:
        """Return the layers of the shortened model that have the edges of `layer_edges`, int64 (count,)."""
        start = len(self.first)
        like = np.arange(first, first + count)
        like = np.where(like < start, like, start + (like - start) % self.period)
        if to_end and self.last:
            ending = np.arange(len(self.seen_detectors) - len(self.last), len(self.seen_detectors))
            like = np.concatenate([like[: max(0, count - ending.size)], ending])[-count:]
        return like

    def sample_layers(self, num_layers: int, *, seed: int) -> NDArray[np.uint8]:
        """Sample the detection events of one shot from the probabilities of the edges.

        Returns:
            uint8 (num_layers, columns).

        Raises:
            ValueError: no memory of this model has this length.
        """
        self.check_length(num_layers)
        random = np.random.default_rng(seed)
        rows = np.zeros((num_layers + self.longest_reach, self.num_columns), dtype=np.uint8)
        for at, edges in enumerate(self.layer_edges(0, num_layers, to_end=True)):
            happened = edges.select(random.random(edges.column.size) < edges.probability)
            np.bitwise_xor.at(rows[at], happened.column, 1)
            inside = happened.other >= 0
            np.bitwise_xor.at(rows, (at + happened.later[inside], happened.other[inside]), 1)
        return rows[:num_layers]


def _observed_late(found: CorrelatedGraph, layer_of_edge: NDArray[np.int64]) -> bool:
    """Return whether an observed edge implies an edge of a later layer."""
    given = np.repeat(np.arange(found.observed.size), np.diff(found.implied.start))
    later = layer_of_edge[found.implied.edge] > layer_of_edge[given]
    return bool((later & found.observed[given]).any())


def _graph_of(
    dem: stim.DetectorErrorModel, *, correlated: bool, observe: bool
) -> tuple[MatchingGraph, CorrelatedGraph | None]:
    """Build the matching graph of a streaming model, and its correlated graph if `correlated`.

    Raises:
        ValueError: errors more likely than not.
    """
    found = CorrelatedGraph.from_dem(dem, observe=observe) if correlated else None
    graph = MatchingGraph.from_dem(dem) if found is None else found.graph
    likely = (graph.edge_weight < 0).any() or (graph.undetectable_probability > 0.5).any()
    likely |= found is not None and found.any_likely
    if likely or graph.certain_detectors.any() or graph.certain_observables.any():
        raise ValueError(
            "the model has errors of probability above one half, which streaming does not support: decode "
            "whole shots with 'mwpm'"
        )
    return graph, found


def _seen_for_whole_periods(block: Block, layered: Layered) -> int:
    """Return the repetitions of a block to keep so that the omitted ones are whole periods."""
    each = layered.per_period // math.gcd(layered.per_period, block.detectors)
    return block.repeats - (block.repeats - block.seen) // each * each


def _mark_relevant(
    graph: MatchingGraph, detectors: NDArray[np.int64], bulk: slice, period: int
) -> NDArray[np.bool_]:
    """Mark the detectors of each layer that are in a component with an edge that flips an observable.

    `detectors` is int64 (layers, columns); so is the shape of the result, bool.
    """
    flipping = np.unique(graph.component[graph.edge_u[graph.edge_observables.any(axis=1)]])
    known = np.append(np.isin(graph.component, flipping), False)
    relevant = known[detectors]
    for phase in range(period):
        rows = relevant[bulk][phase::period]
        rows[:] = rows.any(axis=0)
    return relevant


def _distance(dem: stim.DetectorErrorModel) -> int:
    """Return the graphlike distance of a DEM, 0 if no error flips an observable undetected."""
    try:
        return len(dem.shortest_graphlike_error())
    except ValueError:
        return 0
