"""Playlists: shots as rows of bits, made from arrays, stored in files that are read as needed."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.streaming.frames import Kind
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from qec.files import new_file, write_file

_Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False, kw_only=True)
class Playlist:
    """Shots of one memory, bit-packed with the least significant bit first, each row padded to bytes.

    Attributes:
        rows: uint8 (shots, cycles, bytes of a cycle).
        last: uint8 (shots, bytes of the last row), made from the data readout.
        observable_flips: uint8 (shots, ceil(observables / 8)), the true flips; None if unknown.
        kind: "events" for detection events (columns as in `StreamingDecoder.stabilizers`), "measurements" for
            raw measurements in the circuit's order.
        bits: bits of a cycle.
        last_bits: bits of the last row.
    """

    rows: _Bytes
    last: _Bytes
    observable_flips: _Bytes | None
    kind: Kind
    bits: int
    last_bits: int

    def __post_init__(self) -> None:
        wanted = (self.num_shots, self.num_cycles, (self.bits + 7) // 8)
        if self.rows.dtype != np.uint8 or self.rows.shape != wanted:
            raise ValueError(f"rows are {self.rows.dtype} {self.rows.shape}, expected uint8 {wanted}")
        ending = (self.num_shots, (self.last_bits + 7) // 8)
        if self.last.dtype != np.uint8 or self.last.shape != ending:
            raise ValueError(f"last rows are {self.last.dtype} {self.last.shape}, expected uint8 {ending}")
        if self.observable_flips is not None and len(self.observable_flips) != self.num_shots:
            raise ValueError(
                f"observable flips of {len(self.observable_flips)} shots: must be of {self.num_shots} shots"
            )

    @property
    def num_shots(self) -> int:
        """Number of shots."""
        return int(self.rows.shape[0])

    @property
    def num_cycles(self) -> int:
        """Cycles in a shot; the row made from the data readout is not counted."""
        return int(self.rows.shape[1])

    @property
    def num_bytes(self) -> int:
        """Bytes of all rows."""
        return int(self.rows.nbytes + self.last.nbytes)

    @classmethod
    def from_events(
        cls, *, model: LayeredModel, detection_events: ArrayLike, observable_flips: ArrayLike | None = None
    ) -> "Playlist":
        """Make a playlist of detection events.

        Args:
            model: layers of the memory experiment.
            detection_events: bool or 0/1 (shots, detectors) in stim's order.
            observable_flips: bool or 0/1 (shots, observables), if known.

        Raises:
            ValueError: shapes that do not fit the model.
        """
        events = np.asarray(detection_events)
        if events.ndim != 2 or events.shape[1] != model.num_detectors:
            raise ValueError(
                f"detection events have shape {events.shape}, expected (shots, {model.num_detectors})"
            )
        numbers = model.detector_numbers(model.num_layers)
        layers = np.zeros((len(events), *numbers.shape), dtype=np.uint8)
        layers[:, numbers >= 0] = events[:, numbers[numbers >= 0]]
        packed = np.packbits(layers, axis=2, bitorder="little")
        flips = None
        if observable_flips is not None:
            flips = np.packbits(np.asarray(observable_flips, dtype=np.bool_), axis=1, bitorder="little")
        return cls(
            rows=packed[:, :-1].copy(),
            last=packed[:, -1].copy(),
            observable_flips=flips,
            kind="events",
            bits=model.num_columns,
            last_bits=model.num_columns,
        )

    @classmethod
    def from_measurements(
        cls,
        *,
        measurements: ArrayLike,
        model: MeasurementModel,
        observable_flips: ArrayLike | None = None,
    ) -> "Playlist":
        """Make a playlist of measurements.

        Args:
            measurements: bool or 0/1 (shots, measurements), in the circuit's order.
            model: of the same circuit.
            observable_flips: bool or 0/1 (shots, observables), if known.

        Raises:
            ValueError: shapes that do not fit the model.
        """
        bits = np.asarray(measurements)
        cycles, rest = divmod(bits.shape[-1] - model.at_end, model.per_cycle)
        if bits.ndim != 2 or rest or cycles < 1:
            raise ValueError(
                f"measurements have shape {bits.shape}, expected (shots, n x {model.per_cycle} + "
                f"{model.at_end})"
            )
        rows = bits[:, : cycles * model.per_cycle].reshape(len(bits), cycles, model.per_cycle)
        flips = None
        if observable_flips is not None:
            flips = np.packbits(np.asarray(observable_flips, dtype=np.bool_), axis=1, bitorder="little")
        return cls(
            rows=np.packbits(rows.astype(np.bool_), axis=2, bitorder="little"),
            last=np.packbits(bits[:, -model.at_end :].astype(np.bool_), axis=1, bitorder="little"),
            observable_flips=flips,
            kind="measurements",
            bits=model.per_cycle,
            last_bits=model.at_end,
        )

    def save(self, folder: Path | str) -> Path:
        """Write the shots into a folder, which is created if it does not exist; return the folder."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in (("rows", self.rows), ("last", self.last), ("flips", self.observable_flips)):
            if array is not None:
                with new_file(folder / f"{name}.npy") as file:
                    np.save(file, array)
        form = {"kind": self.kind, "bits": self.bits, "last_bits": self.last_bits}
        write_file(folder / "form.json", json.dumps(form))
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> "Playlist":
        """Read a folder that `save` wrote; rows are read from their file when they are used.

        Raises:
            FileNotFoundError: no such folder.
        """
        folder = Path(folder)
        flips = folder / "flips.npy"
        return cls(
            rows=np.load(folder / "rows.npy", mmap_mode="r"),
            last=np.load(folder / "last.npy"),
            observable_flips=np.load(flips) if flips.exists() else None,
            **json.loads((folder / "form.json").read_text()),
        )
