"""Makes the simulated sample in `data/samples`: `python -m experiments.hardware.sample` in an empty place.

A rotated surface code of distance 3 and 5 in both bases under SI1000 noise, in the 2024 layout of experiment
folders, with the predictions of two decoders beside the shots. The error models are left to be derived from
the noisy circuits: as files they would be larger than all the shots.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import decoders
import qec
from qec.codes import RotatedSurfaceCode
from qec.datasets import experiment_folder, write_experiment
from qec.noise import si1000

NAME = "si1000_surface_code"
DISTANCES = (3, 5)
BASES = ("X", "Z")
CYCLES = (5, 10, 20)
P = 0.003
SHOTS = 1000
SEED = 20241209
DECODERS = ("pymatching", "pymatching-correlated")


def make_sample(root: str | Path, *, shots: int = SHOTS, seed: int = SEED) -> list[Path]:
    """Write all experiments of the sample below a folder.

    Args:
        root: the folder; it must not hold them yet.
        shots: shots of each experiment.
        seed: of the first experiment; the others count up from it. stim's random numbers are the same only
            for the same version of stim on the same kind of processor.

    Returns:
        The experiment folders.

    Raises:
        ValueError: a folder holds an experiment already.
    """
    settings = [(distance, basis, cycles) for distance in DISTANCES for basis in BASES for cycles in CYCLES]
    return [
        _write(Path(root), distance=distance, basis=basis, cycles=cycles, shots=shots, seed=seed + index)
        for index, (distance, basis, cycles) in enumerate(settings)
    ]


def _write(root: Path, *, distance: int, basis: str, cycles: int, shots: int, seed: int) -> Path:
    code = RotatedSurfaceCode(distance)
    clean = qec.memory_circuit(code, rounds=cycles, basis=basis)
    noisy = si1000(P).apply(clean)
    model = noisy.detector_error_model(decompose_errors=True)
    measurements = noisy.compile_sampler(seed=seed).sample(shots, bit_packed=True)
    events, flips = clean.compile_m2d_converter().convert(
        measurements=measurements, separate_observables=True, bit_packed=True
    )
    data = [list(coordinate) for coordinate in code.data_qubits]
    middle = data[len(data) // 2]
    return write_experiment(
        experiment_folder(root, distance=distance, center=(middle[0], middle[1]), basis=basis, rounds=cycles),
        metadata={
            "basis": basis,
            "rounds": cycles,
            "shots": shots,
            "distance": distance,
            "data_qubit_coords": data,
            "meas_qubit_coords": [list(stabilizer.coordinate) for stabilizer in code.stabilizers],
            "source": "simulated by python -m experiments.hardware.sample",
            "noise": "SI1000",
            "p": P,
            "seed": seed,
        },
        circuit=clean,
        noisy_circuit=noisy,
        measurements=measurements,
        detection_events=events,
        observable_flips=flips,
        predictions={
            f"{name}_with_si1000_prior": decoders.from_dem(name, model).decode_batch(events, bit_packed=True)
            for name in DECODERS
        },
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m experiments.hardware.sample", description=__doc__)
    parser.add_argument(
        "--out", default=f"data/samples/{NAME}", metavar="FOLDER", help="where to; default: %(default)s"
    )
    parser.add_argument("--replace", action="store_true", help="delete what the folder holds first")
    args = parser.parse_args(arguments)
    if args.replace and Path(args.out).is_dir():
        shutil.rmtree(args.out)
    try:
        folders = make_sample(args.out)
    except ValueError as error:
        print(f"{error} (or give --replace)", file=sys.stderr)
        return 2
    for folder in folders:
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
