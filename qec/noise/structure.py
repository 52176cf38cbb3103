"""Layers, data qubits and ancillas of a stim circuit, found without simulation."""

from collections import Counter
from collections.abc import Iterator, Sequence

import stim

ANNOTATIONS = frozenset({"DETECTOR", "OBSERVABLE_INCLUDE", "SHIFT_COORDS", "QUBIT_COORDS", "MPAD"})


def group_qubits(group: Sequence[stim.GateTarget]) -> tuple[int, ...]:
    """Return the qubits of a target group, each once, without records and sweep bits."""
    return tuple(dict.fromkeys(target.value for target in group if _is_qubit(target)))


def acts_on_qubits(group: Sequence[stim.GateTarget]) -> bool:
    """Return whether no target is a measurement record or sweep bit."""
    return all(_is_qubit(target) for target in group)


def has_tick(circuit: stim.Circuit) -> bool:
    """Return whether there is a TICK, at any depth."""
    return any(instruction.name == "TICK" for instruction, _ in _walk(circuit))


def has_cycle_tick(circuit: stim.Circuit) -> bool:
    """Return whether there is a `TICK[cycle]`, at any depth."""
    return any(instruction.name == "TICK" and instruction.tag == "cycle" for instruction, _ in _walk(circuit))


def begins_with_tick(circuit: stim.Circuit, *, if_empty: bool = False) -> bool:
    """Return whether a TICK precedes all operations; `if_empty` without either."""
    return is_followed_by_tick(circuit, -1, at_end=if_empty)


def is_followed_by_tick(circuit: stim.Circuit, index: int, *, at_end: bool) -> bool:
    """Return whether a TICK precedes all operations after instruction number `index`.

    Args:
        circuit: circuit or body of a REPEAT block.
        index: number of an instruction; -1: from the beginning.
        at_end: returned if the circuit ends before either.
    """
    for instruction in circuit[index + 1 :]:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            return begins_with_tick(instruction.body_copy())
        if instruction.name == "TICK":
            return True
        if instruction.name not in ANNOTATIONS:
            return False
    return at_end


def find_used_qubits(circuit: stim.Circuit) -> set[int]:
    """Find the qubits that operations act on."""
    return {
        target.value
        for instruction, _ in _walk(circuit)
        if instruction.name not in ANNOTATIONS
        for target in instruction.targets_copy()
        if _is_qubit(target)
    }


def find_neighbours(circuit: stim.Circuit) -> dict[int, list[int]]:
    """Find for each qubit those that it has a two-qubit gate with, ascending."""
    found: dict[int, set[int]] = {}
    for instruction, _ in _walk(circuit):
        if instruction.name in ANNOTATIONS or not stim.gate_data(instruction.name).is_two_qubit_gate:
            continue
        for group in instruction.target_groups():
            if acts_on_qubits(group):
                one, other = (target.value for target in group)
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
    return {qubit: sorted(others) for qubit, others in found.items()}


def find_ancillas(circuit: stim.Circuit) -> frozenset[int]:
    """Find the qubits that are measured alone more than once; without any, those measured by MR."""
    times: Counter[int] = Counter()
    measured_and_reset: set[int] = set()
    for instruction, count in _walk(circuit):
        gate = stim.gate_data(instruction.name)
        if instruction.name in ANNOTATIONS or not gate.produces_measurements:
            continue
        for group in instruction.target_groups():
            qubits = group_qubits(group)
            if len(qubits) == 1:
                times[qubits[0]] += count
                if gate.is_reset:
                    measured_and_reset.add(qubits[0])
    return frozenset(qubit for qubit, n in times.items() if n > 1) or frozenset(measured_and_reset)


def find_data_qubits(circuit: stim.Circuit, ancillas: frozenset[int]) -> list[int]:
    """Find the qubits tagged `QUBIT_COORDS[data]`; without tags, all used qubits but ancillas; ascending."""
    tagged = {
        target.value
        for instruction, _ in _walk(circuit)
        if instruction.name == "QUBIT_COORDS" and instruction.tag == "data"
        for target in instruction.targets_copy()
    }
    return sorted(tagged or find_used_qubits(circuit) - ancillas)


def measures_products(circuit: stim.Circuit) -> bool:
    """Return whether Pauli products of two qubits or more are measured (MPP, MXX, MYY, MZZ)."""
    return any(
        len(group_qubits(group)) > 1
        for instruction, _ in _walk(circuit)
        if instruction.name not in ANNOTATIONS and stim.gate_data(instruction.name).produces_measurements
        for group in instruction.target_groups()
    )


def _is_qubit(target: stim.GateTarget) -> bool:
    return bool(target.is_qubit_target or target.is_x_target or target.is_y_target or target.is_z_target)


def _walk(circuit: stim.Circuit, times: int = 1) -> Iterator[tuple[stim.CircuitInstruction, int]]:
    """Iterate over instructions at any depth, each once, and their numbers of executions."""
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            yield from _walk(instruction.body_copy(), times * instruction.repeat_count)
        else:
            yield instruction, times
