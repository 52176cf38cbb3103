"""Mean latencies with intervals, and their ratios between long and short shots."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from experiments.loop.results import Run
from qec.statistics import Estimate

_CONFIDENCE = 0.95
_RESAMPLES = 4000


def mean(times_ns: Sequence[int | None]) -> Estimate:
    """Mean of times in microseconds, with Student's interval; times that never ended are left out.

    NaN without any time; an infinite interval for a single one.
    """
    known = np.array([t for t in times_ns if t is not None], dtype=np.float64) / 1e3
    if not known.size:
        return Estimate(float("nan"), 0.0, float("inf"), confidence=_CONFIDENCE)
    value = float(known.mean())
    if known.size == 1:
        return Estimate(value, 0.0, float("inf"), confidence=_CONFIDENCE)
    error = float(known.std(ddof=1) / np.sqrt(known.size))
    reach = float(stdtrit(known.size - 1, 0.5 + _CONFIDENCE / 2)) * error
    return Estimate(value, max(0.0, value - reach), value + reach, confidence=_CONFIDENCE)


def reference(runs: Sequence[Run]) -> Run | None:
    """Choose the runs that the longest shots are compared with: a hundredth of their cycles, or the shortest.

    Args:
        runs: of one stream, by length.
    """
    if len(runs) < 2:
        return None
    longest = runs[-1].cycles
    return max((run for run in runs[:-1] if run.cycles <= longest / 50), key=_cycles, default=runs[0])


def ratio(long: Run, short: Run, kind: str) -> tuple[Estimate, float]:
    """Mean latency after long shots divided by that after short ones.

    Shots of both lengths end with the same data, shot by shot (`Shot.index` modulo the number of endings),
    so the difference between endings cancels: the interval is that of a bootstrap over endings (Efron and
    Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), each with all its shots of both lengths.

    Args:
        long, short: the runs; endings of `long` are its distinct shots.
        kind: "decision" or "loop".

    Returns:
        The ratio of means, and the ratio of medians, which single hiccups do not move.
    """
    endings = 1 + max((shot.index for shot in long.shots), default=0)
    sums = np.array([_by_ending(run, kind, endings) for run in (long, short)])
    known = np.flatnonzero((sums[:, 1] > 0).all(axis=0))
    nothing = Estimate(float("nan"), 0.0, float("inf"), confidence=_CONFIDENCE)
    if not known.size:
        return nothing, float("nan")
    totals = sums[:, :, known]
    value = _quotient(totals.sum(axis=2))
    medians = [np.median(_times(run, kind)) for run in (long, short)]
    middle = float(medians[0] / medians[1])
    if known.size < 2:
        return Estimate(value, 0.0, float("inf"), confidence=_CONFIDENCE), middle
    picks = np.random.default_rng(1).integers(known.size, size=(_RESAMPLES, known.size))
    resampled = [_quotient(totals[:, :, pick].sum(axis=2)) for pick in picks]
    low, high = np.quantile(resampled, [0.5 - _CONFIDENCE / 2, 0.5 + _CONFIDENCE / 2])
    return Estimate(value, min(value, low), max(value, high), confidence=_CONFIDENCE), middle


def _cycles(run: Run) -> int:
    return run.cycles


def _quotient(totals: NDArray[np.float64]) -> float:
    """Divide two means, given as [[sum, count], [sum, count]]."""
    (long_sum, long_count), (short_sum, short_count) = totals
    return float(long_sum / long_count / (short_sum / short_count))


def _by_ending(run: Run, kind: str, endings: int) -> NDArray[np.float64]:
    """Sum and count of the times after each ending, float64 (2, endings)."""
    found = np.zeros((2, endings))
    for shot in run.shots:
        value = getattr(shot, f"{kind}_ns")
        if value is not None:
            found[:, shot.index % endings] += value, 1
    return found


def _times(run: Run, kind: str) -> list[int]:
    values = [getattr(shot, f"{kind}_ns") for shot in run.shots]
    return [value for value in values if value is not None]
