"""`qec stream`: play shots to a decoder daemon at the cycle time of a device."""

import argparse
import json
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from decoders.streaming.digests import layout_digest, model_digest
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from experiments.common.growing_file import GrowingFile
from experiments.common.numbers import number
from experiments.common.parser import output, real, whole
from experiments.common.points import decoding_model
from experiments.common.terminal import Progress, table
from experiments.loop import options
from experiments.loop.measurement import spread
from experiments.loop.options import DEFAULT_DISTANCE, duration
from experiments.loop.results import PERCENTILES, Spread
from experiments.loop.shots import sample_playlist
from qec.datasets import read_experiment
from realtime.latency import Histogram
from realtime.source.jobs import Job
from realtime.source.playlist import Playlist
from realtime.source.recording import read_recording, write_recording
from realtime.source.source import SourceConfig, SourceProcess

# Measurements are simulated in memory, for 256 shots at least.
_MOST_MEASUREMENTS = 1 << 22
_DIGESTS = ("model_digest", "layout_digest")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec stream`."""
    add = parser.add_argument
    parser.epilog = (
        "What to play is a folder of a recorded experiment, a file that --record wrote, or, without either,\n"
        "a simulated memory. The daemon (qec serve) must decode the model of the shots: the simulated one,\n"
        "or one with the columns of the recorded ones."
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
    options.add_code(parser, distance=DEFAULT_DISTANCE)
    add("--cycles", type=whole(), default=1000, metavar="N", help="of that memory")
    add("--kind", choices=["events", "measurements"], default="events", help="what is sent")
    add("--shots", type=whole(), metavar="N", help="how many to play; default: 100, or all recorded ones")
    options.add_pace(parser)
    add("--stream", type=whole(0), default=0, metavar="N", help="number of the logical qubit")
    options.add_policy(parser)
    add("--core", type=whole(0), metavar="N", help="keep the source on this core")
    add(
        "--any_model",
        action="store_true",
        help="play although the daemon decodes another model than that of the shots",
    )
    add(
        "--reconnect",
        type=real(0, 1e6),
        metavar="SECONDS",
        help="when the daemon is lost, wait so long for one at this address; default: stop",
    )
    options.add_client_keys(parser)
    add("--json", type=output(), metavar="FILE", help="write a line for every shot, as it is answered")


def run(args: argparse.Namespace) -> int:
    """Play; see `add_arguments`."""
    if args.to is None and args.record is None:
        raise ValueError("where to: give --to ADDRESS of a daemon (qec serve), --record FILE, or both")
    if args.record and Path(args.record).is_file() and not args.force:
        raise ValueError(
            f"--record {args.record}: there already; give a new file, or --force to overwrite it"
        )
    with Progress() as progress:
        what = _what(args, progress)
        if args.record:
            notes = {"from": str(args.what or "simulated"), **what.digests}
            write_recording(
                args.record,
                what.playlist,
                frame_cycles=args.frame_cycles,
                cycle_ns=round(what.cycle_ns),
                notes=notes,
            )
            print(
                f"Recorded: {args.record}, {what.playlist.num_shots} shots of "
                f"{what.playlist.num_cycles:,} cycles"
            )
        if args.to is None:
            return 0
        if not what.digests and not args.any_model:
            print(
                f"qec stream: {args.what} does not say of which model its shots are, so that the daemon's is "
                "not checked",
                file=sys.stderr,
            )
        with ExitStack() as files:
            lines = None
            if args.json:
                lines = files.enter_context(GrowingFile(Path(args.json), advice="give another --json"))
                lines.replace([])
            reports, final = _play(args, what, progress, lines)
    print(_summary(reports, final, what.playlist, cycle_ns=what.cycle_ns, blocks=args.policy == "block"))
    return 0


class _What(NamedTuple):
    """Shots to play."""

    playlist: Playlist
    cycle_ns: float
    #: Digests of their model: "model_digest", "layout_digest", or none.
    digests: dict[str, str]


def _what(args: argparse.Namespace, progress: Progress) -> _What:
    if args.what is None:
        # Whatever the number of cycles: short memories have no repeating part to compare.
        circuit = options.memory_point(args, cycles=options.SERVED_CYCLES).circuit()
        model = LayeredModel.from_dem(decoding_model(circuit))
        digests = {"model_digest": model_digest(model), "layout_digest": layout_digest(model)}
        return _What(_simulated(args, progress), args.cycle_time, digests)
    if args.bias is not None:
        raise ValueError("--bias with recorded shots: they have their own errors, leave --bias out")
    path = Path(args.what)
    if path.is_dir():
        if args.kind != "events":
            raise ValueError("recorded experiments are played as detection events: leave --kind out")
        experiment = read_experiment(path)
        model = LayeredModel.from_dem(experiment.error_model())
        chosen = slice(args.shots)
        playlist = Playlist.from_events(
            model=model,
            detection_events=experiment.unpacked("detection_events", shots=chosen),
            observable_flips=experiment.unpacked("observable_flips", shots=chosen),
        )
        # Its error model is one of several that decode it well.
        return _What(playlist, args.cycle_time, {"layout_digest": layout_digest(model)})
    recording = read_recording(path)
    known = {name: str(recording.notes[name]) for name in _DIGESTS if name in recording.notes}
    return _What(recording.playlist, float(recording.cycle_ns), known)


def _simulated(args: argparse.Namespace, progress: Progress) -> Playlist:
    point = options.memory_point(args, cycles=args.cycles)
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
    args: argparse.Namespace, what: _What, progress: Progress, lines: GrowingFile | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Play to the daemon; write the report of each shot to `lines` as it comes."""
    playlist = what.playlist
    shots = args.shots or playlist.num_shots
    reports: list[dict[str, Any]] = []
    final: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="qec-stream-") as folder:
        playlist.save(folder)
        config = SourceConfig(
            control=args.to,
            playlist=folder,
            stream=args.stream,
            cycle_ns=what.cycle_ns,
            frame_cycles=args.frame_cycles,
            policy=args.policy,
            commits=False,
            replay=args.what is not None,
            core=args.core,
            secret_key=args.secret_key,
            server_key=args.server_key,
            reconnect_s=args.reconnect or 0.0,
            model_digest=None if args.any_model else what.digests.get("model_digest"),
            layout_digest=None if args.any_model else what.digests.get("layout_digest"),
        )
        progress.show("starting the source")
        with SourceProcess(config) as source:
            patience = 60 + playlist.num_cycles * what.cycle_ns / 1e9 + config.reconnect_s
            try:
                for report in source.play([Job(folder=folder, shots=shots)], silence_s=patience):
                    if report["type"] == "job":
                        final = report
                    elif report["type"] == "shot":
                        reports.append(report)
                        progress.show(f"shot {len(reports)} of {shots}: {report['status']}")
                        if lines is not None:
                            kept = {name: value for name, value in report.items() if name != "backlog"}
                            lines.append(json.dumps(kept))
                    else:
                        progress.show(f"daemon {report['type']} after shot {len(reports)} of {shots}")
            except ConnectionError as error:
                answered = sum(report["status"] != "MISSING" for report in reports)
                kept_in = f", in {args.json}" if args.json else ""
                hint = "" if args.reconnect else "; --reconnect SECONDS waits for its return"
                raise ConnectionError(
                    f"{error}; {answered} of {shots} shots were answered{kept_in}{hint}"
                ) from None
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
