"""Leakage on the 72-qubit chip: with and without its removal, detection fraction and Lambda."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np

from experiments.common.tables import estimate
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce.engine.figure import Job, Picture, Records, Row, Section, Settings, Table
from experiments.reproduce.engine.published import value, words
from experiments.reproduce.work import chips, estimates, leakage_jobs
from qec.statistics import Estimate, average, propagation

TITLE = "Leakage and its removal"
_CHIP = chips.CHIP_72
_DECODER = "mwpm"
_CYCLES = (10, 30, 50)
_BASES = ("x", "z")
_DISTANCES = (3, 5)
_BASE = {**leakage_jobs.PUBLISHED_CZ, **leakage_jobs.PUBLISHED_HEATING, **leakage_jobs.ASSUMED}
_CASES: dict[str, dict[str, float]] = {
    "no leakage": {},
    "with removal": {**_BASE, **leakage_jobs.REMOVAL},
    "without removal": _BASE,
}
_ALL_SHOTS = {3: 20_000, 5: 100_000}
_QUICK_SHOTS = {3: 400, 5: 2000}
_PORTION = {3: 20_000, 5: 5000}


def jobs(settings: Settings) -> list[Job]:
    """Every case, patch, basis and number of cycles."""
    return [job for _, job in _jobs(settings)]


def _jobs(settings: Settings) -> Iterator[tuple[tuple[str, int, int, str, int], Job]]:
    shots = _QUICK_SHOTS if settings.quick else _ALL_SHOTS
    for case, distance in product(_CASES, _DISTANCES):
        patches = range(len(chips.patches(_CHIP, distance)))
        for patch, basis, cycles in product(patches, _BASES, _CYCLES):
            for job in leakage_jobs.jobs(
                chip=_CHIP,
                leakage=_CASES[case],
                distance=distance,
                patch=patch,
                basis=basis,
                cycles=cycles,
                shots=shots[distance],
                portion=_PORTION[distance],
                decoder=_DECODER,
                seed=settings.seed,
            ):
                yield (case, distance, patch, basis, cycles), job


class _Results:
    """Sums over portions, patches and bases."""

    def __init__(self, settings: Settings, records: Records) -> None:
        counts: dict[tuple[str, int, int, str, int], list[int]] = defaultdict(lambda: [0, 0])
        #: case -> cycle -> leaked part of the data qubits; d = 5, longest memory.
        self.population: dict[str, list[float]] = {}
        #: case -> cycle -> detection fraction; the same.
        self.fractions: dict[str, dict[int, Estimate]] = {}
        populations: dict[str, list[list[float]]] = defaultdict(list)
        fractions: dict[str, dict[int, list[Estimate]]] = defaultdict(lambda: defaultdict(list))
        for key, job in _jobs(settings):
            record = records[job]
            counts[key][0] += record["errors"]
            counts[key][1] += record["shots"]
            case, distance, _, _, cycles = key
            if distance == max(_DISTANCES) and cycles == max(_CYCLES):
                populations[case].append(record["population"])
                for cycle, middle, low, high in record["fractions"]:
                    fractions[case][int(cycle)].append(Estimate(middle, low, high))
        for case in _CASES:
            self.population[case] = np.mean(populations[case], axis=0).tolist()
            self.fractions[case] = {
                cycle: average(estimates=found) for cycle, found in fractions[case].items()
            }
        points: dict[tuple[str, int, int, str], list[tuple[int, int, int]]] = defaultdict(list)
        for (case, distance, patch, basis, cycles), (errors, shots) in counts.items():
            points[case, distance, patch, basis].append((cycles, errors, shots))
        by_patch = {key: estimates.fit(found).epsilon for key, found in points.items()}
        #: case, distance -> epsilon, patches and bases averaged.
        self.epsilon = {
            (case, distance): average(
                estimates=[e for (c, d, _, _), e in by_patch.items() if (c, d) == (case, distance)]
            )
            for case, distance in product(_CASES, _DISTANCES)
        }
        self.suppression = {
            case: propagation.divide(self.epsilon[case, 3], self.epsilon[case, 5]) for case in _CASES
        }

    def late_population(self, case: str) -> float:
        """Mean over the last ten cycles."""
        return float(np.mean(self.population[case][-10:]))

    def late_fraction(self, case: str) -> Estimate:
        """Mean over ten cycles near the end; the last layer comes from the data qubits and is left out."""
        last = max(_CYCLES)
        return average(estimates=[self.fractions[case][cycle] for cycle in range(last - 10, last)])


def section(settings: Settings, records: Records) -> Section:
    """Populations, detection fractions, Lambda."""
    found = _Results(settings, records)
    kept, removed = "without removal", "with removal"
    gain = propagation.divide(found.suppression[removed], found.suppression[kept])
    change = propagation.divide(found.late_fraction(kept), found.late_fraction(removed))
    rows = [
        Row(
            quantity="leaked data qubits, without removal (1e-3)",
            ours=f"{1e3 * found.late_population(kept):.3g}",
            published=words("leakage.population", scale=1e3),
            kind="predicted",
            note="heating as published, decay and transport assumed",
        ),
        Row(
            quantity="leaked data qubits, with removal (1e-3)",
            ours=f"{1e3 * found.late_population(removed):.3g}",
            published=words("leakage.population_removed", scale=1e3),
            kind="predicted",
            note="as each cycle begins, before the removal; removal taken as perfect",
        ),
        Row(
            quantity="detection fraction, without over with removal",
            ours=change,
            published=f"{1 + value('leakage.fraction_change').value:.2f}",
            kind="predicted",
            note="d = 5, ten cycles near the end of 50",
        ),
        Row(
            quantity="Lambda, with over without removal",
            ours=gain,
            published=f"{1 + value('leakage.lambda_gain').value:.2f}",
            kind="predicted",
        ),
        *(
            Row(
                quantity=f"Lambda, d = 3 to 5, {case}",
                ours=suppression,
                published="",
                kind="predicted",
                note=f"decoder {_DECODER}, which does not know of leakage",
            )
            for case, suppression in found.suppression.items()
        ),
    ]
    return Section(
        summary=(
            "Memories of 10, 30 and 50 cycles on the model of the 72-qubit chip, with leakage beside its "
            "Pauli errors: CZs and waiting heat qubits out of their two levels, a CZ can hand leakage on,"
            " resets bring measure qubits back, and leakage removal does the same for data qubits at the "
            "end of each cycle. Without removal leakage grows over some tens of cycles until decay and "
            "transport balance it, and the detection fraction with it; a leaked qubit goes on disturbing "
            "its neighbours for many cycles, which costs a decoder that knows nothing of it more than as "
            "many Pauli errors would."
        ),
        calibrated="nothing.",
        predicted="leaked populations, detection fraction against cycles, the effect on Lambda.",
        rows=rows,
        tables=[_table(found)],
        pictures=[
            Picture(
                name="leakage",
                caption="Distance 5, 50 cycles. Left: part of the data qubits that is leaked as each cycle "
                "begins. Right: detection fraction of each cycle.",
                draw=lambda path: _draw(path, found),
            )
        ],
        limits=[
            "One leaked level, no coherence between it and the others; a qubit that comes back is in a "
            "random state.",
            "A gate with a leaked qubit gives its partner a random phase flip; the true phase is fixed and "
            "unknown. A leaked qubit is read as 0 or 1 at random.",
            "How long |2> lives (34 us) and how often a CZ hands leakage on (1 %) are assumptions; heating "
            "and leakage rates are the published ones.",
            "Removal is perfect and free of errors of its own. Measure qubits are reset perfectly.",
        ],
        data={
            "population": found.population,
            "lambda": {case: suppression.value for case, suppression in found.suppression.items()},
        },
    )


def _table(found: _Results) -> Table:
    return Table(
        title="Logical error per cycle (1e-3), detection fraction and leaked data qubits near the end",
        header=("case", "epsilon_3", "epsilon_5", "Lambda", "detection fraction (%)", "leaked (1e-3)"),
        rows=[
            (
                case,
                *(estimate(_scaled(found.epsilon[case, distance], 1e3)) for distance in _DISTANCES),
                estimate(found.suppression[case]),
                estimate(_scaled(found.late_fraction(case), 100)),
                f"{1e3 * found.late_population(case):.3g}",
            )
            for case in _CASES
        ],
    )


def _scaled(one: Estimate, factor: float) -> Estimate:
    return Estimate(factor * one.value, factor * one.low, factor * one.high)


def _draw(path: Path, found: _Results) -> None:
    from experiments.plotting import leakage

    leakage.draw_leakage(
        path=path,
        population=CurvePanel(
            title="Leaked data qubits",
            x_label="cycle",
            y_label="leaked part (%)",
            series=[
                CurveSeries(label=case, x=list(range(len(values))), y=[100 * part for part in values])
                for case, values in found.population.items()
            ],
        ),
        fractions=found.fractions,
    )
