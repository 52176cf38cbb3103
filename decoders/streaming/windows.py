"""Graphs of a few layers, cut out of a memory of any length.

At an open time boundary, edges to layers outside the window become boundary edges, because an event may be
matched to one outside. The future of a window is open until the data readout. The past is closed if all
earlier layers are committed, and open if not (windows decoded in parallel).
"""

import operator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.whole_errors import WholeErrors
from decoders.kernels.layout import BEYOND
from decoders.matching.kernels import neighbour_lists
from decoders.matching.workspace import Implied, SearchGraph
from decoders.model.matching_graph import MatchingGraph
from decoders.streaming.layer_correlations import PlacedLayer, window_errors, window_implied, window_observed
from decoders.streaming.layer_edges import LayerEdges
from decoders.streaming.layers import LayeredModel


@dataclass(frozen=True, kw_only=True)
class WindowPlan:
    """Division of a stream into windows of `commit + buffer` layers, of which `commit` become final.

    Edges whose earlier end lies in the committed layers are final; the others are decoded again in the next
    window, together with the events that the committed edges toggle there.
    """

    commit: int
    buffer: int

    @property
    def window(self) -> int:
        """Layers in a window."""
        return self.commit + self.buffer

    @classmethod
    def for_model(cls, model: LayeredModel, *, commit: int | None, buffer: int | None) -> "WindowPlan":
        """Choose the plan for a model; regions that are not given are chosen from its distance.

        If columns have no detector in most cycles, an error chain that has one error per recurrence extends
        over more cycles; default regions are longer accordingly.

        Args:
            model: the layered model.
            commit, buffer: layers, or None to choose.

        Raises:
            ValueError: a commit or buffer region that is not an integer or too short for the model, or a
                commit region that is not a multiple of the model's period.
        """
        period = model.period
        distance = (model.distance or 5) * model.recurrence
        commit_least = max(1, len(model.first))
        buffer_least = max(model.longest_reach, len(model.last))
        commit = (
            _multiple(max(4 * distance, commit_least), period) if commit is None else _whole("commit", commit)
        )
        if buffer is None:
            # The last layers of a buffer may be last cycles, whose edges differ from the bulk's.
            buffer = _multiple(max(distance + model.num_final_only, buffer_least), period)
        else:
            buffer = _whole("buffer", buffer)
        if not model.bulk and commit >= 1 and buffer >= 0 and commit + buffer >= model.num_layers:
            return cls(commit=commit, buffer=buffer)  # the whole memory is one window
        if commit < commit_least:
            raise ValueError(
                f"commit={commit}: must be at least {commit_least}, the first cycles that differ"
            )
        if buffer < buffer_least:
            raise ValueError(f"buffer={buffer}: must be at least {buffer_least}, the last cycles that differ")
        if commit % period:
            raise ValueError(
                f"commit={commit}: must be a multiple of {period}, the period of this model's cycles; "
                f"use {_multiple(commit, period)}"
            )
        return cls(commit=commit, buffer=buffer)


def _whole(name: str, cycles: int) -> int:
    """Return an integer number of cycles."""
    try:
        return operator.index(cycles)
    except TypeError:
        raise ValueError(f"{name}={cycles!r}: expected a whole number of cycles") from None


