"""Random small models, and exact probabilities of their detection events by enumeration."""

import numpy as np
import stim
from numpy.typing import NDArray


def random_model(
    rng: np.random.Generator, *, num_detectors: int, num_errors: int, max_components: int = 4
) -> stim.DetectorErrorModel:
    """Errors of up to `max_components` components of one or two detectors, one observable.

    Probabilities are log-uniform from 1e-4 to 0.3.
    """
    lines = [f"detector D{num_detectors - 1}", "logical_observable L0"]
    for _ in range(num_errors):
        components = []
        for _ in range(min(max_components, int(rng.choice([1, 1, 1, 2, 2, 3, 4])))):
            size = min(num_detectors, int(rng.choice([1, 2, 2])))
            targets = [f"D{index}" for index in rng.choice(num_detectors, size=size, replace=False)]
            components.append(" ".join(targets + (["L0"] if rng.random() < 0.3 else [])))
        p = np.exp(rng.uniform(np.log(1e-4), np.log(0.3)))
        lines.append(f"error({p:.6f}) " + " ^ ".join(components))
    return stim.DetectorErrorModel("\n".join(lines))


def all_shots(num_detectors: int) -> NDArray[np.bool_]:
    """All detection events, bool (2**num_detectors, num_detectors)."""
    return (np.arange(1 << num_detectors)[:, np.newaxis] >> np.arange(num_detectors) & 1).astype(np.bool_)


def joint_probabilities(dem: stim.DetectorErrorModel) -> NDArray[np.float64]:
    """Exact probabilities of all detection events together with observable 0; components happen together.

    Returns:
        float64 (2**num_detectors, 2): for each of `all_shots`, with the observable not flipped and flipped.
    """
    detectors = dem.num_detectors
    chance = np.zeros(1 << (detectors + 1))
    chance[0] = 1
    index = np.arange(chance.size)
    for instruction in dem.flattened():
        if instruction.type != "error":
            continue
        p, flipped = instruction.args_copy()[0], 0
        for target in instruction.targets_copy():
            if target.is_relative_detector_id():
                flipped ^= 1 << target.val
            elif target.is_logical_observable_id():
                flipped ^= 1 << detectors
        chance = (1 - p) * chance + p * chance[index ^ flipped]
    return chance.reshape(2, -1).T
