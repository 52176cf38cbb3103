"""What `qec gap` finds out about one memory."""

from dataclasses import dataclass

from qec.statistics import soft


@dataclass(frozen=True)
class GapResult:
    """What the gaps of one memory say.

    Attributes:
        distance: code distance.
        cycles: number of cycles.
        calibration: predicted against observed error.
        kept: what is left after discarding, for the fractions of the table.
        curve: the same for those of the figure.
        cost: decoding time with gaps divided by that without, median over the pieces of the shots.
    """

    distance: int
    cycles: int
    calibration: list[soft.CalibrationBin]
    kept: list[soft.Kept]
    curve: list[soft.Kept]
    cost: float

    @property
    def predicted(self) -> float:
        """Mean error probability that the gaps predict."""
        shots = sum(one.shots for one in self.calibration)
        return sum(one.predicted * one.shots for one in self.calibration) / shots