def _multiple(cycles: int, period: int) -> int:
    """Return the smallest multiple of the period that is at least `cycles`."""
    return -(-cycles // period) * period


def cut_graph(
    model: LayeredModel,
    *,
    first: int,
    count: int,
    to_end: bool,
    open_past: bool = False,
    open_future: bool = True,
    commit: tuple[int, int] | None = None,
) -> SearchGraph:
    """Build the search graph of `count` layers, see `cut_layers`.

    Args:
        commit: first layer to be committed, and first layer after those; default: all layers.
        model, first, count, to_end, open_past, open_future: as in `cut_layers`.
    """
    graph, beyond = cut_layers(
        model, first=first, count=count, to_end=to_end, open_past=open_past, open_future=open_future
    )
    implied, errors, observed = None, None, None
    if model.implied is not None:
        implied, errors, observed = _cut_correlations(
            model,
            first=first,
            count=count,
            to_end=to_end,
            open_past=open_past,
            open_future=open_future,
            edge_weight=graph.edge_weight,
        )
    relevant = model.relevant[model.seen_layers(first, count, to_end=to_end)].reshape(-1)
    search_graph = SearchGraph(graph, beyond=beyond, implied=implied, relevant=relevant)
    if errors is not None and observed is not None:
        errors.add_to(search_graph)
        search_graph.use_observed_edges(observed)
    if commit is not None:
        neighbour_lists.mark_window_crossings(
            search_graph.record, *(model.num_columns * layer for layer in commit)
        )
    return search_graph


def cut_layers(
    model: LayeredModel,
    *,
    first: int,
    count: int,
    to_end: bool,
    open_past: bool = False,
    open_future: bool = True,
) -> tuple[MatchingGraph, NDArray[np.bool_]]:
    """Build the matching graph of `count` layers, and mark its boundary edges that lead to other layers.

    Detector `t * columns + s` is column s of the t-th of these layers.

    Args:
        model: the layered model.
        first: index of the first layer; after the model's first layers only its position in the period
            matters.
        count: number of layers, at least 1.
        to_end: whether the last of them is the last layer of the memory.
        open_past: whether edges from earlier layers become boundary edges; otherwise they are dropped.
        open_future: the same for edges to later layers.

    Returns:
        The graph, and bool (num_edges,): boundary edges that lead to other layers.
    """
    columns = model.num_columns
    u, v, weight, probability, observables, beyond, order = _cut_edges(
        model, first=first, count=count, to_end=to_end, open_past=open_past, open_future=open_future
    )
    cut = MatchingGraph.from_edges(
        num_detectors=count * columns,
        num_observables=model.num_observables,
        edge_u=u[order].astype(np.int32),
        edge_v=np.where(beyond, -1, v)[order].astype(np.int32),
        edge_weight=weight[order].astype(np.int32),
        edge_probability=probability[order],
        edge_observables=observables[order],
        weight_scale=model.weight_scale,
    )
    return cut, beyond[order]


def _cut_edges(
    model: LayeredModel, *, first: int, count: int, to_end: bool, open_past: bool, open_future: bool
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.float64],
    NDArray[np.uint64],
    NDArray[np.bool_],
    NDArray[np.int64],
]:
    """Collect the edges of a cut layer by layer, mark those that lead out of it, and sort them."""
    columns = model.num_columns
    parts = [
        _place(edges, at, count, columns, open_future)
        for at, edges in enumerate(model.layer_edges(first, count, to_end=to_end))
    ]
    if open_past:
        start = first - len(model.first)
        parts += [
            _reach_in(model.bulk_layer(start + at), at, columns) for at in range(-model.longest_reach, 0)
        ]
    if open_future and not to_end and model.num_final_only:
        parts.append(_final_only(model, first, count))
    u, v, weight, probability, observables = (np.concatenate(values) for values in zip(*parts, strict=True))
    swap = (v >= 0) & (v < u)
    u, v = np.where(swap, v, u), np.where(swap, u, v)
    beyond = v == BEYOND
    order = np.lexsort((weight, np.where(beyond, -1, v), u))
    return u, v, weight, probability, observables, beyond, order


