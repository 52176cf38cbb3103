"""Injected errors: logical error against detection fraction through the threshold."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise, product
from pathlib import Path

from experiments.common.tables import estimate, number
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce.engine.figure import Job, Picture, Records, Row, Section, Settings, Table
from experiments.reproduce.engine.published import words
from experiments.reproduce.work import chips, counting, estimates, expected
from qec.statistics import Estimate, average, propagation
from qec.statistics.crossing import crossing

TITLE = "Error injection"
CHIP = chips.CHIP_105
_BASES = ("x", "z")
_CYCLES = (10, 30)
_FACTORS = (0.4, 0.55, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.3)
_QUICK_FACTORS = (0.5, 0.75, 1.0, 1.4, 1.9, 2.3)
# Distance -> shots, of the fastest decoder and of the one that other figures use.
_SHOTS = {3: 100_000, 5: 100_000, 7: 100_000, 9: 40_000, 11: 20_000}
_MAIN_SHOTS = {3: 50_000, 5: 25_000, 7: 8_000}
_QUICK_SHOTS = {3: 4_000, 5: 4_000, 7: 3_000}
_QUICK_MAIN_SHOTS = {3: 3_000, 5: 1_500}
# Below this part of the crossing the error is still a power of the strength.
_BELOW = 0.7


def jobs(settings: Settings) -> list[Job]:
    """One patch of each distance, with all rates multiplied by several factors."""
    return [job for decoder in _decoders(settings) for _, job in _jobs(settings, decoder)]


def _decoders(settings: Settings) -> list[str]:
    return list(dict.fromkeys([counting.fastest(settings.decoders), settings.decoders[0]]))


def _shots(settings: Settings, decoder: str) -> dict[int, int]:
    if decoder == counting.fastest(settings.decoders):
        return _QUICK_SHOTS if settings.quick else _SHOTS
    return _QUICK_MAIN_SHOTS if settings.quick else _MAIN_SHOTS


def _jobs(settings: Settings, decoder: str) -> Iterator[tuple[tuple[int, float, str, int], Job]]:
    shots = _shots(settings, decoder)
    factors = _QUICK_FACTORS if settings.quick else _FACTORS
    for distance, factor, basis, cycles in product(shots, factors, _BASES, _CYCLES):
        job = counting.job(
            chip=CHIP,
            distance=distance,
            patch=_patch(distance),
            basis=basis,
            cycles=cycles,
            shots=shots[distance],
            decoder=decoder,
            seed=settings.seed,
            scale={chips.ALL_KINDS: factor},
        )
        yield (distance, factor, basis, cycles), job


def _patch(distance: int) -> int:
    """The middle one."""
    return len(chips.patches(CHIP, distance)) // 2


class _Results:
    """epsilon and detection fraction of each distance and factor, with one decoder."""

    def __init__(self, settings: Settings, records: Records, decoder: str) -> None:
        self.decoder = decoder
        points: dict[tuple[int, float, str], list[tuple[int, int, int]]] = {}
        for (distance, factor, basis, cycles), job in _jobs(settings, decoder):
            record = records[job]
            points.setdefault((distance, factor, basis), []).append(
                (cycles, record["errors"], record["shots"])
            )
        self.distances = sorted({distance for distance, _, _ in points})
        self.factors = sorted({factor for _, factor, _ in points})
        self.epsilon = {
            (d, f): average(estimates=[estimates.fit(points[d, f, basis]).epsilon for basis in _BASES])
            for d, f in product(self.distances, self.factors)
        }
        self.crossings = {
            (a, b): crossing(self.factors, self.curve(a), self.curve(b), seed=settings.seed)
            for a, b in pairwise(self.distances)
        }

    def curve(self, distance: int) -> list[Estimate]:
        """epsilon over the factors."""
        return [self.epsilon[distance, f] for f in self.factors]

    def fractions(self, distance: int) -> list[float]:
        """Detection fraction over the factors."""
        return [_fraction(distance, f) for f in self.factors]


@cache
def _fraction(distance: int, factor: float) -> float:
    """Expected detection fraction in the steady state, mean of the bases."""
    scale = {chips.ALL_KINDS: factor}
    found = [
        expected.steady_fraction(
            chips.circuit(CHIP, distance=distance, patch=_patch(distance), basis=basis, cycles=6, scale=scale)
        )
        for basis in _BASES
    ]
    return sum(found) / len(found)


def section(settings: Settings, records: Records) -> Section:
    """Curves, crossings, exponents."""
    results = [_Results(settings, records, decoder) for decoder in _decoders(settings)]
    rows = []
    for found in results:
        rows += [*_crossing_rows(found), *_exponent_rows(found), *_suppression_rows(found)]
    return Section(
        summary=(
            "All rates of the 105-qubit chip's model are multiplied by a common factor, which raises the "
            "detection fraction; one patch of each distance, both bases, epsilon_d from 10 and 30 cycles. "
            "Below the crossing of the curves larger codes are better. Where the factor is less than "
            f"{_BELOW:g} of the smallest crossing, epsilon_d is compared with a power of the detection "
            "fraction; the theory of small rates says (d + 1)/2."
        ),
        calibrated="nothing beyond the model of the logical memory.",
        predicted="crossings, exponents, Lambda at larger distances.",
        rows=rows,
        tables=[_table(found) for found in results],
        pictures=[
            Picture(
                name="injection",
                caption="Logical error per cycle against detection fraction, from below to above threshold, "
                "by decoder.",
                draw=lambda path: _draw(path, results),
            )
        ],
        limits=[
            "All channels grow together; the experiment injected errors on top of its own.",
            "Distances beyond 7 run on a chip that continues with the same mean rates.",
        ],
    )


def _crossing_rows(found: _Results) -> list[Row]:
    rows = []
    for (a, b), factor in found.crossings.items():
        rows.append(
            Row(
                quantity=f"{found.decoder}: d = {a} and {b} cross at a detection fraction of",
                ours="none within the strengths" if factor is None else _as_fraction(factor),
                published=words("sensitivity.crossing", scale=100, unit="%") if a == 3 else "",
                kind="predicted",
                scale=100,
                unit="%",
                note="" if factor is None else f"all rates x {number(factor.value)}, fraction at d = 7",
            )
        )
    return rows


def _as_fraction(factor: Estimate) -> Estimate:
    low, middle, high = (_fraction(7, f) for f in (factor.low, factor.value, factor.high))
    return Estimate(middle, low, high)


def _exponent_rows(found: _Results) -> list[Row]:
    limit = _BELOW * min((c.value for c in found.crossings.values() if c), default=max(found.factors))
    rows = []
    for distance in found.distances:
        half = (distance + 1) / 2
        exponent = _exponent(found, distance, limit)
        rows.append(
            Row(
                quantity=f"{found.decoder}: exponent at d = {distance} over (d + 1)/2 = {half:g}",
                ours="-" if exponent is None else _over(exponent, half),
                published=words("sensitivity.exponent") if distance == 3 else "",
                kind="predicted",
                note="too few errors" if exponent is None else f"exponent {number(exponent.value)}",
            )
        )
    return rows


def _suppression_rows(found: _Results) -> list[Row]:
    """How suppression changes with distance at the chip's own rates."""
    if 1.0 not in found.factors:
        return []
    published = {3: "budget.lambda_3_5", 9: "budget.lambda_11_13"}
    return [
        Row(
            quantity=f"{found.decoder}: Lambda, d = {a} to {b}, rates as they are",
            ours=propagation.divide(found.epsilon[a, 1.0], found.epsilon[b, 1.0]),
            published=words(published[a]) if a in published else "",
            kind="predicted",
            note="one patch of each distance",
        )
        for a, b in pairwise(found.distances)
        if found.epsilon[b, 1.0].low > 0
    ]


