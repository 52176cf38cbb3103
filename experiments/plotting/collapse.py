"""Threshold by finite-size scaling: failures against strength, and their collapse onto one curve."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from experiments.plotting.frame import add_legend, legend_entry, picture, points
from experiments.plotting.labels import with_interval
from experiments.plotting.style import color, dashes, meaning
from qec.statistics import Estimate
from qec.statistics.binomial import logical_error_rate
from qec.statistics.estimate import likelihood_factor_of
from qec.statistics.finite_size import ThresholdFit

__all__ = ["draw_collapse"]

_LEFT_OUT = "#8a8a8a"


def draw_collapse(*, path: Path | str, fit: ThresholdFit, title: str = "") -> Path:
    """Draw the points and the curves of a threshold fit, over the strength and over the scaled strength.

    Points that the fit leaves out are small and grey.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        fit: What to draw.
        title: A short one, or none.

    Returns:
        The path.

    Raises:
        ValueError: For a name with another ending.
        FileNotFoundError: If the folder is missing.
    """
    factor = likelihood_factor_of(confidence=0.95)
    rates = [
        logical_error_rate(errors=int(errors), shots=int(shots), likelihood_factor=factor)
        for errors, shots in zip(fit.errors, fit.shots, strict=True)
    ]
    with picture(path, panels=2) as (found, (left, right)):
        _against_strength(left, fit, rates)
        _collapsed(right, fit, rates)
        for axes in (left, right):
            axes.set_ylim(0.9 * min(one.low for one in rates), 1.05 * max(one.high for one in rates))
        left.set_title("failures of each distance")
        right.set_title("collapse")
        if title:
            left.figure.suptitle(title, fontsize=11)
    return found


def _against_strength(axes: Axes, fit: ThresholdFit, rates: Sequence[Estimate]) -> None:
    one = fit.threshold
    axes.axvspan(one.low, one.high, color="#666666", alpha=0.15, linewidth=0)
    axes.axvline(one.value, color="#444444", linewidth=0.9)
    for index, d in enumerate(sorted(set(fit.distances))):
        here = fit.distances == d
        within = fit.strengths[here & fit.used]
        if within.size:
            grid = np.linspace(within.min(), within.max(), 200)
            scaled = (grid - one.value) * d**fit.exponent.value
            axes.plot(
                grid, fit.probability(scaled), color=color(index), linestyle=dashes(index), linewidth=1.2
            )
        _points(axes, fit.strengths, rates, here, fit.used, index)
        legend_entry(axes, index, f"d = {d:.0f}", line=True)
    axes.set_xlabel("noise strength p")
    axes.set_ylabel("logical error per shot")
    add_legend(axes, f"threshold {with_interval(one)}")


def _collapsed(axes: Axes, fit: ThresholdFit, rates: Sequence[Estimate]) -> None:
    scaled = fit.scaled
    grid = np.linspace(scaled[fit.used].min(), scaled[fit.used].max(), 200)
    axes.plot(grid, fit.probability(grid), color="#444444", linewidth=1.2)
    for index, d in enumerate(sorted(set(fit.distances))):
        _points(axes, scaled, rates, fit.distances == d, fit.used, index)
    axes.axvline(0, color="#444444", linewidth=0.9)
    axes.set_xlabel(r"scaled strength $(p - p_\mathrm{th})\,d^{\,1/\nu}$")
    axes.set_ylabel(meaning("logical error per shot", rates))
    axes.text(
        0.97,
        0.04,
        rf"$1/\nu$ = {with_interval(fit.exponent)}" + f"\ndeviance {fit.deviance:.1f}, "
        f"{fit.degrees_of_freedom} degrees of freedom",
        transform=axes.transAxes,
        horizontalalignment="right",
        fontsize=9,
    )


def _points(
    axes: Axes,
    positions: np.ndarray[tuple[int], np.dtype[np.float64]],
    rates: Sequence[Estimate],
    here: np.ndarray[tuple[int], np.dtype[np.bool_]],
    used: np.ndarray[tuple[int], np.dtype[np.bool_]],
    index: int,
) -> None:
    chosen = np.flatnonzero(here & used).tolist()
    points(axes, positions[chosen].tolist(), [rates[k] for k in chosen], index)
    others = np.flatnonzero(here & ~used).tolist()
    axes.plot(positions[others], [rates[k].value for k in others], "x", color=_LEFT_OUT, markersize=4)
