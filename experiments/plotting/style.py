"""Style of figures: colours, markers, lines, and the title of a legend."""

from collections.abc import Sequence
from typing import Any

from qec.statistics import Estimate

# Distinct for colour-blind readers; neighbours differ in lightness too, for print in grey.
_COLORS = ("#00508F", "#E07B00", "#0B8457", "#BE62B4", "#7A3208", "#4BA6DC", "#4D4D4D")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES = ("-", (0, (5, 1.6)), (0, (5, 1.4, 1, 1.4)), (0, (1.2, 1.2)), (0, (8, 2, 1, 2, 1, 2)))
# `Any`: matplotlib's own types for these differ between its releases.
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "mathtext.fontset": "dejavusans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.title_fontsize": 7.5,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "#CCCCCC",
    "legend.fancybox": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 5,
    "savefig.dpi": 200,
    "svg.hashsalt": "below-threshold",  # equal names of parts in equal figures
}


def color(index: int) -> str:
    """Look up the series with this number."""
    return _COLORS[index % len(_COLORS)]


def marker(index: int) -> str:
    """Look up the series with this number."""
    return _MARKERS[index % len(_MARKERS)]


def dashes(index: int) -> Any:
    """Line style of the series with this number."""
    return _LINES[index % len(_LINES)]


def joined(label: str, words: str) -> str:
    """Join a label and a remark, either of which may be empty."""
    return f"{label}:  {words}" if label and words else label or words


def meaning(what: str, estimates: Sequence[Estimate], fits: Sequence[Estimate] = ()) -> str:
    """Describe the drawn intervals, and those of the numbers in the legend where they differ."""
    drawn, written = _confidences(estimates), _confidences(fits)
    rest = f"; numbers: {written}" if fits and written != drawn else ""
    return f"{what}: {drawn} intervals{rest}"


def _confidences(estimates: Sequence[Estimate]) -> str:
    different = sorted({estimate.confidence for estimate in estimates})
    return " and ".join(f"{100 * confidence:.4g} %" for confidence in different)
