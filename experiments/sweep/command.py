"""`qec sweep`: count logical errors on a grid of memory experiments, in processes, into a CSV file."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sinter

from decoders.sinter_adapter import sinter_decoder
from experiments.cluster.pool import LOCAL, Pool, connect
from experiments.common.noise_options import BIAS_HELP, MODELS, has_own_rates, noise_names
from experiments.common.parser import add_live, real, whole
from experiments.common.points import grid
from experiments.common.settings import DEFAULT_DECODER
from experiments.common.terminal import Progress
from experiments.common.workers import interrupts_kept_from_workers
from experiments.monitor.live import LiveProgress, check_terminal
from experiments.sweep import counts
from experiments.sweep.adaptive import AdaptivePlan
from experiments.sweep.circuits import read_circuits
from experiments.sweep.dispatch import collect
from experiments.sweep.live import SweepNews, SweepScreen
from experiments.sweep.plan import LimitPlan, Plan
from experiments.sweep.processes import Processes, processes
from experiments.sweep.targets import group_for_suppression
from experiments.sweep.task_sampler import SharedShots
from experiments.sweep.work import (
    Source,
    compile_decoders,
    make_tasks,
    num_workers_of,
    samplers,
    states_of,
    usable_cores,
)

# A worker reports at least so often: no more than this is lost when a sweep is stopped.
_REPORT_SECONDS = 20

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
    "target_precision": None,
    "seed": None,
    "processes": "auto",
    "cluster": None,
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
        help=f"shots per point; default: {_SHOTS}, with --max_errors or --target_precision "
        f"{_SHOTS_FOR_ERRORS}",
    )
    parser.add_argument("--max_errors", type=whole(), metavar="N", help="stop a point after about N errors")
    parser.add_argument(
        "--target_precision",
        type=real(0, 1),
        metavar="X",
        help="take shots where Lambda needs them, until half of its 95 %% interval is below this part of it, "
        "such as 0.05",
    )
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
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="share the work among the workers of a dask scheduler: its address, the file that it wrote, or "
        f"{LOCAL} to start one here",
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
    if args.cluster not in (None, LOCAL) and args.processes is not None:
        raise ValueError(f"--cluster {args.cluster} has its own workers: leave --processes out")
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
    if args.max_errors is not None and args.target_precision is not None:
        raise ValueError("--max_errors and --target_precision both end points: leave one of them out")
    if args.max_shots is None:
        by_results = args.max_errors is not None or args.target_precision is not None
        args.max_shots = _SHOTS_FOR_ERRORS if by_results else _SHOTS
    points = _points(args)
    num_workers = num_workers_of(args.processes)
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


def _collect(
    args: argparse.Namespace, points: Sequence[Source], file: counts.CountsFile, num_workers: int
) -> int:
    existing = {row.strong_id: row for row in file.rows}
    totals = dict(existing)
    with LiveProgress(SweepScreen(), modest=False) if args.live else Progress() as progress:
        tasks = make_tasks(points, args.decoders, progress, seeded=args.seed is not None)
        # Shots of a larger circuit take longer.
        wanted = {task.strong_id(): max(1, task.detector_error_model.num_detectors) for task in tasks}

        plan = _plan(args, points, tasks, existing)
        finished = {name: _finished(totals.get(name), args) for name in wanted}
        progress.expect(
            sum(wanted.values()), done=sum(size * finished[name] for name, size in wanted.items())
        )
        new_shots = 0
        try:
            if min(finished.values()) < 1:
                if args.cluster in (None, LOCAL):
                    leaking = any(point.leakage for point in points)
                    compile_decoders("qec sweep", args.decoders, leaking=leaking, progress=progress)
                with interrupts_kept_from_workers(), contextlib.ExitStack() as stack:
                    if plan is None:
                        steps = _in_processes(args, points, tasks, existing, num_workers=num_workers)
                    elif args.cluster is None:
                        steps = _planned(plan, stack.enter_context(processes(num_workers)))
                    else:
                        progress.show(f"connecting to {args.cluster}")
                        steps = _planned(
                            plan, stack.enter_context(connect(args.cluster, workers=num_workers))
                        )
                    for rows, note in steps:
                        for row in rows:
                            file.add(row)
                            new_shots += row.shots
                            known = totals.get(row.strong_id)
                            totals[row.strong_id] = row if known is None else known + row
                            finished[row.strong_id] = _finished(totals[row.strong_id], args)
                        if plan is not None:
                            finished = dict(zip(wanted, plan.progress(), strict=True))
                        done = sum(part == 1 for part in finished.values())
                        progress.show(
                            f"{done}/{len(wanted)} points done, {new_shots:,} shots in this run{note}",
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
    _report([totals[strong_id] for strong_id in wanted if strong_id in totals], file.path)
    if isinstance(plan, AdaptivePlan):
        print(
            f"Lambda within {100 * args.target_precision:.3g} % (half of the 95 % interval): "
            f"{plan.num_reached} of {plan.num_results}; --max_shots ends the others"
        )
    return 0


def _news(totals: Mapping[str, Any], finished: Mapping[str, float]) -> SweepNews:
    rows = [totals[name] for name in finished if name in totals and totals[name].shots]
    return SweepNews(rows=rows, finished=dict(finished), num_points=len(finished))


_Steps = Iterator[tuple[Sequence[Any], str]]


def _in_processes(
    args: argparse.Namespace,
    points: Sequence[Source],
    tasks: Sequence[Any],
    existing: Mapping[str, Any],
    *,
    num_workers: int,
) -> _Steps:
    """Count in sinter's processes; yield new rows, and a note for the progress."""
    shots = None
    if args.seed is not None:
        names = [task.strong_id() for task in tasks]
        known = {name: existing[name].shots if name in existing else 0 for name in names}
        shots = SharedShots(args.seed, known)
    for step in sinter.iter_collect(
        num_workers=num_workers,
        tasks=tasks,
        additional_existing_data=dict(existing),
        max_shots=args.max_shots,
        max_errors=args.max_errors,
        max_batch_seconds=_REPORT_SECONDS,
        custom_decoders=samplers(args.decoders, points, shots),
        allowed_cpu_affinity_ids=usable_cores(),
    ):
        yield step.new_stats, ""


