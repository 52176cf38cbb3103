"""`qec threshold`: threshold of a code, noise model and decoder, with an interval and the collapse."""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import decoders
from decoders.sinter_adapter import sinter_decoder
from experiments.cluster.pool import LOCAL, connect
from experiments.common.json_file import write_json
from experiments.common.noise_options import add_noise, has_own_rates, noise_name
from experiments.common.numbers import estimate
from experiments.common.parser import decoder, figure, output, real, whole
from experiments.common.points import Point, decoding_model, grid, rounds_of
from experiments.common.settings import DEFAULT_DECODER
from experiments.common.terminal import Progress
from experiments.common.workers import interrupts_kept_from_workers
from experiments.engine import Engine
from experiments.sweep import counts
from experiments.sweep.adaptive import AdaptivePlan
from experiments.sweep.dispatch import collect
from experiments.sweep.processes import processes
from experiments.sweep.studies import describe, plain_words
from experiments.sweep.targets import ThresholdTarget
from experiments.sweep.work import compile_decoders, make_tasks, num_workers_of, states_of
from experiments.threshold.scaling import Scaling, scalings
from experiments.threshold.search import find_strengths
from qec.statistics import Estimate

_DEFAULTS: dict[str, Any] = {
    "code": "surface",
    "gates": "cx",
    "distances": [5, 7, 9, 11],
    "rounds": "d",
    "basis": "z",
    "decoder": DEFAULT_DECODER,
    "between": [0.001, 0.15],
    "target_precision": 0.01,
    "max_shots": 1_000_000,
    "seed": 1,
    "processes": "auto",
    "out": "threshold.csv",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec threshold`."""
    add = parser.add_argument
    parser.epilog = (
        "With CSV files of qec sweep, nothing is sampled. Without, the threshold is looked for with a few "
        "shots, and fitted to others at seven strengths around it; run the same command again to continue."
    )

    def option(flag: str, *, help: str, **options: Any) -> None:
        default = _DEFAULTS[flag]
        shown = " ".join(map(str, default)) if isinstance(default, list) else default
        add(f"--{flag}", help=f"{help}; default: {shown}", **options)

    add("csv", nargs="*", metavar="CSV", help="counts with metadata d, r and p, instead of sampling")
    option("code", metavar="CODE", help="surface, surface_zxxz, repetition")
    option("gates", choices=["cz", "cx"], help="two-qubit gate")
    option("distances", nargs="+", type=whole(), metavar="D", help="code distances")
    option("rounds", metavar="R", help="cycles, in proportion to the distance, such as d or 3d")
    option("basis", metavar="B", help="x or z")
    add_noise(parser)
    option("decoder", type=decoder, metavar="NAME", help="decoder")
    option("between", nargs=2, type=real(0, 1), metavar="P", help="strengths on both sides of the threshold")
    option(
        "target_precision",
        type=real(0, 1),
        metavar="X",
        help="half of the 95 %% interval, relative to the threshold, at which sampling ends",
    )
    option("max_shots", type=whole(), metavar="N", help="most shots per point")
    option("seed", type=whole(0), metavar="N", help="random seed")
    option("processes", metavar="N", help="worker processes, or auto: one per core")
    add("--cluster", metavar="ADDRESS", help="workers of a dask scheduler, as for qec sweep")
    option("out", metavar="CSV", help="counts")
    add(
        "--figure", type=figure, metavar="FILE", help="draw the failures and their collapse, of one threshold"
    )
    add("--json", type=output(), metavar="FILE", help="write thresholds and fits")


def run(args: argparse.Namespace) -> int:
    """Sample if there are no files, fit, print, draw; see `add_arguments`."""
    if args.csv:
        given = [name for name in (*_DEFAULTS, "cluster") if getattr(args, name) is not None]
        if given:
            raise ValueError(f"with CSV files nothing is sampled: leave out --{given[0]}")
        rows, notes = counts.read([Path(name) for name in args.csv])
    else:
        for name, default in _DEFAULTS.items():
            if getattr(args, name) is None:
                setattr(args, name, default)
        rows, notes = _sample(args), []
    found = scalings(rows)
    if not found:
        raise ValueError(f"{', '.join(args.csv)}: no shots yet; qec sweep takes them")
    for note in notes:
        print(f"qec threshold: {note}", file=sys.stderr)
    print("\n\n".join(map(_text, found)))
    known = [one for one in found if one.fit is not None]
    if args.json:
        write_json(args.json, {"thresholds": [_record(one) for one in found], "confidence": 0.95})
        print(f"\nJSON: {args.json}")
    if args.figure:
        if len(known) != 1:
            raise ValueError(f"--figure {args.figure}: draws one threshold, and there are {len(known)}")
        from experiments.plotting.collapse import draw_collapse  # matplotlib takes a while to import

        assert known[0].fit is not None
        path = draw_collapse(path=args.figure, fit=known[0].fit, title=plain_words(known[0].key))
        print(f"\nFigure: {path}")
    return 0 if known else 1


def _sample(args: argparse.Namespace) -> list[Any]:
    """Look for the threshold, and take shots around it; returns the totals."""
    if len(set(args.distances)) < 2:
        raise ValueError("--distances: a threshold needs at least two, better three or more")
    if args.cluster not in (None, LOCAL) and args.processes != "auto":
        raise ValueError(f"--cluster {args.cluster} has its own workers: leave --processes out")
    noise = noise_name(args.noise, args.bias)
    if has_own_rates(noise):
        raise ValueError(
            f"--noise {noise}: has no strength that could be varied; give a model such as si1000"
        )
    low, high = args.between
    if not low < high:
        raise ValueError(f"--between {low:g} {high:g}: the first must be below the second")
    workers = num_workers_of(args.processes)
    for end in (low, high):
        for d in args.distances:
            _point(args, noise, end, d).metadata()  # raises for wrong values before any work begins
    with counts.CountsFile(Path(args.out)) as file, Progress() as progress:
        for note in file.notes:
            print(f"qec threshold: {note}", file=sys.stderr)
        compile_decoders("qec threshold", [args.decoder], leaking=False, progress=progress)
        engines: dict[tuple[float, int], Engine] = {}

        def count(p: float, d: int, shots: int, first: int) -> int:
            progress.show(f"looking for the threshold: p = {p:.3g}")
            if (p, d) not in engines:
                circuit = _point(args, noise, p, d).circuit()
                made = decoders.from_dem(args.decoder, decoding_model(circuit))
                engines[p, d] = Engine(dem=circuit.detector_error_model(), decoder=made)
            return engines[p, d].count(shots=shots, seed=args.seed, first_shot=first).errors

        strengths = find_strengths(count, args.distances, low=low, high=high)
        points = list(
            grid(
                codes=[args.code],
                gates=args.gates,
                distances=args.distances,
                rounds=[args.rounds],
                bases=[args.basis],
                noise=[noise],
                p=strengths,
            )
        )
        return _take_shots(args, points, file, progress, workers=workers)


def _point(args: argparse.Namespace, noise: str, p: float, distance: int) -> Point:
    rounds = rounds_of(args.rounds, distance=distance)
    return Point(args.code, args.gates, distance, rounds, args.basis.lower(), noise, p)


def _take_shots(
    args: argparse.Namespace,
    points: Sequence[Point],
    file: counts.CountsFile,
    progress: Progress,
    *,
    workers: int,
) -> list[Any]:
    """Take shots until the threshold is precise enough; returns the totals of the points."""
    tasks = make_tasks(points, [args.decoder], progress, seeded=True)
    totals = {row.strong_id: row for row in file.rows}
    states = states_of(points, [args.decoder], tasks, totals, seed=args.seed)
    target = ThresholdTarget(states)
    plan = AdaptivePlan(states, [target], precision=args.target_precision, max_shots=args.max_shots)
    progress.expect(1.0)
    sinter_decoder(args.decoder)
    with interrupts_kept_from_workers(), contextlib.ExitStack() as stack:
        if args.cluster is None:
            pool: Any = stack.enter_context(processes(workers))
        else:
            pool = stack.enter_context(connect(args.cluster, workers=workers))
        for rows in collect(plan, pool):
            for row in rows:
                file.add(row)
                known = totals.get(row.strong_id)
                totals[row.strong_id] = row if known is None else known + row
            shots = sum(state.returned for state in states)
            progress.show(f"{shots:,} shots in this run", done=max(plan.progress()))
    return [totals[state.point.strong_id] for state in states if state.point.strong_id in totals]


def _text(one: Scaling) -> str:
    lines = [describe(one.key)]
    if one.fit is not None:
        fit = one.fit
        distances = ", ".join(f"{d:.0f}" for d in sorted(set(fit.distances)))
        lines.append(f"  threshold p = {_percent(fit.threshold)} from d = {distances}")
        lines.append(f"  1/nu = {estimate(fit.exponent)}, nu = {1 / fit.exponent.value:.3g}")
        lines.append(f"  deviance {fit.deviance:.1f} with {fit.degrees_of_freedom} degrees of freedom")
        if one.without_smallest is not None:
            smallest = min(fit.distances)
            lines.append(f"  without d = {smallest:.0f}: p = {_percent(one.without_smallest.threshold)}")
    return "\n".join([*lines, *(f"  note: {note}" for note in one.notes)])


def _percent(found: Estimate) -> str:
    scaled = [100 * value for value in (found.value, found.low, found.high)]
    return "{:.4g} % [{:.4g} %, {:.4g} %]".format(*scaled)


def _record(one: Scaling) -> dict[str, Any]:
    def estimated(found: Estimate) -> dict[str, float]:
        return {"value": found.value, "low": found.low, "high": found.high}

    record: dict[str, Any] = {"key": dict(one.key), "notes": one.notes, "p": None}
    if (fit := one.fit) is not None:
        record |= {
            "p": estimated(fit.threshold),
            "exponent": estimated(fit.exponent),
            "coefficients": list(fit.coefficients),
            "deviance": fit.deviance,
            "degrees_of_freedom": fit.degrees_of_freedom,
            "distances": sorted({int(d) for d in fit.distances}),
        }
    if one.without_smallest is not None:
        record["p_without_smallest"] = estimated(one.without_smallest.threshold)
    return record
