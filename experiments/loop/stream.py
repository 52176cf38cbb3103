"""`qec stream`: play shots to a decoder daemon at the cycle time of a device."""

import argparse
import json
import math
import sys
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from decoders.streaming.digests import layout_digest, model_digest
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from experiments.common.growing_file import GrowingFile
from experiments.common.numbers import number
from experiments.common.parser import output, real, whole
from experiments.common.points import decoding_model
from experiments.common.terminal import Progress, table
from experiments.loop import options
from experiments.loop.comparison import Comparison, comparison_table, recording_summary
from experiments.loop.measurement import spread
from experiments.loop.options import DEFAULT_DISTANCE, duration
from experiments.loop.results import PERCENTILES, Spread
from experiments.loop.shots import sample_playlist
from qec.datasets import read_experiment
from realtime.latency import Histogram
from realtime.protocol.wire import Status
from realtime.service.client import Client
from realtime.service.description import DECODER_NOTES
from realtime.source.jobs import Job
from realtime.source.playlist import Playlist
from realtime.source.recorded_shots import Answer, RecordedShots
from realtime.source.recording import read_recording, write_answered, write_recording
from realtime.source.source import SourceConfig, SourceProcess

# Measurements are simulated in memory, for 256 shots at least.
_MAX_MEASUREMENTS = 1 << 22
_DIGESTS = ("model_digest", "layout_digest")
DIFFERENT = 1  # exit code: answers differ from the recorded ones


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
        help="write the frames into a new file: with --to as they were played, with the answers",
    )
    add("--force", action="store_true", help="let --record overwrite a file")
    options.add_code(parser, distance=DEFAULT_DISTANCE)
    add("--cycles", type=whole(), default=1000, metavar="N", help="of that memory")
    add("--kind", choices=["events", "measurements"], default="events", help="what is sent")
    add("--shots", type=whole(), metavar="N", help="how many to play; default: 100, or all recorded ones")
    options.add_pace(parser)
    add(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="FACTOR",
        help="play faster than recorded, or than --cycle_time; max: as fast as the daemon decodes",
    )
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


def _speed(text: str) -> float:
    """Accept a factor, or `max`, which is infinite."""
    return math.inf if text == "max" else real(0, 1e6)(text)


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
        if args.record and len(what.groups) > 1:
            raise ValueError(
                f"--record with {args.what}: its shots have several lengths, a new recording has one"
            )
        if args.to is None:
            _write_frames(args, what)
            return 0
        if not what.digests and not args.any_model:
            print(
                f"qec stream: {args.what} does not say of which model its shots are, so that the daemon's is "
                "not checked",
                file=sys.stderr,
            )
        if math.isinf(args.speed):  # due at once: the daemon sets the pace
            what, args.policy = what._replace(cycle_ns=1.0), "block"
        with ExitStack() as files:
            lines = None
            if args.json:
                lines = files.enter_context(GrowingFile(Path(args.json), advice="give another --json"))
                lines.replace([])
            reports: list[dict[str, Any]] = []
            if args.record:
                files.callback(_write_answered, args, what, reports, _decoded_by(args))
            final = _play(args, what, reports, progress, lines)
    print(_summary(reports, final, what, blocks=args.policy == "block"))
    if not any(answer for group in what.groups for answer in group.answers):
        return 0
    compared = _compared(reports, what)
    print(comparison_table([compared]))
    return 0 if compared.agrees(allowed=0.0) else DIFFERENT


def _write_frames(args: argparse.Namespace, what: "_What") -> None:
    (group,) = what.groups
    notes = {"from": str(args.what or "simulated"), **what.digests}
    write_recording(
        args.record,
        group.playlist,
        frame_cycles=args.frame_cycles,
        cycle_ns=max(1, round(what.cycle_ns)),
        notes=notes,
    )
    print(
        f"Recorded: {args.record}, {group.playlist.num_shots} shots of {group.playlist.num_cycles:,} cycles"
    )


def _decoded_by(args: argparse.Namespace) -> dict[str, Any]:
    """Ask the daemon what it decodes, for a recording; its model as well."""
    with Client(args.to, keys=options.client_keys(args)) as client:
        found = client.ask({"type": "describe"})
        notes = {name: found[name] for name in DECODER_NOTES}
        return {**notes, "model_format": found["model"]["format"], "model": client.model()}


def _write_answered(
    args: argparse.Namespace, what: "_What", reports: list[dict[str, Any]], decoded_by: dict[str, Any]
) -> None:
    """Write the shots that were reported, also where playing ended early."""
    if not reports:
        return
    (group,) = what.groups
    model = decoded_by.pop("model")
    write_answered(
        args.record,
        group.playlist,
        frame_cycles=args.frame_cycles,
        cycle_ns=round(what.cycle_ns),
        played=[(report["index"], _answer(report, decoded_by)) for report in reports],
        notes={"from": str(args.what or "simulated"), **decoded_by},
        model=model,
    )
    print(
        f"Recorded: {args.record}, {len(reports)} shots of {group.playlist.num_cycles:,} cycles, with answers"
    )


