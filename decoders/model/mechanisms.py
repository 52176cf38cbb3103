"""Error mechanisms of a DEM: whole errors (hyperedges), which flip any number of detectors."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.model.dem import DemArrays, check_coordinates, check_flattened, check_unused

_Symptom = tuple[tuple[int, ...], tuple[int, ...]]


class Mechanisms(NamedTuple):
    """Errors with distinct symptoms, each of probability at most one half.

    The components of an error (separated by `^`) are combined: the mechanism flips what an odd number of
    them flips. Errors with equal symptoms are merged into one mechanism, which occurs if an odd number of
    them does.
    """

    #: Detectors that each mechanism flips, ascending; empty for an undetectable error.
    detectors: list[tuple[int, ...]]
    #: uint64 (mechanisms, words): observables that each flips, as in `MatchingGraph`.
    observables: NDArray[np.uint64]
    #: float64 (mechanisms,): odds p / (1 - p), above 0 and at most 1.
    odds: NDArray[np.float64]

    def undetectable(self) -> NDArray[np.bool_]:
        """Mark the mechanisms that flip observables but no detector, bool (mechanisms,)."""
        return np.array([not detectors for detectors in self.detectors], dtype=np.bool_)


class ErrorModel(NamedTuple):
    """A DEM as mechanisms; an error of p > 1/2 is a certain error plus a mechanism of probability 1 - p."""

    num_detectors: int
    num_observables: int
    mechanisms: Mechanisms
    #: bool (num_detectors,): flipped in every shot in which no mechanism happens.
    certain_detectors: NDArray[np.bool_]
    #: uint64 (words,): the same for observables.
    certain_observables: NDArray[np.uint64]
    #: float64 (num_detectors, k), NaN where a detector has fewer coordinates than k.
    coordinates: NDArray[np.float64]

    @classmethod
    def from_arrays(cls, arrays: DemArrays) -> "ErrorModel":
        """Combine the components of a DEM that was read, errors of probability at most one half."""
        return cls(
            num_detectors=arrays.num_detectors,
            num_observables=arrays.num_observables,
            mechanisms=mechanisms_of(arrays),
            certain_detectors=arrays.certain_detectors,
            certain_observables=arrays.certain_observables,
            coordinates=arrays.coordinates,
        )

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> "ErrorModel":
        """Read any DEM, including errors with components of more than two detectors."""
        check_flattened(dem)
        num_detectors, num_observables = dem.num_detectors, dem.num_observables
        num_words = (num_observables + 63) // 64
        certain_detectors = np.zeros(num_detectors, dtype=np.bool_)
        certain = 0
        errors: list[tuple[_Symptom, float]] = []
        used = 0
        for instruction in dem.flattened():
            targets = instruction.targets_copy()
            used += len(targets)
            if instruction.type != "error":
                continue
            p = instruction.args_copy()[0]
            detectors: set[int] = set()
            observables = 0
            for target in targets:
                if target.is_relative_detector_id():
                    detectors ^= {target.val}
                elif target.is_logical_observable_id():
                    observables ^= 1 << target.val
            if p > 0.5:
                certain_detectors[list(detectors)] ^= True
                certain ^= observables
            rare = min(p, 1 - p)
            if rare > 0:
                errors.append(((tuple(sorted(detectors)), _words(observables, num_words)), rare))
        check_unused(num_detectors, used=used)
        places = dem.get_detector_coordinates()
        dimensions = max(map(len, places.values()), default=0)
        check_coordinates(dimensions)
        coordinates = np.full((num_detectors, dimensions), np.nan)
        for detector, place in places.items():
            coordinates[detector, : len(place)] = place
        return cls(
            num_detectors=num_detectors,
            num_observables=num_observables,
            mechanisms=_merged(errors, num_words=num_words),
            certain_detectors=certain_detectors,
            certain_observables=np.array(_words(certain, num_words), dtype=np.uint64),
            coordinates=coordinates,
        )


def mechanisms_of(arrays: DemArrays) -> Mechanisms:
    """Combine the components of errors of probability at most one half.

    Mechanisms that flip nothing are dropped. The order is that of the symptoms and so independent of the
    order of the errors in the DEM.
    """
    # Components of one error are consecutive.
    starts = np.flatnonzero(np.diff(arrays.component_error, prepend=-1))
    stops = np.append(starts[1:], arrays.component_error.size)[: starts.size]
    ends = arrays.component_ends.tolist()
    words = arrays.component_observables.tolist()
    chances = arrays.component_probability.tolist()
    errors: list[tuple[_Symptom, float]] = []
    for first, last in zip(starts.tolist(), stops.tolist(), strict=True):
        flipped: set[int] = set()
        observables = words[first]
        for component in range(first, last):
            flipped ^= {detector for detector in ends[component] if detector >= 0}
            if component > first:
                observables = [a ^ b for a, b in zip(observables, words[component], strict=True)]
        errors.append(((tuple(sorted(flipped)), tuple(observables)), chances[first]))
    return _merged(errors, num_words=arrays.component_observables.shape[1])


def has_joint_errors(arrays: DemArrays) -> bool:
    """Return whether an error has several components with detectors, so that edges are correlated."""
    of_edges = arrays.component_error[arrays.component_ends[:, 0] >= 0]
    return bool((of_edges[1:] == of_edges[:-1]).any())


def _merged(errors: Iterable[tuple[_Symptom, float]], *, num_words: int) -> Mechanisms:
    """Merge errors with equal symptoms; drop those without symptoms."""
    chance_of: dict[_Symptom, float] = {}
    for symptom, p in errors:
        before = chance_of.get(symptom, 0.0)
        chance_of[symptom] = before * (1 - p) + p * (1 - before)
    symptoms = sorted(symptom for symptom in chance_of if symptom[0] or any(symptom[1]))
    chance = np.array([chance_of[symptom] for symptom in symptoms])
    return Mechanisms(
        detectors=[detectors for detectors, _ in symptoms],
        observables=np.array([words for _, words in symptoms], dtype=np.uint64).reshape(
            len(symptoms), num_words
        ),
        odds=chance / (1 - chance),
    )


def _words(flips: int, num_words: int) -> tuple[int, ...]:
    """Split an integer into 64-bit words, lowest first."""
    return tuple(flips >> 64 * word & (1 << 64) - 1 for word in range(num_words))
