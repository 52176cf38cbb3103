"""Map of detection fractions on a chip."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PolyCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize

from experiments.plotting.canvas import BAR_ROOM, add_bar, add_text, canvas, check_path, fold, save_frames
from experiments.plotting.scene import Floats

# Lightness falls evenly, so that the map reads in grey.
_SHADES = LinearSegmentedColormap.from_list(
    "fraction", ["#FFF7E0", "#FBC15E", "#DD6B2C", "#8C2A3C", "#2E1033"]
)


def draw_map(
    *, path: Path | str, places: Floats, percent: Floats, lines: Sequence[str], width: float
) -> Path:
    """Draw one square for each place, with its value.

    Args:
        path: PNG, SVG or PDF file to write.
        places: float64 (places, 2): x and y, distinct.
        percent: float64 (places,).
        lines: Text above the picture.
        width: Of the picture in inches.

    Raises:
        ValueError: Another ending.
        FileNotFoundError: The folder is missing.
    """
    target = check_path(path, frames=False)
    side = 0.94 * _least_distance(places)
    low, high = places.min(axis=0) - 0.6 * side, places.max(axis=0) + 0.6 * side
    extent = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    least, most = float(percent.min()), float(percent.max())
    # Equal fractions do not get the ends of the scale.
    spread = max(most - least, 0.2 * most, 1e-9)
    norm = Normalize(max(0.0, (least + most - spread) / 2), (least + most + spread) / 2)
    shape = {
        "extent": extent,
        "width": width,
        "lines": len(fold(lines, width)),
        "entries": 1,
        "room": BAR_ROOM,
    }
    with canvas(**shape) as (figure, axes):  # type: ignore[arg-type]
        corners = side / 2 * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
        squares = PolyCollection(
            list(places[:, np.newaxis] + corners), facecolors=_SHADES(norm(percent)), edgecolors="#777777"
        )
        squares.set_linewidth(0.4)
        axes.add_collection(squares)
        box = axes.get_position()
        inches = side / (extent[1] - extent[0]) * box.width * width
        size = min(9.0, 72 * inches / 3.2)
        for place, value in zip(places, percent, strict=True):
            red, green, blue, _ = _SHADES(norm(value))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            if size >= 4:
                axes.text(
                    place[0],
                    place[1],
                    f"{value:.1f}",
                    ha="center",
                    va="center",
                    fontsize=size,
                    color="white" if dark else "black",
                )
        add_bar(figure, axes, ScalarMappable(norm, _SHADES), "detection fraction (%)")
        add_text(figure, lines)
        save_frames(figure, target, lambda _: None, frames=1, title="")
    return target


def _least_distance(places: Floats) -> float:
    """Return the least distance between two places in the maximum norm, 1 for a single place."""
    if len(places) < 2:
        return 1.0
    apart = np.abs(places[:, np.newaxis] - places).max(axis=2)
    np.fill_diagonal(apart, np.inf)
    return float(apart.min())
