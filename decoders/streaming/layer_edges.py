"""Edges of a model by layer, and detection of the layers that repeat."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.model.matching_graph import MatchingGraph
from decoders.model.repeat_blocks import Block, Run, Shortened, repeating_part
from decoders.streaming.detector_grid import BY_ORDER, DetectorGrid, assign_layers, possible_axes
from decoders.streaming.stretches import Stretch


class LayerEdges(NamedTuple):
    """The edges whose earlier end is in one layer, sorted. Columns represent detectors."""

    #: int64 (edges,): column of the earlier end.
    column: NDArray[np.int64]
    #: int64 (edges,): number of layers by which the other end is later; 0 for edges to the boundary.
    later: NDArray[np.int64]
    #: int64 (edges,): column of the other end, -1 for the boundary.
    other: NDArray[np.int64]
    #: int64 (edges,), float64 (edges,), uint64 (edges, words): as in MatchingGraph.
    weight: NDArray[np.int64]
    probability: NDArray[np.float64]
    observables: NDArray[np.uint64]

    def select(self, mask: NDArray[np.bool_]) -> "LayerEdges":
        """Return the edges for which the mask is true."""
        return LayerEdges(
            self.column[mask],
            self.later[mask],
            self.other[mask],
            self.weight[mask],
            self.probability[mask],
            self.observables[mask],
        )


class Layered(NamedTuple):
    """A graph sorted into layers."""

    grid: DetectorGrid
    #: One entry per layer.
    edges: list[LayerEdges]
    #: int64 (num_edges,) each: the layer of each edge of the graph, and its index in that layer.
    layer_of_edge: NDArray[np.int64]
    number_in_layer: NDArray[np.int64]
    #: int64 (layers, columns): detector indices, -1 where a layer has no detector.
    detectors: NDArray[np.int64]
    #: int64 (layers,), equal for layers with equal detectors and edges.
    kinds: NDArray[np.int64]
    #: The only periodic run of layers; None if there are several, or no layers repeat.
    run: Run | None
    #: Detectors in a period; 0 without one, or if detectors are not numbered period by period.
    per_period: int
    #: For each shortened block: its run, the first layer in its middle, and the detectors in a period.
    of_blocks: list[tuple[Run, int, int]]

    def stretches(self, blocks: Sequence[Block]) -> tuple[Stretch, ...] | None:
        """Return the layers left out with these blocks; None if they are no whole periods."""
        found = []
        for block, (run, at, per_period) in zip(blocks, self.of_blocks, strict=True):
            periods, rest = divmod(block.detectors_left_out, per_period)
            if rest:
                return None
            found.append(Stretch(at, run.period, periods * run.period, block.detectors_left_out))
        return tuple(found)


def find_layers(
    graph: MatchingGraph, short: Shortened, *, several: bool = False
) -> tuple[Layered | None, str]:
    """Sort a graph into layers along the coordinate along which it repeats.

    Args:
        graph: matching graph of the shortened model.
        short: that model.
        several: whether each shortened block may repeat in a way of its own; otherwise all of them are in one
            periodic run.

    Returns:
        The layers, and an empty string; or None and the reason.

    Raises:
        ValueError: a detector without time coordinate.
    """
    refusal = ""
    without_run = None
    crowded = True
    for axis in possible_axes(graph.detector_coordinates, short.shift):
        if axis == BY_ORDER and not crowded:
            break
        grid = assign_layers(graph.detector_coordinates, axis=axis)
        crowded &= grid.most_per_position > 2
        layered, reason = sort_layers(graph, grid, short.blocks, several=several)
        refusal = refusal or reason
        if layered is None:
            continue
        if several:
            return layered, ""
        if layered.run is not None and (without_run is None or layered.run.num_periods > 2):
            return layered, ""
        without_run = without_run or layered
    return without_run, refusal


def sort_layers(
    graph: MatchingGraph, grid: DetectorGrid, blocks: Sequence[Block], *, several: bool = False
) -> tuple[Layered | None, str]:
    """Sort a graph into given layers; None and the reason if the shortened blocks do not repeat."""
    num_layers = int(grid.layer.max(initial=0)) + 1
    detectors = np.full((num_layers, grid.stabilizers.shape[0]), -1, dtype=np.int64)
    detectors[grid.layer, grid.column] = np.arange(grid.layer.size)
    edges, layer_of, number = _edges_by_layer(graph, grid.layer, grid.column, num_layers)
    kinds = _kinds(edges, detectors >= 0)
    repeated = [grid.layer[block.middle] for block in blocks]
    everywhere = np.concatenate(repeated) if blocks else np.zeros(0, dtype=np.int64)
    run = None
    if several:
        runs = [repeating_part(kinds, including=layers) for layers in repeated]
    else:
        run = repeating_part(kinds, including=everywhere)
        runs = [run] * len(blocks)
    of_blocks = []
    for run_of_block, layers in zip(runs, repeated, strict=True):
        if run_of_block is None:
            return None, _changing(kinds, edges, detectors >= 0, layers if several else everywhere)
        per_period = _detectors_per_period(detectors, run_of_block)
        if not per_period:
            return None, (
                "the detectors of the repeated cycles are not numbered cycle by cycle; decode whole "
                "shots with 'mwpm' instead"
            )
        for at, layer in enumerate(edges[: run_of_block.start]):
            furthest = int(layer.later.max(initial=0))
            if at + furthest >= run_of_block.stop:
                return None, (
                    f"an error of cycle {at} flips a detector {furthest} cycles later; streaming needs "
                    "errors that reach less far, decode whole shots with 'mwpm' instead"
                )
        of_blocks.append((run_of_block, int(layers.min()), per_period))
    per_period = _detectors_per_period(detectors, run) if run is not None else 0
    return Layered(grid, edges, layer_of, number, detectors, kinds, run, per_period, of_blocks), ""


def _detectors_per_period(detectors: NDArray[np.int64], run: Run) -> int:
    """Count the detectors in a period of a run; 0 if they are not numbered period by period."""
    per_period = int((detectors[run.start : run.start + run.period] >= 0).sum())
    earlier = detectors[run.start : run.stop - run.period]
    later = detectors[run.start + run.period : run.stop]
    return per_period if (later - earlier == per_period)[earlier >= 0].all() else 0


def _edges_by_layer(
    graph: MatchingGraph, layer: NDArray[np.int64], column: NDArray[np.int64], num_layers: int
) -> tuple[list[LayerEdges], NDArray[np.int64], NDArray[np.int64]]:
    """Sort edges by the layer of their earlier end, in a canonical order.

    Returns:
        The edges of each layer; int64 (num_edges,) each: layer of each edge, and its index there.
    """
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


def _kinds(edges: Sequence[LayerEdges], present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number layers so that those with equal detectors, edges, weights and observables have equal numbers."""
    known: dict[tuple[bytes, ...], int] = {}
    kinds = np.empty(len(edges), dtype=np.int64)
    for at, layer in enumerate(edges):
        fields = (layer.column, layer.later, layer.other, layer.weight, layer.observables)
        key = (present[at].tobytes(), *(field.tobytes() for field in fields))
        kinds[at] = known.setdefault(key, len(known))
    return kinds


def _changing(
    kinds: NDArray[np.int64],
    edges: Sequence[LayerEdges],
    present: NDArray[np.bool_],
    layers: NDArray[np.int64],
) -> str:
    """Describe how the cycles of REPEAT blocks in these layers differ."""
    first = int(layers[0])
    others = np.unique(layers)
    differ = others[kinds[others] != kinds[first]]
    second = int(differ[0]) if differ.size else first
    counts = [(int(present[at].sum()), edges[at].column.size) for at in (first, second)]
    found = f"one has {counts[0][0]} detectors and {counts[0][1]} edges"
    if counts[0] == counts[1]:
        found += ", another as many, but other probabilities or places"
    else:
        found += f", another {counts[1][0]} and {counts[1][1]}"
    return (
        f"the repeated cycles of this model do not have the same errors in each cycle: {found}; streaming "
        "takes REPEAT blocks that repeat with any period; decode whole shots with 'mwpm' instead"
    )
