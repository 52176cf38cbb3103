"""Implied edges and whole errors by layer, and their assembly for windows of a memory of any length."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.whole_errors import WholeErrors
from decoders.matching.workspace import Implied

Integers = NDArray[np.int64]


class LayerImplied(NamedTuple):
    """Implied edges of the edges of one layer, unordered. Edges are numbered within their layers."""

    #: int64 (entries,) each: the edge, the offset of the implied edge's layer, that edge, and its weight.
    edge: Integers
    later: Integers
    other: Integers
    weight: Integers


def implied_by_layer(
    implied: Implied, *, layer_of: Integers, place_of: Integers, num_layers: int
) -> list[LayerImplied]:
    """Sort implied edges by the layer of the edge that implies them.

    Args:
        implied: by edge of the whole graph.
        layer_of: int64 (num_edges,), layer of each edge.
        place_of: int64 (num_edges,), index of each edge in its layer.
        num_layers: number of layers.
    """
    given = np.repeat(np.arange(implied.start.size - 1), np.diff(implied.start))
    rows = LayerImplied(
        place_of[given],
        layer_of[implied.edge] - layer_of[given],
        place_of[implied.edge],
        implied.weight.astype(np.int64),
    )
    order = np.argsort(layer_of[given], kind="stable")
    bounds = np.searchsorted(layer_of[given][order], np.arange(num_layers + 1))
    return [
        LayerImplied(*(field[order[bounds[layer] : bounds[layer + 1]]] for field in rows))
        for layer in range(num_layers)
    ]


class LayerErrors(NamedTuple):
    """Errors whose earliest edge is in one layer, and the weight of each edge alone."""

    #: int64 (errors + 1,): error e flips the edges start[e]:start[e + 1].
    start: Integers
    #: int64 (entries,) each: offset of the edge's layer, and the edge.
    later: Integers
    edge: Integers
    #: int64 (errors,) and int64 (edges of the layer,): as in `WholeErrors`.
    weight: Integers
    alone: Integers


def errors_by_layer(
    errors: WholeErrors, *, layer_of: Integers, place_of: Integers, num_layers: int
) -> list[LayerErrors]:
    """Sort whole errors by the layer of their earliest edge; arguments as in `implied_by_layer`."""
    size = np.diff(errors.start).astype(np.int64)
    layer, place = layer_of[errors.edge], place_of[errors.edge]
    of_entry = np.repeat(np.arange(size.size), size)
    earliest = np.full(size.size, num_layers, dtype=np.int64)
    np.minimum.at(earliest, of_entry, layer)
    later = layer - earliest[of_entry]
    found = []
    for at in range(num_layers):
        mine = earliest == at
        entries = mine[of_entry]
        in_layer = np.flatnonzero(layer_of == at)
        alone = np.empty(in_layer.size, dtype=np.int64)
        alone[place_of[in_layer]] = errors.alone[in_layer]
        found.append(
            LayerErrors(
                start=np.concatenate([[0], np.cumsum(size[mine])]),
                later=later[entries],
                edge=place[entries],
                weight=errors.weight[mine].astype(np.int64),
                alone=alone,
            )
        )
    return found


class PlacedLayer(NamedTuple):
    """A layer of a window."""

    #: The layer of the shortened memory that has the same edges.
    seen: int
    #: Layers of equal kind have equal edges.
    kind: int
    #: int64 (edges of the layer,): indices in the window's graph, -1 for edges not in the window.
    numbers: Integers


def window_implied(
    layers: dict[int, PlacedLayer],
    *,
    seen: Sequence[LayerImplied],
    seen_kinds: Sequence[int],
    num_edges: int,
) -> Implied:
    """Collect the implied edges of a window.

    Entries that lead out of the window, or to layers that differ from the shortened memory, are dropped.

    Args:
        layers: the window's layers by index; earlier layers whose edges reach in have negative indices.
        seen: implied edges of each layer of the shortened memory.
        seen_kinds: kind of each of these layers.
        num_edges: number of edges of the window's graph.
    """
    given, other, weight = [], [], []
    for at, layer in layers.items():
        rows = seen[layer.seen]
        numbers = layer.numbers[rows.edge]
        for later in np.unique(rows.later):
            target = layers.get(at + int(later))
            place = layer.seen + int(later)
            if target is None or not 0 <= place < len(seen) or seen_kinds[place] != target.kind:
                continue
            chosen = np.flatnonzero((rows.later == later) & (numbers >= 0))
            there = target.numbers[rows.other[chosen]]
            chosen, there = chosen[there >= 0], there[there >= 0]
            given.append(numbers[chosen])
            other.append(there)
            weight.append(rows.weight[chosen])
    if not given:
        empty = np.zeros(0, dtype=np.int32)
        return Implied(np.zeros(num_edges + 1, dtype=np.int32), empty, empty)
    edge = np.concatenate(given)
    order = np.argsort(edge, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(edge, minlength=num_edges))]).astype(np.int32)
    return Implied(
        start,
        np.concatenate(other)[order].astype(np.int32),
        np.concatenate(weight)[order].astype(np.int32),
    )


def window_observed(
    layers: dict[int, PlacedLayer], *, seen: Sequence[NDArray[np.bool_]], num_edges: int
) -> NDArray[np.bool_]:
    """Mark the observed edges of a window, bool (num_edges,).

    Args:
        layers: as in `window_implied`.
        seen: bool (edges of the layer,) for each layer of the shortened memory.
        num_edges: number of edges of the window's graph.
    """
    observed = np.zeros(num_edges, dtype=np.bool_)
    for layer in layers.values():
        inside = layer.numbers >= 0
        observed[layer.numbers[inside]] = seen[layer.seen][inside]
    return observed


def window_errors(
    layers: dict[int, PlacedLayer],
    *,
    seen: Sequence[LayerErrors],
    seen_kinds: Sequence[int],
    edge_weight: NDArray[np.int32],
) -> WholeErrors:
    """Collect the whole errors of a window.

    Errors that reach out of the window keep the edges inside. Edges of no layer of the shortened memory count
    alone with their own weight.

    Args:
        layers, seen, seen_kinds: as in `window_implied`.
        edge_weight: int32 (num_edges,), integer weights of the window's edges.
    """
    alone = edge_weight.astype(np.int64)
    sizes, edges, weights = [], [], []
    for at, layer in layers.items():
        rows = seen[layer.seen]
        inside = layer.numbers >= 0
        alone[layer.numbers[inside]] = rows.alone[inside]
        numbers = np.full(rows.edge.size, -1, dtype=np.int64)
        for later in np.unique(rows.later):
            target, place = layers.get(at + int(later)), layer.seen + int(later)
            if target is None or not 0 <= place < len(seen) or seen_kinds[place] != target.kind:
                continue
            chosen = rows.later == later
            numbers[chosen] = target.numbers[rows.edge[chosen]]
        of_entry = np.repeat(np.arange(rows.weight.size), np.diff(rows.start))
        size = np.bincount(of_entry[numbers >= 0], minlength=rows.weight.size)
        several = size >= 2
        sizes.append(size[several])
        edges.append(numbers[(numbers >= 0) & several[of_entry]])
        weights.append(rows.weight[several])
    return WholeErrors(
        start=np.concatenate([[0], *sizes]).cumsum().astype(np.int32),
        edge=np.concatenate([np.zeros(0), *edges]).astype(np.int32),
        weight=np.concatenate([np.zeros(0), *weights]).astype(np.int32),
        alone=alone.astype(np.int32),
    )
