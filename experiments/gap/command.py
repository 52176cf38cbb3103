"""`qec gap`: complementary gaps, their calibration, and postselection."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import decoders
from experiments.common.json_file import write_json
from experiments.common.noise_options import add_noise, has_own_rates, noise_name
from experiments.common.numbers import estimate, number
from experiments.common.parser import figure, output, real, whole
from experiments.common.points import Point, decoding_model, rounds_of
from experiments.common.preparation import preparation
from experiments.common.sampling import MemorySampler
from experiments.common.settings import DEFAULT_DECODER
from experiments.common.shot_files import shots_per_piece
from experiments.common.terminal import Progress, table
from experiments.plotting.series import GapSeries
from qec.statistics import soft

_TABLE_FRACTIONS = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2)
_FIGURE_FRACTIONS = tuple(round(0.01 * step, 2) for step in range(21))


@dataclass(frozen=True)
class GapResult:
    """Calibration and postselection of one memory.

    Attributes:
        distance: code distance.
        cycles: number of cycles.
        calibration: predicted against observed error.
        kept: errors after discarding, for the fractions of the table.
        curve: the same for those of the figure.
        cost: decoding time with gaps divided by that without, median over the pieces of the shots.
    """

    distance: int
    cycles: int
    calibration: list[soft.CalibrationBin]
    kept: list[soft.Kept]
    curve: list[soft.Kept]
    cost: float

    @property
    def predicted(self) -> float:
        """Mean error probability that the gaps predict."""
        shots = sum(one.shots for one in self.calibration)
        return sum(one.predicted * one.shots for one in self.calibration) / shots


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec gap`."""
    add = parser.add_argument
    parser.epilog = (
        "The gap of a shot is how much more the best solution of the other logical class weighs, in units\n"
        "of log-likelihood; it predicts the logical error 1 / (1 + exp(gap)). The left panel compares that\n"
        "with what happened, the right one shows the error left when the least certain shots are discarded."
    )
    add("--distances", nargs="+", type=whole(), default=[3, 5, 7], metavar="D", help="code distances")
    add("--p", type=real(), metavar="P", help="strength of the noise model; default: 0.003")
    add("--shots", type=whole(), default=200_000, metavar="N", help="per distance")
    add("--code", default="surface_zxxz", help="surface, surface_zxxz, repetition")
    add("--basis", default="z", metavar="B", help="x or z")
    add("--rounds", default="d", metavar="R", help="cycles, such as 30 or 3d")
    add_noise(parser)
    add("--decoder", default=DEFAULT_DECODER, metavar="NAME", help="one that gives gaps")
    add("--threads", type=whole(), default=1, metavar="N", help="threads")
    add("--bins", type=whole(), default=12, metavar="N", help="of the calibration")
    add("--seed", type=whole(0), default=1, metavar="N", help="random seed")
    add("--json", type=output(), metavar="FILE", help="write all bins and thresholds there")
    add(
        "--out",
        type=figure,
        default="qec_gap.png",
        metavar="FILE",
        help="PNG, SVG or PDF",
    )


def run(args: argparse.Namespace) -> int:
    """Sample, decode, print, draw; see `add_arguments`."""
    args.noise = noise_name(args.noise, args.bias)
    points = _check(args)
    results = []
    with Progress() as progress:
        _compile(points[0], args, progress=progress)
        for index, point in enumerate(points):
            where = f"{index + 1} of {len(points)}: d = {point.distance}"
            seed = int(np.random.SeedSequence([args.seed, index]).generate_state(1)[0])
            results.append(_measure(point, args, seed=seed, progress=progress, where=where))
    title = f"{points[0].code}, {points[0].noise}" + (f", p = {points[0].p:g}" if points[0].p else "")
    if points[0].leakage is not None:
        title += f", leakage {points[0].leakage.text}"
    title += f", {args.decoder}"
    print(f"{title}, {args.rounds} cycles, basis {points[0].basis.upper()}\n")
    print(_text(results))
    if args.json:
        write_json(args.json, {"title": title, "results": [asdict(one) for one in results]})
        print(f"\nJSON: {args.json}")
    # Matplotlib takes a while to import, and `qec gap --help` does not need it.
    from experiments.plotting import gap

    print(f"\nFigure: {gap.draw(path=args.out, series=_series(results), title=title)}")
    return 0


def _series(results: Sequence[GapResult]) -> list[GapSeries]:
    return [
        GapSeries(label=f"d = {one.distance}", calibration=one.calibration, curve=one.curve)
        for one in results
    ]


