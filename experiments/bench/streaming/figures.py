"""The figures of `qec bench streaming`."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from experiments.bench.streaming.pairs import MAX_EXCESS, Pair
from experiments.bench.streaming.report import Findings
from experiments.bench.streaming.shots import CYCLE_MICROSECONDS, MAX_GROWTH, ShotRun
from experiments.bench.streaming.windows import METHODS, Length
from experiments.plotting.series import CurvePanel, CurveSeries
from qec.statistics import Estimate

_MAX_POINTS = 50  # along a shot
_LEAST_EXCESS = 0.01  # per cent: no upper limit is drawn lower


def draw(findings: Findings, folder: Path) -> list[Path]:
    """Draw what there is: errors and time against the buffer, over the length, along the shot."""
    # Matplotlib takes a while to import, and `qec bench --help` does not need it.
    from experiments.plotting import figures

    made = []
    if findings.buffers:
        path = folder / "bench_streaming_buffers.png"
        made.append(figures.draw_curves(path=path, panels=_buffer_panels(findings.buffers)))
    if findings.lengths:
        path = folder / "bench_streaming_lengths.png"
        made.append(figures.draw_curves(path=path, panels=[_length_panel(findings.lengths)]))
    if findings.runs:
        path = folder / "bench_streaming_shot.png"
        made.append(figures.draw_curves(path=path, panels=_shot_panels(findings.runs)))
    return made


def _buffer_panels(pairs: Sequence[Pair]) -> list[CurvePanel]:
    by_distance: dict[int, list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_distance[pair.point.distance].append(pair)
    excess, times = [], []
    for distance, mine in by_distance.items():
        buffers = [pair.buffer for pair in mine]
        label = f"d = {distance}"
        excess.append(CurveSeries(label, buffers, [_excess(pair) for pair in mine]))
        times.append(CurveSeries(label, buffers, [pair.microseconds() or 0.0 for pair in mine]))
    panels = [
        CurvePanel(
            title="Logical errors",
            x_label="buffer (cycles)",
            y_label="logical error per cycle beyond whole history (%)",
            series=excess,
            log_y=True,
            level=(100 * MAX_EXCESS, "the most allowed"),
        )
    ]
    if all(pair.times_ns for pair in pairs):
        panels.append(
            CurvePanel(
                title="Time",
                x_label="buffer (cycles)",
                y_label="decoding time per cycle (µs)",
                series=times,
                level=(CYCLE_MICROSECONDS, f"a cycle of the processor, {CYCLE_MICROSECONDS:g} µs"),
            )
        )
    return panels


def _excess(pair: Pair) -> Estimate:
    """The ratio as per cent above one; an upper limit where zero lies in the interval."""
    ratio = pair.ratio()
    value, low, high = (100 * (end - 1) for end in (ratio.value, ratio.low, ratio.high))
    if low > 0:
        return Estimate(value, low, high)
    return Estimate(0.0, 0.0, max(high, _LEAST_EXCESS))


def _length_panel(lengths: Sequence[Length]) -> CurvePanel:
    distances = list(dict.fromkeys(length.point.distance for length in lengths))
    series = []
    for distance in distances:
        words = f", d = {distance}" if len(distances) > 1 else ""
        for method in METHODS:
            points = {
                length.point.rounds: time
                for length in lengths
                if length.point.distance == distance and (time := length.microseconds(method)) is not None
            }
            if points:
                series.append(CurveSeries(method + words, list(points), list(points.values())))
    return CurvePanel(
        title=f"d = {distances[0]}" if len(distances) == 1 else "",
        x_label="cycles in a shot",
        y_label="decoding time per cycle (µs)",
        series=series,
        log_x=True,
        log_y=True,
        level=(CYCLE_MICROSECONDS, f"a cycle of the processor, {CYCLE_MICROSECONDS:g} µs"),
    )


def _shot_panels(runs: Sequence[ShotRun]) -> list[CurvePanel]:
    largest = max(run.frame_cycles for run in runs)
    mine = [run for run in runs if run.frame_cycles == largest]
    times, growths = [], []
    for run in mine:
        label = f"d = {run.point.distance}"
        # A point for one or several segments, at the end of the last of them, in thousands of cycles.
        together = -(-len(run.times_ns[0]) // _MAX_POINTS)
        ends = range(together, len(run.times_ns[0]) + 1, together)
        x = [end * run.segment_cycles / 1000 for end in ends]
        found = [median(ns for times in run.times_ns for ns in times[end - together : end]) for end in ends]
        times.append(CurveSeries(label, x, [ns / run.segment_cycles / 1000 for ns in found]))
        if run.grown_bytes is not None:
            grown = [max(found[end - 1] for found in run.grown_bytes) for end in ends]
            growths.append(CurveSeries(label, x, [max(0.0, most / 1e6) for most in grown]))
    words = f"frames of {largest:,} cycles" if largest > 1 else "frames of one cycle"
    panels = [
        CurvePanel(
            title=f"Time along one shot, {words}",
            x_label="thousands of cycles since the start",
            y_label="decoding time per cycle (µs)",
            series=times,
            level=(CYCLE_MICROSECONDS, f"a cycle of the processor, {CYCLE_MICROSECONDS:g} µs"),
        )
    ]
    if growths:
        panels.append(
            CurvePanel(
                title="Memory",
                x_label="thousands of cycles since the start",
                y_label="growth of resident memory (MB)",
                series=growths,
                level=(MAX_GROWTH, "the most allowed"),
            )
        )
    return panels
