"""Insert the errors of a noise model into a clean circuit."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import stim

from qec.instructions import append_instruction, group_text
from qec.noise.channel import KINDS, Channel
from qec.noise.decoherence import Decoherence
from qec.noise.paulis import append_channel, check_weights
from qec.noise.structure import (
    ANNOTATIONS,
    acts_on_qubits,
    begins_with_tick,
    find_ancillas,
    find_data_qubits,
    find_neighbours,
    find_used_qubits,
    group_qubits,
    has_cycle_tick,
    has_tick,
    is_followed_by_tick,
    measures_products,
)

_FLIP_AFTER_RESET = {
    "R": "X_ERROR",
    "MR": "X_ERROR",
    "RX": "Z_ERROR",
    "MRX": "Z_ERROR",
    "RY": "X_ERROR",
    "MRY": "X_ERROR",
}

Group = tuple[int, ...]

# Iterations of a REPEAT block after which its layers and cycles must repeat.
_MAX_ITERATIONS = 6


class _State(NamedTuple):
    """State of the layer and cycle after the instructions executed so far.

    Attributes:
        busy: qubits with an operation in the current layer.
        slow: whether the current layer has a measurement or reset.
        partner: (qubit, partner) pairs of the two-qubit gates of the current layer.
        cycle_due: whether the next gate or joint measurement begins a cycle (cycles found without tags).
        measured: Pauli products measured since the cycle began, as the text of their targets.
        spent: (qubit, ns) pairs: time of the qubit's operations in the current layer (with decoherence).
    """

    busy: frozenset[int] = frozenset()
    slow: bool = False
    partner: tuple[tuple[int, int], ...] = ()
    cycle_due: bool = True
    measured: frozenset[str] = frozenset()
    spent: tuple[tuple[int, float], ...] = ()


def apply_noise(
    channels: Sequence[Channel], circuit: stim.Circuit, decoherence: Decoherence | None = None
) -> stim.Circuit:
    """Return a noisy copy of `circuit`; see `NoiseModel.apply`, the public function."""
    return _Applier(channels, circuit, decoherence).run(circuit)


#: Tag of operations without errors, for example a perfect preparation by MPP.
NOISELESS = "noiseless"


class _Applier:
    """One pass over a circuit: rates by qubit number, and the state of the current layer and cycle."""

    def __init__(
        self, channels: Sequence[Channel], circuit: stim.Circuit, decoherence: Decoherence | None
    ) -> None:
        # Channels of rate 0 are left out, so that they make no demands on the circuit.
        self._channels = {c.kind: c for c in channels if c.rate > 0 or c.overrides}
        self._coordinates = {q: tuple(at) for q, at in circuit.get_final_qubit_coordinates().items()}
        self._decoherence = decoherence
        by_place = any(c.overrides or c.spread for c in self._channels.values())
        if not self._coordinates and (by_place or (decoherence is not None and decoherence.overrides)):
            raise ValueError("rates for single positions, but the circuit has no QUBIT_COORDS: add them")
        self._qubits = sorted(find_used_qubits(circuit) | set(self._coordinates))
        self._data: list[int] = []
        self._ancillas: frozenset[int] = frozenset()
        self._finds_cycles = False
        if "cycle_data" in self._channels:
            self._ancillas = find_ancillas(circuit)
            self._data = find_data_qubits(circuit, self._ancillas)
            self._finds_cycles = not has_cycle_tick(circuit)
            if not self._data:
                raise ValueError(
                    "every qubit is measured more than once, so data qubits and ancillas cannot be "
                    "distinguished: tag data qubits with QUBIT_COORDS[data]"
                )
            if self._finds_cycles and not self._ancillas and not measures_products(circuit):
                raise ValueError(
                    "errors at the start of each cycle need cycles, but no qubit or Pauli product is "
                    "measured twice or by MR; tag them: QUBIT_COORDS[data] for data qubits, TICK[cycle] "
                    "where a cycle begins, as qec.memory_circuit does"
                )
        self._rates: dict[tuple[str, Group], float] = {}
        self._crossing = "crosstalk" in self._channels
        self._neighbours = find_neighbours(circuit) if self._crossing else {}
        self._enter(_State())

    def run(self, circuit: stim.Circuit) -> stim.Circuit:
        noisy = self._block(circuit, before_tick=True)
        self._end_layer(noisy)
        return noisy

    def _enter(self, state: _State) -> None:
        self._busy = set(state.busy)
        self._slow = state.slow
        self._partner = dict(state.partner)
        self._cycle_due = state.cycle_due
        self._measured = set(state.measured)
        self._spent = dict(state.spent)

    def _state(self) -> _State:
        return _State(
            frozenset(self._busy),
            self._slow,
            tuple(sorted(self._partner.items())),
            self._cycle_due,
            frozenset(self._measured),
            tuple(sorted(self._spent.items())),
        )

    def _block(self, circuit: stim.Circuit, *, before_tick: bool) -> stim.Circuit:
        """Add noise to a circuit or to the body of a REPEAT block.

        Args:
            circuit: without noise.
            before_tick: whether the end of this block is certain to be the end of a layer.
        """
        out = stim.Circuit()
        # Where there are no TICKs, a qubit's second operation begins a layer.
        by_use = not has_tick(circuit)
        for index, instruction in enumerate(circuit):
            if _is_noise(instruction):
                raise ValueError(f"the circuit already has noise ({_short(instruction)}): use a clean one")
            if isinstance(instruction, stim.CircuitRepeatBlock):
                self._repeat(out, instruction, is_followed_by_tick(circuit, index, at_end=before_tick))
            elif instruction.name in ANNOTATIONS or instruction.tag == NOISELESS:
                out.append(instruction)
            elif instruction.name == "TICK":
                self._end_layer(out)
                out.append(instruction)
                if instruction.tag == "cycle":
                    self._emit(out, "cycle_data", [(q,) for q in self._data])
            else:
                self._operation(out, instruction, by_use=by_use)
        return out

    def _repeat(self, out: stim.Circuit, block: stim.CircuitRepeatBlock, before_tick: bool) -> None:
        """Add noise to a REPEAT block, which stays folded.

        A layer may extend over the ends of the block, and a cycle begins where a product is measured again.
        Errors are added where a layer ends, so that an iteration depends on those before it through `_State`
        only: after the first iteration that leaves the state unchanged, all are equal. Earlier ones are
        written out where they differ.
        """
        body = block.body_copy()
        closed = begins_with_tick(body) and before_tick
        if closed:
            self._end_layer(out)
        entry = before = self._state()
        iterations: list[stim.Circuit] = []
        settled = False
        while not settled and len(iterations) < min(block.repeat_count, _MAX_ITERATIONS):
            iterations.append(self._iteration(body, closed=closed))
            settled, before = self._state() == before, self._state()
        if not settled and len(iterations) < block.repeat_count:
            # Layers or cycles found by repeated use that drift against the iterations: each iteration begins
            # one.
            self._enter(entry)
            self._end_layer(out)
            self._enter(_State())
            iterations = [self._iteration(body, closed=True)]
        *early, later = iterations
        count = block.repeat_count - len(early)
        while early and early[-1] == later:
            early.pop()
            count += 1
        for iteration in early:
            out += iteration
        out.append(stim.CircuitRepeatBlock(count, later, tag=block.tag))

    def _iteration(self, body: stim.Circuit, *, closed: bool) -> stim.Circuit:
        noisy = self._block(body, before_tick=closed)
        if closed:
            self._end_layer(noisy)
        return noisy

    def _operation(self, out: stim.Circuit, instruction: stim.CircuitInstruction, *, by_use: bool) -> None:
        gate = stim.gate_data(instruction.name)
        measures = gate.produces_measurements
        for groups in _without_repeats(instruction):
            struck = [group_qubits(group) for group in groups if acts_on_qubits(group)]
            qubits = {qubit for group in struck for qubit in group}
            if by_use and not self._busy.isdisjoint(qubits):
                self._end_layer(out)
            if self._finds_cycles and struck:
                self._follow_cycle(out, gate, groups)
            if measures:
                self._measure(out, instruction, groups)
            else:
                _append_part(out, instruction, groups, [])
            self._busy |= qubits
            self._slow |= gate.is_reset or measures
            if self._decoherence is not None:
                self._spend(self._decoherence, struck, measures=measures, resets=gate.is_reset)
            if gate.is_reset:
                self._emit(out, "reset", struck, flip=_FLIP_AFTER_RESET[gate.name])
                continue
            if not measures:
                self._emit(out, "one_qubit", [group for group in struck if len(group) == 1])
            pairs = [pair for group in struck for pair in pairwise(group)]
            self._emit(out, "two_qubit", pairs)
            if not measures:
                self._partner.update(pair for a, b in pairs for pair in ((a, b), (b, a)))

    def _follow_cycle(
        self, out: stim.Circuit, gate: stim.GateData, groups: list[list[stim.GateTarget]]
    ) -> None:
        """Begin a cycle at the first gate after ancillas were measured, or at a repeated product."""
        products: set[str] = set()
        if gate.produces_measurements:
            products = {
                f"{gate.name} {' '.join(str(t).lstrip('!') for t in g)}" for g in groups if len(g) > 1
            }
            if not self._measured.isdisjoint(products):
                self._cycle_due = True
        if self._cycle_due and (products or not (gate.is_reset or gate.produces_measurements)):
            self._emit(out, "cycle_data", [(q,) for q in self._data])
            self._cycle_due = False
            self._measured = set()
        self._measured |= products
        if gate.produces_measurements:
            single = (group_qubits(g) for g in groups if len(g) == 1)
            self._cycle_due |= any(qubit in self._ancillas for (qubit,) in single)

    def _measure(
        self, out: stim.Circuit, instruction: stim.CircuitInstruction, groups: list[list[stim.GateTarget]]
    ) -> None:
        """Append measurements with the rate of a flipped result as their argument, in their order.

        The result of a product has the largest of its qubits' rates.
        """
        for group in groups:
            rate = max(self._rate("readout", (qubit,)) for qubit in group_qubits(group))
            _append_part(out, instruction, [group], [rate] if rate > 0 else [])

    def _end_layer(self, out: stim.Circuit) -> None:
        if self._crossing and self._partner:
            self._emit(out, "crosstalk", self._crossed())
        if self._busy:
            idle = [(q,) for q in self._qubits if q not in self._busy]
            self._emit(out, "idle", idle)
            if self._slow:
                self._emit(out, "idle_measure_reset", idle)
        if self._decoherence is not None and self._spent:
            self._decohere(out, self._decoherence)
        self._busy = set()
        self._slow = False
        self._partner = {}
        self._spent = {}

    def _spend(
        self, decoherence: Decoherence, groups: Sequence[Group], *, measures: bool, resets: bool
    ) -> None:
        for group in groups:
            time = decoherence.durations.operation_ns(num_qubits=len(group), measures=measures, resets=resets)
            for qubit in group:
                self._spent[qubit] = self._spent.get(qubit, 0.0) + time

    def _decohere(self, out: stim.Circuit, decoherence: Decoherence) -> None:
        """Append errors of all qubits in the time that their operations leave of the layer, one instruction
        for each distinct set of probabilities."""
        duration = max(self._spent.values())
        by_errors: dict[tuple[float, float, float], list[int]] = {}
        for qubit in self._qubits:
            wait = duration - self._spent.get(qubit, 0.0)
            if wait > 0:
                errors = decoherence.errors_at(self._coordinates.get(qubit, ()), wait)
                by_errors.setdefault(errors, []).append(qubit)
        for errors, qubits in by_errors.items():
            rate = sum(errors)
            if rate > 0:
                weights = check_weights("decoherence", 1, dict(zip("XYZ", errors, strict=True)))
                append_channel(out, 1, qubits, rate, weights)

    def _crossed(self) -> list[Group]:
        """Return pairs of neighbours in different two-qubit gates of this layer, each pair once."""
        return [
            (one, other)
            for one in sorted(self._partner)
            for other in self._neighbours[one]
            if one < other and other in self._partner and self._partner[one] != other
        ]

    def _emit(self, out: stim.Circuit, kind: str, groups: Iterable[Group], *, flip: str = "") -> None:
        """Append an instruction for each distinct rate of this kind: `flip`, or the channel's errors."""
        channel = self._channels.get(kind)
        if channel is None:
            return
        by_rate: dict[float, list[int]] = {}
        for group in groups:
            by_rate.setdefault(self._rate(kind, group), []).extend(group)
        for rate, targets in by_rate.items():
            if rate > 0 and flip:
                append_instruction(out, flip, targets, [rate])
            elif rate > 0:
                append_channel(out, KINDS[kind].num_qubits, targets, rate, channel.weights)

    def _rate(self, kind: str, group: Group) -> float:
        rate = self._rates.get((kind, group))
        if rate is None:
            channel = self._channels.get(kind)
            places = (self._coordinates.get(qubit, ()) for qubit in group)
            rate = self._rates[kind, group] = 0.0 if channel is None else channel.rate_at(*places)
        return rate


