"""The one place where `qec reproduce` learns a decoder's prior from detection events."""

from collections.abc import Mapping, Sequence

import numpy as np
import stim
from numpy.typing import NDArray

from qec import priors


def relearn(
    error_model: stim.DetectorErrorModel,
    events: NDArray[np.uint8],
    *,
    coordinates: Mapping[int, Sequence[float]],
) -> stim.DetectorErrorModel:
    """An error model with rates learned from detection events, starting from another one.

    Args:
        error_model: where to start; its errors stay, their rates change.
        events: bit-packed detection events, uint8 (shots, ceil(num_detectors / 8)).
        coordinates: of the detectors.
    """
    spread = priors.Spread(kind=0.5, place=1.0, single=0.2)
    learned = priors.learn_error_model(
        detection_events=events, error_model=error_model, coordinates=coordinates, spread=spread
    )
    return learned.error_model
