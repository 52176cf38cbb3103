"""Pictures of matchings and matching graphs from plain geometry.

Everything differs in lightness, width or dashes as well as in colour, so that a picture reads in grey.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import Normal, withStroke

from experiments.plotting.canvas import add_legend, add_text, canvas, check_path, fold, save_frames
from experiments.plotting.scene import Background, Floats, Moment

_FACES = {"growing": "#F0A33C", "matched": "#CBE2F3", "shrinking": "#8F78C4"}
_RIMS: dict[str, tuple[str, float, Any]] = {
    "growing": ("#7A3D00", 1.3, "-"),
    "matched": ("#6C9CC2", 0.8, "-"),
    "shrinking": ("#3D2A70", 1.1, (0, (2, 1.5))),
}
_BLOSSOM: dict[str, Any] = {"color": "#5B2C83", "linestyle": (0, (5, 2)), "linewidth": 1.7}
_CYCLE: dict[str, Any] = {"color": "#5B2C83", "linestyle": (0, (1, 1.4)), "linewidth": 1.6}
_TREE: dict[str, Any] = {"color": "#222222", "linestyle": (0, (4, 2)), "linewidth": 1.1}
_PATH: dict[str, Any] = {"color": "#000000", "linewidth": 2.6}
_FLIPPING_CORE = "#FFFFFF"
_FAINT, _EDGE, _DOT = "#ECECEC", "#DADADA", "#B5B5B5"


def draw_scene(
    *,
    path: Path | str,
    background: Background,
    moments: Sequence[Moment],
    title: str,
    width: float,
    note_progress: Callable[[int], None] | None = None,
) -> Path:
    """Draw moments of a matching.

    Args:
        path: File to write; its ending decides: .png, .svg or .pdf take the last moment, .gif and .html all.
        background: The graph.
        moments: At least one, with equal numbers of lines.
        title: Of an HTML page.
        width: Of the picture in inches.
        note_progress: Called with the number of each frame.

    Raises:
        ValueError: Another ending.
        FileNotFoundError: The folder is missing.
    """
    target = check_path(path)
    handles = _legend(background, moments)
    lines = max(len(fold(moment.lines, width)) for moment in moments)
    extent = extent_of(background, width)
    with canvas(extent=extent, width=width, lines=lines, entries=len(handles)) as (figure, axes):
        scale = points_per_unit(axes)
        draw_background(axes, background, scale)
        add_legend(figure, handles)
        drawn: list[Artist] = []

        def draw(number: int) -> None:
            if note_progress is not None:
                note_progress(number)
            while drawn:
                drawn.pop().remove()
            drawn.extend(_draw_moment(axes, moments[number], scale))
            drawn.extend(add_text(figure, moments[number].lines))

        save_frames(figure, target, draw, frames=len(moments), title=title)
    return target


def extent_of(background: Background, width: float) -> tuple[float, float, float, float]:
    """Return smallest and largest x, smallest and largest y of a picture of this width in inches."""
    points = [background.detectors, background.edges.reshape(-1, 2), background.stubs.reshape(-1, 2)]
    points += [outline for outline, _ in background.layers]
    everything = np.concatenate(points) if len(points[0]) else np.zeros((1, 2))
    low, high = everything.min(axis=0) - 0.25, everything.max(axis=0) + 0.25
    inch = (high[0] - low[0]) / width
    if background.layers:
        low[0] -= 0.25 * inch  # labels of layers
    if background.arrows:
        # The corner below the first layer is empty.
        left = min(((*outline[outline[:, 0].argmin()],) for outline, _ in background.layers), default=low)
        low[1] = min(low[1], left[1] - 0.9 * inch)
    # Neither a chain nor a tower becomes a thin strip.
    size, middle = high - low, (high + low) / 2
    size = np.maximum(size, (0.6 * size[1], 0.22 * size[0]))
    low, high = middle - size / 2, middle + size / 2
    return float(low[0]), float(high[0]), float(low[1]), float(high[1])


def points_per_unit(axes: Axes) -> float:
    """Return how many points of paper an edge is long, about."""
    figure = axes.figure
    assert figure is not None
    box = axes.get_position()
    width, height = figure.get_size_inches()  # type: ignore[union-attr]
    across = box.width * width / np.ptp(axes.get_xlim())
    return float(72 * min(across, box.height * height / np.ptp(axes.get_ylim())))


def draw_background(axes: Axes, background: Background, scale: float) -> None:
    """Draw layers, edges, detectors and the directions of the axes; `scale` is from `points_per_unit`."""
    for outline, label in background.layers:
        axes.add_collection(
            PolyCollection([outline], facecolors="none", edgecolors=_FAINT, linewidths=0.9, zorder=0)
        )
        corner = outline[outline[:, 0].argmin()]
        axes.annotate(
            label,
            corner,
            xytext=(-3, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            fontsize=7.5,
            color="#555555",
        )
    for segments in (background.edges, background.stubs):
        axes.add_collection(LineCollection(_lines(segments), colors=_EDGE, linewidths=0.5, zorder=1))
    size = float(np.clip(0.10 * scale, 1.2, 3.2))
    _draw_ends(axes, background.stubs[:, 1], colour=_DOT, size=size, zorder=2)
    axes.plot(*background.detectors.T, "o", color=_DOT, markersize=size, markeredgewidth=0, zorder=2)
    _draw_arrows(axes, background, scale)


def _draw_arrows(axes: Axes, background: Background, scale: float) -> None:
    """Draw the directions of the axes in the lower left corner, half an inch in all."""
    inch = 72 / scale
    lowest = min((direction[1] / np.hypot(*direction) for direction, _ in background.arrows), default=0.0)
    corner = np.array([axes.get_xlim()[0], axes.get_ylim()[0]])
    start = corner + np.array([0.12, 0.12 - 0.3 * min(lowest, 0.0)]) * inch
    for direction, name in background.arrows:
        along = direction / np.hypot(*direction)
        arrow = {"arrowstyle": "->", "color": "#555555", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
        tip = start + 0.3 * inch * along
        axes.annotate("", (tip[0], tip[1]), xytext=(start[0], start[1]), arrowprops=arrow)
        label = "cycle" if name == "t" else name
        place = start + 0.4 * inch * along
        axes.text(place[0], place[1], label, ha="center", va="center", fontsize=7.5, color="#555555")


def _draw_ends(axes: Axes, places: Floats, *, colour: str, size: float, zorder: float) -> list[Artist]:
    """Draw the boundary as hollow squares."""
    looks: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": colour, "markeredgewidth": 0.7}
    return list(axes.plot(*places.T, "s", markersize=size, zorder=zorder, **looks))


def _lines(segments: Floats) -> list[Any]:
    return list(segments)


def _draw_moment(axes: Axes, moment: Moment, scale: float) -> list[Artist]:
    found: list[Artist] = []
    for state in ("matched", "shrinking", "growing"):
        outlines = [region.outline for region in moment.regions if region.state == state]
        if outlines:
            colour, wide, dashes = _RIMS[state]
            for alpha, face, rim, zorder in ((0.62, _FACES[state], "none", 3.0), (1.0, "none", colour, 3.1)):
                found.append(
                    axes.add_collection(
                        PolyCollection(
                            outlines,
                            facecolors=face,
                            edgecolors=rim,
                            linewidths=wide,
                            linestyles=[dashes],
                            joinstyle="round",
                            alpha=alpha,
                            zorder=zorder,
                        )
                    )
                )
    if moment.blossoms:
        rings = PolyCollection(list(moment.blossoms), facecolors="none", zorder=3.6, **_edges_of(_BLOSSOM))
        found.append(axes.add_collection(rings))
    for segments, looks, zorder in ((moment.trees, _TREE, 4.0), (moment.cycles, _CYCLE, 4.2)):
        if len(segments):
            found.append(axes.add_collection(LineCollection(_lines(segments), zorder=zorder, **looks)))
    thick = float(np.clip(0.085 * scale, 1.7, 3.4))
    for segments, core in ((moment.matched.plain, None), (moment.matched.flipping, _FLIPPING_CORE)):
        if not len(segments):
            continue
        width = thick if core is None else 1.55 * thick
        looks = {"linewidths": width, "capstyle": "round"}
        found.append(
            axes.add_collection(LineCollection(_lines(segments), colors="black", zorder=4.5, **looks))
        )
        if core is not None:
            looks["linewidths"] = 0.6 * thick
            found.append(
                axes.add_collection(LineCollection(_lines(segments), colors=core, zorder=4.6, **looks))
            )
    size = float(np.clip(0.25 * scale, 3.2, 8.0))
    if len(moment.matched.exits):
        found += _draw_ends(axes, moment.matched.exits, colour="black", size=0.7 * size, zorder=5)
    if len(moment.events):
        found += axes.plot(
            *moment.events.T,
            "o",
            color="black",
            markersize=size,
            markeredgecolor="white",
            markeredgewidth=0.7,
            zorder=5,
        )
    for place, name in zip(moment.events, moment.names, strict=False):
        text = axes.annotate(
            name,
            place,
            xytext=(0.45 * size + 1, 0.45 * size + 1),
            textcoords="offset points",
            fontsize=7.5,
            zorder=6,
        )
        text.set_bbox({"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.6})
        found.append(text)
    return found


def _edges_of(looks: dict[str, Any]) -> dict[str, Any]:
    return {
        "edgecolors": looks["color"],
        "linestyles": [looks["linestyle"]],
        "linewidths": looks["linewidth"],
    }


def _legend(background: Background, moments: Sequence[Moment]) -> list[Artist]:
    """Make entries for what any moment shows."""
    handles: list[Artist] = []
    if any(len(moment.events) for moment in moments):
        handles.append(Line2D([], [], marker="o", color="black", linestyle="none", label="detection event"))
    if any(len(moment.matched.plain) for moment in moments):
        handles.append(Line2D([], [], label="matched path", **_PATH))
    if any(len(moment.matched.flipping) for moment in moments):
        hollow = Line2D([], [], color="white", linewidth=1.7, label="matched, flips an observable")
        hollow.set_path_effects([withStroke(linewidth=4.2, foreground="black"), Normal()])
        handles.append(hollow)
    states = {region.state for moment in moments for region in moment.regions}
    words = {
        "growing": "growing region",
        "shrinking": "shrinking region",
        "matched": "region of a matched event",
    }
    for state in ("growing", "shrinking", "matched"):
        if state in states:
            colour, wide, dashes = _RIMS[state]
            handles.append(
                Patch(
                    facecolor=_FACES[state],
                    edgecolor=colour,
                    linestyle=dashes,
                    linewidth=wide,
                    label=words[state],
                )
            )
    if any(moment.blossoms for moment in moments):
        handles.append(Line2D([], [], label="blossom", **_BLOSSOM))
    if any(len(moment.cycles) for moment in moments):
        handles.append(Line2D([], [], label="odd cycle of a blossom", **_CYCLE))
    if any(len(moment.trees) for moment in moments):
        handles.append(Line2D([], [], label="alternating tree", **_TREE))
    if len(background.stubs):
        handles.append(
            Line2D(
                [],
                [],
                marker="s",
                color="#707070",
                markerfacecolor="white",
                linestyle="none",
                label="boundary",
            )
        )
    return handles
