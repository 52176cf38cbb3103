"""Paired comparison of decoders on circuits of many families: table, verdicts, plain data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.bench.codes.runs import REFERENCE, Cell, Run
from experiments.common.numbers import number
from experiments.common.terminal import table

# Decoder -> those that it must not make more errors than.
BARS = {
    "mwpm-correlated": (REFERENCE, "pymatching-correlated"),
    "belief-matching": (REFERENCE,),
    "trellis": (REFERENCE,),
}
_SIGMAS = 2.0
# Ratios of fewer errors say little.
_FEW = 100


@dataclass(frozen=True)
class Pair:
    """Two decoders on the shots that both have decoded.

    Attributes:
        shots: their number.
        errors: of the first decoder.
        others: of the second decoder.
        only_own: shots that only the first one got wrong.
        only_other: shots that only the second one got wrong.
    """

    shots: int
    errors: int
    others: int
    only_own: int
    only_other: int

    @classmethod
    def of(cls, own: Run, other: Run) -> "Pair":
        """Compare two runs as far as both go."""
        shots = min(own.shots, other.shots)
        first, second = (np.concatenate([*run.wrong, np.zeros(0, np.bool_)])[:shots] for run in (own, other))
        counts = (first.sum(), second.sum(), (first & ~second).sum(), (second & ~first).sum())
        return cls(shots, *(int(count) for count in counts))

    @property
    def z(self) -> float:
        """Difference of the errors in standard deviations; 0 where the two never differ (McNemar)."""
        differing = self.only_own + self.only_other
        return (self.only_own - self.only_other) / math.sqrt(differing) if differing else 0.0

    @property
    def worse(self) -> bool:
        """Whether the first decoder makes more errors, beyond two standard deviations."""
        return self.z > _SIGMAS


@dataclass(frozen=True)
class Score:
    """One decoder in one cell.

    Attributes:
        cell: the circuit.
        decoder: its name.
        refused: shots that it raised an error for; they count as errors.
        microseconds: mean time of a shot.
        pairs: the other decoder's name -> comparison; with plain matching, and those of its bar.
        note: why it decoded nothing, if so.
    """

    cell: Cell
    decoder: str
    refused: int
    microseconds: float
    pairs: dict[str, Pair]
    note: str

    @property
    def failures(self) -> list[str]:
        """Decoders of the bar that make fewer errors."""
        return [name for name in BARS.get(self.decoder, ()) if name in self.pairs and self.pairs[name].worse]

    @property
    def verdict(self) -> str:
        """Result of the comparison in a few words; empty without a bar."""
        if self.note:
            return "no shots"
        if self.decoder not in BARS or not self.pairs[REFERENCE].shots:
            return ""
        if self.failures:
            return "missed: " + ", ".join("plain" if one == REFERENCE else one for one in self.failures)
        return "met"


def score_cell(cell: Cell, runs: Mapping[str, Run]) -> list[Score]:
    """Compare all runs of a cell."""
    found = []
    for name, run in runs.items():
        rivals = dict.fromkeys([REFERENCE, *BARS.get(name, ())])
        pairs = {other: Pair.of(run, runs[other]) for other in rivals if other in runs}
        found.append(Score(cell, name, run.refused, run.microseconds, pairs, run.note))
    return found


def text(scores: Sequence[Score], *, errors: int) -> str:
    """Format a table for each cell, and the list of missed bars."""
    header = ["decoder", "shots", "errors", "plain's", "z", "z to pymatching-correlated", "us a shot", "bar"]
    cells: dict[Cell, list[list[str]]] = {}
    notes = []
    for score in scores:
        plain = score.pairs[REFERENCE]
        peer = score.pairs.get("pymatching-correlated")
        cells.setdefault(score.cell, []).append(
            [
                *(score.decoder, str(plain.shots), str(plain.errors), str(plain.others)),
                f"{plain.z:+.1f}",
                "" if peer is None else f"{peer.z:+.1f}",
                number(score.microseconds),
                score.verdict.partition(":")[0],
            ]
        )
        if score.note:
            notes.append(f"{_place(score)}: {score.note}")
        if score.refused:
            notes.append(f"{_place(score)}: refused {score.refused} shots (counted as errors)")
    judged = [score for score in scores if score.verdict not in ("", "no shots")]
    missed = [score for score in judged if score.failures]
    few = {score.cell for score in judged if score.pairs[REFERENCE].others < errors}
    missing = [
        f"  {_place(score)}: {pair.errors} errors, {other} {pair.others}, "
        f"on {pair.shots} shots, z = {pair.z:+.1f}"
        for score in missed
        for other, pair in score.pairs.items()
        if other in score.failures
    ]
    lines = [
        "Logical errors on the same shots as plain matching (mwpm). z: difference of the errors in standard "
        "deviations, counted on shots that only one of the two got wrong.",
        f"A bar is missed where z > {_SIGMAS:g}. Among equals that happens in 2 of 100 comparisons.",
        "",
        *(f"{_name(cell)}\n{table(header, rows)}\n" for cell, rows in cells.items()),
        "Logical errors divided by those of plain matching on the same shots; ! marks a missed bar, and "
        f"brackets what is compared on fewer than {_FEW} errors of plain matching",
        "",
        _summary(scores),
        "",
        f"{len(judged) - len(missed)} of {len(judged)} bars met" + (", missed:" if missed else ""),
        *missing,
    ]
    idle = {score.cell for score in scores if not score.pairs[REFERENCE].others}
    if idle:
        lines.append(
            f"{len(idle)} of {len({score.cell for score in scores})} cells show nothing, without an error of "
            "plain matching: give more --minutes or --shots"
        )
    if few:
        lines.append(
            f"{len(few)} of {len({score.cell for score in scores})} cells have a decoder that is compared on "
            f"fewer than {errors} errors of plain matching: give more --minutes or --shots"
        )
    return "\n".join(lines + notes)


def _name(cell: Cell) -> str:
    return f"{cell.family}, d = {cell.distance}, p = {cell.p:g}"


def _place(score: Score) -> str:
    return f"{_name(score.cell)}, {score.decoder}"


def _summary(scores: Sequence[Score]) -> str:
    """Format the relative errors of each decoder, one row a cell."""
    names = [name for name in dict.fromkeys(score.decoder for score in scores) if name != REFERENCE]
    by_cell: dict[Cell, dict[str, Score]] = {}
    for score in scores:
        by_cell.setdefault(score.cell, {})[score.decoder] = score
    rows = [
        [
            cell.family,
            str(cell.distance),
            f"{cell.p:g}",
            str(found[REFERENCE].pairs[REFERENCE].errors),
            *(_relative(found[name]) if name in found else "" for name in names),
        ]
        for cell, found in by_cell.items()
    ]
    return table(["family", "d", "p", "mwpm's errors", *names], rows, keys=3)


def _relative(score: Score) -> str:
    pair = score.pairs[REFERENCE]
    if not pair.others:
        return "-"
    ratio = number(pair.errors / pair.others, 2) + ("!" if score.failures else "")
    return f"({ratio})" if pair.others < _FEW else ratio


def plain_data(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Convert to plain data for a JSON file."""
    return [
        {
            **vars(score.cell),
            "decoder": score.decoder,
            "refused": score.refused,
            "microseconds": None if math.isnan(score.microseconds) else score.microseconds,
            "note": score.note,
            "verdict": score.verdict,
            "pairs": {name: {**vars(pair), "z": pair.z} for name, pair in score.pairs.items()},
        }
        for score in scores
    ]
