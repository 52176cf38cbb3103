"""Screen of the live view, for a terminal."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from experiments.common.fits import Count
from experiments.monitor.chip import chip_map
from experiments.monitor.error_rates import error_rows, error_table
from experiments.monitor.watch import Sample, StreamSample
from realtime.latency import Histogram, upper_edges

_BARS = " ▁▂▃▄▅▆▇█"
# Latencies that the histogram on the screen reaches from and to, in us.
_FROM_US, _TO_US = 1.0, 1e6
_PER_DECADE = 4
# Columns from which on all of a stream's state is shown.
_WIDE = 76
#: Words on a stream without latencies.
WAITS = "waits for its decoder (policy block): not paced by the clock, no latencies"


class _Part(NamedTuple):
    """Part of the screen: what to draw, its lines, and its rank; high ranks are left out first."""

    content: RenderableType
    lines: int
    rank: int


def draw_screen(
    history: Sequence[Sample],
    *,
    address: str,
    width: int = 80,
    height: int | None = None,
    counts: Sequence[Count] = (),
    note: str = "",
) -> RenderableType:
    """Draw the last sample and what came before it.

    Args:
        history: samples of one run of the daemon, the oldest first; at least one.
        address: of the daemon.
        width: of the terminal, in columns.
        height: of the terminal, in lines; what does not fit is left out, the maps first. None: no limit.
        counts: logical errors, where the true flips are known.
        note: line below the address.
    """
    last = history[-1]
    used = sum(stream.load for stream in last.streams)
    head = f"{address}  load {used:.2f} of {last.max_load * len(last.streams):.2f} cores"
    parts = [_text(head, rank=0)]
    if note:
        parts.append(_text(note, rank=0))
    if last.refused:
        parts.append(_text(f"refused messages and connections: {last.refused:,}", rank=0))
    parts.append(_Part(_streams(last, width), len(last.streams) + 1, 0))
    for at, stream in enumerate(last.streams):
        if not stream.is_paced:
            parts.append(_text(f"stream {stream.number} {WAITS}", rank=10 + at))
        elif any(stream.total[name].num for name in stream.total):
            parts.append(_Part(Text(), 1, 90))
            parts.append(_Part(_latencies(stream), len(stream.total) + 1, 10 + at))
            parts.append(_Part(Group(*_pictures(history, stream, width)), 2, 40 + at))
        lines = [*_troubles(stream)]
        if lines:
            text = "; ".join(lines)
            parts.append(_Part(Text(text), -(-len(text) // max(1, width)), 1))
    if counts:
        rates = error_rows(counts)
        parts.append(_Part(error_table(rates), len(rates) + 1, 2))
    for at, stream in enumerate(last.streams):
        parts += _detections(history, stream, width, rank=50 + at)
    return Group(*(part.content for part in _fitting(parts, height)))


def _text(text: str, *, rank: int) -> _Part:
    return _Part(Text(text, no_wrap=True, overflow="ellipsis"), 1, rank)


def _fitting(parts: Sequence[_Part], height: int | None) -> list[_Part]:
    """Leave out the parts of the highest rank until the others fit."""
    kept = list(parts)
    while height is not None and len(kept) > 1 and sum(part.lines for part in kept) > height:
        kept.remove(max(reversed(kept), key=lambda part: part.rank))
    return kept


def _streams(sample: Sample, width: int) -> Table:
    """State of each stream; load: admitted at its cadence, busy: measured. Some are left out if narrow."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    limit = f"load/{sample.max_load:g}" if sample.max_load else "load"
    titles = ["stream", "state", "cycles/s", "shots", "OK", limit, "busy", "us/cycle", "backlog"]
    kept = [title for title in titles if width >= _WIDE or title not in ("busy", "us/cycle")]
    for title in kept:
        table.add_column(title, justify="left" if title == "state" else "right", no_wrap=True)
    for stream in sample.streams:
        cells = {
            "stream": str(stream.number),
            "state": stream.state,
            "cycles/s": _rate(stream.cycles_per_s),
            "shots": f"{stream.counters['shots']:,}",
            "OK": _percent(stream.counters["shots_ok"], stream.counters["shots"]),
            limit: f"{stream.load:.2f}",
            "busy": "-" if math.isnan(stream.busy) else f"{stream.busy:.2f}",
            "us/cycle": f"{stream.service_us:.2f}",
            "backlog": f"{stream.counters['max_backlog']:,}" if stream.is_paced else "-",
        }
        table.add_row(*(cells[title] for title in kept))
    return table


def _detections(history: Sequence[Sample], stream: StreamSample, width: int, *, rank: int) -> list[_Part]:
    """Detection fraction over time, and on the chip."""
    found = stream.detections
    if found is None or not found.cycles:
        return []
    fraction = 100 * found.events.sum() / (found.cycles * max(1, len(found.events)))
    before = [_recent_fraction(sample, stream.number) for sample in list(history)[-max(10, width - 56) :]]
    bars = _bars(np.nan_to_num(np.array(before)))
    title = f"stream {stream.number}: detection fraction {fraction:.2f} % ({found.cycles:,} cycles)  {bars}"
    lines = chip_map(found)
    return [
        _text(title, rank=rank - 20),
        _Part(Group(*lines), len(lines), rank),
    ]


def _recent_fraction(sample: Sample, number: int) -> float:
    found = sample.streams[number].detections
    return found.recent if found else math.nan


def _latencies(stream: StreamSample) -> Table:
    """Percentiles of the last interval, with those since the start in brackets."""
    table = Table(box=None, padding=(0, 1, 0, 0))
    for title in (
        f"stream {stream.number} (us)",
        "now: p50",
        "p99",
        "p99.9",
        "since start: p50",
        "p99",
        "max",
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for name in stream.total:
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
    room = max(10, width - 46)
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
    if math.isinf(value_ns):
        return "none"
    return f"{value_ns / 1000:,.1f}" if value_ns < 1e6 else f"{value_ns / 1000:,.0f}"


def _percent(part: int, whole: int) -> str:
    if not whole:
        return "-"
    return f"{100 * part / whole:.3f} %" if part < whole else "all"
