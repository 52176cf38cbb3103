"""Exact logical error rates of decoders on random small models: measurement and table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import stim

import decoders
from experiments.bench.codes.exact_model import ExactModel
from experiments.bench.codes.random_models import random_model
from experiments.bench.codes.runs import REFERENCE, decode_or_refuse
from experiments.common.numbers import number
from experiments.common.terminal import table

# Relative difference of two rates that are equal but for rounding.
_ROUNDING = 1e-9
_PEER = "pymatching-correlated"
_LEVELS = (0.5, 0.99, 1.0)


@dataclass(frozen=True)
class Outcome:
    """One model.

    Attributes:
        seed: of the model.
        optimum: least logical error rate of any decoder.
        rates: decoder -> its exact logical error rate; refused syndromes count as wrong.
        refused: decoder -> syndromes that can occur and that it raised an error for.
    """

    seed: int
    optimum: float
    rates: dict[str, float]
    refused: dict[str, int]


def measure(seed: int, names: Sequence[str]) -> Outcome:
    """Decode every syndrome of one model that can occur, with every decoder."""
    dem = random_model(seed)
    exact = ExactModel.of(dem)
    rates, refused = {}, {}
    for name in names:
        rates[name], refused[name] = exact_error(dem, exact, name)
    return Outcome(seed=seed, optimum=exact.optimum(), rates=rates, refused=refused)


def exact_error(dem: stim.DetectorErrorModel, exact: ExactModel, name: str) -> tuple[float, int]:
    """Exact logical error rate of a decoder.

    Returns:
        The rate, with refused syndromes counted as wrong, and how many syndromes were refused: all of them if
        the decoder refuses the model.
    """
    events = np.packbits(exact.events(), axis=1, bitorder="little")
    try:
        decoder = decoders.from_dem(name, dem)
    except ValueError:
        return float(exact.joint.sum()), len(events)
    packed, refused = decode_or_refuse(decoder, events)
    predictions = np.unpackbits(packed, axis=1, count=exact.num_observables, bitorder="little").astype(
        np.bool_
    )
    rate = exact.errors(predictions)[~refused].sum() + exact.joint[refused].sum()
    return float(rate), int(refused.sum())


def _ratio(rate: float, optimum: float) -> float:
    if optimum > 0:
        return rate / optimum
    return 1.0 if rate == 0 else math.inf


def _worse(outcomes: Sequence[Outcome], name: str, than: str) -> list[Outcome]:
    return [one for one in outcomes if one.rates[name] > one.rates[than] * (1 + _ROUNDING)]


def text(outcomes: Sequence[Outcome]) -> str:
    """Table of all decoders over all models."""
    header = [
        "decoder",
        "mean error / mean optimum",
        "median ratio",
        "99th percentile",
        "worst ratio",
        "seed",
    ]
    header += ["above optimum", "above 0", "above mwpm", f"above {_PEER}", "refused syndromes"]
    mean = sum(one.optimum for one in outcomes)
    rows = []
    names = list(outcomes[0].rates)
    uncertain = [one for one in outcomes if one.optimum > 0]
    certain = [one for one in outcomes if one.optimum == 0]
    for name in names:
        ratios = np.array([one.rates[name] / one.optimum for one in uncertain])
        quantiles = [
            float(np.quantile(ratios, q, method="higher")) if uncertain else math.nan for q in _LEVELS
        ]
        above_zero = sum(one.rates[name] > 0 for one in certain)
        refusing = sum(one.refused[name] > 0 for one in outcomes)
        refused = sum(one.refused[name] for one in outcomes)
        rows.append(
            [
                name,
                f"{_ratio(sum(one.rates[name] for one in outcomes), mean):.6f}",
                *(number(quantile, 4) for quantile in quantiles),
                str(uncertain[int(ratios.argmax())].seed) if uncertain else "",
                str(int((ratios > 1 + _ROUNDING).sum()) + above_zero),
                str(above_zero),
                "" if name == REFERENCE else str(len(_worse(outcomes, name, REFERENCE))),
                "" if name == _PEER or _PEER not in names else str(len(_worse(outcomes, name, _PEER))),
                f"{refused} in {refusing} models" if refused else "0",
            ]
        )
    return "\n".join(
        [
            f"Exact logical error rates on {len(outcomes)} random models, seeds {outcomes[0].seed} to "
            f"{outcomes[-1].seed}; mean optimum {number(mean / len(outcomes))}.",
            "Ratio: a decoder's rate divided by the optimum of the model, over the "
            f"{len(uncertain)} models whose optimum is not 0.",
            "Seed: of the worst ratio. Above: number of models whose rate is, by more than rounding, above "
            "the optimum, above 0 where the optimum is 0, or above another decoder's rate.",
            "",
            table(header, rows),
            "",
            "--model SEED prints a model and what each decoder makes of it.",
        ]
    )


def text_of_model(seed: int, names: Sequence[str]) -> str:
    """Decode one random model with each decoder; returns a table."""
    outcome = measure(seed, names)
    rows = [
        [name, f"{rate:.6e}", number(_ratio(rate, outcome.optimum), 4), str(outcome.refused[name])]
        for name, rate in outcome.rates.items()
    ]
    rows.insert(0, ["optimum", f"{outcome.optimum:.6e}", "1", ""])
    return table(["decoder", "logical error rate", "ratio", "refused syndromes"], rows)


def plain_data(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Convert to plain data for a JSON file."""
    return [vars(one) for one in outcomes]
