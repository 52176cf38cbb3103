"""Error budget of the 72-qubit chip: what each channel contributes to 1/Lambda."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from experiments.common.tables import number
from experiments.reproduce.engine.figure import Job, Picture, Records, Row, Section, Settings, Table
from experiments.reproduce.engine.published import value, words
from experiments.reproduce.work import chips, counting, estimates, leakage_jobs
from qec.statistics import Estimate, average, propagation

TITLE = "Error budget"
CHIP = chips.CHIP_72
_BASES = ("x", "z")
_CYCLES = 30
_SHOTS = {3: 150_000, 5: 400_000}
_QUICK_SHOTS = {3: 4_000, 5: 8_000}
_STEP = 0.5
# Channel -> words, and how many of the model's rates make one of the published budget: idling strikes in two
# layers of a cycle, and to each CZ fall three pairs of neighbours.
_CHANNELS = {
    "two_qubit": ("CZ", 1),
    "crosstalk": ("CZ crosstalk", 3),
    "leakage": ("CZ leakage", 1),
    "idle_measure_reset": ("idling of data qubits", 2),
    "readout": ("readout", 1),
    "reset": ("reset", 1),
    "one_qubit": ("one-qubit gates", 1),
    "heating": ("leakage heating", 1),
}
# Leakage is small: switched on at several times its rate, so that its effect stands out of the noise.
_LEAKING: dict[str, tuple[dict[str, float], float]] = {
    "leakage": (leakage_jobs.PUBLISHED_CZ, 2.0),
    "heating": (leakage_jobs.PUBLISHED_HEATING, 4.0),
}
_MODELLED = [kind for kind in _CHANNELS if kind not in _LEAKING]
_PORTION = {3: 50_000, 5: 20_000}
Variant = tuple[str, float]
_AS_IS: Variant = ("", 1.0)


def jobs(settings: Settings) -> list[Job]:
    """The chip as it is, with each channel's rate raised and lowered by half, and with leakage."""
    return [job for _, job in _jobs(settings)]


def _jobs(settings: Settings) -> Iterator[tuple[tuple[Variant, int], Job]]:
    shots = _QUICK_SHOTS if settings.quick else _SHOTS
    variants = [_AS_IS, *product(_MODELLED, (1 - _STEP, 1 + _STEP))]
    for variant, distance in product(variants, shots):
        kind, factor = variant
        for patch, basis in product(range(len(chips.patches(CHIP, distance))), _BASES):
            job = counting.job(
                chip=CHIP,
                distance=distance,
                patch=patch,
                basis=basis,
                cycles=_CYCLES,
                shots=shots[distance],
                decoder=settings.decoders[0],
                seed=settings.seed,
                scale={kind: factor} if kind else None,
            )
            yield (variant, distance), job
    for (kind, (rates, factor)), distance in product(_LEAKING.items(), shots):
        more = {name: factor * rate for name, rate in rates.items()}
        for patch, basis in product(range(len(chips.patches(CHIP, distance))), _BASES):
            for job in leakage_jobs.jobs(
                chip=CHIP,
                leakage={**more, **leakage_jobs.ASSUMED, **leakage_jobs.REMOVAL},
                distance=distance,
                patch=patch,
                basis=basis,
                cycles=_CYCLES,
                shots=shots[distance],
                portion=_PORTION[distance],
                decoder=settings.decoders[0],
                seed=settings.seed,
            ):
                yield ((kind, factor), distance), job


@dataclass(frozen=True, kw_only=True)
class _Share:
    """One channel's contribution to 1/Lambda, and its weight: contribution = weight x rate."""

    contribution: Estimate
    weight: Estimate
    rate: float


