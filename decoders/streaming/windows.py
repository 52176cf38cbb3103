"""Graphs of a few layers, cut out of a circuit or a memory of any length.

At an open time boundary, edges to layers outside the window become boundary edges, because an event may be
matched to one outside. The future of a window is open until the data readout. The past is closed if all
earlier layers are committed, and open if not (windows decoded in parallel).
"""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.whole_errors import WholeErrors
from decoders.kernels.layout import BEYOND
from decoders.matching.kernels import neighbour_lists
from decoders.matching.workspace import Implied, SearchGraph
from decoders.model.matching_graph import MatchingGraph
from decoders.streaming.chain_weights import layers_outweighing
from decoders.streaming.distances import longest_extent
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
    #: Whether windows are those of the model's own layers, so that shots have its length. Otherwise the bulk
    #: of the model serves shots of any length; first cycles are committed at once, last cycles in a buffer.
    fixed: bool = False

    @property
    def window(self) -> int:
        """Layers in a window."""
        return self.commit + self.buffer

    @classmethod
    def for_model(cls, model: LayeredModel, *, commit: int | None, buffer: int | None) -> "WindowPlan":
        """Choose the plan for a model; regions that are not given are chosen from its distance in time.

        Windows serve shots of any length if a part of the model repeats, if the regions contain all first
        and last cycles, and if default regions are not much longer for this. Otherwise they are fixed.

        Args:
            model: the layered model.
            commit, buffer: layers, or None to choose: four times and once the largest number of layers that
                a logical error of fewest errors extends over, or more where chains of likely errors along
                time weigh too little (see `layers_outweighing`).

        Raises:
            ValueError: a commit or buffer region that is not an integer or shorter than the errors of the
                model, or for shots of any length a commit region that is not a multiple of the period.
        """
        commit = None if commit is None else _whole("commit", commit)
        buffer = None if buffer is None else _whole("buffer", buffer)
        if commit is not None and commit < 1:
            raise ValueError(f"commit={commit}: must be at least 1")
        if buffer is not None and buffer < model.longest_reach:
            raise ValueError(
                f"buffer={buffer}: must be at least {model.longest_reach}, the extent of one error in cycles"
            )
        if model.bulk:
            plan = cls._of_any_length(model, commit=commit, buffer=buffer)
            if plan is not None:
                return plan
        if commit is None or buffer is None:
            extent = max(longest_extent(model), model.longest_reach)
            extent = max(extent, layers_outweighing(model, usual=extent))
            commit = max(1, 4 * extent) if commit is None else commit
            buffer = extent if buffer is None else buffer
        return cls(commit=commit, buffer=buffer, fixed=True)

    @classmethod
    def _of_any_length(
        cls, model: LayeredModel, *, commit: int | None, buffer: int | None
    ) -> "WindowPlan | None":
        """Choose the plan for shots of any length; None if its windows would be too long.

        If columns have no detector in most cycles, an error chain that has one error per recurrence extends
        over more cycles; default regions are longer accordingly, and as in `for_model`.
        """
        period = model.period
        distance = (model.distance or 5) * model.recurrence
        if commit is None or buffer is None:
            distance = max(distance, layers_outweighing(model, usual=distance))
        commit_least = max(1, len(model.first))
        buffer_least = max(model.longest_reach, len(model.last))
        # The last layers of a buffer may be last cycles, whose edges differ from the bulk's.
        usual = distance + model.num_final_only
        if commit is None and commit_least > 8 * distance:
            return None
        if buffer is None and max(usual, buffer_least) > 3 * distance:
            return None
        commit = _multiple(max(4 * distance, commit_least), period) if commit is None else commit
        buffer = _multiple(max(usual, buffer_least), period) if buffer is None else buffer
        if commit < commit_least or buffer < buffer_least:
            return None
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


class Cut(NamedTuple):
    """Layers of a window, as layers of the shortened model that equal them."""

    #: int64 (layers,) each: those of the window, and earlier ones with edges that reach in (empty: such edges
    #: are dropped).
    layers: NDArray[np.int64]
    before: NDArray[np.int64]
    #: Whether edges to later layers become boundary edges; otherwise they are dropped.
    open_future: bool
    #: Whether the last layers may be the last cycles of a memory, see `_final_only`.
    may_end: bool

    @classmethod
    def of(
        cls,
        model: LayeredModel,
        *,
        first: int,
        count: int,
        to_end: bool,
        open_past: bool = False,
        open_future: bool = True,
        fixed: bool = False,
    ) -> "Cut":
        """Choose the layers of a window; arguments as in `cut_layers`."""
        before = np.zeros(0, dtype=np.int64)
        if fixed:
            layers = model.own_layers(first, count)
            if open_past:
                earliest = max(0, first - model.longest_reach)
                before = model.own_layers(earliest, first - earliest)
        else:
            layers = model.layers_like(first, count, to_end=to_end)
            if open_past:
                before = model.layers_before(first)
        return cls(layers, before, open_future, open_future and not to_end and not fixed)

    def key(self, model: LayeredModel) -> tuple[Any, ...]:
        """Return a key that cuts with equal graphs share."""
        layers, before = (model.contents[seen].tobytes() for seen in (self.layers, self.before))
        return layers, before, self.open_future, self.may_end


