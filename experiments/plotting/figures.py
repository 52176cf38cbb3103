"""Figures of error rates, detection fractions and curves, from plain data to PNG, SVG or PDF files.

Every series has a marker and a line style of its own as well as a colour, so that a figure reads in
grey; bars and bands are the intervals of the data, and the legend says which; a count of zero errors is an
arrow down from its upper end; points that would hide each other are drawn side by side. Nothing here touches
matplotlib's global state: no pyplot, and the settings hold only while a picture is drawn.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from experiments.plotting.frame import (
    add_legend,
    distance_axis,
    legend_entry,
    level,
    log_axis,
    picture,
    points,
    spread,
    whole_numbers,
)
from experiments.plotting.labels import epsilon_label, suppression_label
from experiments.plotting.series import (
    CurvePanel,
    CurveSeries,
    CycleSeries,
    DetectionSeries,
    RatioSeries,
    SuppressionSeries,
    check_series,
)
from experiments.plotting.style import color, dashes, joined, marker, meaning
from qec.statistics import Estimate, SuppressionFit

__all__ = [
    "CurvePanel",
    "CurveSeries",
    "CycleSeries",
    "DetectionSeries",
    "RatioSeries",
    "SuppressionSeries",
    "curves_panel",
    "detection_panel",
    "draw_curves",
    "draw_cycles",
    "draw_grid",
    "draw_overview",
    "draw_ratio",
    "draw_suppression",
]

_MAX_BARS = 40  # longer series show their intervals as a band


def draw_suppression(*, path: Path | str, series: Sequence[SuppressionSeries], title: str = "") -> Path:
    """Draw logical error per cycle against distance, with the fits of Lambda.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        series: At least one.
        title: A short one, or none.

    Returns:
        The path.

    Raises:
        ValueError: For no series, lengths that disagree, nothing to draw, or a name with another ending.
        FileNotFoundError: If the folder is missing.
    """
    with picture(path, panels=1) as (found, (axes,)):
        _suppression(axes, series)
        axes.set_title(title)
    return found


def draw_cycles(*, path: Path | str, series: Sequence[CycleSeries], title: str = "") -> Path:
    """Draw logical error probability against cycles, with the fits; arguments as `draw_suppression`."""
    with picture(path, panels=1) as (found, (axes,)):
        _cycles(axes, series)
        axes.set_title(title)
    return found


def draw_grid(
    *,
    path: Path | str,
    panels: Mapping[str, Sequence[SuppressionSeries] | Sequence[CycleSeries]],
    title: str = "",
) -> Path:
    """Draw several panels as `draw_suppression` or `draw_cycles` does.

    Panels of logical error against distance have the same vertical axis.

    Args:
        path: As `draw_suppression`.
        panels: Title of a panel -> its series, all of one kind.
        title: As `draw_suppression`.

    Returns:
        The path.

    Raises:
        ValueError: As `draw_suppression`.
        FileNotFoundError: As `draw_suppression`.
    """
    if not panels:
        raise ValueError("nothing to draw: panels is empty")
    with picture(path, panels=len(panels)) as (found, all_axes):
        suppression = [[s for s in series if isinstance(s, SuppressionSeries)] for series in panels.values()]
        everything = [one for series in suppression for entry in series for one in entry.epsilons]
        for axes, (name, series), lines in zip(all_axes, panels.items(), suppression, strict=True):
            if lines:
                _suppression(axes, lines, everything)
            else:
                _cycles(axes, [entry for entry in series if isinstance(entry, CycleSeries)])
            axes.set_title(name)
        if title and len(panels) > 1:
            all_axes[0].figure.suptitle(title, fontsize=11)
        elif title:
            all_axes[0].set_title(title)
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
        reference_label: Label of the line at ratio 1.
        title: As `draw_suppression`.

    Raises:
        ValueError: As `draw_suppression`, or for a ratio that is not above zero.
        FileNotFoundError: As `draw_suppression`.
    """
    with picture(path, panels=1) as (found, (axes,)):
        _ratio(axes, series, y_label=y_label, reference_label=reference_label)
        axes.set_title(title)
    return found


