"""`qec bench engine`: shots per second of the engine against sinter's workers with PyMatching."""

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import sinter

import decoders
from decoders import Decoder
from experiments.common import machine
from experiments.common.growing_file import GrowingFile
from experiments.common.parser import folder, real, whole
from experiments.common.points import Point, decoding_model, rounds_of
from experiments.common.preparation import preparation, small_model
from experiments.common.terminal import Progress, table
from experiments.common.timing import Ratio
from experiments.engine import Engine

_PEERS = {"mwpm": "pymatching", "mwpm-correlated": "pymatching-correlated"}
_COLUMNS = ["decoder", "d", "p", "engine us", "drawing us", "decoding us", "sinter us", "faster"]


class Row(NamedTuple):
    """Medians for one circuit, in us a shot on one core; ratio: sinter's time divided by the engine's."""

    decoder: str
    point: Point
    engine: float
    drawing: float
    decoding: float
    sinter: float
    ratio: Ratio


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench engine`."""
    add = parser.add_argument
    parser.epilog = (
        "Uniform noise, CX gates, basis Z, surface code. In each turn the engine counts logical errors in\n"
        "one thread, then one worker of sinter.collect counts those of PyMatching on the same circuit;\n"
        "sinter's time is what its worker reports, without starting it and compiling. Drawing and decoding\n"
        "are also timed apart: all shots drawn into an array, then decoded. Writes bench_engine.csv."
    )
    add(
        "--decoders",
        nargs="+",
        choices=list(_PEERS),
        default=["mwpm"],
        metavar="NAME",
        help=", ".join(_PEERS),
    )
    add(
        "--distances", nargs="+", type=whole(2), default=[3, 5, 7, 11, 15], metavar="D", help="code distances"
    )
    add("--rounds", default="1d", metavar="R", help="numbers of cycles, such as 30 or 3d; default: 1d")
    add(
        "--p",
        nargs="+",
        type=real(above=0, below=1),
        default=[0.001, 0.003],
        metavar="P",
        help="noise strengths",
    )
    add("--repeats", type=whole(), default=5, metavar="N", help="turns")
    add(
        "--seconds",
        type=real(above=0, below=60),
        default=1.0,
        metavar="S",
        help="about how long each part takes",
    )
    add("--out", type=folder, default=".", metavar="FOLDER", help="where the file goes")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; see `add_arguments`."""
    print(machine.description(), flush=True)
    rows = []
    with Progress() as progress, GrowingFile(Path(args.out, "bench_engine.csv")) as file:
        for name in args.decoders:
            with preparation("qec bench engine", name, progress=progress):
                Engine(dem=small_model(), decoder=decoders.from_dem(name, small_model())).warm_up()
        file.replace([",".join([*_COLUMNS, "lowest", "highest"])])
        for name, point in _cells(args):
            progress.show(f"{name}, d = {point.distance}, p = {point.p:g}")
            rows.append(_measure(name, point, repeats=args.repeats, seconds=args.seconds))
            ends = [f"{rows[-1].ratio.low:.2f}", f"{rows[-1].ratio.high:.2f}"]
            file.append(",".join([*_cells_of(rows[-1]), *ends]))
    print("\nus a shot on one core; faster: sinter's time divided by the engine's, median (range)\n")
    print(table(_COLUMNS, [[*_cells_of(row)[:-1], str(row.ratio)] for row in rows], keys=3, left=1))
    return 0


def _cells(args: argparse.Namespace) -> Iterator[tuple[str, Point]]:
    for name in args.decoders:
        for p in args.p:
            for distance in args.distances:
                rounds = rounds_of(args.rounds, distance=distance)
                yield name, Point("surface", "cx", distance, rounds, "z", "uniform", p)


def _cells_of(row: Row) -> list[str]:
    times = [f"{value:.3f}" for value in (row.engine, row.drawing, row.decoding, row.sinter)]
    return [row.decoder, str(row.point.distance), f"{row.point.p:g}", *times, f"{row.ratio.median:.2f}"]


def _measure(name: str, point: Point, *, repeats: int, seconds: float) -> Row:
    circuit = point.circuit()
    dem = decoding_model(circuit)
    decoder = decoders.from_dem(name, dem)
    engine = Engine(dem=dem, decoder=decoder)
    engine.warm_up()
    shots = _shots_in(lambda number: engine.count(shots=number, seed=0), seconds)
    task = sinter.Task(circuit=circuit, detector_error_model=dem, decoder=_PEERS[name])
    own = decoders.sinter_decoders() if name == "mwpm-correlated" else None
    # Apart: as many shots as fit into memory.
    some = max(1, min(shots, (1 << 26) // max(1, dem.num_detectors // 8)))
    times: dict[str, list[float]] = {part: [] for part in ("engine", "drawing", "decoding", "sinter")}
    peer_shots = max(1, shots // 4)
    for turn in range(repeats):
        start = time.perf_counter()
        engine.count(shots=shots, seed=turn + 1)
        times["engine"].append((time.perf_counter() - start) / shots)
        found = sinter.collect(
            num_workers=1, tasks=[task], max_shots=peer_shots, custom_decoders=own, print_progress=False
        )
        times["sinter"].append(sum(one.seconds for one in found) / sum(one.shots for one in found))
        drawn, decoded = _apart(engine, decoder, shots=some, seed=turn + 1)
        times["drawing"].append(drawn)
        times["decoding"].append(decoded)
    nanoseconds = {part: [round(1e9 * value * shots) for value in values] for part, values in times.items()}
    middle = {part: 1e6 * median(values) for part, values in times.items()}
    return Row(
        decoder=name,
        point=point,
        engine=middle["engine"],
        drawing=middle["drawing"],
        decoding=middle["decoding"],
        sinter=middle["sinter"],
        ratio=Ratio.of(nanoseconds["sinter"], nanoseconds["engine"]),
    )


def _apart(engine: Engine, decoder: Decoder, *, shots: int, seed: int) -> tuple[float, float]:
    """Time drawing and decoding of the same shots, each in seconds a shot."""
    start = time.perf_counter()
    events, _ = engine.sample(shots=shots, seed=seed)
    middle = time.perf_counter()
    decoder.decode_batch(events, bit_packed=True)
    return (middle - start) / shots, (time.perf_counter() - middle) / shots


def _shots_in(count: Callable[[int], Any], seconds: float) -> int:
    """Find how many shots take about so long."""
    shots = 1024
    while True:
        start = time.perf_counter()
        count(shots)
        spent = time.perf_counter() - start
        if spent > seconds / 8:
            return max(1, round(shots * seconds / spent))
        shots *= 4
