"""One cycle of stabilizer measurements as layers of gates, basis changes included."""

from collections.abc import Mapping
from dataclasses import dataclass

from qec.codes.code import Code, Coordinate


@dataclass(frozen=True)
class Layer:
    """Gates applied at the same time: a gate name and its targets, flat for two-qubit gates."""

    gate: str
    targets: tuple[Coordinate, ...]


def interaction_layers(
    code: Code, *, entry: Mapping[Coordinate, bool], leave: Mapping[Coordinate, bool]
) -> list[Layer]:
    """Build the layers between reset and measurement of the measure qubits: Hadamards and two-qubit gates.

    A data qubit is "swapped" while its frame differs from the code's frame by a Hadamard. A Hadamard in the
    latest slot that the code allows brings it into the frame of its next interaction, if necessary.

    Args:
        code: its schedule, gate set and `basis_change_slots` are used.
        entry: for each data qubit, whether it enters the cycle swapped.
        leave: for each data qubit, whether it must leave the cycle swapped.

    Returns:
        Layers in order. Slots without a Hadamard have no layer.
    """
    num_interactions = len(code.stabilizers[0].schedule)
    # With CX gates a data qubit keeps its frame through the whole cycle; no Hadamards between interactions.
    allowed = code.basis_change_slots if code.gates == "cz" else (0, num_interactions)
    slots: dict[int, list[Coordinate]] = {slot: [] for slot in allowed}
    for slot in (0, num_interactions):
        slots[slot] += [s.coordinate for s in code.stabilizers if _measure_qubit_in_x_frame(code, s.basis)]
    needs = required_frames(code)
    for data in code.data_qubits:
        frame, after = entry[data], 0
        for interaction, swapped in [*needs[data].items(), (num_interactions, leave[data])]:
            if swapped != frame:
                slots[max(slot for slot in slots if after <= slot <= interaction)].append(data)
            frame, after = swapped, interaction + 1

    layers = []
    for interaction in range(num_interactions + 1):
        if slots.get(interaction):
            layers.append(Layer("H", tuple(slots[interaction])))
        if interaction < num_interactions:
            layers.append(_two_qubit_layer(code, interaction))
    return layers


def required_frames(code: Code) -> dict[Coordinate, dict[int, bool]]:
    """Return for each data qubit: interaction layer -> whether the qubit must be swapped; layers in order.

    CZ requires that the check's Pauli is Z. CX, with the measure qubit as control (X checks) or target (Z
    checks), requires the Pauli of the check's type.
    """
    frames: dict[Coordinate, dict[int, bool]] = {data: {} for data in code.data_qubits}
    for interaction in range(len(code.stabilizers[0].schedule)):
        for s in code.stabilizers:
            data = s.schedule[interaction]
            if data is None:
                continue
            conjugated = data in code.conjugated_qubits
            frames[data][interaction] = (
                code.data_pauli(data, s.basis) == "X" if code.gates == "cz" else conjugated
            )
    return frames


def _measure_qubit_in_x_frame(code: Code, basis: str) -> bool:
    return code.gates == "cz" or basis == "x"


def _two_qubit_layer(code: Code, interaction: int) -> Layer:
    targets: list[Coordinate] = []
    for s in code.stabilizers:
        data = s.schedule[interaction]
        if data is None:
            continue
        control_is_data = code.gates == "cx" and s.basis == "z"
        targets += [data, s.coordinate] if control_is_data else [s.coordinate, data]
    return Layer("CZ" if code.gates == "cz" else "CX", tuple(targets))
