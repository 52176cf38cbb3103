"""CNOT between two rotated patches by lattice surgery."""

import stim

from qec.circuits import LogicalCircuit


def surgery_cnot_circuit(*, distance: int, rounds: int) -> stim.Circuit:
    """Make a clean circuit: a Bell pair by a CNOT of two merges with an ancilla patch, measured in basis Z.

    Observable 0 is the product of the logical Z of both patches.

    Args:
        distance: of each patch, odd and at least 3.
        rounds: cycles before, between and after the merges, and of each merge, at least 1.
    """
    program = LogicalCircuit(distance=distance)
    program.prepare("control", tile=(0, 0), basis="x")
    program.prepare("target", tile=(1, 1), basis="z")
    program.idle(rounds)
    program.cnot("control", "target", ancilla=(0, 1), cycles=rounds)
    program.idle(rounds)
    ends = [program.measure(name, basis="z") for name in ("control", "target")]
    program.observable(ends[0] ^ ends[1])
    return program.circuit
