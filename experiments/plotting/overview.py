"""Series of epsilon_d and of logical error, over distance, cycles and noise strength."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from experiments.common.fits import Count, Fits
from experiments.plotting.figures import CycleSeries, SuppressionSeries
from experiments.plotting.series import StrengthPanel, StrengthSeries
from qec.statistics import Estimate, error_per_cycle, logical_error_rate


def suppression_series(label: str, fits: Fits) -> SuppressionSeries:
    """Make the series of epsilon_d of one code, noise and decoder, with its fit."""
    return SuppressionSeries(
        label=label,
        distances=[found.distance for found in fits.distances],
        epsilons=[found.epsilon for found in fits.distances],
        fit=fits.suppression,
    )


def cycle_series(counts: Sequence[Count], fits: Fits) -> list[CycleSeries]:
    """Make series of logical error against cycles, one for each distance, the bases taken together.

    The curve has the averaged epsilon that `fits` gives, so that figure and table say the same.
    """
    series = []
    for found in fits.distances:
        errors: dict[int, int] = defaultdict(int)
        shots: dict[int, int] = defaultdict(int)
        for count in counts:
            if count.distance == found.distance:
                errors[count.cycles] += count.errors
                shots[count.cycles] += count.shots
        cycles = sorted(shots)
        together = error_per_cycle(
            cycles=cycles, errors=[errors[r] for r in cycles], shots=[shots[r] for r in cycles]
        )
        series.append(
            CycleSeries(
                label=f"d = {found.distance}",
                cycles=cycles,
                probabilities=[
                    logical_error_rate(errors=errors[r], shots=shots[r], confidence=0.95) for r in cycles
                ],
                fit=replace(together, epsilon=found.epsilon) if len(cycles) > 1 else None,
            )
        )
    return series


def strength_panel(
    title: str,
    epsilons: Mapping[int, Mapping[float, Estimate]],
    crossings: Sequence[tuple[int, int, Estimate | None]],
) -> StrengthPanel:
    """Make the panel of epsilon_d against p.

    Args:
        title: what the panels differ in.
        epsilons: distance -> strength -> logical error per cycle.
        crossings: smaller distance, larger distance, strength; of those known the last is drawn.
    """
    known = [(strength, f"d = {a} and {b} cross") for a, b, strength in crossings if strength is not None]
    return StrengthPanel(
        title=title,
        series=[
            StrengthSeries(label=f"d = {d}", strengths=list(found), epsilons=list(found.values()))
            for d, found in epsilons.items()
        ],
        crossing=known[-1] if known else None,
    )
