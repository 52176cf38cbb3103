"""Draw the figure of docs/pages/second_matching.md.

Run from the root of the project: python docs/second_matching_figure.py
"""

from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

FIGURE = Path(__file__).parent / "pages" / "figures" / "second_matching.svg"
# The component whose matching implies something, and the one that is matched again. Weights as in the text.
PAIR_WEIGHT, BOUNDARY_WEIGHT, MIDDLE_WEIGHT, LOWERED_WEIGHT = 4, 4, 10, 2


def draw_edge(axes: Axes, y: float, start: float, end: float, *, matched: bool, text: str) -> None:
    """Draw an edge along the x axis; thick if it is part of the matching."""
    axes.plot([start, end], [y, y], color="black", lw=3.2 if matched else 1.0, zorder=2)
    axes.text((start + end) / 2, y + 0.28, text, ha="center", va="bottom", fontsize=8)


def draw_region(axes: Axes, y: float, centre: float, radius: float, low: float, high: float) -> None:
    """Draw a region: all points of the edges within a radius, inside the ends of the chain."""
    left, right = max(centre - radius, low), min(centre + radius, high)
    axes.fill_between([left, right], y - 0.17, y + 0.17, color="0.72", alpha=0.75, lw=0, zorder=1)


def draw_chain(axes: Axes, y: float, middle: float, radius: float, *, paired: bool, text: str) -> None:
    """Draw boundary - 2 - 3 - boundary."""
    left, right = -middle / 2, middle / 2
    low, high = left - BOUNDARY_WEIGHT, right + BOUNDARY_WEIGHT
    for centre in (left, right):
        draw_region(axes, y, centre, radius, low, high)
    draw_edge(axes, y, low, left, matched=not paired, text=f"{BOUNDARY_WEIGHT}")
    draw_edge(axes, y, left, right, matched=paired, text=text)
    draw_edge(axes, y, right, high, matched=not paired, text=f"{BOUNDARY_WEIGHT}")
    for x, name in ((left, "2"), (right, "3")):
        axes.plot(x, y, "o", color="black", ms=6, zorder=3)
        axes.text(x, y - 0.32, name, ha="center", va="top", fontsize=9)
    for x in (low, high):
        axes.plot([x, x], [y - 0.25, y + 0.25], color="black", lw=1.6, zorder=3)


def draw_pair(axes: Axes, y: float) -> None:
    """Draw 0 - 1, whose edge implies 2 - 3."""
    left, right = -PAIR_WEIGHT / 2, PAIR_WEIGHT / 2
    for centre in (left, right):
        draw_region(axes, y, centre, PAIR_WEIGHT / 2, left - 3, right + 3)
    draw_edge(axes, y, left, right, matched=True, text=f"{PAIR_WEIGHT}")
    for x, name in ((left, "0"), (right, "1")):
        axes.plot(x, y, "o", color="black", ms=6, zorder=3)
        axes.text(x, y - 0.32, name, ha="center", va="top", fontsize=9)


def main() -> None:
    """Draw three panels: first matching, lowered weight, second matching."""
    mpl.rcParams["svg.hashsalt"] = "second matching"  # the same file from every run
    mpl.rcParams["svg.fonttype"] = "none"
    figure, panels = plt.subplots(1, 3, figsize=(9.0, 2.6), layout="constrained")
    titles = ("(a) first matching", "(b) edge 2-3 lowered to 2: regions overlap", "(c) second matching")
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, fontsize=9)
        axes.set_xlim(-10, 10)
        axes.set_ylim(-1.0, 2.6)
        axes.set_axis_off()
        draw_pair(axes, 1.7)
    draw_chain(panels[0], 0, MIDDLE_WEIGHT, 4, paired=False, text=f"{MIDDLE_WEIGHT}")
    draw_chain(panels[1], 0, LOWERED_WEIGHT, 4, paired=False, text=f"{LOWERED_WEIGHT}")
    draw_chain(panels[2], 0, LOWERED_WEIGHT, 1, paired=True, text=f"{LOWERED_WEIGHT}")
    arrow = {"arrowstyle": "->", "color": "black"}
    panels[1].annotate("", xy=(0, 0.62), xytext=(0, 1.5), arrowprops=arrow)
    panels[1].text(3.0, 1.0, "implies", va="center", fontsize=8)
    figure.savefig(FIGURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
