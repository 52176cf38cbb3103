"""Error distances of a layered model, and the layers over which its logical errors extend."""

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.streaming.layer_search import describe_long_search
from decoders.streaming.layers import LayeredModel

# Distance assumed if no error flips an observable undetected.
_USUAL_DISTANCE = 5


def longest_extent(model: LayeredModel) -> int:
    """Return the largest number of layers that a logical error of fewest errors extends over.

    A buffer of this number of layers keeps the distance: between committed layers and the open end of a
    window lie at least as many errors as in the shortest logical error.
    """
    return layers_crossed(model, largest_distance(model) or _USUAL_DISTANCE)


def layers_crossed(model: LayeredModel, num_errors: int) -> int:
    """Return the largest number of layers that a chain of this number of errors extends over.

    A chain is a path in the matching graph; it ends at the boundary.
    """
    u, v, _, _ = edge_ends(model, np.arange(len(model.edges)))
    inner = v >= 0
    u, v = u[inner], v[inner]
    own = np.repeat(np.arange(len(model.edges)), model.num_columns)
    furthest = own.copy()
    for _ in range(num_errors):
        before = furthest.copy()
        np.maximum.at(furthest, u, before[v])
        np.maximum.at(furthest, v, before[u])
    return int((furthest - own).max(initial=0))


def largest_distance(model: LayeredModel) -> int:
    """Return the largest graphlike distance of any observable, also of any part of the circuit.

    The distance of a circuit may change in time: parts are two layers, or twice as many as one error extends
    over, without errors that leave them. 0 if no error flips an observable undetected.

    Raises:
        ValueError: the searches would take many minutes.
    """
    everything = np.arange(len(model.edges))
    largest = max(_distances(model, everything), default=0)
    length = 2 * max(1, model.longest_reach)
    seen: set[bytes] = set()
    for first in range(0, len(model.edges), length):
        part = everything[first : first + length]
        key = model.kinds[part].tobytes()
        if key not in seen and part.size < everything.size:
            seen.add(key)
            largest = max(largest, *_distances(model, part), 0)
    return largest


def _distances(model: LayeredModel, layers: NDArray[np.int64]) -> list[int]:
    """Return the fewest errors inside consecutive layers that flip an observable undetected, 0 if none do.

    Only observables are searched for that an error flips.
    """
    u, v, _, flips = edge_ends(model, layers)
    observables = flipped_observables(flips)
    long = describe_long_search(u, v, num_observables=len(observables))
    if long:
        raise ValueError(f"{long}; set commit and buffer, or decode whole shots with 'mwpm' instead")
    return [_distance(u, v, flips, observable) for observable in observables]


def flipped_observables(flips: NDArray[np.uint64]) -> list[int]:
    """List the observables that any of some edges flips; flips as from `edge_ends`."""
    any_flip = np.bitwise_or.reduce(flips, axis=0)
    return [
        64 * word + bit for word, bits in enumerate(any_flip.tolist()) for bit in range(64) if bits >> bit & 1
    ]


def _distance(u: NDArray[np.int64], v: NDArray[np.int64], flips: NDArray[np.uint64], observable: int) -> int:
    """Return the fewest errors that flip an observable undetected, or 0; arguments as from `edge_ends`."""
    flipping = flips[:, observable // 64] >> np.uint64(observable % 64) & np.uint64(1)
    lines = [
        f"error(0.1) D{a}" + (f" D{b}" if b >= 0 else "") + (" L0" if flip else "")
        for a, b, flip in zip(u.tolist(), v.tolist(), flipping.tolist(), strict=True)
    ]
    try:
        return len(stim.DetectorErrorModel("\n".join(lines)).shortest_graphlike_error())
    except ValueError:
        return 0


def edge_ends(
    model: LayeredModel, layers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Collect the edges inside consecutive layers of the shortened model.

    Returns:
        int64 (edges,) each: detectors, counted layer by layer, -1 for the boundary, and integer weights;
        uint64 (edges, words): observables.
    """
    starts, stops, weights, flips = [], [], [], []
    for at, layer in enumerate(layers):
        edges = model.edges[layer]
        edges = edges.select(at + edges.later < layers.size)
        starts.append(at * model.num_columns + edges.column)
        there = (at + edges.later) * model.num_columns + edges.other
        stops.append(np.where(edges.other < 0, -1, there))
        weights.append(edges.weight)
        flips.append(edges.observables)
    return np.concatenate(starts), np.concatenate(stops), np.concatenate(weights), np.concatenate(flips)
