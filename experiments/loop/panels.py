"""The real-time loop's results as a figure of four panels."""

from collections.abc import Sequence
from pathlib import Path

from experiments.common.settings import PUBLISHED_LATENCY_US
from experiments.loop.report import name_of
from experiments.loop.results import LoopResult, Tail
from experiments.loop.statistics import mean
from experiments.plotting.series import CurvePanel, CurveSeries


def draw(path: Path, results: Sequence[LoopResult], *, title: str, alone: Tail | None) -> Path:
    """Latency distribution, decision and loop latency against cycles, backlog over time.

    Args:
        path: of the PNG.
        results: what was measured.
        title: above the panels.
        alone: a control that ran before and after; drawn where none ran beside.
    """
    # Matplotlib takes a while to import, and `--help` does not need it.
    from experiments.plotting import figures

    parts = [_tails(results, alone), _against(results, "decision"), _against(results, "loop")]
    parts.append(_backlog(results))
    return figures.draw_curves(path=path, panels=[panel for panel in parts if panel.series], title=title)


def _tails(results: Sequence[LoopResult], alone: Tail | None) -> CurvePanel:
    tails = [
        (f"d = {name_of(result, stream)}", tail)
        for result in results
        for stream, tail in zip(result.streams, result.windows, strict=False)
    ]
    beside = [(f"machine beside d = {result.distance}", result.control) for result in results]
    if any(tail is not None for _, tail in beside):
        tails += beside
    else:
        tails.append(("machine alone", alone))
    return CurvePanel(
        title="How often a window takes longer",
        x_label="latency (us)",
        y_label="part of all windows that take longer",
        series=[
            CurveSeries(label=words, x=[us for us, _ in tail.points], y=[part for _, part in tail.points])
            for words, tail in tails
            if tail is not None and tail.points
        ],
        log_x=True,
        log_y=True,
    )


def _against(results: Sequence[LoopResult], kind: str) -> CurvePanel:
    series = []
    for result in results:
        for stream in result.streams:
            answered = [run for run in result.timed_on(stream) if run.count("OK")]
            if answered:
                means = [mean([getattr(shot, f"{kind}_ns") for shot in run.shots]) for run in answered]
                series.append(
                    CurveSeries(
                        label=f"d = {name_of(result, stream)}", x=[run.cycles for run in answered], y=means
                    )
                )
    level = (PUBLISHED_LATENCY_US, f"decision, Nature 638, 920: {PUBLISHED_LATENCY_US:.0f} us")
    return CurvePanel(
        title=f"{kind.capitalize()} latency, mean",
        x_label="cycles in a shot",
        y_label="latency (us)",
        series=series,
        log_x=True,
        log_y=True,
        level=level if kind == "decision" else None,
        level_side="left",
    )


def _backlog(results: Sequence[LoopResult]) -> CurvePanel:
    return CurvePanel(
        title="Backlog during a shot",
        x_label="time (ms)",
        y_label="most cycles due but not final",
        series=[
            CurveSeries(
                label=f"d = {name_of(result, stream)}",
                x=[1e3 * seconds for seconds, _ in points],
                y=[cycles for _, cycles in points],
            )
            for result in results
            for stream, points in zip(result.streams, result.backlog, strict=False)
            if points
        ],
        whole_x=False,
    )
