"""Experiment: metadata, circuits, shots, error models and published predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import stim

from qec.datasets.metadata import Metadata
from qec.datasets.models import ErrorModels, read_circuit
from qec.datasets.shots import Bits, Packed, first_shot_with_padding, unpack

# Shots processed at a time: the largest files have several hundred MB.
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Experiment:
    """Folder of shots of one memory experiment, as `read_experiment` returns it.

    Shot arrays are bit-packed (uint8, shape (shots, ceil(bits / 8)), little bit order) and not writeable;
    files in the `b8` format are memory-mapped. `unpacked` gives bools.

    Attributes:
        path: the folder.
        layout: "2023" (flat folder names, properties.yml) or "2024" (metadata.json, decoding_results/).
        metadata: distance, rounds, basis, shots, centre.
        circuit: the noiseless circuit with detectors and observables.
        noisy_circuit_path: file of the circuit with the publisher's noise model, or None.
        detection_events: detectors that fired, per shot.
        observable_flips: observables that were flipped, per shot.
        stored_measurements: measurement results, or None where the folder lacks the file.
        stored_sweep_bits: initial data-qubit bits, or None where the folder lacks the file.
        error_models: name -> detector error model, read when used. The 2023 names are those of the .dem
            files, the 2024 names those of the folders in decoding_results; "circuit_noisy..." is derived
            from the noisy circuit.
        predictions: published decoder's name -> predicted observable flips, packed.
    """

    path: Path
    layout: str
    metadata: Metadata
    circuit: stim.Circuit
    noisy_circuit_path: Path | None
    detection_events: Packed
    observable_flips: Packed
    stored_measurements: Packed | None
    stored_sweep_bits: Packed | None
    error_models: ErrorModels
    predictions: Mapping[str, Packed]

    @property
    def shots(self) -> int:
        """Number of shots."""
        return self.metadata.shots

    @cached_property
    def num_detectors(self) -> int:
        """Detectors in a shot."""
        return int(self.circuit.num_detectors)

    @cached_property
    def num_observables(self) -> int:
        """Logical observables in a shot."""
        return int(self.circuit.num_observables)

    @cached_property
    def noisy_circuit(self) -> stim.Circuit:
        """Circuit with the publisher's noise; FileNotFoundError where the folder has none."""
        if self.noisy_circuit_path is None:
            raise FileNotFoundError(f"{self.path}: no circuit_noisy*.stim")
        return read_circuit(self.noisy_circuit_path)

    @property
    def measurements(self) -> Packed:
        """Measurement results, packed; FileNotFoundError where the folder lacks the file."""
        if self.stored_measurements is None:
            raise FileNotFoundError(f"{self.path / 'measurements.b8'}: no such file")
        return self.stored_measurements

    @property
    def sweep_bits(self) -> Packed:
        """Initial bits of the data qubits, packed; FileNotFoundError where the folder lacks the file."""
        if self.stored_sweep_bits is None:
            name = "sweep.b8" if self.layout == "2023" else "sweep_bits.b8"
            raise FileNotFoundError(f"{self.path / name}: no such file")
        return self.stored_sweep_bits

    @property
    def default_model(self) -> str:
        """Name of the error model to decode with by default.

        The shipped model of the circuit in 2023; in 2024 a published prior, SI1000 first because it was not
        fitted to any data; else the noisy circuit's own.

        Raises:
            FileNotFoundError: the folder has none of these.
        """
        derived = self.noisy_circuit_path.stem if self.noisy_circuit_path else None
        if "circuit_detector_error_model" in self.error_models:
            return "circuit_detector_error_model"
        published = [name for name in self.error_models if name != derived]
        if published and self.layout == "2024":
            return min(published, key=_preference)
        if derived is None:
            raise FileNotFoundError(f"{self.path}: no model of the whole circuit and no circuit_noisy*.stim")
        return derived

    def error_model(self, name: str | None = None) -> stim.DetectorErrorModel:
        """Return an error model, by default `default_model`.

        Raises:
            ValueError: no model of that name (the message lists the models), or one that does not fit.
        """
        name = self.default_model if name is None else name
        if name not in self.error_models:
            known = ", ".join(self.error_models)
            raise ValueError(f"{self.path}: no error model {name!r}; it has {known}")
        return self.error_models[name]

    def unpacked(self, name: str, *, shots: slice = slice(None)) -> Bits:
        """Unpack shots of one array: bool (shots, bits).

        Args:
            name: "detection_events", "observable_flips", "measurements" or "sweep_bits".
            shots: slice or indices of the shots.
        """
        bits = {
            "detection_events": self.num_detectors,
            "observable_flips": self.num_observables,
            "measurements": self.circuit.num_measurements,
            "sweep_bits": self.circuit.num_sweep_bits,
        }
        if name not in bits:
            raise ValueError(f"no shot array {name!r}; there are {', '.join(bits)}")
        packed: Packed = getattr(self, name)
        return unpack(packed[shots], num_bits=bits[name])

    def verify(self) -> None:
        """Recompute detection events and observable flips from measurements and sweep bits and compare.

        This is what `stim m2d` does with the noiseless circuit. Reads every shot.

        Raises:
            FileNotFoundError: the folder lacks the measurements or the sweep bits.
            ValueError: some shots differ, or a shot has bits set beyond its end.
        """
        stored = {"detection events": self.detection_events, "observable flips": self.observable_flips}
        for (what, packed), num_bits in zip(
            stored.items(), (self.num_detectors, self.num_observables), strict=True
        ):
            shot = first_shot_with_padding(packed, num_bits=num_bits)
            if shot is not None:
                raise ValueError(f"{self.path}: {what}: shot {shot} has bits set beyond its {num_bits} bits")
        measurements, sweep_bits = self.measurements, self.sweep_bits
        converter = self.circuit.compile_m2d_converter()
        wrong: dict[str, list[int]] = {what: [] for what in stored}
        for start in range(0, self.shots, _CHUNK):
            part = slice(start, start + _CHUNK)
            recomputed = converter.convert(
                measurements=measurements[part],
                sweep_bits=sweep_bits[part],
                separate_observables=True,
                bit_packed=True,
            )
            for (what, packed), expected in zip(stored.items(), recomputed, strict=True):
                different = (packed[part] != expected).any(axis=1)
                wrong[what].extend((start + np.flatnonzero(different)).tolist())
        for what, shots in wrong.items():
            if shots:
                raise ValueError(
                    f"{self.path}: {what} differ from those of the measurements in {len(shots)} of "
                    f"{self.shots} shots, first in shot {shots[0]}"
                )


def _preference(name: str) -> tuple[int, int, str]:
    decoder, _, prior = name.partition("_with_")
    priors = ("si1000", "rl_optimized")
    prior_rank = next((i for i, known in enumerate(priors) if known in prior.lower()), len(priors))
    return prior_rank, 0 if decoder.startswith("correlated_matching") else 1, name
