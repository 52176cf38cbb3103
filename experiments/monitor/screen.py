"""Screen of the live view, for a terminal."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.monitor.watch import NAMES, Sample, StreamSample
from realtime.latency import Histogram, upper_edges

_BARS = " ▁▂▃▄▅▆▇█"
# Latencies that the histogram on the screen reaches from and to, in us.
_FROM_US, _TO_US = 1.0, 1e6
_PER_DECADE = 4


def draw_screen(history: Sequence[Sample], *, address: str, width: int = 80) -> RenderableType:
    """Draw the last sample and what came before it.

    Args:
        history: samples of one run of the daemon, the oldest first; at least one.
        address: of the daemon.
        width: of the terminal, in columns.
    """
    last = history[-1]
    used = sum(stream.load for stream in last.streams)
    head = f"{address}  load {used:.2f} of {last.max_load * len(last.streams):.2f} cores"
    parts: list[RenderableType] = [Text(head, no_wrap=True, overflow="ellipsis")]
    if last.refused:
        parts.append(Text(f"refused messages and connections: {last.refused:,}"))
    parts.append(_streams(last.streams))
    for stream in last.streams:
        if any(stream.total[name].num for name in NAMES):
            parts += [Text(), _latencies(stream), *_pictures(history, stream, width)]
        lines = [*_troubles(stream)]
        if lines:
            parts.append(Text("; ".join(lines)))
    return Group(*parts)


def _streams(streams: Sequence[StreamSample]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("stream", "state", "cycles/s", "shots", "OK", "load", "us/cycle", "backlog"):
        table.add_column(title, justify="left" if title == "state" else "right", no_wrap=True)
    for stream in streams:
        table.add_row(
            str(stream.number),
            stream.state,
            _rate(stream.cycles_per_s),
            f"{stream.counters['shots']:,}",
            _percent(stream.counters["shots_ok"], stream.counters["shots"]),
            f"{stream.load:.2f}",
            f"{stream.service_us:.2f}",
            f"{stream.counters['max_backlog']:,}",
        )
    return table


def _latencies(stream: StreamSample) -> Table:
    """Percentiles of the last interval, with those since the start in brackets."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in (
        f"stream {stream.number} (us)",
        "now: p50",
        "p99",
        "p99.9",
        "since start: p50",
        "p99",
        "max",
    ):
        table.add_column(title, justify="right")
    for name in NAMES:
        now, total = stream.recent[name], stream.total[name]
        table.add_row(
            name,
            *(_us(now.percentile(percent)) for percent in (50, 99, 99.9)),
            *(_us(total.percentile(percent)) for percent in (50, 99)),
            _us(total.max),
        )
    return table


def _pictures(history: Sequence[Sample], stream: StreamSample, width: int) -> list[RenderableType]:
    """Histogram of the decision latencies now, and their 99th percentile over time."""
    counts = decades(stream.recent["decision"])
    before = [sample.streams[stream.number].recent["decision"].percentile(99) for sample in history]
    room = max(10, width - 32)
    recent = np.array(before[-room:])
    finite = np.isfinite(recent)
    limits = (
        f"{_us(recent[finite].min())} to {_us(recent[finite].max())} us" if finite.any() else "no decisions"
    )
    return [
        Text(f"decision latency now  1 us {_bars(counts)} 1 s", no_wrap=True),
        Text(
            f"its p99 over time     {_bars(np.where(finite, recent, 0.0))} {limits}",
            no_wrap=True,
            overflow="crop",
        ),
    ]


def _troubles(stream: StreamSample) -> list[str]:
    lost = {name: count for name, count in stream.statuses.items() if count and name != "OK"}
    found = [f"{count:,} shots {name}" for name, count in lost.items()]
    found += [f"{count:,} frames damaged ({name})" for name, count in stream.faults.items() if count]
    for name in ("lost_frames", "late_frames", "future_frames", "foreign", "duplicates", "results_dropped"):
        if stream.counters[name]:
            found.append(f"{stream.counters[name]:,} {name.replace('_', ' ')}")
    return [f"stream {stream.number}: " + ", ".join(found)] if found else []


def decades(histogram: Histogram) -> NDArray[np.int64]:
    """Count latencies in equal steps of their logarithm from 1 us to 1 s: int64 (24,), ends included."""
    used = np.flatnonzero(histogram.counts)
    decade = np.log10(np.maximum(upper_edges()[used], 1.0) / 1000 / _FROM_US)
    places = np.floor(decade * _PER_DECADE).astype(np.int64)
    size = round(math.log10(_TO_US / _FROM_US) * _PER_DECADE)
    counts = np.zeros(size, dtype=np.int64)
    np.add.at(counts, np.clip(places, 0, size - 1), histogram.counts[used])
    return counts


def _bars(values: NDArray[np.int64] | NDArray[np.float64]) -> str:
    """Draw values from 0 to the largest as characters; what is not zero shows."""
    largest = values.max(initial=0)
    if largest <= 0:
        return " " * values.size
    return "".join(_BARS[math.ceil(value / largest * (len(_BARS) - 1))] for value in values)


def _rate(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.0f}"


def _us(value_ns: float) -> str:
    if math.isnan(value_ns):
        return "-"
    return f"{value_ns / 1000:,.1f}" if math.isfinite(value_ns) else "none"


def _percent(part: int, whole: int) -> str:
    if not whole:
        return "-"
    return f"{100 * part / whole:.3f} %" if part < whole else "all"
