"""Cases of intervals made from counts: rates, errors per cycle, Lambda, detection fractions, gaps."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from experiments.bench.coverage.cases import Case, relative
from qec.statistics import (
    Counts,
    Estimate,
    average,
    bootstrap_error_per_cycle,
    bootstrap_suppression,
    detection_fraction,
    error_per_cycle,
    logical_error_rate,
    per_shot,
    soft,
    suppression_factor,
)

_SHOTS = 10_000
_CYCLES = 10
_LINE = (10, 30, 50)  # cycles of a fitted line
_ALONE = (0.3, 1.0, 2.0, 2.6, 3.8, 5.7, 10.0, 30.0, 300.0)  # expected errors
_LAST = (0.5, 1.0, 2.0, 3.8, 10.0, 100.0)  # at the largest distance
_REPLICATES = 200


def cases() -> Iterator[Case]:
    """List all cases; counts of a single number are cheap and repeated more often."""
    for expected in _ALONE:
        for confidence in (0.6827, 0.95):
            yield _case("error per shot", expected, 100, _rate(expected, confidence), confidence)
    yield _case("error per shot", 1000.0, 100, _rate(1000.0, 0.95, shots=2500), 0.95, words="of 2500 shots")
    for expected in _ALONE:
        yield _case("epsilon, one duration", expected, 10, _one_duration(expected), 0.95)
    for expected in (1.0, 2.0, 3.8, 10.0, 100.0, 1000.0):
        for fidelity in (1.0, 0.99):
            words = "" if fidelity == 1 else "readout 0.5 %"
            yield _case("epsilon, line", expected, 0.5, _line(expected, fidelity), 0.95, words=words)
    for expected in (2.0, 10.0, 100.0):
        yield _case("average of two bases", expected, 1, _average(expected), 0.95)
    for suppression in (2.0, 8.0):
        for expected in _LAST:
            words = f"Lambda {suppression:g}"
            draw = _lambda(suppression, expected)
            yield _case("Lambda, d = 3, 5, 7", expected, 0.5, draw, 0.95, words=words, last=True)
    for expected in (1.0, 2.6, 10.0, 100.0):
        yield _case("epsilon, bootstrap", expected, 0.3, _bootstrap_epsilon(expected), 0.95)
        draw = _bootstrap_lambda(expected)
        yield _case("Lambda, bootstrap", expected, 0.2, draw, 0.95, words="Lambda 3", last=True)
    for expected in (1.0, 4.0, 400.0):
        yield _case("detection fraction", expected, 0.5, _detection(expected), 0.95, words="events")
    yield Case(
        quantity="detection fraction",
        conditions="bursts in a tenth of the shots",
        draw=_bursts,
        share=0.5,
    )
    for expected in (1.0, 10.0):
        yield _case("gaps: errors of a bin", expected, 0.3, _calibration(expected), 0.95)
        yield _case("gaps: post-selection", expected, 0.3, _post_selection(expected), 0.95)


def _case(
    quantity: str,
    expected: float,
    share: float,
    draw: Callable[[np.random.Generator], Sequence[Estimate]],
    confidence: float,
    *,
    words: str = "",
    last: bool = False,
) -> Case:
    number = f"{expected:g} expected" + (" at d = 7" if last else "")
    return Case(
        quantity=quantity,
        conditions=", ".join(filter(None, [number, words, "" if confidence == 0.95 else f"{confidence:g}"])),
        draw=draw,
        share=share,
    )


def _rate(
    expected: float, confidence: float, *, shots: int = _SHOTS
) -> Callable[[np.random.Generator], list[Estimate]]:
    @functools.cache
    def interval(errors: int) -> list[Estimate]:
        found = logical_error_rate(errors=errors, shots=shots, confidence=confidence)
        return relative(found, expected / shots)

    return lambda rng: interval(int(rng.binomial(shots, expected / shots)))


def _probability(expected: float) -> tuple[float, float]:
    """Return epsilon and the failure probability for an expected number of errors."""
    failure = expected / _SHOTS
    return -math.expm1(math.log1p(-2 * failure) / _CYCLES) / 2, failure


@functools.cache
def _epsilon(errors: int) -> Estimate:
    return error_per_cycle(cycles=_CYCLES, errors=errors, shots=_SHOTS).epsilon


def _one_duration(expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    truth, failure = _probability(expected)
    return lambda rng: relative(_epsilon(int(rng.binomial(_SHOTS, failure))), truth)


def _failures(epsilon: float, fidelity: float = 1.0) -> NDArray[np.float64]:
    return (1 - fidelity * (1 - 2 * epsilon) ** np.array(_LINE, dtype=np.float64)) / 2


def _line(expected: float, fidelity: float) -> Callable[[np.random.Generator], list[Estimate]]:
    truth = expected / (_SHOTS * sum(_LINE))
    fitted = functools.cache(
        lambda errors: error_per_cycle(cycles=_LINE, errors=errors, shots=_SHOTS).epsilon
    )
    failures = _failures(truth, fidelity)
    return lambda rng: relative(fitted(tuple(rng.binomial(_SHOTS, failures).tolist())), truth)


def _average(expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    truth, failure = _probability(expected)

    def draw(rng: np.random.Generator) -> list[Estimate]:
        both = rng.binomial(_SHOTS, [failure / 2, failure * 3 / 2])
        return relative(average(estimates=[_epsilon(int(errors)) for errors in both]), truth)

    return draw


def _memories(suppression: float, expected: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return failure probabilities and shots at d = 3, 5, 7: as many shots as the largest needs."""
    epsilon_3 = 0.004
    failures = [per_shot(epsilon=epsilon_3 / suppression**step, cycles=_CYCLES) for step in range(3)]
    shots = math.ceil(expected / failures[-1])
    return np.array(failures), np.full(3, shots)


