"""`qec soak`: the real-time loop for minutes; nothing may be lost, nothing may grow."""

import argparse
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from decoders import StreamingDecoder
from experiments import loop_options
from experiments.loop import CODE, shot_of, spread
from experiments.loop_options import strength
from experiments.loop_parts import TRANSPORTS, LoopSetting, open_loop
from experiments.loop_results import Shot, Spread
from experiments.loop_shots import simulate
from experiments.machine import description
from experiments.points import Point
from experiments.progress import Progress
from experiments.realtime import place
from experiments.tables import duration, number
from realtime.jobs import Job
from realtime.latency import Histogram

# Growth that is no leak: caches, a first look at a file.
_GROWTH_KB = 4096


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec soak`."""
    add = parser.add_argument
    parser.epilog = "Exit code 1 if a shot was lost or answered unlike offline, or if memory grew."
    add("--minutes", type=float, default=10.0, metavar="N", help="how long to stream; default: 10")
    add("--distance", type=int, default=5, metavar="D", help="default: 5")
    add("--cycles", type=int, default=1_000_000, metavar="N", help="cycles of a shot; default: 1000000")
    add("--shots", type=int, default=8, metavar="N", help="different shots, played in turns; default: 8")
    add("--transport", choices=TRANSPORTS, help="as for qec realtime")
    loop_options.add_pace(parser)
    loop_options.add_decoder(parser)
    loop_options.add_memory(parser)
    add("--json", metavar="FILE", help="write what was measured")


def run(args: argparse.Namespace) -> int:
    """Stream and watch; see `add_arguments`."""
    if not args.minutes > 0:
        raise ValueError(f"--minutes is {args.minutes:g}: more than 0")
    for name in ("cycles", "shots"):
        if getattr(args, name) < 1:
            raise ValueError(f"--{name} is {getattr(args, name)}: it must be at least 1")
    if args.json and not Path(args.json).parent.is_dir():
        raise FileNotFoundError(f"--json {args.json}: no folder {Path(args.json).parent}, make it first")
    placement, transport = place(args.transport)
    setting = LoopSetting(
        transport=transport,
        placement=placement,
        cycle_ns=args.cycle_time,
        frame_cycles=args.frame_cycles,
        decoder=args.decoder,
        commit=args.commit,
        buffer=args.buffer,
    )
    model = Point(CODE, "cz", args.distance, 30, "z", args.noise, strength(args.noise, args.p))
    circuit = model.circuit()
    shots: list[Shot] = []
    memory: list[int] = []
    with Progress() as progress, tempfile.TemporaryDirectory(prefix="qec-soak-") as folder:
        prepared = simulate(
            replace(model, rounds=args.cycles),
            shots=args.shots,
            seed=args.seed,
            decoder=StreamingDecoder.from_circuit(
                circuit, commit=args.commit, buffer=args.buffer, decoder=args.decoder
            ),
            folder=Path(folder) / "shots",
            progress=progress.show,
        )
        final: dict[str, Any] = {}
        with open_loop(setting, circuit=circuit, playlists=[prepared.folder]) as loop:
            job = Job(folder=str(prepared.folder), shots=1 << 40, seconds=60 * args.minutes)
            for report in loop.play([job]):
                if report["type"] == "job":
                    final = report
                    continue
                shots.append(shot_of(report, prepared))
                if (resident := loop.memory_kb()) is not None:
                    memory.append(resident)
                progress.show(
                    f"{len(shots) * args.cycles:,} cycles, {sum(s.status != 'OK' for s in shots)} shots lost"
                )
            counters, windows = loop.counters(), loop.windows()
    return _conclude(args, transport, placement.note, shots, memory, final, counters, spread(windows))


def _conclude(
    args: argparse.Namespace,
    transport: str,
    note: str,
    shots: list[Shot],
    memory: list[int],
    final: dict[str, Any],
    counters: dict[str, int],
    windows: Spread,
) -> int:
    lost = sum(shot.status != "OK" for shot in shots)
    unlike = sum(shot.same is False for shot in shots)
    # The first shots still touch memory for the first time.
    settled = memory[len(memory) // 4 :]
    growth = max(0, settled[-1] - settled[0]) if settled else 0
    late = spread(Histogram.from_json(final["lateness"]))
    decision = Spread.of([shot.decision_ns for shot in shots if shot.status == "OK"])
    halves = [shot.decision_ns for shot in shots if shot.decision_ns is not None]
    early, later = (np.mean(half) / 1e3 if half else float("nan") for half in _halves(halves))
    statuses = ", ".join(f"{n} {status}" for status, n in Counter(s.status for s in shots).most_common())
    print(
        f"Soak: d = {args.distance}, {len(shots)} shots of {args.cycles:,} cycles in "
        f"{duration(final['seconds'])}, {transport}\n{description()}\n{note}\n\n"
        f"cycles streamed       {len(shots) * args.cycles:,}\n"
        f"shots                 {statuses}\n"
        f"unlike offline        {unlike}\n"
        f"frames                {final['frames']:,} sent, {counters['accepted']:,} accepted\n"
        f"memory of the decoder {memory[-1] if memory else 0:,} kB, grown by {growth:,} kB\n"
        f"most backlog          {max((shot.max_backlog for shot in shots), default=0):,} cycles\n"
        f"decision latency (us) mean {number(decision.mean)}, p99 {number(decision.percentiles[2])}, max "
        f"{number(decision.maximum)}; first half {number(float(early))}, second half {number(float(later))}\n"
        f"window latency (us)   mean {number(windows.mean)}, p99 {number(windows.percentiles[2])}, max "
        f"{number(windows.maximum)}\n"
        f"source late (us)      mean {number(late.mean)}, p99 {number(late.percentiles[2])}, max "
        f"{number(late.maximum)}"
    )
    passed = bool(shots) and lost == 0 and unlike == 0 and growth <= _GROWTH_KB
    print("\npassed" if passed else "\nNOT passed: shots were lost or differ, or memory grew")
    if args.json:
        data = {
            "shots": len(shots),
            "cycles": len(shots) * args.cycles,
            "seconds": final["seconds"],
            "lost": lost,
            "unlike_offline": unlike,
            "memory_kb": memory,
            "counters": counters,
            "decision": decision.to_json(),
            "windows": windows.to_json(),
            "source_lateness": late.to_json(),
            "passed": passed,
        }
        Path(args.json).write_text(json.dumps(data, indent=1) + "\n")
    return 0 if passed else 1


def _halves(values: list[int]) -> tuple[list[int], list[int]]:
    return values[: len(values) // 2], values[len(values) // 2 :]