def cut_graph(
    model: LayeredModel,
    *,
    first: int,
    count: int,
    to_end: bool,
    open_past: bool = False,
    open_future: bool = True,
    fixed: bool = False,
    commit: tuple[int, int] | None = None,
) -> SearchGraph:
    """Build the search graph of `count` layers, see `cut_layers`.

    Args:
        commit: first layer to be committed, and first layer after those; default: all layers.
        model, first, count, to_end, open_past, open_future, fixed: as in `cut_layers`.
    """
    where: dict[str, Any] = {
        "first": first,
        "count": count,
        "to_end": to_end,
        "open_past": open_past,
        "open_future": open_future,
        "fixed": fixed,
    }
    return _search_graph(model, Cut.of(model, **where), cut_layers(model, **where), commit)


def graph_of_layers(
    layers: Sequence[tuple[LayeredModel, int]], *, open_future: bool, commit: tuple[int, int] | None
) -> SearchGraph:
    """Build the search graph of any sequence of layers, whose past is closed.

    Args:
        layers: models with the same columns, observables and weights, and the number of the layer in each.
        open_future, commit: as in `cut_graph`.
    """
    joined = replace(
        layers[0][0],
        edges=tuple(model.edges[at] for model, at in layers),
        relevant=np.array([model.relevant[at] for model, at in layers]),
    )
    before = np.zeros(0, dtype=np.int64)
    cut = Cut(np.arange(len(layers)), before, open_future, may_end=False)
    return _search_graph(joined, cut, _graph_of(joined, cut), commit)


