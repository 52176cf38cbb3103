"""Cases of intervals made from other estimates, from paired counts, times and repeated runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

import qec
from experiments.bench.accuracy.report import Score
from experiments.bench.coverage.cases import Case, relative
from experiments.bench.streaming.pairs import STREAM, Pair
from experiments.common.points import Point
from experiments.loop.statistics import mean
from qec import noise, priors
from qec.priors.fitting import levels_of
from qec.priors.mechanisms import read_mechanisms
from qec.sampling import estimate_rare_failures
from qec.statistics import Estimate, logical_error_rate, positive_mean, propagation
from qec.statistics.crossing import crossing

_SHOTS = 100_000


def cases() -> Iterator[Case]:
    """List all cases."""
    for above, below in ((5.0, 5.0), (5.0, 1000.0), (1000.0, 5.0), (100.0, 100.0)):
        yield Case(
            quantity="ratio of two rates",
            conditions=f"{above:g} and {below:g} expected",
            draw=_quotient(above, below),
            share=2,
        )
    for both, own, other in ((0.0, 5.0, 5.0), (5.0, 1.0, 1.0), (60.0, 15.0, 45.0), (500.0, 2.0, 2.0)):
        for name, draw in (("decoders", _paired), ("windows", _windows)):
            yield Case(
                quantity=f"ratio on the same shots, {name}",
                conditions=f"{both:g} both, {own:g} and {other:g} alone expected",
                draw=draw(both, own, other),
                share=5,
            )
    for largest in (20.0, 200.0):
        yield Case(
            quantity="crossing of two distances",
            conditions=f"6 strengths, {largest:g} errors and more expected",
            draw=_crossing(largest),
            share=0.5,
        )
        yield Case(
            quantity="exponent of a power law",
            conditions=f"5 points, {largest:g} errors and more expected",
            draw=_exponent(largest),
        )
    for number in (5, 16):
        for width in (0.2, 0.5, 1.5):
            yield Case(
                quantity="mean of repeated estimates",
                conditions=f"{number}, scatter {100 * width:g} %",
                draw=_repeated(number, width),
                share=5,
            )
    yield Case(quantity="mean latency", conditions="30 shots, log-normal, width 0.3", draw=_latency, share=5)
    for population in (16, 48):
        yield Case(
            quantity="splitting",
            conditions=f"repetition d = 7, 5e-7, population {population}",
            draw=_splitting(population),
            share=0.1,
        )
    yield Case(
        quantity="learned rates", conditions="surface d = 3, 3 cycles, 5000 shots", draw=_learned, share=0.01
    )
    for shots in (1000, 20_000):
        yield Case(
            quantity="p_ij",
            conditions=f"repetition d = 5, 4 cycles, {shots} shots",
            draw=_pairs(shots),
            share=0.1,
        )


def _quotient(above: float, below: float) -> Callable[[np.random.Generator], list[Estimate]]:
    rate = functools.cache(lambda k: logical_error_rate(errors=k, shots=_SHOTS, confidence=0.95))

    def draw(rng: np.random.Generator) -> list[Estimate]:
        first, second = (rate(int(k)) for k in rng.binomial(_SHOTS, [above / _SHOTS, below / _SHOTS]))
        if not second.value or not first.value:
            return draw(rng)  # no ratio is published
        return relative(propagation.divide(first, second), above / below)

    return draw


def _paired(both: float, own: float, other: float) -> Callable[[np.random.Generator], list[Estimate]]:
    def draw(rng: np.random.Generator) -> list[Estimate]:
        a, b, c = (int(k) for k in rng.poisson([both, own, other]))
        found = Score("a", False, _SHOTS, a, b, c, 1.0, 1.0).ratio
        return relative(found, (both + own) / (both + other))

    return draw


def _windows(both: float, own: float, other: float) -> Callable[[np.random.Generator], list[Estimate]]:
    point = Point("surface", "cx", 5, 100, "z", "uniform", 0.001)

    def draw(rng: np.random.Generator) -> list[Estimate]:
        a, b, c = (int(k) for k in rng.poisson([both, own, other]))
        pair = Pair(STREAM, point, 20, 5, _SHOTS, a, b, c)
        return relative(pair.ratio(), (both + own) / (both + other))

    return draw


def _crossing(least: float) -> Callable[[np.random.Generator], list[Estimate]]:
    """Draw p = 1/4 (x / 0.01)^((d + 1) / 2) at strengths around 0.01."""
    strengths = np.geomspace(0.008, 0.0125, 6)
    curves = [0.05 * (strengths / 0.01) ** power for power in (2, 3)]
    shots = math.ceil(least / curves[1][0])

    def draw(rng: np.random.Generator) -> list[Estimate]:
        smaller, larger = (
            [logical_error_rate(errors=int(k), shots=shots, confidence=0.95) for k in rng.binomial(shots, p)]
            for p in curves
        )
        found = crossing(strengths.tolist(), smaller, larger, seed=1)
        return draw(rng) if found is None else relative(found, 0.01)

    return draw


def _exponent(least: float) -> Callable[[np.random.Generator], list[Estimate]]:
    x = np.geomspace(1, 3, 5)
    rates = least / _SHOTS * x**2

    def draw(rng: np.random.Generator) -> list[Estimate]:
        counts = rng.binomial(_SHOTS, rates)
        y = [logical_error_rate(errors=int(k), shots=_SHOTS, confidence=0.95) for k in counts]
        return relative(propagation.fit_exponent(x.tolist(), y), 2)

    return draw


def _repeated(number: int, width: float) -> Callable[[np.random.Generator], list[Estimate]]:
    sigma = math.sqrt(math.log1p(width**2))
    return lambda rng: [positive_mean(rng.lognormal(-(sigma**2) / 2, sigma, size=number).tolist())]


def _latency(rng: np.random.Generator) -> list[Estimate]:
    times = rng.lognormal(math.log(20_000) - 0.3**2 / 2, 0.3, size=30)
    return relative(mean([round(time) for time in times]), 20)


def _splitting(population: int) -> Callable[[np.random.Generator], list[Estimate]]:
    """Count a wrong majority of seven bits; its probability is a sum of binomial terms."""
    distance, p = 7, 0.011
    ends = ["D0 L0", *(f"D{at} D{at + 1}" for at in range(distance - 2)), f"D{distance - 2}"]
    dem = stim.DetectorErrorModel("\n".join(f"error({p}) {end}" for end in ends))
    truth = sum(math.comb(distance, k) * p**k * (1 - p) ** (distance - k) for k in range(4, 8))
    matching = pymatching.Matching.from_detector_error_model(dem)

    def decode(events: NDArray[np.uint8]) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = matching.decode_batch(
            events, bit_packed_shots=True, bit_packed_predictions=True
        )
        return found

    def draw(rng: np.random.Generator) -> list[Estimate]:
        seed = int(rng.integers(1 << 62))
        found = estimate_rare_failures(
            dem=dem, decode=decode, seconds=1, seed=seed, population=population, confidence=0.95
        )
        return relative(found.probability, truth)

    return draw


def _learned(rng: np.random.Generator) -> list[Estimate]:
    """Draw true rates with the spread that learning expects."""
    spread = priors.Spread(kind=0.5, place=0.5, single=0.3)
    circuit = qec.memory_circuit(qec.RotatedSurfaceCode(3), rounds=3, basis="z", noise=noise.si1000(0.004))
    dem = circuit.detector_error_model(decompose_errors=True)
    mechanisms = read_mechanisms(dem)
    logs = np.log(mechanisms.start)
    for classes, width in zip(
        levels_of(mechanisms).class_of, (spread.kind, spread.place, spread.single), strict=True
    ):
        logs += width * rng.normal(size=classes.max() + 1)[classes]
    truth = np.exp(logs)
    events = mechanisms.model(truth).compile_sampler(seed=int(rng.integers(1 << 62))).sample(5000)[0]
    learned = priors.learn_error_model(detection_events=events, error_model=dem, spread=spread)
    errors = priors.standard_errors(learned, detection_events=events)
    ratios = learned.attenuations / truth
    return [propagation.from_log_sigma(float(r), float(s)) for r, s in zip(ratios, errors, strict=True)]


def _pairs(shots: int) -> Callable[[np.random.Generator], list[Estimate]]:
    circuit = qec.memory_circuit(
        qec.RepetitionCode(5, gates="cx"), rounds=4, noise=noise.phenomenological(0.01)
    )
    dem = circuit.detector_error_model().flattened()
    lines = [(line.args_copy()[0], line.targets_copy()) for line in dem if line.type == "error"]
    known = [
        (p, ends)
        for p, targets in lines
        if len(ends := [target.val for target in targets if target.is_relative_detector_id()]) == 2
    ]

    def draw(rng: np.random.Generator) -> list[Estimate]:
        events = dem.compile_sampler(seed=int(rng.integers(1 << 62))).sample(shots)[0]
        found = priors.pair_correlations(
            detection_events=events, num_detectors=dem.num_detectors, pairs=[ends for _, ends in known]
        )
        return [
            Estimate(value / p, low / p, high / p)
            for (p, _), value, low, high in zip(known, found.probability, *found.intervals(), strict=True)
        ]

    return draw
