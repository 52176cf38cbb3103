"""Conversion of raw measurements to detection events, by the parities that define a circuit's detectors."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.model.repeat_blocks import KEPT_REPEATS, shorten_circuit
from decoders.streaming.detector_grid import assign_layers
from decoders.streaming.layers import LayeredModel


class _Terms(NamedTuple):
    """Parities of a layer: detector column[i] contains measurement offset[i] after the cycle's first."""

    column: NDArray[np.int64]
    offset: NDArray[np.int64]
    #: uint8 (columns,): the parities without errors; ones come from gates that flip qubits.
    expected: NDArray[np.uint8]


class Parities(NamedTuple):
    """The parities of the first cycles, the data readout, and one period of the bulk, in this order."""

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
        bulk: list[_Terms],
        last: _Terms,
    ) -> None:
        self.per_cycle = per_cycle
        self.at_end = at_end
        self._num_columns = num_columns
        self._first = first
        self._bulk = bulk
        self._last = last
        all_terms = [*first, last, *bulk]
        earliest = min((int(terms.offset.min(initial=0)) for terms in all_terms), default=0)
        #: Number of cycles at the beginning whose parities differ.
        self.num_first = len(first)
        #: Number of cycles after which the parities repeat; 0 if they do not.
        self.period = len(bulk)
        #: Number of previous cycles on which the parities of a cycle depend.
        self.reach = -(earliest // max(1, per_cycle)) if earliest < 0 else 0

    def parities(self) -> Parities:
        """Return all parities as arrays, for kernels."""
        layers = [*self._first, self._last, *self._bulk]
        return Parities(
            start=np.cumsum([0, *(terms.column.size for terms in layers)], dtype=np.int64),
            column=np.concatenate([terms.column for terms in layers]),
            offset=np.concatenate([terms.offset for terms in layers]),
            expected=np.stack([terms.expected for terms in layers]),
        )

    @classmethod
    def from_circuit(cls, circuit: stim.Circuit, model: LayeredModel) -> "MeasurementModel | None":
        """Read the parities of a memory circuit.

        Args:
            circuit: the memory circuit.
            model: the layered model of its DEM.

        Returns:
            The model; None if the measurements are not the same in every cycle, if there is only one cycle,
            if several parts of the circuit repeat, or if parities depend on sweep bits.
        """
        if circuit.num_sweep_bits or (model.stretches and model.run is None):
            return None
        for seen in range(KEPT_REPEATS, 2 * KEPT_REPEATS):
            short, left_out = shorten_circuit(circuit, seen=seen)
            found, per_period = cls._from_short(short, model, is_whole=not left_out)
            if found is None or not any(detectors % per_period for detectors in left_out):
                return found  # the omitted repetitions are whole periods
        return None

    @classmethod
    def _from_short(
        cls, short: stim.Circuit, model: LayeredModel, *, is_whole: bool
    ) -> "tuple[MeasurementModel | None, int]":
        """Read the parities of a circuit with short REPEAT blocks; return them and the detectors per period.

        `is_whole` states that no repetitions were omitted.
        """
        detectors = short.get_detector_coordinates()
        grid = assign_layers(_as_array(detectors), axis=model.time_axis.axis, unit=model.time_axis.unit)
        if not np.array_equal(grid.stabilizers, model.stabilizers, equal_nan=True):
            return None, 1
        num_layers = int(grid.layer.max(initial=0)) + 1
        numbers = np.full((num_layers, grid.stabilizers.shape[0]), -1, dtype=np.int64)
        numbers[grid.layer, grid.column] = np.arange(grid.layer.size)
        contents = _detector_measurements(short)
        noiseless = short.reference_sample()
        per_cycle = _measurements_per_cycle(numbers, contents)
        at_end = short.num_measurements - (num_layers - 1) * per_cycle
        if per_cycle <= 0 or at_end < 0:
            return None, 1
        layers = [_terms(numbers[t], contents, noiseless, t * per_cycle) for t in range(num_layers)]
        inside = all((t.offset < per_cycle).all() for t in layers[:-1])
        if not inside or (layers[-1].offset >= at_end).any():
            return None, 1
        start, period = _bulk(layers[:-1])
        if not is_whole and not period:
            return None, 1
        found = cls(
            per_cycle=per_cycle,
            at_end=at_end,
            num_columns=numbers.shape[1],
            first=layers[:start],
            bulk=layers[start : start + period],
            last=layers[-1],
        )
        return found, max(1, int((numbers[start : start + period] >= 0).sum()))

    def events(
        self, measurements: NDArray[np.uint8], *, before: NDArray[np.uint8], first_cycle: int
    ) -> NDArray[np.uint8]:
        """Compute the detection events of consecutive cycles.

        Args:
            measurements: uint8 (cycles, per_cycle).
            before: uint8 (reach, per_cycle), measurements of the previous cycles; zeros before the first.
            first_cycle: index of the first of these cycles.

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
        if special < len(measurements) and not self._bulk:
            raise ValueError(f"this memory has only {len(self._first)} cycles before its data readout")
        if special == len(measurements):
            return events
        for phase, terms in enumerate(self._bulk):
            begin = special + (phase - (first_cycle + special - self.num_first)) % self.period
            rows = np.arange(begin, len(measurements), self.period)[:, np.newaxis]
            values = stacked[origin + rows * self.per_cycle + terms.offset]
            events[begin :: self.period] = terms.expected
            np.bitwise_xor.at(events[begin :: self.period].T, terms.column, values.T)
        return events

    def last_events(self, measurements: NDArray[np.uint8], *, before: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Compute the detection events of the last layer.

        Args:
            measurements: uint8 (at_end,), measurements of the data qubits.
            before: uint8 (reach, per_cycle), measurements of the previous cycles.

        Returns:
            uint8 (columns,).
        """
        stacked = np.concatenate([before.reshape(-1), measurements])
        events = self._last.expected.copy()
        np.bitwise_xor.at(events, self._last.column, stacked[before.size + self._last.offset])
        return events


def _as_array(coordinates: dict[int, list[float]]) -> NDArray[np.float64]:
    """Return coordinates as float64 (detectors, k), NaN where a detector has fewer than k."""
    width = max((len(place) for place in coordinates.values()), default=0)
    array = np.full((len(coordinates), width), np.nan)
    for detector, place in coordinates.items():
        array[detector, : len(place)] = place
    return array


def _bulk(layers: Sequence[_Terms]) -> tuple[int, int]:
    """Find start and period of the parities that repeat up to the last cycle; (cycles, 0) if none do."""
    kinds = np.zeros(len(layers), dtype=np.int64)
    known: dict[tuple[bytes, ...], int] = {}
    for at, terms in enumerate(layers):
        kinds[at] = known.setdefault(tuple(field.tobytes() for field in terms), len(known))
    backwards = kinds[::-1]
    best, fewest = (len(layers), 0), len(layers)
    for period in range(1, len(layers) // 2 + 1):
        differ = np.flatnonzero(backwards[period:] != backwards[:-period])
        start = len(layers) - period - (int(differ[0]) if differ.size else len(layers) - period)
        if len(layers) - start >= 2 * period and start + period < fewest:
            best, fewest = (start, period), start + period
    return best


def _detector_measurements(circuit: stim.Circuit) -> list[list[int]]:
    """List the absolute indices of the measurements in each detector."""
    contents = []
    count = 0
    for instruction in circuit.flattened():
        if instruction.name == "DETECTOR":
            contents.append([count + target.value for target in instruction.targets_copy()])
        else:
            count += instruction.num_measurements
    return contents


def _measurements_per_cycle(numbers: NDArray[np.int64], contents: list[list[int]]) -> int:
    """Return by how much the latest measurement of a column's detectors advances per cycle.

    0 if that is not constant.
    """
    found = set()
    for column in numbers[:-1].T:
        layers = [layer for layer in np.flatnonzero(column >= 0) if contents[column[layer]]]
        for earlier, later in pairwise(layers):
            step = max(contents[column[later]]) - max(contents[column[earlier]])
            found.add(step / (later - earlier))
    (step,) = found if len(found) == 1 else (0,)
    return int(step) if step == int(step) else 0


def _terms(
    detectors: NDArray[np.int64], contents: list[list[int]], noiseless: NDArray[np.bool_], origin: int
) -> _Terms:
    """Return the parities of one layer, relative to measurement `origin`."""
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
