"""`qec demo`: simulate memories, decode them, fit Lambda and draw, in about a minute."""

import argparse
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import decoders
from experiments.common import fits
from experiments.common.noise_options import add_noise, has_own_rates, noise_name
from experiments.common.numbers import estimate
from experiments.common.parser import decoder, figure, real, whole
from experiments.common.points import Point, decoding_model
from experiments.common.preparation import compile_kernels
from experiments.common.sampling import MemorySampler
from experiments.common.settings import DEFAULT_DECODER, PUBLISHED_LAMBDA
from experiments.common.shot_files import shots_per_piece
from experiments.common.terminal import Progress, table

# SI1000 of this strength, decoded by matching, is close to the published chip's epsilon_d and Lambda.
DEFAULT_P = 0.0025
_CODE = "surface_zxxz"
_BASES = ("x", "z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec demo`."""
    add = parser.add_argument
    parser.epilog = (
        "Rotated surface code (ZXXZ, CZ gates), bases X and Z. One seed always gives the same errors."
    )
    add_noise(parser)
    add("--p", type=real(), metavar="P", help=f"strength of the noise model; default: {DEFAULT_P}")
    add("--decoder", type=decoder, default=DEFAULT_DECODER, metavar="NAME", help="name of the decoder")
    add("--distances", nargs="+", type=whole(), default=[3, 5, 7], metavar="D", help="code distances")
    add("--rounds", nargs="+", type=whole(), default=[10, 30, 50], metavar="R", help="numbers of cycles")
    add("--shots", type=whole(), default=40_000, metavar="N", help="per distance, cycles, basis")
    add("--seed", type=whole(0), default=1, metavar="N", help="random seed")
    add(
        "--out",
        type=figure,
        default="qec_demo.png",
        metavar="FILE",
        help="PNG, SVG or PDF",
    )


@dataclass(frozen=True)
class _Result:
    """Counts of one circuit; times in ns."""

    count: fits.Count
    num_events: int
    num_detectors: int
    decode_ns: int


def _measure(point: Point, *, decoder_name: str, shots: int, seed: int) -> _Result:
    circuit = point.circuit()
    dem = decoding_model(circuit)
    decoder = decoders.from_dem(decoder_name, dem)
    sampler = MemorySampler(circuit, leakage=point.leakage, seed=seed)
    decoder.warm_up()  # compiling is not decoding time
    piece = shots_per_piece(dem.num_detectors)
    errors = events = decode_ns = 0
    for done in range(0, shots, piece):
        found, flips = sampler.sample(min(piece, shots - done))
        start = time.perf_counter_ns()
        predictions = decoder.decode_batch(found, bit_packed=True)
        decode_ns += time.perf_counter_ns() - start
        errors += int(np.count_nonzero(np.any(predictions != flips, axis=1)))
        events += int(np.bitwise_count(found).sum())
    return _Result(
        count=fits.Count(
            distance=point.distance, basis=point.basis, cycles=point.rounds, shots=shots, errors=errors
        ),
        num_events=events,
        num_detectors=dem.num_detectors,
        decode_ns=decode_ns,
    )


def run(args: argparse.Namespace) -> int:
    """Run the demo; see `add_arguments`."""
    args.noise = noise_name(args.noise, args.bias)
    points = _points(args)
    out = Path(args.out)
    results = []
    with Progress() as progress:
        compile_kernels("qec demo", [args.decoder], progress=progress)
        for index, point in enumerate(points):
            where = f"d = {point.distance}, {point.rounds} cycles, basis {point.basis.upper()}"
            progress.show(f"{index + 1} of {len(points)}: {where}")
            seed = int(np.random.SeedSequence([args.seed, index]).generate_state(1)[0])
            results.append(_measure(point, decoder_name=args.decoder, shots=args.shots, seed=seed))
    counts = [result.count for result in results]
    found = fits.fit(counts)
    strength = "" if points[0].p is None else f", p = {points[0].p:g}"
    leakage = "" if points[0].leakage is None else f", leakage {points[0].leakage.text}"
    setting = f"noise {args.noise}{strength}{leakage}, decoder {args.decoder}"
    print(f"Rotated surface code (ZXXZ) memory, {setting}\n")
    print(_table(results, found))
    print()
    print(_explanation(args, found))
    print(
        f"\nFigure: {_draw(out, counts, found, decoder=args.decoder, title=f'noise {args.noise}{strength}')}"
    )
    return 0


def _draw(out: Path, counts: Sequence[fits.Count], found: fits.Fits, *, decoder: str, title: str) -> Path:
    # Matplotlib takes a while to import, and `qec demo --help` does not need it.
    from experiments.plotting import figures, overview

    return figures.draw_overview(
        path=out,
        suppression=[overview.suppression_series(decoder, found)],
        cycles=overview.cycle_series(counts, found),
        title=f"Rotated surface code, {title}",
    )


def _points(args: argparse.Namespace) -> list[Point]:
    # A device brings its own rates; `Point` says so when a strength is given all the same.
    p = DEFAULT_P if args.p is None and not has_own_rates(args.noise) else args.p
    points = [
        Point(_CODE, "cz", distance, rounds, basis, args.noise, p)
        for distance in sorted(set(args.distances))
        for rounds in sorted(set(args.rounds))
        for basis in _BASES
    ]
    for point in points:
        point.metadata()  # raises before any work begins
    return points


def _table(results: Sequence[_Result], found: fits.Fits) -> str:
    rows = []
    for fitted in found.distances:
        mine = [result for result in results if result.count.distance == fitted.distance]
        for cycles in sorted({result.count.cycles for result in mine}):
            group = [result for result in mine if result.count.cycles == cycles]
            shots = sum(result.count.shots for result in group)
            fraction = sum(result.num_events for result in group) / (shots * group[0].num_detectors)
            decode_ns = sum(result.decode_ns for result in group)
            rows.append(
                [
                    str(fitted.distance),
                    str(cycles),
                    str(shots),
                    str(sum(result.count.errors for result in group)),
                    f"{100 * fraction:.1f} %",
                    f"{decode_ns / 1e3 / (shots * cycles):.2f}",
                    "",
                ]
            )
        rows[-1][-1] = estimate(fitted.epsilon)
    titles = ["d", "cycles", "shots", "errors", "events", "us/cycle", "epsilon_d [95 %]"]
    return table(titles, rows)


def _explanation(args: argparse.Namespace, found: fits.Fits) -> str:
    if len(set(args.rounds)) > 1:
        origin = "from the slope\nof ln(1 - 2 P) over the cycles"
    else:
        origin = "from one\nnumber of cycles, preparation and readout included"
    lines = [
        "events: detection fraction; us/cycle: time of decoding a cycle.",
        f"epsilon_d: logical error per cycle, mean of the bases, {origin}.",
    ]
    if found.suppression is None:
        lines.append("Lambda needs two distances or more.")
    elif math.isnan(found.suppression.value.value):
        lines.append("Lambda: too few errors to tell; more --shots or a larger --p would.")
    else:
        chosen = (args.noise, args.p) == ("si1000", None)
        lines += [
            "",
            f"Lambda = {estimate(found.suppression.value)}: epsilon_d falls by this factor from d to d + 2.",
            f"Published: {PUBLISHED_LAMBDA}, 105 qubits, neural-network decoder (Nature 638, 920).",
            "This is a simulation with simpler noise"
            + (", its p chosen to come near the chip." if chosen else "."),
        ]
    return "\n".join(lines)
