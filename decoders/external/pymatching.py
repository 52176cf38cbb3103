"""PyMatching 2 as a decoder of this package, for comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Self

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

from decoders.base import Decoder, Gaps, Packed, Weights
from decoders.external.pymatching_radii import limit_radii
from decoders.gaps.logical_classes import LogicalDetector, make_logicals
from decoders.model.dem import read_dem
from decoders.model.matching_graph import MatchingGraph

# PyMatching rejects smaller probabilities, whose weight it computes as infinite.
_LEAST_PROBABILITY = 1e-300
# PyMatching compares each new edge with all edges of its first detector: of that named first, or of that of
# the lower number in correlated matching. If a detector has this many neighbours, the other one is named
# first, where that saves more comparisons than rewriting an error is worth; at most this many comparisons are
# made, which take about 10 s.
_HUB, _COMPARISONS_OF_AN_ERROR, _MAX_COMPARISONS = 1000, 3000, 2e9
# In correlated matching it keeps the pairs of components of each error, at about a kilobyte each; those of
# errors of few components are as many as in any model.
_LONG, _MAX_PAIRS = 100, 2e6


class PyMatching(Decoder):
    """Minimum-weight perfect matching by PyMatching (Higgott and Gidney, arXiv 2303.15933).

    Accepts what `MatchingGraph` accepts, with two differences due to PyMatching: mechanisms with equal
    detectors but different observables are merged into one edge with the observables of the first; and
    `decode_batch` holds the GIL.

    PyMatching does not terminate for shots whose regions grow by 2**31 of its weight steps, 64 edges of the
    largest weight. For models with such distances the steps are made coarser (`limit_radii`): of 24 bits,
    log2(k) are lost where distances are k times too long. Other models are decoded by PyMatching unchanged.
    """

    _name: ClassVar[str] = "pymatching"
    _correlated: ClassVar[bool] = False
    gives_gaps = True
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 0.12, 5: 0.56, 7: 1.7, 9: 6.0, 11: 14.0}

    def __init__(self, *, dem: stim.DetectorErrorModel) -> None:
        super().__init__(
            name=self._name, num_detectors=dem.num_detectors, num_observables=dem.num_observables
        )
        arrays = read_dem(dem)  # rejects hyperedges, which PyMatching would drop silently
        plain = _Plain(dem=dem)
        if self._correlated:
            _check_pairs(arrays.component_error)
        degrees = _degrees_if_high(
            arrays.component_ends, num_detectors=dem.num_detectors, by_number=self._correlated
        )
        if (
            arrays.num_certain
            or degrees is not None
            or arrays.num_cancelled
            or (arrays.component_ends[:, 0] < 0).any()
            or (arrays.component_probability < _LEAST_PROBABILITY).any()
            or (self._correlated and (arrays.component_probability > 0.5).any())
        ):
            plain = _simplify(dem, likely_errors=not self._correlated, degrees=degrees)
        self._flipped_events = np.packbits(plain.events, bitorder="little")
        self._flipped_observables = np.packbits(plain.observables, bitorder="little")
        self._weight = plain.weight
        self._matching = pymatching.Matching.from_detector_error_model(
            plain.dem, enable_correlations=self._correlated
        )
        # Correlated matching only lowers weights, so distances are longest in the first pass.
        seen = arrays.component_ends[:, 0] >= 0
        limit_radii(
            self._matching,
            ends=arrays.component_ends[seen],
            probability=np.maximum(arrays.component_probability[seen], _LEAST_PROBABILITY),
        )
        self._dem = dem.copy()
        self._class_solvers: list[_ClassSolver] | None = None  # created when gaps are first requested
        # PyMatching infers the number of observables from the errors that flip them.
        if self._matching.num_fault_ids < self.num_observables:
            self._matching.ensure_num_fault_ids(self.num_observables)

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> Self:
        """Construct the decoder for a DEM.

        Args:
            dem: errors with at most two detectors per component.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        return cls(dem=dem)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        events = packed ^ self._flipped_events
        try:
            answer = self._matching.decode_batch(
                events,
                bit_packed_shots=True,
                bit_packed_predictions=True,
                return_weights=weights,
                enable_correlations=self._correlated,
            )
        except ValueError as error:
            raise self._blame_shot(events, error) from None
        predictions, found = answer if weights else (answer, None)
        return predictions ^ self._flipped_observables, None if found is None else found + self._weight

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        if self._class_solvers is None:
            graph = MatchingGraph.from_dem(self._dem)
            self._class_solvers = [_ClassSolver(logical) for logical in make_logicals(graph)]
        predictions, weights = self._decode_packed(packed, weights=True, threads=threads)
        assert weights is not None
        gaps = np.empty((packed.shape[0], self.num_observables))
        for observable, solver in enumerate(self._class_solvers):
            flips = predictions[:, observable // 8] >> (observable % 8) & 1 == 1
            gaps[:, observable] = solver.gaps(packed, flips)
        return predictions, weights, gaps

    def _blame_shot(self, events: Packed, error: ValueError) -> ValueError:
        """Find the first shot that fails alone: PyMatching's error does not name the shot."""
        for shot in range(events.shape[0]):
            try:
                self._matching.decode_batch(
                    events[shot : shot + 1], bit_packed_shots=True, enable_correlations=self._correlated
                )
            except ValueError as alone:
                return ValueError(f"shot {shot}: {alone}")
        return error


class _ClassSolver:
    """PyMatching restricted to one class of one observable."""

    def __init__(self, logical: LogicalDetector) -> None:
        graph = logical.graph
        dem = stim.DetectorErrorModel()
        both = np.stack([graph.edge_u, graph.edge_v], axis=1)
        degrees = _degrees_if_high(both, num_detectors=graph.num_detectors)
        if degrees is not None:
            swap = (both[:, 1] >= 0) & (degrees[both[:, 1]] < degrees[both[:, 0]])
            both[swap] = both[swap, ::-1]
        for (u, v), probability in zip(both.tolist(), graph.edge_probability.tolist(), strict=True):
            ends = [stim.target_relative_detector_id(end) for end in (u, v) if end >= 0]
            dem.append("error", max(probability, _LEAST_PROBABILITY), ends)
        dem.append("detector", [], [stim.target_relative_detector_id(graph.num_detectors - 1)])
        self._logical = logical
        self._certain = np.packbits(graph.certain_detectors, bitorder="little")
        self._matching = pymatching.Matching.from_detector_error_model(dem)
        limit_radii(
            self._matching,
            ends=np.stack([graph.edge_u, graph.edge_v], axis=1),
            probability=np.maximum(graph.edge_probability, _LEAST_PROBABILITY),
        )

    def gaps(self, packed: Packed, flips: NDArray[np.bool_]) -> Gaps:
        """Return the weight of the best solution of the other class minus that of the best, float64 (shots,).

        Args:
            packed: uint8 (shots, ceil(detectors / 8)).
            flips: bool (shots,): predicted value of the observable.
        """
        if not self._logical.two_classes:
            return np.full(packed.shape[0], self._logical.unseen)
        here, there = (
            self._matching.decode_batch(
                self._logical.events_of_class(packed, wanted) ^ self._certain,
                bit_packed_shots=True,
                return_weights=True,
            )[1]
            for wanted in (flips, ~flips)
        )
        gaps: Gaps = np.minimum(there - here, self._logical.unseen)
        return gaps


class CorrelatedPyMatching(PyMatching):
    """PyMatching's two-pass correlated matching (after Fowler, arXiv 1310.0863).

    The edges of the first pass raise the probability of other edges of the same errors (separated by `^` in
    the DEM); then the shot is matched again. Weights are those of the second pass.
    """

    _name: ClassVar[str] = "pymatching-correlated"
    _correlated: ClassVar[bool] = True
    gives_gaps = False
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 0.45, 5: 2.1, 7: 6.5, 9: 22.0, 11: 51.0}


