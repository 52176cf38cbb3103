"""Matching graph of a detector error model, as arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.model.dem import Components, DemArrays, DemReader
from decoders.model.edges import EdgeMerger
from decoders.model.kernels import edges as edge_kernels
from decoders.model.rounds import cycle_of_detectors

#: Number of PyMatching's weight steps; ours is equal so that total weights are comparable.
NUM_DISTINCT_WEIGHTS = 1 << 24
# Components and edges processed at a time.
_BATCH = 1 << 14


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class MatchingGraph:
    """A DEM as a graph: detectors are nodes, error components edges between two nodes or to the boundary.

    Components with equal ends and observables are merged into one edge, flipped when an odd number of them
    occurs; components with equal ends but different observables remain parallel edges. Components of
    probability 0 are dropped. Errors of probability 1 and errors without detectors are not edges: see the
    `certain_` and `undetectable_` fields.

    Observables are bit-packed into uint64 words: bit `o % 64` of word `o // 64` is observable `o`; there are
    `ceil(num_observables / 64)` words, none for a DEM without observables.

    Examples:
        >>> import stim
        >>> graph = MatchingGraph.from_dem(stim.DetectorErrorModel("error(0.1) D0 D1 L0"))
        >>> graph.edge_u, graph.edge_v
        (array([0], dtype=int32), array([1], dtype=int32))
    """

    num_detectors: int
    num_observables: int
    num_edges: int
    #: int32 (num_edges,): one end of each edge. Edges are sorted by (edge_u, edge_v).
    edge_u: NDArray[np.int32]
    #: int32 (num_edges,): the other end, larger than edge_u, or -1 for an edge to the boundary.
    edge_v: NDArray[np.int32]
    #: int32 (num_edges,): even integer, sign of log((1 - p) / p), at most 2**25 - 2 in size.
    edge_weight: NDArray[np.int32]
    #: float64 (num_edges,): merged probability p, strictly between 0 and 1.
    edge_probability: NDArray[np.float64]
    #: uint64 (num_edges, words): observables that each edge flips.
    edge_observables: NDArray[np.uint64]
    #: float64 (num_detectors, k): coordinates, NaN where absent; k is the largest number of any detector.
    detector_coordinates: NDArray[np.float64]
    #: int32 (num_detectors,): cycle of each detector, -1 where unknown (see `decoders.model.rounds`).
    detector_cycle: NDArray[np.int32]
    #: int32 (num_detectors + 1,): row `d` of the adjacency is `indptr[d]:indptr[d + 1]`.
    indptr: NDArray[np.int32]
    #: int32 (entries,): neighbours, each row sorted, boundary (-1) first; parallel edges are separate.
    adjacent_detector: NDArray[np.int32]
    #: int32 (entries,): edge to that neighbour.
    adjacent_edge: NDArray[np.int32]
    #: int32 (num_detectors,): connected component, numbered by smallest detector.
    component: NDArray[np.int32]
    #: bool (components,): whether any of the component's detectors has an edge to the boundary.
    component_has_boundary: NDArray[np.bool_]
    #: integer weight / weight_scale = log((1 - p) / p), up to rounding.
    weight_scale: float
    #: bool (num_detectors,): detectors that the errors of probability one flip in total, in every shot.
    certain_detectors: NDArray[np.bool_]
    #: uint64 (words,): observables that the same errors flip.
    certain_observables: NDArray[np.uint64]
    #: float64 (m,): probabilities of the errors that flip observables and no detector.
    undetectable_probability: NDArray[np.float64]
    #: uint64 (m, words): the observables that each of them flips; rows are distinct.
    undetectable_observables: NDArray[np.uint64]

    def __repr__(self) -> str:
        return (
            f"<MatchingGraph: {self.num_detectors} detectors, {self.num_edges} edges, "
            f"{self.num_observables} observable{'s' * (self.num_observables != 1)}>"
        )

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> MatchingGraph:
        """Build the graph of a DEM.

        Weights are rounded as in PyMatching 2.4, so that total weights are comparable: the largest
        |log((1 - p) / p)| becomes 2**24 - 1 steps (a weight of 1 becomes one step if all weights are whole
        numbers), and a step counts 2, so that half of any sum of weights is an integer.

        Args:
            dem: errors with at most two detectors per component.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        reader = DemReader(dem, most=_BATCH)
        merger = EdgeMerger(num_detectors=reader.num_detectors, num_observables=reader.num_observables)
        for components in reader:
            merger.add(components)
        return cls._from_merged(reader, merger)

    @classmethod
    def from_arrays(cls, arrays: DemArrays) -> tuple[MatchingGraph, NDArray[np.int32]]:
        """Build the graph of a DEM that has been read, see `from_dem`.

        Returns:
            The graph, and int32 (components,): the edge that each component was merged into, negative if it
            has no detector.
        """
        merger = EdgeMerger(num_detectors=arrays.num_detectors, num_observables=arrays.num_observables)
        edge_of = np.empty(arrays.component_probability.size, dtype=np.int32)
        merger.add(
            Components(
                ends=arrays.component_ends,
                probability=arrays.component_probability,
                observables=arrays.component_observables,
                error=arrays.component_error,
            ),
            edge_of=edge_of,
        )
        graph = cls._from_merged(arrays, merger)
        merger.renumber(edge_of)
        return graph, edge_of

    @classmethod
    def _from_merged(cls, model: DemArrays | DemReader, merger: EdgeMerger) -> MatchingGraph:
        edges, undetectable = merger.finish()
        weight, scale = _integer_weights(probability=edges.probability, complement=edges.complement)
        return cls.from_edges(
            num_detectors=model.num_detectors,
            num_observables=model.num_observables,
            edge_u=edges.first,
            edge_v=edges.second,
            edge_weight=weight,
            edge_probability=edges.probability,
            edge_observables=edges.observables,
            weight_scale=scale,
            detector_coordinates=model.coordinates,
            certain_detectors=model.certain_detectors,
            certain_observables=model.certain_observables,
            undetectable_probability=undetectable.probability,
            undetectable_observables=undetectable.observables,
        )

    def reweighted(self, probability: NDArray[np.float64]) -> MatchingGraph:
        """Return the same graph with weights of other probabilities and a matching weight scale.

        Args:
            probability: float64 (num_edges,), strictly between 0 and 1; `edge_probability` does not change.
        """
        weight, scale = _integer_weights(probability=probability, complement=1 - probability)
        return replace(self, edge_weight=weight, weight_scale=scale)

    @classmethod
    def from_edges(
        cls,
        *,
        num_detectors: int,
        num_observables: int,
        edge_u: NDArray[np.int32],
        edge_v: NDArray[np.int32],
        edge_weight: NDArray[np.int32],
        edge_probability: NDArray[np.float64],
        edge_observables: NDArray[np.uint64],
        weight_scale: float,
        detector_coordinates: NDArray[np.float64] | None = None,
        certain_detectors: NDArray[np.bool_] | None = None,
        certain_observables: NDArray[np.uint64] | None = None,
        undetectable_probability: NDArray[np.float64] | None = None,
        undetectable_observables: NDArray[np.uint64] | None = None,
    ) -> MatchingGraph:
        """Build a graph from edges sorted by (edge_u, edge_v), with edge_u < edge_v or edge_v = -1.

        Args are the fields of the class; omitted ones are empty or zero.
        """
        words = edge_observables.shape[1]
        if detector_coordinates is None:
            detector_coordinates = np.zeros((num_detectors, 0))
        if certain_detectors is None:
            certain_detectors = np.zeros(num_detectors, dtype=np.bool_)
        if certain_observables is None:
            certain_observables = np.zeros(words, dtype=np.uint64)
        if undetectable_probability is None or undetectable_observables is None:
            undetectable_probability = np.zeros(0)
            undetectable_observables = np.zeros((0, words), dtype=np.uint64)
        indptr = np.zeros(num_detectors + 1, dtype=np.int32)
        num_entries = edge_u.size + int(np.count_nonzero(edge_v >= 0))
        adjacent = np.empty((2, num_entries), dtype=np.int32)
        edge_kernels.build_adjacency(
            edge_u, edge_v, indptr, np.empty(num_detectors, dtype=np.int32), adjacent[0], adjacent[1]
        )
        component = np.empty(num_detectors, dtype=np.int32)
        has_boundary = np.zeros(num_detectors, dtype=np.bool_)
        num_components = edge_kernels.label_components(edge_u, edge_v, component, has_boundary)
        return cls(
            num_detectors=num_detectors,
            num_observables=num_observables,
            num_edges=edge_u.size,
            edge_u=edge_u,
            edge_v=edge_v,
            edge_weight=edge_weight,
            edge_probability=edge_probability,
            edge_observables=edge_observables,
            detector_coordinates=detector_coordinates,
            detector_cycle=cycle_of_detectors(coordinates=detector_coordinates),
            indptr=indptr,
            adjacent_detector=adjacent[0],
            adjacent_edge=adjacent[1],
            component=component,
            component_has_boundary=has_boundary[:num_components].copy(),
            weight_scale=weight_scale,
            certain_detectors=certain_detectors,
            certain_observables=certain_observables,
            undetectable_probability=undetectable_probability,
            undetectable_observables=undetectable_observables,
        )


