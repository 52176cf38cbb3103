"""Adaptive sweeps on simulated workers with a known truth: precision, coverage, bias of the stop, cost."""

import math

import numpy as np
import pytest

from experiments.sweep.adaptive import AdaptivePlan
from experiments.sweep.plan import Plan, PointState, Portions
from experiments.sweep.portions import PointTask, PortionCounts
from experiments.sweep.targets import SuppressionTarget, ThresholdTarget, group_for_suppression
from qec.statistics import Estimate, per_shot
from qec.statistics.finite_size import threshold_fit

_LAMBDA, _EPSILON_3 = 2.5, 3e-3
_DISTANCES = (3, 5, 7)


def points() -> tuple[list[PointState], list[float], list[float]]:
    """Make points with their failure probabilities and seconds per shot."""
    states, rates, seconds = [], [], []
    for d in _DISTANCES:
        for basis in "xz":
            name = PointTask(f"{d}{basis}", b"", "mwpm", {"d": d, "r": 10, "b": basis})
            states.append(PointState(name, 1, 100))
            rates.append(per_shot(epsilon=_EPSILON_3 * _LAMBDA ** ((3 - d) / 2), cycles=10))
            seconds.append(1e-3 * (d / 3) ** 3)
    return states, rates, seconds


def simulate(
    plan: Plan, rates: list[float], seconds: list[float], rng: np.random.Generator, *, workers: int = 2
) -> float:
    """Run a plan, with portions that come back in the order in which they were given; returns the time."""
    portions = Portions(plan)
    numbers = {state.point.strong_id: number for number, state in enumerate(plan.states)}
    waiting = []
    while True:
        while len(portions) < 2 * workers and (portion := portions.give(workers)) is not None:
            waiting.append(portion)
        if not waiting:
            return sum(state.seconds for state in plan.states)
        one = waiting.pop(0)
        kind = numbers[one.point.strong_id]
        errors = int(rng.binomial(one.shots, rates[kind]))
        portions.take(PortionCounts(one.number, one.shots, errors, 0, one.shots * seconds[kind]))


def suppression(states: list[PointState]) -> tuple[float, float, float]:
    from experiments.common.fits import Count, fit

    rows = [
        Count(state.point.metadata["d"], state.point.metadata["b"], 10, state.shots, state.errors)
        for state in states
    ]
    found = fit(rows).suppression
    assert found is not None
    return found.value.value, found.value.low, found.value.high


def repeat(times: int, precision: float) -> tuple[float, float, float]:
    """Return coverage of 95 % intervals, mean of ln(Lambda / truth) in its standard errors, and mean time."""
    rng = np.random.default_rng(5)
    hits, logs, spent = 0, [], 0.0
    for _ in range(times):
        states, rates, seconds = points()
        plan = AdaptivePlan(states, group_for_suppression(states), precision=precision, max_shots=10**9)
        spent += simulate(plan, rates, seconds, rng) / times
        value, low, high = suppression(states)
        assert (high - low) / (2 * value) <= precision
        assert plan.num_reached == 1
        hits += low <= _LAMBDA <= high
        logs.append(math.log(value / _LAMBDA))
    return hits / times, float(np.mean(logs) / np.std(logs) * math.sqrt(times)), spent


def test_the_precision_is_reached_in_less_time() -> None:
    coverage, bias, spent = repeat(3, 0.05)
    assert coverage > 0
    assert abs(bias) < 5
    # The same time with equal shots at each point, and with equal errors.
    for weights, least in (([1.0] * 6, 0.051), ([1 / rate for rate in points()[1]], 0.06)):
        states, rates, seconds = points()
        scale = spent / sum(weight * each for weight, each in zip(weights, seconds, strict=True))
        for state, rate, weight in zip(states, rates, weights, strict=True):
            state.shots = round(scale * weight)
            state.errors = round(state.shots * rate)
        width = SuppressionTarget(states).half_width()
        assert width is not None
        assert width > least


@pytest.mark.nightly
def test_optional_stopping_does_little_harm() -> None:
    """Coverage near 95 %, bias below a quarter of the scatter, also with few errors."""
    for precision in (0.05, 0.15):
        times = 250
        coverage, bias, _ = repeat(times, precision)
        assert 0.91 < coverage < 0.99
        assert abs(bias) / math.sqrt(times) < 0.25


@pytest.mark.nightly
def test_optional_stopping_of_a_threshold() -> None:
    """Coverage near 95 %, bias below a third of the scatter, for a threshold of 1 % known to 2 %."""
    rng = np.random.default_rng(7)
    found = [sample_threshold(rng) for _ in range(100)]
    assert np.mean([one.low <= 0.01 <= one.high for one in found]) > 0.87
    values = np.array([one.value for one in found])
    assert abs(values.mean() - 0.01) < 0.33 * values.std()


def sample_threshold(rng: np.random.Generator) -> Estimate:
    states, rates, seconds = [], [], []
    for d in (5, 7, 9):
        for p in np.linspace(0.008, 0.012, 7).tolist():
            x = (p - 0.01) * d ** (1 / 1.5)
            states.append(PointState(PointTask(f"{d} {p}", b"", "mwpm", {"d": d, "p": p}), 1, 100))
            rates.append(0.2 + 8 * x + 60 * x**2)
            seconds.append(1e-3 * (d / 3) ** 3)
    plan = AdaptivePlan(states, [ThresholdTarget(states)], precision=0.02, max_shots=10**9)
    simulate(plan, rates, seconds, rng)
    assert plan.num_reached == 1
    fit = threshold_fit(
        strengths=[state.point.metadata["p"] for state in states],
        distances=[state.point.metadata["d"] for state in states],
        errors=[state.errors for state in states],
        shots=[state.shots for state in states],
    )
    assert fit is not None
    return fit.threshold


def test_what_has_enough_is_not_sampled_again() -> None:
    states, rates, seconds = points()
    for state, rate in zip(states, rates, strict=True):
        state.shots, state.errors = 10**7, round(rate * 10**7)
    plan = AdaptivePlan(states, group_for_suppression(states), precision=0.05, max_shots=10**9)
    assert simulate(plan, rates, seconds, np.random.default_rng(1)) == 0
    assert plan.progress() == [1.0] * len(states)


def test_points_end_at_their_shots() -> None:
    states, rates, seconds = points()
    plan = AdaptivePlan(states, group_for_suppression(states), precision=1e-4, max_shots=50_000)
    simulate(plan, rates, seconds, np.random.default_rng(1))
    assert [state.shots for state in states] == [50_000] * len(states)
    assert plan.num_reached == 0


def test_lambda_needs_two_distances() -> None:
    states, *_ = points()
    with pytest.raises(ValueError, match=r"at least two distances, and there is one for \{\}"):
        group_for_suppression(states[:2])
    with pytest.raises(ValueError, match="metadata keys d and r"):
        group_for_suppression([PointState(PointTask("a", b"", "mwpm", {"d": 3}), 1, 1)])
