"""What a detector error model predicts without sampling: how often each detector fires."""

import numpy as np
import stim
from numpy.typing import NDArray


def firing_rates(dem: stim.DetectorErrorModel) -> NDArray[np.float64]:
    """Probability of each detector to fire, exactly: float64 (num_detectors,).

    Independent errors flip a detector with probability (1 - product of (1 - 2 p)) / 2.
    """
    kept = np.ones(dem.num_detectors)
    for instruction in dem.flattened():
        if instruction.type != "error":
            continue
        factor = 1 - 2 * instruction.args_copy()[0]
        flipped: set[int] = set()
        for target in instruction.targets_copy():
            if target.is_relative_detector_id():
                flipped ^= {target.val}
        for detector in flipped:
            kept[detector] *= factor
    rates: NDArray[np.float64] = (1 - kept) / 2
    return rates


def detection_fraction(dem: stim.DetectorErrorModel) -> float:
    """Mean of `firing_rates` over all detectors."""
    return float(firing_rates(dem).mean())


def steady_fraction(circuit: stim.Circuit) -> float:
    """Mean over the detectors of cycles in the middle: all but the first two and the last two layers.

    Raises:
        ValueError: a memory too short to have a middle.
    """
    rates = firing_rates(circuit.detector_error_model())
    coordinates = circuit.get_detector_coordinates()
    layer = np.array([coordinates[detector][2] for detector in range(rates.size)])
    middle = (layer > 1) & (layer < layer.max() - 1)
    if not middle.any():
        raise ValueError("a memory of at least 4 cycles is needed to tell its middle from its ends")
    return float(rates[middle].mean())
