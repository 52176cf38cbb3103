"""Shorten a model as far as its layers repeat, and sort its edges into them."""

import math
from functools import partial

import numpy as np
import stim
from numpy.typing import ArrayLike, NDArray

from decoders.correlated.edge_correlations import CorrelatedGraph
from decoders.model.matching_graph import MatchingGraph
from decoders.model.repeat_blocks import Block, Shortened, shorten
from decoders.streaming.detector_grid import given_layers
from decoders.streaming.layer_edges import Layered, find_layers, sort_layers

# Most repetitions of all REPEAT blocks but the longest, which are expanded as first or last cycles.
_MAX_REPEATS_WRITTEN_OUT = 100
# Most detectors of a model whose blocks do not repeat layer by layer.
_MAX_DETECTORS_WRITTEN_OUT = 100_000

# stim's search for the distance compares the errors of a detector pairwise, which takes most of its time from
# _HUB errors on. Most comparisons, about a nanosecond each, and those that take as long as all else for an
# error.
_HUB, _MAX_STEPS, _STEPS_OF_AN_ERROR = 1000, 2e10, 1000


def describe_long_search(u: NDArray[np.integer], v: NDArray[np.integer], *, num_observables: int) -> str:
    """Describe why stim would take too long to find the distances of these observables; "" if it would not.

    Args:
        u, v: (edges,), detectors at the ends of each edge, v = -1 at the boundary.
        num_observables: number of searches.
    """
    num_errors = np.bincount(np.concatenate([u, v[v >= 0]]), minlength=1).astype(np.float64)
    pairs = float((num_errors[num_errors >= _HUB] ** 2).sum())
    if num_observables * (_STEPS_OF_AN_ERROR * u.size + pairs) <= _MAX_STEPS:
        return ""
    return (
        f"{num_observables} observables, {u.size} errors, and detectors of up to {num_errors.max():.0f} "
        "errors: the distance would take too long to find"
    )


def sort_into_layers(
    dem: stim.DetectorErrorModel, *, correlated: bool, observe: bool, layers: ArrayLike | None
) -> tuple[Shortened, MatchingGraph, CorrelatedGraph | None, Layered]:
    """Shorten a model as far as its layers repeat, and sort its graph into layers.

    Raises:
        ValueError: as in `LayeredModel.from_dem`.
    """
    make_graph = partial(_graph_of, correlated=correlated, observe=observe)
    if layers is not None:
        graph, found = make_graph(dem)
        grid = given_layers(layers, num_detectors=graph.num_detectors)
        sorted_layers, _ = sort_layers(graph, grid, [])
        assert sorted_layers is not None
        return Shortened(dem, [], np.zeros(0)), graph, found, sorted_layers
    refusal = ""
    short = shorten(dem)
    longest = max(short.blocks, key=lambda block: block.detectors_left_out, default=None)
    others = {block.number: block.repeats for block in short.blocks if block is not longest}
    # All blocks may be one repeating part; or the longest block alone; or each block repeats in its own way.
    attempts: list[tuple[dict[int, int], bool]] = [({}, False)]
    if others and sum(others.values()) <= _MAX_REPEATS_WRITTEN_OUT:
        attempts.append((others, False))
    if others:
        attempts.append(({}, True))
    if dem.num_detectors <= _MAX_DETECTORS_WRITTEN_OUT:
        attempts.append(({block.number: block.repeats for block in short.blocks}, False))
    for seen, several in attempts:
        for _ in range(2):
            short = shorten(dem, seen=seen)
            graph, found = make_graph(short.dem)
            layered, reason = find_layers(graph, short, several=several)
            refusal = refusal or reason
            if layered is None:
                break
            if layered.stretches(short.blocks) is not None:
                return short, graph, found, layered
            # Omitted repetitions must be whole periods: keep some more.
            seen = seen | {
                block.number: _seen_for_whole_periods(block, per_period)
                for block, (_, _, per_period) in zip(short.blocks, layered.of_blocks, strict=True)
            }
    raise ValueError(refusal)


def observed_late(found: CorrelatedGraph, layer_of_edge: NDArray[np.int64]) -> bool:
    """Return whether an observed edge implies an edge of a later layer."""
    given = np.repeat(np.arange(found.observed.size), np.diff(found.implied.start))
    later = layer_of_edge[found.implied.edge] > layer_of_edge[given]
    return bool((later & found.observed[given]).any())


def _graph_of(
    dem: stim.DetectorErrorModel, *, correlated: bool, observe: bool
) -> tuple[MatchingGraph, CorrelatedGraph | None]:
    """Build the matching graph of a streaming model, and its correlated graph if `correlated`.

    Raises:
        ValueError: errors more likely than not, or detectors of very many errors.
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
    long = describe_long_search(graph.edge_u, graph.edge_v, num_observables=1)
    if long:
        raise ValueError(f"{long}; decode whole shots with 'mwpm' instead")
    return graph, found


def _seen_for_whole_periods(block: Block, per_period: int) -> int:
    """Return the repetitions of a block to keep so that the omitted ones are whole periods."""
    each = per_period // math.gcd(per_period, block.detectors)
    return block.repeats - (block.repeats - block.seen) // each * each
