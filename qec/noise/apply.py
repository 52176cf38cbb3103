"""Putting the errors of a noise model into a clean circuit."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import stim

from qec.noise.channel import Channel

_ANNOTATIONS = frozenset({"DETECTOR", "OBSERVABLE_INCLUDE", "SHIFT_COORDS", "QUBIT_COORDS", "MPAD"})
_FLIP_AFTER_RESET = {
    "R": "X_ERROR",
    "MR": "X_ERROR",
    "RX": "Z_ERROR",
    "MRX": "Z_ERROR",
    "RY": "X_ERROR",
    "MRY": "X_ERROR",
}

Group = tuple[int, ...]


def apply_noise(channels: Sequence[Channel], circuit: stim.Circuit) -> stim.Circuit:
    """A noisy copy of `circuit`; see `NoiseModel.apply`, which is the public door."""
    return _Applier(channels, circuit).run(circuit)


class _Applier:
    """State of one pass: the channels' rates by qubit number, and who has been at work in this layer."""

    def __init__(self, channels: Sequence[Channel], circuit: stim.Circuit) -> None:
        # Channels that never strike are left out, so that they ask nothing of the circuit.
        self._channels = {c.kind: c for c in channels if c.rate > 0 or c.overrides}
        self._coordinates = {q: tuple(at) for q, at in circuit.get_final_qubit_coordinates().items()}
        if not self._coordinates and any(c.overrides or c.spread for c in self._channels.values()):
            raise ValueError("rates are given for single places, but the circuit has no QUBIT_COORDS")
        self._qubits = sorted(_used_qubits(circuit) | set(self._coordinates))
        self._data = sorted(_data_qubits(circuit))
        if "cycle_data" in self._channels and not (self._data and _has_cycle_tick(circuit)):
            raise ValueError(
                "errors at the start of each cycle need the tags QUBIT_COORDS[data] and TICK[cycle]; "
                "qec.memory_circuit writes them"
            )
        self._idling = not self._channels.keys().isdisjoint({"idle", "idle_measure_reset"})
        self._rates: dict[tuple[str, Group], float] = {}
        self._busy: set[int] = set()
        self._slow = False
        self._crossing = "crosstalk" in self._channels
        self._neighbours = _neighbours(circuit) if self._crossing else {}
        self._partner: dict[int, int] = {}

    def run(self, circuit: stim.Circuit) -> stim.Circuit:
        noisy = self._block(circuit)
        self._end_layer(noisy)
        return noisy

    def _block(self, circuit: stim.Circuit) -> stim.Circuit:
        out = stim.Circuit()
        behind_repeat = False
        for instruction in circuit:
            if _is_noise(instruction):
                raise ValueError(f"the circuit already has noise ({_short(instruction)}); give a clean one")
            if isinstance(instruction, stim.CircuitRepeatBlock):
                self._end_layer(out)
                body = instruction.body_copy()
                if (self._idling or self._crossing) and not _begins_with_tick(body):
                    raise ValueError("idling and crosstalk need layers: a REPEAT block must begin with TICK")
                noisy_body = self._block(body)
                self._end_layer(noisy_body)
                out.append(stim.CircuitRepeatBlock(instruction.repeat_count, noisy_body, tag=instruction.tag))
                behind_repeat = True
            elif instruction.name in _ANNOTATIONS:
                out.append(instruction)
            elif instruction.name == "TICK":
                self._end_layer(out)
                out.append(instruction)
                if instruction.tag == "cycle":
                    self._emit(out, "cycle_data", "DEPOLARIZE1", [(q,) for q in self._data])
                behind_repeat = False
            else:
                if (self._idling or self._crossing) and behind_repeat:
                    raise ValueError(
                        "idling and crosstalk need layers: a REPEAT block must be followed by TICK"
                    )
                self._operation(out, instruction)
        return out

    def _operation(self, out: stim.Circuit, instruction: stim.CircuitInstruction) -> None:
        gate = stim.gate_data(instruction.name)
        if not (gate.is_single_qubit_gate or (gate.is_two_qubit_gate and gate.is_unitary)):
            raise ValueError(
                f"no noise channel describes {instruction.name}; use resets, measurements of one qubit, and "
                "one- or two-qubit gates"
            )
        for groups in _without_repeats(instruction):
            if gate.produces_measurements:
                self._measure(out, instruction, groups)
            else:
                targets = [target for group in groups for target in group]
                out.append(stim.CircuitInstruction(instruction.name, targets, tag=instruction.tag))
            struck = [tuple(t.value for t in group) for group in groups if _only_qubits(group)]
            self._busy.update(qubit for group in struck for qubit in group)
            self._slow |= gate.is_reset or gate.produces_measurements
            if gate.is_reset:
                self._emit(out, "reset", _FLIP_AFTER_RESET[gate.name], struck)
            if gate.is_unitary and gate.is_single_qubit_gate:
                self._emit(out, "one_qubit", "DEPOLARIZE1", struck)
            if gate.is_unitary and gate.is_two_qubit_gate:
                self._emit(out, "two_qubit", "DEPOLARIZE2", struck)
                self._partner.update(pair for a, b in struck for pair in ((a, b), (b, a)))

    def _measure(
        self, out: stim.Circuit, instruction: stim.CircuitInstruction, groups: list[list[stim.GateTarget]]
    ) -> None:
        """Measurements with the rate of a flipped result as their argument, in the order they had."""
        for (target,) in groups:
            rate = self._rate("readout", (target.value,))
            arguments = [rate] if rate > 0 else []
            out.append(stim.CircuitInstruction(instruction.name, [target], arguments, tag=instruction.tag))

    def _end_layer(self, out: stim.Circuit) -> None:
        if self._crossing and self._partner:
            self._emit(out, "crosstalk", "DEPOLARIZE2", self._crossed())
        if self._busy:
            idle = [(q,) for q in self._qubits if q not in self._busy]
            self._emit(out, "idle", "DEPOLARIZE1", idle)
            if self._slow:
                self._emit(out, "idle_measure_reset", "DEPOLARIZE1", idle)
        self._busy = set()
        self._slow = False
        self._partner = {}

    def _crossed(self) -> list[Group]:
        """Neighbours at work in different two-qubit gates of this layer, each pair once."""
        return [
            (one, other)
            for one in sorted(self._partner)
            for other in self._neighbours[one]
            if one < other and other in self._partner and self._partner[one] != other
        ]

    def _emit(self, out: stim.Circuit, kind: str, error: str, groups: Iterable[Group]) -> None:
        """One instruction for each distinct rate of this kind of channel."""
        if kind not in self._channels:
            return
        by_rate: dict[float, list[int]] = {}
        for group in groups:
            by_rate.setdefault(self._rate(kind, group), []).extend(group)
        for rate, targets in by_rate.items():
            if rate > 0:
                out.append(error, targets, rate)

    def _rate(self, kind: str, group: Group) -> float:
        rate = self._rates.get((kind, group))
        if rate is None:
            channel = self._channels.get(kind)
            places = (self._coordinates.get(qubit, ()) for qubit in group)
            rate = self._rates[kind, group] = 0.0 if channel is None else channel.rate_at(*places)
        return rate


