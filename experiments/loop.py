"""Runs the real-time loop for one code: simulates shots, plays them, compares the answers."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from decoders import StreamingDecoder
from experiments.loop_parts import LoopParts, LoopSetting, open_loop
from experiments.loop_results import LoopResult, Run, Shot, Spread, Tail
from experiments.loop_shots import Prepared, simulate
from experiments.points import Point
from realtime.jobs import Job
from realtime.latency import Histogram

Say = Callable[[str], None]

CODE = "surface_zxxz"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is measured at each distance.

    Attributes:
        timed: numbers of cycles for latencies, increasing.
        shots: shots of each of them.
        counted: numbers of cycles for the logical error per cycle.
        counted_shots: shots of each of them, in each basis.
        bases: "z", "x" or both; latencies are measured in the first one.
    """

    timed: Sequence[int]
    shots: int
    counted: Sequence[int]
    counted_shots: int
    bases: Sequence[str]


def measure(
    distance: int, *, plan: Plan, setting: LoopSetting, noise: str, p: float | None, seed: int, say: Say
) -> LoopResult:
    """Measure one distance.

    Raises:
        ValueError: a code, noise or decoder that there is not.
        RuntimeError: the loop did not start, or died.
    """
    timed: list[Run] = []
    counted: list[Run] = []
    longest: Prepared | None = None
    windows: Histogram | None = None
    reports: list[dict[str, Any]] = []
    for which, basis in enumerate(plan.bases):
        lengths = [(cycles, plan.shots) for cycles in (plan.timed if which == 0 else ())]
        lengths += [(cycles, plan.counted_shots) for cycles in (plan.counted if plan.counted_shots else ())]
        model = Point(CODE, "cz", distance, 30, basis, noise, p)
        circuit = model.circuit()
        with tempfile.TemporaryDirectory(prefix="qec-loop-") as folder:
            decoder = StreamingDecoder.from_circuit(
                circuit, commit=setting.commit, buffer=setting.buffer, decoder=setting.decoder
            )
            prepared = [
                simulate(
                    replace(model, rounds=cycles),
                    shots=shots,
                    seed=seed + 1000 * which + at,
                    decoder=decoder,
                    folder=Path(folder) / str(at),
                    progress=say,
                )
                for at, (cycles, shots) in enumerate(lengths)
            ]
            say(f"d = {distance}: starting the loop")
            with open_loop(setting, circuit=circuit, playlists=[one.folder for one in prepared]) as loop:
                for number, one in enumerate(prepared):
                    is_timed = which == 0 and number < len(plan.timed)
                    run = _play(loop, one, basis=basis, say=say, name=f"d = {distance}")
                    (timed if is_timed else counted).append(run)
                    if is_timed:
                        longest, windows = one, loop.windows()
                if which == 0 and longest is not None:
                    say(f"d = {distance}: backlog")
                    job = Job(folder=str(longest.folder), shots=min(2, longest.shots))
                    reports = [r for r in loop.play_with_commits([job]) if r["type"] == "shot"]
    assert longest is not None
    return LoopResult(
        distance=distance,
        timed=timed,
        counted=counted,
        windows=None if windows is None or not windows.num else tail(windows),
        backlog=_backlog(reports, longest.cycles * setting.cycle_ns),
        detection_fraction=longest.detection_fraction,
        decoder_us=longest.decoder_us,
    )


def _play(loop: LoopParts, prepared: Prepared, *, basis: str, say: Say, name: str) -> Run:
    reports: list[dict[str, Any]] = []
    final: dict[str, Any] = {}
    for report in loop.play([Job(folder=str(prepared.folder), shots=prepared.shots)]):
        if report["type"] == "shot":
            reports.append(report)
            late = (report["back_ns"] - report["due_ns"]) / 1e3 if report["back_ns"] else float("nan")
            say(
                f"{name}, {prepared.cycles:,} cycles: shot {len(reports)} of {prepared.shots}, "
                f"{report['status']}, {late:.0f} us behind its last cycle"
            )
        else:
            final = report
    return Run(
        cycles=prepared.cycles,
        basis=basis,
        shots=[shot_of(report, prepared) for report in reports],
        lateness=spread(Histogram.from_json(final["lateness"])),
        overruns=int(final["overruns"]),
        seconds=float(final["seconds"]),
    )


def shot_of(report: dict[str, Any], prepared: Prepared) -> Shot:
    """A source's report beside the offline answer and the truth."""
    index, flips = report["index"], report["flips"]
    same = wrong = None
    if flips is not None:
        found = np.frombuffer(bytes.fromhex(flips), dtype=np.uint8)
        same = bool(np.array_equal(found, prepared.offline[index]))
        if prepared.truth is not None:
            wrong = not np.array_equal(found, prepared.truth[index])
    answered = report["status"] == "OK"
    return Shot(
        cycles=report["cycles"],
        status=report["status"],
        wrong=wrong,
        same=same,
        decision_ns=report["done_ns"] - report["received_ns"] if answered else None,
        loop_ns=report["back_ns"] - report["due_ns"] if answered else None,
        max_backlog=report["max_backlog"],
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
    """A histogram for the figure: how many times are longer, at ten places in each decade of parts."""
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
