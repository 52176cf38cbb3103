"""All pictures. The only file that imports matplotlib; plain data in, the path of a PNG out.

House style: every series has its own marker and line style besides its colour, so that a picture reads in
grey; bars and bands are the intervals of the data, and the legend says which; a count of zero errors is an
arrow down from its upper end. Nothing here touches matplotlib's global state: no pyplot, and the settings
hold only while a picture is drawn.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from experiments.labels import epsilon_label, power_label, suppression_label
from experiments.looks import STYLE as _STYLE
from experiments.looks import color as _color
from experiments.looks import dashes as _dashes
from experiments.looks import joined as _joined
from experiments.looks import marker as _marker
from experiments.looks import meaning as _meaning
from experiments.series import (
    CurvePanel,
    CurveSeries,
    CycleSeries,
    DetectionSeries,
    RatioSeries,
    SuppressionSeries,
    check_series,
)
from qec.statistics import Estimate, SuppressionFit

__all__ = [
    "CurvePanel",
    "CurveSeries",
    "CycleSeries",
    "DetectionSeries",
    "RatioSeries",
    "SuppressionSeries",
    "draw_curves",
    "draw_cycles",
    "draw_detection",
    "draw_overview",
    "draw_ratio",
    "draw_suppression",
]

_PANEL = (5.2, 3.9)  # inches
_MOST_BARS = 40  # longer series show their intervals as a band
_ARROW = 18  # points
_PLACES: Any = ("upper right", "lower left", "lower right", "upper left", "center right", "center left")


def draw_suppression(*, path: Path | str, series: Sequence[SuppressionSeries], title: str = "") -> Path:
    """Draw logical error per cycle against distance, with the fits of Lambda.

    Args:
        path: PNG file to write; its folder must exist.
        series: At least one.
        title: A short one, or none.

    Returns:
        The path.

    Raises:
        ValueError: For no series, lengths that disagree, nothing to draw, or a name that is not a PNG's.
        FileNotFoundError: If the folder is missing.
    """
    with _picture(path, columns=1) as (found, (axes,)):
        _suppression(axes, series)
        axes.set_title(title)
    return found


def draw_cycles(*, path: Path | str, series: Sequence[CycleSeries], title: str = "") -> Path:
    """Draw logical error probability against cycles, with the fits; arguments as `draw_suppression`."""
    with _picture(path, columns=1) as (found, (axes,)):
        _cycles(axes, series)
        axes.set_title(title)
    return found


def draw_detection(*, path: Path | str, series: Sequence[DetectionSeries], title: str = "") -> Path:
    """Draw detection fraction against cycle; arguments as `draw_suppression`."""
    with _picture(path, columns=1) as (found, (axes,)):
        _detection(axes, series)
        axes.set_title(title)
    return found


def draw_ratio(
    *,
    path: Path | str,
    series: Sequence[RatioSeries],
    y_label: str,
    reference_label: str = "equal",
    title: str = "",
) -> Path:
    """Draw ratios, such as of decoding times, against distance on a logarithmic axis.

    Args:
        path: As `draw_suppression`.
        series: One line each, for example one for each error rate; ratios above zero.
        y_label: What is divided by what.
        reference_label: Words beside the line at ratio 1.
        title: As `draw_suppression`.

    Raises:
        ValueError: As `draw_suppression`, or for a ratio that is not above zero.
        FileNotFoundError: As `draw_suppression`.
    """
    with _picture(path, columns=1) as (found, (axes,)):
        _ratio(axes, series, y_label=y_label, reference_label=reference_label)
        axes.set_title(title)
    return found


def draw_curves(*, path: Path | str, panels: Sequence[CurvePanel], title: str = "") -> Path:
    """Draw panels of plain curves side by side, four in two rows; otherwise as `draw_suppression`."""
    if not panels:
        raise ValueError("nothing to draw: panels is empty")
    with _picture(path, columns=len(panels)) as (found, all_axes):
        for index, (axes, panel) in enumerate(zip(all_axes, panels, strict=True)):
            _curves(axes, panel)
            letter = rf"$\mathbf{{{'abcdef'[index]}}}$   " if len(panels) > 1 else ""
            axes.set_title(letter + panel.title, loc="left")
        if title:
            all_axes[0].figure.suptitle(title, fontsize=11)
    return found


def draw_overview(
    *,
    path: Path | str,
    suppression: Sequence[SuppressionSeries] = (),
    cycles: Sequence[CycleSeries] = (),
    detection: Sequence[DetectionSeries] = (),
    title: str = "",
) -> Path:
    """Draw one panel for each kind that is given, side by side; otherwise as `draw_suppression`."""
    panels: list[tuple[str, Callable[[Axes], None]]] = []
    if cycles:
        panels.append(("Logical error over time", lambda axes: _cycles(axes, cycles)))
    if suppression:
        panels.append(("Suppression with distance", lambda axes: _suppression(axes, suppression)))
    if detection:
        panels.append(("Detection events", lambda axes: _detection(axes, detection)))
    if not panels:
        raise ValueError("nothing to draw: give suppression, cycles or detection")
    with _picture(path, columns=len(panels)) as (found, all_axes):
        for index, (axes, (name, draw)) in enumerate(zip(all_axes, panels, strict=True)):
            draw(axes)
            letter = rf"$\mathbf{{{'abc'[index]}}}$   " if len(panels) > 1 else ""
            axes.set_title(letter + name, loc="left")
        if title:
            all_axes[0].figure.suptitle(title, fontsize=11)
    return found


@contextmanager
def _picture(path: Path | str, *, columns: int) -> Iterator[tuple[Path, list[Axes]]]:
    """Axes to draw on; on leaving, the picture is written and freed."""
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise ValueError(f"{target}: figures are PNG files, give a name that ends in .png")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: no folder {target.parent}, make it first")
    with matplotlib.rc_context(_STYLE):
        rows = 2 if columns == 4 else 1
        figure = Figure(figsize=(_PANEL[0] * columns / rows, _PANEL[1] * rows), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns // rows, squeeze=False)
        yield target, list(axes.flat)
        for panel in axes.flat:
            _settle_legend(panel, figure)
        # No version in the file: equal data give equal bytes.
        figure.savefig(target, metadata={"Software": None})
        figure.clear()


def _suppression(axes: Axes, series: Sequence[SuppressionSeries]) -> None:
    check_series(series)
    estimates = [estimate for entry in series for estimate in entry.epsilons]
    _log_axis(axes, estimates, ceiling=0.5)
    banded = False
    for index, entry in enumerate(series):
        lined = entry.fit is not None and _line_with_band(axes, entry, entry.fit, index)
        words = "" if entry.fit is None else suppression_label(entry.fit.value)
        _points(axes, entry.distances, entry.epsilons, index)
        _legend_entry(axes, index, _joined(entry.label, words), line=lined)
        banded = banded or lined
    _distance_axis(axes, [distance for entry in series for distance in entry.distances])
    axes.set_ylabel(r"logical error per cycle $\varepsilon_d$")
    fits = [entry.fit.value for entry in series if entry.fit is not None]
    _legend(axes, _meaning("bars and bands" if banded else "bars", estimates, fits))


def _cycles(axes: Axes, series: Sequence[CycleSeries]) -> None:
    check_series(series)
    estimates = [estimate for entry in series for estimate in entry.probabilities]
    _log_axis(axes, estimates, ceiling=1.0)
    for index, entry in enumerate(series):
        words = ""
        if entry.fit is not None:
            words = epsilon_label(entry.fit.epsilon)
            cycles = np.linspace(min(entry.cycles), max(entry.cycles), 300)
            curve = entry.fit.probability(cycles)
            axes.plot(
                cycles, np.where(curve > 0, curve, np.nan), color=_color(index), linestyle=_dashes(index)
            )
        _points(axes, entry.cycles, entry.probabilities, index)
        _legend_entry(axes, index, _joined(entry.label, words), line=entry.fit is not None)
    if max(estimate.value for estimate in estimates) > 0.35:
        axes.set_ylim(top=max(axes.get_ylim()[1], 0.75))
        _level(axes, 0.5, "1/2: nothing left", side="left")
    axes.set_xlim(0, max(max(entry.cycles) for entry in series) * 1.04)
    _whole_numbers(axes)
    axes.set_xlabel("number of cycles")
    axes.set_ylabel("logical error probability per shot")
    fits = [entry.fit.epsilon for entry in series if entry.fit is not None]
    _legend(axes, _meaning("bars", estimates, fits))


def _detection(axes: Axes, series: Sequence[DetectionSeries]) -> None:
    check_series(series)
    banded = False
    for index, entry in enumerate(series):
        color = _color(index)
        cycles = sorted(entry.fractions)
        found = [entry.fractions[cycle] for cycle in cycles]
        percent = [100 * estimate.value for estimate in found]
        below = [100 * estimate.minus for estimate in found]
        above = [100 * estimate.plus for estimate in found]
        if len(cycles) > _MOST_BARS:
            banded = True
            low, high = np.subtract(percent, below), np.add(percent, above)
            axes.fill_between(cycles, low, high, color=color, alpha=0.25, linewidth=0)
        else:
            axes.errorbar(
                cycles, percent, yerr=(below, above), fmt="none", ecolor=color, elinewidth=0.9, capsize=2
            )
        axes.plot(
            cycles,
            percent,
            color=color,
            linestyle=_dashes(index),
            marker=_marker(index),
            markevery=max(1, len(cycles) // 25),
            markersize=4,
            label=entry.label,
        )
    axes.set_ylim(bottom=0)
    axes.margins(x=0.03)
    _whole_numbers(axes)
    axes.grid(axis="y")
    axes.set_xlabel("cycle")
    axes.set_ylabel("detection fraction (%)")
    estimates = [estimate for entry in series for estimate in entry.fractions.values()]
    _legend(axes, _meaning("bands" if banded else "bars", estimates))


def _ratio(axes: Axes, series: Sequence[RatioSeries], *, y_label: str, reference_label: str) -> None:
    check_series(series)
    converted = [[_as_estimate(ratio) for ratio in entry.ratios] for entry in series]
    for entry, found in zip(series, converted, strict=True):
        for ratio in found:
            if not 0 < ratio.value < math.inf:
                raise ValueError(f"series {entry.label!r}: ratios must be above zero, got {ratio.value}")
    everything = [ratio for found in converted for ratio in found]
    _log_axis(axes, [*everything, Estimate(1.0, 1.0, 1.0)], ceiling=math.inf, plain=True)
    _level(axes, 1.0, reference_label, side="right")
    for index, (entry, found) in enumerate(zip(series, converted, strict=True)):
        values = [ratio.value for ratio in found]
        axes.plot(entry.distances, values, color=_color(index), linestyle=_dashes(index))
        _points(axes, entry.distances, found, index)
        _legend_entry(axes, index, entry.label, line=True)
    _distance_axis(axes, [distance for entry in series for distance in entry.distances])
    axes.set_ylabel(y_label)
    barred = [ratio for ratio in everything if ratio.low < ratio.high]
    _legend(axes, _meaning("bars", barred) if barred else "")


def _curves(axes: Axes, panel: CurvePanel) -> None:
    check_series(panel.series)
    converted = [[_as_estimate(value) for value in entry.y] for entry in panel.series]
    everything = [value for found in converted for value in found]
    if panel.log_y:
        levels = [_as_estimate(panel.level[0])] if panel.level else []
        _log_axis(axes, [*everything, *levels], ceiling=math.inf, plain=True)
    else:
        axes.grid(axis="y")
    if panel.log_x:
        axes.set_xscale("log")
    elif panel.whole_x:
        _whole_numbers(axes)
    if panel.level:
        _level(axes, *panel.level, side=panel.level_side)
    for index, (entry, found) in enumerate(zip(panel.series, converted, strict=True)):
        dense = len(entry.x) > _MOST_BARS
        values = [value.value if value.value > 0 or not panel.log_y else math.nan for value in found]
        axes.plot(entry.x, values, color=_color(index), linestyle=_dashes(index))
        if dense:
            every = len(entry.x) // 10
            axes.plot(entry.x[::every], values[::every], _marker(index), color=_color(index), markersize=5)
        else:
            _points(axes, entry.x, found, index)
        _legend_entry(axes, index, entry.label, line=True)
    if not panel.log_y:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    barred = [value for value in everything if value.low < value.high]
    _legend(axes, _meaning("bars", barred) if barred else "")


def _as_estimate(value: Estimate | float) -> Estimate:
    return value if isinstance(value, Estimate) else Estimate(value, value, value)


def _points(axes: Axes, positions: Sequence[float], estimates: Sequence[Estimate], index: int) -> None:
    """Markers with error bars; zero as an arrow down from the upper end of its interval."""
    looks: dict[str, Any] = {"color": _color(index), "marker": _marker(index), "markersize": 6, "zorder": 3}
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
                "color": _color(index),
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


def _line_with_band(axes: Axes, entry: SuppressionSeries, fit: SuppressionFit, index: int) -> bool:
    """The fitted line over the distances and its band; False where there is no finite line."""
    if not 0 < fit.value.value < math.inf:
        return False
    distances = np.linspace(min(entry.distances) - 0.4, max(entry.distances) + 0.4, 40)
    line = [fit.predict(float(distance)) for distance in distances]
    axes.plot(distances, [point.value for point in line], color=_color(index), linestyle=_dashes(index))
    low, high = [point.low for point in line], [min(point.high, 1e6) for point in line]
    axes.fill_between(distances, low, high, color=_color(index), alpha=0.16, linewidth=0)
    return True


def _level(axes: Axes, value: float, words: str, *, side: Literal["left", "right"]) -> None:
    """A thin horizontal line with its meaning at one end."""
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


def _legend_entry(axes: Axes, index: int, label: str, *, line: bool) -> None:
    axes.plot(
        [],
        [],
        color=_color(index),
        marker=_marker(index),
        markeredgecolor="white",
        markeredgewidth=0.6,
        markersize=6,
        linestyle=_dashes(index) if line else "none",
        label=label,
    )


def _legend(axes: Axes, title: str, **place: Any) -> Legend:
    """A legend outside the layout, for `_settle_legend` to find it a place once sizes are known."""
    legend = axes.legend(title=title, handlelength=3.8, alignment="left", **place)
    legend.set_in_layout(False)
    return legend


def _settle_legend(axes: Axes, figure: Figure) -> None:
    """Move the legend to where it hides nothing, making some room if need be; or else below the axes."""
    legend = axes.get_legend()
    if legend is None:
        return
    low, high = axes.get_ylim()
    for stretch in (0.0, 0.15, 0.3):
        if axes.get_yscale() == "log":
            axes.set_ylim(low * (low / high) ** stretch, high)
        else:
            axes.set_ylim(low, high + (high - low) * stretch)
        figure.draw_without_rendering()
        occupied = _occupied(axes)
        texts = [text.get_window_extent() for text in axes.texts if text.get_text()]
        for place in _PLACES:
            legend.set_loc(place)
            box = legend.get_window_extent().padded(5)
            inside = (occupied > (box.x0, box.y0)) & (occupied < (box.x1, box.y1))
            if not inside.all(axis=1).any() and not any(Bbox.intersection(box, text) for text in texts):
                return
    axes.set_ylim(low, high)
    # The picture grows by what goes below it, so that the panel keeps its size.
    title, entries = legend.get_title().get_text(), len(legend.get_texts())
    columns = 1 if entries <= 6 else 2 if entries <= 16 else 3
    below = _legend(axes, title, loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=columns)
    figure.draw_without_rendering()
    figure.set_figheight(figure.get_figheight() + below.get_window_extent().height / figure.dpi + 0.1)
    below.set_in_layout(True)
    figure.draw_without_rendering()  # one pass more: the legend's place depends on the panel's height


def _occupied(axes: Axes) -> NDArray[np.float64]:
    """Pixels (n, 2) along all lines, error bars, arrows and edges of bands."""
    paths = [(line.get_path(), line.get_transform()) for line in axes.lines if len(line.get_path())]
    paths += [(path, group.get_transform()) for group in axes.collections for path in group.get_paths()]
    pixels = [np.empty((0, 2))]
    for path, transform in paths:
        corners = transform.transform(path.vertices)
        corners = corners[np.isfinite(corners).all(axis=1)]
        pixels.append(corners)
        if len(corners) > 1:
            # Points along every stretch, so that a long straight line counts between its ends too.
            part = np.linspace(0, 1, 50)[:, None, None]
            pixels.append((corners[:-1] * (1 - part) + corners[1:] * part).reshape(-1, 2))
    scale = axes.figure.dpi / 72
    for text in axes.texts:
        if not text.get_text():
            tip = axes.transData.transform(text.xy)  # type: ignore[attr-defined]
            pixels.append(tip - np.outer(np.linspace(0, _ARROW * scale, 5), (0, 1)))
    return np.concatenate(pixels)


def _distance_axis(axes: Axes, distances: Sequence[int]) -> None:
    different = sorted(set(distances))
    axes.set_xlim(different[0] - 0.7, different[-1] + 0.7)
    if len(different) <= 12:
        axes.xaxis.set_major_locator(FixedLocator(different))
    axes.set_xlabel("code distance $d$")


def _whole_numbers(axes: Axes) -> None:
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))


def _log_axis(axes: Axes, estimates: Sequence[Estimate], *, ceiling: float, plain: bool = False) -> None:
    """A logarithmic axis that shows all values and ends above zero, with enough labelled ticks."""
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
