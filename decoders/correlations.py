"""What the errors of a DEM that flip several edges together say: which edges make which others likely."""

from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.dem_reader import DemArrays, read_dem
from decoders.graph import MatchingGraph
from decoders.kernels import components
from decoders.whole_errors import WholeErrors
from decoders.workspace import Implied


class CorrelatedGraph(NamedTuple):
    """A matching graph without negative weights, and what its edges imply."""

    graph: MatchingGraph
    implied: Implied
    #: Added to the integer weight of every solution, for errors more likely than not.
    offset: int
    #: Whether there are such errors.
    any_likely: bool
    #: The errors that flip several edges, to compare matchings by.
    errors: WholeErrors

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> "CorrelatedGraph":
        """Read the components of each error (`^` separates them) as edges that happen together.

        Two components of an error that flip what another edge of the model flips become that edge, which
        `decompose_errors=True` does not see: it splits an error first by what its Pauli operators flip.
        Where edge a has happened, with probability P(a), edge b has with P(a and b) / P(a) (Fowler, arXiv
        1310.0863); that is at most one half here, a weight of zero, and only counts where it makes b lighter.
        Errors more likely than not are taken as present.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        arrays, likely = _with_likely_errors_present(read_dem(dem))
        graph, _ = MatchingGraph.from_arrays(arrays)
        arrays = _recombined(arrays, graph)
        graph, edge_of = MatchingGraph.from_arrays(arrays)
        present = np.isin(arrays.component_error, likely) & (edge_of >= 0)
        odd = np.bincount(edge_of[present], minlength=graph.num_edges) % 2 == 1
        offset = -int(graph.edge_weight[odd].sum(dtype=np.int64))
        errors = WholeErrors.of(
            error=arrays.component_error,
            edge_of=edge_of,
            probability=arrays.component_probability,
            num_edges=graph.num_edges,
            weight_scale=graph.weight_scale,
        )
        return cls(graph, _implied(arrays, graph, edge_of), offset, bool(likely.size), errors)


def _with_likely_errors_present(arrays: DemArrays) -> tuple[DemArrays, NDArray[np.int32]]:
    """Turn errors of p > 1/2 into certain ones, and others of probability 1 - p; returns which."""
    likely = arrays.component_probability > 0.5
    which = arrays.component_error[likely]
    if not likely.any():
        return arrays, which
    ends = arrays.component_ends[likely].reshape(-1)
    times = np.bincount(ends[ends >= 0], minlength=arrays.num_detectors)
    flipped = np.bitwise_xor.reduce(arrays.component_observables[likely], axis=0)
    p = arrays.component_probability
    return arrays._replace(
        component_probability=np.where(likely, 1 - p, p),
        certain_detectors=arrays.certain_detectors ^ (times % 2 == 1),
        certain_observables=arrays.certain_observables ^ flipped,
    ), which


def _recombined(arrays: DemArrays, graph: MatchingGraph) -> DemArrays:
    ends, probability = arrays.component_ends.copy(), arrays.component_probability.copy()
    observables, error = arrays.component_observables.copy(), arrays.component_error.copy()
    count = components.recombine(
        ends,
        probability,
        observables,
        error,
        graph.edge_u,
        graph.edge_v,
        graph.edge_observables,
        np.zeros(observables.shape[1], dtype=np.uint64),
    )
    return arrays._replace(
        component_ends=ends[:count],
        component_probability=probability[:count],
        component_observables=observables[:count],
        component_error=error[:count],
    )


def _implied(arrays: DemArrays, graph: MatchingGraph, edge_of: NDArray[np.int32]) -> Implied:
    """For every edge, the edges that are in one error with it, and their weights where it has happened."""
    error, probability = arrays.component_error, arrays.component_probability
    given, other, chance = [], [], []
    apart = 1
    while True:
        together = np.flatnonzero(error[:-apart] == error[apart:])
        if not together.size:
            break
        a, b = edge_of[together], edge_of[together + apart]
        seen = (a >= 0) & (b >= 0) & (a != b)
        given += [a[seen], b[seen]]
        other += [b[seen], a[seen]]
        chance += 2 * [probability[together[seen]]]
        apart += 1
    start = np.zeros(graph.num_edges + 1, dtype=np.int32)
    if not given:
        return Implied(start, np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32))
    key = np.concatenate(given).astype(np.int64) * graph.num_edges + np.concatenate(other)
    pair, index = np.unique(key, return_inverse=True)
    # An odd number of the errors that contain both.
    with np.errstate(divide="ignore"):
        decay = np.bincount(index, weights=np.log1p(-2 * np.concatenate(chance)), minlength=pair.size)
    joint = -np.expm1(decay) / 2
    edge, target = pair // graph.num_edges, pair % graph.num_edges
    conditional = np.minimum(0.5, joint / graph.edge_probability[edge])
    with np.errstate(divide="ignore", over="ignore"):
        steps = np.rint(np.log((1 - conditional) / conditional) * graph.weight_scale / 2)
    lighter = 2 * steps < graph.edge_weight[target]
    edge, target = edge[lighter], target[lighter]
    start[1:] = np.cumsum(np.bincount(edge, minlength=graph.num_edges))
    return Implied(start, target.astype(np.int32), (2 * steps[lighter]).astype(np.int32))
