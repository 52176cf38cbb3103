"""epsilon_d far beyond the devices: counted, by splitting, and by a fit that states its error."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from experiments.reproduce.engine.figure import Job, Records, Settings
from experiments.reproduce.scaling import tiles
from experiments.reproduce.work import chips
from qec.statistics import Estimate, average, propagation
from qec.statistics.extrapolation import SuppressionCurve, fit_suppression_curve

_BASES = ("x", "z")
# Tiles that are known by this many failures count for the scatter between tiles.
_KNOWN = 20


@dataclass(frozen=True, kw_only=True)
class Model:
    """A device model whose distances are measured.

    Attributes:
        label: in tables and figures.
        chip: a device.
        scale: factor on all its rates.
        shots: distance -> shots counted, all tiles and bases together.
        population: distance -> members of a population of splitting; on two tiles, one in each basis.
        held_out: distances above this one are predicted from the others, as a check.
    """

    label: str
    chip: str
    scale: float
    shots: Mapping[int, int]
    population: Mapping[int, int]
    held_out: int

    @property
    def factors(self) -> dict[str, float]:
        """As `chips.device` takes them."""
        return {} if self.scale == 1 else {chips.ALL_KINDS: self.scale}


_SHOTS = {3: 40, 5: 80, 7: 100, 9: 100, 11: 80, 13: 64, 15: 64, 17: 32, 19: 32, 21: 32}
MODELS = (
    Model(
        label="105 qubits",
        chip=chips.CHIP_105,
        scale=1.0,
        shots={d: 1000 * n for d, n in _SHOTS.items()},
        population={},
        held_out=11,
    ),
    Model(
        label="72 qubits",
        chip=chips.CHIP_72,
        scale=1.0,
        shots={d: 500 * n for d, n in _SHOTS.items() if d <= 13},
        population={},
        held_out=9,
    ),
    Model(
        label="105 qubits, rates / 3",
        chip=chips.CHIP_105,
        scale=1 / 3,
        shots={3: 400_000, 5: 800_000, 7: 1_200_000, 9: 1_600_000},
        population={7: 16, 9: 16, 11: 16},
        held_out=9,
    ),
)


def models(settings: Settings) -> tuple[Model, ...]:
    """Return the models with the sizes of the run."""
    if not settings.quick:
        return MODELS
    shots = {3: 4000, 5: 6000, 7: 8000, 9: 8000}
    quick = [
        replace(model, shots={d: n * (1 if model.scale == 1 else 5) for d, n in shots.items()}, held_out=7)
        for model in MODELS
    ]
    return (*quick[:-1], replace(quick[-1], population={5: 4, 7: 4}, held_out=5))


def jobs(settings: Settings) -> list[Job]:
    """List jobs: counting on all tiles, splitting on two of them."""
    return [job for model in models(settings) for _, job in _jobs(settings, model)]


def _jobs(settings: Settings, model: Model) -> Iterator[tuple[tuple[str, int, int], Job]]:
    common: dict[str, Any] = {
        "chip": model.chip,
        "scale": model.factors,
        "decoder": settings.decoders[0],
        "seed": settings.seed,
    }
    for distance, shots in model.shots.items():
        for number, basis in product(range(tiles.TILES), _BASES):
            each = shots // (tiles.TILES * len(_BASES))
            job = tiles.count_job(distance=distance, number=number, basis=basis, shots=each, **common)
            yield ("direct", distance, number), job
    for distance, population in model.population.items():
        for number, basis in enumerate(_BASES):
            job = tiles.rare_job(
                distance=distance, number=number, basis=basis, population=population, **common
            )
            yield ("rare", distance, number), job


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured of a model, and the curve through it.

    Attributes:
        model: the model.
        direct: distance -> epsilon by counting, 95 % by counts alone.
        failures: distance -> failures counted.
        rare: distance -> epsilon by splitting.
        scatter: standard deviation of ln epsilon from tile to tile, beyond counting.
        curve: through all points.
    """

    model: Model
    direct: dict[int, Estimate]
    failures: dict[int, int]
    rare: dict[int, Estimate]
    scatter: float
    curve: SuppressionCurve

    @property
    def points(self) -> dict[int, Estimate]:
        """Distance -> the more certain value, with the scatter between tiles in its interval."""
        return points_of(self.direct, self.rare, self.scatter)


