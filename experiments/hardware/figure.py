"""Figure of `qec hardware`: logical error per cycle against distance, measured here and published."""

from collections.abc import Sequence
from pathlib import Path

from experiments.hardware.results import PUBLISHED, Total, suppression


def draw(path: Path | str, totals: Sequence[Total]) -> Path | None:
    """Draw the mean error per cycle of each decoder at each distance, with Lambda.

    Args:
        path: PNG, SVG or PDF file to write.
        totals: results by distance; those without a fit over cycles are left out.

    Returns:
        The path, or None where no decoder has a fit.
    """
    # Matplotlib takes a while to import, and `qec hardware --help` does not need it.
    from experiments.plotting.figures import SuppressionSeries, draw_suppression

    fits = suppression(totals)
    series = []
    for key in dict.fromkeys((total.source, total.decoder) for total in totals):
        points = [
            (total.distance, total.epsilon)
            for total in totals
            if (total.source, total.decoder) == key and total.epsilon is not None
        ]
        if points:
            source, decoder = key
            series.append(
                SuppressionSeries(
                    label=f"{decoder} (published)" if source == PUBLISHED else decoder,
                    distances=[distance for distance, _ in points],
                    epsilons=[epsilon for _, epsilon in points],
                    fit=fits.get(key),
                )
            )
    if not series:
        return None
    return draw_suppression(
        path=path, series=series, title="Recorded experiments, mean over patches and bases"
    )
