"""Cases of known truth, and how often intervals contain it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qec.statistics import Estimate

#: Coverage may fall below the stated confidence by so much.
MARGIN = 0.01
# Standard errors by which a coverage has to lie below the bar: 5e-7 for one case.
_SIGMAS = 4.9


@dataclass(frozen=True, kw_only=True)
class Case:
    """Interval under known conditions.

    Attributes:
        quantity: what is estimated, and the function.
        conditions: in a few words.
        draw: draws data and returns one or several estimates, each divided by its truth.
        share: repetitions, in units of the number asked for; below 1 for slow cases.
    """

    quantity: str
    conditions: str
    draw: Callable[[np.random.Generator], Sequence[Estimate]]
    share: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Coverage of the intervals of a case.

    Attributes:
        case: the case.
        repetitions: data sets drawn.
        stated: confidence of the intervals.
        covered: fraction of intervals that contain the truth.
        covered_error: its standard error.
        too_high: fraction of intervals wholly above the truth.
        too_low: fraction of intervals wholly below the truth.
        median: of the estimates divided by the truth.
        mean: of the finite estimates divided by the truth.
    """

    case: Case
    repetitions: int
    stated: float
    covered: float
    covered_error: float
    too_high: float
    too_low: float
    median: float
    mean: float

    @property
    def holds(self) -> bool:
        """Whether the coverage is not significantly below the stated one minus the margin."""
        return self.covered + _SIGMAS * self.covered_error >= self.stated - MARGIN


def measure(case: Case, *, repetitions: int, seed: int) -> Coverage:
    """Draw data sets of a case and count the intervals that contain the truth."""
    runs = max(2, round(repetitions * case.share))
    rng = np.random.default_rng(seed)
    covered, values, above, below = [], [], 0, 0
    stated = math.nan
    for _ in range(runs):
        found = case.draw(rng)
        inside = [one.low <= 1 <= one.high for one in found]
        covered.append(sum(inside) / len(inside))
        above += sum(one.low > 1 for one in found)
        below += sum(one.high < 1 for one in found)
        values += [one.value for one in found]
        stated = found[0].confidence
    each = len(values) / runs
    # Estimates of one data set are correlated: the scatter between data sets counts.
    scatter = max(float(np.std(covered, ddof=1)), math.sqrt(stated * (1 - stated) / each))
    finite = [value for value in values if math.isfinite(value)]
    known = [value for value in values if not math.isnan(value)]
    return Coverage(
        case=case,
        repetitions=runs,
        stated=stated,
        covered=float(np.mean(covered)),
        covered_error=scatter / math.sqrt(runs),
        too_high=above / len(values),
        too_low=below / len(values),
        median=float(np.median(known)) if known else math.nan,
        mean=float(np.mean(finite)) if finite else math.nan,
    )


def relative(estimate: Estimate, truth: float) -> list[Estimate]:
    """Divide an estimate by its positive truth."""
    return [
        Estimate(estimate.value / truth, estimate.low / truth, estimate.high / truth, estimate.confidence)
    ]
