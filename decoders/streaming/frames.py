"""Validation of frames, and their conversion to rows of detection events."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.matching.workspace import read_only
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel

Kind = Literal["events", "measurements"]


class FrameReader:
    """Reader of the frames of consecutive shots; keeps the measurements that later parities need."""

    def __init__(self, *, model: LayeredModel, measurements: MeasurementModel | None) -> None:
        self.model = model
        self._num_columns = model.num_columns
        self.measurements = measurements
        shape = (measurements.reach, measurements.per_cycle) if measurements else (0, 0)
        self._before = np.zeros(shape, dtype=np.uint8)
        self._is_measured = True

    def reset(self) -> None:
        """Start a new shot."""
        self._before[:] = 0
        self._is_measured = True

    def to_frames(self, detection_events: ArrayLike) -> NDArray[np.uint8]:
        """Convert whole shots in stim's order to uint8 frames; see `StreamingDecoder.to_frames`."""
        events = np.asarray(detection_events)
        expected = self.model.num_detectors
        if events.ndim != 2 or events.shape[1] != expected:
            raise ValueError(f"detection events have shape {events.shape}, expected (shots, {expected})")
        if not _is_binary(events):
            raise ValueError(f"detection events of dtype {events.dtype}: must be bool, or integers 0 and 1")
        numbers = self.model.detector_numbers(self.model.num_layers)
        frames = np.zeros((events.shape[0], *numbers.shape), dtype=np.uint8)
        present = numbers >= 0
        frames[:, present] = events[:, numbers[present]]
        return frames

    def check_shots(self, frames: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return whole shots, uint8 (shots, layers, columns), as a read-only contiguous array.

        Raises:
            ValueError: another shape or dtype, or values other than 0 and 1.
        """
        if frames.ndim != 3 or frames.shape[2] != self._num_columns or frames.dtype != np.uint8:
            raise ValueError(
                f"frames have shape {frames.shape} and dtype {frames.dtype}, expected uint8 "
                f"(shots, layers, {self._num_columns})"
            )
        if frames.max(initial=0) > 1:
            raise ValueError(f"frames contain {frames.max()}: all values must be 0 or 1")
        return read_only(np.ascontiguousarray(frames))

    def check_predictions(self, predictions: NDArray[np.uint8], *, shots: int) -> None:
        """Check an array for bit-packed predictions, uint8 (shots, ceil(observables / 8)).

        Raises:
            ValueError: another shape or dtype.
        """
        width = (self.model.num_observables + 7) // 8
        _check_output("predictions", predictions, (shots, width), np.uint8)

    def check_gaps(self, gaps: NDArray[np.float64], *, shots: int) -> None:
        """Check an array for gaps, float64 (shots, observables).

        Raises:
            ValueError: another shape or dtype, or an array that is not contiguous.
        """
        _check_output("gaps", gaps, (shots, self.model.num_observables), np.float64)
        if not gaps.flags.c_contiguous:
            raise ValueError("gaps are not contiguous: pass a C-contiguous array")

    def check(self, frame: ArrayLike, *, bit_packed: bool, kind: Kind) -> NDArray[np.uint8]:
        """Validate a frame.

        Args:
            frame: as in `StreamingDecoder.push`.
            bit_packed: whether it is bit-packed.
            kind: "events" or "measurements".

        Returns:
            The frame as uint8 rows, still bit-packed if it was.

        Raises:
            ValueError: as in `StreamingDecoder.push`.
        """
        return _checked(np.asarray(frame), bit_packed, kind, self._width(kind))

    def events(
        self, rows: NDArray[np.uint8], *, bit_packed: bool, kind: Kind, first_cycle: int
    ) -> tuple[NDArray[np.uint8], bool]:
        """Convert validated rows to detection events; return them, and whether they are bit-packed."""
        if kind == "events":
            self.takes_events(len(rows))
            return rows, bit_packed
        measured = _unpacked(rows, bit_packed, self._width(kind))
        events = self._measured.events(measured, before=self._before, first_cycle=first_cycle)
        new = min(len(measured), len(self._before))
        if new:
            self._before[:-new] = self._before[new:]
            self._before[-new:] = measured[-new:]
        return events, False

    def takes_events(self, num_cycles: int) -> None:
        """Note that cycles of the shot came as detection events."""
        if num_cycles:
            self._is_measured = False

    def last_events(
        self, last_layer: ArrayLike, *, bit_packed: bool, kind: Kind
    ) -> tuple[NDArray[np.uint8], bool]:
        """Validate the last layer and convert it to one row of detection events.

        Returns:
            The row, and whether it is bit-packed.
        """
        row = np.asarray(last_layer)
        if row.ndim != 1:
            raise ValueError(f"the last layer has shape {row.shape}, expected one row")
        if kind != "measurements":
            return _checked(row[np.newaxis], bit_packed, kind, self._width(kind)), bit_packed
        width = self._measured.at_end
        rows = _checked(row[np.newaxis], bit_packed, kind, width)
        measured = _unpacked(rows, bit_packed, width)[0]
        events = self._measured.last_events(measured, before=self._before)
        return events[np.newaxis], False

    @property
    def _measured(self) -> MeasurementModel:
        if self.measurements is None:
            raise ValueError(
                "this decoder takes detection events only: for measurements, use from_circuit with a circuit "
                "that measures the same qubits in every cycle"
            )
        if not self._is_measured:
            raise ValueError(
                "measurements after detection events: parities need the measurements of all earlier cycles; "
                "call reset to start the next shot"
            )
        return self.measurements

    def _width(self, kind: Kind) -> int:
        """Return the number of columns of a frame of this kind."""
        if kind == "events":
            return self._num_columns
        if kind == "measurements":
            return self._measured.per_cycle
        raise ValueError(f"no kind of frame is named '{kind}': choose from events, measurements")


def _check_output(name: str, array: NDArray[Any], expected: tuple[int, int], dtype: type[Any]) -> None:
    """Raise an error if an array to write to has another shape or dtype."""
    if array.shape != expected or array.dtype != dtype:
        raise ValueError(
            f"{name} have shape {array.shape} and dtype {array.dtype}, expected {dtype.__name__} {expected}"
        )


def _checked(frame: NDArray[Any], bit_packed: bool, kind: Kind, width: int) -> NDArray[np.uint8]:
    row_width = (width + 7) // 8 if bit_packed else width
    if frame.ndim != 2 or frame.shape[1] != row_width:
        packed = f" for {width} columns" if bit_packed else ""
        raise ValueError(f"a frame of {kind} has shape {frame.shape}, expected (cycles, {row_width}){packed}")
    if bit_packed:
        if frame.dtype != np.uint8:
            raise ValueError(f"a bit-packed frame has dtype {frame.dtype}, expected uint8")
        if width % 8 and frame.size and (frame[:, -1] >> (width % 8)).any():
            raise ValueError(f"a bit-packed frame has bits set beyond its {width} columns: pad with zeros")
    elif not _is_binary(frame):
        raise ValueError(f"a frame of {kind} must be bool, or integers 0 and 1")
    return np.ascontiguousarray(frame, dtype=np.uint8)


def _is_binary(values: NDArray[Any]) -> bool:
    if values.dtype == np.bool_:
        return True
    if not np.issubdtype(values.dtype, np.integer):
        return False
    return not values.size or bool(values.min() >= 0 and values.max() <= 1)


def _unpacked(rows: NDArray[np.uint8], bit_packed: bool, width: int) -> NDArray[np.uint8]:
    return np.unpackbits(rows, axis=1, count=width, bitorder="little") if bit_packed else rows