class _Plain:
    """A DEM that PyMatching accepts, and what to flip before and after decoding with it."""

    def __init__(self, *, dem: stim.DetectorErrorModel) -> None:
        self.dem = dem
        self.events = np.zeros(dem.num_detectors, dtype=np.bool_)
        self.observables = np.zeros(dem.num_observables, dtype=np.bool_)
        self.weight = 0.0

    def flip(self, targets: list[stim.DemTarget]) -> None:
        for target in targets:
            (self.events if target.is_relative_detector_id() else self.observables)[target.val] ^= True


def _degrees_if_high(
    ends: NDArray[np.int32], *, num_detectors: int, by_number: bool = False
) -> NDArray[np.int64] | None:
    """Count the neighbours of each detector, if one has very many and the order of names matters.

    Args:
        ends: int32 (errors, 2), detectors at the ends of each edge, smaller first, -1 for none.
        num_detectors: number of detectors.
        by_number: whether edges are those of the detector of the lower number, whichever is named first.

    Returns:
        int64 (num_detectors,), or None if a rewritten model would not be read faster.

    Raises:
        ValueError: PyMatching would compare too many edges with each other.
    """
    if not ends.size or np.bincount(ends[ends >= 0], minlength=1).max() < _HUB:
        return None
    distinct = np.unique(np.sort(ends, axis=1), axis=0)
    degrees = np.bincount(distinct[distinct >= 0], minlength=num_detectors)
    if degrees.max() < _HUB:
        return None
    seen = ends[ends[:, 0] >= 0]
    by_first = degrees[seen[:, 0]]
    least = np.minimum(by_first, np.where(seen[:, 1] >= 0, degrees[seen[:, 1]], num_detectors))
    gains = not by_number and float((by_first - least).sum()) > _COMPARISONS_OF_AN_ERROR * seen.shape[0]
    comparisons = float((least if gains else by_first).sum())
    if comparisons > _MAX_COMPARISONS:
        raise ValueError(
            f"detectors of up to {degrees.max()} neighbours: PyMatching would make {comparisons:.1e} "
            f"comparisons of edges, at most {_MAX_COMPARISONS:.1e} are supported: use 'mwpm'"
        )
    return degrees if gains else None