def draw_curves(*, path: Path | str, panels: Sequence[CurvePanel], title: str = "") -> Path:
    """Draw panels of plain curves side by side, four in two rows; otherwise as `draw_suppression`."""
    if not panels:
        raise ValueError("nothing to draw: panels is empty")
    with picture(path, panels=len(panels)) as (found, all_axes):
        for index, (axes, panel) in enumerate(zip(all_axes, panels, strict=True)):
            curves_panel(axes, panel)
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
        panels.append(("Detection events", lambda axes: detection_panel(axes, detection)))
    if not panels:
        raise ValueError("nothing to draw: give suppression, cycles or detection")
    with picture(path, panels=len(panels)) as (found, all_axes):
        for index, (axes, (name, draw)) in enumerate(zip(all_axes, panels, strict=True)):
            draw(axes)
            letter = rf"$\mathbf{{{'abc'[index]}}}$   " if len(panels) > 1 else ""
            axes.set_title(letter + name, loc="left")
        if title:
            all_axes[0].figure.suptitle(title, fontsize=11)
    return found


def _suppression(
    axes: Axes, series: Sequence[SuppressionSeries], everything: Sequence[Estimate] = ()
) -> None:
    """Draw one panel; `everything` that its vertical axis is to show, if more than its own series."""
    check_series(series)
    estimates = [estimate for entry in series for estimate in entry.epsilons]
    log_axis(axes, everything or estimates, ceiling=0.5)
    distance_axis(axes, [distance for entry in series for distance in entry.distances])
    shifts = spread(axes, [entry.distances for entry in series], [entry.epsilons for entry in series])
    banded = False
    for index, entry in enumerate(series):
        lined = entry.fit is not None and _line_with_band(axes, entry, entry.fit, index)
        words = "" if entry.fit is None else suppression_label(entry.fit.value)
        points(axes, entry.distances, entry.epsilons, index, shifts=shifts[index])
        legend_entry(axes, index, joined(entry.label, words), line=lined)
        banded = banded or lined
    axes.set_ylabel(r"logical error per cycle $\varepsilon_d$")
    fits = [entry.fit.value for entry in series if entry.fit is not None]
    add_legend(axes, meaning("bars and bands" if banded else "bars", estimates, fits))


def _cycles(axes: Axes, series: Sequence[CycleSeries]) -> None:
    check_series(series)
    estimates = [estimate for entry in series for estimate in entry.probabilities]
    log_axis(axes, estimates, ceiling=1.0)
    axes.set_xlim(0, max(max(entry.cycles) for entry in series) * 1.04)
    shifts = spread(axes, [entry.cycles for entry in series], [entry.probabilities for entry in series])
    for index, entry in enumerate(series):
        words = ""
        if entry.fit is not None:
            words = epsilon_label(entry.fit.epsilon)
            cycles = np.linspace(min(entry.cycles), max(entry.cycles), 300)
            curve = entry.fit.probability(cycles)
            axes.plot(cycles, np.where(curve > 0, curve, np.nan), color=color(index), linestyle=dashes(index))
        points(axes, entry.cycles, entry.probabilities, index, shifts=shifts[index])
        legend_entry(axes, index, joined(entry.label, words), line=entry.fit is not None)
    if max(estimate.value for estimate in estimates) > 0.35:
        axes.set_ylim(top=max(axes.get_ylim()[1], 0.75))
        level(axes, 0.5, "1/2: nothing left", side="left")
    whole_numbers(axes)
    axes.set_xlabel("number of cycles")
    axes.set_ylabel("logical error probability per shot")
    fits = [entry.fit.epsilon for entry in series if entry.fit is not None]
    add_legend(axes, meaning("bars", estimates, fits))


