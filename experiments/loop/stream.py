"""`qec stream`: play shots to a decoder daemon at the cycle time of a device."""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from experiments.common.noise_options import noise_name
from experiments.common.numbers import number
from experiments.common.parser import output, whole
from experiments.common.points import Point, decoding_model
from experiments.common.terminal import Progress, table
from experiments.loop import options
from experiments.loop.measurement import CODE, spread
from experiments.loop.options import DEFAULT_DISTANCE, duration, strength
from experiments.loop.results import PERCENTILES, Spread
from experiments.loop.shots import sample_playlist
from qec.datasets import read_experiment
from qec.files import write_file
from realtime.latency import Histogram
from realtime.source.jobs import Job
from realtime.source.playlist import Playlist
from realtime.source.recording import read_recording, write_recording
from realtime.source.source import SourceConfig, SourceProcess

# Measurements are simulated in memory, for 256 shots at least.
_MOST_MEASUREMENTS = 1 << 22


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec stream`."""
    add = parser.add_argument
    parser.epilog = (
        "What to play is a folder of a recorded experiment, a file that --record wrote, or, without either,\n"
        "a simulated memory. The daemon (qec serve) must decode the same code."
    )
    add("what", nargs="?", metavar="PATH", help="experiment folder or recorded stream; default: simulate")
    add("--to", metavar="ADDRESS", help="control address of the daemon, as qec serve printed it")
    add(
        "--record",
        type=output(),
        metavar="FILE",
        help="write the frames into a new file (without --to: instead of sending)",
    )
    add("--force", action="store_true", help="let --record overwrite a file")
    add("--distance", type=whole(), default=DEFAULT_DISTANCE, metavar="D", help="of the simulated memory")
    add("--basis", choices=["x", "z"], default="z", help="of that memory")
    add("--cycles", type=whole(), default=1000, metavar="N", help="of that memory")
    options.add_memory(parser)
    add("--kind", choices=["events", "measurements"], default="events", help="what is sent")
    add("--shots", type=whole(), metavar="N", help="how many to play; default: 100, or all recorded ones")
    options.add_pace(parser)
    add("--stream", type=whole(0), default=0, metavar="N", help="number of the logical qubit")
    add(
        "--policy",
        choices=["drop-shot", "block"],
        default="drop-shot",
        help="when the daemon does not keep up: give the shot up, or wait",
    )
    add("--core", type=whole(0), metavar="N", help="keep the source on this core")
    add("--secret_key", metavar="FILE", help="of this source")
    add("--server_key", metavar="FILE", help="public key of the daemon")
    add("--json", type=output(), metavar="FILE", help="write a line for every shot")


def run(args: argparse.Namespace) -> int:
    """Play; see `add_arguments`."""
    if args.to is None and args.record is None:
        raise ValueError("where to: give --to ADDRESS of a daemon (qec serve), --record FILE, or both")
    if args.record and Path(args.record).is_file() and not args.force:
        raise ValueError(
            f"--record {args.record}: there already; give a new file, or --force to overwrite it"
        )
    with Progress() as progress:
        playlist, cycle_ns = _playlist(args, progress)
        if args.record:
            notes = {"from": str(args.what or "simulated")}
            write_recording(
                args.record,
                playlist,
                frame_cycles=args.frame_cycles,
                cycle_ns=round(cycle_ns),
                notes=notes,
            )
            print(f"Recorded: {args.record}, {playlist.num_shots} shots of {playlist.num_cycles:,} cycles")
        if args.to is None:
            return 0
        reports, final = _play(args, playlist, cycle_ns, progress)
    if args.json:
        lines = [json.dumps({k: v for k, v in report.items() if k != "backlog"}) for report in reports]
        write_file(args.json, "\n".join(lines) + "\n")
    print(_summary(reports, final, playlist, cycle_ns=cycle_ns, blocks=args.policy == "block"))
    return 0


def _playlist(args: argparse.Namespace, progress: Progress) -> tuple[Playlist, float]:
    if args.what is None:
        return _simulated(args, progress), args.cycle_time
    if args.bias is not None:
        raise ValueError("--bias with recorded shots: they have their own errors, leave --bias out")
    path = Path(args.what)
    if path.is_dir():
        if args.kind != "events":
            raise ValueError("recorded experiments are played as detection events: leave --kind out")
        experiment = read_experiment(path)
        model = LayeredModel.from_dem(experiment.error_model())
        chosen = slice(args.shots)
        return Playlist.from_events(
            model=model,
            detection_events=experiment.unpacked("detection_events", shots=chosen),
            observable_flips=experiment.unpacked("observable_flips", shots=chosen),
        ), args.cycle_time
    recording = read_recording(path)
    return recording.playlist, float(recording.cycle_ns)


def _simulated(args: argparse.Namespace, progress: Progress) -> Playlist:
    noise = noise_name(args.noise, args.bias)
    point = Point(CODE, "cz", args.distance, args.cycles, args.basis, noise, strength(noise, args.p))
    circuit = point.circuit()
    model = LayeredModel.from_dem(decoding_model(circuit))
    shots = args.shots or 100
    if args.kind == "events":
        return sample_playlist(
            circuit,
            leakage=point.leakage,
            shots=shots,
            seed=args.seed,
            model=model,
            progress=lambda done, total: progress.show(f"simulating, {100 * done // max(1, total)} %"),
        )
    if point.leakage is not None:
        raise ValueError(
            "--kind measurements: leakage is simulated as detection events only; take --kind events, or a "
            "device without [leakage]"
        )
    if circuit.num_measurements > _MOST_MEASUREMENTS:
        raise ValueError(
            f"--kind measurements: {circuit.num_measurements:,} measurements in a shot, at most "
            f"{_MOST_MEASUREMENTS:,}; take fewer --cycles, or --kind events"
        )
    measuring = MeasurementModel.from_circuit(circuit, model)
    if measuring is None:
        raise ValueError(
            f"--kind measurements: in {args.cycles} cycles no two have the same measurements; take "
            "two or more --cycles, or --kind events"
        )
    packed = circuit.compile_sampler(seed=args.seed).sample(shots)
    _, flips = circuit.compile_m2d_converter().convert(measurements=packed, separate_observables=True)
    return Playlist.from_measurements(measurements=packed, model=measuring, observable_flips=flips)


def _play(
    args: argparse.Namespace, playlist: Playlist, cycle_ns: float, progress: Progress
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    shots = args.shots or playlist.num_shots
    reports: list[dict[str, Any]] = []
    final: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="qec-stream-") as folder:
        playlist.save(folder)
        config = SourceConfig(
            control=args.to,
            playlist=folder,
            stream=args.stream,
            cycle_ns=cycle_ns,
            frame_cycles=args.frame_cycles,
            policy=args.policy,
            commits=False,
            replay=args.what is not None,
            core=args.core,
            secret_key=args.secret_key,
            server_key=args.server_key,
        )
        progress.show("starting the source")
        with SourceProcess(config) as source:
            patience = 60 + playlist.num_cycles * cycle_ns / 1e9
            for report in source.play([Job(folder=folder, shots=shots)], silence_s=patience):
                if report["type"] == "job":
                    final = report
                else:
                    reports.append(report)
                    progress.show(f"shot {len(reports)} of {shots}: {report['status']}")
    return reports, final


def _summary(
    reports: list[dict[str, Any]], final: dict[str, Any], playlist: Playlist, *, cycle_ns: float, blocks: bool
) -> str:
    statuses = Counter(report["status"] for report in reports)
    words = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    pace = f"{playlist.num_cycles:,} cycles of {duration(cycle_ns)}"
    lines = [f"{len(reports)} shots of {pace}: {words}; {final['overruns']} overruns"]
    if playlist.observable_flips is not None:
        wrong = sum(
            not np.array_equal(
                np.frombuffer(bytes.fromhex(report["flips"]), dtype=np.uint8),
                playlist.observable_flips[report["index"]],
            )
            for report in reports
            if report["flips"] is not None
        )
        lines.append(f"{wrong} logical errors in {statuses['OK']} shots answered")
    late = spread(Histogram.from_json(final["lateness"]))
    rows = [_row("source late", late)]
    if blocks:
        lines.append("The source waited for the daemon: no latencies.")
    else:
        ok = [report if report["status"] == "OK" else None for report in reports]
        decision = [None if r is None else r["done_ns"] - r["received_ns"] for r in ok]
        loop = [None if r is None else r["back_ns"] - r["due_ns"] for r in ok]
        rows = [_row("decision", Spread.of(decision)), _row("loop", Spread.of(loop)), *rows]
    titles = ["time (us)", "n", "missing", "mean", *(f"p{q:g}" for q in PERCENTILES), "max"]
    return "\n".join([*lines, table(titles, rows)])


def _row(name: str, found: Spread) -> list[str]:
    values = [found.mean, *found.percentiles, found.maximum]
    return [name, f"{found.count:,}", str(found.missing), *(number(value) for value in values)]
