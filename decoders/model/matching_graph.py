"""The matching graph of a detector error model, as arrays."""

from dataclasses import dataclass, replace

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.model.dem import Components, DemArrays, DemReader
from decoders.model.edges import EdgeMerger
from decoders.model.kernels import edges as edge_kernels
from decoders.model.rounds import cycle_of_detectors

#: PyMatching's number of weight steps; ours must be the same for total weights to be comparable.
NUM_DISTINCT_WEIGHTS = 1 << 24
# Components and edges that are worked on at a time.
_BATCH = 1 << 14


@dataclass(frozen=True, eq=False, kw_only=True)
class MatchingGraph:
    """A DEM as a graph: detectors are nodes, error components are edges, alone or to the boundary.

    Components with the same ends and the same observables are one edge, flipped when an odd number
    of them happens; with the same ends but other observables they stay separate edges. Components
    of probability 0 are dropped. What always happens (probability 1) and what no detector sees is
    kept beside the edges, in the `certain_` and `undetectable_` fields.

    Words of observables: uint64, bit `o % 64` of word `o // 64` is observable `o`; there are
    `ceil(num_observables / 64)` words, none for a DEM without observables.
    """

    num_detectors: int
    num_observables: int
    num_edges: int
    #: int32 (num_edges,): an end of each edge. Edges are sorted by (edge_u, edge_v).
    edge_u: NDArray[np.int32]
    #: int32 (num_edges,): the other end, larger than edge_u, or -1 for an edge to the boundary.
    edge_v: NDArray[np.int32]
    #: int32 (num_edges,): even integer, sign of log((1 - p) / p), at most 2**25 - 2 in size.
    edge_weight: NDArray[np.int32]
    #: float64 (num_edges,): merged probability p, strictly between 0 and 1.
    edge_probability: NDArray[np.float64]
    #: uint64 (num_edges, words): observables that each edge flips.
    edge_observables: NDArray[np.uint64]
    #: float64 (num_detectors, k): coordinates, NaN where absent; k is the most that any detector has.
    detector_coordinates: NDArray[np.float64]
    #: int32 (num_detectors,): cycle of each detector, -1 where unknown (see `decoders.model.rounds`).
    detector_cycle: NDArray[np.int32]
    #: int32 (num_detectors + 1,): row `d` of the adjacency is `indptr[d]:indptr[d + 1]`.
    indptr: NDArray[np.int32]
    #: int32 (entries,): neighbours, each row sorted, boundary (-1) first; parallel edges are separate.
    adjacent_detector: NDArray[np.int32]
    #: int32 (entries,): the edge that leads there.
    adjacent_edge: NDArray[np.int32]
    #: int32 (num_detectors,): connected component, numbered by smallest detector.
    component: NDArray[np.int32]
    #: bool (components,): whether any of the component's detectors has an edge to the boundary.
    component_has_boundary: NDArray[np.bool_]
    #: integer weight / weight_scale = log((1 - p) / p), up to rounding.
    weight_scale: float
    #: bool (num_detectors,): detectors that errors of probability one flip, taken together, in every shot.
    certain_detectors: NDArray[np.bool_]
    #: uint64 (words,): observables that the same errors flip.
    certain_observables: NDArray[np.uint64]
    #: float64 (m,): probabilities of the errors that flip observables and no detector.
    undetectable_probability: NDArray[np.float64]
    #: uint64 (m, words): the observables that each of them flips, all different.
    undetectable_observables: NDArray[np.uint64]

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> "MatchingGraph":
        """Build the graph of a DEM.

        Weights are rounded as PyMatching 2.4 rounds them, so that total weights can be compared:
        the largest |log((1 - p) / p)| becomes 2**24 - 1 steps (a weight of 1 becomes one step if
        all weights are whole numbers), and every step counts 2, which keeps half of any sum whole.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        reader = DemReader(dem, most=_BATCH)
        merger = EdgeMerger(num_detectors=reader.num_detectors, num_observables=reader.num_observables)
        for components in reader:
            merger.add(components)
        return cls._from_merged(reader, merger)

    @classmethod
    def from_arrays(cls, arrays: DemArrays) -> tuple["MatchingGraph", NDArray[np.int32]]:
        """Build the graph of a DEM that has been read, see `from_dem`.

        Returns also the edge that each component became part of, int32 (components,), negative where no
        detector sees it.
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
    def _from_merged(cls, model: DemArrays | DemReader, merger: EdgeMerger) -> "MatchingGraph":
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

    def reweighted(self, probability: NDArray[np.float64]) -> "MatchingGraph":
        """The same graph with weights of other probabilities, and a scale of its own for them.

        Args:
            probability: float64 (num_edges,), strictly between 0 and 1; `edge_probability` stays as it is.
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
    ) -> "MatchingGraph":
        """Build the graph of given edges, which must be sorted by (edge_u, edge_v), edge_u < edge_v or -1.

        What is not given is absent: no coordinates, nothing certain, nothing undetectable.
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
    """Even integer weights of log(complement / probability), and the factor between the two."""
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
    # In portions: some megabytes of intermediate results, not several times the weights.
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
