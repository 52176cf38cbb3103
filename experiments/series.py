"""The plain data that figures are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qec.statistics import CycleFit, Estimate, SuppressionFit


@dataclass(frozen=True)
class SuppressionSeries:
    """Logical error per cycle at several distances, and the line through it.

    Attributes:
        label: What tells this series from others: noise, decoder.
        distances: Code distances.
        epsilons: One estimate for each distance.
        fit: Line to draw with its band; None for points alone.
    """

    label: str
    distances: Sequence[int]
    epsilons: Sequence[Estimate]
    fit: SuppressionFit | None = None


@dataclass(frozen=True)
class CycleSeries:
    """Logical error probability after several numbers of cycles, and the fit to it.

    Attributes:
        label: Usually the distance.
        cycles: Numbers of cycles.
        probabilities: One estimate for each number of cycles, per shot.
        fit: Curve to draw; None for points alone.
    """

    label: str
    cycles: Sequence[int]
    probabilities: Sequence[Estimate]
    fit: CycleFit | None = None


@dataclass(frozen=True)
class DetectionSeries:
    """Detection fraction by cycle, as `qec.statistics.detection_fraction_by_cycle` gives it."""

    label: str
    fractions: Mapping[int, Estimate]


@dataclass(frozen=True)
class RatioSeries:
    """A ratio at several distances, with or without intervals."""

    label: str
    distances: Sequence[int]
    ratios: Sequence[Estimate | float]


Series = SuppressionSeries | CycleSeries | DetectionSeries | RatioSeries


def check_series(series: Sequence[Series]) -> None:
    """Raise ValueError for no series at all, for one without points, and for lengths that disagree."""
    if len(series) == 0:
        raise ValueError("nothing to draw: series is empty")
    for entry in series:
        match entry:
            case SuppressionSeries():
                positions, values = len(entry.distances), len(entry.epsilons)
            case CycleSeries():
                positions, values = len(entry.cycles), len(entry.probabilities)
            case DetectionSeries():
                positions = values = len(entry.fractions)
            case RatioSeries():
                positions, values = len(entry.distances), len(entry.ratios)
        if positions != values:
            raise ValueError(f"series {entry.label!r} has {positions} positions but {values} values")
        if positions == 0:
            raise ValueError(f"series {entry.label!r} has no points")