def _answer(report: dict[str, Any], decoded_by: dict[str, Any]) -> Answer | None:
    if report["status"] not in Status.__members__:
        return None
    return Answer(
        status=report["status"],
        flips=None if report["flips"] is None else bytes.fromhex(report["flips"]),
        num_observables=decoded_by["num_observables"],
        digest=int(decoded_by["digest"], 16),
        **{name: report[name] for name in ("due_ns", "received_ns", "done_ns", "syndrome_hash")},
    )


def _compared(reports: list[dict[str, Any]], what: "_What") -> Comparison:
    """Compare the answers of a daemon with the recorded ones."""
    recorded, true, numbers = [], [], []
    for report in reports:
        group, at = what.groups[report["job"]], report["index"]
        answer, flips = group.answers[at], group.playlist.observable_flips
        recorded.append(answer.flips if answer else None)
        true.append(None if flips is None else flips[at].tobytes())
        numbers.append(group.numbers[at])
    replayed = [None if report["flips"] is None else bytes.fromhex(report["flips"]) for report in reports]
    return Comparison.of("the daemon's", recorded=recorded, replayed=replayed, true=true, numbers=numbers)


class _What(NamedTuple):
    """Shots to play."""

    groups: tuple[RecordedShots, ...]
    cycle_ns: float
    #: Digests of their model: "model_digest", "layout_digest", or none.
    digests: dict[str, str]


def _what(args: argparse.Namespace, progress: Progress) -> _What:
    if args.what is None:
        # Whatever the number of cycles: short memories have no repeating part to compare.
        circuit = options.memory_point(args, cycles=options.SERVED_CYCLES).circuit()
        model = LayeredModel.from_dem(decoding_model(circuit))
        digests = {"model_digest": model_digest(model), "layout_digest": layout_digest(model)}
        return _What((_without_answers(_simulated(args, progress)),), args.cycle_time / args.speed, digests)
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
        cycle_ns = args.cycle_time / args.speed
        return _What((_without_answers(playlist),), cycle_ns, {"layout_digest": layout_digest(model)})
    recording = read_recording(path)
    known = {name: str(recording.notes[name]) for name in _DIGESTS if name in recording.notes}
    if recording.num_incomplete or recording.num_missing:
        print(f"qec stream: {path}: {recording_summary(recording)}", file=sys.stderr)
    # Recorded without a schedule: any will do.
    return _What(recording.groups, (recording.cycle_ns or args.cycle_time) / args.speed, known)


def _without_answers(playlist: Playlist) -> RecordedShots:
    numbers = tuple(range(playlist.num_shots))
    return RecordedShots(playlist=playlist, numbers=numbers, answers=(None,) * len(numbers))


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
    if circuit.num_measurements > _MAX_MEASUREMENTS:
        raise ValueError(
            f"--kind measurements: {circuit.num_measurements:,} measurements in a shot, at most "
            f"{_MAX_MEASUREMENTS:,}; take fewer --cycles, or --kind events"
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
    args: argparse.Namespace,
    what: _What,
    reports: list[dict[str, Any]],
    progress: Progress,
    lines: GrowingFile | None,
) -> dict[str, Any]:
    """Play to the daemon; add the report of each shot to `reports` and `lines` as it comes.

    Returns:
        The last report.
    """
    final: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="qec-stream-") as folder:
        jobs = _jobs(what, Path(folder), shots=args.shots)
        shots = sum(job.shots for job in jobs)
        config = SourceConfig(
            control=args.to,
            playlist=jobs[0].folder,
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
            most_cycles = max(group.playlist.num_cycles for group in what.groups)
            patience = 60 + most_cycles * what.cycle_ns / 1e9 + config.reconnect_s
            try:
                for report in source.play(jobs, silence_s=patience):
                    if report["type"] == "job":
                        final = _added(final, report)
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
    return final


def _jobs(what: _What, folder: Path, *, shots: int | None) -> list[Job]:
    """Write the shots of each length into a folder; play all, or the first ones, or all several times."""
    jobs = []
    left = shots or sum(group.playlist.num_shots for group in what.groups)
    for at, group in enumerate(what.groups):
        most = left if len(what.groups) == 1 else min(left, group.playlist.num_shots)
        if most:
            saved = group.playlist.save(folder / str(at))
            jobs.append(Job(folder=str(saved), shots=most))
        left -= most
    return jobs


def _added(before: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    """Add the numbers of two jobs."""
    if not before:
        return {"overruns": report["overruns"], "lateness": Histogram.from_json(report["lateness"])}
    lateness = before["lateness"].merged(Histogram.from_json(report["lateness"]))
    return {"overruns": before["overruns"] + report["overruns"], "lateness": lateness}


def _summary(reports: list[dict[str, Any]], final: dict[str, Any], what: _What, *, blocks: bool) -> str:
    statuses = Counter(report["status"] for report in reports)
    words = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    lengths = " or ".join(f"{group.playlist.num_cycles:,}" for group in what.groups)
    pace = f"{lengths} cycles of {duration(what.cycle_ns)}"
    lines = [f"{len(reports)} shots of {pace}: {words}; {final['overruns']} overruns"]
    if any(group.playlist.observable_flips is not None for group in what.groups):
        errors = _compared(reports, what).errors_replayed
        lines.append(f"{errors} logical errors in {statuses['OK']} shots answered")
    rows = [_row("source late", spread(final["lateness"]))]
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
