"""Stability: Lambda over hours of drift and defects, with a prior that is kept and relearned ones."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

import decoders
from experiments.common.numbers import number
from experiments.common.shot_files import shots_per_piece
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce.engine.figure import Job, Picture, Record, Records, Row, Section, Settings, Table
from experiments.reproduce.engine.published import words
from experiments.reproduce.work import chips, counting, estimates, relearning
from experiments.reproduce.work.drift import Drift
from qec import memory_circuit
from qec.noise import NoiseModel
from qec.statistics import Estimate, average, propagation

TITLE = "Stability over hours"
CHIP = chips.CHIP_72
_BASES = ("x", "z")
_DISTANCES = (3, 5)
_CYCLES = 12
_HOURS = 15.0
_RUNS = 16
_QUICK_RUNS = 5
_SHOTS = {3: 50_000, 5: 100_000}
_QUICK_SHOTS = {3: 4_000, 5: 10_000}
_LEARNED_FROM = 50_000
_QUICK_LEARNED_FROM = 10_000
# Time that learning takes, roughly.
_LEARNING_S = {3: 2.0, 5: 30.0}
_QUICK_LEARNING_S = {3: 0.3, 5: 2.0}
# Prior -> words. "fixed": the exact rates of the first run; "relearned": from other shots of the same run.
_PRIORS = {
    "fixed": "prior of the first run",
    "relearned": "prior relearned in each run",
    "exact": "exact rates",
}


def jobs(settings: Settings) -> list[Job]:
    """Every run, patch and basis."""
    return [job for _, job in _jobs(settings)]


def _hours(settings: Settings) -> tuple[float, ...]:
    number_of_runs = _QUICK_RUNS if settings.quick else _RUNS
    return tuple(float(hour) for hour in np.linspace(0, _HOURS, number_of_runs))


def _jobs(settings: Settings) -> Iterator[tuple[tuple[int, int], Job]]:
    hours = _hours(settings)
    shots = _QUICK_SHOTS if settings.quick else _SHOTS
    for run, distance in product(range(len(hours)), _DISTANCES):
        for patch, basis in product(_patches(distance), _BASES):
            arguments: dict[str, Any] = {
                "chip": CHIP,
                "model": chips.fingerprint(CHIP),
                "hours": list(hours),
                "run": run,
                "distance": distance,
                "patch": patch,
                "basis": basis,
                "cycles": _CYCLES,
                "shots": shots[distance],
                # With its errors, which flip many detectors, learning takes nine times as long.
                "crosstalk": not settings.quick,
                "learned_from": _QUICK_LEARNED_FROM if settings.quick else _LEARNED_FROM,
                "decoder": settings.decoders[0],
                "seed": settings.seed,
            }
            us = len(_PRIORS) * counting.cycle_us(distance, settings.decoders[0], cycles=_CYCLES)
            learning = _QUICK_LEARNING_S if settings.quick else _LEARNING_S
            cost = learning[distance] + shots[distance] * _CYCLES * us * 1e-6
            yield (run, distance), Job(work=decode_run, arguments=arguments, cost=cost)


def _patches(distance: int) -> range:
    return range(len(chips.patches(CHIP, distance)))


def decode_run(
    *,
    chip: str,
    model: str,
    hours: list[float],
    run: int,
    distance: int,
    patch: int,
    basis: str,
    cycles: int,
    shots: int,
    crosstalk: bool,
    learned_from: int,
    decoder: str,
    seed: int,
) -> Record:
    """Sample one run of one patch and decode it with each prior.

    Returns:
        shots; errors, prior -> number; both, prior -> shots that were wrong with it and with the fixed prior;
        fraction, the part of detectors that fired; defects, the number of qubits on the chip with a defect.
    """
    assert model == chips.fingerprint(chip)
    code = chips.patches(chip, distance)[patch]
    whole = chips.patches(chip, max(_DISTANCES))[0]
    device = chips.device(chip) if crosstalk else _without_crosstalk(chips.device(chip))
    drift = Drift(model=device, code=whole, hours=tuple(hours), seed=seed)

    def circuit_of(number_of_run: int) -> Any:
        return memory_circuit(code, rounds=cycles, basis=basis, noise=drift.at(number_of_run))

    circuit, start = circuit_of(run), circuit_of(0)
    first = start.detector_error_model(decompose_errors=True)
    models = {"fixed": first, "exact": circuit.detector_error_model(decompose_errors=True)}
    before = circuit.compile_detector_sampler(
        seed=counting.stream(seed, "learn", run, distance, patch, basis)
    )
    models["relearned"] = relearning.relearn(
        first, before.sample(learned_from, bit_packed=True), coordinates=start.get_detector_coordinates()
    )
    found = {prior: decoders.from_dem(decoder, model_of) for prior, model_of in models.items()}
    sampler = circuit.compile_detector_sampler(seed=counting.stream(seed, "run", run, distance, patch, basis))
    errors = dict.fromkeys(models, 0)
    both = dict.fromkeys(models, 0)
    events = 0
    piece = shots_per_piece(circuit.num_detectors)
    for done in range(0, shots, piece):
        part, flips = sampler.sample(min(piece, shots - done), separate_observables=True, bit_packed=True)
        events += int(np.bitwise_count(part).sum())
        wrong = {
            prior: np.any(decode.decode_batch(part, bit_packed=True) != flips, axis=1)
            for prior, decode in found.items()
        }
        for prior, shots_wrong in wrong.items():
            errors[prior] += int(np.count_nonzero(shots_wrong))
            both[prior] += int(np.count_nonzero(shots_wrong & wrong["fixed"]))
    return {
        "shots": shots,
        "errors": errors,
        "both": both,
        "fraction": events / (shots * circuit.num_detectors),
        "defects": int(drift.defects[run].sum()),
    }


def _without_crosstalk(model: NoiseModel) -> NoiseModel:
    return replace(model, channels=tuple(c for c in model.channels if c.kind != "crosstalk"))


class _Results:
    """Lambda of each run and prior; detection fractions; defects."""

    def __init__(self, settings: Settings, records: Records) -> None:
        epsilons: dict[tuple[str, int, int], list[Estimate]] = {}
        fractions: dict[tuple[int, int], list[float]] = {}
        self.hours = _hours(settings)
        self._paired: dict[tuple[str, int, int], tuple[int, int, int]] = {}
        self.defects = [0] * len(self.hours)
        for (run, distance), job in _jobs(settings):
            record = records[job]
            fractions.setdefault((distance, run), []).append(record["fraction"])
            self.defects[run] = record["defects"]
            for prior in _PRIORS:
                found = estimates.fit([(_CYCLES, record["errors"][prior], record["shots"])])
                epsilons.setdefault((prior, distance, run), []).append(found.epsilon)
                before = self._paired.get((prior, distance, run), (0, 0, 0))
                counts = (record["errors"]["fixed"], record["errors"][prior], record["both"][prior])
                self._paired[prior, distance, run] = _added(before, counts)
        self.fractions = {key: sum(found) / len(found) for key, found in fractions.items()}
        self.epsilon = {key: average(estimates=found) for key, found in epsilons.items()}
        runs = range(len(self.hours))
        self.suppression = {
            prior: [
                propagation.divide(self.epsilon[prior, 3, run], self.epsilon[prior, 5, run]) for run in runs
            ]
            for prior in _PRIORS
        }

    def mean(self, prior: str) -> Estimate:
        """Mean of Lambda over the runs."""
        return average(estimates=self.suppression[prior])

    def scatter(self, prior: str) -> float:
        """Standard deviation of Lambda from run to run."""
        return float(np.std([found.value for found in self.suppression[prior]], ddof=1))

    def gain(self, prior: str, distance: int, runs: Iterable[int] | None = None) -> Estimate:
        """Failures with the first prior over those with another in the same shots.

        Args:
            prior: the other prior.
            distance: code distance.
            runs: which ones, all but the first if None.
        """
        fixed = other = both = 0
        for run in range(1, len(self.hours)) if runs is None else runs:
            fixed, other, both = _added((fixed, other, both), self._paired[prior, distance, run])
        sigma = math.sqrt(
            (fixed - both) / fixed**2 + (other - both) / other**2 + both * (1 / fixed - 1 / other) ** 2
        )
        return propagation.from_log_sigma(fixed / other, sigma)


def _added(one: tuple[int, int, int], other: tuple[int, int, int]) -> tuple[int, int, int]:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def section(settings: Settings, records: Records) -> Section:
    """Lambda and detection fraction over time."""
    found = _Results(settings, records)
    rows = [
        Row(
            quantity=f"Lambda, mean of {len(found.hours)} runs, {words_of}",
            ours=found.mean(prior),
            published=words("sensitivity.lambda_mean") if prior == "relearned" else "",
            kind="predicted",
            note=f"standard deviation from run to run {found.scatter(prior):.2f}",
        )
        for prior, words_of in _PRIORS.items()
    ]
    best = max(found.suppression["relearned"], key=lambda one: one.value)
    rows.append(
        Row(
            quantity="Lambda, best run, relearned",
            ours=best,
            published=words("sensitivity.lambda_best"),
            kind="predicted",
        )
    )
    for distance, prior in product(_DISTANCES, ("relearned", "exact")):
        rows.append(
            Row(
                quantity=f"failures at d = {distance} with the first prior over those with "
                + ("relearned ones" if prior == "relearned" else "the exact rates"),
                ours=found.gain(prior, distance),
                published="",
                kind="predicted",
                note="same shots on both sides; runs after the first",
            )
        )
    return Section(
        summary=(
            f"{len(found.hours)} runs in {_HOURS:g} hours on the model of the 72-qubit chip. Rates wander by "
            "a fifth within hours; on average every 100 hours a defect strikes a qubit for 3 hours and makes "
            "its idling and two-qubit errors eight times as frequent. The same shots are decoded with the "
            "rates of the first run, with rates learned from the detection events of other shots of the "
            "run (starting from the first one's rates), and with the exact ones; five patches of d = 3 and "
            f"one of d = 5, {_CYCLES} cycles, both bases, decoder {settings.decoders[0]}."
        ),
        calibrated="nothing; the drift's size and pace are assumed, not published.",
        predicted="Lambda and detection fraction over time, and what relearning gains.",
        rows=rows,
        tables=[_table(found)],
        pictures=[
            Picture(
                name="stability",
                caption="Lambda, detection fraction, and what relearning gains, over time; the number of "
                "defects at work is given in the table.",
                draw=lambda path: _draw(path, found),
            )
        ],
        limits=[
            "epsilon comes from a single number of cycles, preparation and readout included.",
            *(["Crosstalk is left out of the quick run: with it, learning takes longer."] * settings.quick),
            "Drift is independent from place to place; a defect is one qubit's alone.",
            "Only rates are learned: which errors there are, and which observable they flip, is known.",
        ],
    )


def _table(found: _Results) -> Table:
    rows = []
    for run, hour in enumerate(found.hours):
        cells = [f"{hour:g}", str(found.defects[run])]
        cells += [f"{100 * found.fractions[d, run]:.2f} %" for d in _DISTANCES]
        for prior in _PRIORS:
            one = found.suppression[prior][run]
            cells.append(f"{number(one.value)} [{number(one.low)}, {number(one.high)}]")
        rows.append(cells)
    return Table(
        title="Run by run",
        header=(
            "hour",
            "defects",
            *[f"detection fraction, d = {d}" for d in _DISTANCES],
            *[f"Lambda, {words_of}" for words_of in _PRIORS.values()],
        ),
        rows=rows,
    )


def _draw(path: Path, found: _Results) -> None:
    from experiments.plotting import figures

    figures.draw_curves(
        path=path,
        panels=[
            CurvePanel(
                title="Suppression over time",
                x_label="time (h)",
                y_label=r"$\Lambda$ = $\varepsilon_3$ / $\varepsilon_5$",
                series=[
                    CurveSeries(label=words_of, x=found.hours, y=found.suppression[prior])
                    for prior, words_of in _PRIORS.items()
                ],
            ),
            CurvePanel(
                title="Detection events",
                x_label="time (h)",
                y_label="detection fraction (%)",
                series=[
                    CurveSeries(
                        label=f"d = {d}",
                        x=found.hours,
                        y=[100 * found.fractions[d, run] for run in range(len(found.hours))],
                    )
                    for d in _DISTANCES
                ],
            ),
            CurvePanel(
                title="Gain from relearning",
                x_label="time (h)",
                y_label="failures, first prior / relearned",
                series=[
                    CurveSeries(
                        label=f"d = {d}",
                        x=found.hours,
                        y=[found.gain("relearned", d, [run]) for run in range(len(found.hours))],
                    )
                    for d in _DISTANCES
                ],
                level=(1.0, "no gain"),
                level_side="right",
            ),
        ],
    )
