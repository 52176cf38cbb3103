"""Weights of error chains along time, and the buffer that these require."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from decoders.streaming.distances import edge_ends, flipped_observables
from decoders.streaming.layers import LayeredModel

# A chain of errors over the buffer weighs at least this share of the lightest logical error. With 0.75,
# windows have the logical errors of whole shots to within 1 % for readout errors up to 40 %, and memories
# whose readout errs as often as all else need no longer buffer than the number of errors requires.
_SHARE = 0.75
# Longest buffer in multiples of the usual one: where readout errors are nearly random, chains weigh next to
# nothing.
_MAX_EXTENTS = 8
# Most edges visited for the lightest logical errors of a few layers; beyond it, buffers follow the number of
# errors alone. A few seconds.
_MAX_STEPS = 2e7


def layers_outweighing(model: LayeredModel, *, usual: int) -> int:
    """Return the fewest layers over which every chain of errors weighs most of a logical error.

    Most of: three quarters. The logical error is the lightest of any observable in the few layers where the
    chain begins. Where errors along time are much likelier than others (readout), chains of as many errors as
    a logical error has are far lighter than it.

    Args:
        model: the layered model.
        usual: layers that the number of errors requires; the result is at most eight times that.
    """
    most = _MAX_EXTENTS * usual
    needed = 0
    for first in _starts(model, usual):
        few = _layers(model, first, 2 * max(1, model.longest_reach, model.period))
        budget = _SHARE * _lightest_logical(model, few)
        while needed < most and np.isfinite(budget):
            longer = min(most, max(2 * needed, usual))
            crossed = _crossing_weights(model, _layers(model, first, longer + 1), limit=budget)
            enough = np.flatnonzero(crossed >= budget)
            needed = max(needed, int(enough[0]) if enough.size else min(longer, crossed.size))
            if enough.size or crossed.size <= longer:
                break
    return needed


def _layers(model: LayeredModel, first: int, count: int) -> NDArray[np.int64]:
    """Return layers of the shortened model that equal those from a layer on, in the bulk if there is one."""
    if model.bulk:
        return model.layers_like(first, count, to_end=False)
    return model.own_layers(first, min(count, model.num_layers - first))


def _starts(model: LayeredModel, step: int) -> Iterator[int]:
    """Yield layers at which chains are compared: those of a period, or every few that differ."""
    if model.bulk:
        yield from range(len(model.first), len(model.first) + model.period)
        return
    _, positions = np.unique(model.own_layers(0, model.num_layers), return_index=True)
    last = -step
    seen: set[bytes] = set()
    for position in np.sort(positions).tolist():
        if position - last < step:
            continue
        last = position
        key = model.kinds[_layers(model, position, 2 * step)].tobytes()
        if key not in seen:
            seen.add(key)
            yield position


def _lightest_logical(model: LayeredModel, layers: NDArray[np.int64]) -> float:
    """Return the least weight of errors inside consecutive layers that flip an observable undetected, or inf.

    A path that flips an observable leads from a detector, or the boundary, to its copy in a second graph,
    which is reached over the edges that flip the observable.
    """
    u, v, weight, flips = edge_ends(model, layers)
    boundary = layers.size * model.num_columns
    v = np.where(v < 0, boundary, v)
    best, steps = np.inf, 0
    for observable in flipped_observables(flips):
        flipping = flips[:, observable // 64] >> np.uint64(observable % 64) & np.uint64(1) != 0
        sources = np.unique(np.append(u[flipping], boundary))
        steps += sources.size * u.size
        if steps > _MAX_STEPS:
            return np.inf
        copy = boundary + 1
        ends = np.concatenate([u, u + copy]), np.concatenate([v + copy * flipping, v + copy * ~flipping])
        graph = _lightest_edges(*ends, np.concatenate([weight, weight]), 2 * copy)
        for source in sources.tolist():
            distance = dijkstra(graph, directed=False, indices=source, limit=best)
            best = min(best, float(distance[source + copy]))
    return best


def _crossing_weights(model: LayeredModel, layers: NDArray[np.int64], *, limit: float) -> NDArray[np.float64]:
    """Return the least weight of a chain from the first of some layers to each of them or later.

    Weights above `limit` are inf.
    """
    u, v, weight, _ = edge_ends(model, layers)
    inner = v >= 0
    graph = _lightest_edges(u[inner], v[inner], weight[inner], layers.size * model.num_columns)
    distance = dijkstra(
        graph, directed=False, indices=np.arange(model.num_columns), min_only=True, limit=limit
    )
    least = distance.reshape(layers.size, -1).min(axis=1)
    crossed: NDArray[np.float64] = np.minimum.accumulate(least[::-1])[::-1]
    return crossed


def _lightest_edges(
    u: NDArray[np.int64], v: NDArray[np.int64], weight: NDArray[np.int64], size: int
) -> csr_array:
    """Return the weights of the lightest edge between any two vertices, sparse (size, size)."""
    low, high = np.minimum(u, v), np.maximum(u, v)
    order = np.lexsort((weight, high, low))
    low, high, weight = low[order], high[order], weight[order]
    kept = np.ones(low.size, dtype=np.bool_)
    kept[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    values = np.maximum(weight[kept], 1).astype(np.float64)  # zeros would be missing edges
    return csr_array((values, (low[kept], high[kept])), shape=(size, size))
