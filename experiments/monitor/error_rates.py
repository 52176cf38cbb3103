"""Table of logical errors per cycle and Lambda as they converge, for a terminal."""

import math
from collections.abc import Sequence

from rich.table import Table

from experiments.common.fits import Count, DistanceFit, Fits, fit
from experiments.common.numbers import estimate
from qec.statistics import Estimate, suppression_factor


def error_table(rows: Sequence[Sequence[str]]) -> Table:
    """Make a table of the rows of `error_rows`."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    titles = ("d", "shots", "logical errors", "error per cycle [95 %]", "Lambda [95 %]")
    shown = len(titles) if len(rows) > 1 else len(titles) - 1
    for title in titles[:shown]:
        table.add_column(title, justify="right", no_wrap=True)
    for cells in rows:
        table.add_row(*cells[:shown])
    return table


def error_rows(counts: Sequence[Count]) -> list[list[str]]:
    """Make the cells of a table: a row for each distance, with Lambda from the distance below.

    Args:
        counts: of one code, noise and decoder; those without shots are left out.

    Returns:
        Distance, shots, errors, epsilon_d with its interval, Lambda with its interval.
    """
    known = [count for count in counts if count.shots]
    fits = _fits(known)
    rows = []
    before: DistanceFit | None = None
    for entry in fits.distances:
        own = [count for count in known if count.distance == entry.distance]
        errors = sum(count.errors for count in own)
        rows.append(
            [
                str(entry.distance),
                f"{sum(count.shots for count in own):,}",
                f"{errors:,}",
                _words(entry.epsilon),
                _suppression(before, entry) if before is not None else "",
            ]
        )
        before = entry
    return rows


def _fits(counts: Sequence[Count]) -> Fits:
    return Fits(distances=fit(counts).distances, suppression=None) if counts else Fits([], None)


def _suppression(below: DistanceFit, entry: DistanceFit) -> str:
    distances = [below.distance, entry.distance]
    found = suppression_factor(distances=distances, epsilons=[below.epsilon, entry.epsilon])
    return _words(found.value)


def _words(found: Estimate) -> str:
    return estimate(found) if math.isfinite(found.value) else "-"