def _check(args: argparse.Namespace) -> list[Point]:
    """List the points to measure; raises before any work begins."""
    own_rates = has_own_rates(args.noise)
    if args.p is not None and own_rates:
        raise ValueError("--p with a device: a device has rates of its own, leave --p out")
    p = None if own_rates else 0.003 if args.p is None else args.p
    points = [
        Point(
            code=args.code,
            gates="cz",
            distance=distance,
            rounds=rounds_of(args.rounds, distance=distance),
            basis=args.basis.lower(),
            noise=args.noise,
            p=p,
        )
        for distance in dict.fromkeys(args.distances)
    ]
    for point in points:
        point.metadata()
    return points


def _compile(point: Point, args: argparse.Namespace, *, progress: Progress) -> None:
    """Compile the kernels on a small model; a decoder without gaps, or one that takes no threads, refuses."""
    tiny = decoding_model(replace(point, distance=3, rounds=3).circuit())
    with preparation("qec gap", args.decoder, progress=progress):
        decoder = decoders.from_dem(args.decoder, tiny)
        decoder.warm_up(gaps=True)
        none = np.zeros((0, tiny.num_detectors), dtype=np.bool_)
        decoder.decode_batch(none, return_gap=True, threads=args.threads)


def _measure(
    point: Point, args: argparse.Namespace, *, seed: int, progress: Progress, where: str
) -> GapResult:
    circuit = point.circuit()
    dem = decoding_model(circuit)
    decoder = decoders.from_dem(args.decoder, dem)
    sampler = MemorySampler(circuit, leakage=point.leakage, seed=seed)
    gaps: list[NDArray[np.float64]] = []
    failed: list[NDArray[np.bool_]] = []
    ratios: list[float] = []  # of neighbouring times, so that other work on the machine hardly counts
    piece = min(shots_per_piece(dem.num_detectors), max(1000, args.shots // 8))
    # Neither what a decoder compiles nor what it and its threads allocate at first is decoding time.
    decoder.warm_up(gaps=True)
    warm, _ = sampler.sample(100)
    for gaps_too in (False, True):
        decoder.decode_batch(warm, bit_packed=True, return_gap=gaps_too, threads=args.threads)
    for done in range(0, args.shots, piece):
        progress.show(f"{where}, {done:,} of {args.shots:,} shots")
        events, flips = sampler.sample(min(piece, args.shots - done))
        start = time.perf_counter_ns()
        decoder.decode_batch(events, bit_packed=True, threads=args.threads)
        between = time.perf_counter_ns()
        predictions, found = decoder.decode_batch(
            events, bit_packed=True, return_gap=True, threads=args.threads
        )
        ratios.append((time.perf_counter_ns() - between) / max(1, between - start))
        gaps.append(found.min(axis=1))
        failed.append(np.any(predictions != flips, axis=1))
    shots: dict[str, Any] = {"gaps": np.concatenate(gaps), "failed": np.concatenate(failed)}
    return GapResult(
        distance=point.distance,
        cycles=point.rounds,
        calibration=soft.calibration(**shots, bins=args.bins),
        kept=soft.post_selection(**shots, fractions=_TABLE_FRACTIONS),
        curve=soft.post_selection(**shots, fractions=_FIGURE_FRACTIONS),
        cost=median(ratios),
    )


def _text(results: Sequence[GapResult]) -> str:
    memories = [
        [
            *(
                str(result.distance),
                str(result.cycles),
                str(result.kept[0].shots),
                str(result.kept[0].errors),
            ),
            estimate(result.kept[0].error),
            number(result.predicted),
            f"{result.cost:.2f}",
        ]
        for result in results
    ]
    selected = [
        [f"{100 * fraction:g} %", *(_left(result.kept[row]) for result in results)]
        for row, fraction in enumerate(_TABLE_FRACTIONS)
    ]
    header = ["d", "cycles", "shots", "errors", "logical error [95 %]", "predicted", "slowdown"]
    return "\n".join(
        [
            table(header, memories),
            "Slowdown: decoding time with gaps divided by that without.",
            "",
            "Logical error in units of 1e-3 [95 %] when the least certain shots are discarded",
            table(["discarded", *(f"d = {result.distance}" for result in results)], selected),
        ]
    )


def _left(kept: soft.Kept) -> str:
    error = kept.error
    return estimate(replace(error, value=1e3 * error.value, low=1e3 * error.low, high=1e3 * error.high))
