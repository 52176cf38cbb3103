"""Studies that differ in the noise strength only, and the strengths at which their distances cross."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from experiments.sweep.studies import Key, Study
from qec.statistics import Estimate
from qec.statistics.crossing import crossing

_SEED = 1  # of the interval: equal counts give equal intervals


@dataclass(frozen=True)
class Crossing:
    """Strength at which the larger of two distances stops to help; None where it was not found."""

    smaller: int
    larger: int
    strength: Estimate | None


@dataclass(frozen=True)
class Scan:
    """Logical error per cycle over the noise strength.

    Attributes:
        key: of the studies, without p.
        epsilons: distance -> strength -> logical error per cycle.
        crossings: of neighbouring distances.
    """

    key: Key
    epsilons: dict[int, dict[float, Estimate]]
    crossings: list[Crossing]


def scans(found: Sequence[Study]) -> list[Scan]:
    """Group studies that differ in p only; those of a single p are left out.

    The crossing needs errors at four strengths of both distances and lies within these strengths; see
    `qec.statistics.crossing`.
    """
    grouped: dict[Key, dict[int, dict[float, Estimate]]] = defaultdict(lambda: defaultdict(dict))
    for study in found:
        try:
            strength = float(dict(study.key).get("p", "nan"))
        except ValueError:
            continue
        if strength > 0:
            key = tuple(part for part in study.key if part[0] != "p")
            for fitted in study.fits.distances:
                grouped[key][fitted.distance][strength] = fitted.epsilon
    return [
        Scan(key, ordered, [_crossing(ordered, *pair) for pair in pairwise(ordered)])
        for key, epsilons in grouped.items()
        if max(map(len, epsilons.values())) > 1
        for ordered in [{d: dict(sorted(epsilons[d].items())) for d in sorted(epsilons)}]
    ]


def _crossing(epsilons: dict[int, dict[float, Estimate]], smaller: int, larger: int) -> Crossing:
    strengths = [p for p in epsilons[smaller] if p in epsilons[larger]]
    return Crossing(
        smaller,
        larger,
        crossing(
            strengths,
            [epsilons[smaller][p] for p in strengths],
            [epsilons[larger][p] for p in strengths],
            seed=_SEED,
        ),
    )
