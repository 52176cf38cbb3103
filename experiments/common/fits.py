"""From counted errors to epsilon_d for each distance, averaged over bases, and to Lambda."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from qec.statistics import CycleFit, Estimate, SuppressionFit, average, error_per_cycle, suppression_factor


@dataclass(frozen=True)
class Count:
    """Errors of one memory experiment: `errors` in `shots` of `cycles` cycles."""

    distance: int
    basis: str
    cycles: int
    shots: int
    errors: int


@dataclass(frozen=True)
class DistanceFit:
    """The logical error per cycle of one distance.

    Attributes:
        distance: code distance.
        epsilon: average over the bases.
        by_basis: the fit in each basis that was measured.
    """

    distance: int
    epsilon: Estimate
    by_basis: dict[str, CycleFit]


@dataclass(frozen=True)
class Fits:
    """All distances of one code, noise and decoder.

    Attributes:
        distances: one entry for each distance, the smallest first.
        suppression: Lambda, or None for a single distance.
    """

    distances: list[DistanceFit]
    suppression: SuppressionFit | None


def fit(counts: Iterable[Count]) -> Fits:
    """Fit counts as arXiv 2408.13687 does: a line for each distance and basis, then the average over bases.

    With several numbers of cycles, preparation and readout go into a free intercept; with a single one they
    stay in epsilon.
    """
    grouped: dict[int, dict[str, list[Count]]] = defaultdict(lambda: defaultdict(list))
    for count in counts:
        grouped[count.distance][count.basis].append(count)
    fits = []
    for distance, bases in sorted(grouped.items()):
        by_basis = {
            basis: error_per_cycle(
                cycles=[count.cycles for count in found],
                errors=[count.errors for count in found],
                shots=[count.shots for count in found],
            )
            for basis, found in sorted(bases.items())
        }
        epsilon = average(estimates=[found.epsilon for found in by_basis.values()])
        fits.append(DistanceFit(distance=distance, epsilon=epsilon, by_basis=by_basis))
    suppression = None
    if len(fits) > 1:
        suppression = suppression_factor(
            distances=[found.distance for found in fits], epsilons=[found.epsilon for found in fits]
        )
    return Fits(distances=fits, suppression=suppression)
