"""Detection events from raw measurements as they arrive: the parities that a circuit's detectors are."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.layers import LayeredModel
from decoders.repeats import SEEN_REPEATS


class _Terms(NamedTuple):
    """For one layer: detector column[i] contains measurement offset[i], counted from the cycle's first."""

    column: NDArray[np.int64]
    offset: NDArray[np.int64]
    #: uint8 (columns,): the parities without errors; ones come from gates that flip qubits.
    expected: NDArray[np.uint8]


class Parities(NamedTuple):
    """The parities of the first cycles, of the data readout and of a cycle of the bulk, in this order."""

    #: int64 (layers + 1,): the terms of layer i are start[i]..start[i + 1]-1.
    start: NDArray[np.int64]
    #: int64 (terms,): detector `column` contains measurement `offset`, counted from the layer's first;
    #: negative in earlier cycles.
    column: NDArray[np.int64]
    offset: NDArray[np.int64]
    #: uint8 (layers, columns): the parities without errors.
    expected: NDArray[np.uint8]


class MeasurementModel:
    """The measurements of each cycle, and the detectors as their parities."""

    def __init__(
        self,
        *,
        per_cycle: int,
        at_end: int,
        num_columns: int,
        first: list[_Terms],
        bulk: _Terms | None,
        last: _Terms,
    ) -> None:
        self.per_cycle = per_cycle
        self.at_end = at_end
        self._num_columns = num_columns
        self._first = first
        self._bulk = bulk
        self._last = last
        all_terms = [*first, last, *([bulk] if bulk else [])]
        earliest = min((int(terms.offset.min(initial=0)) for terms in all_terms), default=0)
        #: Cycles at the beginning whose parities differ.
        self.num_first = len(first)
        #: How many cycles back the parities of a cycle reach.
        self.reach = -(earliest // max(1, per_cycle)) if earliest < 0 else 0

    def parities(self) -> Parities:
        """All parities as arrays, for kernels."""
        layers = [*self._first, self._last, *([self._bulk] if self._bulk else [])]
        return Parities(
            start=np.cumsum([0, *(terms.column.size for terms in layers)], dtype=np.int64),
            column=np.concatenate([terms.column for terms in layers]),
            offset=np.concatenate([terms.offset for terms in layers]),
            expected=np.stack([terms.expected for terms in layers]),
        )

    @classmethod
    def from_circuit(cls, circuit: stim.Circuit, model: LayeredModel) -> "MeasurementModel | None":
        """Read the parities of a memory circuit.

        None if the circuit's measurements are not the same in every cycle, if it has only one cycle, or if
        its parities depend on sweep bits.
        """
        if circuit.num_sweep_bits:
            return None
        short = _shorten(circuit)
        coordinates = short.get_detector_coordinates()
        layered = LayeredModel.from_dem(_positions(coordinates))
        if not np.array_equal(layered.stabilizers, model.stabilizers, equal_nan=True):
            return None
        numbers = layered.seen_detectors
        contents = _detector_measurements(short)
        noiseless = short.reference_sample()
        num_layers = numbers.shape[0]
        per_cycle = _measurements_per_cycle(numbers, contents)
        at_end = short.num_measurements - (num_layers - 1) * per_cycle
        if per_cycle <= 0 or at_end < 0:
            return None
        layers = [_terms(numbers[t], contents, noiseless, t * per_cycle) for t in range(num_layers)]
        stop = num_layers - 1
        start = stop
        while start > 0 and _equal(layers[start - 1], layers[stop - 1]):
            start -= 1
        repeats = stop - start >= 2
        if circuit.num_measurements != short.num_measurements and not repeats:
            return None
        inside = all((t.offset < per_cycle).all() for t in layers[:-1])
        if not inside or (layers[-1].offset >= at_end).any():
            return None
        return cls(
            per_cycle=per_cycle,
            at_end=at_end,
            num_columns=numbers.shape[1],
            first=layers[: start if repeats else stop],
            bulk=layers[start] if repeats else None,
            last=layers[-1],
        )

    def events(
        self, measurements: NDArray[np.uint8], *, before: NDArray[np.uint8], first_cycle: int
    ) -> NDArray[np.uint8]:
        """Detection events of cycles.

        Args:
            measurements: uint8 (cycles, per_cycle).
            before: uint8 (reach, per_cycle), the measurements of the cycles before; zeros before the first.
            first_cycle: number of the first of these cycles.

        Returns:
            uint8 (cycles, columns).

        Raises:
            ValueError: more cycles than this memory has.
        """
        stacked = np.concatenate([before, measurements]).reshape(-1)
        events = np.empty((len(measurements), self._num_columns), dtype=np.uint8)
        origin = before.size
        special = max(0, min(len(measurements), len(self._first) - first_cycle))
        for row in range(special):
            terms = self._first[first_cycle + row]
            values = stacked[origin + row * self.per_cycle + terms.offset]
            events[row] = terms.expected
            np.bitwise_xor.at(events[row], terms.column, values)
        if special < len(measurements):
            if self._bulk is None:
                raise ValueError(f"this memory has only {len(self._first)} cycles before its data readout")
            rows = np.arange(special, len(measurements))[:, np.newaxis]
            values = stacked[origin + rows * self.per_cycle + self._bulk.offset]
            events[special:] = self._bulk.expected
            np.bitwise_xor.at(events[special:].T, self._bulk.column, values.T)
        return events

    def last_events(self, measurements: NDArray[np.uint8], *, before: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Detection events of the last layer, uint8 (columns,), from the data measurements (at_end,)."""
        stacked = np.concatenate([before.reshape(-1), measurements])
        events = self._last.expected.copy()
        np.bitwise_xor.at(events, self._last.column, stacked[before.size + self._last.offset])
        return events


def _shorten(circuit: stim.Circuit) -> stim.Circuit:
    """Shorten long REPEAT blocks that contain detectors."""
    short = stim.Circuit()
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock) and instruction.repeat_count > SEEN_REPEATS:
            short.append(stim.CircuitRepeatBlock(SEEN_REPEATS, instruction.body_copy()))
        else:
            short.append(instruction)
    return short


def _positions(coordinates: dict[int, list[float]]) -> stim.DetectorErrorModel:
    """A model with nothing but detectors at these coordinates, for their layers and columns."""
    model = stim.DetectorErrorModel()
    for detector, place in coordinates.items():
        model.append("detector", place, [stim.target_relative_detector_id(detector)])
    return model


def _detector_measurements(circuit: stim.Circuit) -> list[list[int]]:
    """The measurements that each detector compares, as absolute numbers."""
    contents = []
    count = 0
    for instruction in circuit.flattened():
        if instruction.name == "DETECTOR":
            contents.append([count + target.value for target in instruction.targets_copy()])
        else:
            count += instruction.num_measurements
    return contents


def _measurements_per_cycle(numbers: NDArray[np.int64], contents: list[list[int]]) -> int:
    """By how much the latest measurement of a stabilizer's detectors moves on from cycle to cycle."""
    steps = []
    for earlier, later in pairwise(numbers[:-1]):
        both = (earlier >= 0) & (later >= 0)
        pairs = zip(earlier[both], later[both], strict=True)
        steps += [max(contents[b]) - max(contents[a]) for a, b in pairs if contents[a] and contents[b]]
    return steps[0] if steps and min(steps) == max(steps) else 0


def _terms(
    detectors: NDArray[np.int64], contents: list[list[int]], noiseless: NDArray[np.bool_], origin: int
) -> _Terms:
    pairs = sorted(
        (column, measurement - origin)
        for column, detector in enumerate(detectors)
        if detector >= 0
        for measurement in contents[detector]
    )
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    column, offset = array[:, 0].copy(), array[:, 1].copy()
    expected = np.zeros(detectors.size, dtype=np.uint8)
    np.bitwise_xor.at(expected, column, noiseless[origin + offset].astype(np.uint8))
    return _Terms(column=column, offset=offset, expected=expected)


def _equal(a: _Terms, b: _Terms) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in _Terms._fields)