def points_of(
    direct: Mapping[int, Estimate], rare: Mapping[int, Estimate], scatter: float
) -> dict[int, Estimate]:
    """Choose the more certain value at each distance; without the distances that saw no failure."""
    found = {}
    for distance in sorted({*direct, *rare}):
        candidates = [
            (tiles.TILES, direct[distance]) if distance in direct else None,
            (len(_BASES), rare[distance]) if distance in rare else None,
        ]
        widened = [
            propagation.from_log_sigma(
                one.value, math.hypot(propagation.log_sigma_of(one), scatter / math.sqrt(number))
            )
            for number, one in filter(None, candidates)
            if one.low > 0
        ]
        if widened:
            found[distance] = min(widened, key=propagation.log_sigma_of)
    return found


def find(settings: Settings, records: Records, model: Model) -> Found:
    """Read the records of a model."""
    counts: dict[int, dict[int, tuple[int, int]]] = {}
    estimates: dict[tuple[str, int], list[Estimate]] = {}
    for (kind, distance, number), job in _jobs(settings, model):
        record = records[job]
        if kind == "direct":
            errors, shots = counts.setdefault(distance, {}).get(number, (0, 0))
            counts[distance][number] = (errors + record["errors"], shots + record["shots"])
            continue
        estimates.setdefault((kind, distance), []).append(tiles.estimated(record, distance))
    direct, failures = {}, {}
    for distance, by_tile in counts.items():
        totals = np.sum(list(by_tile.values()), axis=0)
        failures[distance] = int(totals[0])
        direct[distance] = tiles.counted({"errors": int(totals[0]), "shots": int(totals[1])}, distance)
    rare = {distance: average(estimates=many) for (_, distance), many in estimates.items()}
    scatter = scatter_between(counts)
    points = points_of(direct, rare, scatter)
    curve = fit_suppression_curve(distances=list(points), epsilons=list(points.values()))
    return Found(model=model, direct=direct, failures=failures, rare=rare, scatter=scatter, curve=curve)


def scatter_between(counts: Mapping[int, Mapping[int, tuple[int, int]]]) -> float:
    """Standard deviation of ln epsilon between tiles, beyond counting, pooled over distances.

    Args:
        counts: distance -> tile -> (failures, shots).
    """
    excess, freedom = 0.0, 0
    for by_tile in counts.values():
        errors, shots = np.array(list(by_tile.values()), dtype=np.float64).T
        if errors.min() < _KNOWN or errors.size < 2:
            continue
        rates = np.log(errors / shots)
        own = (1 / errors).mean() * (errors.size - 1)
        excess += float(((rates - rates.mean()) ** 2).sum() - own)
        freedom += errors.size - 1
    return math.sqrt(max(0.0, excess / freedom)) if freedom else 0.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """A prediction from smaller distances, and what was found.

    Attributes:
        model: label.
        fitted: largest distance of the fit.
        distance: predicted.
        predicted: with its 95 % interval.
        found: by counting or splitting.
    """

    model: str
    fitted: int
    distance: int
    predicted: Estimate
    found: Estimate

    @property
    def pull(self) -> float:
        """Difference of the logarithms in units of both errors together."""
        sigma = math.hypot(propagation.log_sigma_of(self.predicted), propagation.log_sigma_of(self.found))
        return math.log(self.found.value / self.predicted.value) / sigma


def checks(found: Found) -> list[Check]:
    """Predict the held-out distances from the smaller ones."""
    points = found.points
    near = {d: e for d, e in points.items() if d <= found.model.held_out}
    if len(near) < 3:
        return []
    curve = fit_suppression_curve(distances=list(near), epsilons=list(near.values()))
    return [
        Check(
            model=found.model.label,
            fitted=max(near),
            distance=distance,
            predicted=curve.predict(distance),
            found=one,
        )
        for distance, one in points.items()
        if distance > found.model.held_out
    ]


def qubits(distance: int) -> int:
    """Physical qubits of a patch, data and measure qubits."""
    return 2 * distance**2 - 1


def odd_distance(distance: float) -> int | None:
    """Smallest odd distance that is at least a real one; None for infinity."""
    if math.isinf(distance):
        return None
    return 2 * math.ceil((distance - 1) / 2) + 1
