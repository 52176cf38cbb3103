"""The figure of `qec gap`: predicted against observed error, and the error left after discarding shots."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.plotting import frame
from experiments.plotting.series import GapSeries
from experiments.plotting.style import color, dashes, meaning
from qec.statistics import Estimate


def draw(*, path: Path | str, series: Sequence[GapSeries], title: str = "") -> Path:
    """Draw calibration and post-selection side by side.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        series: one for each distance.
        title: a short one, or none.

    Returns:
        The path.

    Raises:
        ValueError: no results, or a name with another ending.
        FileNotFoundError: the folder is missing.
    """
    if not series:
        raise ValueError("nothing to draw: series is empty")
    with frame.picture(path, panels=2) as (found, (left, right)):
        _reliability(left, series)
        _discarding(right, series)
        left.set_title(r"$\mathbf{a}$   Calibration of the predicted errors", loc="left")
        right.set_title(r"$\mathbf{b}$   Discarding the least certain shots", loc="left")
        if title:
            left.figure.suptitle(title, fontsize=11)
    return found


def _reliability(axes: Axes, series: Sequence[GapSeries]) -> None:
    bins = [one for result in series for one in result.calibration]
    drawn = [one for one in bins if one.errors > 0] or bins
    # Bins without errors are drawn as far down as the largest of them can say something.
    least = min(one.observed.low if one.errors else one.observed.high / 3 for one in drawn) / 2
    shown = [one for one in bins if one.predicted > least / 30]
    estimates = [one.observed for one in shown]
    frame.log_axis(axes, estimates, ceiling=1.0)
    axes.set_xscale("log")
    low = min([one.predicted for one in shown if one.predicted > 0], default=least) / 2
    axes.set_xlim(low, 0.8)
    axes.xaxis.set_major_locator(LogLocator(base=10, numticks=9))
    axes.xaxis.set_minor_formatter(NullFormatter())
    ends = (min(low, axes.get_ylim()[0]), 0.8)
    axes.plot(ends, ends, color="#666666", linewidth=0.9, linestyle=":", zorder=1)
    for index, result in enumerate(series):
        mine = [one for one in result.calibration if one in shown]
        frame.points(axes, [one.predicted for one in mine], [one.observed for one in mine], index)
        frame.legend_entry(axes, index, result.label, line=False)
    axes.plot([], [], color="#666666", linewidth=0.9, linestyle=":", label="as predicted")
    axes.set_xlabel("predicted logical error per shot, 1 / (1 + exp(gap))")
    axes.set_ylabel("observed logical error per shot")
    frame.add_legend(axes, meaning("bars", estimates))


def _discarding(axes: Axes, series: Sequence[GapSeries]) -> None:
    estimates: list[Estimate] = [kept.error for result in series for kept in result.curve]
    frame.log_axis(axes, estimates, ceiling=1.0)
    for index, result in enumerate(series):
        different = {kept.discarded: kept for kept in result.curve}
        percent = [100 * discarded for discarded in different]
        errors = [kept.error for kept in different.values()]
        values = [error.value if error.value > 0 else float("nan") for error in errors]
        axes.plot(percent, values, color=color(index), linestyle=dashes(index))
        frame.points(axes, percent, errors, index)
        frame.legend_entry(axes, index, result.label, line=True)
    axes.set_xlabel("discarded shots (%)")
    axes.set_ylabel("logical error per shot of the others")
    frame.add_legend(axes, meaning("bars", estimates))
