"""Stretches of equal layers that a shortened model leaves out, and the layers of the whole model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Stretch(NamedTuple):
    """Layers that the shortened model does not contain; they repeat its layers from `at` on."""

    #: Layer of the shortened model before which they belong.
    at: int
    #: Layers after which they repeat; divides their number.
    period: int
    #: Their number of layers and of detectors.
    layers: int
    detectors: int


def seen_layers(layers: Integers, stretches: Sequence[Stretch]) -> Integers:
    """Find the layers of the shortened model that equal layers of the whole model.

    Args:
        layers: int64 (n,), layers of the whole model.
        stretches: in the order of layers.

    Returns:
        int64 (n,).
    """
    seen = layers.copy()
    left_out = 0
    for stretch in stretches:
        begin = stretch.at + left_out
        left_out += stretch.layers
        inside = (layers >= begin) & (layers < stretch.at + left_out)
        seen[inside] = stretch.at + (layers[inside] - begin) % stretch.period
        later = layers >= stretch.at + left_out
        seen[later] = layers[later] - left_out
    return seen


def skipped_detectors(layers: Integers, stretches: Sequence[Stretch]) -> Integers:
    """Count the detectors by which numbers of the whole model exceed those of the layers of `seen_layers`."""
    skipped = np.zeros(layers.size, dtype=np.int64)
    left_out = 0
    for stretch in stretches:
        periods = np.clip(
            (layers - stretch.at - left_out) // stretch.period, 0, stretch.layers // stretch.period
        )
        skipped += periods * (stretch.detectors * stretch.period // stretch.layers)
        left_out += stretch.layers
    return skipped


def last_occurrence(seen: Integers, stretches: Sequence[Stretch]) -> Integers:
    """Return the last layer of the whole model that equals each of these layers of the shortened model."""
    return seen + sum(np.where(seen >= stretch.at, stretch.layers, 0) for stretch in stretches)
