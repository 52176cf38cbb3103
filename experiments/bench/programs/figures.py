"""Figures of the benchmark of programs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from experiments.bench.programs.runs import Row
from experiments.plotting.series import CurvePanel, CurveSeries
from realtime.programs.kernels.records import End

# Points of a curve over shots.
_POINTS = 200


def draw(rows: Sequence[Row], path: Path, *, title: str) -> Path | None:
    """Draw the waits of slow decoders, and error and duration of chains; None without any of them."""
    from experiments.plotting import figures

    panels = [panel for panel in (_waits(rows), _reactions(rows), *_chains(rows)) if panel.series]
    return figures.draw_curves(path=path, panels=panels, title=title) if panels else None


def _waits(rows: Sequence[Row]) -> CurvePanel:
    series = []
    for row in rows:
        idle = row.found.run.idle_cycles()
        if row.part not in ("slow", "pymatching") or not len(idle):
            continue
        label = f"{row.service_ns} ns a cycle"
        if row.part == "pymatching":
            label = "PyMatching" if row.clock == "real" else f"PyMatching, {label}"
        places = np.unique(np.geomspace(1, len(idle), _POINTS).astype(np.int64))
        series.append(
            CurveSeries(label=label, x=places.tolist(), y=np.maximum(idle[places - 1], 0.5).tolist())
        )
    return CurvePanel(
        title="Idle cycles of consecutive shots",
        x_label="shot",
        y_label="idle cycles until the answer",
        series=series,
        log_x=True,
        log_y=True,
    )


def _reactions(rows: Sequence[Row]) -> CurvePanel:
    series = []
    for clock in ("simulated", "real"):
        runs = [row.found.run for row in rows if (row.part, row.clock) == ("memory", clock)]
        own = [run.answer_ns() for run in runs if run.end == End.DONE]
        if not own:
            continue
        times = np.sort(np.concatenate(own)) / 1e3
        parts = 1 - np.arange(len(times)) / len(times)
        places = np.unique((len(times) * (1 - np.geomspace(1, 1 / len(times), _POINTS))).astype(np.int64))
        places = places[places < len(times)]
        series.append(
            CurveSeries(
                label=f"{clock} clock, {len(times)} decisions",
                x=times[places].tolist(),
                y=parts[places].tolist(),
            )
        )
    return CurvePanel(
        title="Decision needed to answer at the source",
        x_label="time (us)",
        y_label="fraction of decisions exceeding it",
        series=series,
        log_x=True,
        log_y=True,
    )


def _chains(rows: Sequence[Row]) -> list[CurvePanel]:
    chains = [row for row in rows if row.part == "chain" and row.found.run.num_shots]
    failed, lasted = [], []
    for delay in sorted({row.delay_ns for row in chains}):
        own = [row for row in chains if row.delay_ns == delay]
        label, lengths = f"{delay / 1000:g} us later", [row.decisions for row in own]
        failed.append(CurveSeries(label=label, x=lengths, y=[row.found.failed for row in own]))
        cycles = [float(row.found.run.durations().mean()) for row in own]
        times = [value * row.found.run.cycle_ns / 1e3 for value, row in zip(cycles, own, strict=True)]
        lasted.append(CurveSeries(label=label, x=lengths, y=times))
    return [
        CurvePanel(
            title="Chains that fail",
            x_label="decisions",
            y_label="fraction of shots that fail",
            series=failed,
        ),
        CurvePanel(
            title="Duration of a chain", x_label="decisions", y_label="mean duration (us)", series=lasted
        ),
    ]
