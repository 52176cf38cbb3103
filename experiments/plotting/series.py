"""Data of figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qec.statistics import CycleFit, Estimate, SuppressionFit, soft


@dataclass(frozen=True)
class SuppressionSeries:
    """Logical error per cycle at several distances, and the line through it.

    Attributes:
        label: What distinguishes this series: noise, decoder.
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
class StrengthSeries:
    """Logical error per cycle at several strengths of the noise.

    Attributes:
        label: Usually the distance.
        strengths: Strengths p of the noise model, increasing.
        epsilons: One estimate for each strength.
    """

    label: str
    strengths: Sequence[float]
    epsilons: Sequence[Estimate]


@dataclass(frozen=True, kw_only=True)
class StrengthPanel:
    """Logical error against noise strength, one series for each distance.

    Attributes:
        title: What the panels differ in, such as the decoder; may be empty.
        series: At least one.
        crossing: Strength at which two of the series cross, and its meaning; None where they do not.
    """

    title: str
    series: Sequence[StrengthSeries]
    crossing: tuple[Estimate, str] | None = None


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


@dataclass(frozen=True)
class CurveSeries:
    """Values over anything, with or without intervals."""

    label: str
    x: Sequence[float]
    y: Sequence[Estimate | float]


@dataclass(frozen=True, kw_only=True)
class CurvePanel:
    """One panel of curves.

    Attributes:
        title: A short one.
        x_label: What the horizontal axis shows, with its unit.
        y_label: What the vertical axis shows, with its unit.
        series: At least one.
        log_x: Logarithmic horizontal axis.
        log_y: Logarithmic vertical axis; a value of zero is then an arrow down from its upper end.
        whole_x: Whole numbers on the horizontal axis, if it is not logarithmic.
        level: A value to mark by a horizontal line, and its meaning.
        level_side: The end of that line at which its meaning is written.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[CurveSeries]
    log_x: bool = False
    log_y: bool = False
    whole_x: bool = True
    level: tuple[float, str] | None = None
    level_side: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class GapSeries:
    """Complementary gaps of one memory.

    Attributes:
        label: Usually the distance.
        calibration: Predicted and observed error by bins of the gap.
        curve: Error of the shots kept, for each fraction discarded.
    """

    label: str
    calibration: Sequence[soft.CalibrationBin]
    curve: Sequence[soft.Kept]


@dataclass(frozen=True)
class DecoderPoint:
    """Time and errors of one decoder.

    Attributes:
        decoder: Its name.
        peer: Whether it belongs to another library.
        microseconds: Mean decoding time of a shot.
        ratio: Logical errors divided by those of plain matching.
        front: Whether no decoder of the panel is both faster and more accurate.
    """

    decoder: str
    peer: bool
    microseconds: float
    ratio: Estimate
    front: bool


@dataclass(frozen=True)
class DecoderPanel:
    """All decoders on the same shots."""

    title: str
    points: Sequence[DecoderPoint]


Series = SuppressionSeries | CycleSeries | StrengthSeries | DetectionSeries | RatioSeries | CurveSeries


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
            case StrengthSeries():
                positions, values = len(entry.strengths), len(entry.epsilons)
            case DetectionSeries():
                positions = values = len(entry.fractions)
            case RatioSeries():
                positions, values = len(entry.distances), len(entry.ratios)
            case CurveSeries():
                positions, values = len(entry.x), len(entry.y)
        if positions != values:
            raise ValueError(f"series {entry.label!r} has {positions} positions but {values} values")
        if positions == 0:
            raise ValueError(f"series {entry.label!r} has no points")
