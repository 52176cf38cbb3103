"""Page of the live view, served on loopback."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from bokeh.application import Application
from bokeh.application.handlers.function import FunctionHandler
from bokeh.document import Document
from bokeh.layouts import column, row
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    Div,
    FactorRange,
    HoverTool,
    LinearColorMapper,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from bokeh.server.server import Server
from tornado.ioloop import PeriodicCallback

from experiments.monitor.screen import WAITS, decades
from experiments.monitor.watch import Sample, StreamSample
from realtime.latency import Histogram

# Told apart in grey by their brightness, and by their dashes.
_STYLES = (("#08306b", "solid"), ("#e6842a", "dashed"), ("#2a9d8f", "dotted"), ("#8d99ae", "dotdash"))
_SIZE = {
    "height": 260,
    "min_width": 320,
    "max_width": 620,
    "sizing_mode": "stretch_width",
    "toolbar_location": None,
}
_STEPS_PER_DECADE = 4
# Shortest span of the figures over time.
_LEAST_SECONDS = 30.0
# Streams with a map of the chip.
_MAX_MAPS = 4


class Page:
    """Document of one reader: figures that follow the history of a daemon.

    Args:
        document: to fill.
        history: samples so far, the oldest first; grows.
        address: of the daemon.
        is_lost: whether the daemon does not answer.
    """

    def __init__(
        self, document: Document, history: Sequence[Sample], *, address: str, is_lost: Callable[[], bool]
    ) -> None:
        self._history, self._address, self._is_lost = history, address, is_lost
        self._num_streams = len(history[-1].streams) if history else 0
        self._head = Div(text="", sizing_mode="stretch_width")
        self._lines: dict[tuple[str, int], ColumnDataSource] = {}
        self._histograms = [self._source(x=[], now=[]) for _ in range(self._num_streams)]
        self._shots, self._load = (self._source(name=[], value=[]) for _ in range(2))
        self._maps = [
            self._source(x=[], y=[], fraction=[], cycles=[]) for _ in range(min(self._num_streams, _MAX_MAPS))
        ]
        self._colours = LinearColorMapper(palette=Viridis256, low=0.0, high=1.0)
        self._seconds = Range1d(-_LEAST_SECONDS, 0)  # the same in all figures over time
        self._names = {id(self._shots): FactorRange(), id(self._load): FactorRange()}
        wide = {"sizing_mode": "stretch_width", "styles": {"flex-wrap": "wrap", "gap": "12px"}}
        document.title = "Decoder daemon"
        document.add_root(
            column(
                self._head,
                row(
                    self._histogram(),
                    self._over_time("p99", "decision latency, p99 (us)", log=True),
                    self._over_time("cycles", "decoded cycles per second"),
                    self._over_time("backlog", "backlog, largest so far (cycles)"),
                    self._over_time("detections", "detection fraction (%)"),
                    self._bars("shots by status", self._shots),
                    self._bars("load of each stream's thread (cores)", self._load),
                    *map(self._chip, range(len(self._maps))),
                    **wide,
                ),
                sizing_mode="stretch_width",
            )
        )
        self.update()

    @staticmethod
    def _source(**columns: list[Any]) -> ColumnDataSource:
        return ColumnDataSource(data=columns)

    def _histogram(self) -> Any:
        plot = figure(
            title="decision latency since the last sample", x_axis_label="us", x_axis_type="log", **_SIZE
        )
        for number, source in enumerate(self._histograms):
            colour, dash = _STYLES[number % len(_STYLES)]
            plot.step(
                "x",
                "now",
                source=source,
                color=colour,
                line_dash=dash,
                line_width=2,
                mode="after",
                legend_label=f"stream {number}",
            )
        return _plain(plot)

    def _over_time(self, name: str, title: str, *, log: bool = False) -> Any:
        kind = "log" if log else "linear"
        plot = figure(
            title=title, x_axis_label="seconds ago", x_range=self._seconds, y_axis_type=kind, **_SIZE
        )
        for number in range(self._num_streams):
            colour, dash = _STYLES[number % len(_STYLES)]
            source = self._lines[name, number] = self._source(x=[], y=[])
            plot.line(
                "x",
                "y",
                source=source,
                color=colour,
                line_dash=dash,
                line_width=2,
                legend_label=f"stream {number}",
            )
        return _plain(plot)

    def _bars(self, title: str, source: ColumnDataSource) -> Any:
        plot = figure(title=title, x_range=self._names[id(source)], **_SIZE)
        plot.xaxis.major_label_orientation = 0.5
        plot.vbar(x="name", top="value", width=0.7, source=source, color=_STYLES[0][0])
        return _plain(plot)

    def _chip(self, number: int) -> Any:
        """Detection fraction of each stabilizer of a stream, where it is on the chip."""
        plot = figure(title=f"stream {number}: detection fraction (%)", match_aspect=True, **_SIZE)
        places = plot.scatter(
            "x",
            "y",
            source=self._maps[number],
            marker="square",
            size=20,
            fill_color={"field": "fraction", "transform": self._colours},
            line_color=None,
        )
        for reach in (plot.x_range, plot.y_range):
            reach.range_padding = 0.2
        plot.y_range.flipped = True  # rows downwards, as on the terminal
        plot.axis.visible = plot.grid.visible = False
        plot.add_layout(ColorBar(color_mapper=self._colours, width=8, background_fill_alpha=0.0), "right")
        plot.add_tools(
            HoverTool(
                renderers=[places],
                tooltips="(@x, @y): @fraction{0.00} % of @cycles{0,0} cycles",
            )
        )
        return plot

    def _update_maps(self, streams: Sequence[StreamSample]) -> None:
        highest = 0.0
        for stream, source in zip(streams, self._maps, strict=False):
            found = stream.detections
            if found is None or not found.cycles:
                continue
            places = np.pad(found.places, ((0, 0), (0, max(0, 2 - found.places.shape[1]))))
            fractions = 100 * found.fractions
            highest = max(highest, float(fractions.max(initial=0.0)))
            source.data = {
                "x": places[:, 0],
                "y": places[:, 1],
                "fraction": fractions,
                "cycles": np.full(len(fractions), found.cycles),
            }
        if highest:
            self._colours.high = highest

    def update(self) -> None:
        """Show the last sample."""
        lost = "<b>The daemon does not answer.</b> " if self._is_lost() else ""
        if not self._history:
            self._head.text = f"<h2>{self._address}</h2>{lost}"
            return
        last = self._history[-1]
        states = ", ".join(f"stream {stream.number} {stream.state}" for stream in last.streams)
        self._head.text = (
            f"<h2 style='margin:0'>{self._address}</h2>{lost}{states}; refused messages and connections: "
            f"{last.refused:,}<br>{_sentence(last.streams)}"
        )
        for stream, source in zip(last.streams, self._histograms, strict=False):
            counts = decades(stream.recent["decision"] if stream.is_paced else Histogram())
            edges = 10.0 ** (np.arange(counts.size) / _STEPS_PER_DECADE)
            source.data = {"x": edges, "now": counts}
        seconds = np.array([(sample.time_ns - last.time_ns) / 1e9 for sample in self._history])
        self._seconds.start = min(float(seconds[0]), -_LEAST_SECONDS)
        for (name, number), source in self._lines.items():
            values = [_value(name, sample.streams[number]) for sample in self._history]
            source.data = {"x": seconds, "y": np.array(values)}
        totals: dict[str, int] = {}
        for stream in last.streams:
            for status, count in stream.statuses.items():
                totals[status] = totals.get(status, 0) + count
        shown = {name: count for name, count in totals.items() if count or name == "OK"}
        self._set_bars(self._shots, shown)
        loads = {}
        for stream in last.streams:
            loads[f"{stream.number} admitted"] = stream.load
            loads[f"{stream.number} busy"] = np.nan_to_num(stream.busy)
        self._set_bars(self._load, {**loads, "limit": last.max_load})
        self._update_maps(last.streams)

    def _set_bars(self, source: ColumnDataSource, shown: dict[str, Any]) -> None:
        self._names[id(source)].factors = list(shown)
        source.data = {"name": list(shown), "value": list(shown.values())}


def _value(name: str, stream: StreamSample) -> float:
    if name == "p99":
        if not stream.is_paced:
            return np.nan
        value = stream.recent["decision"].percentile(99) / 1000
        return value if np.isfinite(value) else np.nan
    if name == "detections":
        return 100 * stream.detections.recent if stream.detections else np.nan
    return stream.cycles_per_s if name == "cycles" else float(stream.counters["max_backlog"])


def _sentence(streams: Sequence[StreamSample]) -> str:
    parts = []
    for stream in streams:
        total = stream.total["decision"]
        if not stream.is_paced:
            parts.append(f"stream {stream.number} {WAITS}")
        elif total.num:
            parts.append(
                f"stream {stream.number} since the start: {stream.counters['shots']:,} shots, decision p50 "
                f"{total.percentile(50) / 1000:,.1f} us, p99 {total.percentile(99) / 1000:,.1f} us"
            )
    return "; ".join(parts) or "no decisions so far"


def _plain(plot: Any) -> Any:
    plot.yaxis.formatter = NumeralTickFormatter(format="0[.]0a")
    if plot.legend:  # above the data, never on them
        legend = plot.legend[0]
        plot.add_layout(legend, "above")
        legend.orientation, legend.label_text_font_size, legend.border_line_color = "horizontal", "9pt", None
    if plot.y_scale.__class__.__name__ != "LogScale":
        plot.y_range.start = 0
    return plot


def serve_page(
    history: Sequence[Sample],
    *,
    address: str,
    port: int,
    poll: Callable[[], None],
    is_lost: Callable[[], bool],
    interval_s: float,
) -> Server:
    """Make a server of the page on loopback; `start` it, then run its `io_loop`.

    Args:
        history: see `Page`.
        address: of the daemon.
        port: of the page; 0: a free one.
        poll: takes a sample; called once in each interval, for all readers together.
        is_lost: see `Page`.
        interval_s: seconds between samples.

    Raises:
        OSError: the port cannot be used.
    """

    def fill(document: Document) -> None:
        page = Page(document, history, address=address, is_lost=is_lost)
        document.add_periodic_callback(page.update, round(1000 * interval_s))

    logging.getLogger("bokeh").setLevel(logging.ERROR)  # readers come and go
    server = Server({"/": Application(FunctionHandler(fill))}, port=port, address="127.0.0.1")
    PeriodicCallback(poll, 1000 * interval_s).start()
    return server
