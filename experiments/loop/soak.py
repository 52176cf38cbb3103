"""`qec soak`: endurance test of the real-time loop: no lost shots, no memory growth."""

import argparse
import contextlib
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.json_file import write_json
from experiments.common.machine import description
from experiments.common.noise_options import noise_name
from experiments.common.numbers import duration, number
from experiments.common.parser import add_live, output, real, whole
from experiments.common.points import Point
from experiments.common.sampling import check_size
from experiments.common.terminal import Progress
from experiments.loop import options
from experiments.loop.live import LoopView
from experiments.loop.measurement import control_beside, shot_of, spread
from experiments.loop.options import CODE, strength
from experiments.loop.parts import LoopSetting, open_loop
from experiments.loop.promise import state_promise
from experiments.loop.results import Shot, Spread
from experiments.loop.shots import prepare, simulate
from experiments.loop.threads import decide_threads
from realtime.latency import Histogram
from realtime.source.jobs import Job

# Growth that is no leak: caches, a first look at a file.
_GROWTH_KB = 4096


@dataclass
class _Stream:
    """Results of one stream."""

    shots: list[Shot] = field(default_factory=list)
    final: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    windows: Histogram = field(default_factory=Histogram)

    @property
    def lost(self) -> int:
        """Shots without a valid answer."""
        return sum(shot.status != "OK" for shot in self.shots)

    @property
    def unlike(self) -> int:
        """Shots answered unlike offline."""
        return sum(shot.same is False for shot in self.shots)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec soak`."""
    add = parser.add_argument
    parser.epilog = "Exit code 1 if a shot was lost or answered unlike offline, or if memory grew."
    add("--minutes", type=real(above=0), default=10.0, metavar="N", help="how long to stream")
    add("--distance", type=whole(), default=5, metavar="D", help="code distance")
    add("--cycles", type=whole(), default=1_000_000, metavar="N", help="cycles of a shot")
    add("--shots", type=whole(), default=8, metavar="N", help="different shots, played alternately")
    options.add_loop(parser)
    add_live(parser)
    add("--json", type=output(), metavar="FILE", help="write what was measured")


def run(args: argparse.Namespace) -> int:
    """Stream and watch; see `add_arguments`."""
    view = LoopView.of("qec soak") if args.live else None
    setting = options.setting_of(args)
    noise = noise_name(args.noise, args.bias)
    model = Point(CODE, "cz", args.distance, 30, "z", noise, strength(noise, args.p))
    circuit = model.circuit()
    setting = decide_threads(
        setting, circuit, say=lambda text: print(f"qec soak: {text}", file=sys.stderr, flush=True)
    )
    if model.leakage is not None:
        check_size(replace(model, rounds=args.cycles).circuit())
    state_promise("qec soak", setting)
    streams = [_Stream() for _ in range(setting.streams)]
    memory: list[int] = []
    meter = control_beside(setting) if setting.is_paced else None
    with (
        Progress() if view is None else view.progress as progress,
        tempfile.TemporaryDirectory(prefix="qec-soak-") as folder,
    ):
        prepared = prepare(
            simulate(
                replace(model, rounds=args.cycles), shots=args.shots, seed=args.seed, progress=progress.show
            ),
            decoder=setting.make_decoder(circuit),
            folder=Path(folder) / "shots",
            progress=progress.show,
        )
        progress.show("starting the loop")
        with (
            open_loop(setting, circuit=circuit, playlists=[prepared.folder]) as loop,
            meter or contextlib.nullcontext(),
            contextlib.nullcontext()
            if view is None
            else view.watching(loop, title=f"d = {args.distance}", streams=setting.streams, machine=meter),
        ):
            job = Job(folder=str(prepared.folder), shots=1 << 40, seconds=60 * args.minutes)
            for report in loop.play([job]):
                stream = streams[report["stream"]]
                if report["type"] == "job":
                    stream.final = report
                    continue
                stream.shots.append(shot_of(report, prepared, setting))
                if view is not None:
                    view.count(stream.shots[-1], distance=args.distance, basis="z", stream=report["stream"])
                if (resident := loop.memory_kb()) is not None:
                    memory.append(resident)
                played, lost = (sum(values) for values in zip(*map(_progress, streams), strict=True))
                progress.show(f"{played * args.cycles:,} cycles, {lost} shots lost")
            for at, stream in enumerate(streams):
                stream.counters, stream.windows = loop.counters(at), loop.windows(at)
    return _conclude(args, setting, streams, memory, None if meter is None else spread(meter.histogram))


def _progress(stream: _Stream) -> tuple[int, int]:
    return len(stream.shots), stream.lost


def _conclude(
    args: argparse.Namespace,
    setting: LoopSetting,
    streams: list[_Stream],
    memory: list[int],
    beside: Spread | None,
) -> int:
    # The first shots still touch memory for the first time.
    settled = memory[len(memory) // 4 :]
    growth = max(0, settled[-1] - settled[0]) if settled else 0
    played = sum(len(stream.shots) for stream in streams)
    print(
        f"Soak: d = {args.distance}, {played} shots of {args.cycles:,} cycles in "
        f"{duration(streams[0].final['seconds'])}, {setting.transport}\n{description()}\n"
        f"{setting.placement.note}\n\n"
        f"cycles streamed       {played * args.cycles:,}\n"
        f"memory of the decoder {memory[-1] if memory else 0:,} kB, grown by {growth:,} kB"
    )
    for at, stream in enumerate(streams):
        if len(streams) > 1:
            print(f"\nstream {at}")
        print(_account(stream, is_paced=setting.is_paced))
    if beside is not None:
        print(f"machine during (us)   {_times(beside)}")
    passed = bool(played) and growth <= _GROWTH_KB and not any(s.lost or s.unlike for s in streams)
    print("\npassed" if passed else "\nNOT passed: shots were lost or differ, or memory grew")
    if args.json:
        data = {
            "shots": played,
            "cycles": played * args.cycles,
            "seconds": streams[0].final["seconds"],
            "memory_kb": memory,
            "machine_beside": None if beside is None else beside.to_json(),
            "is_paced": setting.is_paced,
            "streams": [_to_json(stream, is_paced=setting.is_paced) for stream in streams],
            "passed": passed,
        }
        write_json(args.json, data)
    return 0 if passed else 1


def _account(stream: _Stream, *, is_paced: bool) -> str:
    """Format the results of a stream."""
    statuses = Counter(shot.status for shot in stream.shots)
    words = ", ".join(f"{n} {status}" for status, n in statuses.most_common())
    outcome = (
        f"shots                 {words}\n"
        f"unlike offline        {stream.unlike}\n"
        f"frames                {stream.final['frames']:,} sent, {stream.counters['accepted']:,} accepted\n"
    )
    if not is_paced:
        times = [shot.duration_ns / shot.cycles for shot in stream.shots if shot.duration_ns is not None]
        us = float(np.mean(times)) / 1e3 if times else float("nan")
        return (
            f"{outcome}time of a cycle (us)  {number(us)}\n"
            "latencies             none: the source waited for the decoder (policy block), so that cycles\n"
            "                      were not paced by the clock"
        )
    decision, loop = _latencies(stream)
    late = spread(Histogram.from_json(stream.final["lateness"]))
    known = [shot.decision_ns for shot in stream.shots if shot.decision_ns is not None]
    early, later = (np.mean(half) / 1e3 if half else float("nan") for half in _halves(known))
    backlog = max((shot.max_backlog for shot in stream.shots), default=0)
    return (
        f"{outcome}most backlog          {backlog:,} cycles\n"
        f"decision latency (us) {_times(decision)}; first half {number(float(early))}, second half "
        f"{number(float(later))}\n"
        f"loop latency (us)     {_times(loop)}\n"
        f"window latency (us)   {_times(spread(stream.windows))}\n"
        f"source late (us)      {_times(late)}"
    )


def _latencies(stream: _Stream) -> tuple[Spread, Spread]:
    return (
        Spread.of([shot.decision_ns for shot in stream.shots]),
        Spread.of([shot.loop_ns for shot in stream.shots]),
    )


def _times(found: Spread) -> str:
    return f"mean {number(found.mean)}, p99 {number(found.percentiles[2])}, max {number(found.maximum)}"


def _to_json(stream: _Stream, *, is_paced: bool) -> dict[str, Any]:
    decision, loop = _latencies(stream)
    times = {
        "decision": decision.to_json(),
        "loop": loop.to_json(),
        "windows": spread(stream.windows).to_json(),
        "source_lateness": spread(Histogram.from_json(stream.final["lateness"])).to_json(),
    }
    return {
        "shots": len(stream.shots),
        "lost": stream.lost,
        "unlike_offline": stream.unlike,
        "counters": stream.counters,
        **(times if is_paced else dict.fromkeys(times)),
    }


def _halves(values: list[int]) -> tuple[list[int], list[int]]:
    return values[: len(values) // 2], values[len(values) // 2 :]
