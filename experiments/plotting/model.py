"""Picture of a detector error model as a graph, from plain geometry."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.lines import Line2D
from matplotlib.patheffects import Normal, withStroke

from experiments.plotting.canvas import (
    BAR_ROOM,
    add_bar,
    add_legend,
    add_text,
    canvas,
    check_path,
    fold,
    save_frames,
)
from experiments.plotting.matching import draw_background, extent_of, points_per_unit
from experiments.plotting.scene import Background, Floats

# Lightness falls evenly: likelier edges are darker and wider.
_SHADES = LinearSegmentedColormap.from_list("likelihood", ["#C9D6DF", "#6FA3C8", "#1F5F99", "#0A2440"])
_FLIPPING: dict[str, Any] = {"color": "white", "linestyle": (0, (0.6, 1.6))}


@dataclass(frozen=True, kw_only=True)
class DrawnErrors:
    """Error mechanisms on paper.

    Attributes:
        segments: float64 (edges, 2, 2): edges between detectors and to the boundary.
        probability: float64 (edges,): of each, above zero.
        flips: bool (edges,): whether it flips an observable.
        stars: For each error that flips more than two detectors: its middle and the places of its
            detectors, float64 (1 + detectors, 2).
        star_probability: float64 (stars,).
    """

    segments: Floats
    probability: Floats
    flips: Any
    stars: Sequence[Floats] = ()
    star_probability: Sequence[float] = ()


def draw_errors(
    *, path: Path | str, background: Background, errors: DrawnErrors, lines: Sequence[str], width: float
) -> Path:
    """Draw a graph with a shade for the probability of each edge.

    Args:
        path: PNG, SVG or PDF file to write.
        background: Detectors, boundary, layers and axes; its edges are drawn again in their shade.
        errors: At least one.
        lines: Text above the picture.
        width: Of the picture in inches.

    Raises:
        ValueError: Another ending, or no errors.
        FileNotFoundError: The folder is missing.
    """
    target = check_path(path, frames=False)
    everything = np.concatenate([errors.probability, errors.star_probability])
    if not everything.size:
        raise ValueError("nothing to draw: the model has no errors")
    low, high = float(everything.min()), float(everything.max())
    norm = LogNorm(low / 1.05, high * 1.05)
    handles = _legend(background, errors)
    extent = extent_of(background, width - BAR_ROOM)
    shape = {
        "extent": extent,
        "width": width,
        "lines": len(fold(lines, width)),
        "entries": len(handles),
        "room": BAR_ROOM,
    }
    with canvas(**shape) as (figure, axes):  # type: ignore[arg-type]
        scale = points_per_unit(axes)
        draw_background(axes, background, scale)
        thick = float(np.clip(0.055 * scale, 0.8, 3.0))
        shares = np.asarray(norm(errors.probability))
        order = np.argsort(errors.probability, kind="stable")  # the likeliest on top
        axes.add_collection(
            LineCollection(
                list(errors.segments[order]),
                colors=_SHADES(shares[order]),
                linewidths=thick * (0.35 + 0.65 * shares[order]),
                zorder=1.5,
            )
        )
        flipping = errors.segments[errors.flips]
        axes.add_collection(LineCollection(list(flipping), linewidths=0.45 * thick, zorder=1.6, **_FLIPPING))
        for star, probability in zip(errors.stars, errors.star_probability, strict=True):
            shade = _SHADES(float(norm(probability)))
            rays = [np.stack([star[0], end]) for end in star[1:]]
            axes.add_collection(LineCollection(rays, colors=[shade], linewidths=0.5 * thick, zorder=1.5))
            axes.plot(*star[0], "D", color=shade, markersize=1.6 * thick, zorder=2)
        size = float(np.clip(0.13 * scale, 1.4, 5.0))
        axes.plot(*background.detectors.T, "o", color="black", markersize=size, markeredgewidth=0, zorder=2.1)
        add_bar(figure, axes, ScalarMappable(norm, _SHADES), "probability of an error")
        add_legend(figure, handles)
        add_text(figure, lines)
        save_frames(figure, target, lambda _: None, frames=1, title="")
    return target


def _legend(background: Background, errors: DrawnErrors) -> list[Artist]:
    handles: list[Artist] = [
        Line2D([], [], marker="o", color="black", markersize=4, linestyle="none", label="detector")
    ]
    if len(background.stubs):
        looks: dict[str, Any] = {"markerfacecolor": "white", "linestyle": "none"}
        handles.append(Line2D([], [], marker="s", color="#707070", label="boundary", **looks))
    if np.any(errors.flips):
        dotted = Line2D([], [], linewidth=1.2, label="edge that flips an observable", **_FLIPPING)
        dotted.set_path_effects([withStroke(linewidth=3, foreground="#1F5F99"), Normal()])
        handles.append(dotted)
    if errors.stars:
        handles.append(
            Line2D(
                [], [], marker="D", markersize=4, color="#1F5F99", label="error on three detectors or more"
            )
        )
    return handles