def _integer_weights(
    *, probability: NDArray[np.float64], complement: NDArray[np.float64]
) -> tuple[NDArray[np.int32], float]:
    """Round log(complement / probability) to even integers; return them and the scale factor."""
    with np.errstate(over="ignore"):
        weight = complement / probability
        np.log(weight, out=weight)
    huge = np.isinf(weight)  # a probability below 1e-308
    if huge.any():
        weight[huge] = np.log(complement[huge]) - np.log(probability[huge])
    return round_weights(weight)


def round_weights(weight: NDArray[np.float64]) -> tuple[NDArray[np.int32], float]:
    """Round weights as PyMatching 2.4 does, see `MatchingGraph.from_dem`.

    Args:
        weight: float64 (edges,), finite.

    Returns:
        int32 (edges,), even, and the factor between the two.
    """
    # In portions, to limit intermediate arrays to a few megabytes.
    portions = [weight[start : start + _BATCH] for start in range(0, weight.size, _BATCH)]
    if all(np.array_equal(portion, np.rint(portion)) for portion in portions):
        steps_per_unit = 1.0
    else:
        largest = max(float(np.abs(portion).max()) for portion in portions)
        steps_per_unit = (NUM_DISTINCT_WEIGHTS - 1) / largest
    steps = np.empty(weight.size, dtype=np.int32)
    for start, portion in zip(range(0, weight.size, _BATCH), portions, strict=True):
        # Halves are rounded away from zero, as C's round() does.
        scaled = portion * steps_per_unit
        scaled += np.copysign(0.5, scaled)
        steps[start : start + _BATCH] = np.trunc(scaled, out=scaled)
    steps *= 2
    return steps, 2 * steps_per_unit