def _check_pairs(component_error: NDArray[np.int32]) -> None:
    """Refuse errors of so many components that the pairs would take too much memory.

    Args:
        component_error: int32 (components,), the error of each.

    Raises:
        ValueError: there are too many pairs.
    """
    sizes = np.bincount(component_error).astype(np.float64)
    pairs = float((sizes[sizes >= _LONG] ** 2).sum() / 2)
    if pairs > _MAX_PAIRS:
        raise ValueError(
            f"errors of up to {sizes.max():.0f} components: PyMatching would keep {pairs:.1e} pairs, at most "
            f"{_MAX_PAIRS:.1e} are supported: use 'pymatching' or 'mwpm-correlated'"
        )


def _simplify(
    dem: stim.DetectorErrorModel, *, likely_errors: bool, degrees: NDArray[np.int64] | None = None
) -> _Plain:
    """Remove instructions that PyMatching rejects or misinterprets, and record how to compensate for them.

    PyMatching rejects probability 1, creates a self-loop for a detector that occurs twice in a component, and
    its correlated matching rejects components without detectors. Errors of probability 1 become flips;
    probabilities below 1e-300 count as 1e-300. With likely_errors=False, as correlated matching requires,
    errors of p > 1/2 become flips and errors of probability 1 - p. With degrees, int64 (num_detectors,), the
    detector of lowest degree comes first in each component.
    """
    plain = _Plain(dem=dem)
    clean = stim.DetectorErrorModel()
    for instruction in dem.flattened():
        if instruction.type != "error":
            clean.append(instruction)
            continue
        probability = instruction.args_copy()[0]
        components = []
        for group in instruction.target_groups():
            odd = [target for target in dict.fromkeys(group) if group.count(target) % 2]
            if degrees is not None:
                odd.sort(key=lambda one: degrees[one.val] if one.is_relative_detector_id() else np.inf)
            if any(target.is_relative_detector_id() for target in odd):
                components.append(odd)
            elif probability == 1:
                plain.flip(odd)
        likely = probability > 0.5 and not likely_errors
        if probability == 1 or likely:
            for component in components:
                plain.flip(component)
        if likely and probability < 1:
            plain.weight += len(components) * math.log((1 - probability) / probability)
            probability = 1 - probability
        if 0 < probability < 1 and components:
            separated = [[stim.target_separator(), *component] for component in components]
            probability = max(probability, _LEAST_PROBABILITY)
            clean.append("error", probability, [target for part in separated for target in part][1:])
    if dem.num_detectors:
        clean.append("detector", [], [stim.target_relative_detector_id(dem.num_detectors - 1)])
    plain.dem = clean
    return plain
