"""`qec bench streaming`: a shot of a million cycles, its time, its memory and its logical errors."""

import argparse
import csv
import io
import math
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.bench.streaming import pairs, report, shots
from experiments.bench.streaming.threads import compare_threads
from experiments.bench.streaming.windows import compare_lengths
from experiments.common import machine
from experiments.common.parser import folder, real, whole
from experiments.common.terminal import Progress, fold
from qec.files import write_file

_PARTS = ("shots", "build", "lengths", "accuracy", "buffers", "parallel")
_CALIBRATION_DISTANCE = 5
_LONG_SHOT_DISTANCE = 7  # up to here a shot has all cycles, beyond 400,000 at most
_MAX_CYCLES_BEYOND = 400_000
_BUILD_CYCLES = (100, 1_000_000)

# Option -> its value in a full run and with --quick.
_SIZES: dict[str, tuple[Any, Any]] = {
    "distances": ([3, 5, 7, 9, 11], [5]),
    "cycles": (1_000_000, 50_000),
    "passes": (5, 2),
    "repeats": (5, 3),
    "lengths": ([10, 100, 1000, 10_000, 100_000], [10, 100, 1000]),
    "errors": (10_000, 1000),
    "error_distances": ([3, 5, 7], [3, 5]),
    "parallel_distances": ([7, 9, 11], [9]),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench streaming`."""
    add = parser.add_argument
    parser.epilog = (
        "Writes bench_streaming.csv (every number of the tables), bench_streaming_times.csv (each single\n"
        "time), bench_streaming_counts.csv (counts of logical errors) and figures. Rotated surface code,\n"
        "SI1000 noise, CZ gates, basis Z. Times are taken alternately on one core, those of the part\n"
        "parallel on all. The whole takes about five minutes and, for PyMatching, 6 GB;\n"
        "--quick half a minute."
    )
    add("--parts", nargs="+", choices=_PARTS, default=list(_PARTS), metavar="PART", help="what to measure")
    add("--quick", action="store_true", help="smaller values for what is not given")

    def size(name: str, metavar: str, words: str, least: int = 1) -> None:
        value = _SIZES[name][0]
        several = isinstance(value, list)
        default = " ".join(map(str, value)) if several else value
        add(
            f"--{name}",
            nargs="+" if several else None,
            type=whole(least),
            metavar=metavar,
            help=f"{words}; default: {default}",
        )

    size("distances", "D", "of parts shots and build")
    size("cycles", "N", f"of a shot; for d > {_LONG_SHOT_DISTANCE} at most {_MAX_CYCLES_BEYOND:,}", 100)
    add("--frames", nargs="+", type=whole(), default=[10, 1000], metavar="N", help="cycles")
    size("passes", "N", "how often a shot is pushed")
    size("repeats", "N", "turns of all other times")
    size("lengths", "N", "cycles, of the comparison with PyMatching")
    add("--lengths_distance", type=whole(), default=5, metavar="D", help="of that comparison")
    size("errors", "N", "logical errors to reach, a quarter of them in part parallel")
    size("error_distances", "D", "of those")
    size("parallel_distances", "D", "of part parallel")
    add("--threads", nargs="+", type=whole(), default=[1, 2, 4], metavar="N", help="threads")
    words = f"mean inside the memory at d = {_CALIBRATION_DISTANCE}, gives p"
    add("--detection_fraction", type=real(above=0, below=0.5), default=0.085, metavar="F", help=words)
    add("--p", type=real(), help="strength of the noise, instead of that")
    add("--seed", type=whole(0), default=1, metavar="N", help="of the shots")
    add("--out", type=folder, default=".", metavar="FOLDER", help="where the files go")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; see `add_arguments`."""
    _check(args)
    where = args.out
    p = args.p
    if p is None:
        p = shots.calibrate(_CALIBRATION_DISTANCE, args.detection_fraction)
    wanted = {_CALIBRATION_DISTANCE, *args.distances, *args.error_distances, *args.parallel_distances}
    fractions = {distance: shots.detection_fraction(distance, p) for distance in sorted(wanted)}
    found = report.Findings(p=p, fractions=fractions)
    print(fold(machine.description()))
    line = report.calibration_line(p, distance=_CALIBRATION_DISTANCE, fractions=fractions)
    print(f"\n{line}", flush=True)
    stopped = False
    try:
        with Progress() as progress:
            _measure(args, found, progress)
    except KeyboardInterrupt:
        stopped = True
    for text in found.tables():
        print(f"\n{text}")
    _write(where / "bench_streaming.csv", report.COLUMNS, found.rows())
    _write(where / "bench_streaming_times.csv", report.TIME_COLUMNS, found.time_rows())
    _write(where / "bench_streaming_counts.csv", report.COUNT_COLUMNS, found.count_rows())
    from experiments.bench.streaming.figures import draw

    made = draw(found, where)
    if made:
        print(f"\nFigures: {', '.join(map(str, made))}")
    if stopped:
        print(f"qec bench: stopped; {where} holds what was measured", file=sys.stderr)
        return 130
    return 0


def _check(args: argparse.Namespace) -> None:
    """Fill in sizes and raise before any work begins."""
    for name, (full, quick) in _SIZES.items():
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    p = 0.001 if args.p is None else args.p
    if p == 0:
        raise ValueError("--p is 0: without noise there is nothing to decode")
    for distance in {*args.distances, *args.error_distances, *args.parallel_distances, args.lengths_distance}:
        shots.memory_point(distance, 1, p).metadata()


def _measure(args: argparse.Namespace, found: report.Findings, progress: Progress) -> None:
    """Do the parts in an order in which what is most wanted comes first."""

    def show(part: str) -> Callable[[str], None]:
        return lambda words: progress.show(f"{part}: {words}")

    parts, p = set(args.parts), found.p
    progress.show("compiling")
    shots.compile_kernels(_CALIBRATION_DISTANCE, p)
    if "shots" in parts:
        for distance in dict.fromkeys(args.distances):
            with _sampled(distance, args, found, show("shots")) as shot:
                show("shots")(f"d = {distance}, pushing")
                segments = max(1, min(100, shot.point.rounds // 500))
                found.runs += shots.push_shot(shot, frames=args.frames, passes=args.passes, segments=segments)
    if "build" in parts:
        for distance in dict.fromkeys(args.distances):
            show("build")(f"d = {distance}")
            found.builds[distance] = shots.build_times(
                distance, p, cycles=_BUILD_CYCLES, repeats=args.repeats
            )
    if "lengths" in parts:
        common = {"cycles": args.cycles // 10, "repeats": args.repeats, "seed": args.seed}
        for length in dict.fromkeys(args.lengths):
            found.lengths += compare_lengths(
                args.lengths_distance, p, lengths=[length], show=show("lengths"), **common
            )
    for distance in dict.fromkeys(args.error_distances):
        sizes = {"errors": args.errors, "seed": args.seed}
        if "accuracy" in parts:
            found.pairs += pairs.compare_buffers(
                distance, p, buffers=[None], repeats=0, show=show("accuracy"), **sizes
            )
        if "buffers" in parts:
            found.buffers += pairs.compare_buffers(
                distance,
                p,
                buffers=range(1, 2 * distance + 1),
                repeats=args.repeats,
                show=show("buffers"),
                **sizes,
            )
        if "parallel" in parts:
            # Shot by shot from Python: slow.
            sizes["errors"] = math.ceil(args.errors / 4)
            found.pairs.append(pairs.compare_parallel(distance, p, show=show("parallel"), **sizes))
    if "parallel" in parts:
        for distance in dict.fromkeys(args.parallel_distances):
            with _sampled(distance, args, found, show("parallel")) as shot:
                show("parallel")(f"d = {distance}, decoding")
                found.threads.append(compare_threads(shot, threads=args.threads, repeats=args.repeats))


@contextmanager
def _sampled(
    distance: int, args: argparse.Namespace, found: report.Findings, show: Callable[[str], None]
) -> Iterator[shots.Shot]:
    """Sample a long shot into a temporary file."""
    most = args.cycles if distance <= _LONG_SHOT_DISTANCE else min(args.cycles, _MAX_CYCLES_BEYOND)
    show(f"d = {distance}, sampling {most:,} cycles")
    with tempfile.TemporaryDirectory() as folder:
        point = shots.memory_point(distance, most, found.p)
        shot = shots.sample_shot(point, Path(folder, "layers.bin"), seed=args.seed)
        found.shots[distance] = shot
        yield shot


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    write_file(path, text.getvalue())
