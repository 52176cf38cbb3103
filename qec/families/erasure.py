"""Heralded erasure of data qubits."""

import stim


def with_erasure(circuit: stim.Circuit, p: float) -> stim.Circuit:
    """Add heralded erasures of data qubits before each cycle of a memory circuit; the copy is flat.

    HERALDED_ERASE(p) replaces a qubit by a maximally mixed one with probability p and reports it; each
    report is a detector with the coordinates of the qubit (x, y) and the number of the cycle.

    Args:
        circuit: with the tags QUBIT_COORDS[data] and TICK[cycle], as `qec.memory_circuit` writes it.
        p: probability of an erasure.
    """
    places = circuit.get_final_qubit_coordinates()
    data = [
        target.value
        for instruction in circuit
        if instruction.name == "QUBIT_COORDS" and instruction.tag == "data"
        for target in instruction.targets_copy()
    ]
    erased = stim.Circuit()
    new_number: list[int] = []  # of each measurement of the given circuit
    cycle = 0
    for instruction in circuit.flattened():
        if instruction.name in ("DETECTOR", "OBSERVABLE_INCLUDE"):
            now = erased.num_measurements
            records = [
                stim.target_rec(new_number[len(new_number) + target.value] - now)
                for target in instruction.targets_copy()
            ]
            erased.append(instruction.name, records, instruction.gate_args_copy())
            continue
        first = erased.num_measurements
        erased.append(instruction)
        new_number += range(first, erased.num_measurements)
        if instruction.name == "TICK" and instruction.tag == "cycle":
            erased.append("HERALDED_ERASE", data, p)
            for offset, qubit in enumerate(data):
                record = stim.target_rec(offset - len(data))
                erased.append("DETECTOR", [record], (*places[qubit], cycle))
            cycle += 1
    return erased
