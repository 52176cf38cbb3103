"""Synthetic data of known truth: every estimate is unbiased and every interval covers as often as it says.

Misses are counted apart on both sides, and too few misses fail as well as too many. The seeds are fixed; the
tolerances are five standard deviations of the number of repetitions (false alarms below 1e-6), plus what
whole numbers cost an interval of few counts. `qec bench coverage` has more cases and repetitions.
"""

import functools
import math

import numpy as np
import pytest
from scipy.stats import binom

from qec.statistics import (
    Counts,
    bootstrap_error_per_cycle,
    bootstrap_suppression,
    detection_fraction,
    detection_fraction_by_cycle,
    error_per_cycle,
    logical_error_rate,
    per_shot,
    positive_mean,
    suppression_factor,
)


def assert_covers(intervals, *, truth, confidence, allowance=0.02):
    """Misses below and above both agree with (1 - confidence) / 2."""
    expected = (1 - confidence) / 2
    tolerance = 5 * math.sqrt(expected * (1 - expected) / len(intervals)) + allowance
    above = sum(truth < interval.low for interval in intervals) / len(intervals)
    below = sum(truth > interval.high for interval in intervals) / len(intervals)
    assert abs(above - expected) < tolerance, f"above the truth: {above}, expected {expected}"
    assert abs(below - expected) < tolerance, f"below the truth: {below}, expected {expected}"
    covered = 1 - above - below
    tolerance = 5 * math.sqrt(confidence * (1 - confidence) / len(intervals)) + allowance
    assert abs(covered - confidence) < tolerance, f"covered: {covered}, stated {confidence}"


def assert_unbiased(intervals, *, truth):
    """The mean agrees with the truth within five of its standard errors."""
    values = np.array([interval.value for interval in intervals])
    assert abs(values.mean() - truth) < 5 * values.std() / math.sqrt(values.size)


@pytest.mark.parametrize("confidence", [0.68, 0.95])
@pytest.mark.parametrize(("shots", "failure"), [(2000, 0.01), (300, 0.4)])
def test_logical_error_rate(confidence, shots, failure):
    errors = np.random.default_rng(1).binomial(shots, failure, size=2000)
    intervals = [logical_error_rate(errors=k, shots=shots, confidence=confidence) for k in errors]
    assert_unbiased(intervals, truth=failure)
    # Counts are whole numbers: one count more or less is a step of 0.4 / sqrt(failures) in coverage.
    assert_covers(intervals, truth=failure, confidence=confidence, allowance=0.05)


def decays(*, epsilon, fidelity, cycles, shots, seed, repetitions):
    failure = (1 - fidelity * (1 - 2 * epsilon) ** np.array(cycles)) / 2
    return np.random.default_rng(seed).binomial(shots, failure, size=(repetitions, len(cycles)))


@pytest.mark.parametrize(
    ("epsilon", "fidelity", "shots", "confidence"),
    [(0.003, 0.98, 2000, 0.68), (0.0003, 0.99, 2000, 0.95), (0.02, 1.01, 1000, 0.8)],
)
def test_error_per_cycle_with_free_intercept(epsilon, fidelity, shots, confidence):
    cycles = [10, 30, 50, 90]
    drawn = decays(epsilon=epsilon, fidelity=fidelity, cycles=cycles, shots=shots, seed=2, repetitions=120)
    fits = [error_per_cycle(cycles=cycles, errors=k, shots=shots, confidence=confidence) for k in drawn]
    intervals = [fit.epsilon for fit in fits]
    assert_unbiased(intervals, truth=epsilon)
    assert_covers(intervals, truth=epsilon, confidence=confidence)
    assert np.mean([fit.intercept for fit in fits]) == pytest.approx(math.log(fidelity), abs=0.01)
    # The deviance follows chi-squared: mean and variance are 2 and 4 for two degrees of freedom.
    assert np.mean([fit.deviance for fit in fits]) == pytest.approx(2, abs=5 * 2 / math.sqrt(len(fits)))


def test_a_fixed_intercept_is_biased_where_preparation_and_readout_fail():
    # The check above can fail: the same data without the intercept are far off.
    cycles = [10, 30, 50, 90]
    drawn = decays(epsilon=0.003, fidelity=0.96, cycles=cycles, shots=2000, seed=2, repetitions=50)
    intervals = [
        error_per_cycle(cycles=cycles, errors=k, shots=2000, free_intercept=False).epsilon for k in drawn
    ]
    with pytest.raises(AssertionError):
        assert_unbiased(intervals, truth=0.003)
    with pytest.raises(AssertionError):
        assert_covers(intervals, truth=0.003, confidence=0.95)


@pytest.mark.parametrize("epsilon", [0.003, 0.1])
def test_error_per_cycle_from_one_duration(epsilon):
    drawn = np.random.default_rng(3).binomial(2000, per_shot(epsilon=epsilon, cycles=10), size=400)
    fit = functools.cache(lambda k: error_per_cycle(cycles=10, errors=k, shots=2000).epsilon)
    intervals = [fit(int(k)) for k in drawn]
    assert_unbiased(intervals, truth=epsilon)
    assert_covers(intervals, truth=epsilon, confidence=0.95, allowance=0.025)


@pytest.mark.parametrize("confidence", [0.6827, 0.95])
def test_exact_intervals_never_cover_too_rarely(confidence):
    """The exact coverage, summed over all counts, also where likelihood intervals of 95 % cover 85 %."""
    shots = 1000
    errors = np.arange(60)
    found = [logical_error_rate(errors=int(k), shots=shots, confidence=confidence) for k in errors]
    low, high = np.array([(one.low, one.high) for one in found]).T
    for failure in np.geomspace(0.03, 20, 200) / shots:
        covered = binom.pmf(errors, shots, failure)[(low <= failure) & (failure <= high)].sum()
        assert covered >= confidence


