"""Pictures of repetition codes: a burst in space and time."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.plotting.frame import picture
from experiments.plotting.style import color


def draw_burst(
    *,
    path: Path | str,
    events: NDArray[np.bool_],
    start_ms: float,
    cycle_ms: float,
    fractions: NDArray[np.float64],
    bin_cycles: int,
    curve: NDArray[np.float64],
    curve_label: str,
) -> Path:
    """Draw detection events in space and time, and the detection fraction.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        events: bool (cycles, checks).
        start_ms: time of the first cycle, the burst's onset being zero, in milliseconds.
        cycle_ms: duration of a cycle in milliseconds.
        fractions: detection fraction near the burst in stretches of `bin_cycles` cycles.
        bin_cycles: cycles in a stretch.
        curve: the same as fitted, from the onset on.
        curve_label: what the curve is.

    Returns:
        The path.

    Raises:
        ValueError: no events at all, or a name with another ending.
        FileNotFoundError: the folder is missing.
    """
    if events.ndim != 2 or events.size == 0:
        raise ValueError(f"events have shape {events.shape}: expected (cycles, checks), neither of them 0")
    with picture(path, panels=2) as (found, (left, right)):
        cycle, check = np.nonzero(events)
        left.plot(
            start_ms + cycle_ms * cycle, check, linestyle="", marker=".", markersize=1.2, color=color(0)
        )
        left.axvline(0, color=color(1), linewidth=0.8)
        left.set_xlim(start_ms, start_ms + cycle_ms * len(events))
        left.set_ylim(-0.5, events.shape[1] - 0.5)
        left.set_xlabel("time since the onset (ms)")
        left.set_ylabel("check along the chain")
        left.set_title(r"$\mathbf{a}$   Detection events", loc="left")

        times = start_ms + cycle_ms * bin_cycles * (np.arange(len(fractions)) + 0.5)
        right.plot(times, 100 * fractions, color=color(0), linewidth=1.0, marker="o", markersize=2.5)
        later = cycle_ms * bin_cycles * (np.arange(len(curve)) + 0.5)
        right.plot(later, 100 * curve, color=color(1), linestyle="--", label=curve_label)
        right.set_ylim(bottom=0)
        right.grid(axis="y")
        right.set_xlabel("time since the onset (ms)")
        right.set_ylabel("detection fraction near the centre (%)")
        right.set_title(r"$\mathbf{b}$   Six checks at the centre", loc="left")
        right.legend(loc="upper right")
    return found
