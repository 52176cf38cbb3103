"""Diagnosis of shots that no error explains."""

import numpy as np
from numpy.typing import NDArray

from decoders.model.matching_graph import MatchingGraph


def explain_failure(graph: MatchingGraph, shot: NDArray[np.uint8], number: int) -> str:
    """Describe the component of the graph because of which a shot has no perfect matching.

    Args:
        graph: the matching graph.
        shot: uint8 (ceil(detectors / 8),), bit-packed, without the flips of errors of probability one.
        number: index of the shot, for the message.
    """
    bits = np.unpackbits(shot, count=graph.num_detectors, bitorder="little")
    events = np.flatnonzero(bits)
    component = graph.component[events]
    counts = np.bincount(component, minlength=graph.component_has_boundary.size)
    odd = int(np.flatnonzero((counts % 2 == 1) & ~graph.component_has_boundary)[0])
    detectors = np.flatnonzero(graph.component == odd)
    size = f"{detectors.size} detector{'s' if detectors.size > 1 else ''}"
    shown = ", ".join(f"D{detector}" for detector in events[component == odd][:4])
    shown += ", ..." if counts[odd] > 4 else ""
    return (
        f"shot {number}: no error explains its detection events: the component of D{detectors[0]} "
        f"({size}) has no boundary and an odd number of events ({shown})"
    )


def first_unexplained(graph: MatchingGraph, shots: NDArray[np.uint8]) -> int:
    """Return the index of the first shot that has no perfect matching, -1 if all have one.

    Args:
        graph: the matching graph.
        shots: uint8 (shots, ceil(detectors / 8)), as in `explain_failure`.
    """
    for number, shot in enumerate(shots):
        bits = np.unpackbits(shot, count=graph.num_detectors, bitorder="little")
        counts = np.bincount(
            graph.component[np.flatnonzero(bits)], minlength=graph.component_has_boundary.size
        )
        if ((counts % 2 == 1) & ~graph.component_has_boundary).any():
            return number
    return -1


def unexplained(graph: MatchingGraph, shots: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the shots that have no perfect matching, bool (shots,).

    Args:
        graph: the matching graph.
        shots: uint8 (shots, ceil(detectors / 8)), as given to a decoder.
    """
    found = np.zeros(shots.shape[0], dtype=np.bool_)
    shots = shots ^ np.packbits(graph.certain_detectors, bitorder="little")
    for component in np.flatnonzero(~graph.component_has_boundary):
        members = np.packbits(graph.component == component, bitorder="little")
        found |= np.bitwise_count(shots & members).sum(axis=1) % 2 == 1
    return found
