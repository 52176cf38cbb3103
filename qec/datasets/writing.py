"""Write arrays as a folder in the 2024 layout, which `read_experiment` reads back unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy.typing as npt
import stim

from qec.datasets.agreement import check_agreement
from qec.datasets.metadata import Metadata
from qec.datasets.reading import NESTED
from qec.datasets.shots import Packed, pack
from qec.files import write_file


def experiment_folder(
    root: str | Path, *, distance: int, center: tuple[int, int], basis: str, rounds: int
) -> Path:
    """Return the folder of an experiment in a tree of the 2024 layout: `d<D>_at_q<row>_<col>/<X|Z>/r<NN>`."""
    row, col = center
    return Path(root) / f"d{distance}_at_q{row}_{col}" / basis.upper() / f"r{rounds:02d}"


def write_experiment(
    path: str | Path,
    *,
    metadata: Mapping[str, object],
    circuit: stim.Circuit,
    noisy_circuit: stim.Circuit | None = None,
    measurements: npt.ArrayLike | None = None,
    sweep_bits: npt.ArrayLike | None = None,
    detection_events: npt.ArrayLike | None = None,
    observable_flips: npt.ArrayLike | None = None,
    error_models: Mapping[str, stim.DetectorErrorModel] | None = None,
    predictions: Mapping[str, npt.ArrayLike] | None = None,
) -> Path:
    """Write one experiment in the 2024 layout.

    Shot arrays are bool of shape (shots, bits) or uint8 of shape (shots, ceil(bits / 8)), packed with little
    bit order. Give measurements, or detection events and observable flips, or all; from measurements the
    other two are derived where they are not given.

    Args:
        path: the folder; it must not hold an experiment yet (see `experiment_folder` for the usual name).
        metadata: `distance`, `rounds`, `basis`, and any other JSON values; `shots` is added.
        circuit: noiseless circuit with detectors and observables -> `circuit_ideal.stim`.
        noisy_circuit: the same circuit with noise -> `circuit_noisy_si1000.stim`.
        measurements: -> `measurements.b8`.
        sweep_bits: -> `sweep_bits.b8`; required with measurements if the circuit uses sweep bits.
        detection_events: -> `detection_events.b8`.
        observable_flips: -> `obs_flips_actual.b8`.
        error_models: name -> model, `decoding_results/<name>/error_model.dem`; the usual names are like
            "correlated_matching_decoder_with_si1000_prior".
        predictions: name -> predicted flips, `decoding_results/<name>/obs_flips_predicted.b8`.

    Returns:
        The folder.

    Raises:
        ValueError: arrays whose shapes or shots disagree, metadata that could not be read back, names that
            are not plain folder names, or a folder that is already an experiment.
    """
    folder = Path(path)
    taken = [name for name in (NESTED.metadata, "detection_events.b8") if (folder / name).exists()]
    if taken:
        raise ValueError(f"{folder}: already holds {taken[0]}; choose another folder")
    arrays = _shot_arrays(circuit, measurements, sweep_bits, detection_events, observable_flips)
    results: dict[str, Packed] = {
        name: pack(flips, num_bits=circuit.num_observables, what=f"predictions of {name!r}")
        for name, flips in (predictions or {}).items()
    }
    lengths = {name: len(array) for name, array in arrays.items()}
    lengths |= {f"predictions of {name!r}": len(array) for name, array in results.items()}
    shots = lengths["detection_events"]
    for what, length in lengths.items():
        if length != shots:
            raise ValueError(f"{what}: {length} shots, but detection_events has {shots}")
    fields = {**metadata, "shots": metadata.get("shots", shots)}
    described = Metadata.from_fields(fields)
    if described.shots != shots:
        raise ValueError(f"metadata: 'shots' is {fields['shots']}, but the arrays have {shots}")
    check_agreement(described, circuit, folder=folder, source=Path("metadata"))
    for name in (*results, *(error_models or {})):
        if name in ("", ".", "..") or "/" in name or "\\" in name:
            raise ValueError(f"decoder name {name!r} cannot be the name of a folder")
    try:
        description = json.dumps(fields, indent=1)
    except TypeError as error:
        raise ValueError(f"metadata: {error}") from None

    contents: dict[Path, Callable[[], bytes | str]] = {
        folder / "circuit_ideal.stim": lambda: f"{circuit}\n",
    }
    if noisy_circuit is not None:
        contents[folder / NESTED.noisy_circuits[0]] = lambda: f"{noisy_circuit}\n"
    files = {"observable_flips": NESTED.observable_flips, "sweep_bits": NESTED.sweep_bits}
    for name, array in arrays.items():
        contents[folder / files.get(name, f"{name}.b8")] = array.tobytes
    for name, model in (error_models or {}).items():
        contents[folder / "decoding_results" / name / "error_model.dem"] = partial("{}\n".format, model)
    for name, array in results.items():
        contents[folder / "decoding_results" / name / "obs_flips_predicted.b8"] = array.tobytes
    # Last, so that an interrupted run leaves no folder that seems complete.
    contents[folder / NESTED.metadata] = lambda: description + "\n"
    _write_all(contents)
    return folder


def _write_all(contents: Mapping[Path, Callable[[], bytes | str]]) -> None:
    """Write all files, or none of them."""
    written = []
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_file(path, content())
            written.append(path)
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise


def _shot_arrays(
    circuit: stim.Circuit,
    measurements: npt.ArrayLike | None,
    sweep_bits: npt.ArrayLike | None,
    detection_events: npt.ArrayLike | None,
    observable_flips: npt.ArrayLike | None,
) -> dict[str, Packed]:
    arrays: dict[str, Packed] = {}
    for name, bits, num_bits in (
        ("measurements", measurements, circuit.num_measurements),
        ("sweep_bits", sweep_bits, circuit.num_sweep_bits),
        ("detection_events", detection_events, circuit.num_detectors),
        ("observable_flips", observable_flips, circuit.num_observables),
    ):
        if bits is not None:
            arrays[name] = pack(bits, num_bits=num_bits, what=name)
    if "measurements" in arrays and not {"detection_events", "observable_flips"} <= arrays.keys():
        if circuit.num_sweep_bits and "sweep_bits" not in arrays:
            raise ValueError(f"sweep_bits: missing, but the circuit uses {circuit.num_sweep_bits}")
        events, flips = circuit.compile_m2d_converter().convert(
            measurements=arrays["measurements"],
            sweep_bits=arrays.get("sweep_bits") if circuit.num_sweep_bits else None,
            separate_observables=True,
            bit_packed=True,
        )
        arrays.setdefault("detection_events", events)
        arrays.setdefault("observable_flips", flips)
    missing = {"detection_events", "observable_flips"} - arrays.keys()
    if missing:
        raise ValueError(f"{min(missing)}: missing; give it or the measurements")
    return arrays
