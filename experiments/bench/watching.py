"""`qec bench monitor`: latencies of a real-time loop while it is watched, and of the same loop alone."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.common.json_file import write_json
from experiments.common.machine import description
from experiments.common.noise_options import noise_name
from experiments.common.numbers import number
from experiments.common.parser import output, real, whole
from experiments.common.points import Point
from experiments.common.terminal import Progress, table
from experiments.loop import options
from experiments.loop.live import LoopView
from experiments.loop.options import CODE, strength
from experiments.loop.parts import LoopParts, open_loop
from experiments.loop.promise import state_promise
from experiments.loop.shots import prepare, simulate
from experiments.loop.threads import decide_threads
from realtime.source.jobs import Job

_PERCENTS = (50.0, 99.0)
_RESAMPLES = 4000
# What is written before the first screen: the change to it.
_SCREEN_BYTES = 200
# Seconds that the watcher may take to start.
_START_S = 60.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench monitor`."""
    add = parser.add_argument
    parser.epilog = (
        "Runs with and without the watcher alternate. With --transport ipc or tcp the watcher is qec "
        "monitor, a process that asks the daemon; with inproc it is what --live adds to the loop."
    )
    add("--distance", type=whole(), default=5, metavar="D", help="code distance")
    add("--cycles", type=whole(), default=1000, metavar="N", help="cycles of a shot")
    add("--shots", type=whole(), default=500, metavar="N", help="shots of a run")
    add("--pairs", type=whole(2), default=10, metavar="N", help="pairs of runs")
    add("--interval", type=real(above=0.05), default=1.0, metavar="S", help="seconds between two samples")
    options.add_loop(parser)
    add("--json", type=output(), metavar="FILE", help="write all percentiles")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Percentiles of runs that alternate.

    Attributes:
        alone, watched: float64 (pairs, percentiles), us; NaN without an answer.
        missing: shots without an answer, alone and watched.
    """

    alone: NDArray[np.float64]
    watched: NDArray[np.float64]
    missing: tuple[int, int]

    def ratios(self) -> list[tuple[float, float, float]]:
        """Median over pairs of watched / alone, with a 95 % bootstrap interval, for each percentile."""
        ratios = self.watched / self.alone
        picks = np.random.default_rng(1).integers(len(ratios), size=(_RESAMPLES, len(ratios)))
        medians = np.median(ratios[picks], axis=1)
        low, high = np.quantile(medians, [0.025, 0.975], axis=0)
        return list(zip(np.median(ratios, axis=0), low, high, strict=True))


def run(args: argparse.Namespace) -> int:
    """Measure; see `add_arguments`."""
    setting = options.setting_of(args)
    if not setting.is_paced:
        raise ValueError("--policy block: a source that waits has no latencies; leave --policy out")
    state_promise("qec bench monitor", setting)
    noise = noise_name(args.noise, args.bias)
    point = Point(CODE, "cz", args.distance, args.cycles, "z", noise, strength(noise, args.p))
    circuit = Point(CODE, "cz", args.distance, 30, "z", noise, point.p).circuit()
    setting = decide_threads(
        setting, circuit, say=lambda text: print(f"qec bench monitor: {text}", file=sys.stderr, flush=True)
    )
    with Progress() as progress, tempfile.TemporaryDirectory(prefix="qec-watch-") as folder:
        prepared = prepare(
            simulate(point, shots=args.shots, seed=args.seed, progress=progress.show),
            decoder=setting.make_decoder(circuit),
            folder=Path(folder) / "shots",
            progress=progress.show,
        )
        with open_loop(setting, circuit=circuit, playlists=[prepared.folder]) as loop:
            job = Job(folder=str(prepared.folder), shots=args.shots)

            _play(loop, job)  # the first run warms up
            alone: list[_Times] = []
            watched: list[_Times] = []
            for pair in range(args.pairs):
                progress.show(f"pair {pair + 1} of {args.pairs}")
                for is_watched in (pair % 2 == 0, pair % 2 == 1):
                    with (
                        _watcher(loop, streams=setting.streams, interval=args.interval)
                        if is_watched
                        else contextlib.nullcontext()
                    ):
                        (watched if is_watched else alone).append(_play(loop, job))
    result = Comparison(
        alone=np.array([times.percentiles for times in alone]),
        watched=np.array([times.percentiles for times in watched]),
        missing=(sum(times.missing for times in alone), sum(times.missing for times in watched)),
    )
    print(_text(result, args, setting.transport))
    if args.json:
        data: dict[str, Any] = {
            "alone": result.alone.tolist(),
            "watched": result.watched.tolist(),
            "unit": "us",
        }
        data |= {"percentiles": list(_PERCENTS), "missing": list(result.missing), "machine": description()}
        write_json(args.json, data)
    return 0


@dataclass(frozen=True, kw_only=True)
class _Times:
    """Decision latencies of a run: percentiles in us, NaN without any, and shots without an answer."""

    percentiles: list[float]
    missing: int


def _play(loop: LoopParts, job: Job) -> _Times:
    times, missing = [], 0
    for report in loop.play([job]):
        if report["type"] != "shot":
            continue
        if report["status"] == "OK":
            times.append((report["done_ns"] - report["received_ns"]) / 1e3)
        else:
            missing += 1
    found = [float(np.percentile(times, percent)) if times else float("nan") for percent in _PERCENTS]
    return _Times(percentiles=found, missing=missing)


@contextlib.contextmanager
def _watcher(loop: LoopParts, *, streams: int, interval: float) -> Iterator[None]:
    """Watch a loop as `qec monitor` or `--live` does, on a terminal that nobody sees."""
    with _hidden_terminal() as (terminal, shown):
        if loop.control is None:
            view = LoopView.of("qec bench monitor", terminal=terminal, interval_s=interval)
            with view.progress, view.watching(loop, title="", streams=streams, machine=None):
                _wait(shown)
                yield
            return
        command = [sys.executable, "-m", "experiments.cli", "monitor", loop.control]
        command += ["--interval", str(interval)]
        environment = {**os.environ, "TERM": "xterm-256color"}
        with subprocess.Popen(command, stdout=terminal, stderr=terminal, env=environment) as process:
            try:
                _wait(shown)
                yield
            finally:
                process.terminate()


def _wait(shown: threading.Event) -> None:
    if not shown.wait(_START_S):
        raise RuntimeError(f"the watcher showed nothing within {_START_S:.0f} s")


@contextlib.contextmanager
def _hidden_terminal() -> Iterator[tuple[int, threading.Event]]:
    """Make a terminal whose output is read and dropped; the event is set when something was shown."""
    ours, terminal = os.openpty()
    shown = threading.Event()

    def drain() -> None:
        size = 0
        with contextlib.suppress(OSError):  # the other end is closed
            while more := os.read(ours, 1 << 16):
                size += len(more)
                if size > _SCREEN_BYTES:
                    shown.set()

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    try:
        yield terminal, shown
    finally:
        os.close(terminal)
        reader.join(1.0)
        os.close(ours)


def _text(result: Comparison, args: argparse.Namespace, transport: str) -> str:
    rows = []
    for at, (percent, ratio) in enumerate(zip(_PERCENTS, result.ratios(), strict=True)):
        middle, low, high = (number(value) for value in ratio)
        rows.append(
            [
                f"p{percent:g}",
                number(float(np.median(result.alone[:, at]))),
                number(float(np.median(result.watched[:, at]))),
                f"{middle} [{low}, {high}]",
            ]
        )
    return "\n".join(
        [
            f"Decision latency, d = {args.distance}, {args.pairs} pairs of runs of {args.shots} shots of "
            f"{args.cycles:,} cycles, {transport}",
            description(),
            table(["", "alone (us)", "watched (us)", "watched / alone"], rows),
            f"Shots without an answer: {result.missing[0]} alone, {result.missing[1]} watched.",
            "Medians over the runs; the ratio is the median over pairs, with a 95 % bootstrap interval.",
        ]
    )
