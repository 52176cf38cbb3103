"""Check that metadata describe their circuit and folder: wrong ones would label results wrongly."""

import math
import re
from pathlib import Path
from typing import NamedTuple

import stim

from qec.datasets.metadata import Metadata

# Folders of the two layouts; other names say nothing.
_FLAT = re.compile(r"[a-z_]+_code_b(?P<basis>[XZ])_d(?P<distance>\d+)_r(?P<rounds>\d+)_center_[\d.]+_[\d.]+")
_NESTED = re.compile(r"d(?P<distance>\d+)_at_q[^/]*/(?P<basis>[XZ])/r(?P<rounds>\d+)")
_MAX_MEASUREMENTS = 10**6  # of circuits that are looked through
_BASIS = {"M": "Z", "MR": "Z", "MX": "X", "MRX": "X"}
_PAULIS = ("I", "X", "Y", "Z")


class _Found(NamedTuple):
    """Entries that a circuit or a name implies; empty where it implies none."""

    distance: tuple[int, ...] = ()
    rounds: tuple[int, ...] = ()
    basis: tuple[str, ...] = ()


def check_agreement(metadata: Metadata, circuit: stim.Circuit, *, folder: Path, source: Path) -> None:
    """Compare distance, rounds and basis with the circuit and with the name of the folder.

    Circuits of surface and repetition codes with one measurement of each stabilizer per cycle are
    recognised by their numbers of qubits, measurements and layers of detectors; of others, and of data qubits
    that are rotated before they are measured, nothing is required.

    Args:
        metadata: of the experiment.
        circuit: `circuit_ideal.stim`.
        folder: of the experiment.
        source: file of the metadata, for the message.

    Raises:
        ValueError: they disagree.
    """
    name = _FLAT.fullmatch(folder.name) or _NESTED.fullmatch("/".join(folder.parts[-3:]))
    named = (
        _Found()
        if name is None
        else _Found((int(name["distance"]),), (int(name["rounds"]),), (name["basis"],))
    )
    for what, found in (("circuit_ideal.stim", _of_circuit(circuit)), ("the name of the folder", named)):
        for key, values in found._asdict().items():
            value = getattr(metadata, key)
            if values and value not in values:
                shown = " or ".join(map(str, values))
                raise ValueError(
                    f"{source}: {key!r} is {value!r}, but {what} has {shown}: correct one of them"
                )


def _of_circuit(circuit: stim.Circuit) -> _Found:
    if not 0 < circuit.num_measurements <= _MAX_MEASUREMENTS:
        return _Found()
    used: set[int] = set()
    rotated: set[int] = set()
    records: list[tuple[int, str]] = []
    logical: list[tuple[int, str]] = []
    for instruction in circuit.flattened():
        gate, kind = instruction.name, stim.gate_data(instruction.name)
        if not (kind.produces_measurements or kind.is_unitary or gate == "OBSERVABLE_INCLUDE"):
            continue
        targets = instruction.targets_copy()
        qubits = [target.value for target in targets if target.is_qubit_target]
        if gate == "OBSERVABLE_INCLUDE":
            logical += [records[one.value] for one in targets if one.is_measurement_record_target]
            continue
        used.update(qubits)
        if kind.produces_measurements:
            records += [(qubit, gate) for qubit in qubits]
        elif kind.is_single_qubit_gate and gate not in _PAULIS:
            rotated.update(qubits)
    if len(records) != circuit.num_measurements:  # products of Paulis: not a code of this kind
        return _Found()
    bases = {_BASIS.get(gate, "") for qubit, gate in logical if qubit not in rotated}
    plain = len(bases) == 1 and "" not in bases and not any(qubit in rotated for qubit, _ in logical)
    basis = tuple(bases) if plain else ()
    times = {where[2] for where in circuit.get_detector_coordinates().values() if len(where) > 2}
    rounds = len(times) - 1
    if rounds < 1:
        return _Found(basis=basis)
    num_data, rest = divmod(circuit.num_measurements + rounds, rounds + 1)
    if rest or len(used) != 2 * num_data - 1:
        return _Found(basis=basis)
    root = math.isqrt(num_data)
    square = root * root == num_data and root > 1
    return _Found(distance=(root, num_data) if square else (), rounds=(rounds,), basis=basis)
