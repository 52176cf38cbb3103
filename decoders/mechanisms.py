"""The errors of a DEM as they are: mechanisms that flip any number of detectors, not edges of a graph."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.dem_reader import DemArrays


class Mechanisms(NamedTuple):
    """Errors with different symptoms, none likelier than not.

    An error's components (`^` separates them) are put together again: the mechanism flips what an odd
    number of them flips. Errors that flip the same detectors and observables are one mechanism, which
    happens when an odd number of them does.
    """

    #: Detectors that each mechanism flips, ascending.
    detectors: list[tuple[int, ...]]
    #: uint64 (mechanisms, words): observables that each flips, as in `MatchingGraph`.
    observables: NDArray[np.uint64]
    #: float64 (mechanisms,): p / (1 - p) of each, over 0 and at most 1.
    odds: NDArray[np.float64]


def mechanisms_of(arrays: DemArrays) -> Mechanisms:
    """Put the components of errors together. Errors must not be likelier than not.

    Mechanisms that flip nothing are left out. The order is that of the symptoms, so it does not depend
    on the order of the errors in the DEM.
    """
    chance_of: dict[tuple[tuple[int, ...], tuple[int, ...]], float] = {}
    # Components of one error are neighbours.
    starts = np.flatnonzero(np.diff(arrays.component_error, prepend=-1))
    stops = np.append(starts[1:], arrays.component_error.size)[: starts.size]
    ends = arrays.component_ends.tolist()
    words = arrays.component_observables.tolist()
    chances = arrays.component_probability.tolist()
    for first, last in zip(starts.tolist(), stops.tolist(), strict=True):
        flipped: set[int] = set()
        observables = words[first]
        for component in range(first, last):
            flipped ^= {detector for detector in ends[component] if detector >= 0}
            if component > first:
                observables = [a ^ b for a, b in zip(observables, words[component], strict=True)]
        symptom = tuple(sorted(flipped)), tuple(observables)
        p, before = chances[first], chance_of.get(symptom, 0.0)
        chance_of[symptom] = before * (1 - p) + p * (1 - before)
    symptoms = sorted(symptom for symptom in chance_of if symptom[0] or any(symptom[1]))
    chance = np.array([chance_of[symptom] for symptom in symptoms])
    return Mechanisms(
        detectors=[detectors for detectors, _ in symptoms],
        observables=np.array([words for _, words in symptoms], dtype=np.uint64).reshape(
            len(symptoms), arrays.component_observables.shape[1]
        ),
        odds=chance / (1 - chance),
    )
