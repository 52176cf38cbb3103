"""`qec bench streaming`: a shot of a million cycles, its time, its memory and its logical errors."""

import argparse
import csv
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
from experiments.common.progress import Progress

_PARTS = ("shots", "build", "lengths", "accuracy", "buffers", "parallel")
_CALIBRATION_DISTANCE = 5
_LONG_SHOT_DISTANCE = 7  # up to here a shot has all cycles, beyond 400,000 at most
_MOST_CYCLES_BEYOND = 400_000
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
        "SI1000 noise, CZ gates, basis Z. Times are taken in turns on one core, those of the part parallel\n"
        "on all. The whole takes about five minutes and, for PyMatching, 6 GB; --quick half a minute."
    )
    parts = f"what to measure; default: {_joined(_PARTS)}"
    add("--parts", nargs="+", choices=_PARTS, default=list(_PARTS), metavar="PART", help=parts)
    add("--quick", action="store_true", help="smaller values for what is not given")
    _add_size(parser, "distances", "D", "of parts shots and build", nargs="+")
    _add_size(
        parser, "cycles", "N", f"of a shot; for d > {_LONG_SHOT_DISTANCE} at most {_MOST_CYCLES_BEYOND:,}"
    )
    add("--frames", nargs="+", type=int, default=[10, 1000], metavar="N", help="cycles; default: 10 1000")
    _add_size(parser, "passes", "N", "how often a shot is pushed")
    _add_size(parser, "repeats", "N", "turns of all other times")
    _add_size(parser, "lengths", "N", "cycles, of the comparison with PyMatching", nargs="+")
    add("--lengths_distance", type=int, default=5, metavar="D", help="of that comparison; default: 5")
    _add_size(parser, "errors", "N", "logical errors to reach, a quarter of them in part parallel")
    _add_size(parser, "error_distances", "D", "of those", nargs="+")
    _add_size(parser, "parallel_distances", "D", "of part parallel", nargs="+")
    add("--threads", nargs="+", type=int, default=[1, 2, 4], metavar="N", help="default: 1 2 4")
    add(
        "--detection_fraction",
        type=float,
        default=0.085,
        metavar="F",
        help=f"mean inside the memory at d = {_CALIBRATION_DISTANCE}, gives p; default: %(default)s",
    )
    add("--p", type=float, help="strength of the noise, instead of that")
    add("--seed", type=int, default=1, metavar="N", help="of the shots; default: 1")
    add("--out", default=".", metavar="FOLDER", help="where the files go; default: here")


def _add_size(
    parser: argparse.ArgumentParser, name: str, metavar: str, words: str, nargs: str | None = None
) -> None:
    value = _SIZES[name][0]
    default = _joined(value) if isinstance(value, list) else str(value)
    parser.add_argument(
        f"--{name}", nargs=nargs, type=int, metavar=metavar, help=f"{words}; default: {default}"
    )


def _joined(values: Iterable[object]) -> str:
    return " ".join(map(str, values))


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; see `add_arguments`."""
    _check(args)
    folder = Path(args.out)
    p = args.p
    if p is None:
        p = shots.calibrate(_CALIBRATION_DISTANCE, args.detection_fraction)
    wanted = {_CALIBRATION_DISTANCE, *args.distances, *args.error_distances, *args.parallel_distances}
    fractions = {distance: shots.detection_fraction(distance, p) for distance in sorted(wanted)}
    found = report.Findings(p=p, fractions=fractions)
    print(machine.description())
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
    _write(folder / "bench_streaming.csv", report.COLUMNS, found.rows())
    _write(folder / "bench_streaming_times.csv", report.TIME_COLUMNS, found.time_rows())
    _write(folder / "bench_streaming_counts.csv", report.COUNT_COLUMNS, found.count_rows())
    from experiments.bench.streaming.figures import draw

    made = draw(found, folder)
    if made:
        print(f"\nFigures: {', '.join(map(str, made))}")
    if stopped:
        print(f"qec bench: stopped; {folder} holds what was measured", file=sys.stderr)
        return 130
    return 0


def _check(args: argparse.Namespace) -> None:
    """Fill in sizes and raise before any work begins."""
    folder = Path(args.out)
    if not folder.is_dir():
        raise FileNotFoundError(f"--out {folder}: no such folder, make it first")
    for name, (full, quick) in _SIZES.items():
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    for name in (*_SIZES, "frames", "threads", "lengths_distance"):
        values = getattr(args, name)
        for value in values if isinstance(values, list) else [values]:
            if value < 1:
                raise ValueError(f"--{name} has {value}: it must be at least 1")
    if args.cycles < 100:
        raise ValueError(f"--cycles is {args.cycles}: it must be at least 100")
    if not 0 < args.detection_fraction < 0.5:
        raise ValueError(f"--detection_fraction is {args.detection_fraction}: it must lie between 0 and 0.5")
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
    """A long shot in a file that lives as long as it is needed."""
    most = args.cycles if distance <= _LONG_SHOT_DISTANCE else min(args.cycles, _MOST_CYCLES_BEYOND)
    show(f"d = {distance}, sampling {most:,} cycles")
    with tempfile.TemporaryDirectory() as folder:
        point = shots.memory_point(distance, most, found.p)
        shot = shots.sample_shot(point, Path(folder, "layers.bin"), seed=args.seed)
        found.shots[distance] = shot
        yield shot


def _write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
