"""The figure of `qec bench accuracy`: relative logical errors against decoding time, one panel a cell."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.plotting import frame
from experiments.plotting.series import DecoderPanel, DecoderPoint
from experiments.plotting.style import color, marker
from qec.statistics import Estimate


def draw(*, path: Path | str, panels: Sequence[DecoderPanel], title: str = "") -> Path:
    """Draw all panels side by side.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        panels: at least one.
        title: a short one, or none.

    Returns:
        The path.

    Raises:
        ValueError: nothing to draw, or a name with another ending.
        FileNotFoundError: the folder is missing.
    """
    if not any(panel.points for panel in panels):
        raise ValueError("nothing to draw: panels is empty")
    names = list(dict.fromkeys(point.decoder for panel in panels for point in panel.points))
    peers = {point.decoder for panel in panels for point in panel.points if point.peer}
    with frame.picture(path, panels=len(panels)) as (found, all_axes):
        for index, (axes, panel) in enumerate(zip(all_axes, panels, strict=True)):
            _panel(axes, panel, names)
            letter = rf"$\mathbf{{{'abcdefgh'[index % 8]}}}$   " if len(panels) > 1 else ""
            axes.set_title(letter + panel.title, loc="left")
        times = [point.microseconds for panel in panels for point in panel.points]
        _same_limits(all_axes, least=min(times) / 2, most=max(times) * 2)
        figure = all_axes[0].figure
        entries = [_entry(index, name, peer=name in peers) for index, name in enumerate(names)]
        entries.append(Line2D([], [], color="#888888", linewidth=1.0, linestyle="--", label="best so far"))
        figure.legend(
            handles=entries,
            loc="outside lower center",
            ncols=max(2, min(len(entries), 2 * len(panels))),
            title="filled: ours, open: other libraries; bars: 95 % intervals, paired",
        )
        if title:
            figure.suptitle(title, fontsize=11)
    return found


def _entry(index: int, name: str, *, peer: bool) -> Line2D:
    return Line2D([], [], linestyle="none", markersize=6, label=name, **_looks(index, peer=peer))


def _looks(index: int, *, peer: bool) -> dict[str, Any]:
    face = "white" if peer else color(index)
    return {"color": color(index), "marker": marker(index), "markerfacecolor": face}


def _panel(axes: Axes, panel: DecoderPanel, names: Sequence[str]) -> None:
    known = [point for point in panel.points if not math.isnan(point.ratio.value)]
    frame.log_axis(axes, [point.ratio for point in known] or [Estimate(1, 1, 1)], ceiling=9.0, plain=True)
    axes.set_xscale("log")
    axes.grid(which="major", axis="x")
    front = sorted((point for point in known if point.front), key=lambda point: point.microseconds)
    _staircase(axes, front)
    for point in known:
        ratio = point.ratio
        axes.errorbar(
            point.microseconds,
            ratio.value,
            yerr=[[ratio.minus], [ratio.plus]] if ratio.low < ratio.high < math.inf else None,
            elinewidth=1.1,
            capsize=2.5,
            markersize=6,
            zorder=3,
            **_looks(names.index(point.decoder), peer=point.peer),
        )
    axes.set_xlabel("decoding time per shot, one core (µs)")
    axes.set_ylabel("logical errors / those of plain matching")


def _same_limits(all_axes: Sequence[Axes], *, least: float, most: float) -> None:
    """Set the same limits on all panels; times from `least` to `most`."""
    y_ends = [axes.get_ylim() for axes in all_axes]
    for axes in all_axes:
        axes.set_xlim(least, most)
        axes.set_ylim(min(low for low, _ in y_ends), max(high for _, high in y_ends))
        axes.xaxis.set_major_locator(LogLocator(base=10, numticks=12))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())


def _staircase(axes: Axes, front: Sequence[DecoderPoint]) -> None:
    """Draw the fewest errors reached within a given time."""
    if len(front) > 1:
        axes.plot(
            [point.microseconds for point in front],
            [point.ratio.value for point in front],
            drawstyle="steps-post",
            color="#888888",
            linewidth=1.0,
            linestyle="--",
            zorder=1,
        )
