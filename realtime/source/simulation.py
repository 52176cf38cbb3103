"""Simulate shots of a memory experiment in advance, in bounded memory."""

from collections.abc import Callable, Iterator

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.streaming.layers import LayeredModel
from realtime.source.playlist import Playlist

_Bits = NDArray[np.bool_]
_Bytes = NDArray[np.uint8]

# Bits of all shots that the simulator holds at a time: about 10 MB.
_CHUNK_BITS = 1 << 26
# Shots in one word of the simulator: fewer take the same time.
_LANES = 256


def sample_events(
    circuit: stim.Circuit,
    *,
    shots: int,
    seed: int,
    model: LayeredModel,
    progress: Callable[[int, int], None] | None = None,
) -> Playlist:
    """Simulate shots of a memory experiment with stim; a million cycles need little more memory than their
    rows.

    stim's own sampler keeps every measurement of a circuit for 256 shots at least, 1.6 GB for a million
    cycles of distance 5. Here the repeated cycles are simulated in portions: the Pauli frame at the end of a
    portion, and its last measurements, start the simulator of the next.

    Args:
        circuit: detectors have coordinates (x, y, t) or (x, t).
        shots: up to 256 shots take about the time of one.
        seed: the same seed gives the same shots (for one version of stim on one kind of processor).
        model: layers of that circuit.
        progress: called with the number of simulated cycles and of all cycles.

    Raises:
        ValueError: shots below 1, a model of another circuit, or a circuit with several parts that repeat.
    """
    if shots < 1:
        raise ValueError(f"shots={shots}: must be at least 1")
    if model.num_detectors != circuit.num_detectors:
        raise ValueError(
            f"the model has {model.num_detectors} detectors, the circuit {circuit.num_detectors}: use the "
            "model of this circuit"
        )
    if model.stretches and not model.bulk:
        raise ValueError(
            "several parts of the circuit repeat: sample it with stim and use Playlist.from_events"
        )
    num_cycles, width = model.num_layers - 1, (model.num_columns + 7) // 8
    rows = np.zeros((shots, num_cycles + 1, width), dtype=np.uint8)
    flips = np.zeros((shots, (circuit.num_observables + 7) // 8), dtype=np.uint8)
    for first in range(0, shots, _LANES):
        some = slice(first, min(first + _LANES, shots))
        places = _Places(model)
        at = 0
        for events, observables in _portions(circuit, shots=some.stop - first, seed=seed + first):
            flips[some] ^= np.packbits(observables, axis=0, bitorder="little").T
            places.write(events, rows[some], at)
            at += len(events)
            if progress is not None:
                done = min(places.layer, num_cycles)
                progress(first * num_cycles + (some.stop - first) * done, shots * num_cycles)
    return Playlist(
        rows=rows[:, :-1],
        last=rows[:, -1],
        observable_flips=flips,
        kind="events",
        bits=model.num_columns,
        last_bits=model.num_columns,
    )


class _Places:
    """Writer of detection events in stim's order to their layers and columns."""

    def __init__(self, model: LayeredModel) -> None:
        self._model = model
        self._per_period = model.detectors_per_period
        self.layer = 0

    def write(self, events: _Bits, rows: _Bytes, at: int) -> None:
        """Write events.

        Args:
            events: bool (detectors, shots), beginning with detector number `at`.
            rows: uint8 (shots, layers, bytes) of all layers; written.
            at: number of the first detector.
        """
        model = self._model
        numbers = self._numbers(at, at + len(events))
        for layer, column, chosen in numbers:
            bits = np.zeros((events.shape[1], len(layer), model.num_columns), dtype=np.bool_)
            bits[:, :, column] = events[chosen].reshape(len(layer), len(column), -1).transpose(2, 0, 1)
            rows[:, layer] |= np.packbits(bits, axis=2, bitorder="little")
            self.layer = max(self.layer, int(layer[-1]))

    def _numbers(
        self, start: int, stop: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
        """Group detectors start..stop-1: layers, columns that each layer has, positions from start."""
        model, seen = self._model, self._model.seen_detectors
        num_first, end = len(model.first), len(seen) - len(model.last)
        skipped = model.num_layers - len(seen)
        shift = skipped // model.period * self._per_period
        if not self._per_period:  # numbered in another order: all layers are known
            num_first = end
        for row, later in [*((t, 0) for t in range(num_first)), *((t, 1) for t in range(end, len(seen)))]:
            numbers = seen[row] + later * shift
            there = np.flatnonzero((seen[row] >= 0) & (numbers >= start) & (numbers < stop))
            if there.size:
                yield np.array([row + later * skipped]), there, numbers[there] - start
        periods = (model.num_layers - num_first - len(model.last)) // model.period
        for phase in range(model.period if self._per_period else 0):
            columns = np.flatnonzero(seen[num_first + phase] >= 0)
            if not columns.size:
                continue
            # Periods in which a column's detector is among these; those common to all columns are one group.
            numbers = seen[num_first + phase, columns]
            first = np.clip(-((numbers - start) // self._per_period), 0, periods)
            last = np.clip(-((numbers - stop) // self._per_period), 0, periods)
            common = np.arange(first.max(), max(first.max(), last.min()))
            layers = num_first + phase + common * model.period
            if common.size:
                positions = numbers + common[:, np.newaxis] * self._per_period - start
                yield layers, columns, positions.reshape(-1)
            for period in np.setdiff1d(np.arange(first.min(), last.max()), common):
                some = (first <= period) & (period < last)
                layer = np.array([num_first + phase + period * model.period])
                yield layer, columns[some], numbers[some] + period * self._per_period - start


def _portions(circuit: stim.Circuit, *, shots: int, seed: int) -> Iterator[tuple[_Bits, _Bits]]:
    """Simulate a circuit in portions; yield detection events and observables, bool (n, shots) each."""
    reach = _longest_look_back(circuit)
    num_qubits = circuit.num_qubits
    seeds = np.random.default_rng(seed)
    simulator = _simulator(shots, seeds)
    for portion in _cut(circuit, lanes=max(shots, _LANES)):
        simulator.do(portion)
        observables = np.zeros((circuit.num_observables, shots), dtype=np.bool_)
        found = simulator.get_observable_flips()
        observables[: len(found)] = found
        yield simulator.get_detector_flips(), observables
        simulator = _successor(simulator, num_qubits, reach, shots, seeds)


def _simulator(shots: int, seeds: np.random.Generator) -> stim.FlipSimulator:
    return stim.FlipSimulator(batch_size=shots, seed=int(seeds.integers(1 << 62)))


def _successor(
    before: stim.FlipSimulator, num_qubits: int, reach: int, shots: int, seeds: np.random.Generator
) -> stim.FlipSimulator:
    """Make a simulator with the same Pauli frame and the same last measurements, and no other history."""
    after = _simulator(shots, seeds)
    known = min(reach, before.num_measurements)
    # The last measurements become measurements of additional qubits.
    after.broadcast_pauli_errors(pauli="I", mask=np.zeros((num_qubits + known, shots), dtype=np.bool_))
    wanted_x, wanted_z = _errors(before, num_qubits + known)
    if known:
        recent = range(before.num_measurements - known, before.num_measurements)
        for qubit, record in enumerate(recent, start=num_qubits):
            wanted_x[qubit] = before.get_measurement_flips(record_index=record)
    now_x, now_z = _errors(after, num_qubits + known)  # a new simulator's qubits have random phases
    now_z[num_qubits:] = wanted_z[num_qubits:] = False
    after.broadcast_pauli_errors(pauli="X", mask=wanted_x ^ now_x)
    after.broadcast_pauli_errors(pauli="Z", mask=wanted_z ^ now_z)
    if known:
        measure = stim.Circuit()
        measure.append("M", range(num_qubits, num_qubits + known))
        after.do(measure)
    return after


def _errors(simulator: stim.FlipSimulator, num_qubits: int) -> tuple[_Bits, _Bits]:
    """Return the X and Z parts of the Pauli frame, bool (num_qubits, shots) each."""
    paulis = simulator.peek_pauli_flips()
    x = np.zeros((num_qubits, len(paulis)), dtype=np.bool_)
    z = np.zeros((num_qubits, len(paulis)), dtype=np.bool_)
    for shot, pauli in enumerate(paulis):
        xs, zs = pauli.to_numpy()
        count = min(len(xs), num_qubits)
        x[:count, shot], z[:count, shot] = xs[:count], zs[:count]
    return x, z


def _cut(circuit: stim.Circuit, *, lanes: int) -> Iterator[stim.Circuit]:
    """Cut a circuit into portions that fit in memory; only REPEAT blocks are cut."""
    waiting = stim.Circuit()
    for instruction in circuit:
        if not isinstance(instruction, stim.CircuitRepeatBlock):
            waiting.append(instruction)
            continue
        body = instruction.body_copy()
        bits = max(1, body.num_measurements + body.num_detectors) * lanes
        most = max(1, _CHUNK_BITS // bits)
        if instruction.repeat_count <= most:
            waiting.append(instruction)
            continue
        yield waiting
        for done in range(0, instruction.repeat_count, most):
            portion = stim.Circuit()
            portion.append(stim.CircuitRepeatBlock(min(most, instruction.repeat_count - done), body))
            yield portion
        waiting = stim.Circuit()
    yield waiting


def _longest_look_back(circuit: stim.Circuit) -> int:
    """Return the largest number of measurements that a target of the circuit looks back."""
    furthest = 0
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            furthest = max(furthest, _longest_look_back(instruction.body_copy()))
        else:
            looks = [-t.value for t in instruction.targets_copy() if t.is_measurement_record_target]
            furthest = max(furthest, *looks, 0)
    return furthest