@pytest.mark.parametrize("expected_errors", [1.97, 2.5, 3.6])
def test_a_line_through_few_errors(expected_errors):
    """Where a likelihood interval of no error just excludes the truth, the interval does not."""
    cycles = np.array([10, 30, 50])
    shots = 1000
    drawn = np.random.default_rng(8).binomial(shots, expected_errors / shots * cycles / 90, size=(400, 3))
    fitted = functools.cache(
        lambda errors: (
            error_per_cycle(cycles=cycles, errors=errors, shots=shots, free_intercept=False).epsilon
        )
    )
    truth = expected_errors / shots / 90
    covered = [one.low <= truth <= one.high for one in (fitted(tuple(row.tolist())) for row in drawn)]
    assert sum(covered) > 0.92 * len(covered)  # likelihood intervals: 85 %


def test_bootstrap_error_per_cycle():
    cycles = [10, 30, 50, 90]
    drawn = decays(epsilon=0.003, fidelity=0.98, cycles=cycles, shots=2000, seed=4, repetitions=100)
    intervals = [
        bootstrap_error_per_cycle(cycles=cycles, errors=k, shots=2000, confidence=0.8, replicates=120)
        for k in drawn
    ]
    assert_covers(intervals, truth=0.003, confidence=0.8, allowance=0.03)


def failures(*, suppression, epsilon_3, shots, cycles, seed, repetitions):
    """Errors (repetitions, 3) at distances 3, 5, 7, one duration each."""
    failure = [per_shot(epsilon=epsilon_3 / suppression**step, cycles=cycles) for step in range(3)]
    return np.random.default_rng(seed).binomial(shots, failure, size=(repetitions, 3))


@pytest.mark.parametrize(
    ("suppression", "epsilon_3", "shots", "confidence"),
    [
        (2.0, 6e-3, 5000, 0.68),  # about 280, 150, 74 errors
        (4.0, 2e-3, 2000, 0.8),  # about 39, 10, 2.5: eight in a hundred have none at the largest distance
        (8.0, 1e-3, 5000, 0.95),  # about 50, 6, 0.8: half have none
    ],
)
def test_suppression_factor(suppression, epsilon_3, shots, confidence):
    drawn = failures(
        suppression=suppression, epsilon_3=epsilon_3, shots=shots, cycles=10, seed=5, repetitions=250
    )
    point = functools.cache(
        lambda k: error_per_cycle(cycles=10, errors=k, shots=shots, confidence=confidence).epsilon
    )
    intervals = [
        suppression_factor(
            distances=[3, 5, 7], epsilons=[point(int(k)) for k in row], confidence=confidence
        ).value
        for row in drawn
    ]
    assert_covers(intervals, truth=suppression, confidence=confidence, allowance=0.03)
    # Logarithms, since Lambda itself is skewed and may be infinite.
    middle = np.median([interval.value for interval in intervals])
    assert math.log(middle) == pytest.approx(math.log(suppression), abs=0.06)


def test_a_wrong_lambda_is_not_covered():
    drawn = failures(suppression=2.0, epsilon_3=6e-3, shots=5000, cycles=10, seed=5, repetitions=50)
    intervals = [
        suppression_factor(
            distances=[3, 5, 7],
            epsilons=[error_per_cycle(cycles=10, errors=k, shots=5000).epsilon for k in row],
        ).value
        for row in drawn
    ]
    with pytest.raises(AssertionError):
        assert_covers(intervals, truth=2.2, confidence=0.95, allowance=0.03)


def test_bootstrap_suppression():
    drawn = failures(suppression=3.0, epsilon_3=5e-3, shots=2000, cycles=10, seed=6, repetitions=150)
    intervals = [
        bootstrap_suppression(
            distances=[3, 5, 7],
            counts=[Counts(10, int(k), 2000) for k in row],
            confidence=0.8,
            replicates=120,
            seed=seed,
        )
        for seed, row in enumerate(drawn)
    ]
    assert_covers(intervals, truth=3.0, confidence=0.8, allowance=0.03)


@pytest.mark.parametrize("correlated", [False, True])
def test_detection_fraction_with_and_without_correlated_detectors(correlated):
    """Half of the shots twice as noisy: the shot, not the detector, is what repeats independently."""
    rng = np.random.default_rng(7)
    intervals, first = [], []
    for _ in range(300):
        rate = np.where(rng.random(100) < 0.5, 0.04, 0.16)[:, None] if correlated else 0.1
        events = rng.random((100, 40)) < rate
        intervals.append(detection_fraction(detection_events=events, num_detectors=40, confidence=0.8))
        coordinates = np.array([(index, 0, index // 20) for index in range(40)], dtype=float)
        by_cycle = detection_fraction_by_cycle(
            detection_events=events, coordinates=coordinates, confidence=0.8
        )
        first.append(by_cycle[0])
    for found in (intervals, first):
        assert_unbiased(found, truth=0.1)
        assert_covers(found, truth=0.1, confidence=0.8)


def test_positive_mean():
    """Of skewed values; the interval stays above zero."""
    drawn = np.random.default_rng(1).lognormal(-0.125, 0.5, size=(2000, 8))
    for confidence in (0.68, 0.95):
        intervals = [positive_mean(row.tolist(), confidence=confidence) for row in drawn]
        covered = np.mean([one.low <= 1 <= one.high for one in intervals])
        assert confidence - 0.02 < covered < confidence + 0.05
        assert all(one.low > 0 for one in intervals)
    assert positive_mean([2.0]).high == math.inf
    with pytest.raises(ValueError, match="values is empty"):
        positive_mean([])