def _shares(inverse: dict[Variant, Estimate]) -> dict[str, _Share]:
    rates = chips.device(CHIP).rates
    found = {}
    for kind in _MODELLED:
        low, high = inverse[kind, 1 - _STEP], inverse[kind, 1 + _STEP]
        found[kind] = _share(low, high, step=2 * _STEP, rate=rates[kind] * _CHANNELS[kind][1])
    for kind, (model, factor) in _LEAKING.items():
        found[kind] = _share(
            inverse[_AS_IS], inverse[kind, factor], step=factor, rate=next(iter(model.values()))
        )
    return found


def _share(low: Estimate, high: Estimate, *, step: float, rate: float) -> _Share:
    """What a rate contributes to 1/Lambda that grows from `low` to `high` over `step` times the rate."""
    sigma = math.hypot(propagation.sigma_of(low), propagation.sigma_of(high)) / step
    share = (high.value - low.value) / step
    return _Share(
        contribution=propagation.from_sigma(share, sigma),
        weight=propagation.from_sigma(share / rate, sigma / rate),
        rate=rate,
    )


def _inverse_lambda(settings: Settings, records: Records) -> dict[Variant, Estimate]:
    """epsilon_5 / epsilon_3 of each variant."""
    counts: dict[tuple[Variant, int, int, str], tuple[int, int]] = {}
    for (variant, distance), job in _jobs(settings):
        record = records[job]
        key = (variant, distance, int(job.arguments["patch"]), str(job.arguments["basis"]))
        errors, shots = counts.get(key, (0, 0))
        counts[key] = (errors + record["errors"], shots + record["shots"])
    epsilons: dict[tuple[Variant, int], list[Estimate]] = {}
    for (variant, distance, _, _), (errors, shots) in counts.items():
        fitted = estimates.fit([(_CYCLES, errors, shots)])
        epsilons.setdefault((variant, distance), []).append(fitted.epsilon)
    means = {key: average(estimates=found) for key, found in epsilons.items()}
    return {
        variant: propagation.divide(means[variant, 5], means[variant, 3])
        for variant, distance in means
        if distance == 3
    }


def section(settings: Settings, records: Records) -> Section:
    """Contributions beside the published ones."""
    inverse = _inverse_lambda(settings, records)
    shares = _shares(inverse)
    whole = _sum(inverse, list(shares))
    pauli = _sum(inverse, _MODELLED)
    as_is = inverse[_AS_IS]
    swapped = Estimate(1 / as_is.value, 1 / as_is.high, 1 / as_is.low)
    rows = [
        Row(
            quantity=f"{_CHANNELS[kind][0]}: contribution to 1/Lambda",
            ours=share.contribution,
            published=words(f"budget.{kind}", note=False),
            kind="predicted",
            note=f"on at {_LEAKING[kind][1]:g} times its rate, the change divided by {_LEAKING[kind][1]:g}"
            if kind in _LEAKING
            else "",
        )
        for kind, share in shares.items()
    ]
    rows += [
        Row(
            quantity="sum of the contributions",
            ours=whole,
            published=words("budget.sum", note=False),
            kind="predicted",
            note="equals 1/Lambda where that is proportional to the rates; published Lambda from it: "
            + words("budget.lambda_from_budget"),
        ),
        Row(
            quantity="sum without leakage and its heating",
            ours=pauli,
            published=f"{sum(value(f'budget.{kind}').value for kind in _MODELLED):.3f}",
            kind="predicted",
        ),
        Row(
            quantity="1/Lambda, simulated as it is, without leakage",
            ours=as_is,
            published=f"{1 / value('budget.lambda_simulated').value:.3f}",
            kind="predicted",
        ),
        Row(
            quantity="Lambda, d = 3 to 5, without leakage",
            ours=swapped,
            published=words("budget.lambda_simulated"),
            kind="predicted",
            note=f"measured: {words('budget.lambda_measured')}",
        ),
    ]
    decoder = settings.decoders[0]
    strengths = " and ".join(f"{f:g} times the rate of {_CHANNELS[k][0]}" for k, (_, f) in _LEAKING.items())
    return Section(
        summary=(
            "The rate of each channel of the 72-qubit chip's model is raised and lowered by half, and "
            f"epsilon_5 / epsilon_3 simulated each time ({_CYCLES} cycles, both bases, five patches of "
            f"d = 3 and one of d = 5, decoder {decoder}). The difference gives the channel's weight, as in "
            "the paper: 1/Lambda = sum of weight x rate. Leakage, which is no Pauli error, is off "
            "otherwise; its two channels are switched on one after the other, with leakage removal in every "
            "cycle and a decoder that does not know of it.\n\n"
            f"Without leakage 1/Lambda = {number(as_is.value)}, and the contributions of Pauli channels add "
            f"up to {number(pauli.value)} [{number(pauli.low)}, {number(pauli.high)}], with leakage to "
            f"{number(whole.value)} [{number(whole.low)}, {number(whole.high)}]."
        ),
        calibrated="nothing: rates are the published component rates.",
        predicted="1/Lambda, weights and contributions.",
        rows=rows,
        tables=[_weights(shares)],
        pictures=[
            Picture(
                name="budget",
                caption="Contribution of each channel to 1/Lambda, here and published (72-qubit chip).",
                draw=lambda path: _draw(path, shares, decoder),
            )
        ],
        limits=[
            "Leakage is that of the leakage figure (one leaked level, perfect removal, lifetime and "
            f"transport assumed), at {strengths}, scaled down linearly: where the effect bends with the "
            "rate, the bar is its mean slope over that range.",
            "Crosstalk is depolarizing of neighbouring qubits of simultaneous gates, a guess at the "
            "published channel.",
            "Qubits that wait in a layer of gates are free of errors here; the published budget may count "
            "them under one-qubit gates.",
            "A step of half a rate is not small: the curvature of 1/Lambda cancels between up and down only "
            "to second order.",
        ],
        data={"lambda": swapped.value, "inverse": {f"{k} x {f}": e.value for (k, f), e in inverse.items()}},
    )


