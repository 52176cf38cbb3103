"""Lambda: agreement with weighted least squares and with brute force, limits, wrong input."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qec.statistics import (
    Counts,
    Estimate,
    bootstrap_suppression,
    error_per_cycle,
    line_fit,
    per_shot,
    suppression_factor,
)

ONE_SIGMA = 0.6826894921


def around(value, sigma):
    return Estimate(value=value, low=value - sigma, high=value + sigma, confidence=ONE_SIGMA)


def point(errors, *, shots=10_000, cycles=10, confidence=0.95):
    return error_per_cycle(cycles=cycles, errors=errors, shots=shots, confidence=confidence).epsilon


def test_published_error_rates_give_the_published_lambda():
    # arXiv 2408.13687, ensembled matching: 7.12(6)e-3, 3.49(4)e-3, 1.71(3)e-3, Lambda = 2.04 +- 0.02.
    fit = suppression_factor(
        distances=[3, 5, 7],
        epsilons=[around(7.12e-3, 6e-5), around(3.49e-3, 4e-5), around(1.71e-3, 3e-5)],
        confidence=ONE_SIGMA,
    )
    assert fit.value.value == pytest.approx(2.04, abs=0.005)
    assert fit.value.plus == pytest.approx(0.02, abs=0.005)
    assert fit.value.minus == pytest.approx(0.02, abs=0.005)
    assert fit.value.confidence == ONE_SIGMA


@pytest.mark.parametrize("confidence", [0.5, ONE_SIGMA, 0.99])
def test_points_with_errors_are_weighted_least_squares(confidence):
    distances = np.array([3, 5, 5, 7, 11])
    values = np.array([9e-3, 4.4e-3, 4.1e-3, 2.4e-3, 5e-4])
    sigma = np.array([0.01, 0.02, 0.05, 0.03, 0.1])  # of ln epsilon
    epsilons = [
        Estimate(value=v, low=v * math.exp(-1.959964 * s), high=v * math.exp(1.959964 * s))
        for v, s in zip(values, sigma, strict=True)
    ]
    fit = suppression_factor(distances=distances, epsilons=epsilons, confidence=confidence)
    (slope, level), covariance = np.polyfit(distances, np.log(values), 1, w=1 / sigma, cov="unscaled")
    from scipy.stats import norm

    z = norm.ppf((1 + confidence) / 2)
    reach = z * math.sqrt(covariance[0, 0])
    assert fit.value.value == pytest.approx(math.exp(-2 * slope), rel=1e-8)
    assert fit.value.low == pytest.approx(math.exp(-2 * (slope + reach)), rel=1e-7)
    assert fit.value.high == pytest.approx(math.exp(-2 * (slope - reach)), rel=1e-7)
    for distance in (3, 6, 9, 25):
        row = np.array([distance, 1])
        centre, spread = row @ [slope, level], math.sqrt(row @ covariance @ row)
        predicted = fit.predict(distance)
        assert predicted.value == pytest.approx(math.exp(centre), rel=1e-8)
        assert predicted.low == pytest.approx(math.exp(centre - z * spread), rel=1e-7)
        assert predicted.high == pytest.approx(math.exp(centre + z * spread), rel=1e-7)
    residual = (np.log(values) - level - slope * distances) / sigma
    assert fit.deviance == pytest.approx(residual @ residual, rel=1e-6)
    assert fit.degrees_of_freedom == 3


@given(
    suppression=st.floats(0.2, 50),
    prefactor=st.floats(1e-3, 0.05),
    distances=st.lists(st.integers(2, 12), min_size=2, max_size=5, unique=True),
)
def test_points_on_a_line_give_back_the_line(suppression, prefactor, distances):
    values = [prefactor * suppression ** (-(d + 1) / 2) for d in distances]
    epsilons = [Estimate(v, v * 0.9, min(v * 1.1, 0.49)) for v in values if v < 0.44]
    if len(epsilons) < len(distances):
        return
    fit = suppression_factor(distances=distances, epsilons=epsilons)
    assert fit.value.value == pytest.approx(suppression, rel=1e-7)
    assert fit.prefactor.value == pytest.approx(prefactor, rel=1e-6)
    assert fit.predict(distances[0]).value == pytest.approx(values[0], rel=1e-6)
    assert fit.deviance < 1e-6


def test_a_point_without_errors_enters_by_its_likelihood():
    """Brute force over all lines: normal points in ln epsilon, Poisson for the count of zero."""
    measured = [point(400), point(60)]
    nothing = point(0)
    fit = suppression_factor(distances=[3, 5, 7], epsilons=[*measured, nothing], confidence=0.95)
    slopes = np.linspace(-3, 1, 2001)[:, None]
    levels = np.linspace(-12, -5, 4001)[None, :]  # ln epsilon at distance 5
    likelihood = np.zeros((2001, 4001))
    for distance, epsilon in zip((3, 5), measured, strict=True):
        sigma = math.log(epsilon.high / epsilon.low) / 2 / 1.959964
        likelihood -= (levels + slopes * (distance - 5) - math.log(epsilon.value)) ** 2 / 2 / sigma**2
    drop = 1.959964**2 / 2
    likelihood -= drop / nothing.high * np.exp(levels + slopes * 2)
    profile = likelihood.max(axis=1)
    inside = slopes[profile >= profile.max() - drop, 0]
    step = 0.002
    assert -math.log(fit.value.value) / 2 == pytest.approx(slopes[profile.argmax(), 0], abs=step)
    assert -math.log(fit.value.high) / 2 == pytest.approx(inside.min(), abs=2 * step)
    assert -math.log(fit.value.low) / 2 == pytest.approx(inside.max(), abs=2 * step)
    # The limit pulls Lambda up, for 60 errors at d = 5 promise about nine at d = 7.
    without = suppression_factor(distances=[3, 5], epsilons=measured, confidence=0.95)
    assert fit.value.value > without.value.value
    predicted = fit.predict(7)
    assert 0 < predicted.low < predicted.value < predicted.high
    assert predicted.high < without.predict(7).high


def test_a_limit_far_above_the_line_changes_nothing():
    loose = Estimate(0.0, 0.0, 0.4)
    measured = [point(4000), point(400)]
    without = suppression_factor(distances=[3, 5], epsilons=measured)
    fit = suppression_factor(distances=[3, 5, 7], epsilons=[*measured, loose])
    assert fit.value.value == pytest.approx(without.value.value, rel=0.01)
    assert fit.value.low == pytest.approx(without.value.low, rel=0.01)


def test_errors_only_at_the_smallest_distance_give_a_lower_end_only():
    fit = suppression_factor(distances=[3, 5, 7], epsilons=[point(100), point(0), point(0)])
    assert fit.value.value == math.inf
    assert fit.value.high == math.inf
    # 100 errors against none in as many shots: Lambda is at least 100 / 3.69 or so.
    assert 23 < fit.value.low < 31
    assert fit.predict(3).value == pytest.approx(point(100).value, rel=1e-6)
    assert fit.predict(7).value == 0


def test_errors_only_at_the_largest_distance_give_an_upper_end_only():
    fit = suppression_factor(distances=[3, 5], epsilons=[point(0), point(100)])
    assert (fit.value.value, fit.value.low) == (0.0, 0.0)
    assert 1 / 31 < fit.value.high < 1 / 23


def test_no_errors_anywhere_leave_lambda_open():
    fit = suppression_factor(distances=[3, 5], epsilons=[point(0), point(0)])
    assert math.isnan(fit.value.value)
    assert (fit.value.low, fit.value.high) == (0.0, math.inf)
    drawn = bootstrap_suppression(distances=[3, 5], counts=[Counts(10, 0, 1000), Counts(10, 0, 1000)])
    assert math.isnan(drawn.value)
    assert (drawn.low, drawn.high) == (0.0, math.inf)


def test_points_that_say_nothing_move_nothing():
    nothing = error_per_cycle(cycles=[10, 30], errors=[500, 500], shots=1000).epsilon
    measured = [point(400), point(60)]
    without = suppression_factor(distances=[3, 5], epsilons=measured)
    fit = suppression_factor(distances=[3, 5, 7], epsilons=[*measured, nothing])
    assert fit.value == without.value
    assert fit.degrees_of_freedom == 0
    assert math.isnan(suppression_factor(distances=[3, 5], epsilons=[nothing, nothing]).value.value)


def test_saturated_points_still_count_from_below():
    # Half of the shots wrong at one duration: epsilon has a lower end, so Lambda has an upper one.
    fit = suppression_factor(distances=[3, 5], epsilons=[point(800), point(5000)])
    assert fit.value.value < 0.1
    assert fit.value.high < 0.5


def test_an_interval_down_to_zero_around_a_positive_value_is_kept():
    weak = Estimate(value=1e-4, low=0.0, high=5e-4)
    fit = suppression_factor(distances=[3, 5], epsilons=[point(100), weak])
    assert fit.value.value == pytest.approx(point(100).value / 1e-4, rel=1e-5)
    assert fit.value.low == pytest.approx(point(100).value / 5e-4, rel=0.1)
    assert fit.value.high > 100
    assert fit.deviance < 1e-6


def test_order_and_confidence_of_the_points_do_not_matter():
    forward = suppression_factor(distances=[3, 5, 7], epsilons=[point(400), point(60), point(0)])
    backward = suppression_factor(distances=[7, 3, 5], epsilons=[point(0), point(400), point(60)])
    assert backward.value.value == pytest.approx(forward.value.value, rel=1e-6)
    narrow = [point(4000, shots=10**6, confidence=c) for c in (0.68, 0.95)]
    other = point(900, shots=10**6)
    values = [suppression_factor(distances=[3, 5], epsilons=[n, other]).value for n in narrow]
    assert values[0].high == pytest.approx(values[1].high, rel=1e-3)


def test_fit_pickles():
    fit = suppression_factor(distances=[3, 5], epsilons=[point(400), point(60)])
    copy = pickle.loads(pickle.dumps(fit))
    assert copy == fit
    assert copy.predict(9) == fit.predict(9)


# --- bootstrap ---------------------------------------------------------------------------------------------


def synthetic(*, suppression, epsilon_3, shots, seed, cycles=(10, 30, 50)):
    rng = np.random.default_rng(seed)
    counts = []
    for step in range(3):
        failure = [per_shot(epsilon=epsilon_3 / suppression**step, cycles=t) for t in cycles]
        counts.append(Counts(cycles=cycles, errors=rng.binomial(shots, failure), shots=shots))
    return counts


def test_bootstrap_agrees_with_propagation_where_counts_are_large():
    counts = synthetic(suppression=2.1, epsilon_3=6e-3, shots=20_000, seed=8)
    drawn = bootstrap_suppression(distances=[3, 5, 7], counts=counts, replicates=2000)
    epsilons = [
        error_per_cycle(cycles=memory.cycles, errors=memory.errors, shots=memory.shots).epsilon
        for memory in counts
    ]
    fit = suppression_factor(distances=[3, 5, 7], epsilons=epsilons)
    assert drawn.value == fit.value.value
    assert drawn.plus == pytest.approx(fit.value.plus, rel=0.15)
    assert drawn.minus == pytest.approx(fit.value.minus, rel=0.15)
    assert drawn == bootstrap_suppression(distances=[3, 5, 7], counts=counts, replicates=2000)


def test_bootstrap_averages_over_patches():
    counts = synthetic(suppression=2.1, epsilon_3=6e-3, shots=20_000, seed=8)
    alone = bootstrap_suppression(distances=[3, 5, 7], counts=counts, replicates=3000)
    together = bootstrap_suppression(
        distances=[3, 5, 7], counts=[[memory, memory] for memory in counts], replicates=3000
    )
    assert together.value == pytest.approx(alone.value, rel=1e-4)
    assert together.plus + together.minus == pytest.approx((alone.plus + alone.minus) / 2**0.5, rel=0.1)


def test_bootstrap_without_errors_at_the_largest_distance_stays_open_above():
    drawn = bootstrap_suppression(distances=[3, 5], counts=[Counts(10, 100, 10_000), Counts(10, 0, 10_000)])
    assert (drawn.value, drawn.high) == (math.inf, math.inf)
    assert 20 < drawn.low < 60


# --- wrong input -------------------------------------------------------------------------------------------

GOOD = Estimate(1e-3, 0.9e-3, 1.1e-3)


@pytest.mark.parametrize(
    ("distances", "epsilons", "message"),
    [
        ([3], [GOOD], "at least two different distances, got 1"),
        ([3, 3], [GOOD, GOOD], "at least two different distances, got 1"),
        ([], [], "at least two different distances, got 0"),
        ([3, 5, 7], [GOOD, GOOD], "epsilons has 2 entries but distances has 3"),
        ([0, 5], [GOOD, GOOD], "distances must be at least 1, got 0"),
        ([3.5, 5], [GOOD, GOOD], "distances must be whole numbers, got 3.5"),
        ([3, 5], [GOOD, Estimate(0.6, 0.5, 0.7)], "epsilon at distance 5 must lie between 0 and 1/2"),
        ([3, 5], [GOOD, Estimate(math.nan, 0, 0.4)], "epsilon at distance 5 must lie between 0 and 1/2"),
        ([3, 5], [Estimate(0.1, 0.1, 0.1), GOOD], "epsilon at distance 3 needs an interval of some width"),
        (
            [3, 5],
            [Estimate(0.1, 0.0, 0.1), GOOD],
            "epsilon at distance 3 must lie below the end of its interval",
        ),
    ],
)
def test_wrong_points_are_named(distances, epsilons, message):
    with pytest.raises(ValueError, match=message) as caught:
        suppression_factor(distances=distances, epsilons=epsilons)
    assert "\n" not in str(caught.value)


def test_wrong_counts_are_named():
    counts = Counts(10, 5, 100)
    with pytest.raises(ValueError, match="counts has 1 entries but distances has 2"):
        bootstrap_suppression(distances=[3, 5], counts=[counts])
    for wrong in ([], [(10, 5, 100)], (10, 5, 100)):
        with pytest.raises(
            ValueError, match=r"counts at distance 5 must be Counts\(cycles=, errors=, shots=\)"
        ):
            bootstrap_suppression(distances=[3, 5], counts=[counts, wrong])
    with pytest.raises(ValueError, match="at least two different distances"):
        bootstrap_suppression(distances=[3], counts=[counts])
    with pytest.raises(ValueError, match="replicates must be at least 100"):
        bootstrap_suppression(distances=[3, 5], counts=[counts, counts], replicates=1)
    with pytest.raises(ValueError, match="distance must be a finite number, got nan"):
        suppression_factor(distances=[3, 5], epsilons=[GOOD, GOOD]).predict(math.nan)


def test_a_side_cut_off_at_one_half_does_not_narrow_a_point() -> None:
    precision = line_fit._reduced(Estimate(0.3, 0.1, 0.5))[0]
    assert precision == pytest.approx((1.959964 / np.log(3)) ** 2, rel=1e-5)
