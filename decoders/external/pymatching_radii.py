"""Limit PyMatching's region radii to the range of its integers.

PyMatching 2.4 rounds weights to steps, 2 * (2**24 - 1) of them for the largest weight, and stores the radius
at which a region reached a detector in 32 bits with sign. From 2**31 steps on, at least 64 edges of the
largest weight, the radius overflows and decoding may not terminate. A region grows at most to the boundary;
in a component without a boundary, to its farthest detector. Where such a distance is too long, an isolated
edge that is heavier than all others makes the steps coarser.
"""

import numpy as np
import pymatching
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from decoders.external.kernels.hops import within_hops

_RADIUS_LIMIT = 2**31 - 1
_LARGEST_HALF_WEIGHT = 2**24 - 1
# Paths of this many edges of the largest weight always fit.
_SHORT_PATH = _RADIUS_LIMIT // (2 * _LARGEST_HALF_WEIGHT)


def limit_radii(
    matching: pymatching.Matching, *, ends: NDArray[np.int32], probability: NDArray[np.float64]
) -> None:
    """Make the weight steps of a matching coarse enough that no region's radius overflows.

    Nothing changes where all distances fit. Otherwise weights keep fewer bits: a graph with distances of k
    times the limit has steps k times as large. Total weights keep their unit.

    Args:
        matching: the matching made from these errors; changed.
        ends: int32 (errors, 2): detectors at the ends of each edge, the second -1 for the boundary.
        probability: float64 (errors,), strictly between 0 and 1. Errors with equal ends are one edge.
    """
    num_detectors = matching.num_nodes
    first, second = np.ascontiguousarray(ends.T)
    # Fast test that avoids computing exact distances for nearly all models.
    if within_hops(first, second, _SHORT_PATH, np.empty(num_detectors + 1, dtype=np.int32)):
        return
    graph, largest = _weighted_graph(ends, probability, num_detectors)
    if largest == 0:  # all errors have probability 1/2, and every distance is zero
        return
    steps_per_unit = 2 * _LARGEST_HALF_WEIGHT / largest
    longest = _longest_distance(graph)
    # Rounding adds at most one step per edge, and a shortest path visits each detector once.
    if longest * steps_per_unit + num_detectors <= _RADIUS_LIMIT:
        return
    heaviest = 2 * _LARGEST_HALF_WEIGHT * longest / (_RADIUS_LIMIT - num_detectors)
    # Both ends are boundary nodes: no shot has events there, and PyMatching excludes such an edge from its
    # graph but includes it in the scale of weights.
    matching.add_edge(num_detectors, num_detectors + 1, weight=heaviest)
    matching.set_boundary_nodes({num_detectors, num_detectors + 1})


def _weighted_graph(
    ends: NDArray[np.int32], probability: NDArray[np.float64], num_detectors: int
) -> tuple["csr_array[np.float64]", float]:
    """Return the graph with absolute PyMatching weights, the boundary as last node; and the largest."""
    size = num_detectors + 1
    pair = ends[:, 0].astype(np.int64) * size + np.where(ends[:, 1] < 0, num_detectors, ends[:, 1])
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    # An odd number of independent errors occurs with probability (1 - product of (1 - 2p)) / 2. For single
    # errors p itself is used, which the formula would round.
    merged = (1 - np.multiply.reduceat(1 - 2 * probability[order], starts)) / 2
    single = np.diff(starts, append=pair.size) == 1
    merged[single] = probability[order][starts[single]]
    floor = np.maximum.reduceat(np.minimum(probability[order], 1 - probability[order]), starts)
    # Rounding must not make the weight infinite: for several p below 1/2 the sum is at least the largest.
    merged = np.clip(merged, np.minimum(floor, 0.5), 1 - np.finfo(np.float64).epsneg)
    weight = np.abs(np.log((1 - merged) / merged))
    first, second = np.divmod(pair[order][starts], size)
    graph = csr_array((weight, (first, second)), shape=(size, size))
    return graph, float(weight.max())


def _longest_distance(graph: "csr_array[np.float64]") -> float:
    """Bound the distance that any region can grow, where it is more than `_SHORT_PATH` edges."""
    boundary = graph.shape[0] - 1
    from_boundary = dijkstra(graph, directed=False, indices=[boundary])
    longest = float(from_boundary[np.isfinite(from_boundary)].max())
    _, component = connected_components(graph, directed=False)
    open_components = np.bincount(component) > _SHORT_PATH
    open_components[component[boundary]] = False
    inside = open_components[component]
    if not inside.any():
        return longest

    def distances(starts: NDArray[np.intp]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = dijkstra(graph, directed=False, indices=starts, min_only=True)[inside]
        return found

    # The diameter is at most twice the eccentricity of any detector; choose one in the middle, equally near
    # to both ends of a long path. One detector of each component at a time.
    nodes, component = np.flatnonzero(inside), component[inside]
    some = nodes[_largest_in_each(np.zeros(nodes.size), component)]
    one_end = nodes[_largest_in_each(distances(some), component)]
    from_one = distances(one_end)
    from_other = distances(nodes[_largest_in_each(from_one, component)])
    middle = nodes[_largest_in_each(-np.maximum(from_one, from_other), component)]
    return max(longest, 2 * float(distances(middle).max()))


def _largest_in_each(value: NDArray[np.float64], group: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the index of the largest value in each group."""
    order = np.lexsort((value, group))
    last: NDArray[np.intp] = order[np.diff(group[order], append=-1) != 0]
    return last
