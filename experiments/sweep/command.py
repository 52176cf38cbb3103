"""`qec sweep`: count logical errors on a grid of memory experiments, in processes, into a CSV file."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sinter

import decoders
from decoders.sinter_adapter import sinter_decoder
from experiments.common.noise_options import BIAS_HELP, MODELS, has_own_rates, noise_names
from experiments.common.parser import add_live, real, whole
from experiments.common.points import Point, decoding_model, grid
from experiments.common.preparation import compile_kernels, preparation, small_model
from experiments.common.sampling import leakage_sampler
from experiments.common.settings import DEFAULT_DECODER
from experiments.common.terminal import Progress
from experiments.common.workers import interrupts_kept_from_workers
from experiments.engine import Engine
from experiments.monitor.live import LiveProgress, check_terminal
from experiments.sweep import counts
from experiments.sweep.circuits import CircuitFile, read_circuits
from experiments.sweep.live import SweepNews, SweepScreen
from experiments.sweep.task_sampler import SharedShots, TaskSampler, independent_errors

# A worker reports at least so often: no more than this is lost when a sweep is stopped.
_REPORT_SECONDS = 20

Source = Point | CircuitFile
_GRID = ("codes", "gates", "distances", "rounds", "bases", "noise", "bias", "p")
_SHOTS = 20_000
_SHOTS_FOR_ERRORS = 10_000_000  # --max_errors is to end a point, not the shots

_DEFAULTS: dict[str, Any] = {
    "codes": ["surface_zxxz"],
    "gates": "cz",
    "distances": [3, 5, 7],
    "rounds": ["10", "30"],
    "bases": ["x", "z"],
    "noise": ["si1000"],
    "bias": [],
    "p": [0.002, 0.003, 0.004],
    "decoders": [DEFAULT_DECODER],
    "max_shots": None,
    "max_errors": None,
    "seed": None,
    "processes": "auto",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec sweep`."""

    def several(flag: str, *, help: str, metavar: str, kind: Callable[[str], Any] = str) -> None:
        default = " ".join(map(str, _DEFAULTS[flag])) or "none"
        parser.add_argument(
            f"--{flag}", nargs="+", type=kind, metavar=metavar, help=f"{help}; default: {default}"
        )

    parser.epilog = (
        "A point is one combination; rounds 3d are three times the distance. The CSV has sinter's format.\n"
        "Run the same command again to go on after a stop; what the CSV holds counts towards the limits."
    )
    parser.add_argument(
        "--circuits",
        nargs="+",
        metavar="FILE.stim",
        help="noisy circuits instead of codes and noise; metadata from names such as d=5,r=10,p=0.002.stim "
        "or from d5.json next to d5.stim",
    )
    parser.add_argument(
        "--metadata", nargs="+", metavar="KEY=VALUE", default=[], help="of all --circuits, such as c=mine"
    )
    several("codes", metavar="CODE", help="surface, surface_zxxz, repetition")
    parser.add_argument("--gates", choices=["cz", "cx"], help="two-qubit gate; default: cz")
    several("distances", metavar="D", kind=whole(), help="code distances")
    several("rounds", metavar="R", help="numbers of cycles, such as 30 or 3d")
    several("bases", metavar="B", help="x, z")
    several("noise", metavar="MODEL", help=MODELS)
    several("bias", metavar="ETA", kind=real(), help=BIAS_HELP)
    several(
        "p",
        metavar="P",
        kind=real(),
        help="strengths of the noise model, such as 0.002 or 0.2%%; not for devices",
    )
    several("decoders", metavar="NAME", help="decoder names; mwpm-gap-5 discards gaps below 5")
    parser.add_argument(
        "--max_shots",
        type=whole(),
        metavar="N",
        help=f"shots per point; default: {_SHOTS}, with --max_errors {_SHOTS_FOR_ERRORS}",
    )
    parser.add_argument("--max_errors", type=whole(), metavar="N", help="stop a point after about N errors")
    parser.add_argument(
        "--seed",
        type=whole(0),
        metavar="N",
        help="the same shots in every run; totals are the same unless the run is stopped or --max_errors "
        "ends points",
    )
    parser.add_argument(
        "--processes", metavar="N", help="worker processes, or auto (the default): one per core"
    )
    parser.add_argument("--out", default="sweep.csv", metavar="CSV", help="CSV file")
    add_live(parser)
    parser.add_argument(
        "--merge",
        nargs="+",
        metavar="CSV",
        help="no sampling: write the totals of these files to --out, a new file",
    )