def _planned(plan: Plan, workers: Pool | Processes) -> _Steps:
    """Count in portions; see `_in_processes`."""
    for rows in collect(plan, workers):
        note = ""
        if isinstance(workers, Pool):
            note = f", {workers.slots} workers" if workers.has_workers else ", waiting for workers"
        yield rows, note


def _plan(
    args: argparse.Namespace, points: Sequence[Source], tasks: Sequence[Any], existing: Mapping[str, Any]
) -> Plan | None:
    """Make the plan of a run in portions; None: sinter shares the work out."""
    if args.cluster is None and args.target_precision is None:
        return None
    states = states_of(points, args.decoders, tasks, existing, seed=args.seed)
    if args.target_precision is None:
        return LimitPlan(states, max_shots=args.max_shots, max_errors=args.max_errors)
    targets = group_for_suppression(states)
    return AdaptivePlan(states, targets, precision=args.target_precision, max_shots=args.max_shots)


def _finished(row: Any | None, args: argparse.Namespace) -> float:
    """Part of a task that is done, up to 1: shots or errors, whichever ends it first."""
    if row is None:
        return 0.0
    by_errors = 0.0 if args.max_errors is None else row.errors / args.max_errors
    return float(min(1.0, max(row.shots / args.max_shots, by_errors)))


def _report(rows: Sequence[Any], path: Path) -> None:
    shots = sum(row.shots for row in rows)
    errors = sum(row.errors for row in rows)
    print(f"{path}: {len(rows)} points, {shots:,} shots, {errors:,} errors; next: qec plot {path}")
