"""Separation of a detector error model into edges and larger errors."""

from typing import NamedTuple

import stim


class Hyperedge(NamedTuple):
    """An error component that flips three detectors or more, with its probability."""

    detectors: tuple[int, ...]
    probability: float


def split_hyperedges(
    dem: stim.DetectorErrorModel,
) -> tuple[stim.DetectorErrorModel, stim.DetectorErrorModel, list[Hyperedge]]:
    """Separate components with more than two detectors.

    Returns:
        The model without them; the model with edges between all of their detectors instead, for a layout;
        and the components.
    """
    edges, connected = stim.DetectorErrorModel(), stim.DetectorErrorModel()
    found: list[Hyperedge] = []
    for instruction in dem.flattened():
        if instruction.type != "error":
            edges.append(instruction)
            connected.append(instruction)
            continue
        (probability,) = instruction.args_copy()
        for component in instruction.target_groups():
            detectors: set[int] = set()
            for target in component:
                if target.is_relative_detector_id():
                    detectors ^= {target.val}
            if len(detectors) <= 2:
                edges.append("error", [probability], component)
                connected.append("error", [probability], component)
            elif probability > 0:
                found.append(Hyperedge(tuple(sorted(detectors)), probability))
                for first in detectors:
                    for second in detectors - {first}:
                        pair = [stim.target_relative_detector_id(end) for end in (first, second)]
                        connected.append("error", [0.1], pair)
    if dem.num_detectors:  # one that only hyperedges flip
        last = [stim.target_relative_detector_id(dem.num_detectors - 1)]
        edges.append("detector", [], last)
        connected.append("detector", [], last)
    return edges, connected, found
