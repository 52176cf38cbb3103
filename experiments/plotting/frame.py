"""Axes, points with intervals and legends, shared by all figures.

Nothing here touches matplotlib's global state: no pyplot, and the settings hold only while a figure is drawn.
"""

import io
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation
from PIL import Image

from experiments.plotting.labels import power_label
from experiments.plotting.style import STYLE, color, dashes, marker
from qec.files import write_file
from qec.statistics import Estimate

_PANEL = (5.2, 3.9)  # inches
_ARROW = 18  # points
_MAX_INSIDE = 6  # entries of a legend inside the axes
_MAX_COLUMNS = 4  # panels side by side
_APART = 6.5  # points between markers that would hide each other
# No dates and versions in the files: equal data give equal bytes.
_METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def picture(path: Path | str, *, panels: int) -> Iterator[tuple[Path, list[Axes]]]:
    """Make axes to draw on; on leaving, write the file and free the figure.

    Args:
        path: file to write, PNG, SVG or PDF by its ending; its folder must exist.
        panels: number of axes: up to three in one row, more in rows of equal length.

    Raises:
        ValueError: another ending.
        FileNotFoundError: the folder is missing.
    """
    target = Path(path)
    kind = target.suffix.lower()
    if kind not in _METADATA:
        raise ValueError(f"{target}: figures are PNG, SVG or PDF files, give a name that ends in .png")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: no folder {target.parent}, make it first")
    with matplotlib.rc_context(STYLE):
        rows = 1 if panels < 4 else max(2, math.ceil(panels / _MAX_COLUMNS))
        columns = math.ceil(panels / rows)
        figure = Figure(figsize=(_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = list(figure.subplots(rows, columns, squeeze=False).flat)
        for unused in axes[panels:]:
            unused.remove()
        yield target, axes[:panels]
        for panel in axes[:panels]:
            _settle_legend(panel, figure)
        content = io.BytesIO()
        figure.savefig(content, format=kind.removeprefix("."), metadata=_METADATA[kind])
        write_file(target, content.getvalue())
        figure.clear()


def shrink(source: Path, target: Path) -> None:
    """Copy a PNG in 128 colours: of a third of the size."""
    with Image.open(source) as image:
        few = image.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    content = io.BytesIO()
    few.save(content, format="png", optimize=True)
    write_file(target, content.getvalue())


def spread(
    axes: Axes, positions: Sequence[Sequence[float]], estimates: Sequence[Sequence[Estimate]]
) -> list[list[float]]:
    """Find sideways shifts for points of several series that would hide each other.

    Args:
        axes: with their limits set.
        positions: for each series, where its points are.
        estimates: for each series, its points; those of zero have their marker at the upper end.

    Returns:
        For each series and point, a shift in points (1/72 inch); 0 where nothing is hidden.
    """
    scale = 72 / _figure(axes).dpi
    shifts = [[0.0] * len(found) for found in positions]
    at: dict[float, list[tuple[float, int, int]]] = {}
    for series, (places, found) in enumerate(zip(positions, estimates, strict=True)):
        for number, (place, one) in enumerate(zip(places, found, strict=True)):
            height = one.value if one.value > 0 else one.high
            if math.isfinite(height):
                y = float(axes.transData.transform((place, height))[1]) * scale
                at.setdefault(float(place), []).append((y, series, number))
    for column in at.values():
        groups: list[list[tuple[float, int, int]]] = []
        for point in sorted(column):
            if groups and point[0] - groups[-1][-1][0] < _APART:
                groups[-1].append(point)
            else:
                groups.append([point])
        for group in groups:
            for rank, (_, series, number) in enumerate(sorted(group, key=lambda point: point[1:])):
                shifts[series][number] = (rank - (len(group) - 1) / 2) * _APART
    return shifts


def points(
    axes: Axes,
    positions: Sequence[float],
    estimates: Sequence[Estimate],
    index: int,
    *,
    shifts: Sequence[float] | None = None,
) -> None:
    """Draw markers with error bars; zero as an arrow down from the upper end of its interval.

    Args:
        axes: to draw on.
        positions: where the points are along x.
        estimates: their values.
        index: number of the series, which sets its colour and marker.
        shifts: sideways, in points, as `spread` finds them.
    """
    for position, estimate, shift in zip(positions, estimates, shifts or [0.0] * len(positions), strict=True):
        aside = ScaledTranslation(shift / 72, 0, _figure(axes).dpi_scale_trans)
        looks: dict[str, Any] = {
            "color": color(index),
            "marker": marker(index),
            "markersize": 6,
            "zorder": 3,
            "transform": axes.transData + aside,
        }
        if estimate.value > 0:
            barred = estimate.low < estimate.high
            # A bar down to zero runs out of the picture.
            below = min(estimate.minus, estimate.value * (1 - 1e-9))
            axes.errorbar(
                position,
                estimate.value,
                yerr=[[below], [estimate.plus]] if barred else None,
                markeredgecolor="white",
                markeredgewidth=0.6,
                elinewidth=1.1,
                capsize=2.5,
                **looks,
            )
        elif estimate.value == 0 and estimate.high > 0:
            arrow = {
                "arrowstyle": "<|-",
                "color": color(index),
                "linewidth": 1.1,
                "shrinkA": 0,
                "shrinkB": 0,
            }
            axes.annotate(
                "",
                (position, estimate.high),
                xycoords=axes.transData + aside,
                xytext=(0, -_ARROW),
                textcoords="offset points",
                arrowprops=arrow,
            )
            axes.plot(position, estimate.high, markerfacecolor="white", **looks)


def level(axes: Axes, value: float, words: str, *, side: Literal["left", "right"]) -> None:
    """Draw a thin horizontal line with its meaning at one end."""
    axes.axhline(value, color="#666666", linewidth=0.9, linestyle=":", zorder=1)
    axes.annotate(
        words,
        (0.01 if side == "left" else 0.99, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 2.5),
        textcoords="offset points",
        ha=side,
        color="#555555",
        fontsize=7.5,
    )


def legend_entry(axes: Axes, index: int, label: str, *, line: bool) -> None:
    """Add an entry for a series to the legend."""
    axes.plot(
        [],
        [],
        color=color(index),
        marker=marker(index),
        markeredgecolor="white",
        markeredgewidth=0.6,
        markersize=6,
        linestyle=dashes(index) if line else "none",
        label=label,
    )


def add_legend(axes: Axes, title: str, **place: Any) -> Legend:
    """Add a legend where it hides least; outside the layout, so that equal panels stay equal."""
    legend = axes.legend(title=title, handlelength=3.8, alignment="left", **place)
    legend.set_in_layout(False)
    return legend


def distance_axis(axes: Axes, distances: Sequence[int]) -> None:
    """Set ticks at the code distances along x."""
    different = sorted(set(distances))
    axes.set_xlim(different[0] - 0.7, different[-1] + 0.7)
    if len(different) <= 12:
        axes.xaxis.set_major_locator(FixedLocator(different))
    axes.set_xlabel("code distance $d$")


def whole_numbers(axes: Axes) -> None:
    """Set ticks at whole numbers along x."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))


def log_axis(axes: Axes, estimates: Sequence[Estimate], *, ceiling: float, plain: bool = False) -> None:
    """Set a logarithmic axis that shows all values and ends above zero, with enough labelled ticks."""
    positive = [end for e in estimates if e.value > 0 for end in (e.value, e.high, max(e.low, e.value / 10))]
    positive += [end for e in estimates if e.value == 0 for end in (e.high, e.high / 3)]
    positive = [number for number in positive if 0 < number < math.inf]
    if not positive:
        raise ValueError("nothing to draw: no value and no end of an interval is above zero")
    low, high = min(positive), max(positive)
    # At least a factor of four, so that a single point does not fill the axis with its own digits.
    margin = max(1.12 * (high / low) ** 0.06, (4 * low / high) ** 0.5)
    low, high = low / margin, min(high * margin, max(ceiling, high) * 1.3)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    axes.grid(which="major", axis="y")
    if high / low < 300 or plain:
        steps = (1, 1.5, 2, 3, 5, 7) if high / low < 8 else (1, 2, 5) if high / low < 300 else (1,)
        plain = plain or low > 3e-3
        axes.yaxis.set_major_locator(LogLocator(base=10, subs=steps))
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:g}" if plain else power_label(value, digits=2))
        )
        axes.yaxis.set_minor_formatter(NullFormatter())


def _figure(axes: Axes) -> Figure:
    figure = axes.figure
    assert isinstance(figure, Figure)
    return figure


def _settle_legend(axes: Axes, figure: Figure) -> None:
    """Put a long legend below the axes; matplotlib finds the place of a short one."""
    legend = axes.get_legend()
    if legend is None:
        return
    wide = legend.get_window_extent().width > 0.8 * axes.get_window_extent().width
    if len(legend.get_texts()) <= _MAX_INSIDE and not wide:
        return
    title = legend.get_title().get_text()
    legend.remove()
    figure.draw_without_rendering()
    panel, inner = axes.get_tightbbox(), axes.get_window_extent()
    assert panel is not None
    below = axes.transAxes + ScaledTranslation(
        0, (panel.y0 - inner.y0) / figure.dpi - 0.1, figure.dpi_scale_trans
    )
    # As many columns as the panel is wide: a wider legend would take its width from the axes.
    for columns in (3, 2, 1):
        legend = add_legend(
            axes, title, loc="upper right", bbox_to_anchor=(1.0, 0.0), bbox_transform=below, ncols=columns
        )
        size = legend.get_window_extent()
        if size.width <= panel.width:
            break
    else:  # labels of published decoders have up to a hundred characters
        longest = max(len(text.get_text()) for text in legend.get_texts())
        for text in legend.get_texts():
            width = int(0.9 * longest * panel.width / size.width)
            text.set_text(textwrap.fill(text.get_text(), width, break_on_hyphens=False))
        size = legend.get_window_extent()
    # The picture grows by the legend, so that the panel keeps its size.
    figure.set_figheight(figure.get_figheight() + size.height / figure.dpi + 0.1)
    legend.set_in_layout(True)
    figure.draw_without_rendering()  # one pass more: the legend's place depends on the panel's height
