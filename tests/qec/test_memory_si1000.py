"""SI1000 memories land on reference values: detection fractions, and logical error rates by decoding."""

import math

import numpy as np
import pymatching
import pytest

from qec import RotatedSurfaceCode, memory_circuit, noise
from tests.support.chance import sigmas

# Detection fraction in per cent of SI1000 CZ memories with stim 1.16: strength -> distances 3, 5, 7.
DETECTION_FRACTIONS = {
    0.001: (3.0, 3.3, 3.4),
    0.002: (5.8, 6.3, 6.5),
    0.003: (8.5, 9.2, 9.5),
    0.004: (11.0, 11.8, 12.3),
}


def detection_fraction(distance: int, p: float, variant: str, basis: str) -> float:
    """Mean over all detectors of 30 cycles of the exact probability of a detection event."""
    code = RotatedSurfaceCode(distance, variant=variant)  # type: ignore[arg-type]
    dem = memory_circuit(code, rounds=30, basis=basis, noise=noise.si1000(p)).detector_error_model()
    log_no_bias = np.zeros(dem.num_detectors)
    for instruction in dem.flattened():
        if instruction.type == "error":
            for target in instruction.targets_copy():
                if target.is_relative_detector_id():
                    log_no_bias[target.val] += math.log1p(-2 * instruction.args_copy()[0])
    return float(np.mean((1 - np.exp(log_no_bias)) / 2))


@pytest.mark.parametrize("p", DETECTION_FRACTIONS)
@pytest.mark.parametrize("variant", ["css", "zxxz"])
def test_detection_fraction(p: float, variant: str) -> None:
    for distance, percent in zip((3, 5, 7), DETECTION_FRACTIONS[p], strict=True):
        found = 100 * detection_fraction(distance, p, variant, "z")
        # The references are rounded to 0.1 %.
        assert found == pytest.approx(percent, rel=0.01, abs=0.05 + 0.01 * percent)


@pytest.mark.parametrize(("distance", "reference"), [(3, 9.2e-3), (5, 5.5e-3)])
def test_logical_error_per_cycle(distance: int, reference: float) -> None:
    """epsilon from the slope between 10 and 30 cycles at p = 0.3 %, uncorrelated matching."""
    shots = 15_000
    logs, variances = [], []
    for rounds in (10, 30):
        circuit = memory_circuit(RotatedSurfaceCode(distance), rounds=rounds, noise=noise.si1000(0.003))
        dem = circuit.detector_error_model(decompose_errors=True)
        sampler = circuit.compile_detector_sampler(seed=11)
        events, flips = sampler.sample(shots, separate_observables=True)
        predicted = pymatching.Matching.from_detector_error_model(dem).decode_batch(events)
        failed = float((predicted != flips).mean())
        logs.append(math.log1p(-2 * failed))
        variances.append(failed * (1 - failed) / shots * (2 / (1 - 2 * failed)) ** 2)
    slope = (logs[0] - logs[1]) / 20
    epsilon = -math.expm1(-slope) / 2
    sigma = math.sqrt(sum(variances)) / 40
    assert abs(epsilon - reference) < sigmas() * sigma + 0.05e-3
    assert sigma < 0.06 * reference
