"""`qec hardware`: decode recorded experiments and compare with the published predictions."""

import argparse
import csv
import dataclasses
import io
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import stim

import decoders
from experiments.common.json_file import write_json
from experiments.common.parser import decoder, figure, output, whole
from experiments.common.preparation import compile_kernels
from experiments.common.settings import DEFAULT_DECODER
from experiments.common.terminal import Progress
from experiments.hardware.figure import draw
from experiments.hardware.report import report
from experiments.hardware.results import (
    DECODED,
    PUBLISHED,
    Result,
    fits,
    patch_name,
    release_folder,
    suppression,
    totals,
)
from qec import priors, statistics
from qec.datasets import Experiment, find_experiments, read_experiment
from qec.files import write_file
from qec.resources import data_path

SAMPLE = "samples"
CROSS_FITTED = "pij"
LEARNED = " + learned"
# Model learned from the shots of one parity -> for the shots of the other; shots are counted from 0.
_HALVES = {"pij_from_odd_for_even": 0, "pij_from_even_for_odd": 1}
_SHOTS_AT_ONCE = 16384


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec hardware`."""
    add = parser.add_argument
    add(
        "paths",
        nargs="*",
        metavar="PATH",
        help="experiment folders or trees of them, in the layout of Google's 2022/2023 or 2024 data; "
        "default: the simulated sample that ships with the project",
    )
    add(
        "--decoder",
        action="append",
        type=decoder,
        metavar="NAME",
        help=f"decoder to use, may be repeated; default: {DEFAULT_DECODER}",
    )
    add(
        "--model",
        metavar="NAME",
        help="error model to decode with: the name of a .dem file or of a folder in decoding_results, "
        "circuit_noisy... for that of the noisy circuit, or pij for two models that were each learned from "
        "the other half of the shots; default: the shipped model of the circuit, else the SI1000 prior, else "
        "another published prior, else the noisy circuit's",
    )
    add(
        "--learn",
        action="store_true",
        help="refine the error model's rates on the detection events of the even shots to decode the odd "
        "ones, and back; observable flips are not used",
    )
    add("--shots", type=whole(), metavar="N", help="use only the first N shots of each experiment")
    add(
        "--fit_from",
        type=whole(),
        default=2,
        metavar="CYCLES",
        help="leave experiments of fewer cycles out of the fits; a single cycle is all beginning and end",
    )
    add(
        "--verify",
        action="store_true",
        help="first recompute detection events and observable flips from the measurements and compare",
    )
    add("--json", type=output(), metavar="FILE", help="write results, fits, totals and Lambda")
    add("--csv", type=output(), metavar="FILE", help="write one row for each experiment and decoder")
    add("--out", type=figure, metavar="FILE", help="draw error per cycle against distance: PNG, SVG or PDF")


def run(args: argparse.Namespace) -> int:
    """Decode the experiments; see `add_arguments`."""
    names = list(dict.fromkeys(args.decoder or [DEFAULT_DECODER]))
    # Absolute, so that folders above "." can be told from their names.
    roots = [Path(os.path.abspath(path)) for path in args.paths] or [data_path(SAMPLE)]
    folders = _folders(roots)
    root = Path(os.path.commonpath([release_folder(folder) for folder in folders]))
    results: list[Result] = []
    seen: dict[tuple[str, int, int, str], list[Experiment]] = {}
    done = 0
    try:
        with Progress() as progress:
            compile_kernels("qec hardware", names, progress=progress)
            for folder in folders:
                progress.show(f"{done} of {len(folders)} experiments, now {folder}")
                experiment = read_experiment(folder)
                _check_repeated(experiment, seen, root=root)
                results += _evaluate(experiment, root=root, names=names, args=args)
                done += 1
    finally:
        if results:
            _write(args, results)
            if done < len(folders) and (args.json or args.csv):
                print(f"kept the results of {done} of {len(folders)} experiments", file=sys.stderr)
    what = ", ".join(args.paths[:3]) + (", ..." if len(args.paths) > 3 else "")
    what = what or "the simulated sample that ships with the project"
    print(f"{len(folders)} experiment{'s' * (len(folders) > 1)} in {what}")
    fitted = fits(results, fit_from=args.fit_from)
    summed = totals(results, fitted)
    print(report(results, fitted, summed))
    if args.json or args.csv:
        print("\n" + "\n".join(filter(None, (args.json, args.csv))))
    if args.out:
        drawn = draw(args.out, summed)
        print(f"\nFigure: {drawn}" if drawn else "\nNo figure: it needs memories of several durations")
    return 0


def _folders(roots: Sequence[Path]) -> list[Path]:
    """Find the experiments in several trees, each once."""
    found: list[Path] = []
    for root in roots:
        inside = find_experiments(root)
        if not inside:
            raise ValueError(
                f"{root}: no experiment in it (a folder with properties.yml or metadata.json and shots)"
            )
        found += inside
    return list(dict.fromkeys(found))


def error_models(experiment: Experiment) -> list[str]:
    """List the names that `--model` accepts for an experiment.

    Those of `Experiment.error_models`, with the two models that were each learned from half of the shots
    replaced by "pij", which uses either on the other half only: on its own half a model would have seen the
    answers.
    """
    names = [name for name in experiment.error_models if name not in _HALVES]
    return [*names, CROSS_FITTED] if set(_HALVES) <= set(experiment.error_models) else names


def _check_repeated(
    experiment: Experiment, seen: dict[tuple[str, int, int, str], list[Experiment]], *, root: Path
) -> None:
    """Compare an experiment with earlier ones of the same patch, distance, cycles and basis.

    Folders `r1` and `r01` may hold two runs, which both count, or one run copied under two names.

    Args:
        experiment: the experiment that was just read.
        seen: the earlier ones; `experiment` is added.
        root: folder that patches are named from.

    Raises:
        ValueError: another folder has the same shots.
    """
    metadata = experiment.metadata
    key = (patch_name(experiment, root=root), metadata.distance, metadata.rounds, metadata.basis)
    others = seen.setdefault(key, [])
    for other in others:
        if all(
            np.array_equal(getattr(experiment, name), getattr(other, name))
            for name in ("detection_events", "observable_flips")
        ):
            raise ValueError(
                f"{other.path} and {experiment.path} hold the same shots, which would count twice: remove one"
            )
    if others:
        print(
            f"qec hardware: {others[0].path} and {experiment.path} have the same patch, distance, cycles and "
            "basis: counted as two runs",
            file=sys.stderr,
        )
    others.append(experiment)


def _evaluate(
    experiment: Experiment, *, root: Path, names: Sequence[str], args: argparse.Namespace
) -> list[Result]:
    if args.verify:
        experiment.verify()
    shots = experiment.shots if args.shots is None else min(args.shots, experiment.shots)
    if shots == 0:
        raise ValueError(f"{experiment.path}: no shots")
    metadata = experiment.metadata
    fraction = math.nan
    if experiment.num_detectors:
        fraction = statistics.detection_fraction(
            detection_events=experiment.detection_events[:shots],
            num_detectors=experiment.num_detectors,
            bit_packed=True,
        ).value
    model = experiment.default_model if args.model is None else args.model
    parts = _models(experiment, model)
    if args.learn:
        parts = learned_parts(experiment, parts, shots=shots)
        model += LEARNED

    def result(source: str, decoder: str, errors: int) -> Result:
        return Result(
            folder=experiment.path.relative_to(root).as_posix(),
            patch=patch_name(experiment, root=root),
            distance=metadata.distance,
            cycles=metadata.rounds,
            basis=metadata.basis,
            shots=shots,
            detection_fraction=fraction,
            source=source,
            decoder=decoder,
            model=model if source == DECODED else "",
            errors=errors,
        )

    found = [result(DECODED, name, _decoding_errors(experiment, name, parts, shots)) for name in names]
    for name, predictions in experiment.predictions.items():
        wrong = (predictions[:shots] != experiment.observable_flips[:shots]).any(axis=1)
        found.append(result(PUBLISHED, name, int(wrong.sum())))
    return found


def _models(experiment: Experiment, name: str) -> list[tuple[stim.DetectorErrorModel, slice]]:
    """Error models of a name, each with the shots that it decodes."""
    known = error_models(experiment)
    if name not in known:
        raise ValueError(f"{experiment.path}: no error model {name!r}: choose from {', '.join(known)}")
    if name == CROSS_FITTED:
        return [(experiment.error_model(half), slice(start, None, 2)) for half, start in _HALVES.items()]
    return [(experiment.error_model(name), slice(None))]


def learned_parts(
    experiment: Experiment, parts: Sequence[tuple[stim.DetectorErrorModel, slice]], *, shots: int
) -> list[tuple[stim.DetectorErrorModel, slice]]:
    """Refined models, one for even shots learned from the odd ones, and one the other way round.

    Args:
        experiment: whose detection events to learn from.
        parts: where to start: one model for all shots, or one for the even and one for the odd shots, each of
            which saw only the others.
        shots: number of shots used, from the first on.
    """
    even, odd = parts[0][0], parts[-1][0]
    try:
        for_even, for_odd = priors.learn_halves(
            detection_events=experiment.detection_events[:shots],
            error_models=(even, odd),
            coordinates=experiment.circuit.get_detector_coordinates(),
        )
    except ValueError as error:
        raise ValueError(f"{experiment.path}: {error}") from None
    return [(for_even.error_model, slice(0, None, 2)), (for_odd.error_model, slice(1, None, 2))]


def _decoding_errors(
    experiment: Experiment,
    name: str,
    parts: Sequence[tuple[stim.DetectorErrorModel, slice]],
    shots: int,
) -> int:
    errors = 0
    for model, part in parts:
        try:
            decoder = decoders.from_dem(name, model)
        except ValueError as error:
            raise ValueError(f"{experiment.path}: {error}") from None
        events = experiment.detection_events[:shots][part]
        flips = experiment.observable_flips[:shots][part]
        for start in range(0, len(events), _SHOTS_AT_ONCE):
            piece = slice(start, start + _SHOTS_AT_ONCE)
            predictions = decoder.decode_batch(np.ascontiguousarray(events[piece]), bit_packed=True)
            errors += int((predictions != flips[piece]).any(axis=1).sum())
    return errors


def _write(args: argparse.Namespace, results: Sequence[Result]) -> None:
    rows = [_row(result) for result in results]
    if args.json is not None:
        fitted = fits(results, fit_from=args.fit_from)
        summed = totals(results, fitted)
        document = {
            "results": rows,
            "fits": [dataclasses.asdict(fit) for fit in fitted],
            "by_distance": [dataclasses.asdict(total) for total in summed],
            "suppression": [
                {"source": source, "decoder": decoder, **dataclasses.asdict(fit)}
                for (source, decoder), fit in suppression(summed).items()
            ],
        }
        write_json(args.json, document)
    if args.csv is not None:
        text = io.StringIO()
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_file(args.csv, text.getvalue())


def _row(result: Result) -> dict[str, object]:
    epsilon = result.epsilon
    return {
        **dataclasses.asdict(result),
        "error_per_cycle": epsilon.value,
        "error_per_cycle_low": epsilon.low,
        "error_per_cycle_high": epsilon.high,
    }
