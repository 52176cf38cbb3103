"""`qec bench accuracy`: logical errors against decoding time, for our decoders and for other libraries."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.bench.accuracy import report
from experiments.bench.accuracy.peers import REFERENCE, Contender, Decode, contenders
from experiments.bench.accuracy.runs import PIECE, Run, RunFile, Shots, cell_name
from experiments.common import machine
from experiments.common.json_file import write_json
from experiments.common.parser import figure, output, real, whole
from experiments.common.points import Point
from experiments.common.terminal import Progress, fold
from experiments.common.timing import on_one_core

_CELLS = ("5:0.003", "7:0.003", "7:0.005")
# Length of a decoder's turn, in seconds.
_TURN = 1.0
_WARM_UP = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench accuracy`."""
    add = parser.add_argument
    parser.epilog = (
        "Rotated surface code, CX gates, basis Z, uniform noise, as many cycles as the distance. Decoders\n"
        "take turns on one core, each for about the same time, on the same shots from the first on, until\n"
        "--shots or --minutes is reached: slow ones decode fewer shots, and are compared with plain\n"
        "matching on those. The data file is continued when it exists."
    )
    add(
        "--cells",
        nargs="+",
        type=str,
        default=list(_CELLS),
        metavar="D:P",
        help="distances and noise strengths",
    )
    add("--decoders", nargs="+", type=str, metavar="NAME", help="default: all of the registry")
    add("--no_peers", action="store_true", help="leave out other libraries (but PyMatching)")
    add("--shots", type=whole(), default=1_000_000, metavar="N", help="most in a cell")
    add("--minutes", type=real(above=0), default=10.0, metavar="M", help="of all cells")
    add("--seed", type=whole(0), default=1, metavar="N", help="random seed")
    add("--again", nargs="+", default=[], metavar="NAME", help="measure these decoders once more")
    add(
        "--data",
        type=output(),
        default="bench_accuracy.jsonl",
        metavar="FILE",
        help="file of results, which is continued",
    )
    add("--json", type=output(), metavar="FILE", help="write the comparison there")
    add(
        "--out",
        type=figure,
        default="bench_accuracy.png",
        metavar="FILE",
        help="PNG, SVG or PDF",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; see `add_arguments`."""
    points = _check(args)
    taking_part, notes = contenders(names=args.decoders, peers=not args.no_peers)
    for name in args.again:
        if name not in [one.name for one in taking_part]:
            raise ValueError(
                f"--again {name}: it takes no part; {', '.join(one.name for one in taking_part)} do"
            )
    print(fold(machine.description()), flush=True)
    for note in notes:
        print(note)
    cells: list[report.CellScores] = []
    stopped = False
    with RunFile(Path(args.data), again=args.again) as file, Progress() as progress:
        for point in points:
            runs = {one.name: file.run(cell_name(point), one.name) for one in taking_part}
            try:
                if not stopped:
                    seconds = 60 * args.minutes / len(points)
                    _measure(point, taking_part, file, args, seconds=seconds, progress=progress)
            except KeyboardInterrupt:
                stopped = True
            if runs[REFERENCE].shots:
                peers = {one.name for one in taking_part if one.peer}
                cells.append(report.score_cell(point, runs, peers=peers, reference=REFERENCE))
    if cells:
        print(f"\nErrors relative to plain matching ({REFERENCE}) on the same shots")
        print(f"\n{report.text(cells)}")
        if args.json:
            data = {"machine": machine.description(), "cells": report.plain_data(cells)}
            write_json(args.json, data)
            print(f"\nJSON: {args.json}")
        # Matplotlib takes a while to import, and `qec bench --help` does not need it.
        from experiments.plotting import accuracy

        print(f"\nFigure: {accuracy.draw(path=args.out, panels=report.panels(cells))}")
    if stopped:
        print(f"qec bench: stopped; the same command continues {args.data}", file=sys.stderr)
        return 130
    return 0


def _check(args: argparse.Namespace) -> list[Point]:
    """List the cells to measure; raises before any work begins."""
    points = []
    for words in dict.fromkeys(args.cells):
        distance, _, p = words.partition(":")
        try:
            points.append(Point("surface", "cx", int(distance), int(distance), "z", "uniform", real()(p)))
        except (ValueError, argparse.ArgumentTypeError):
            raise ValueError(f"--cells {words!r}: give distance and noise such as 7:0.003") from None
        points[-1].metadata()
    return points


def _measure(
    point: Point,
    taking_part: Sequence[Contender],
    file: RunFile,
    args: argparse.Namespace,
    *,
    seconds: float,
    progress: Progress,
) -> None:
    """Let the decoders of one cell take turns until the time is up or all have decoded enough."""
    name = cell_name(point)
    circuit = point.circuit()
    shots = Shots(circuit, seed=args.seed)
    file.check(name, shots.fingerprint())
    ready: dict[str, Decode] = {}
    for one in taking_part:
        run = file.run(name, one.name)
        if run.shots >= args.shots:
            continue
        progress.show(f"d = {point.distance}, p = {point.p:g}: making {one.name}")
        try:
            ready[one.name] = one.make(circuit)
            ready[one.name](shots.piece(0)[0][:_WARM_UP])
        except ValueError as error:
            run.note = f"left out: {' '.join(str(error).split())}"
            ready.pop(one.name, None)
    spent = dict.fromkeys(ready, 0.0)
    deadline = time.monotonic() + seconds
    with on_one_core():
        while ready and time.monotonic() < deadline:
            chosen = min(ready, key=lambda decoder: spent[decoder])
            reference = file.run(name, REFERENCE)
            if chosen != REFERENCE and reference.shots <= file.run(name, chosen).shots:
                if REFERENCE not in ready:
                    break  # what is compared ends with it
                chosen = REFERENCE
            run = file.run(name, chosen)
            progress.show(
                f"d = {point.distance}, p = {point.p:g}: {chosen} at {run.shots:,} of {args.shots:,} shots, "
                f"{deadline - time.monotonic():.0f} s left"
            )
            start = time.monotonic()
            _turn(name, chosen, ready[chosen], run, file, shots, most=args.shots)
            spent[chosen] += time.monotonic() - start
            if run.shots >= args.shots:
                del ready[chosen]


def _turn(
    cell: str, decoder: str, decode: Decode, run: Run, file: RunFile, shots: Shots, *, most: int
) -> None:
    """Decode the next shots, for about a second, at most to the end of a piece."""
    offset = run.shots % PIECE
    events, flips = shots.piece(run.shots // PIECE)
    size = _WARM_UP if not run.shots else max(1, round(_TURN * 1e6 / max(run.microseconds, 1e-3)))
    end = min(PIECE, offset + size, offset + most - run.shots)
    start = time.perf_counter_ns()
    predictions = decode(events[offset:end])
    time_ns = time.perf_counter_ns() - start
    wrong = np.flatnonzero(np.any(predictions != flips[offset:end], axis=1)) + run.shots
    file.add(cell, decoder, failed=wrong, last=run.shots + end - offset, time_ns=time_ns)
