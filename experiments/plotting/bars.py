"""Pictures of `qec reproduce` that need bars; its curves are drawn by `experiments.plotting.figures`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.plotting.frame import picture
from experiments.plotting.style import color, meaning
from qec.statistics import Estimate


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Values of one kind for several causes.

    Attributes:
        label: for the legend.
        values: one for each cause; None where there is none.
    """

    label: str
    values: Sequence[Estimate | None]


def draw_bars(*, path: Path | str, causes: Sequence[str], groups: Sequence[Bars], x_label: str) -> Path:
    """Draw groups of horizontal bars, one row for each cause, the first on top.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        causes: names of the rows.
        groups: bars next to each other in every row.
        x_label: what a bar's length shows.

    Returns:
        The path.

    Raises:
        ValueError: no causes or groups, lengths that disagree, or a name with another ending.
        FileNotFoundError: the folder is missing.
    """
    if not causes or not groups:
        raise ValueError("nothing to draw: causes or groups are empty")
    for group in groups:
        if len(group.values) != len(causes):
            raise ValueError(f"{group.label!r} has {len(group.values)} values for {len(causes)} causes")
    with picture(path, panels=1) as (found, (axes,)):
        rows = np.arange(len(causes))
        height = 0.8 / len(groups)
        barred = [v for group in groups for v in group.values if v is not None and v.low < v.high]
        for index, group in enumerate(groups):
            at = rows + (index - (len(groups) - 1) / 2) * height
            lengths = [0.0 if v is None else v.value for v in group.values]
            axes.barh(
                at,
                lengths,
                height * 0.92,
                color=color(index),
                label=group.label,
                hatch=("", "////")[index % 2],
                edgecolor="white",
            )
            for place, v in zip(at, group.values, strict=True):
                if v is not None and v.low < v.high:
                    axes.errorbar(
                        v.value,
                        place,
                        xerr=[[v.minus], [v.plus]],
                        fmt="none",
                        ecolor="#222222",
                        elinewidth=1.0,
                        capsize=2,
                    )
        axes.axvline(0, color="#222222", linewidth=0.8)
        axes.set_yticks(rows, causes)
        axes.invert_yaxis()
        axes.grid(axis="x")
        axes.set_xlabel(x_label)
        legend = axes.legend(title=meaning("bars", barred) if barred else "", loc="lower right")
        legend.set_in_layout(False)
    return found
