"""Circuit whose heralded errors and readout errors carry tags, so that they stay apart in the DEM."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

#: Noise that reports itself in the measurement record.
HERALDED = ("HERALDED_ERASE", "HERALDED_PAULI_CHANNEL_1")
#: Probability in the DEM of an error with a tag; the true one is known by the tag.
_MARK = 0.25
#: What an error with a tag flips: the report of a channel, its qubit, or an outcome.
REPORT, X, Y, Z, READOUT = "report", "X", "Y", "Z", "readout"


class Channel(NamedTuple):
    """Probabilities that a heralded channel reports an error, and that this error is I, X, Y or Z."""

    p_i: float
    p_x: float
    p_y: float
    p_z: float

    @classmethod
    def of(cls, instruction: stim.CircuitInstruction) -> "Channel":
        """Read HERALDED_ERASE(p), any Pauli with p / 4, or HERALDED_PAULI_CHANNEL_1(p_i, p_x, p_y, p_z)."""
        given = instruction.gate_args_copy()
        return cls(*given) if len(given) == 4 else cls(*[given[0] / 4] * 4)

    @property
    def fires(self) -> float:
        """Probability of a report."""
        return sum(self)

    @property
    def paulis(self) -> tuple[str, ...]:
        """Paulis whose products are the errors of the channel."""
        if self.p_x == 0 and self.p_z == 0:
            return (Y,) if self.p_y > 0 else ()
        return (X,) * (self.p_x + self.p_y > 0) + (Z,) * (self.p_z + self.p_y > 0)


class Symptom(NamedTuple):
    """An error of the DEM: its tag, if this module gave it one, probability, detectors, observables."""

    tag: str
    probability: float
    detectors: frozenset[int]
    has_observables: bool


class TaggedCircuit:
    """A flat circuit in which each heralded channel c and each readout m has errors of its own.

    The tags are `c:report`, `c:X`, `c:Z` and `m:readout`; Y is X and Z, so that each of its parts is on the
    edges of X or Z. A channel without X and Z has `c:Y` instead. Reports keep their places in the measurement
    record, but become constants with an error.

    Attributes:
        circuit: the circuit; other instructions have no tags.
        channels: the heralded channels, by number.
        readout_probability: float64 (measurements,): argument of each measurement, 0 without.
    """

    def __init__(self, circuit: stim.Circuit, *, soft_readout: bool) -> None:
        """Tag the errors.

        Args:
            circuit: any circuit.
            soft_readout: whether readouts get tags; otherwise their errors are as the circuit has them.
        """
        self.circuit = stim.Circuit()
        self.channels: list[Channel] = []
        self._soft_readout = soft_readout
        probability: list[float] = []
        for instruction in circuit.flattened():
            num_measurements = instruction.num_measurements
            arguments = instruction.gate_args_copy()
            if instruction.name in HERALDED:
                probability += [0.0] * num_measurements
                self._add_channels(instruction)
            elif num_measurements and instruction.name != "MPAD":
                probability += [arguments[0] if arguments else 0.0] * num_measurements
                self._add_measurements(instruction, len(probability) - num_measurements)
            else:
                probability += [0.0] * num_measurements
                self.circuit.append(instruction.name, instruction.targets_copy(), arguments)
        self.readout_probability = np.array(probability)

    def _add_channels(self, instruction: stim.CircuitInstruction) -> None:
        channel = Channel.of(instruction)
        for target in instruction.targets_copy():
            number = len(self.channels)
            self.channels.append(channel)
            self.circuit.append("MPAD", [0], [_MARK], tag=f"{number}:{REPORT}")
            for pauli in channel.paulis:
                self.circuit.append(f"{pauli}_ERROR", [target], [_MARK], tag=f"{number}:{pauli}")

    def _add_measurements(self, instruction: stim.CircuitInstruction, first: int) -> None:
        if not self._soft_readout:
            self.circuit.append(instruction.name, instruction.targets_copy(), instruction.gate_args_copy())
            return
        for number, group in enumerate(instruction.target_groups(), start=first):
            targets = group
            if instruction.name == "MPP":  # a product of Paulis is one target
                targets = [part for factor in group for part in (factor, stim.target_combiner())][:-1]
            self.circuit.append(instruction.name, targets, [_MARK], tag=f"{number}:{READOUT}")

    def symptoms(self) -> list[Symptom]:
        """List the errors of the circuit, not decomposed."""
        model = self.circuit.detector_error_model(approximate_disjoint_errors=True, flatten_loops=True)
        found = []
        for error in model:
            if error.type != "error":
                continue
            targets = error.targets_copy()
            detectors = frozenset(target.val for target in targets if target.is_relative_detector_id())
            found.append(Symptom(error.tag, error.args_copy()[0], detectors, len(detectors) < len(targets)))
        return found

    def decomposed_model(self, *, without: Iterable[int]) -> stim.DetectorErrorModel:
        """Make the DEM with errors decomposed into edges, in which some detectors see nothing.

        Raises:
            ValueError: stim cannot decompose an error.
        """
        blank = set(without)
        circuit = stim.Circuit()
        detector = 0
        for instruction in self.circuit:
            if instruction.name == "DETECTOR":
                detector += 1
                if detector - 1 in blank:
                    circuit.append("DETECTOR", [], instruction.gate_args_copy())
                    continue
            circuit.append(instruction)
        return circuit.detector_error_model(
            decompose_errors=True, approximate_disjoint_errors=True, flatten_loops=True
        )


def find_herald_detectors(symptoms: list[Symptom]) -> NDArray[np.int64]:
    """Find the detectors that show reports of heralded channels and nothing else, but for false reports.

    A detector that a report flips is no such detector if another error flips it together with an observable
    or with detectors that are none: then it is part of the matching problem.
    """
    found = {detector for symptom in symptoms if _is_report(symptom) for detector in symptom.detectors}
    others = [symptom for symptom in symptoms if not _is_report(symptom) and symptom.detectors & found]
    size = -1
    while size != len(found):
        size = len(found)
        for symptom in others:
            if symptom.has_observables or not symptom.detectors <= found:
                found -= symptom.detectors
    return np.array(sorted(found), dtype=np.int64)


def _is_report(symptom: Symptom) -> bool:
    return symptom.tag.endswith(REPORT)
