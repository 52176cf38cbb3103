"""Conditional edge probabilities from the errors of a DEM that flip several edges."""

from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.correlated.observed_edges import Conditional, find_observed
from decoders.correlated.whole_errors import WholeErrors
from decoders.matching.workspace import Implied
from decoders.model.dem import Components, DemArrays, read_dem
from decoders.model.edges import EdgeMerger
from decoders.model.kernels import edges as edge_kernels
from decoders.model.kernels import hyperedges
from decoders.model.matching_graph import MatchingGraph

# Components that are worked on at a time.
_BATCH = 1 << 16
_MAX_PAIRS = 5 * 10**7  # of edges in one error, before equal ones are merged


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
    #: The graph of all components as they stand in the DEM, if some shots have a matching in it alone.
    parts: MatchingGraph | None
    #: bool (num_edges,): edges that all solutions of a syndrome contain or none, and that imply others.
    observed: NDArray[np.bool_]

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel, *, observe: bool = True) -> "CorrelatedGraph":
        """Read the components of each error (`^` separates them) as edges that happen together.

        Two equal components of an error cancel. Two that flip what another edge of the model flips become
        it. `decompose_errors=True` does neither: it splits an error first by what its Pauli operators flip.
        Where edge a has happened, with probability P(a), edge b has with P(a and b) / P(a) (Fowler, arXiv
        1310.0863); that is at most one half here, a weight of zero, and only counts where it makes b lighter.
        Errors more likely than not are taken as present. An edge that only stands for a component of such
        a pair is left out of the graph.

        An edge on no cycle, such as the one of a herald's detector, is observed: the syndrome determines
        whether it has happened (`find_observed`). Its absence is evidence, too: the weights of the graph are
        those that edges have in the absence of the observed edges that share errors with them.

        Args:
            dem: errors decomposed into components with at most two detectors.
            observe: False: all edges have the weights of their own probabilities, as in plain matching.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        arrays, likely = _make_likely_errors_certain(read_dem(dem))
        num_components = arrays.component_error.size
        arrays = _recombined(arrays)
        graph, edge_of = MatchingGraph.from_arrays(arrays)
        parts = None
        if arrays.component_error.size < num_components and not graph.component_has_boundary.all():
            parts = MatchingGraph.from_dem(dem)
        observed = find_observed(graph) if observe else np.zeros(graph.num_edges, dtype=np.bool_)
        given = None
        if observed.any():
            given = Conditional.of(
                observed=observed,
                error=arrays.component_error,
                edge_of=edge_of,
                probability=arrays.component_probability,
                edge_probability=graph.edge_probability,
            )
            if given.pair.size:
                graph = graph.reweighted(given.absent)
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
        implied = _implied(arrays, graph, edge_of, given)
        observed &= np.diff(implied.start) > 0
        return cls(graph, implied, offset, bool(likely.size), errors, parts, observed)


def _make_likely_errors_certain(arrays: DemArrays) -> tuple[DemArrays, NDArray[np.int32]]:
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


def _recombined(arrays: DemArrays) -> DemArrays:
    """Cancel equal components of an error, join those that are one edge; overwrites the arrays."""
    ends, probability = arrays.component_ends, arrays.component_probability
    observables, error = arrays.component_observables, arrays.component_error
    count = hyperedges.cancel_pairs(ends, probability, observables, error)
    ends, probability = ends[:count], probability[:count]
    observables, error = observables[:count], error[:count]
    merger = EdgeMerger(num_detectors=arrays.num_detectors, num_observables=arrays.num_observables)
    merger.add(Components(ends, probability, observables, error))
    edges, _ = merger.finish()
    count = hyperedges.recombine(
        ends,
        probability,
        observables,
        error,
        edges.first,
        edges.second,
        edges.observables,
        np.zeros(observables.shape[1], dtype=np.uint64),
    )
    return arrays._replace(
        component_ends=ends[:count],
        component_probability=probability[:count],
        component_observables=observables[:count],
        component_error=error[:count],
    )


def _implied(
    arrays: DemArrays, graph: MatchingGraph, edge_of: NDArray[np.int32], given: Conditional | None
) -> Implied:
    """For every edge, the edges that are in one error with it, and their weights where it has happened."""
    error, probability = arrays.component_error, arrays.component_probability
    # Pairs of edges in one error, merged as components are: an odd number of the errors that contain both.
    sizes = np.diff(np.flatnonzero(np.diff(error, prepend=-1)), append=error.size).astype(np.float64)
    num_pairs = float((sizes * (sizes - 1) / 2).sum())
    if num_pairs > _MAX_PAIRS:
        raise ValueError(
            f"errors of up to {sizes.max():.0f} components make {num_pairs:.0f} pairs of edges, at most "
            f"{_MAX_PAIRS} are supported: use 'mwpm'"
        )
    merger = EdgeMerger(num_detectors=graph.num_edges, num_observables=0)
    apart, batches = 1, list(range(0, error.size, _BATCH))
    while batches:
        remaining = []  # components of an error are consecutive: none this far apart, none farther
        for first in batches:
            last = min(first + _BATCH, error.size - apart)
            together = first + np.flatnonzero(error[first:last] == error[first + apart : last + apart])
            if not together.size:
                continue
            remaining.append(first)
            a, b = edge_of[together], edge_of[together + apart]
            seen = (a >= 0) & (b >= 0) & (a != b)
            a, b, together = a[seen], b[seen], together[seen]
            pairs = Components(
                ends=np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1),
                probability=probability[together],
                observables=np.empty((together.size, 0), dtype=np.uint64),
                error=error[together],
            )
            merger.add(pairs)
        apart, batches = apart + 1, remaining
    pairs_of_edges, _ = merger.finish()
    start = np.zeros(graph.num_edges + 1, dtype=np.int32)
    target, pair = np.empty((2, 2 * pairs_of_edges.first.size), dtype=np.int32)
    edge_kernels.build_adjacency(
        pairs_of_edges.first,
        pairs_of_edges.second,
        start,
        np.empty(graph.num_edges, dtype=np.int32),
        target,
        pair,
    )
    conditional = pairs_of_edges.probability[pair]
    del pairs_of_edges, pair
    edge = np.repeat(np.arange(graph.num_edges, dtype=np.int32), np.diff(start))
    conditional /= graph.edge_probability[edge]
    np.minimum(conditional, 0.5, out=conditional)
    if given is not None and given.pair.size:
        wanted = target.astype(np.int64) * graph.num_edges + edge
        place = np.minimum(np.searchsorted(given.pair, wanted), given.pair.size - 1)
        known = given.pair[place] == wanted
        conditional[known] = given.present[place[known]]
    with np.errstate(divide="ignore", over="ignore"):
        steps = np.rint(np.log((1 - conditional) / conditional) * graph.weight_scale / 2)
    del conditional
    lighter = 2 * steps < graph.edge_weight[target]
    edge, target = edge[lighter], target[lighter]
    start[1:] = np.cumsum(np.bincount(edge, minlength=graph.num_edges))
    return Implied(start, target, (2 * steps[lighter]).astype(np.int32))