def run(args: argparse.Namespace) -> int:
    """Collect or merge; see `add_arguments`."""
    if args.merge is not None:
        return _merge(args)
    if args.live:
        check_terminal()
    both = [name for name in _GRID if args.circuits is not None and getattr(args, name) is not None]
    if both:
        raise ValueError(
            f"--circuits have their code and noise: leave out {', '.join('--' + n for n in both)}"
        )
    if args.metadata and args.circuits is None:
        raise ValueError("--metadata is for --circuits, which are missing")
    if args.p is not None and args.noise and all(map(has_own_rates, args.noise)):
        raise ValueError("--p with devices only: a device has rates of its own, leave --p out")
    for name, default in _DEFAULTS.items():
        if getattr(args, name) is None:
            setattr(args, name, default)
    if args.max_shots is None:
        args.max_shots = _SHOTS if args.max_errors is None else _SHOTS_FOR_ERRORS
    points = _points(args)
    num_workers = _num_workers(args.processes)
    for name in args.decoders:
        sinter_decoder(name)
    with counts.CountsFile(Path(args.out)) as file:
        for note in file.notes:
            print(f"qec sweep: {note}", file=sys.stderr)
        return _collect(args, points, file, num_workers)


def _merge(args: argparse.Namespace) -> int:
    ignored = [name for name in _DEFAULTS if getattr(args, name) is not None]
    if ignored:
        raise ValueError(
            f"--merge takes no samples, so leave out {', '.join('--' + name for name in ignored)}"
        )
    rows, notes = counts.read([Path(name) for name in args.merge])
    for note in notes:
        print(f"qec sweep: {note}", file=sys.stderr)
    counts.write(Path(args.out), rows)
    _report(rows, Path(args.out))
    return 0


def _points(args: argparse.Namespace) -> Sequence[Source]:
    if args.circuits is not None:
        return read_circuits(args.circuits, args.metadata)
    points = list(
        grid(
            codes=args.codes,
            gates=args.gates,
            distances=args.distances,
            rounds=args.rounds,
            bases=args.bases,
            noise=noise_names(args.noise, args.bias),
            p=args.p,
        )
    )
    for point in points:
        point.metadata()  # raises for unknown names before any work begins
    return points


def _num_workers(processes: str) -> int:
    if processes == "auto":
        return len(_usable_cores())
    if not (processes.isascii() and processes.isdigit()) or int(processes) == 0:
        raise ValueError(f"--processes {processes!r}: give a positive number, or auto")
    return int(processes)


def _usable_cores() -> Sequence[int]:
    # sinter pins worker k to core k of this list; without it, it would leave the cores we were given.
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return range(os.cpu_count() or 1)


def _tasks(points: Sequence[Source], names: Sequence[str], progress: Progress, *, seeded: bool) -> list[Any]:
    tasks = []
    for number, point in enumerate(points):
        progress.show(f"preparing point {number + 1} of {len(points)}")
        circuit = point.circuit()
        if (leakage := point.leakage) is not None:
            leakage_sampler(circuit, leakage)  # raises for what cannot be sampled, before any work begins
        elif seeded and independent_errors(circuit) is None:
            raise ValueError(
                f"--seed: {point.metadata()} has errors that exclude each other, such as heralded ones; "
                "stim draws their shots, which cannot be numbered: leave --seed out"
            )
        dem = decoding_model(circuit)
        tasks += [
            sinter.Task(
                circuit=circuit, detector_error_model=dem, decoder=name, json_metadata=point.metadata()
            )
            for name in dict.fromkeys(names)
        ]
    return tasks


