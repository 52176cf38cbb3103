"""Memory experiments: stim circuits from a code, a number of cycles, a basis and a noise model."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import stim
from numpy.typing import NDArray

from qec.codes.code import Basis, Code, Coordinate, check_basis
from qec.codes.cycle import Layer, interaction_layers, required_frames
from qec.instructions import append_instruction, record_targets
from qec.noise.model import NoiseModel


def memory_circuit(
    code: Code, *, rounds: int, basis: str = "z", noise: NoiseModel | None = None
) -> stim.Circuit:
    """Make a circuit that stores one logical qubit for some cycles.

    Data qubits are prepared in a product state of `basis`, the stabilizers are measured `rounds` times, and
    the data qubits are measured in the same basis, at the same time as the last cycle's measure qubits (as
    on hardware and in stim's generated circuits). Observable 0 is the logical operator of `basis`.

    The circuit is laid out in layers between TICKs; a qubit without a gate in a layer idles there. Tags
    for noise models: `QUBIT_COORDS[data]` marks data qubits, `TICK[cycle]` starts each cycle.

    Qubits are numbered by row (y), then x. Measurements: each cycle's measure qubits in the order of
    `code.stabilizers`, at the end the data qubits in the order of `code.data_qubits`. Detectors carry
    coordinates (x, y, t) of the measure qubit and the cycle: t = 0 holds the checks that the preparation
    determines, t = 1 .. rounds-1 all checks, t = rounds those computed from the data qubits. All cycles but
    the first and last are one REPEAT block.

    Args:
        code: to run; of a repetition code, the chain that protects `basis`.
        rounds: number of cycles, at least 1.
        basis: "x" or "z", either case.
        noise: applied to the circuit; None: a circuit without noise.

    Raises:
        ValueError: rounds below 1, an unknown basis, or a noise argument that is not a `NoiseModel`.
    """
    num_rounds = _check_rounds(rounds)
    checked = check_basis(basis)
    if noise is not None and not isinstance(noise, NoiseModel):
        raise ValueError(
            f"noise must be a NoiseModel, for example qec.noise.si1000(0.003), not {type(noise).__name__}"
        )
    clean = _Builder(code.in_basis(checked), checked).circuit(num_rounds)
    return clean if noise is None else noise.apply(clean)


def memory_metadata(
    code: Code, *, rounds: int, basis: str = "z", noise: NoiseModel | None = None
) -> dict[str, str | int | float]:
    """Return the metadata of a memory experiment for sinter, with sinter's usual keys.

    Returns:
        c: the code's key; d: distance (dx, dz as well for a rectangle); r: cycles; b: basis; noise: the noise
        model's name, "none" without one; p: its strength, absent for models without a single one; leakage:
        the leakage rates of a device that has them, which a circuit cannot contain.
    """
    metadata: dict[str, str | int | float] = {"c": code.key, "d": code.distance}
    by_basis = {"dx": code.memory_distance("z"), "dz": code.memory_distance("x")}
    if len(set(by_basis.values())) > 1:
        metadata |= by_basis
    metadata |= {"r": _check_rounds(rounds), "b": check_basis(basis)}
    metadata["noise"] = "none" if noise is None else noise.name
    if noise is not None and noise.p is not None:
        metadata["p"] = noise.p
    if noise is not None and noise.leakage is not None:
        metadata["leakage"] = noise.leakage.text
    return metadata


def patch_detectors(code: Code, patch: Code, *, rounds: int) -> NDArray[np.int64]:
    """Return the indices of a sub-chain's detectors among those of the whole chain, in the sub-chain's order.

    `events[:, patch_detectors(chain, sub_chain, rounds=r)]` are the sub-chain's detection events in r cycles.
    For its observable see `RepetitionCode.observable_stabilizers`.

    Returns:
        int64 ((rounds + 1) * patch.num_stabilizers,).

    Raises:
        ValueError: `patch` has a stabilizer that `code` does not measure, or not all checks of `code` have
            known values in the first cycle (surface codes), so that detectors are not a full grid.
    """
    num_layers = _check_rounds(rounds) + 1
    if len({s.basis for s in code.stabilizers}) > 1:
        raise ValueError(
            f"detectors of {code.key} are no grid of stabilizers and cycles: use a repetition code"
        )
    layer = code.stabilizer_indices(patch)
    starts = np.arange(num_layers, dtype=np.int64) * code.num_stabilizers
    return (starts[:, np.newaxis] + layer[np.newaxis, :]).reshape(-1)


def _check_rounds(rounds: int) -> int:
    try:
        number = operator.index(rounds)
    except TypeError:
        number = 0
    if number < 1:
        raise ValueError(f"rounds must be an integer of at least 1, not {rounds!r}")
    return number


class _Builder:
    """Builder of the circuit of one code and basis."""

    def __init__(self, code: Code, basis: Basis) -> None:
        self._code = code
        self._basis = basis
        self._index = {qubit: number for number, qubit in enumerate(code.qubits)}
        self._measure = [s.coordinate for s in code.stabilizers]
        self._data_place = {data: place for place, data in enumerate(code.data_qubits)}

        # The frame (see cycle.py) in which each data qubit is prepared and measured. The CZ gate set prepares
        # |0> only; with CX gates it is the frame that saves a Hadamard. Between cycles a data qubit is in
        # the code's frame.
        frames = required_frames(code)
        pauli = {data: code.data_pauli(data, basis) for data in code.data_qubits}
        self._rest = dict.fromkeys(code.data_qubits, False)
        if code.gates == "cz":
            self._prepared = self._measured = {data: pauli[data] == "X" for data in code.data_qubits}
        else:
            self._prepared = {data: next(iter(frames[data].values())) for data in code.data_qubits}
            self._measured = {data: [*frames[data].values()][-1] for data in code.data_qubits}
        self._prepared_in_x = {d: (pauli[d] == "X") != swapped for d, swapped in self._prepared.items()}
        self._measured_in_x = {d: (pauli[d] == "X") != swapped for d, swapped in self._measured.items()}

    def circuit(self, rounds: int) -> stim.Circuit:
        circuit = stim.Circuit()
        for qubit, number in self._index.items():
            tag = "data" if qubit in self._data_place else ""
            append_instruction(circuit, "QUBIT_COORDS", [number], qubit, tag=tag)
        self._by_basis(circuit, "R", self._prepared_in_x)
        self._gate(circuit, "R", self._measure)

        self._cycle(circuit, entry=self._prepared, last=rounds == 1, first=True)
        known = [i for i, s in enumerate(self._code.stabilizers) if s.basis == self._basis]
        for i in known:
            self._detector(circuit, i, 0, [self._check_record(i)])
        if rounds > 2:
            body = stim.Circuit()
            self._cycle(body, entry=self._rest, last=False, first=False)
            self._compare_with_previous(body)
            circuit.append(stim.CircuitRepeatBlock(rounds - 2, body))
        if rounds > 1:
            self._cycle(circuit, entry=self._rest, last=True, first=False)
            self._compare_with_previous(circuit)

        self._by_basis(circuit, "M", self._measured_in_x)
        num_data = len(self._data_place)
        for i in known:
            support = self._code.stabilizers[i].support
            self._detector(circuit, i, 1, [*self._data_records(support), self._check_record(i) - num_data])
        logical = [data for data, _ in self._code.logical(self._basis)]
        append_instruction(circuit, "OBSERVABLE_INCLUDE", record_targets(self._data_records(logical)), [0])
        return circuit

    def _cycle(
        self, circuit: stim.Circuit, *, entry: Mapping[Coordinate, bool], first: bool, last: bool
    ) -> None:
        cz = self._code.gates == "cz"
        append_instruction(circuit, "TICK", tag="cycle")
        if cz and not first:
            self._gate(circuit, "R", self._measure)
            append_instruction(circuit, "TICK")
        for layer in self._layers(entry, last):
            self._gate(circuit, layer.gate, layer.targets)
            append_instruction(circuit, "TICK")
        self._gate(circuit, "M" if cz else "MR", self._measure)

    def _layers(self, entry: Mapping[Coordinate, bool], last: bool) -> list[Layer]:
        return interaction_layers(self._code, entry=entry, leave=self._measured if last else self._rest)

    def _compare_with_previous(self, circuit: stim.Circuit) -> None:
        append_instruction(circuit, "SHIFT_COORDS", [], (0, 0, 1))
        for i in range(len(self._measure)):
            record = self._check_record(i)
            self._detector(circuit, i, 0, [record, record - len(self._measure)])

    def _detector(self, circuit: stim.Circuit, check: int, layer: int, records: Sequence[int]) -> None:
        append_instruction(circuit, "DETECTOR", record_targets(records), (*self._measure[check], layer))

    def _check_record(self, check: int) -> int:
        return check - len(self._measure)

    def _data_records(self, data: Iterable[Coordinate]) -> list[int]:
        return [self._data_place[at] - len(self._data_place) for at in data]

    def _by_basis(self, circuit: stim.Circuit, gate: str, in_x: Mapping[Coordinate, bool]) -> None:
        """Reset or measure all data qubits in their order, in X where `in_x` is true."""
        for data, x in in_x.items():
            self._gate(circuit, gate + "X" if x else gate, [data])

    def _gate(self, circuit: stim.Circuit, gate: str, targets: Iterable[Coordinate]) -> None:
        append_instruction(circuit, gate, [self._index[at] for at in targets])
