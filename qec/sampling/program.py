"""A stim circuit as flat arrays, for a kernel to run."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import NDArray

from qec.sampling.kernels import leakage as kernels

_PAULIS = {"X_ERROR": 1, "Y_ERROR": 2, "Z_ERROR": 3}
_IGNORED = {"QUBIT_COORDS", "SHIFT_COORDS", "TICK"}
# Gates that reset or measure -> what they are made of.
_RESETS = {"R": kernels.RESET_Z, "RX": kernels.RESET_X}
_MEASURES = {"M": kernels.MEASURE_Z, "MX": kernels.MEASURE_X}
_BOTH = {"MR": ("M", "R"), "MRX": ("MX", "RX")}


@dataclass(frozen=True, eq=False, kw_only=True)
class Program:
    """Operations one after the other, and which measurements make up detectors and observables.

    Attributes:
        num_qubits, num_detectors, num_observables, num_cycles: of the circuit.
        operations: int64 (operations, 3): kind, qubit, second qubit or argument (see
            qec.sampling.kernels.leakage).
        chances: float64 (operations,): of an error, or of a wrong result.
        channels: int64 (operations,): row of `shares` of a general Pauli channel, 0 for other operations.
        shares: float64 (channels, 15): cumulative probabilities of the Paulis of each distinct channel, in
            stim's order; the first three for one qubit.
        data: int64: data qubits.
        reference: uint8 (measurements,): results of the circuit without errors.
        parity_first: int64 (detectors + observables + 1,): where each one's measurements begin in `parities`.
        parities: int64: numbers of measurements.
    """

    num_qubits: int
    num_detectors: int
    num_observables: int
    num_cycles: int
    operations: NDArray[np.int64]
    chances: NDArray[np.float64]
    channels: NDArray[np.int64]
    shares: NDArray[np.float64]
    data: NDArray[np.int64]
    reference: NDArray[np.uint8]
    parity_first: NDArray[np.int64]
    parities: NDArray[np.int64]

    @classmethod
    def from_circuit(cls, circuit: stim.Circuit) -> "Program":
        """Read a circuit, REPEAT blocks unrolled.

        Raises:
            ValueError: an argument that is no circuit, or an instruction that has no place in a program:
                feedback, sweep bits, products of Paulis, two-qubit gates other than CZ and CX,
                correlated errors.
        """
        if not isinstance(circuit, stim.Circuit):
            raise ValueError(f"expected a stim.Circuit, got {type(circuit).__name__}")
        reader = _Reader()
        for instruction in circuit.flattened():
            reader.read(instruction)
        rows = [*reader.detectors, *(reader.observables.get(n, []) for n in range(circuit.num_observables))]
        return cls(
            num_qubits=circuit.num_qubits,
            num_detectors=circuit.num_detectors,
            num_observables=circuit.num_observables,
            num_cycles=reader.num_cycles,
            operations=np.array(reader.operations, dtype=np.int64).reshape(-1, 3),
            chances=np.array(reader.chances, dtype=np.float64),
            channels=np.array(reader.channels, dtype=np.int64),
            shares=_cumulative(reader.shares),
            data=np.array(reader.data, dtype=np.int64),
            reference=circuit.reference_sample().astype(np.uint8),
            parity_first=np.cumsum([0, *map(len, rows)], dtype=np.int64),
            parities=np.array([number for row in rows for number in row], dtype=np.int64),
        )


class _Reader:
    """Collects operations."""

    def __init__(self) -> None:
        self.operations: list[tuple[int, int, int]] = []
        self.chances: list[float] = []
        self.channels: list[int] = []
        #: Arguments of a Pauli channel -> its row.
        self.shares: dict[tuple[float, ...], int] = {}
        self.data: list[int] = []
        self.detectors: list[list[int]] = []
        self.observables: dict[int, list[int]] = {}
        self.num_cycles = 0
        self._num_measured = 0
        self._gates: dict[str, int] = {}

    def read(self, instruction: stim.CircuitInstruction) -> None:
        """Append one instruction of a flattened circuit."""
        name = instruction.name
        arguments = instruction.gate_args_copy()
        if name in ("DETECTOR", "OBSERVABLE_INCLUDE"):
            self._annotate(instruction)
            return
        if name == "QUBIT_COORDS" and instruction.tag == "data":
            self.data += [target.value for target in instruction.targets_copy()]
        if name == "TICK" and instruction.tag == "cycle":
            self.num_cycles += 1
            self._add(kernels.CYCLE, 0, 0)
        if name in _IGNORED:
            return
        targets = [self._qubit(target, name) for target in instruction.targets_copy()]
        chance = arguments[0] if arguments else 0.0
        if name in _BOTH:
            for target in targets:
                for part in _BOTH[name]:
                    self._one(part, target, chance)
        elif name in ("CZ", "CX"):
            kind = kernels.CZ if name == "CZ" else kernels.CX
            for a, b in zip(targets[::2], targets[1::2], strict=True):
                self._add(kind, a, b)
        elif name == "DEPOLARIZE2":
            for a, b in zip(targets[::2], targets[1::2], strict=True):
                self._add(kernels.DEPOLARIZE_TWO, a, b, chance)
        elif name in ("PAULI_CHANNEL_1", "PAULI_CHANNEL_2"):
            row = self.shares.setdefault(tuple(arguments), len(self.shares))
            if name == "PAULI_CHANNEL_1":
                for target in targets:
                    self._add(kernels.PAULI_ONE, target, 0, sum(arguments), row)
            else:
                for a, b in zip(targets[::2], targets[1::2], strict=True):
                    self._add(kernels.PAULI_TWO, a, b, sum(arguments), row)
        else:
            for target in targets:
                self._one(name, target, chance)

    def _one(self, name: str, qubit: int, chance: float) -> None:
        if name in _RESETS:
            self._add(_RESETS[name], qubit, 0)
        elif name in _MEASURES:
            self._add(_MEASURES[name], qubit, 0, chance)
            self._num_measured += 1
        elif name == "DEPOLARIZE1":
            self._add(kernels.DEPOLARIZE, qubit, 0, chance)
        elif name in _PAULIS:
            self._add(kernels.FLIP, qubit, _PAULIS[name], chance)
        else:
            self._add(kernels.GATE, qubit, self._gate(name))

    def _add(self, kind: np.int64, a: int, b: int, chance: float = 0.0, channel: int = 0) -> None:
        self.operations.append((int(kind), a, b))
        self.chances.append(chance)
        self.channels.append(channel)

    def _gate(self, name: str) -> int:
        """Where a one-qubit Clifford takes X and Z: four bits, X to (x, z), Z to (x, z)."""
        if name not in self._gates:
            data = stim.gate_data(name)
            if not (data.is_unitary and data.is_single_qubit_gate):
                raise ValueError(f"{name} cannot be sampled with leakage: CZ, CX, one-qubit gates, M, R can")
            tableau = data.tableau
            x, z = tableau.x_output(0)[0], tableau.z_output(0)[0]  # 0, 1, 2, 3: I, X, Y, Z
            self._gates[name] = (
                int(x in (1, 2)) | int(x in (2, 3)) << 1 | int(z in (1, 2)) << 2 | int(z in (2, 3)) << 3
            )
        return self._gates[name]

    def _qubit(self, target: stim.GateTarget, name: str) -> int:
        if not target.is_qubit_target:
            raise ValueError(f"{name} {target} cannot be sampled with leakage: qubits only, no feedback")
        return int(target.value)

    def _annotate(self, instruction: stim.CircuitInstruction) -> None:
        measured = [self._num_measured + target.value for target in instruction.targets_copy()]
        if instruction.name == "DETECTOR":
            self.detectors.append(measured)
        else:
            number = int(instruction.gate_args_copy()[0])
            self.observables.setdefault(number, []).extend(measured)


def _cumulative(channels: Iterable[tuple[float, ...]]) -> NDArray[np.float64]:
    """Cumulative probabilities of Pauli channels: float64 (channels, 15), rows of one qubit filled with 1."""
    rows = [np.pad(np.cumsum(one), (0, 15 - len(one)), constant_values=1.0) for one in channels]
    return np.array(rows, dtype=np.float64).reshape(-1, 15)