def detection_panel(axes: Axes, series: Sequence[DetectionSeries]) -> None:
    """Draw detection fraction against cycle, on axes of `frame.picture`."""
    check_series(series)
    banded = False
    for index, entry in enumerate(series):
        shade = color(index)
        cycles = sorted(entry.fractions)
        found = [entry.fractions[cycle] for cycle in cycles]
        percent = [100 * estimate.value for estimate in found]
        below = [100 * estimate.minus for estimate in found]
        above = [100 * estimate.plus for estimate in found]
        if len(cycles) > _MAX_BARS:
            banded = True
            low, high = np.subtract(percent, below), np.add(percent, above)
            axes.fill_between(cycles, low, high, color=shade, alpha=0.25, linewidth=0)
        else:
            axes.errorbar(
                cycles, percent, yerr=(below, above), fmt="none", ecolor=shade, elinewidth=0.9, capsize=2
            )
        axes.plot(
            cycles,
            percent,
            color=shade,
            linestyle=dashes(index),
            marker=marker(index),
            markevery=max(1, len(cycles) // 25),
            markersize=4,
            label=entry.label,
        )
    axes.set_ylim(bottom=0)
    axes.margins(x=0.03)
    whole_numbers(axes)
    axes.grid(axis="y")
    axes.set_xlabel("cycle")
    axes.set_ylabel("detection fraction (%)")
    estimates = [estimate for entry in series for estimate in entry.fractions.values()]
    add_legend(axes, meaning("bands" if banded else "bars", estimates))


def _ratio(axes: Axes, series: Sequence[RatioSeries], *, y_label: str, reference_label: str) -> None:
    check_series(series)
    converted = [[_as_estimate(ratio) for ratio in entry.ratios] for entry in series]
    for entry, found in zip(series, converted, strict=True):
        for ratio in found:
            if not 0 < ratio.value < math.inf:
                raise ValueError(f"series {entry.label!r}: ratios must be above zero, got {ratio.value}")
    everything = [ratio for found in converted for ratio in found]
    log_axis(axes, [*everything, Estimate(1.0, 1.0, 1.0)], ceiling=math.inf, plain=True)
    level(axes, 1.0, reference_label, side="right")
    distance_axis(axes, [distance for entry in series for distance in entry.distances])
    shifts = spread(axes, [entry.distances for entry in series], converted)
    for index, (entry, found) in enumerate(zip(series, converted, strict=True)):
        values = [ratio.value for ratio in found]
        axes.plot(entry.distances, values, color=color(index), linestyle=dashes(index))
        points(axes, entry.distances, found, index, shifts=shifts[index])
        legend_entry(axes, index, entry.label, line=True)
    axes.set_ylabel(y_label)
    barred = [ratio for ratio in everything if ratio.low < ratio.high]
    add_legend(axes, meaning("bars", barred) if barred else "")


def curves_panel(axes: Axes, panel: CurvePanel) -> None:
    """Draw plain curves, on axes of `frame.picture`."""
    check_series(panel.series)
    converted = [[_as_estimate(value) for value in entry.y] for entry in panel.series]
    everything = [value for found in converted for value in found]
    if panel.log_y:
        levels = [_as_estimate(panel.level[0])] if panel.level else []
        log_axis(axes, [*everything, *levels], ceiling=math.inf, plain=True)
    else:
        axes.grid(axis="y")
    if panel.log_x:
        axes.set_xscale("log")
    elif panel.whole_x:
        whole_numbers(axes)
    if panel.level:
        level(axes, *panel.level, side=panel.level_side)
    for index, (entry, found) in enumerate(zip(panel.series, converted, strict=True)):
        dense = len(entry.x) > _MAX_BARS
        values = [value.value if value.value > 0 or not panel.log_y else math.nan for value in found]
        axes.plot(entry.x, values, color=color(index), linestyle=dashes(index))
        if dense:
            every = len(entry.x) // 10
            axes.plot(entry.x[::every], values[::every], marker(index), color=color(index), markersize=5)
        else:
            points(axes, entry.x, found, index)
        legend_entry(axes, index, entry.label, line=True)
    if not panel.log_y:
        low, high = axes.get_ylim()
        # Bars to their ends, which matplotlib does not count, unless they would make the values small.
        ends = [min(value.high, 2 * value.value) for value in everything if 0 < value.value < math.inf]
        axes.set_ylim(min(0.0, low), max([high, *(1.05 * end for end in ends)]))
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    barred = [value for value in everything if value.low < value.high]
    add_legend(axes, meaning("bars", barred) if barred else "")


def _as_estimate(value: Estimate | float) -> Estimate:
    return value if isinstance(value, Estimate) else Estimate(value, value, value)


def _line_with_band(axes: Axes, entry: SuppressionSeries, fit: SuppressionFit, index: int) -> bool:
    """Draw the fitted line over the distances and its band; False where there is no finite line."""
    if not 0 < fit.value.value < math.inf:
        return False
    distances = np.linspace(min(entry.distances) - 0.4, max(entry.distances) + 0.4, 40)
    line = [fit.predict(float(distance)) for distance in distances]
    axes.plot(distances, [point.value for point in line], color=color(index), linestyle=dashes(index))
    low, high = [point.low for point in line], [min(point.high, 1e6) for point in line]
    axes.fill_between(distances, low, high, color=color(index), alpha=0.16, linewidth=0)
    return True
