"""Pictures of leakage: leaked qubits and detection fraction, cycle by cycle."""

from collections.abc import Mapping
from pathlib import Path

from experiments.plotting.figures import curves_panel, detection_panel
from experiments.plotting.frame import picture
from experiments.plotting.series import CurvePanel, DetectionSeries
from qec.statistics import Estimate


def draw_leakage(
    *, path: Path | str, population: CurvePanel, fractions: Mapping[str, Mapping[int, Estimate]]
) -> Path:
    """Draw leaked qubits and detection fraction against cycles.

    Args:
        path: PNG, SVG or PDF file to write; its folder must exist.
        population: the left panel.
        fractions: case -> cycle -> detection fraction.

    Returns:
        The path.

    Raises:
        ValueError: nothing to draw, or a name with another ending.
        FileNotFoundError: the folder is missing.
    """
    with picture(path, panels=2) as (found, (left, right)):
        curves_panel(left, population)
        left.set_title(rf"$\mathbf{{a}}$   {population.title}", loc="left")
        detection_panel(
            right, [DetectionSeries(label=case, fractions=found) for case, found in fractions.items()]
        )
        # The first and last layers have fewer errors before them; the rest is what leakage changes.
        inner = [e.value for found in fractions.values() for cycle, e in found.items() if cycle >= 2]
        right.set_ylim(0, 110 * max(inner))
        right.set_title(r"$\mathbf{b}$   Detection events", loc="left")
    return found
