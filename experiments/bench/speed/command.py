"""`qec bench decoders`: decoding time relative to PyMatching, construction time and memory."""

import argparse
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.bench.speed import costs, report
from experiments.bench.speed.calls import measure_calls
from experiments.bench.speed.cells import BARS, Cell, measure
from experiments.bench.speed.costs import Cost
from experiments.bench.speed.probe import in_new_process
from experiments.common import machine
from experiments.common.growing_file import GrowingFile
from experiments.common.parser import decoder, folder, real, whole
from experiments.common.points import Point
from experiments.common.terminal import Progress, fold

_PARTS = ("decoding", "build", "memory", "threads", "compile", "calls")
_CODES = ("surface", "repetition")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench decoders`."""
    add = parser.add_argument
    parser.epilog = (
        "Writes bench_decoders.csv (the table), bench_decoders_times.csv (each single time),\n"
        "bench_decoders_costs.csv and bench_decoders.png. Uniform noise, CX gates, basis Z, as many cycles\n"
        "as the distance. Times of a cell are taken alternately on one core; each library is judged by the\n"
        "faster of its two batch calls, bit-packed and bool."
    )
    add("--codes", nargs="+", choices=_CODES, default=list(_CODES), metavar="CODE", help="codes")
    distances = list(range(3, 22, 2))
    add("--distances", nargs="+", type=whole(), default=distances, metavar="D", help="of the surface code")
    add(
        "--repetition_distances",
        nargs="+",
        type=whole(),
        default=[29],
        metavar="D",
        help="of the repetition code",
    )
    add("--p", nargs="+", type=real(), default=list(BARS), metavar="P", help="noise strengths")
    add("--decoders", nargs="+", type=decoder, default=["mwpm"], metavar="NAME", help="decoders")
    add("--repeats", type=whole(), default=7, metavar="N", help="turns per cell")
    seconds = "about how long PyMatching decodes in one turn"
    add("--seconds", type=real(above=0, below=60), default=0.1, metavar="S", help=seconds)
    add("--parts", nargs="+", choices=_PARTS, default=list(_PARTS), metavar="PART", help="what to measure")
    add("--build_distance", type=whole(), default=11, metavar="D", help="of build, threads")
    add("--memory_cycles", type=whole(), default=500, metavar="N", help="of memory")
    add("--out", type=folder, default=".", metavar="FOLDER", help="where the files go")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; see `add_arguments`."""
    points = _check(args)
    cells: list[Cell] = []
    found: list[Cost] = []
    where = args.out
    print(fold(machine.description()), flush=True)
    stopped = False
    try:
        if "decoding" in args.parts:
            _measure_cells(points, args, where, cells)
        _measure_costs(args, where, found)
    except KeyboardInterrupt:
        stopped = True
    if cells:
        print(f"\n{report.cell_table(cells)}")
    if found:
        print(f"\n{report.cost_table(found)}")
    if cells:
        print(f"\nFigure: {report.draw(cells, where / 'bench_decoders.png')}")
    if stopped:
        print(f"qec bench: stopped; {where} holds what was measured", file=sys.stderr)
        return 130
    return 0


def _check(args: argparse.Namespace) -> list[Point]:
    """List the points to measure; raises before any work begins."""
    distances = {"surface": args.distances, "repetition": args.repetition_distances}
    points = [
        Point(code, "cx", distance, distance, "z", "uniform", p)
        for code in dict.fromkeys(args.codes)
        for p in dict.fromkeys(args.p)
        for distance in dict.fromkeys(distances[code])
    ]
    for point in [*points, Point("surface", "cx", args.build_distance, 1, "z", "uniform", 0.001)]:
        point.metadata()
    return points


def _measure_cells(points: list[Point], args: argparse.Namespace, folder: Path, cells: list[Cell]) -> None:
    names = list(dict.fromkeys(args.decoders))
    with (
        Progress() as progress,
        GrowingFile(folder / "bench_decoders.csv") as summary_file,
        GrowingFile(folder / "bench_decoders_times.csv") as times_file,
    ):
        progress.show("compiling")
        for name in names:
            # Kernels that this process compiled itself run up to 25 % slower than the same ones from the
            # cache, where all processes but a machine's first have them from.
            in_new_process("first_call", name, points[0].circuit())
        summary_file.replace([_line(report.COLUMNS)])
        times_file.replace([_line(report.TIME_COLUMNS)])
        for index, point in enumerate(points):
            progress.show(f"{index + 1} of {len(points)}: {point.code} d = {point.distance}, p = {point.p:g}")
            found = measure(point, names=names, repeats=args.repeats, seconds=args.seconds)
            # Written at once: what was measured survives Ctrl-C.
            for file, rows in (
                (summary_file, map(report.cell_row, found)),
                (times_file, report.time_rows(found)),
            ):
                file.append("\n".join(map(_line, rows)))
            cells += found


def _measure_costs(args: argparse.Namespace, folder: Path, found: list[Cost]) -> None:
    names = list(dict.fromkeys(args.decoders))
    distance, repeats = args.build_distance, args.repeats
    parts = {
        "build": costs.build(names, distance=distance, repeats=repeats),
        "memory": costs.memory(names, cycles=args.memory_cycles),
        "threads": costs.threads(
            names, distance=distance, repeats=repeats, shots=max(1000, round(5e5 * args.seconds))
        ),
        "compile": costs.first_call(names),
        "calls": measure_calls(repeats=repeats, shots=max(1000, round(2e5 * args.seconds))),
    }
    wanted = [part for part in parts if part in args.parts]
    if not wanted:
        return
    with Progress() as progress, GrowingFile(folder / "bench_decoders_costs.csv") as file:
        file.replace([_line(report.COST_COLUMNS)])
        for part in wanted:
            progress.show(f"measuring {part}")
            for cost in parts[part]:
                file.append(_line(report.cost_row(cost)))
                found.append(cost)


def _line(row: Sequence[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(row)
    return text.getvalue()