def _without_repeats(instruction: stim.CircuitInstruction) -> Iterator[list[list[stim.GateTarget]]]:
    """The instruction's target groups, cut wherever a qubit comes up again: errors go between its uses."""
    groups: list[list[stim.GateTarget]] = []
    seen: set[int] = set()
    for group in instruction.target_groups():
        qubits = {target.value for target in group if target.is_qubit_target}
        if not seen.isdisjoint(qubits):
            yield groups
            groups, seen = [], set()
        groups.append(group)
        seen |= qubits
    if groups:
        yield groups


def _is_noise(instruction: stim.CircuitInstruction | stim.CircuitRepeatBlock) -> bool:
    """Whether this is an error channel, or a measurement that may report a wrong result."""
    if isinstance(instruction, stim.CircuitRepeatBlock):
        return False
    gate = stim.gate_data(instruction.name)
    if gate.produces_measurements:
        return any(instruction.gate_args_copy())
    return bool(gate.is_noisy_gate)


def _only_qubits(group: Iterable[stim.GateTarget]) -> bool:
    return all(target.is_qubit_target for target in group)


def _begins_with_tick(body: stim.Circuit) -> bool:
    return len(body) > 0 and body[0].name == "TICK"


def _walk(circuit: stim.Circuit) -> Iterator[stim.CircuitInstruction]:
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            yield from _walk(instruction.body_copy())
        else:
            yield instruction


def _any(circuit: stim.Circuit, condition: Callable[[stim.CircuitInstruction], bool]) -> bool:
    return any(condition(instruction) for instruction in _walk(circuit))


def _has_cycle_tick(circuit: stim.Circuit) -> bool:
    return _any(circuit, lambda i: i.name == "TICK" and i.tag == "cycle")


def _used_qubits(circuit: stim.Circuit) -> set[int]:
    return {
        target.value
        for instruction in _walk(circuit)
        if instruction.name not in _ANNOTATIONS
        for target in instruction.targets_copy()
        if target.is_qubit_target
    }


def _neighbours(circuit: stim.Circuit) -> dict[int, list[int]]:
    """For each qubit those that it has a two-qubit gate with, in ascending order."""
    found: dict[int, set[int]] = {}
    for instruction in _walk(circuit):
        if instruction.name in _ANNOTATIONS or not stim.gate_data(instruction.name).is_two_qubit_gate:
            continue
        for group in instruction.target_groups():
            if _only_qubits(group):
                one, other = (target.value for target in group)
                found.setdefault(one, set()).add(other)
                found.setdefault(other, set()).add(one)
    return {qubit: sorted(others) for qubit, others in found.items()}


def _data_qubits(circuit: stim.Circuit) -> set[int]:
    return {
        target.value
        for instruction in _walk(circuit)
        if instruction.name == "QUBIT_COORDS" and instruction.tag == "data"
        for target in instruction.targets_copy()
    }


def _short(instruction: stim.CircuitInstruction) -> str:
    arguments = ", ".join(f"{a:g}" for a in instruction.gate_args_copy())
    return f"{instruction.name}({arguments})" if arguments else instruction.name
