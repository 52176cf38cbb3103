"""Counts and fits as the series of a figure: the same two panels for `qec demo` and `qec plot`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from experiments.common.fits import Count, Fits
from experiments.plotting.figures import CycleSeries, SuppressionSeries
from qec.statistics import error_per_cycle, likelihood_factor_of, logical_error_rate

_FACTOR = likelihood_factor_of(confidence=0.95)


def suppression_series(label: str, fits: Fits) -> SuppressionSeries:
    """epsilon_d of one code, noise and decoder, with its line."""
    return SuppressionSeries(
        label=label,
        distances=[found.distance for found in fits.distances],
        epsilons=[found.epsilon for found in fits.distances],
        fit=fits.suppression,
    )


def cycle_series(counts: Sequence[Count], fits: Fits) -> list[CycleSeries]:
    """Logical error against cycles, one series for each distance, the bases taken together.

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
                    logical_error_rate(errors=errors[r], shots=shots[r], likelihood_factor=_FACTOR)
                    for r in cycles
                ],
                fit=replace(together, epsilon=found.epsilon) if len(cycles) > 1 else None,
            )
        )
    return series
