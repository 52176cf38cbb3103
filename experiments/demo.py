"""`qec demo`: the main job, end to end, in about a minute: simulate, decode, fit Lambda, draw."""

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
from experiments.common.points import Point, decoding_model
from experiments.common.preparation import compile_kernels
from experiments.common.progress import Progress
from experiments.common.sampling import MemorySampler
from experiments.common.settings import DEFAULT_DECODER, PUBLISHED_LAMBDA
from experiments.common.shot_files import shots_per_piece
from experiments.common.tables import estimate, table

# SI1000 of this strength, decoded by matching, comes near the published chip's epsilon_d and Lambda.
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
    add("--p", type=float, metavar="P", help=f"strength of the noise model; default: {DEFAULT_P}")
    add("--decoder", default=DEFAULT_DECODER, metavar="NAME", help="default: %(default)s")
    add("--distances", nargs="+", type=int, default=[3, 5, 7], metavar="D", help="default: 3 5 7")
    add(
        "--rounds",
        nargs="+",
        type=int,
        default=[10, 30, 50],
        metavar="R",
        help="numbers of cycles; default: 10 30 50",
    )
    add(
        "--shots",
        type=int,
        default=40_000,
        metavar="N",
        help="per distance, cycles, basis; default: %(default)s",
    )
    add("--seed", type=int, default=1, metavar="N", help="default: %(default)s")
    add("--out", default="qec_demo.png", metavar="PNG", help="figure; default: %(default)s")


@dataclass(frozen=True)
class _Result:
    """What one circuit gave; times in ns."""

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
    if out.suffix != ".png":
        raise ValueError(f"--out {out}: the figure is a PNG file, give a name that ends in .png")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"--out {out}: no folder {out.parent}, make it first")
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
    if args.shots < 1:
        raise ValueError(f"--shots is {args.shots}: it must be at least 1")
    if args.seed < 0:
        raise ValueError(f"--seed is {args.seed}: it must not be negative")
    if args.decoder not in decoders.names():
        raise ValueError(f"no decoder is named '{args.decoder}': choose from {', '.join(decoders.names())}")
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
