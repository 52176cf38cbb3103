"""Memory of a logical qubit that is entangled with a perfect reference qubit: both observables are protected.

The measurement basis of such a patch may be chosen at the end: a control program can let it idle until a
decoded outcome decides. Observable 0 is that of a "z" memory, observable 1 that of an "x" memory.
"""

import stim

from qec.codes.code import Basis, Code, check_basis
from qec.memory import memory_circuit
from qec.noise.model import NoiseModel

#: Observable of each measurement basis.
OBSERVABLES: dict[Basis, int] = {"z": 0, "x": 1}
# Cycles of the memory from which the repeated cycle and the readout are taken.
_TEMPLATE_CYCLES = 12


def entangled_memory_circuit(
    code: Code, *, rounds: int, readout: str | None, noise: NoiseModel
) -> stim.Circuit:
    """Make a circuit that stores half of a Bell pair for some cycles.

    The preparation is free of errors: all stabilizers and the products of the patch's logical operators with
    X and Z of a reference qubit are measured once without noise. The noisy cycles and the readout are those
    of `memory_circuit`; the data qubits are measured together with the last cycle's measure qubits.

    Args:
        code: to run.
        rounds: noisy cycles, at least 2.
        readout: basis of the data measurement, "x" or "z"; None: all stabilizers and both observables are
            measured without noise, for models of cycles that no readout follows.
        noise: of the cycles.

    Raises:
        ValueError: too few cycles, an unknown basis, or noise whose cycles do not repeat.
    """
    if rounds < 2:
        raise ValueError(f"rounds={rounds}: must be at least 2")
    basis = None if readout is None else check_basis(readout)
    body, ending = _noisy_parts(code, basis or "z", noise)
    qubits = {at: number for number, at in enumerate(code.qubits)}
    reference = len(qubits)
    circuit = stim.Circuit()
    for at, number in qubits.items():
        circuit.append("QUBIT_COORDS", [number], at, tag="data" if at in set(code.data_qubits) else "")
    known = list(OBSERVABLES) if basis is None else [basis]
    _measure_pairs(circuit, code, qubits, reference, known)
    _measure_stabilizers(circuit, code, qubits)
    circuit.append(stim.CircuitRepeatBlock(rounds - (basis is not None), body))
    if basis is None:
        _measure_stabilizers(circuit, code, qubits)
        circuit.append("SHIFT_COORDS", [], (0, 0, 1))
        count = len(code.stabilizers)
        for number, stabilizer in enumerate(code.stabilizers):
            records = [stim.target_rec(number - count), stim.target_rec(number - 2 * count)]
            circuit.append("DETECTOR", records, (*stabilizer.coordinate, 0))
        _measure_pairs(circuit, code, qubits, reference, known)
        return circuit
    for instruction in ending:
        if instruction.name == "OBSERVABLE_INCLUDE":
            circuit.append(instruction.name, instruction.targets_copy(), OBSERVABLES[basis])
        else:
            circuit.append(instruction)
    circuit.append("MX" if basis == "x" else "M", [reference])
    circuit.append("OBSERVABLE_INCLUDE", [stim.target_rec(-1)], OBSERVABLES[basis])
    circuit.append("OBSERVABLE_INCLUDE", [], 1 - OBSERVABLES[basis])
    return circuit


def _noisy_parts(code: Code, basis: Basis, noise: NoiseModel) -> tuple[stim.Circuit, stim.Circuit]:
    """Return one repeated cycle of a noisy memory, and its last cycle with the readout."""
    body, ending = stim.Circuit(), stim.Circuit()
    for instruction in memory_circuit(code, rounds=_TEMPLATE_CYCLES, basis=basis, noise=noise):
        if isinstance(instruction, stim.CircuitRepeatBlock):
            if len(body):
                raise ValueError(f"noise {noise.name}: the cycles of the memory do not repeat")
            body = instruction.body_copy()
        elif len(body):
            ending.append(instruction)
    cycles = sum(one.name == "TICK" and one.tag == "cycle" for one in ending)
    if not len(body) or cycles != 1:
        raise ValueError(f"noise {noise.name}: the cycles of the memory do not repeat")
    return body, ending


def _measure_stabilizers(circuit: stim.Circuit, code: Code, qubits: dict[tuple[int, int], int]) -> None:
    """Measure all stabilizers without errors, in their order."""
    for stabilizer in code.stabilizers:
        paulis = zip(stabilizer.support, stabilizer.paulis, strict=True)
        circuit.append("MPP", _product([stim.target_pauli(qubits[at], pauli) for at, pauli in paulis]))


def _measure_pairs(
    circuit: stim.Circuit, code: Code, qubits: dict[tuple[int, int], int], reference: int, known: list[Basis]
) -> None:
    """Measure each logical operator times that of the reference; include those of `known` bases."""
    for basis, number in OBSERVABLES.items():
        logical = [stim.target_pauli(qubits[at], pauli) for at, pauli in code.logical(basis)]
        circuit.append("MPP", _product([*logical, stim.target_pauli(reference, basis.upper())]))
        if basis in known:
            circuit.append("OBSERVABLE_INCLUDE", [stim.target_rec(-1)], number)


def _product(paulis: list[stim.GateTarget]) -> list[stim.GateTarget]:
    targets = [part for pauli in paulis for part in (pauli, stim.target_combiner())]
    return targets[:-1]
