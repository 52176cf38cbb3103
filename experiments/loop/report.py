"""The real-time loop's results as tables and as JSON."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from experiments.common import fits
from experiments.common.numbers import estimate, number
from experiments.common.settings import PUBLISHED_LATENCY_US, PUBLISHED_LATENCY_WORDS, PUBLISHED_REALTIME
from experiments.common.terminal import table
from experiments.loop.results import PERCENTILES, LoopResult, Run, Spread
from experiments.loop.statistics import mean, ratio, reference

_KINDS = ("decision", "loop")


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
    """Format latencies in microseconds, one row for each kind, with the jitter monitors.

    Args:
        results: what was measured.
        hiccups: controls that ran before or after, by name.
    """
    rows = []
    for result in results:
        for stream in result.streams:
            longest = result.timed_on(stream)[-1]
            where = [name_of(result, stream), f"{longest.cycles:,}"]
            rows.append([*where, "decision", *_times(longest.decision)])
            rows.append([*where, "loop", *_times(longest.loop)])
            windows = result.windows[stream] if stream < len(result.windows) else None
            if windows is not None:
                rows.append([where[0], "all", "window", *_times(windows.spread)])
            rows.append([*where, "source late", *_times(longest.lateness)])
        if result.control is not None:
            name = [str(result.distance), "all", "machine, during"]
            rows.append([*name, *_times(result.control.spread)])
    rows += [["", "", words, *_times(spread)] for words, spread in hiccups]
    names = [f"p{q:g}" for q in PERCENTILES]
    return table(["d", "cycles", "latency (us)", "n", "missing", "mean", *names, "max"], rows, keys=3)


def name_of(result: LoopResult, stream: int) -> str:
    """Name the distance, and the stream if there are several."""
    return str(result.distance) if len(result.streams) < 2 else f"{result.distance}, stream {stream}"


def _times(spread: Spread) -> list[str]:
    values = [spread.mean, *spread.percentiles, spread.maximum]
    return [f"{spread.count:,}", f"{spread.missing:,}", *(_microseconds(value) for value in values)]


def _microseconds(value: float) -> str:
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "never"
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def shots_table(results: Sequence[LoopResult]) -> str:
    """Format the shots of each length: outcomes and mean latencies, or durations where the source waited."""
    rows = []
    for result in results:
        for run in [*result.timed, *result.counted]:
            compared = [shot.same for shot in run.shots if shot.same is not None]
            known = [shot.wrong for shot in run.shots if shot.wrong is not None]
            broken = len(run.shots) - run.count("OK")
            rows.append(
                [
                    name_of(result, run.stream),
                    f"{run.cycles:,}",
                    run.basis.upper(),
                    f"{len(run.shots):,}",
                    f"{broken:,}{_reasons(run)}",
                    f"{sum(compared):,} of {len(compared):,}",
                    f"{sum(known):,}" if known else "-",
                    *(
                        [f"{run.max_backlog:,}", *(_mean(run, kind) for kind in _KINDS)]
                        if run.is_paced
                        else [_microseconds(run.us_per_cycle)]
                    ),
                ]
            )
    titles = ["d", "cycles", "basis", "shots", "broken", "as offline", "logical errors"]
    if all(result.is_paced for result in results):
        titles += ["most backlog", "decision, mean (us)", "loop, mean (us)"]
    else:
        titles.append("time of a cycle (us)")
    return table(titles, rows, keys=3)


def _mean(run: Run, kind: str) -> str:
    found = mean([getattr(shot, f"{kind}_ns") for shot in run.shots])
    if not math.isfinite(found.high):
        return _microseconds(found.value)
    return f"{_microseconds(found.value)} [{_microseconds(found.low)}, {_microseconds(found.high)}]"


def _reasons(run: Run) -> str:
    statuses = sorted({shot.status for shot in run.shots} - {"OK"})
    return (
        f" ({', '.join(f'{run.count(status)} {status.lower()}' for status in statuses)})" if statuses else ""
    )


def comparisons(results: Sequence[LoopResult]) -> Iterator[tuple[LoopResult, Run, Run]]:
    """For each distance and stream the longest shots and those that they are compared with."""
    for result in results:
        for stream in result.streams:
            runs = result.timed_on(stream) if result.is_paced else []
            short = reference(runs)
            if short is not None:
                yield result, runs[-1], short


def _threads(result: LoopResult) -> str:
    return f" with {result.decoder_threads} threads" if result.decoder_threads > 1 else ""


def explanation(results: Sequence[LoopResult], *, cycle_ns: float) -> str:
    """Explain the tables; with epsilon_d, Lambda, throughput and the published values."""
    lines = []
    for result, long, short in comparisons(results):
        words = []
        for kind in _KINDS:
            value, middle = ratio(long, short, kind)
            words.append(f"{kind} {_ratio(value)} (medians {number(middle)})")
        lines.append(
            f"d = {name_of(result, long.stream)}: mean latency after {long.cycles:,} cycles / after "
            f"{short.cycles:,}: {', '.join(words)}"
        )
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
    if not all(result.is_paced for result in results):
        lines += [
            f"d = {result.distance}: {100 * result.detection_fraction:.1f} % of detectors fire; the decoder "
            f"alone{_threads(result)} takes {result.decoder_us:.2f} us a cycle."
            for result in results
        ]
        lines.append(
            "The source waited for the decoder (policy block): cycles were not paced by the clock, so there "
            "are no latencies and no backlog. time of a cycle: duration of a shot, divided by its cycles."
        )
        return "\n".join(lines)
    lines.append(f"Published, in real time: {PUBLISHED_REALTIME}; {PUBLISHED_LATENCY_WORDS}.")
    for result in results:
        lines.append(
            f"d = {result.distance}: {100 * result.detection_fraction:.1f} % of detectors fire; the decoder "
            f"alone{_threads(result)} takes {result.decoder_us:.2f} us a cycle, "
            f"{cycle_ns / 1e3 / result.decoder_us:.1f} times as fast as the data come."
        )
    lines += [
        "decision: last data received -> correction ready. loop: last cycle due -> correction back at the "
        "source. window: due -> decoded in the middle of a shot. All from due times: a late source counts.",
        "[..]: 95 % intervals. Shots of all lengths end with the same data, and are played alternately.",
    ]
    if any(result.control is not None for result in results):
        lines.append("machine: lateness of a thread that only waits; during: while the timed shots ran.")
    else:
        lines.append(
            "machine: lateness of a thread that only waits; no core was free for it during the loop."
        )
    return "\n".join(lines)


def _ratio(value: Any) -> str:
    if math.isnan(value.value):
        return "-"
    if not math.isfinite(value.high):
        return f"{value.value:.2f}"
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


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
                "windows": [None if tail is None else tail.spread.to_json() for tail in result.windows],
                "machine_beside": None if result.control is None else result.control.spread.to_json(),
                "is_paced": result.is_paced,
                "backlog": [[list(point) for point in points] for points in result.backlog],
                "ratios": [_comparison(long, short) for _, long, short in comparisons([result])],
                "runs": [_run(run) for run in [*result.timed, *result.counted]],
            }
            for result in results
        ],
    }


def _comparison(long: Run, short: Run) -> dict[str, Any]:
    values: dict[str, Any] = {"stream": long.stream, "cycles": long.cycles, "than_cycles": short.cycles}
    for kind in _KINDS:
        value, middle = ratio(long, short, kind)
        values[kind] = {"of_means": _interval(value), "of_medians": middle if math.isfinite(middle) else None}
    return values


def _interval(value: Any) -> list[float | None]:
    return [number if math.isfinite(number) else None for number in (value.value, value.low, value.high)]


def _run(run: Run) -> dict[str, Any]:
    times: dict[str, Any] = dict.fromkeys([*_KINDS, "source_lateness", "max_backlog"])
    if run.is_paced:
        means = {kind: mean([getattr(shot, f"{kind}_ns") for shot in run.shots]) for kind in _KINDS}
        times = {
            "decision": {**run.decision.to_json(), "mean_interval": _interval(means["decision"])},
            "loop": {**run.loop.to_json(), "mean_interval": _interval(means["loop"])},
            "source_lateness": run.lateness.to_json(),
            "max_backlog": run.max_backlog,
        }
    return {
        "cycles": run.cycles,
        "basis": run.basis,
        "stream": run.stream,
        "seconds": run.seconds,
        "overruns": run.overruns,
        **times,
        "logical_errors": sum(shot.wrong is True for shot in run.shots),
        "shots": [asdict(shot) for shot in run.shots] if len(run.shots) <= 1000 else len(run.shots),
    }
