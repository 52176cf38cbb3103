"""`qec learn`: error rates of a detector error model, learned from recorded detection events."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import stim

from experiments.common.parser import output, whole
from experiments.common.shot_files import FORMATS, PackedBits, ShotReader, format_of, shots_per_piece
from experiments.hardware.learn_report import report
from qec import priors
from qec.datasets import find_experiments, read_experiment
from qec.datasets.models import read_error_model
from qec.files import write_file

_HALVES = ("from_odd_for_even", "from_even_for_odd")


@dataclass(frozen=True)
class _Recording:
    """Detection events, and the model to start from."""

    events: PackedBits
    model: stim.DetectorErrorModel
    model_name: str
    coordinates: dict[int, list[float]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec learn`."""
    add = parser.add_argument
    formats = "|".join(FORMATS)
    add("path", metavar="PATH", help="an experiment folder, or a file of detection events")
    add(
        "--out", type=output(".dem"), metavar="FILE.dem", help="write the learned model; default: report only"
    )
    add(
        "--halves",
        action="store_true",
        help="learn two models, from the even shots and from the odd ones, so that each can decode the shots "
        "that it has not seen: --out m.dem writes m_from_even_for_odd.dem and m_from_odd_for_even.dem",
    )
    add("--model", metavar="NAME", help="of an experiment folder: the error model to start from")
    add("--start", metavar="FILE", help="of a file of shots: the .dem or noisy .stim circuit to start from")
    add("--in_format", choices=FORMATS, metavar="FORMAT", help=f"{formats}; default: the file's ending")
    add(
        "--in_includes_appended_observables",
        action="store_true",
        help="each shot ends with observables: they are skipped",
    )
    add("--shots", type=whole(), metavar="N", help="use only the first N shots")


def run(args: argparse.Namespace) -> int:
    """Learn a model; see `add_arguments`."""
    _check(args)
    found = _read_folder(args) if Path(args.path).is_dir() else _read_file(args)
    outputs = _outputs(args)
    learned: tuple[priors.LearnedModel, ...]
    if args.halves:
        learned = priors.learn_halves(
            detection_events=found.events, error_models=found.model, coordinates=found.coordinates
        )
        parts = [("odd shots", found.events[1::2]), ("even shots", found.events[0::2])]
    else:
        learned = (
            priors.learn_error_model(
                detection_events=found.events, error_model=found.model, coordinates=found.coordinates
            ),
        )
        parts = [("all shots", found.events)]
    for model, (name, events) in zip(learned, parts, strict=True):
        print(report(model, events=events, shots=name, start=found.model_name) + "\n")
    for model, file in zip(learned, outputs, strict=False):
        write_file(file, f"{model.error_model}\n")
        print(file)
    return 0


def _check(args: argparse.Namespace) -> None:
    path = Path(args.path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file or folder")
    folder = path.is_dir()
    for flag, value, fits in (
        ("--model", args.model, folder),
        ("--start", args.start, not folder),
        ("--in_format", args.in_format, not folder),
        ("--in_includes_appended_observables", args.in_includes_appended_observables or None, not folder),
    ):
        if value is not None and not fits:
            raise ValueError(
                f"{flag} is for a {'file of shots' if folder else 'folder'}, but {path} is not one"
            )
    if not folder and args.start is None:
        raise ValueError(f"{path} is a file of shots: give --start, the .dem or noisy .stim to start from")


def _outputs(args: argparse.Namespace) -> list[Path]:
    if args.out is None:
        return []
    out = Path(args.out)
    return [out.with_name(f"{out.stem}_{half}.dem") for half in _HALVES] if args.halves else [out]


def _read_folder(args: argparse.Namespace) -> _Recording:
    folders = find_experiments(Path(args.path))
    if len(folders) != 1:
        raise ValueError(f"{args.path}: {len(folders)} experiments in it, expected the folder of one")
    experiment = read_experiment(folders[0])
    name = experiment.default_model if args.model is None else args.model
    return _Recording(
        events=experiment.detection_events[: args.shots],
        model=experiment.error_model(name),
        model_name=name,
        coordinates=experiment.circuit.get_detector_coordinates(),
    )


def _read_file(args: argparse.Namespace) -> _Recording:
    model = read_error_model(Path(args.start))
    num_observables = model.num_observables if args.in_includes_appended_observables else 0
    pieces, left = [], args.shots
    with Path(args.path).open("rb") as file:
        reader = ShotReader(
            file=file,
            name=args.path,
            format=format_of(args.path, given=args.in_format, flag="--in_format"),
            num_detectors=model.num_detectors,
            num_observables=num_observables,
            shots_per_piece=shots_per_piece(model.num_detectors + num_observables),
        )
        for events, _ in reader:
            pieces.append(events[:left])
            left = None if left is None else left - len(pieces[-1])
            if left == 0:
                break
    if not pieces:
        raise ValueError(f"{args.path}: no shots")
    return _Recording(np.concatenate(pieces), model, args.start, {})