def _collect(
    args: argparse.Namespace, points: Sequence[Source], file: counts.CountsFile, num_workers: int
) -> int:
    existing = {row.strong_id: row for row in file.rows}
    totals = dict(existing)
    with LiveProgress(SweepScreen(), modest=False) if args.live else Progress() as progress:
        tasks = _tasks(points, args.decoders, progress, seeded=args.seed is not None)
        # Shots of a larger circuit take longer.
        wanted = {task.strong_id(): max(1, task.detector_error_model.num_detectors) for task in tasks}

        finished = {name: _finished(totals.get(name), args) for name in wanted}
        progress.expect(
            sum(wanted.values()), done=sum(size * finished[name] for name, size in wanted.items())
        )
        shots = None
        if args.seed is not None:
            known_shots = {name: totals[name].shots if name in totals else 0 for name in wanted}
            shots = SharedShots(args.seed, known_shots)
        new_shots = 0
        try:
            if min(finished.values()) < 1:
                _compile(args.decoders, points, progress)
                with interrupts_kept_from_workers():
                    for step in sinter.iter_collect(
                        num_workers=num_workers,
                        tasks=tasks,
                        additional_existing_data=existing,
                        max_shots=args.max_shots,
                        max_errors=args.max_errors,
                        max_batch_seconds=_REPORT_SECONDS,
                        custom_decoders=_custom_decoders(args.decoders, points, shots),
                        allowed_cpu_affinity_ids=_usable_cores(),
                    ):
                        for row in step.new_stats:
                            file.add(row)
                            new_shots += row.shots
                            known = totals.get(row.strong_id)
                            totals[row.strong_id] = row if known is None else known + row
                            finished[row.strong_id] = _finished(totals[row.strong_id], args)
                        done = sum(part == 1 for part in finished.values())
                        progress.show(
                            f"{done}/{len(wanted)} points done, {new_shots:,} shots in this run",
                            done=sum(size * finished[name] for name, size in wanted.items()),
                        )
                        if isinstance(progress, LiveProgress):
                            progress.send(_news(totals, finished))
        except KeyboardInterrupt:
            progress.clear()
            print(
                f"qec sweep: stopped; {file.path} keeps {new_shots:,} shots of this run, "
                "run the same command to continue",
                file=sys.stderr,
            )
            return 130
    _report([totals[strong_id] for strong_id in wanted], file.path)
    return 0


def _news(totals: Mapping[str, Any], finished: Mapping[str, float]) -> SweepNews:
    rows = [totals[name] for name in finished if name in totals and totals[name].shots]
    return SweepNews(rows=rows, finished=dict(finished), num_points=len(finished))


def _finished(row: Any | None, args: argparse.Namespace) -> float:
    """Part of a task that is done, up to 1: shots or errors, whichever ends it first."""
    if row is None:
        return 0.0
    by_errors = 0.0 if args.max_errors is None else row.errors / args.max_errors
    return float(min(1.0, max(row.shots / args.max_shots, by_errors)))


def _custom_decoders(
    names: Sequence[str], points: Iterable[Source], shots: SharedShots | None
) -> dict[str, Any]:
    """Make the samplers of sinter's workers."""
    models = {model.text: model for point in points if (model := point.leakage) is not None}
    return {name: TaskSampler(sinter_decoder(name), models, shots) for name in names}


def _compile(names: Sequence[str], points: Iterable[Source], progress: Progress) -> None:
    """Compile once what every worker process would otherwise compile for itself."""
    made = [sinter_decoder(name) for name in names]
    with_gaps = {one.name for one in made if one.gap_threshold is not None}
    dem = small_model()
    for name in dict.fromkeys(one.name for one in made if one.gap_threshold is None):
        with preparation("qec sweep", name, progress=progress):
            Engine(dem=dem, decoder=decoders.from_dem(name, dem)).warm_up()
    if any(point.leakage for point in points):
        with_batches = [one.name for one in made]
    else:
        with_batches = [one.name for one in made if one.gap_threshold is not None]
    compile_kernels("qec sweep", with_batches, with_gaps=with_gaps, progress=progress)


def _report(rows: Sequence[Any], path: Path) -> None:
    shots = sum(row.shots for row in rows)
    errors = sum(row.errors for row in rows)
    print(f"{path}: {len(rows)} points, {shots:,} shots, {errors:,} errors; next: qec plot {path}")