def _exponent(found: _Results, distance: int, limit: float) -> Estimate | None:
    used = [f for f in found.factors if f <= limit]
    try:
        return propagation.fit_exponent(
            [_fraction(distance, f) for f in used], [found.epsilon[distance, f] for f in used]
        )
    except ValueError:
        return None


def _over(exponent: Estimate, half: float) -> Estimate:
    return Estimate(exponent.value / half, exponent.low / half, exponent.high / half)


def _table(found: _Results) -> Table:
    rows = []
    for factor in found.factors:
        cells = [f"{factor:g}"]
        for d in found.distances:
            fraction = f"{100 * _fraction(d, factor):.1f} %"
            cells.append(f"{fraction}: {estimate(found.epsilon[d, factor])}")
        rows.append(cells)
    return Table(
        title=f"Detection fraction and epsilon_d, decoder {found.decoder}",
        header=("factor", *[f"d = {d}" for d in found.distances]),
        rows=rows,
    )


def _draw(path: Path, results: Sequence[_Results]) -> None:
    from experiments.plotting import figures

    panels = [
        CurvePanel(
            title=f"Injected errors, {found.decoder}",
            x_label="detection fraction (%)",
            y_label=r"logical error per cycle $\varepsilon_d$",
            series=[
                CurveSeries(
                    label=f"d = {d}",
                    x=[100 * fraction for fraction in found.fractions(d)],
                    y=found.curve(d),
                )
                for d in found.distances
            ],
            log_y=True,
        )
        for found in results
    ]
    figures.draw_curves(path=path, panels=panels)