def _search_graph(
    model: LayeredModel,
    cut: Cut,
    made: tuple[MatchingGraph, NDArray[np.bool_]],
    commit: tuple[int, int] | None,
) -> SearchGraph:
    """Build the search graph of a cut, from its graph and the edges that lead to other layers."""
    graph, beyond = made
    implied, errors, observed = None, None, None
    if model.implied is not None:
        implied, errors, observed = _cut_correlations(model, cut, edge_weight=graph.edge_weight)
    relevant = model.relevant[cut.layers].reshape(-1)
    search_graph = SearchGraph(graph, beyond=beyond, implied=implied, relevant=relevant)
    if errors is not None and observed is not None:
        errors.add_to(search_graph)
        search_graph.use_observed_edges(observed)
        if commit is not None:
            # The next window decodes the buffer again. Close to the open end the first matching is uncertain,
            # and so are the weights that it implies: those of the first half of the buffer are enough. It is
            # rounded up: rounded down, there are up to 0.4 % more logical errors at d = 3.
            late = cut.layers.size - commit[1]
            search_graph.set(end_of_implying=model.num_columns * (commit[1] + (late + 1) // 2))
    if commit is not None:
        low, high = (model.num_columns * layer for layer in commit)
        neighbour_lists.mark_window_crossings(search_graph.record, low, high)
        first, stop = _partner_detectors(search_graph, low, high)
        search_graph.set(partner_first=first, partner_stop=stop)
    return search_graph


def _partner_detectors(graph: SearchGraph, low: int, high: int) -> tuple[int, int]:
    """Return the range of detectors with edges to be committed that imply other edges, and with those edges.

    Args:
        graph: of a window.
        low, high: first detector to be committed, and first detector after those.

    Returns:
        The first detector, and the one after the last; 0 and 0 if there are no such edges.
    """
    if not graph.record["num_implied"]:
        return 0, 0
    ends = graph.arrays["ends"].reshape(-1, 2)
    inside = np.any((low <= ends) & (ends < high), axis=1)
    given = np.repeat(np.arange(len(ends)), np.diff(graph.arrays["implied_start"]))
    other = graph.arrays["implied"]["edge"]
    across = inside[given] & ~inside[other]
    if not across.any():
        return 0, 0
    both = ends[np.concatenate([given[across], other[across]])]
    return int(both[both >= 0].min()), int(both.max()) + 1


def cut_layers(
    model: LayeredModel,
    *,
    first: int,
    count: int,
    to_end: bool,
    open_past: bool = False,
    open_future: bool = True,
    fixed: bool = False,
) -> tuple[MatchingGraph, NDArray[np.bool_]]:
    """Build the matching graph of `count` layers, and mark its boundary edges that lead to other layers.

    Detector `t * columns + s` is column s of the t-th of these layers.

    Args:
        model: the layered model.
        first: index of the first layer; in memories of any length, only its position in the period matters
            after the first layers.
        count: number of layers, at least 1.
        to_end: whether the last of them is the last layer of the memory.
        open_past: whether edges from earlier layers become boundary edges; otherwise they are dropped.
        open_future: the same for edges to later layers.
        fixed: whether layers are those of the whole model, instead of a memory of any length.

    Returns:
        The graph, and bool (num_edges,): boundary edges that lead to other layers.
    """
    cut = Cut.of(
        model,
        first=first,
        count=count,
        to_end=to_end,
        open_past=open_past,
        open_future=open_future,
        fixed=fixed,
    )
    return _graph_of(model, cut)


def whole_graph(model: LayeredModel) -> MatchingGraph:
    """Build the matching graph of all layers of the shortened model."""
    layers = np.arange(len(model.edges))
    cut = Cut(layers, np.zeros(0, dtype=np.int64), open_future=False, may_end=False)
    return _graph_of(model, cut)[0]


def _graph_of(model: LayeredModel, cut: Cut) -> tuple[MatchingGraph, NDArray[np.bool_]]:
    """Build the graph of a cut; return also the edges that lead to other layers."""
    u, v, weight, probability, observables, beyond, order = _cut_edges(model, cut)
    graph = MatchingGraph.from_edges(
        num_detectors=cut.layers.size * model.num_columns,
        num_observables=model.num_observables,
        edge_u=u[order].astype(np.int32),
        edge_v=np.where(beyond, -1, v)[order].astype(np.int32),
        edge_weight=weight[order].astype(np.int32),
        edge_probability=probability[order],
        edge_observables=observables[order],
        weight_scale=model.weight_scale,
    )
    return graph, beyond[order]


def _cut_edges(
    model: LayeredModel, cut: Cut
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
    columns, count = model.num_columns, cut.layers.size
    parts = [
        _place(model.edges[seen], at, count, columns, cut.open_future) for at, seen in enumerate(cut.layers)
    ]
    parts += [
        _reach_in(model.edges[seen], at, columns) for at, seen in enumerate(cut.before, -cut.before.size)
    ]
    if cut.may_end and model.num_final_only:
        parts.append(_final_only(model, cut))
    u, v, weight, probability, observables = (np.concatenate(values) for values in zip(*parts, strict=True))
    swap = (v >= 0) & (v < u)
    u, v = np.where(swap, v, u), np.where(swap, u, v)
    beyond = v == BEYOND
    order = np.lexsort((weight, np.where(beyond, -1, v), u))
    return u, v, weight, probability, observables, beyond, order


def _cut_correlations(
    model: LayeredModel, cut: Cut, *, edge_weight: NDArray[np.int32]
) -> tuple[Implied, WholeErrors, NDArray[np.bool_]]:
    """Collect the implied edges, whole errors and observed edges of a cut."""
    assert model.implied is not None
    assert model.errors is not None
    assert model.observed is not None
    *_, order = _cut_edges(model, cut)
    count = cut.layers.size
    numbers = np.empty(order.size, dtype=np.int64)
    numbers[order] = np.arange(order.size)
    kinds = model.kinds.tolist()
    layers: dict[int, PlacedLayer] = {}
    used = 0

    def place(at: int, seen: int, inside: NDArray[np.bool_]) -> None:
        nonlocal used
        own = np.full(inside.size, -1, dtype=np.int64)
        own[inside] = numbers[used : used + int(inside.sum())]
        used += int(inside.sum())
        layers[at] = PlacedLayer(seen, kinds[seen], own)

    for at, seen in enumerate(cut.layers.tolist()):
        place(at, seen, (at + model.edges[seen].later < count) | cut.open_future)
    for at, seen in enumerate(cut.before.tolist(), -cut.before.size):
        edges = model.edges[seen]
        place(at, seen, (edges.other >= 0) & (at + edges.later >= 0))
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


def _final_only(model: LayeredModel, cut: Cut) -> _Edges:
    """Return edges to BEYOND, of weight 0, for detectors that only last cycles have.

    A window does not know whether its last layers are last cycles. With these edges, events of such detectors
    have no effect; they are decoded with the ending.
    """
    count = cut.layers.size
    layers = np.arange(count - model.num_final_only, count)
    absent = (model.seen_detectors[cut.layers[layers]] < 0) & model.final_only_columns
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
