"""Lambda as a function of component rates: one channel of the device model at a time."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from experiments.common.numbers import estimate, number
from experiments.plotting.series import CurvePanel, CurveSeries
from experiments.reproduce.engine.figure import Job, Picture, Records, Row, Settings, Table
from experiments.reproduce.engine.published import value
from experiments.reproduce.scaling import tiles
from experiments.reproduce.scaling.part import Part
from experiments.reproduce.work import chips
from qec.statistics import Estimate, SuppressionFit, suppression_factor

CHIP = chips.CHIP_72
_DISTANCES = (3, 5, 7)
_BASES = ("x", "z")
_FACTORS = (0.0, 0.5, 2.0)
_SHOTS, _QUICK_SHOTS = 40_000, 300
#: Channel -> words.
CHANNELS = {
    "two_qubit": "CZ",
    "crosstalk": "CZ crosstalk",
    "idle_measure_reset": "idling",
    "readout": "readout",
    "reset": "reset",
    "one_qubit": "one-qubit gates",
}
_ALL = "all"
Variant = tuple[str, float]
_AS_IS: Variant = (_ALL, 1.0)
# A rate of exactly 0 would remove the channel from the circuit; this is as good.
_NEARLY_NOTHING = 1e-6


def variants(settings: Settings) -> list[Variant]:
    """List what is simulated: the chip as it is, each channel scaled, and all channels."""
    if settings.quick:
        return [_AS_IS, *((channel, 0.0) for channel in ("two_qubit", "readout"))]
    return [_AS_IS, *product(CHANNELS, _FACTORS), (_ALL, 0.5)]


def jobs(settings: Settings) -> list[Job]:
    """List jobs: all tiles and bases of each variant."""
    return [job for _, job in _jobs(settings)]


def _jobs(settings: Settings) -> Iterator[tuple[tuple[Variant, int], Job]]:
    shots = _QUICK_SHOTS if settings.quick else _SHOTS
    for variant, distance in product(variants(settings), _DISTANCES):
        channel, factor = variant
        scale = {} if variant == _AS_IS else {channel: factor or _NEARLY_NOTHING}
        for tile in range(tiles.TILES):
            basis = _BASES[tile % len(_BASES)]
            job = tiles.count_job(
                chip=CHIP,
                scale=scale,
                distance=distance,
                number=tile,
                basis=basis,
                shots=shots,
                decoder=settings.decoders[0],
                seed=settings.seed,
            )
            yield (variant, distance), job


def suppressions(settings: Settings, records: Records) -> dict[Variant, SuppressionFit]:
    """Variant -> fit of Lambda over the distances."""
    counts: dict[tuple[Variant, int], list[int]] = {}
    for key, job in _jobs(settings):
        found = counts.setdefault(key, [0, 0])
        found[0] += records[job]["errors"]
        found[1] += records[job]["shots"]
    return {
        variant: suppression_factor(
            distances=_DISTANCES,
            epsilons=[
                tiles.counted({"errors": counts[variant, d][0], "shots": counts[variant, d][1]}, d)
                for d in _DISTANCES
            ],
        )
        for variant in variants(settings)
    }


def published_lambda(channel: str, factor: float) -> float:
    """Lambda by the published budget: 1/Lambda = sum of weight x rate, one contribution scaled."""
    whole = value("budget.sum").value
    part = whole if channel == _ALL else value(f"budget.{channel}").value
    return 1 / (whole + (factor - 1) * part)


def part(settings: Settings, records: Records) -> Part:
    """Report Lambda for each channel and factor."""
    found = suppressions(settings, records)
    as_is = found[_AS_IS].value
    best = max(
        (variant for variant in found if variant[1] == 0), key=lambda variant: found[variant].value.value
    )
    rows = [
        Row(
            quantity=f"Lambda, {_title(variant)}",
            ours=fit.value,
            published=number(published_lambda(*variant)),
            kind="predicted",
            note="published: by its linear budget, leakage included" if variant == _AS_IS else "",
        )
        for variant, fit in found.items()
        if variant[1] in (0.0, 1.0) or variant[0] == _ALL
    ]
    return Part(
        words=(
            "**Components.** On the 72-qubit model each channel's rate is scaled alone, and Lambda is fitted "
            f"over d = 3, 5 and 7. As it is, Lambda = {estimate(as_is)}. The most is gained without errors "
            f"of {CHANNELS[best[0]]}: {estimate(found[best].value)}. Published values come from the linear "
            "budget 1/Lambda = sum of weight x rate, whose weights are slopes at the published rates: far "
            "from them it is an extrapolation."
        ),
        rows=rows,
        tables=[_table(settings, found)],
        pictures=[]
        if settings.quick
        else [
            Picture(
                name="scaling_components",
                caption="Lambda of the 72-qubit model, d = 3 to 7, with one channel's rate scaled by a "
                "factor: simulated, and by the published budget.",
                draw=lambda path: _draw(path, found),
            )
        ],
        limits=["Leakage is left out of the simulated Lambda, and part of the published budget (6 %)."],
        data={
            "components": {f"{channel} x {factor:g}": f.value.value for (channel, factor), f in found.items()}
        },
    )


def _title(variant: Variant) -> str:
    channel, factor = variant
    if variant == _AS_IS:
        return "72 qubits, d = 3 to 7"
    if channel == _ALL:
        return f"all rates x {factor:g}"
    return f"{CHANNELS[channel]} without errors"


def _table(settings: Settings, found: dict[Variant, SuppressionFit]) -> Table:
    factors = sorted({factor for _, factor in variants(settings) if factor != 1})
    rows = []
    for channel in dict.fromkeys(name for name, _ in found if name != _ALL):
        cells = []
        for factor in factors:
            fit = found.get((channel, factor))
            cells += [estimate(fit.value), number(published_lambda(channel, factor))] if fit else ["", ""]
        rows.append([CHANNELS[channel], *cells])
    header = [words for factor in factors for words in (f"Lambda at x {factor:g}", "by the budget")]
    return Table(
        title="Lambda with one channel's rate scaled [95 %], and by the published budget",
        header=("channel", *header),
        rows=rows,
    )


def _draw(path: Path, found: dict[Variant, SuppressionFit]) -> None:
    from experiments.plotting import figures

    factors = sorted({*_FACTORS, 1.0})
    here: list[CurveSeries] = []
    budget: list[CurveSeries] = []
    for channel, words in CHANNELS.items():
        values: list[Estimate | float] = [
            found[_AS_IS if factor == 1 else (channel, factor)].value for factor in factors
        ]
        here.append(CurveSeries(words, factors, values))
        budget.append(CurveSeries(words, factors, [published_lambda(channel, factor) for factor in factors]))
    figures.draw_curves(
        path=path,
        panels=[
            CurvePanel(
                title=title,
                x_label="factor on the channel's rate",
                y_label="Lambda",
                series=series,
                whole_x=False,
            )
            for title, series in (("Simulated, d = 3 to 7", here), ("By the published budget", budget))
        ],
    )
