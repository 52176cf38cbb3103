"""Circuits of CX gates as circuits of CZ gates, Hadamards, and reset and measurement in the Z basis."""

from collections.abc import Iterable
from itertools import takewhile

import stim

from qec.instructions import append_instruction

_RESETS = {"R": False, "RX": True}
_MEASUREMENTS = {"M": False, "MX": True}
_DIAGONAL = ("CZ", "S", "S_DAG")
_NOT_QUBITS = ("TICK", "DETECTOR", "QUBIT_COORDS", "SHIFT_COORDS")


def with_cz_gates(circuit: stim.Circuit) -> stim.Circuit:
    """Replace CX, RX and MX; two Hadamards on a qubit with nothing in between cancel.

    Hadamards form layers of their own. Measurements, detectors and observables keep their numbers.

    Args:
        circuit: without noise and REPEAT, of R, RX, M, MX, CX, CZ, S, S_DAG, annotations, and MPP, which may
            only prepare qubits whose state does not matter.

    Raises:
        ValueError: another instruction.
    """
    return _Translation().run(circuit)


class _Translation:
    def __init__(self) -> None:
        self._out = stim.Circuit()
        self._turned: set[int] = set()  # qubits with a Hadamard that is not written yet
        self._measured: set[int] = set()  # qubits whose last operation was a measurement

    def run(self, circuit: stim.Circuit) -> stim.Circuit:
        instructions = list(circuit)
        if any(isinstance(instruction, stim.CircuitRepeatBlock) for instruction in instructions):
            raise ValueError("REPEAT: only flat circuits can be written with CZ gates")
        for at, instruction in enumerate(instructions):
            if instruction.name in _DIAGONAL:
                # One layer of Hadamards before all of these gates, not between them.
                group = takewhile(lambda one: one.name in _DIAGONAL, instructions[at:])
                self._write({t.value for one in group for t in one.targets_copy()} & self._turned)
            self._add(instruction)
        self._write(self._turned - self._measured)
        return self._out

    def _add(self, instruction: stim.CircuitInstruction) -> None:
        name = instruction.name
        if name == "OBSERVABLE_INCLUDE":
            targets = [self._as_turned(target) for target in instruction.targets_copy()]
            self._out.append(name, targets, instruction.gate_args_copy(), tag=instruction.tag)
            return
        if name in _NOT_QUBITS:
            self._out.append(instruction)
            return
        if name == "MPP":  # a preparation from any state
            self._turned.difference_update(t.value for t in instruction.targets_copy() if not t.is_combiner)
            self._out.append(instruction)
            return
        qubits = [target.value for target in instruction.targets_copy()]
        if name in _RESETS:
            self._turned.difference_update(qubits)
            append_instruction(self._out, "R", qubits)
            self._turn(qubits if _RESETS[name] else ())
        elif name in _MEASUREMENTS:
            self._turn(qubits if _MEASUREMENTS[name] else ())
            self._write(self._turned.intersection(qubits))
            append_instruction(self._out, "M", qubits)
            self._turn(qubits if _MEASUREMENTS[name] else ())
        elif name == "CX":
            self._turn(qubits[1::2])
            self._write(self._turned.intersection(qubits))
            append_instruction(self._out, "CZ", qubits)
            self._turn(qubits[1::2])
        elif name in _DIAGONAL:
            self._out.append(instruction)
        else:
            raise ValueError(f"{name}: only R, RX, M, MX, CX, CZ, S and S_DAG can be written with CZ gates")
        change = self._measured.update if name in _MEASUREMENTS else self._measured.difference_update
        change(qubits)

    def _as_turned(self, target: stim.GateTarget) -> stim.GateTarget:
        """Return a Pauli target as it is before the Hadamards that are not written yet."""
        if target.pauli_type in "XZ" and target.value in self._turned:
            return stim.target_pauli(target.value, "Z" if target.pauli_type == "X" else "X")
        return target

    def _turn(self, qubits: Iterable[int]) -> None:
        self._turned.symmetric_difference_update(qubits)

    def _write(self, qubits: set[int]) -> None:
        if qubits:
            append_instruction(self._out, "H", sorted(qubits))
            append_instruction(self._out, "TICK")
            self._turned -= qubits