def _sum(inverse: dict[Variant, Estimate], kinds: Sequence[str]) -> Estimate:
    """The contributions of some channels together; those of leakage share the chip without it."""
    factors: dict[Variant, float] = defaultdict(float)
    for kind in kinds:
        low, high, step = (kind, 1 - _STEP), (kind, 1 + _STEP), 2 * _STEP
        if kind in _LEAKING:
            step = _LEAKING[kind][1]
            low, high = _AS_IS, (kind, step)
        factors[high] += 1 / step
        factors[low] -= 1 / step
    sigma = math.hypot(
        *(factor * propagation.sigma_of(inverse[variant]) for variant, factor in factors.items())
    )
    return propagation.from_sigma(sum(f * inverse[variant].value for variant, f in factors.items()), sigma)


def _weights(shares: dict[str, _Share]) -> Table:
    rows = []
    for kind, share in shares.items():
        published = value(f"budget.{kind}")
        rows.append(
            [
                _CHANNELS[kind][0],
                f"{share.rate:.3g}",
                f"{published.rate:.3g}",
                f"{share.weight.value:.0f} [{share.weight.low:.0f}, {share.weight.high:.0f}]",
                f"{published.weight:.0f}",
            ]
        )
    return Table(
        title="Weights: how much 1/Lambda grows with a rate",
        header=("channel", "rate here", "published rate", "weight here", "published weight"),
        rows=rows,
    )


def _draw(path: Path, shares: dict[str, _Share], decoder: str) -> None:
    from experiments.plotting.bars import Bars, draw_bars

    draw_bars(
        path=path,
        causes=[name for name, _ in _CHANNELS.values()],
        groups=[
            Bars(
                label=f"here, {decoder}",
                values=[shares[kind].contribution if kind in shares else None for kind in _CHANNELS],
            ),
            Bars(
                label="published",
                values=[propagation.from_sigma(value(f"budget.{kind}").value, 0.0) for kind in _CHANNELS],
            ),
        ],
        x_label=r"contribution to $1/\Lambda$",
    )