def _lambda(suppression: float, expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    failures, shots = _memories(suppression, expected)
    point = functools.cache(
        lambda errors, total: error_per_cycle(cycles=_CYCLES, errors=errors, shots=total).epsilon
    )
    fitted = functools.cache(
        lambda errors: (
            suppression_factor(
                distances=[3, 5, 7], epsilons=[point(k, int(n)) for k, n in zip(errors, shots, strict=True)]
            ).value
        )
    )
    return lambda rng: relative(fitted(tuple(rng.binomial(shots, failures).tolist())), suppression)


def _bootstrap_epsilon(expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    truth = expected / (_SHOTS * sum(_LINE))
    failures = _failures(truth)

    def draw(rng: np.random.Generator) -> list[Estimate]:
        found = bootstrap_error_per_cycle(
            cycles=_LINE,
            errors=rng.binomial(_SHOTS, failures),
            shots=_SHOTS,
            replicates=_REPLICATES,
            seed=int(rng.integers(1 << 32)),
        )
        return relative(found, truth)

    return draw


def _bootstrap_lambda(expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    suppression = 3.0
    failures, shots = _memories(suppression, expected)

    def draw(rng: np.random.Generator) -> list[Estimate]:
        errors = rng.binomial(shots, failures)
        found = bootstrap_suppression(
            distances=[3, 5, 7],
            counts=[Counts(_CYCLES, int(k), int(n)) for k, n in zip(errors, shots, strict=True)],
            replicates=_REPLICATES,
            seed=int(rng.integers(1 << 32)),
        )
        return relative(found, suppression)

    return draw


def _detection(expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    shots, detectors = 200, 20
    rate = expected / (shots * detectors)

    def draw(rng: np.random.Generator) -> list[Estimate]:
        events = rng.random((shots, detectors)) < rate
        return relative(detection_fraction(detection_events=events, num_detectors=detectors), rate)

    return draw


def _bursts(rng: np.random.Generator) -> list[Estimate]:
    """Shots differ: ten times as many events in a tenth of them."""
    rate = np.where(rng.random((200, 1)) < 0.1, 0.2, 0.02)
    events = rng.random((200, 20)) < rate
    return relative(detection_fraction(detection_events=events, num_detectors=20), 0.038)


def _calibration(expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    """Make bins of 250 shots, of which the last is counted."""

    def draw(rng: np.random.Generator) -> list[Estimate]:
        gaps = math.log(250 / expected) + np.arange(1000) * 1e-3
        chances = soft.error_probability(gaps)
        last = soft.calibration(gaps=gaps, failed=rng.random(1000) < chances, bins=4)[-1]
        return relative(last.observed, last.predicted)

    return draw


def _post_selection(expected: float) -> Callable[[np.random.Generator], list[Estimate]]:
    def draw(rng: np.random.Generator) -> list[Estimate]:
        gaps = math.log(1000 / expected) + rng.normal(size=1000)
        chances = soft.error_probability(gaps)
        failed = rng.random(1000) < chances
        (kept,) = soft.post_selection(gaps=gaps, failed=failed, fractions=[0.3])
        return relative(kept.error, float(chances[gaps >= kept.threshold].mean()))

    return draw
