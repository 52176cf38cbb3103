"""Exact logical error rates of small models, by the probability of every syndrome and class."""

from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import NDArray

_MAX_BITS = 22


@dataclass(frozen=True)
class ExactModel:
    """All syndromes that can occur, with the joint probability of each class of observable flips.

    Syndrome and class are numbers: bit k is detector or observable k.

    Attributes:
        num_detectors: of the DEM.
        num_observables: of the DEM.
        syndromes: int64 (n,), those of probability above zero, ascending.
        joint: float64 (n, 2^observables), probability of syndrome and class. Sums of products of
            non-negative numbers: small ones have the same relative precision as large ones.
    """

    num_detectors: int
    num_observables: int
    syndromes: NDArray[np.int64]
    joint: NDArray[np.float64]

    @classmethod
    def of(cls, dem: stim.DetectorErrorModel) -> "ExactModel":
        """Convolve the errors of a DEM one by one; whole errors, `^` has no meaning here.

        Raises:
            ValueError: more than 22 detectors and observables together.
        """
        num_detectors, num_observables = dem.num_detectors, dem.num_observables
        num_bits = num_detectors + num_observables
        if num_bits > _MAX_BITS:
            raise ValueError(
                f"{num_detectors} detectors and {num_observables} observables: at most {_MAX_BITS} together "
                "can be enumerated"
            )
        everything = np.arange(2**num_bits)
        probability = np.zeros(2**num_bits)
        probability[0] = 1
        for instruction in dem.flattened():
            if instruction.type != "error":
                continue
            flipped = 0
            for target in instruction.targets_copy():
                if target.is_relative_detector_id():
                    flipped ^= 1 << target.val
                elif target.is_logical_observable_id():
                    flipped ^= 1 << (num_detectors + target.val)
            (p,) = instruction.args_copy()
            probability = (1 - p) * probability + p * probability[everything ^ flipped]
        joint = probability.reshape(2**num_observables, 2**num_detectors).T
        syndromes = np.flatnonzero(joint.sum(axis=1))
        return cls(num_detectors, num_observables, syndromes, np.ascontiguousarray(joint[syndromes]))

    def events(self) -> NDArray[np.bool_]:
        """Unpack the detection events of every syndrome, bool (n, detectors)."""
        return (self.syndromes[:, np.newaxis] >> np.arange(self.num_detectors) & 1).astype(np.bool_)

    def optimum(self) -> float:
        """Least logical error rate that any decoder can have."""
        order = np.sort(self.joint, axis=1)
        return float(order[:, :-1].sum())

    def errors(self, predictions: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Probability that a syndrome occurs and its prediction is wrong, float64 (n,).

        Args:
            predictions: bool (n, observables), in the order of `syndromes`.
        """
        if predictions.shape != (len(self.syndromes), self.num_observables):
            raise ValueError(
                f"predictions have shape {predictions.shape}, expected "
                f"({len(self.syndromes)}, {self.num_observables})"
            )
        chosen = predictions @ (1 << np.arange(self.num_observables))
        # Sums of what is wrong, not one minus what is right: small rates keep their digits.
        wrong = self.joint.copy()
        wrong[np.arange(len(wrong)), chosen] = 0
        rates: NDArray[np.float64] = wrong.sum(axis=1)
        return rates
