"""The real-time loop's results as tables, as JSON, and as panels of a figure."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments import fits
from experiments.loop_results import PERCENTILES, LoopResult, Run, Spread, Tail
from experiments.settings import PUBLISHED_LATENCY_US, PUBLISHED_LATENCY_WORDS, PUBLISHED_REALTIME
from experiments.tables import estimate, number, table

_PICKS: tuple[tuple[str, Callable[[Run], float]], ...] = (
    ("decision, mean", lambda run: run.decision.mean),
    ("loop, mean", lambda run: run.loop.mean),
)


def fitted(results: Sequence[LoopResult]) -> fits.Fits | None:
    """epsilon_d and Lambda from the short shots that were answered; None without any."""
    counts = [
        fits.Count(
            distance=result.distance,
            basis=run.basis,
            cycles=run.cycles,
            shots=run.count("OK"),
            errors=sum(shot.wrong is True for shot in run.shots),
        )
        for result in results
        for run in result.counted
        if run.count("OK")
    ]
    return fits.fit(counts) if counts else None


def latency_table(results: Sequence[LoopResult], hiccups: Sequence[tuple[str, Spread]]) -> str:
    """Times in microseconds: a line for each kind of latency, the control below."""
    rows = []
    for result in results:
        longest = result.longest
        where = [str(result.distance), f"{longest.cycles:,}"]
        rows.append([*where, "decision", *_times(longest.decision)])
        rows.append([*where, "loop", *_times(longest.loop)])
        if result.windows is not None:
            rows.append([*where, "window", *_times(result.windows.spread)])
        rows.append([*where, "source late", *_times(longest.lateness)])
    rows += [["", "", words, *_times(spread)] for words, spread in hiccups]
    names = [f"p{q:g}" for q in PERCENTILES]
    return table(["d", "cycles", "latency (us)", "n", "missing", "mean", *names, "max"], rows)


def _times(spread: Spread) -> list[str]:
    values = [spread.mean, *spread.percentiles, spread.maximum]
    return [f"{spread.count:,}", str(spread.missing), *(_microseconds(value) for value in values)]


def _microseconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def shots_table(results: Sequence[LoopResult]) -> str:
    """A line for each length: what became of the shots."""
    rows = []
    for result in results:
        for run in [*result.timed, *result.counted]:
            compared = [shot.same for shot in run.shots if shot.same is not None]
            broken = len(run.shots) - run.count("OK")
            rows.append(
                [
                    str(result.distance),
                    f"{run.cycles:,}",
                    run.basis.upper(),
                    f"{len(run.shots):,}",
                    f"{broken:,}{_reasons(run)}",
                    f"{sum(compared):,} of {len(compared):,}",
                    f"{sum(shot.wrong is True for shot in run.shots):,}",
                    f"{run.max_backlog:,}",
                    number(run.decision.mean),
                ]
            )
    titles = ["d", "cycles", "basis", "shots", "broken", "as offline", "logical errors", "most backlog"]
    return table([*titles, "decision (us)"], rows)


def _reasons(run: Run) -> str:
    statuses = sorted({shot.status for shot in run.shots} - {"OK"})
    return (
        f" ({', '.join(f'{run.count(status)} {status.lower()}' for status in statuses)})" if statuses else ""
    )


def explanation(results: Sequence[LoopResult], *, cycle_ns: float) -> str:
    """What the tables mean, with epsilon_d, Lambda, throughput, and the published numbers."""
    lines = []
    found = fitted(results)
    for entry in found.distances if found else ():
        lines.append(f"epsilon_{entry.distance} = {estimate(entry.epsilon)} logical errors per cycle")
    if found is not None and found.suppression is not None:
        value = found.suppression.value
        lines.append(
            "Lambda: too few errors to tell; more --error_shots would."
            if math.isnan(value.value)
            else f"Lambda = {estimate(value)}"
        )
    lines.append(f"Published, in real time: {PUBLISHED_REALTIME}; {PUBLISHED_LATENCY_WORDS}.")
    for result in results:
        lines.append(
            f"d = {result.distance}: {100 * result.detection_fraction:.1f} % of detectors fire; the decoder "
            f"alone takes {result.decoder_us:.2f} us a cycle, {cycle_ns / 1e3 / result.decoder_us:.1f} times "
            "as fast as the data come."
        )
    lines += [
        "decision: last data received -> correction ready. loop: last cycle due -> correction back at the",
        "source. window: due -> decoded in the middle of a shot. All from due times: a late source counts.",
    ]
    return "\n".join(lines)


def to_json(
    results: Sequence[LoopResult], *, setting: dict[str, Any], hiccups: Sequence[tuple[str, Spread]]
) -> dict[str, Any]:
    """Everything that was measured, as plain data."""
    found = fitted(results)
    suppression = None if found is None or found.suppression is None else found.suppression.value
    return {
        "setting": setting,
        "hiccups": {words: spread.to_json() for words, spread in hiccups},
        "published": {"decision_latency_us": PUBLISHED_LATENCY_US, "source": PUBLISHED_LATENCY_WORDS},
        "epsilon": {
            str(entry.distance): _interval(entry.epsilon) for entry in (found.distances if found else ())
        },
        "lambda": None if suppression is None else _interval(suppression),
        "distances": [
            {
                "distance": result.distance,
                "detection_fraction": result.detection_fraction,
                "decoder_us_per_cycle": result.decoder_us,
                "windows": None if result.windows is None else result.windows.spread.to_json(),
                "backlog": [list(point) for point in result.backlog],
                "runs": [_run(run) for run in [*result.timed, *result.counted]],
            }
            for result in results
        ],
    }


def _interval(value: Any) -> list[float | None]:
    return [number if math.isfinite(number) else None for number in (value.value, value.low, value.high)]


def _run(run: Run) -> dict[str, Any]:
    return {
        "cycles": run.cycles,
        "basis": run.basis,
        "seconds": run.seconds,
        "overruns": run.overruns,
        "decision": run.decision.to_json(),
        "loop": run.loop.to_json(),
        "source_lateness": run.lateness.to_json(),
        "max_backlog": run.max_backlog,
        "logical_errors": sum(shot.wrong is True for shot in run.shots),
        "shots": [asdict(shot) for shot in run.shots] if len(run.shots) <= 1000 else len(run.shots),
    }


def draw(path: Path, results: Sequence[LoopResult], *, title: str, control: Tail | None) -> Path:
    """The figure: latency distribution, latency against cycles, backlog over time."""
    # Matplotlib takes a while to import, and `--help` does not need it.
    from experiments import figures
    from experiments.figures import CurvePanel, CurveSeries

    paper = (PUBLISHED_LATENCY_US, f"{PUBLISHED_LATENCY_US:.0f} us: Nature 638, 920")
    tails = [(f"d = {result.distance}, windows", result.windows) for result in results]
    tails.append(("machine alone", control))
    distribution = [
        CurveSeries(label=words, x=[us for us, _ in tail.points], y=[part for _, part in tail.points])
        for words, tail in tails
        if tail is not None and tail.points
    ]
    against = [
        CurveSeries(
            label=f"d = {result.distance}, {words}",
            x=[run.cycles for run in result.timed if run.count("OK")],
            y=[pick(run) for run in result.timed if run.count("OK")],
        )
        for result in results
        if any(run.count("OK") for run in result.timed)
        for words, pick in _PICKS
    ]
    backlog = [
        CurveSeries(
            label=f"d = {result.distance}",
            x=[1e3 * seconds for seconds, _ in result.backlog],
            y=[cycles for _, cycles in result.backlog],
        )
        for result in results
        if result.backlog
    ]
    panels = []
    if distribution:
        panels.append(
            CurvePanel(
                title="How often it takes longer",
                x_label="latency (us)",
                y_label="part of all windows that take longer",
                series=distribution,
                log_x=True,
                log_y=True,
            )
        )
    if against:
        panels.append(
            CurvePanel(
                title="Latency after a shot",
                x_label="cycles in a shot",
                y_label="latency (us)",
                series=against,
                log_x=True,
                log_y=True,
                level=paper,
            )
        )
    if backlog:
        panels.append(
            CurvePanel(
                title="Backlog during a shot",
                x_label="time (ms)",
                y_label="most cycles due but not final",
                series=backlog,
                whole_x=False,
            )
        )
    return figures.draw_curves(path=path, panels=panels, title=title)
