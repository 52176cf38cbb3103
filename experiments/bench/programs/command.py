"""`qec bench programs`: reaction time, backlog and chains of decisions."""

import argparse
import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from experiments.bench.programs import merges, runs
from experiments.bench.programs.runs import Row
from experiments.bench.streaming import shots
from experiments.common import machine
from experiments.common.parser import folder, real, whole
from experiments.common.terminal import Progress, fold
from experiments.loop import programs
from experiments.loop.options import nanoseconds
from qec.files import write_file
from realtime.programs.patches import PatchModel
from realtime.programs.run import RunSettings

_PARTS = ("memory", "slow", "pymatching", "chain", "gaps", "merges", "reaction")
_SERVICES_NS = (400, 800, 1000, 1100, 1200, 1500)
_LENGTHS = (1, 2, 3, 5, 7, 10, 14, 20)
_GAPS = (1.0, 2.0, 4.0)
_DELAYS_NS = (0, 10_000, 20_000, 50_000)
# Option -> value, and the value of --quick.
_SHOTS = {
    "shots": (100_000, 2000),
    "slow_shots": (1000, 300),
    "chain_shots": (4000, 300),
    "gap_shots": (20_000, 300),
    "merge_shots": (20_000, 100),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench programs`."""
    add = parser.add_argument
    parser.epilog = (
        "Parts: memory: a feed-forward memory with our decoder, on the simulated and on the real clock;\n"
        "slow: the same with decoders of a fixed time for a cycle; pymatching: with PyMatching in windows;\n"
        "chain: chains of 1 to 20 dependent decisions with answers that come later; gaps: programs that\n"
        "discard the shot or repeat a measurement where the decoder is unsure; merges: teleportation and\n"
        "CNOT by lattice surgery, compared with whole shots; reaction: programs with merges on both clocks.\n"
        "Writes bench_programs.csv and bench_programs.png. Reaction times on the real clock need two cores\n"
        "that nothing else uses."
    )
    add("--parts", nargs="+", choices=_PARTS, default=list(_PARTS), metavar="PART", help="what to measure")
    add("--quick", action="store_true", help="fewer shots for what is not given")
    for name, words in (
        ("shots", "of part memory"),
        ("slow_shots", "of parts slow and pymatching"),
        ("chain_shots", "of each chain"),
        ("gap_shots", "of each run of part gaps"),
        ("merge_shots", "of each program of parts merges and reaction"),
    ):
        add(f"--{name}", type=whole(), metavar="N", help=f"{words}; default: {_SHOTS[name][0]}")
    add("--distance", type=whole(3), default=5, metavar="D", help="of the rotated surface code (ZXXZ)")
    add("--cycles", type=whole(), default=5, metavar="N", help="of both patches before a measurement")
    add("--cycle_time", type=nanoseconds, default="1.1us", metavar="TIME", help="from cycle to cycle")
    add("--frame_cycles", type=whole(), default=5, metavar="N", help="cycles in a frame, 1 to 64")
    add("--commit", type=whole(), metavar="N", help="cycles a window makes final; default: 4 x distance")
    words = "mean inside a memory of this distance, gives p of SI1000 noise"
    add("--detection_fraction", type=real(above=0, below=0.5), default=0.085, metavar="F", help=words)
    add("--seed", type=whole(0), default=1, metavar="N", help="of the errors")
    add("--out", type=folder, default=".", metavar="FOLDER", help="where the files go")


def run(args: argparse.Namespace) -> int:
    """Measure, print and write; see `add_arguments`."""
    for name, (full, quick) in _SHOTS.items():
        if getattr(args, name) is None:
            setattr(args, name, quick if args.quick else full)
    settings = RunSettings(cycle_ns=args.cycle_time, frame_cycles=args.frame_cycles, seed=args.seed)
    p = shots.calibrate(args.distance, args.detection_fraction)
    model = programs.patch_model(args.distance, noise_name="si1000", p=p, commit=args.commit)
    print(fold(machine.description()))
    about = f"d = {args.distance}, SI1000, p = {p:.3g}, detection fraction {args.detection_fraction:.1%}"
    print(f"\n{about}", flush=True)
    rows: list[Row] = []
    with Progress() as progress:
        rows.extend(_measured(args, model, settings, progress))
        if "merges" in args.parts:
            common: dict[str, Any] = {"settings": settings, "cycles": args.cycles, "say": progress.show}
            merged = list(merges.merge_runs(args.distance, p=p, shots=args.merge_shots, **common))
            whole = merges.compare_with_whole_shots(merged, seed=args.seed, say=progress.show)
            rows += merged
        if "reaction" in args.parts:
            for program in merges.reaction_programs(distance=args.distance, cycles=args.cycles):
                pace: dict[str, Any] = {"settings": settings, "shots": args.merge_shots, "say": progress.show}
                rows += merges.reaction_runs(program, distance=args.distance, p=p, **pace)
    print(f"\n{programs.text([row.found for row in rows])}")
    if "merges" in args.parts:
        print(f"\n{whole}")
    write_file(args.out / "bench_programs.csv", _csv(rows))
    from experiments.bench.programs.figures import draw

    made = draw(rows, args.out / "bench_programs.png", title=f"Programs with feed-forward, {about}")
    if made:
        print(f"\nFigure: {made}")
    return 0


def _measured(
    args: argparse.Namespace, model: PatchModel, settings: RunSettings, progress: Progress
) -> Iterator[Row]:
    common: dict[str, Any] = {"settings": settings, "cycles": args.cycles, "say": progress.show}
    if "memory" in args.parts:
        yield from runs.memory_runs(model, shots=args.shots, **common)
    if "slow" in args.parts:
        yield from runs.slow_runs(model, shots=args.slow_shots, services_ns=_SERVICES_NS, **common)
    if "pymatching" in args.parts:
        yield from runs.pymatching_run(model, shots=args.slow_shots, **common)
    if "chain" in args.parts:
        yield from runs.chain_runs(
            model, shots=args.chain_shots, lengths=_LENGTHS, delays_ns=_DELAYS_NS, **common
        )
    if "gaps" in args.parts:
        yield from runs.gap_runs(model, shots=args.gap_shots, gaps=_GAPS, **common)


def _csv(rows: list[Row]) -> str:
    """Format one line for each run."""
    lines = io.StringIO()
    writer: Any = None
    for row in rows:
        found = row.found.to_json()
        flat = {name: value for name, value in found.items() if not isinstance(value, dict)}
        for kind in ("reaction", "answer"):
            flat |= {f"{kind}_{name}_us": value for name, value in asdict(getattr(row.found, kind)).items()}
        flat |= {name: getattr(row, name) for name in ("part", "clock", "service_ns", "delay_ns")}
        if writer is None:
            writer = csv.DictWriter(lines, fieldnames=list(flat), lineterminator="\n")
            writer.writeheader()
        writer.writerow(flat)
    return lines.getvalue()
