"""`qec demo`: the main job, end to end, in about a minute: simulate, decode, fit Lambda, draw."""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import decoders
from experiments import fits
from experiments.points import Point
from experiments.progress import Progress
from experiments.settings import DEFAULT_DECODER, PUBLISHED_LAMBDA
from experiments.shots import shots_per_piece
from experiments.tables import estimate, number, table

# With matching on the circuit's own error rates, this strength of SI1000 gives a Lambda near the published one.
DEFAULT_P = 0.0025
_CODE = "surface_zxxz"
_BASES = ("x", "z")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec demo`."""
    add = parser.add_argument
    parser.epilog = (
        "Rotated surface code (ZXXZ, CZ gates), bases X and Z. One seed always gives the same errors."
    )
    add("--noise", default="si1000", metavar="MODEL", help="si1000, uniform, ...; default: %(default)s")
    add("--p", type=float, metavar="P", help=f"strength of the noise model; default: {DEFAULT_P}")
    add("--decoder", default=DEFAULT_DECODER, metavar="NAME", help="default: %(default)s")
    add("--distances", nargs="+", type=int, default=[3, 5, 7], metavar="D", help="default: 3 5 7")
    add("--rounds", nargs="+", type=int, default=[10, 30], metavar="R", help="cycles; default: 10 30")
    add(
        "--shots",
        type=int,
        default=50_000,
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
    dem = circuit.detector_error_model(decompose_errors=True)
    decoder = decoders.from_dem(decoder_name, dem)
    sampler = circuit.compile_detector_sampler(seed=seed)
    # What a decoder compiles at its first shot is not decoding time.
    decoder.decode_batch(np.zeros((1, (dem.num_detectors + 7) // 8), dtype=np.uint8), bit_packed=True)
    piece = shots_per_piece(dem.num_detectors)
    errors = events = decode_ns = 0
    for done in range(0, shots, piece):
        found, flips = sampler.sample(min(piece, shots - done), separate_observables=True, bit_packed=True)
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
    points = _points(args)
    out = Path(args.out)
    if not out.parent.is_dir():
        raise FileNotFoundError(f"--out {out}: no folder {out.parent}, make it first")
    results = []
    with Progress() as progress:
        for index, point in enumerate(points):
            progress.show(
                f"{index + 1}/{len(points)}: d = {point.distance}, {point.rounds} cycles, basis {point.basis.upper()}",
                always=True,
            )
            results.append(
                _measure(point, decoder_name=args.decoder, shots=args.shots, seed=args.seed + 1000 * index)
            )
    found = fits.fit(result.count for result in results)
    _print(args, points, results, found)
    return 0


def _points(args: argparse.Namespace) -> list[Point]:
    if args.shots < 1:
        raise ValueError(f"--shots is {args.shots}: it must be at least 1")
    if args.seed < 0:
        raise ValueError(f"--seed is {args.seed}: it must not be negative")
    if args.decoder not in decoders.names():
        raise ValueError(f"no decoder is named '{args.decoder}': choose from {', '.join(decoders.names())}")
    # A device brings its own rates; `Point` says so when a strength is given all the same.
    p = DEFAULT_P if args.p is None and not args.noise.startswith("device:") else args.p
    points = [
        Point(_CODE, "cz", distance, rounds, basis, args.noise, p)
        for distance in sorted(set(args.distances))
        for rounds in sorted(set(args.rounds))
        for basis in _BASES
    ]
    for point in points:
        point.metadata()  # raises before any work begins
    return points


def _print(args: argparse.Namespace, points: list[Point], results: list[_Result], found: fits.Fits) -> None:
    strength = "" if points[0].p is None else f" at p = {points[0].p:g}"
    print(
        f"Rotated surface code (ZXXZ) memory, bases X and Z, {args.noise} noise{strength}, "
        f"decoder {args.decoder}, seed {args.seed}\n"
    )
    rows = []
    for fitted in found.distances:
        mine = [result for result in results if result.count.distance == fitted.distance]
        for cycles in sorted({result.count.cycles for result in mine}):
            group = [result for result in mine if result.count.cycles == cycles]
            shots = sum(result.count.shots for result in group)
            rows.append(
                [
                    str(fitted.distance),
                    str(cycles),
                    str(shots),
                    str(sum(result.count.errors for result in group)),
                    f"{sum(r.num_events for r in group) / (shots * group[0].num_detectors):.1%}",
                    f"{sum(r.decode_ns for r in group) / 1e3 / (shots * cycles):.2f} us",
                    "",
                ]
            )
        rows[-1][-1] = estimate(fitted.epsilon)
    print(
        table(
            ["d", "cycles", "shots", "errors", "detection fraction", "decoding a cycle", "epsilon_d [95 %]"],
            rows,
        )
    )
    several = len({point.rounds for point in points}) > 1
    print(
        "\nepsilon_d: logical error per cycle, "
        + (
            "slope of ln(1 - 2 P) over the cycles, averaged over the bases."
            if several
            else "from one number of cycles, so preparation and readout are in it."
        )
    )
    if found.suppression is None:
        print("Lambda needs two distances or more.")
        return
    print(f"\nLambda = {estimate(found.suppression.value)}: from d to d + 2, epsilon_d falls by this factor.")
    print(
        f"Published: {PUBLISHED_LAMBDA}, a 105-qubit chip with a neural-network decoder (Nature 638, 920). "
        "This is a simulation\nof a simpler noise model; p was chosen to come near the chip, so closeness "
        "tests neither."
    )
