"""Logical errors relative to plain matching, with intervals, beside the time: table and plain data."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.bench.accuracy.runs import Run
from experiments.common.points import Point
from experiments.common.tables import estimate, number, table
from experiments.plotting.series import DecoderPanel, DecoderPoint
from qec.statistics import Estimate
from qec.statistics.estimate import sigmas_of

_SIGMAS = sigmas_of(confidence=0.95)


@dataclass(frozen=True)
class Score:
    """One decoder in one cell, beside plain matching on the same shots.

    Attributes:
        decoder: its name.
        peer: whether another library does the work.
        shots: shots that both have decoded.
        both: shots that both got wrong.
        only_own: shots that only this decoder got wrong.
        only_plain: shots that only plain matching got wrong.
        microseconds: mean decoding time of a shot, on one core.
        times_plain: the same divided by plain matching's.
        front: whether no decoder of the cell is both faster and more accurate.
    """

    decoder: str
    peer: bool
    shots: int
    both: int
    only_own: int
    only_plain: int
    microseconds: float
    times_plain: float
    front: bool = False

    @property
    def ratio(self) -> Estimate:
        """Logical errors divided by those of plain matching on the same shots, with a 95 % interval.

        The logarithm of a ratio of paired proportions has the variance (b + c) / ((a + b)(a + c)): a shots
        wrong in both, b and c in one only. One is added to b and to c, so that no difference at all still
        has an interval; NaN where one of the two made no error.
        """
        own, plain = self.both + self.only_own, self.both + self.only_plain
        if not plain or not own:
            return Estimate(math.nan, 0.0, math.inf)
        spread = math.exp(_SIGMAS * math.sqrt((self.only_own + self.only_plain + 2) / (own * plain)))
        return Estimate(own / plain, own / plain / spread, own / plain * spread)


@dataclass(frozen=True)
class CellScores:
    """All decoders of one cell; `notes` says who is missing and why."""

    point: Point
    scores: list[Score]
    notes: list[str]

    @property
    def title(self) -> str:
        """The cell in a few words."""
        return f"d = {self.point.distance}, p = {100 * (self.point.p or 0):g} %"


def score_cell(point: Point, runs: dict[str, Run], *, peers: set[str], reference: str) -> CellScores:
    """Compare all runs of a cell with the reference's."""
    plain = runs[reference]
    found = [
        _score(name, run, plain, peer=name in peers)
        for name, run in runs.items()
        if min(run.shots, plain.shots) > 0
    ]
    notes = [f"{name}: {run.note}" for name, run in runs.items() if run.note]
    return CellScores(point=point, scores=_with_front(found), notes=notes)


def _score(name: str, run: Run, plain: Run, *, peer: bool) -> Score:
    shots = min(run.shots, plain.shots)
    own, others = ({shot for shot in one.failed if shot < shots} for one in (run, plain))
    return Score(
        decoder=name,
        peer=peer,
        shots=shots,
        both=len(own & others),
        only_own=len(own - others),
        only_plain=len(others - own),
        microseconds=run.microseconds,
        times_plain=run.microseconds / plain.microseconds,
    )


def _with_front(scores: Sequence[Score]) -> list[Score]:
    """Mark those that nobody beats in time and errors alike."""
    best = math.inf
    front = set()
    for score in sorted(scores, key=lambda one: one.microseconds):
        if score.ratio.value < best:
            best = score.ratio.value
            front.add(score.decoder)
    return [
        Score(**{**vars(score), "front": score.decoder in front})  # the same but for the mark
        for score in scores
    ]


def text(cells: Sequence[CellScores]) -> str:
    """Tables of all cells."""
    header = ["decoder", "shots", "errors", "plain's", "only it", "only plain", "relative errors [95 %]"]
    header += ["us a shot", "x plain", "front"]
    parts = []
    for cell in cells:
        rows = [
            [
                score.decoder + (" (peer)" if score.peer else ""),
                str(score.shots),
                str(score.both + score.only_own),
                str(score.both + score.only_plain),
                str(score.only_own),
                str(score.only_plain),
                estimate(score.ratio),
                number(score.microseconds),
                number(score.times_plain),
                "*" if score.front else "",
            ]
            for score in sorted(cell.scores, key=lambda one: one.microseconds)
        ]
        parts.append("\n".join([cell.title, table(header, rows), *(f"  {note}" for note in cell.notes)]))
    return "\n\n".join(parts)


def panels(cells: Sequence[CellScores]) -> list[DecoderPanel]:
    """Make the panels of the figure."""
    return [
        DecoderPanel(
            cell.title,
            [DecoderPoint(s.decoder, s.peer, s.microseconds, s.ratio, s.front) for s in cell.scores],
        )
        for cell in cells
    ]


def plain_data(cells: Sequence[CellScores]) -> list[dict[str, Any]]:
    """The same for a JSON file; an unknown ratio is null."""
    found = []
    for cell in cells:
        scores = []
        for score in cell.scores:
            ratio = score.ratio
            ends = [one if np.isfinite(one) else None for one in (ratio.value, ratio.low, ratio.high)]
            scores.append({**vars(score), "relative_errors": ends})
        found.append({"cell": vars(cell.point), "scores": scores, "notes": cell.notes})
    return found
