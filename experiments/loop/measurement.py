"""Measurement of the real-time loop: simulate shots, play them, compare the corrections with offline ones."""

import contextlib
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from decoders import ParallelStreamingDecoder, StreamingDecoder
from experiments.common.points import Point
from experiments.loop.live import LoopView
from experiments.loop.options import CODE
from experiments.loop.parts import LoopParts, LoopSetting, open_loop
from experiments.loop.results import LoopResult, Run, Shot, Spread, Tail
from experiments.loop.shots import Prepared, name_of, prepare, simulate, with_endings_of
from experiments.loop.threads import decide_threads
from realtime.jitter import JitterMonitor
from realtime.latency import Histogram
from realtime.source.jobs import Job

Say = Callable[[str], None]

# A mean of latencies needs some hundred shots; long ones have fewer, for they take their time.
_LEAST_SHOTS = ((10_000, 200), (100_000, 50))
# Rounds in which shots of all lengths are played alternately: changes of the machine affect all lengths.
_ROUNDS = 10
# Number of windows at the end of shots of all lengths that have the same data.
_SAME_WINDOWS = 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Shots to measure at each distance.

    Attributes:
        cycles: the number of cycles for latencies; powers of ten below it are measured as well.
        shots: shots of that length; of shorter ones there are more.
        counted: numbers of cycles for the logical error per cycle.
        counted_shots: shots of each of them, in each basis.
        bases: "z", "x" or both; latencies are measured in the first one.
    """

    cycles: int
    shots: int
    counted: Sequence[int]
    counted_shots: int
    bases: Sequence[str]


@dataclass
class _Lot:
    """Shots of one length and what came of them, for each stream."""

    prepared: Prepared
    basis: str
    reports: list[list[dict[str, Any]]]
    lateness: list[Histogram]
    overruns: list[int]
    seconds: float = 0.0


def timed_lengths(cycles: int, *, period: int) -> list[int]:
    """`cycles`, and before it a length near every power of ten from 100 on, all alike modulo `period`.

    Windows are cut at fixed places of a shot, and data come in frames: two lengths that differ by whole
    windows and whole frames leave the same work for the end of the shot.
    """
    lengths = []
    for power in range(2, 10):
        wanted = 10**power
        if wanted >= cycles:
            break
        length = wanted + (cycles - wanted) % period
        lengths.append(length - period if length - wanted > period / 2 and length > period else length)
    return sorted({length for length in lengths if length < cycles} | {cycles})


def shots_of_length(cycles: int, *, shots: int) -> int:
    """Choose the number of shots of this length, at least `shots`."""
    # Lengths are near powers of ten: see `timed_lengths`.
    return max(shots, next((least for longest, least in _LEAST_SHOTS if cycles <= 2 * longest), 0))


def measure(
    distance: int,
    *,
    plan: Plan,
    setting: LoopSetting,
    noise: str,
    p: float | None,
    seed: int,
    say: Say,
    view: LoopView | None = None,
) -> LoopResult:
    """Measure one distance.

    Args:
        distance: code distance.
        plan, setting, noise, p, seed, say, view: see `experiments.loop.realtime.measure_memories`.

    Raises:
        ValueError: a code, noise or decoder that there is not.
        RuntimeError: the loop did not start, or died.
    """
    timed: list[_Lot] = []
    counted: list[_Lot] = []
    windows: list[Histogram] = []
    meter: JitterMonitor | None = None
    service_ns = 0.0
    for which, basis in enumerate(plan.bases):
        model = Point(CODE, "cz", distance, 30, basis, noise, p)
        circuit = model.circuit()
        setting = decide_threads(setting, circuit, say=lambda text: say(f"d = {distance}: {text}"))
        with tempfile.TemporaryDirectory(prefix="qec-loop-") as name:
            folder = Path(name)
            decoder = setting.make_decoder(circuit)
            lots = []
            if which == 0:
                shots = _timed(model, plan, decoder, setting, folder / "timed", seed=seed, say=say)
                timed = lots = [_lot(one, basis, setting.streams) for one in shots]
            if plan.counted_shots:
                shots = _counted(
                    model, plan, decoder, setting, folder / "counted", seed=seed + 1000 * which, say=say
                )
                counted += [_lot(one, basis, setting.streams) for one in shots]
                lots = [*lots, *counted[-len(shots) :]]
            if not lots:
                continue
            say(f"d = {distance}: starting the loop")
            folders = [lot.prepared.folder for lot in lots]
            with (
                open_loop(setting, circuit=circuit, playlists=folders) as loop,
                contextlib.ExitStack() as watched,
            ):
                count = None if view is None else partial(view.count, distance=distance, basis=basis)
                play = partial(_play, loop, setting=setting, say=say, count=count, name=f"d = {distance}")
                if which == 0 and setting.is_paced:
                    meter = control_beside(setting)
                if view is not None:
                    machine = meter if which == 0 else None
                    shown = view.watching(
                        loop, title=f"d = {distance}", streams=setting.streams, machine=machine
                    )
                    watched.enter_context(shown)
                if setting.decoder_threads > 1:
                    with loop.statistics() as statistics:
                        service_ns = statistics.stats()["streams"][0]["service_ns_per_cycle"]
                if which == 0:
                    with meter or contextlib.nullcontext():
                        play(timed, rounds=_ROUNDS, apart=1)
                    if setting.is_paced:
                        windows = [loop.windows(stream) for stream in range(setting.streams)]
                for lot in lots[len(timed) if which == 0 else 0 :]:
                    # Every shot once: the streams share them.
                    apart = lot.prepared.shots // setting.streams
                    play([lot], rounds=1, apart=apart)
    longest = timed[-1]
    return LoopResult(
        distance=distance,
        timed=[run for lot in timed for run in _runs(lot, setting)],
        counted=[run for lot in counted for run in _runs(lot, setting)],
        windows=[tail(found) if found.num else None for found in windows],
        backlog=[_backlog(found, longest.prepared.cycles * setting.cycle_ns) for found in longest.reports]
        if setting.is_paced
        else [],
        control=tail(meter.histogram) if meter is not None else None,
        detection_fraction=longest.prepared.detection_fraction,
        decoder_threads=setting.decoder_threads,
        # Offline, several threads of short blocks mostly wait for each other.
        decoder_us=service_ns / 1e3 if setting.decoder_threads > 1 else longest.prepared.decoder_us,
    )


def _timed(
    model: Point,
    plan: Plan,
    decoder: StreamingDecoder | ParallelStreamingDecoder,
    setting: LoopSetting,
    folder: Path,
    *,
    seed: int,
    say: Say,
) -> list[Prepared]:
    """Prepare the shots for latencies, by length; those of all lengths end with the same data."""
    period = math.lcm(decoder.commit, setting.frame_cycles)
    lengths = timed_lengths(plan.cycles, period=period)
    same = min(_SAME_WINDOWS * (decoder.commit + decoder.buffer), max(1, lengths[0] // 2))
    playlists = {}
    for at, cycles in reversed(list(enumerate(lengths))):
        playlists[cycles] = simulate(
            replace(model, rounds=cycles),
            shots=shots_of_length(cycles, shots=plan.shots),
            seed=seed + at,
            progress=say,
        )
        if cycles != plan.cycles:
            playlists[cycles] = with_endings_of(playlists[cycles], playlists[plan.cycles], cycles=same)
    return [
        prepare(
            playlists.pop(cycles),
            decoder=decoder,
            folder=folder / str(cycles),
            progress=_saying(replace(model, rounds=cycles), say),
        )
        for cycles in lengths
    ]


def _counted(
    model: Point,
    plan: Plan,
    decoder: StreamingDecoder | ParallelStreamingDecoder,
    setting: LoopSetting,
    folder: Path,
    *,
    seed: int,
    say: Say,
) -> list[Prepared]:
    """Short shots for the logical error, as many for each stream."""
    shots = -(-plan.counted_shots // setting.streams) * setting.streams
    prepared = []
    for at, cycles in enumerate(plan.counted):
        point = replace(model, rounds=cycles)
        prepared.append(
            prepare(
                simulate(point, shots=shots, seed=seed + 100 + at, progress=say),
                decoder=decoder,
                folder=folder / str(cycles),
                progress=_saying(point, say),
            )
        )
    return prepared


def _saying(point: Point, say: Say) -> Say:
    return lambda text: say(f"{name_of(point)}: {text}")


def control_beside(setting: LoopSetting) -> JitterMonitor | None:
    """Jitter monitor to run during the loop, with the schedule of its frames; None where it would disturb."""
    where = setting.placement.jitter_core
    if where is None:
        return None
    core, modest = where
    interval = round(setting.cycle_ns * setting.frame_cycles)
    return JitterMonitor(core=core, interval_ns=interval, modest=modest)


def _lot(prepared: Prepared, basis: str, streams: int) -> _Lot:
    each = range(streams)
    return _Lot(prepared, basis, [[] for _ in each], [Histogram() for _ in each], [0 for _ in each])


def _play(
    loop: LoopParts,
    lots: Sequence[_Lot],
    *,
    rounds: int,
    apart: int,
    setting: LoopSetting,
    say: Say,
    name: str,
    count: Callable[..., None] | None,
) -> None:
    """Play lots in turns until each has been played to its end on every stream."""
    jobs, owners = [], []
    for turn in range(rounds):
        for lot in lots:
            total = lot.prepared.shots if rounds > 1 else apart
            first, stop = (total * at // rounds for at in (turn, turn + 1))
            if first < stop:
                jobs.append(
                    Job(folder=str(lot.prepared.folder), shots=stop - first, first=first, apart=apart)
                )
                owners.append(lot)
    for report in loop.play(jobs):
        lot, stream = owners[report["job"]], report["stream"]
        if report["type"] == "job":
            lot.lateness[stream] = lot.lateness[stream].merged(Histogram.from_json(report["lateness"]))
            lot.overruns[stream] += int(report["overruns"])
            lot.seconds += float(report["seconds"]) if stream == 0 else 0.0
            continue
        lot.reports[stream].append(report)
        if count is not None:
            count(shot_of(report, lot.prepared, setting), stream=stream, for_errors=rounds == 1)
        late = ""
        if setting.is_paced and report["back_ns"]:
            late = f", {(report['back_ns'] - report['due_ns']) / 1e3:.0f} us after its last cycle"
        say(
            f"{name}, {lot.prepared.cycles:,} cycles: shot {len(lot.reports[stream])} of "
            f"{lot.prepared.shots if rounds > 1 else apart}, {report['status']}{late}"
        )


def _runs(lot: _Lot, setting: LoopSetting) -> list[Run]:
    """Results of a lot, for each stream."""
    return [
        Run(
            cycles=lot.prepared.cycles,
            basis=lot.basis,
            stream=stream,
            shots=[shot_of(report, lot.prepared, setting) for report in reports],
            lateness=spread(lot.lateness[stream]),
            overruns=lot.overruns[stream],
            seconds=lot.seconds,
            is_paced=setting.is_paced,
        )
        for stream, reports in enumerate(lot.reports)
    ]


def shot_of(report: dict[str, Any], prepared: Prepared, setting: LoopSetting) -> Shot:
    """Compare a source's report with the offline correction and the true flips.

    Where the source waits for the decoder (`LoopSetting.policy`) there are no latencies: times from when data
    were due would include its waiting, and a decision would leave out the data that queue.
    """
    index, flips = report["index"], report["flips"]
    same = wrong = None
    if flips is not None:
        found = np.frombuffer(bytes.fromhex(flips), dtype=np.uint8)
        same = bool(np.array_equal(found, prepared.offline[index]))
        if prepared.truth is not None:
            wrong = not np.array_equal(found, prepared.truth[index])
    answered = report["status"] == "OK"
    timed = answered and setting.is_paced
    duration = report["back_ns"] - report["due_ns"] + round(report["cycles"] * setting.cycle_ns)
    return Shot(
        cycles=report["cycles"],
        status=report["status"],
        wrong=wrong,
        same=same,
        decision_ns=report["done_ns"] - report["received_ns"] if timed else None,
        loop_ns=report["back_ns"] - report["due_ns"] if timed else None,
        duration_ns=duration if answered else None,
        max_backlog=report["max_backlog"] if setting.is_paced else 0,
        index=index,
    )


def spread(histogram: Histogram) -> Spread:
    """Mean, percentiles and maximum of a histogram, in microseconds."""
    return Spread(
        count=histogram.num + histogram.missing,
        missing=histogram.missing,
        mean=histogram.mean / 1e3,
        percentiles=tuple(histogram.percentile(q) / 1e3 for q in (50.0, 90.0, 99.0, 99.9)),
        maximum=histogram.max / 1e3,
    )


def tail(histogram: Histogram) -> Tail:
    """Summarise a histogram for the figure: ten points in each decade of the complementary distribution."""
    total = histogram.num + histogram.missing
    parts = [10 ** (-step / 10) for step in range(1, 10 * 9) if 10 ** (-step / 10) * total >= 1]
    longer = [(histogram.percentile(100 * (1 - part)) / 1e3, part) for part in parts]
    return Tail(points=[point for point in longer if 0 < point[0] < np.inf], spread=spread(histogram))


def _backlog(reports: Sequence[dict[str, Any]], shot_ns: float) -> list[tuple[float, float]]:
    """Over the shots, the largest backlog at each time of a shot."""
    parts = [report["backlog"] for report in reports if "backlog" in report]
    if not parts:
        return []
    most = np.max(np.array(parts), axis=0)
    step = shot_ns / 1e9 / len(most)
    return [((at + 0.5) * step, float(value)) for at, value in enumerate(most) if value > 0]
