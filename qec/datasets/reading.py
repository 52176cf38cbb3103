"""Read a folder of either layout as an `Experiment`, and check that its files agree."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import stim

from qec.datasets.agreement import check_agreement
from qec.datasets.experiment import Experiment
from qec.datasets.metadata import Metadata, read_metadata, read_properties
from qec.datasets.models import ErrorModels, read_circuit
from qec.datasets.shots import Packed, first_shot_with_padding, read_shots

PREDICTED_BY = "obs_flips_predicted_by_"


@dataclass(frozen=True)
class Layout:
    """File names of one layout."""

    name: str
    metadata: str
    noisy_circuits: tuple[str, ...]
    sweep_bits: str
    observable_flips: str


FLAT = Layout("2023", "properties.yml", ("circuit_noisy.stim",), "sweep.b8", "obs_flips_actual.01")
NESTED = Layout(
    "2024",
    "metadata.json",
    ("circuit_noisy_si1000.stim", "circuit_noisy.stim"),
    "sweep_bits.b8",
    "obs_flips_actual.b8",
)
LAYOUTS = (FLAT, NESTED)


def find_experiments(path: str | Path) -> list[Path]:
    """Find the experiment folders in a tree, sorted by the numbers in their names.

    Names that differ only in leading zeros (`r01`, `r1`) follow each other in alphabetical order.

    A folder counts as an experiment if it holds `detection_events.b8`, or a metadata file and
    `circuit_ideal.stim` (so that an incomplete folder is found, and reported when read).

    Args:
        path: an experiment folder, which is then the only one found, or a folder that contains some.

    Raises:
        FileNotFoundError: `path` is not a folder.
    """
    root = Path(path)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder")
    found: list[Path] = []
    for folder, subfolders, files in os.walk(root):
        if _is_experiment(set(files)):
            found.append(Path(folder))
            subfolders.clear()
    return sorted(found, key=lambda item: ([_natural(part) for part in item.parts], item.parts))


def read_experiment(path: str | Path) -> Experiment:
    """Read an experiment folder of either layout and check that its files agree.

    Metadata, circuit and sizes are checked here; shots are memory-mapped and error models are
    read when used. `measurements.b8`, the sweep bits and the noisy circuit may be absent (they are large and
    not needed for decoding): using them then raises.

    Args:
        path: a folder that holds `properties.yml` (2022/2023 layout) or `metadata.json` (2024 layout).

    Raises:
        FileNotFoundError: the folder or a required file is missing.
        ValueError: a file cannot be parsed, or disagrees with the others; the message has file and numbers.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")
    layout = next((known for known in LAYOUTS if (folder / known.metadata).is_file()), None)
    if layout is None:
        raise FileNotFoundError(
            f"{folder}: no properties.yml (2023 layout) and no metadata.json (2024 layout)"
        )
    source = folder / layout.metadata
    fields = read_properties(source) if layout is FLAT else read_metadata(source)
    metadata = Metadata.from_fields(fields, source=str(source))
    circuit = read_circuit(folder / "circuit_ideal.stim")
    _check_counts(metadata, circuit, source=source)
    check_agreement(metadata, circuit, folder=folder, source=source)

    def required(name: str, num_bits: int) -> Packed:
        return read_shots(folder / name, num_bits=num_bits, shots=metadata.shots)

    def optional(name: str, num_bits: int) -> Packed | None:
        if (folder / name).is_file():
            return required(name, num_bits)
        return None if num_bits else np.zeros((metadata.shots, 0), dtype=np.uint8)

    noisy = next((folder / name for name in layout.noisy_circuits if (folder / name).is_file()), None)
    models = _flat_models(folder) if layout is FLAT else _nested_files(folder, "error_model.dem")
    if noisy is not None:
        models[noisy.stem] = noisy
    flips = _flat_predictions(folder) if layout is FLAT else _nested_files(folder, "obs_flips_predicted.b8")
    return Experiment(
        path=folder,
        layout=layout.name,
        metadata=metadata,
        circuit=circuit,
        noisy_circuit_path=noisy,
        detection_events=_clean(folder / "detection_events.b8", circuit.num_detectors, metadata.shots),
        observable_flips=_clean(folder / layout.observable_flips, circuit.num_observables, metadata.shots),
        stored_measurements=optional("measurements.b8", circuit.num_measurements),
        stored_sweep_bits=optional(layout.sweep_bits, circuit.num_sweep_bits),
        error_models=ErrorModels(
            models, num_detectors=circuit.num_detectors, num_observables=circuit.num_observables
        ),
        predictions={
            name: _clean(file, circuit.num_observables, metadata.shots) for name, file in flips.items()
        },
    )


def _is_experiment(files: set[str]) -> bool:
    described = "circuit_ideal.stim" in files and any(layout.metadata in files for layout in LAYOUTS)
    return "detection_events.b8" in files or described


def _check_counts(metadata: Metadata, circuit: stim.Circuit, *, source: Path) -> None:
    # The 2023 files repeat the circuit's numbers: they reveal a circuit from another folder.
    found = {
        "circuit_measurements": circuit.num_measurements,
        "circuit_sweep_bits": circuit.num_sweep_bits,
        "circuit_detectors": circuit.num_detectors,
        "circuit_observables": circuit.num_observables,
    }
    for key, number in found.items():
        if metadata.fields.get(key, number) != number:
            raise ValueError(
                f"{source}: {key!r} is {metadata.fields[key]!r}, but circuit_ideal.stim has {number}"
            )


def _clean(path: Path, num_bits: int, shots: int) -> Packed:
    # Observable flips are compared byte by byte, so stray bits in their padding would count as errors; in
    # detection events they show that the file belongs to another circuit.
    packed = read_shots(path, num_bits=num_bits, shots=shots)
    shot = first_shot_with_padding(packed, num_bits=num_bits)
    if shot is not None:
        raise ValueError(f"{path}: shot {shot} has bits set beyond its {num_bits} bits")
    return packed


def _flat_models(folder: Path) -> dict[str, Path]:
    return {file.stem: file for file in sorted(folder.glob("*.dem"))}


def _flat_predictions(folder: Path) -> dict[str, Path]:
    return {file.stem.removeprefix(PREDICTED_BY): file for file in sorted(folder.glob(f"{PREDICTED_BY}*.01"))}


def _nested_files(folder: Path, name: str) -> dict[str, Path]:
    # Not every published decoder ran on every experiment, so either file may be missing.
    return {file.parent.name: file for file in sorted(folder.glob(f"decoding_results/*/{name}"))}


def _natural(text: str) -> list[tuple[int, int, str]]:
    parts: list[tuple[int, int, str]] = []
    digits = ""
    for char in text + "\0":
        if char.isascii() and char.isdigit():
            digits += char
            continue
        if digits:
            parts.append((0, int(digits), ""))
            digits = ""
        parts.append((1, 0, char))
    return parts