def _without_repeats(instruction: stim.CircuitInstruction) -> Iterator[list[list[stim.GateTarget]]]:
    """Split the target groups where a qubit occurs again: errors are inserted between its uses."""
    groups: list[list[stim.GateTarget]] = []
    seen: set[int] = set()
    for group in instruction.target_groups():
        qubits = set(group_qubits(group))
        if not seen.isdisjoint(qubits):
            yield groups
            groups, seen = [], set()
        groups.append(group)
        seen |= qubits
    if groups:
        yield groups


def _append_part(
    out: stim.Circuit,
    instruction: stim.CircuitInstruction,
    groups: list[list[stim.GateTarget]],
    arguments: list[float],
) -> None:
    """Append the instruction for some of its target groups."""
    append_instruction(out, instruction.name, map(group_text, groups), arguments, tag=instruction.tag)


def _is_noise(instruction: stim.CircuitInstruction | stim.CircuitRepeatBlock) -> bool:
    """Return whether this is an error channel, or a measurement with a probability of a wrong result."""
    if isinstance(instruction, stim.CircuitRepeatBlock):
        return False
    gate = stim.gate_data(instruction.name)
    if gate.produces_measurements:
        return any(instruction.gate_args_copy())
    return bool(gate.is_noisy_gate)


def _short(instruction: stim.CircuitInstruction) -> str:
    arguments = ", ".join(f"{a:g}" for a in instruction.gate_args_copy())
    return f"{instruction.name}({arguments})" if arguments else instruction.name
