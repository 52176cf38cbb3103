"""Logical errors counted in experiment folders, and what several folders together say: fits, sums, Lambda."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qec import statistics
from qec.datasets import Experiment

DECODED = "decoded"
PUBLISHED = "published"


@dataclass(frozen=True)
class Result:
    """One decoder's logical errors in one experiment.

    Attributes:
        folder: the experiment's folder, relative to the tree that was asked for.
        patch: what the experiments of one memory share: leading folders and the patch's centre.
        distance: code distance.
        cycles: stabilizer cycles.
        basis: "X" or "Z".
        shots: shots that were counted.
        detection_fraction: detection events per detector and shot.
        source: `DECODED` (here and now) or `PUBLISHED` (predictions that lie in the folder).
        decoder: the decoder's name.
        model: the error model that it was given; "" for published predictions.
        errors: shots with a wrong prediction.
    """

    folder: str
    patch: str
    distance: int
    cycles: int
    basis: str
    shots: int
    detection_fraction: float
    source: str
    decoder: str
    model: str
    errors: int

    @property
    def epsilon(self) -> statistics.Estimate:
        """Logical error per cycle from this experiment alone, without a free intercept."""
        fit = statistics.error_per_cycle(cycles=self.cycles, errors=self.errors, shots=self.shots)
        return fit.epsilon


@dataclass(frozen=True)
class Fit:
    """Logical error per cycle of one decoder on one memory, from its experiments of several durations."""

    patch: str
    distance: int
    basis: str
    source: str
    decoder: str
    cycles: tuple[int, ...]
    cycle_fit: statistics.CycleFit


@dataclass(frozen=True)
class Total:
    """One decoder's results at one distance.

    Attributes:
        experiments: experiments that it decoded.
        shots: their shots.
        errors: their logical errors.
        num_fits: memories (patch and basis) that `epsilon` averages over.
        epsilon: mean of the fitted logical errors per cycle; None without a fit.
    """

    distance: int
    source: str
    decoder: str
    experiments: int
    shots: int
    errors: int
    num_fits: int
    epsilon: statistics.Estimate | None


def release_folder(path: Path) -> Path:
    """The folder above those that a layout makes for one experiment: three in 2024, one in 2023."""
    nested = re.search(r"(^|/)d\d+_at_[^/]+/[XZ]/r\d+$", path.as_posix())
    return path.parents[2] if nested else path.parent


def patch_name(experiment: Experiment, *, root: Path) -> str:
    """Name of the memory that an experiment belongs to, the same for all its durations.

    The centre of the patch, after the folders between `root` and the experiment's own (a data release with
    several samples has one such folder for each).
    """
    above = release_folder(experiment.path).relative_to(root).as_posix()
    center = experiment.metadata.center
    own = "-" if center is None else f"{center[0]:g},{center[1]:g}"
    return own if above == "." else f"{above} {own}"


def fits(results: Sequence[Result], *, fit_from: int) -> list[Fit]:
    """One fit with free intercept for each (patch, distance, basis, decoder) that has several durations.

    Args:
        results: counted errors.
        fit_from: experiments of fewer cycles are left out.
    """
    members: dict[tuple[int, str, str, str, str], list[Result]] = {}
    for result in results:
        if result.cycles >= fit_from:
            key = (result.distance, result.patch, result.basis, result.source, result.decoder)
            members.setdefault(key, []).append(result)
    found = []
    for (distance, patch, basis, source, decoder), group in members.items():
        cycles = tuple(sorted({result.cycles for result in group}))
        if len(cycles) > 1:
            cycle_fit = statistics.error_per_cycle(
                cycles=[result.cycles for result in group],
                errors=[result.errors for result in group],
                shots=[result.shots for result in group],
            )
            found.append(Fit(patch, distance, basis, source, decoder, cycles, cycle_fit))
    return found


def totals(results: Sequence[Result], fitted: Sequence[Fit]) -> list[Total]:
    """Sums over all experiments of each distance and decoder, in the order of distances."""
    found = []
    for distance in sorted({result.distance for result in results}):
        decoders = dict.fromkeys(
            (result.source, result.decoder) for result in results if result.distance == distance
        )
        for source, decoder in decoders:
            mine = [r for r in results if (r.distance, r.source, r.decoder) == (distance, source, decoder)]
            epsilons = [
                fit.cycle_fit.epsilon
                for fit in fitted
                if (fit.distance, fit.source, fit.decoder) == (distance, source, decoder)
            ]
            found.append(
                Total(
                    distance=distance,
                    source=source,
                    decoder=decoder,
                    experiments=len(mine),
                    shots=sum(result.shots for result in mine),
                    errors=sum(result.errors for result in mine),
                    num_fits=len(epsilons),
                    epsilon=statistics.average(estimates=epsilons) if epsilons else None,
                )
            )
    return found


def suppression(found: Sequence[Total]) -> dict[tuple[str, str], statistics.SuppressionFit]:
    """Lambda of each (source, decoder) that has a mean error per cycle at several distances."""
    points: dict[tuple[str, str], list[tuple[int, statistics.Estimate]]] = {}
    for total in found:
        if total.epsilon is not None:
            points.setdefault((total.source, total.decoder), []).append((total.distance, total.epsilon))
    return {
        key: statistics.suppression_factor(
            distances=[distance for distance, _ in group], epsilons=[epsilon for _, epsilon in group]
        )
        for key, group in points.items()
        if len(group) > 1
    }
