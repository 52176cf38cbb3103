"""Logical error against noise strength, with the crossing of two distances."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from experiments.plotting.frame import add_legend, legend_entry, log_axis, picture, points, spread
from experiments.plotting.labels import with_interval
from experiments.plotting.series import StrengthPanel, StrengthSeries, check_series
from experiments.plotting.style import color, dashes, meaning
from qec.statistics import Estimate

__all__ = ["StrengthPanel", "StrengthSeries", "draw_strengths"]


def draw_strengths(*, path: Path | str, panels: Sequence[StrengthPanel], title: str = "") -> Path:
    """Draw logical error per cycle against the strength of the noise, on logarithmic axes.

    The strength at which the curves of two distances cross is drawn as a vertical line with its interval as a
    band; it approaches the threshold as the distances grow.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        panels: At least one.
        title: A short one, or none.

    Returns:
        The path.

    Raises:
        ValueError: For no panels or series, lengths that disagree, strengths that are not above zero, or a
            name with another ending.
        FileNotFoundError: If the folder is missing.
    """
    if not panels:
        raise ValueError("nothing to draw: panels is empty")
    everything = [one for panel in panels for entry in panel.series for one in entry.epsilons]
    with picture(path, panels=len(panels)) as (found, all_axes):
        for axes, panel in zip(all_axes, panels, strict=True):
            _panel(axes, panel, everything)
            axes.set_title(panel.title)
        if title and any(panel.title for panel in panels):
            all_axes[0].figure.suptitle(title, fontsize=11)
        elif title:
            all_axes[0].set_title(title)
    return found


def _panel(axes: Axes, panel: StrengthPanel, everything: Sequence[Estimate]) -> None:
    check_series(panel.series)
    strengths = [strength for entry in panel.series for strength in entry.strengths]
    if min(strengths) <= 0:
        raise ValueError(f"strengths must be above zero, got {min(strengths):g}")
    estimates = [estimate for entry in panel.series for estimate in entry.epsilons]
    log_axis(axes, everything, ceiling=0.5)
    axes.set_xscale("log")
    axes.set_xlim(min(strengths) / 1.15, max(strengths) * 1.15)
    wide = max(strengths) / min(strengths) > 12
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5) if wide else (1, 1.5, 2, 3, 4, 5, 6, 8)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    shifts = spread(
        axes, [entry.strengths for entry in panel.series], [entry.epsilons for entry in panel.series]
    )
    for index, entry in enumerate(panel.series):
        values = [one.value if one.value > 0 else float("nan") for one in entry.epsilons]
        axes.plot(entry.strengths, values, color=color(index), linestyle=dashes(index))
        points(axes, entry.strengths, entry.epsilons, index, shifts=shifts[index])
        legend_entry(axes, index, entry.label, line=True)
    crossings = []
    if panel.crossing is not None:
        value, words = panel.crossing
        crossings.append(value)
        axes.axvspan(value.low, value.high, color="#666666", alpha=0.15, linewidth=0)
        axes.axvline(
            value.value,
            color="#444444",
            linewidth=0.9,
            linestyle=":",
            label=f"{words}:\n$p$ = {with_interval(value)}",
        )
    axes.set_xlabel("noise strength $p$")
    axes.set_ylabel(r"logical error per cycle $\varepsilon_d$")
    # Errors grow with the strength, so that the lower right is free.
    add_legend(axes, meaning("bars", estimates, crossings), loc="lower right")
