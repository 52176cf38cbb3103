"""Axes, points with intervals and legends, shared by all figures.

The only file besides `figures` and its kin that imports matplotlib. Nothing here touches matplotlib's global
state: no pyplot, and the settings hold only while a picture is drawn.
"""

import io
import math
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
from PIL import Image

from experiments.plotting.labels import power_label
from experiments.plotting.style import STYLE, color, dashes, marker
from qec.files import write_file
from qec.statistics import Estimate

_PANEL = (5.2, 3.9)  # inches
_ARROW = 18  # points
_MOST_INSIDE = 6  # entries of a legend inside the axes


@contextmanager
def picture(path: Path | str, *, columns: int) -> Iterator[tuple[Path, list[Axes]]]:
    """Make axes to draw on; on leaving, write the file and free the figure."""
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ValueError(f"{target}: figures are PNG files, give a name that ends in .png")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: no folder {target.parent}, make it first")
    with matplotlib.rc_context(STYLE):
        rows = 2 if columns == 4 else 1
        figure = Figure(figsize=(_PANEL[0] * columns / rows, _PANEL[1] * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns // rows, squeeze=False)
        yield target, list(axes.flat)
        for panel in axes.flat:
            _settle_legend(panel, figure)
        # No version in the file: equal data give equal bytes.
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
        write_file(target, content.getvalue())
        figure.clear()


def shrink(source: Path, target: Path) -> None:
    """Copy a PNG in 128 colours: of a third of the size."""
    with Image.open(source) as image:
        few = image.convert("RGB").quantize(128, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    content = io.BytesIO()
    few.save(content, format="png", optimize=True)
    write_file(target, content.getvalue())


def points(axes: Axes, positions: Sequence[float], estimates: Sequence[Estimate], index: int) -> None:
    """Draw markers with error bars; zero as an arrow down from the upper end of its interval."""
    looks: dict[str, Any] = {"color": color(index), "marker": marker(index), "markersize": 6, "zorder": 3}
    for position, estimate in zip(positions, estimates, strict=True):
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


def _settle_legend(axes: Axes, figure: Figure) -> None:
    """Put a long legend below the axes; matplotlib finds the place of a short one."""
    legend = axes.get_legend()
    if legend is None or len(legend.get_texts()) <= _MOST_INSIDE:
        return
    # The picture grows by what goes below it, so that the panel keeps its size.
    columns = 2 if len(legend.get_texts()) <= 16 else 3
    title = legend.get_title().get_text()
    below = add_legend(axes, title, loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=columns)
    figure.draw_without_rendering()
    figure.set_figheight(figure.get_figheight() + below.get_window_extent().height / figure.dpi + 0.1)
    below.set_in_layout(True)
    figure.draw_without_rendering()  # one pass more: the legend's place depends on the panel's height
