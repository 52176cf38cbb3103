"""Layered model of a circuit: the layers of a shortened model, and those that it leaves out.

A detector error model with a time coordinate is a sequence of layers, one per cycle and one for the data
readout. Every edge belongs to the layer of its earlier end. Layers of REPEAT blocks repeat, usually with a
period of one cycle, and are stored once. If one part of a memory repeats, one period describes a memory of
any length: first cycles, bulk, last cycles.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.model.hyperedges import Hyperedges, resolve_hyperedges
from decoders.model.matching_graph import MatchingGraph
from decoders.model.repeat_blocks import Run
from decoders.streaming.detector_grid import TimeAxis
from decoders.streaming.layer_correlations import LayerErrors, LayerImplied, errors_by_layer, implied_by_layer
from decoders.streaming.layer_edges import LayerEdges
from decoders.streaming.layer_search import observed_late, sort_into_layers
from decoders.streaming.stretches import Stretch, last_occurrence, seen_layers, skipped_detectors

#: Decoders of windows by name, and whether they match twice.
WINDOW_DECODERS = {"mwpm": False, "mwpm-correlated": True}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class LayeredModel:
    """A detector error model as layers of columns."""

    num_observables: int
    #: Number of layers of the whole model, including that of the data readout.
    num_layers: int
    #: float64 (columns, k): coordinates without time, in the order of columns, which is that of the detectors
    #: of a full layer. Rows are equal if detectors of one cycle share a position; k = 0 with given layers.
    stabilizers: NDArray[np.float64]
    #: Derivation of layers from coordinates.
    time_axis: TimeAxis
    #: Edges of each layer of the shortened model.
    edges: tuple[LayerEdges, ...]
    #: int64 (layers,): layers of the shortened model with equal numbers have equal edges.
    kinds: NDArray[np.int64]
    #: int64 (layers,): the same for everything that windows take from a layer.
    contents: NDArray[np.int64]
    #: The repeating part of a memory that may have any length; None if the model has only its own length.
    run: Run | None
    #: Layers that the shortened model leaves out.
    stretches: tuple[Stretch, ...]
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
    #: bool (observables,): whether an error without detection events flips the observable.
    flipped_unseen: NDArray[np.bool_]
    #: Implied edges of each layer of the shortened model; None if windows are matched once.
    implied: tuple[LayerImplied, ...] | None = None
    #: Whole errors of each of these layers, with `implied`.
    errors: tuple[LayerErrors, ...] | None = None

    #: bool (edges of the layer,) for each of these layers, with `implied`: see `CorrelatedGraph.observed`.
    observed: tuple[NDArray[np.bool_], ...] | None = None

    def __repr__(self) -> str:
        size = f"{self.num_layers} layers of {self.num_columns} columns"
        return f"<LayeredModel: {size}, distance {self.distance}>"

    @cached_property
    def first(self) -> tuple[LayerEdges, ...]:
        """Layers before the bulk, a multiple of the period; without a bulk all of the shortened model."""
        return self.edges[: self.run.start] if self.run else self.edges

    @cached_property
    def bulk(self) -> tuple[LayerEdges, ...]:
        """Layers of one period of the bulk; empty if the model has only its own length."""
        return self.edges[self.run.start : self.run.start + self.run.period] if self.run else ()

    @cached_property
    def last(self) -> tuple[LayerEdges, ...]:
        """Layers after the bulk."""
        return self.edges[self.run.stop :] if self.run else ()

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
        left_out = sum(stretch.detectors for stretch in self.stretches)
        return int((self.seen_detectors >= 0).sum()) + left_out

    @classmethod
    def from_dem(
        cls,
        dem: stim.DetectorErrorModel,
        *,
        correlated: bool = False,
        observe: bool = True,
        layers: ArrayLike | None = None,
    ) -> "LayeredModel":
        """Find the layers of a DEM. The cost does not depend on the lengths of REPEAT blocks.

        The time coordinate is the one along which the model repeats; `decoders.streaming.detector_grid`
        describes how coordinates become layers and columns.

        Args:
            dem: a graphlike model (or one with suggested decompositions).
            correlated: whether to keep implied edges; edges are then those of a `CorrelatedGraph`.
            observe: as in `CorrelatedGraph.from_dem`. Ignored if an observed edge implies one of a later
                layer: a window may begin between them and would assume the observed edge absent.
            layers: int (detectors,), the layer of each detector, instead of time coordinates. Layers may be
                empty; REPEAT blocks are written out.

        Raises:
            ValueError: a detector without time coordinate, errors more likely than not, a component with
                more than two detectors, REPEAT blocks of more than 100,000 detectors whose cycles do not
                repeat with a period, or `layers` that do not fit.
        """
        short, graph, found, layered = sort_into_layers(
            dem, correlated=correlated, observe=observe, layers=layers
        )
        if found is not None and observe and observed_late(found, layered.layer_of_edge):
            return cls.from_dem(dem, correlated=True, observe=False, layers=layers)
        edges = layered.edges
        stretches = layered.stretches(short.blocks)
        assert stretches is not None
        implied, errors, observed = None, None, None
        if found is not None:
            by_layer = {
                "layer_of": layered.layer_of_edge,
                "place_of": layered.number_in_layer,
            }
            implied = tuple(implied_by_layer(found.implied, **by_layer, num_layers=len(edges)))
            errors = tuple(errors_by_layer(found.errors, **by_layer, num_layers=len(edges)))
            in_order = np.lexsort((layered.number_in_layer, layered.layer_of_edge))
            sizes = np.cumsum([layer.column.size for layer in edges])
            observed = tuple(np.split(found.observed[in_order], sizes[:-1]))
        runs = {run for run, _, _ in layered.of_blocks} | ({layered.run} if layered.run else set())
        relevant = _mark_relevant(graph, layered.detectors, runs)
        return cls(
            num_observables=graph.num_observables,
            num_layers=len(edges) + sum(stretch.layers for stretch in stretches),
            stabilizers=layered.grid.stabilizers,
            time_axis=layered.grid.time_axis,
            edges=tuple(edges),
            kinds=layered.kinds,
            contents=_number_contents(layered.kinds, relevant, implied, errors, observed),
            run=layered.run,
            stretches=stretches,
            seen_detectors=layered.detectors,
            detectors_per_period=layered.per_period,
            weight_scale=graph.weight_scale,
            longest_reach=max((int(e.later.max(initial=0)) for e in edges), default=0),
            distance=_distance(short.dem),
            relevant=relevant,
            flipped_unseen=_flipped_by(graph.undetectable_observables, graph.num_observables),
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
        if num_layers == self.num_layers:
            layers = np.arange(num_layers)
            rows = self.seen_detectors[seen_layers(layers, self.stretches)]
            return np.where(rows < 0, -1, rows + skipped_detectors(layers, self.stretches)[:, np.newaxis])
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
        if not self.bulk and num_layers != self.num_layers:
            raise ValueError(
                f"{num_layers} layers: this model has no repeating bulk, only {self.num_layers} fit"
            )
        if num_layers == self.num_layers:
            return
        fixed = len(self.first) + len(self.last)
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
        if not self.bulk:
            return self.num_layers
        fixed = len(self.first) + len(self.last)
        return fixed + max(0, num_layers - fixed) // self.period * self.period

    def bulk_layer(self, layer: int) -> LayerEdges:
        """Return the layer of the bulk at an offset from its first one; negative offsets are allowed."""
        return self.bulk[layer % len(self.bulk)]

    def layer_edges(self, first: int, count: int, *, to_end: bool) -> list[LayerEdges]:
        """Return the edges of the layers of `layers_like`."""
        return [self.edges[seen] for seen in self.layers_like(first, count, to_end=to_end)]

    def layers_like(self, first: int, count: int, *, to_end: bool) -> NDArray[np.int64]:
        """Return layers of the shortened model that equal `count` layers of a memory of any length.

        Near the ends of the memory these are the same layers, in between those in the middle of the bulk at
        the same position of the period. Without a bulk, layers are those of the whole model.

        Args:
            first: the first of them.
            count: their number.
            to_end: whether the last of them is the last layer of the memory; otherwise the bulk continues.

        Returns:
            int64 (count,).
        """
        layers = np.arange(first, first + count)
        if self.run is None:
            return seen_layers(layers, self.stretches)
        start, stop, _ = self.run
        inner = self._in_the_bulk(layers)
        from_start = layers if first < start else inner
        from_end = len(self.edges) + layers - (first + count) if to_end else inner
        middle = np.where(from_start < inner, from_start, np.maximum(inner, from_end))
        return np.where(from_end >= stop, from_end, middle)

    def layers_before(self, first: int) -> NDArray[np.int64]:
        """Return the layers before a layer of the bulk that may have edges to it, as in `layers_like`."""
        return self._in_the_bulk(np.arange(first - self.longest_reach, first))

    def _in_the_bulk(self, layers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return layers in the middle of the bulk at the same positions of the period."""
        assert self.run is not None
        start, _, period = self.run
        return start + self.run.num_periods // 2 * period + (layers - start) % period

    def own_layers(self, first: int, count: int) -> NDArray[np.int64]:
        """Return the layers of the shortened model that equal layers of the whole model, int64 (count,)."""
        return seen_layers(np.arange(first, first + count), self.stretches)

    @cached_property
    def has_edges(self) -> NDArray[np.bool_]:
        """Whether a detector has an edge, bool (layers, columns) of the shortened model."""
        found = np.zeros(self.seen_detectors.shape, dtype=np.bool_)
        for at, edges in enumerate(self.edges):
            inner = (edges.other >= 0) & (at + edges.later < len(self.edges))
            found[at, edges.column] = True
            found[at + edges.later[inner], edges.other[inner]] = True
        return found

    @cached_property
    def last_flips(self) -> NDArray[np.int64]:
        """Last layer with an edge that flips an observable, int64 (observables,); -1 if no edge does.

        Layers are those of the whole model.
        """
        flips = np.array([np.bitwise_or.reduce(edges.observables, axis=0) for edges in self.edges])
        last = np.full(self.num_observables, -1, dtype=np.int64)
        positions = last_occurrence(np.arange(len(self.edges)), self.stretches)
        for observable in range(self.num_observables):
            of_layer = flips[:, observable // 64] >> np.uint64(observable % 64) & np.uint64(1)
            last[observable] = positions[of_layer != 0].max(initial=-1)
        return last

    def sample_rows(self, cycles: int, *, repeats: bool, seed: int) -> NDArray[np.uint8]:
        """Sample a shot of `cycles` or the next possible length; without `repeats`, of the model's."""
        num_layers = self.num_layers
        if repeats:
            shortest = len(self.first) + len(self.last)
            num_layers = self.longest_length(max(cycles + self.period, shortest))
        return self.sample_layers(num_layers, seed=seed)

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
        if num_layers == self.num_layers:
            layers = [self.edges[seen] for seen in self.own_layers(0, num_layers)]
        else:
            layers = self.layer_edges(0, num_layers, to_end=True)
        for at, edges in enumerate(layers):
            happened = edges.select(random.random(edges.column.size) < edges.probability)
            np.bitwise_xor.at(rows[at], happened.column, 1)
            inside = happened.other >= 0
            np.bitwise_xor.at(rows, (at + happened.later[inside], happened.other[inside]), 1)
        return rows[:num_layers]


def model_for(name: str, dem: stim.DetectorErrorModel, *, layers: ArrayLike | None = None) -> LayeredModel:
    """Build the layered model of a DEM for a decoder of windows.

    Args:
        name: "mwpm" or "mwpm-correlated".
        dem, layers: see `LayeredModel.from_dem`.

    Raises:
        ValueError: an unknown decoder, or a model without layers.
    """
    if name not in WINDOW_DECODERS:
        known = ", ".join(WINDOW_DECODERS)
        raise ValueError(f"no decoder for windows is named '{name}': choose from {known}")
    return LayeredModel.from_dem(dem, correlated=WINDOW_DECODERS[name], layers=layers)


def graphlike_dem(circuit: stim.Circuit, hyperedges: Hyperedges) -> stim.DetectorErrorModel:
    """Make the DEM of a circuit, whose errors stim decomposes into edges.

    Args:
        circuit: with noise.
        hyperedges: treatment of errors that stim cannot decompose, see `resolve_hyperedges`.

    Raises:
        ValueError: an error without decomposition, or an unknown treatment.
    """
    dem = circuit.detector_error_model(
        decompose_errors=True,
        approximate_disjoint_errors=True,
        ignore_decomposition_failures=hyperedges != "refuse",
    )
    return resolve_hyperedges(dem, hyperedges)[0]


def _number_contents(
    kinds: NDArray[np.int64],
    relevant: NDArray[np.bool_],
    implied: tuple[LayerImplied, ...] | None,
    errors: tuple[LayerErrors, ...] | None,
    observed: tuple[NDArray[np.bool_], ...] | None,
) -> NDArray[np.int64]:
    """Number layers: equal numbers for equal edges, correlations and relevant detectors."""
    known: dict[tuple[int | bytes, ...], int] = {}
    contents = np.empty(kinds.size, dtype=np.int64)
    for at, kind in enumerate(kinds.tolist()):
        fields: list[NDArray[Any]] = [relevant[at]]
        if implied is not None and errors is not None and observed is not None:
            rows = implied[at]
            order = np.lexsort((rows.weight, rows.other, rows.later, rows.edge))
            fields += [field[order] for field in rows] + [*errors[at], observed[at]]
        key = (kind, *(part for field in fields for part in (field.size, field.tobytes())))
        contents[at] = known.setdefault(key, len(known))
    return contents


def _mark_relevant(
    graph: MatchingGraph, detectors: NDArray[np.int64], runs: Iterable[Run]
) -> NDArray[np.bool_]:
    """Mark the detectors of each layer that are in a component with an edge that flips an observable.

    `detectors` is int64 (layers, columns); so is the shape of the result, bool. Layers of a run at one
    position of its period are marked alike.
    """
    flipping = np.unique(graph.component[graph.edge_u[graph.edge_observables.any(axis=1)]])
    known = np.append(np.isin(graph.component, flipping), False)
    relevant = known[detectors]
    for run in runs:
        for phase in range(run.period):
            rows = relevant[run.start : run.stop][phase :: run.period]
            rows[:] = rows.any(axis=0)
    return relevant


def _flipped_by(words: NDArray[np.uint64], num_observables: int) -> NDArray[np.bool_]:
    """Return which observables some errors flip, bool (observables,); words are uint64 (errors, words)."""
    every = np.bitwise_or.reduce(words, axis=0)
    numbers = np.arange(num_observables)
    found: NDArray[np.bool_] = every[numbers // 64] >> (numbers % 64).astype(np.uint64) & np.uint64(1) != 0
    return found


def _distance(dem: stim.DetectorErrorModel) -> int:
    """Return the graphlike distance of a DEM, 0 if no error flips an observable undetected."""
    try:
        return len(dem.shortest_graphlike_error())
    except ValueError:
        return 0