def _cut_correlations(
    model: LayeredModel,
    *,
    first: int,
    count: int,
    to_end: bool,
    open_past: bool,
    open_future: bool,
    edge_weight: NDArray[np.int32],
) -> tuple[Implied, WholeErrors, NDArray[np.bool_]]:
    """Collect the implied edges, whole errors and observed edges of a cut.

    A layer of the cut corresponds to one of the shortened memory: near the ends of the memory the same layer,
    otherwise one in the middle of the bulk at the same position of the period.
    """
    assert model.implied is not None
    assert model.errors is not None
    assert model.observed is not None
    *_, order = _cut_edges(
        model, first=first, count=count, to_end=to_end, open_past=open_past, open_future=open_future
    )
    numbers = np.empty(order.size, dtype=np.int64)
    numbers[order] = np.arange(order.size)
    num_first, num_last, num_seen = len(model.first), len(model.last), len(model.implied)
    stop = num_seen - num_last  # of the bulk
    period = model.period
    middle = num_first + (stop - num_first) // period // 2 * period
    bulk_kinds = [num_first + layer % period for layer in range(stop - num_first)]
    kinds = [*range(num_first), *bulk_kinds, *range(stop, num_seen)]
    layers: dict[int, PlacedLayer] = {}
    used = 0

    def place(at: int, seen: int, edges: LayerEdges, inside: NDArray[np.bool_]) -> None:
        nonlocal used
        own = np.full(edges.column.size, -1, dtype=np.int64)
        own[inside] = numbers[used : used + int(inside.sum())]
        used += int(inside.sum())
        layers[at] = PlacedLayer(seen, kinds[seen], own)

    for at, edges in enumerate(model.layer_edges(first, count, to_end=to_end)):
        inner = middle + (first + at - num_first) % period
        from_start = first + at if first < num_first or not model.bulk else inner
        from_end = num_seen - (count - at) if to_end else inner
        if from_end >= stop or from_start < num_first:
            seen = from_end if from_end >= stop else from_start
        elif from_start < inner:
            seen = from_start
        else:
            seen = max(inner, from_end)
        inside = at + edges.later < count if not open_future else np.ones(edges.later.size, dtype=np.bool_)
        place(at, seen, edges, inside)
    if open_past:
        for at in range(-model.longest_reach, 0):
            phase = (first + at - num_first) % period
            edges = model.bulk[phase]
            place(at, middle + phase, edges, (edges.other >= 0) & (at + edges.later >= 0))
    return (
        window_implied(layers, seen=model.implied, seen_kinds=kinds, num_edges=order.size),
        window_errors(layers, seen=model.errors, seen_kinds=kinds, edge_weight=edge_weight),
        window_observed(layers, seen=model.observed, num_edges=order.size),
    )


_Edges = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.uint64]
]


def _place(edges: LayerEdges, at: int, count: int, columns: int, open_future: bool) -> _Edges:
    """Return the edges of layer `at` with detector indices; edges past the last layer end at BEYOND."""
    if not open_future:
        edges = edges.select(at + edges.later < count)
    there = at + edges.later
    v = np.where(edges.other < 0, -1, np.where(there < count, there * columns + edges.other, BEYOND))
    return at * columns + edges.column, v, edges.weight, edges.probability, edges.observables


def _final_only(model: LayeredModel, first: int, count: int) -> _Edges:
    """Return edges to BEYOND, of weight 0, for detectors that only last cycles have.

    A window does not know whether its last layers are last cycles. With these edges, events of such detectors
    have no effect; they are decoded with the ending.
    """
    layers = np.arange(count - model.num_final_only, count)
    like = model.seen_layers(first, count, to_end=False)[layers]
    absent = (model.seen_detectors[like] < 0) & model.final_only_columns
    row, column = np.nonzero(absent)
    size = row.size
    return (
        layers[row] * model.num_columns + column,
        np.full(size, int(BEYOND), dtype=np.int64),
        np.zeros(size, dtype=np.int64),
        np.full(size, 0.5),
        np.zeros((size, model.bulk_layer(0).observables.shape[1]), dtype=np.uint64),
    )


def _reach_in(edges: LayerEdges, at: int, columns: int) -> _Edges:
    """Return the edges from a layer before the first that end in the window, as edges to BEYOND."""
    inside = (edges.other >= 0) & (at + edges.later >= 0)
    u = (at + edges.later[inside]) * columns + edges.other[inside]
    v = np.full(u.size, int(BEYOND), dtype=np.int64)
    return u, v, edges.weight[inside], edges.probability[inside], edges.observables[inside]
