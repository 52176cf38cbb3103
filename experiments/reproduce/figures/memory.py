"""Logical memory on the 105-qubit chip: error per cycle, Lambda, detection fractions, lifetimes."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from experiments.common.fits import DistanceFit, Fits
from experiments.common.tables import number
from experiments.plotting.series import CycleSeries, DetectionSeries, SuppressionSeries
from experiments.reproduce.engine.figure import Job, Picture, Records, Row, Section, Settings, Table
from experiments.reproduce.engine.published import value, words
from experiments.reproduce.work import chips, counting, estimates, expected, lifetimes
from qec.statistics import Estimate, average, propagation, suppression_factor

TITLE = "Logical memory below threshold"
CHIP = chips.CHIP_105
DISTANCES = (3, 5, 7)
_BASES = ("x", "z")
_CYCLES = (10, 13, *range(30, 251, 20))
# Of the main decoder, which takes twenty times as long: over the same range.
_MAIN_CYCLES = (10, 30, 90, 170, 250)
_SOME_CYCLES = (10, 30, 90)
_FEW_CYCLES = (10, 30, 50)
_QUICK_CYCLES = (10, 50, 90)
_QUICK_FEW_CYCLES = (10, 30)
_SHOTS = 100_000
_QUICK_SHOTS = 3_000


def jobs(settings: Settings) -> list[Job]:
    """Every patch, basis, number of cycles and decoder."""
    return [job for _, job in _jobs(settings)]


def _jobs(settings: Settings) -> Iterator[tuple[tuple[str, int, int, str, int], Job]]:
    for decoder in settings.decoders:
        cycles, shots = _plan(decoder, settings)
        for distance in DISTANCES:
            patches = range(len(chips.patches(CHIP, distance)))
            for patch, basis, length in product(patches, _BASES, cycles):
                job = counting.job(
                    chip=CHIP,
                    distance=distance,
                    patch=patch,
                    basis=basis,
                    cycles=length,
                    shots=shots,
                    decoder=decoder,
                    seed=settings.seed,
                )
                yield (decoder, distance, patch, basis, length), job


def _plan(decoder: str, settings: Settings) -> tuple[tuple[int, ...], int]:
    """Numbers of cycles, and shots of each."""
    shots = counting.affordable(decoder, _QUICK_SHOTS if settings.quick else _SHOTS)
    is_main = decoder == settings.decoders[0]
    if counting.is_fastest(decoder):
        return (_QUICK_CYCLES if settings.quick else _CYCLES), shots
    if settings.quick:
        return (_FEW_CYCLES, shots) if is_main else (_QUICK_FEW_CYCLES, shots // 2)
    if not counting.is_fast(decoder):
        return _FEW_CYCLES, shots
    return (_MAIN_CYCLES if is_main else _SOME_CYCLES), shots


class _Results:
    """Fits of all decoders."""

    def __init__(self, settings: Settings, records: Records) -> None:
        points: dict[tuple[str, int, int, str], list[tuple[int, int, int]]] = defaultdict(list)
        self.pooled: dict[tuple[str, int, int], list[int]] = defaultdict(lambda: [0, 0])
        self.fractions: dict[int, dict[int, list[Estimate]]] = defaultdict(lambda: defaultdict(list))
        # The first decoder that was given the longest memories; detection events are the same for all.
        self.shown = max(settings.decoders, key=lambda name: max(_plan(name, settings)[0]))
        longest = max(_plan(self.shown, settings)[0])
        for (decoder, distance, patch, basis, cycles), job in _jobs(settings):
            record = records[job]
            points[decoder, distance, patch, basis].append((cycles, record["errors"], record["shots"]))
            pool = self.pooled[decoder, distance, cycles]
            pool[0] += record["errors"]
            pool[1] += record["shots"]
            if decoder == self.shown and cycles == longest:
                for cycle, middle, low, high in record["fractions"]:
                    self.fractions[distance][int(cycle)].append(Estimate(middle, low, high))
        self.by_patch = {key: estimates.fit(found).epsilon for key, found in points.items()}
        self.fits = {decoder: self._fits(decoder) for decoder in settings.decoders}

    def _fits(self, decoder: str) -> Fits:
        fitted = [
            DistanceFit(
                distance=distance,
                epsilon=average(estimates=self.of(decoder, distance)),
                by_basis={},
            )
            for distance in DISTANCES
        ]
        line = suppression_factor(distances=DISTANCES, epsilons=[one.epsilon for one in fitted])
        return Fits(distances=fitted, suppression=line)

    def of(self, decoder: str, distance: int) -> list[Estimate]:
        """epsilon of each patch and basis."""
        return [e for (name, d, _, _), e in self.by_patch.items() if (name, d) == (decoder, distance)]

    def patch(self, decoder: str, distance: int) -> dict[int, Estimate]:
        """epsilon of each patch, bases averaged."""
        grouped: dict[int, list[Estimate]] = defaultdict(list)
        for (name, d, patch, _), found in self.by_patch.items():
            if (name, d) == (decoder, distance):
                grouped[patch].append(found)
        return {patch: average(estimates=found) for patch, found in grouped.items()}

    def best(self) -> str:
        """The decoder whose epsilon at the largest distance is surely the smallest: by its upper end.

        By its value it would be the one with the fewest shots and the best luck.
        """
        return min(self.fits, key=lambda name: self.fits[name].distances[-1].epsilon.high)


def section(settings: Settings, records: Records) -> Section:
    """Fits, Lambda, detection fractions, lifetimes."""
    found = _Results(settings, records)
    best = found.best()
    lambda_best = _suppression(found.fits[best])
    rows = [*_fraction_rows(), *_decoder_rows(found, settings)]
    smallest, largest = _extremes(found, settings.decoders[0])
    rows += [
        _row("epsilon_3, best patch", smallest, words("memory.smallest_epsilon_3", scale=1e3, unit=""), 1e3),
        _row("epsilon_3, worst patch", largest, words("memory.largest_epsilon_3", scale=1e3, unit=""), 1e3),
    ]
    rows += lifetimes.rows(CHIP, epsilon=found.fits[best].distances[-1].epsilon, decoder=best)
    pictures = [
        Picture(
            name="memory",
            caption="Left: logical error against cycles, all patches and bases of a distance together, "
            f"decoder {found.shown}. Middle: error per cycle against distance, by decoder, beside "
            "the published values. Right: detection fraction in each cycle.",
            draw=lambda path: _draw(path, found, settings),
        )
    ]
    return Section(
        summary=(
            "ZXXZ surface codes on the model of the 105-qubit chip: nine patches of distance 3, four of "
            "distance 5 and one of distance 7, in both bases. ln(1 - 2 P) is fitted against cycles for each "
            "patch and basis; epsilon_d is the mean over patches and bases, Lambda comes from ln epsilon_d "
            "against d.\n\n"
            f"The best decoder here is {best}: Lambda = {number(lambda_best.value)} "
            f"[{number(lambda_best.low)}, {number(lambda_best.high)}]."
        ),
        calibrated="one factor on all published component rates, by the mean detection fractions of d = 3, "
        "5 and 7; they follow exactly from the error model, without sampling.",
        predicted="logical error per cycle, Lambda, the spread over patches, lifetimes.",
        rows=rows,
        tables=[_patch_table(found, settings), _plan_table(settings)],
        pictures=pictures,
        limits=[
            "No leakage, no crosstalk of measurements, no drift, no correlated bursts: the calibrated factor "
            "stands for their share in the detection fraction, spread evenly over all channels.",
            "Errors are Pauli errors; decay (T1) is symmetrised.",
            "Decoders know the exact rates of the simulation, which no prior of a real device does; the "
            "published decoders are other ones.",
            "Rates differ from qubit to qubit by independent log-normal draws, not by the map of the chip.",
        ],
        data={
            "epsilon": {f"{k[0]} d={k[1]} patch={k[2]} {k[3]}": e.value for k, e in found.by_patch.items()}
        },
    )


def _row(quantity: str, ours: Estimate, published: str, scale: float = 1.0, note: str = "") -> Row:
    return Row(
        quantity=quantity + (" (1e-3)" if scale == 1e3 else ""),
        ours=ours,
        published=published,
        kind="predicted",
        scale=scale,
        note=note,
    )


def _suppression(fits: Fits) -> Estimate:
    assert fits.suppression is not None
    return fits.suppression.value


def mean_fraction(distance: int, *, basis: str | None = None) -> float:
    """Expected detection fraction in the steady state, averaged over the patches and bases of a distance."""
    cycles = 8
    found = []
    for patch, one in product(range(len(chips.patches(CHIP, distance))), _BASES):
        if basis in (None, one):
            circuit = chips.circuit(CHIP, distance=distance, patch=patch, basis=one, cycles=cycles)
            found.append(expected.steady_fraction(circuit))
    return sum(found) / len(found)


def _fraction_rows() -> list[Row]:
    return [
        Row(
            quantity=f"mean detection fraction, d = {distance}",
            ours=f"{100 * mean_fraction(distance):.2f} %",
            published=words(f"memory.detection_fraction_{distance}", scale=100, unit="%", note=False),
            kind="calibrated",
            note="exact, from the error model, cycles in the middle" if distance == 3 else "",
        )
        for distance in DISTANCES
    ]


_RIVALS = {
    "mwpm": "uncorrelated",
    "pymatching": "uncorrelated",
    "mwpm-correlated": "correlated",
    "pymatching-correlated": "correlated",
}


def _decoder_rows(found: _Results, settings: Settings) -> list[Row]:
    rows = []
    for decoder in settings.decoders:
        rival = _RIVALS.get(decoder, "matching")
        for fitted in found.fits[decoder].distances:
            published = words(f"memory.epsilon_{fitted.distance}_{rival}", scale=1e3, unit="")
            rows.append(_row(f"epsilon_{fitted.distance}, {decoder}", fitted.epsilon, published, 1e3))
        published = words("memory.lambda_matching") if rival == "matching" else ""
        rows.append(_row(f"Lambda, {decoder}", _suppression(found.fits[decoder]), published))
    rows.append(
        Row(
            quantity="Lambda, neural network",
            ours="-",
            published=words("memory.lambda_network", note=False),
            kind="predicted",
            note="this project has no neural network",
        )
    )
    return rows


def _extremes(found: _Results, decoder: str) -> tuple[Estimate, Estimate]:
    patches = sorted(found.patch(decoder, 3).values(), key=lambda e: e.value)
    return patches[0], patches[-1]


def _patch_table(found: _Results, settings: Settings) -> Table:
    rows = []
    for distance in DISTANCES:
        for patch in range(len(chips.patches(CHIP, distance))):
            cells = [str(distance), str(chips.patches(CHIP, distance)[patch].origin)]
            for decoder in settings.decoders:
                e = found.patch(decoder, distance)[patch]
                cells.append(f"{1e3 * e.value:.3g} [{1e3 * e.low:.3g}, {1e3 * e.high:.3g}]")
            rows.append(cells)
    return Table(
        title="epsilon of each patch (1e-3), mean of the bases",
        header=("d", "origin of the patch", *settings.decoders),
        rows=rows,
    )


def _plan_table(settings: Settings) -> Table:
    rows = []
    for decoder in settings.decoders:
        cycles, shots = _plan(decoder, settings)
        rows.append([decoder, ", ".join(map(str, cycles)), f"{shots:,}"])
    return Table(
        title="What each decoder was given: slower ones see fewer and shorter memories",
        header=("decoder", "cycles", "shots of each patch, basis and number of cycles"),
        rows=rows,
    )


def _draw(path: Path, found: _Results, settings: Settings) -> None:
    from experiments.plotting import figures

    first = found.shown
    cycles = []
    for fitted in found.fits[first].distances:
        pooled = {
            c: counts
            for (name, d, c), counts in found.pooled.items()
            if (name, d) == (first, fitted.distance)
        }
        lengths = sorted(pooled)
        cycles.append(
            CycleSeries(
                label=f"d = {fitted.distance}",
                cycles=lengths,
                probabilities=[estimates.probability(pooled[c][0], pooled[c][1]) for c in lengths],
                fit=estimates.fit([(c, pooled[c][0], pooled[c][1]) for c in lengths]),
            )
        )
    suppression = [
        SuppressionSeries(
            label=decoder,
            distances=list(DISTANCES),
            epsilons=[one.epsilon for one in found.fits[decoder].distances],
            fit=found.fits[decoder].suppression,
        )
        for decoder in settings.decoders
    ]
    suppression.append(
        SuppressionSeries(
            label="published, ensembled matching",
            distances=list(DISTANCES),
            epsilons=[_published(f"memory.epsilon_{distance}_matching") for distance in DISTANCES],
        )
    )
    suppression.append(
        SuppressionSeries(
            label="published, neural network",
            distances=list(DISTANCES),
            epsilons=[_published(f"memory.epsilon_{distance}_network") for distance in DISTANCES],
        )
    )
    detection = [
        DetectionSeries(
            label=f"d = {distance}",
            fractions={cycle: average(estimates=several) for cycle, several in by_cycle.items()},
        )
        for distance, by_cycle in found.fractions.items()
    ]
    figures.draw_overview(path=path, cycles=cycles, suppression=suppression, detection=detection)


def _published(key: str) -> Estimate:
    entry = value(key)
    return propagation.from_sigma(entry.value, entry.error or 0.0)
