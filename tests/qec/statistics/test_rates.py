"""Rates per shot and per cycle: exact relations, independent oracles, limits, wrong input."""

import math
import pickle

import numpy as np
import pytest
import sinter
import stim
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize
from scipy.stats import binomtest, chi2

from qec.statistics import (
    Counts,
    Estimate,
    average,
    bootstrap_error_per_cycle,
    confidence_of,
    error_per_cycle,
    likelihood_factor_of,
    logical_error_rate,
    per_cycle,
    per_shot,
)


def flips_in_a_row(*, epsilon: float, cycles: int) -> float:
    """Probability, from stim, that `cycles` flips of probability epsilon leave a bit flipped."""
    flips = f"X_ERROR({epsilon}) 0\n" * cycles
    circuit = stim.Circuit(f"R 0\n{flips}M 0\nOBSERVABLE_INCLUDE(0) rec[-1]")
    (error,) = circuit.detector_error_model()
    return float(error.args_copy()[0])


def negative_log_likelihood(parameters, cycles, errors, shots):
    epsilon, fidelity = parameters
    failure = (1 - fidelity * (1 - 2 * epsilon) ** cycles) / 2
    return -np.sum(errors * np.log(failure) + (shots - errors) * np.log1p(-failure))


# --- conversions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("epsilon", [1e-9, 1e-4, 0.03, 0.3, 0.5])
@pytest.mark.parametrize("cycles", [1, 2, 7, 250])
def test_per_shot_is_what_stim_finds_for_flips_in_a_row(epsilon, cycles):
    expected = flips_in_a_row(epsilon=epsilon, cycles=cycles)
    assert per_shot(epsilon=epsilon, cycles=cycles) == pytest.approx(expected, rel=1e-8)


@given(epsilon=st.floats(0, 0.02), cycles=st.integers(1, 300))
def test_per_cycle_undoes_per_shot(epsilon, cycles):
    there = per_shot(epsilon=epsilon, cycles=cycles)
    assert there <= 0.5
    if there < 0.4999:
        assert per_cycle(probability=there, cycles=cycles) == pytest.approx(epsilon, rel=1e-9, abs=1e-300)


@given(probability=st.floats(0, 0.499), cycles=st.integers(1, 10**6))
def test_per_cycle_agrees_with_sinter(probability, cycles):
    expected = sinter.shot_error_rate_to_piece_error_rate(probability, pieces=cycles)
    # sinter loses digits to cancellation where the result is small.
    assert per_cycle(probability=probability, cycles=cycles) == pytest.approx(expected, rel=1e-6, abs=1e-15)


def test_small_probabilities_keep_their_digits():
    assert per_cycle(probability=1e-12, cycles=10**6) == pytest.approx(1e-18, rel=1e-9)
    assert per_shot(epsilon=1e-18, cycles=10**6) == pytest.approx(1e-12, rel=1e-9)


def test_half_and_more_is_half():
    for probability in (0.5, 0.6, 1.0):
        assert per_cycle(probability=probability, cycles=3) == 0.5
    assert per_shot(epsilon=0.5, cycles=3) == 0.5


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (per_cycle, {"probability": -0.1, "cycles": 3}, "probability must lie between 0 and 1, got -0.1"),
        (per_cycle, {"probability": 1.1, "cycles": 3}, "probability must lie between 0 and 1, got 1.1"),
        (per_cycle, {"probability": math.nan, "cycles": 3}, "probability must lie between"),
        (per_cycle, {"probability": 0.1, "cycles": 0}, "cycles must be a finite number above zero, got 0"),
        (per_shot, {"epsilon": 0.6, "cycles": 3}, "epsilon must lie between 0 and 0.5, got 0.6"),
        (per_shot, {"epsilon": 0.1, "cycles": -1}, "cycles must be a finite number above zero, got -1"),
        (
            per_shot,
            {"epsilon": 0.1, "cycles": math.inf},
            "cycles must be a finite number above zero, got inf",
        ),
    ],
)
def test_conversions_name_bad_input(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(**arguments)


# --- per shot ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1.6, 20.0, 1000.0])
@pytest.mark.parametrize(
    ("errors", "shots"),
    [(0, 100), (1, 100), (3, 10**7), (17, 400), (200, 400), (399, 400), (400, 400), (1, 1)],
)
def test_interval_per_shot_agrees_with_sinter(errors, shots, factor):
    ours = logical_error_rate(errors=errors, shots=shots, likelihood_factor=factor)
    theirs = sinter.fit_binomial(num_shots=shots, num_hits=errors, max_likelihood_factor=factor)
    step = 0.02 / shots  # sinter searches in steps of a hundredth of an error
    assert ours.value == theirs.best
    assert ours.low == pytest.approx(theirs.low, abs=step)
    assert ours.high == pytest.approx(theirs.high, abs=step)


@given(shots=st.integers(1, 10**9), share=st.floats(0, 1), factor=st.floats(1.01, 1e6))
def test_ends_of_the_interval_have_the_stated_likelihood(shots, share, factor):
    errors = round(share * shots)
    found = logical_error_rate(errors=errors, shots=shots, likelihood_factor=factor)

    def fall(probability):
        best = errors / shots
        hits = errors * math.log(probability / best) if errors else 0.0
        misses = (shots - errors) * (math.log1p(-probability) - math.log1p(-best)) if errors < shots else 0.0
        return -(hits + misses)

    assert 0 <= found.low <= found.value <= found.high <= 1
    for end, limit in ((found.low, 0.0), (found.high, 1.0)):
        if end != limit:
            assert fall(end) == pytest.approx(math.log(factor), rel=1e-4, abs=1e-4)
    assert (found.low == 0) == (errors == 0)
    assert (found.high == 1) == (errors == shots)


def test_likelihood_factor_and_confidence_are_inverse():
    assert likelihood_factor_of(confidence=0.95) == pytest.approx(6.8259, rel=1e-4)
    assert confidence_of(likelihood_factor=1000) == pytest.approx(0.99980, abs=1e-5)
    assert confidence_of(likelihood_factor=likelihood_factor_of(confidence=0.68)) == pytest.approx(0.68)
    assert logical_error_rate(errors=1, shots=2).confidence == confidence_of(likelihood_factor=1000)


# --- per cycle ---------------------------------------------------------------------------------------------


@given(cycles=st.integers(1, 100), shots=st.integers(1, 10**6), share=st.floats(0, 1))
def test_one_duration_is_the_closed_form_and_its_interval_the_binomial_one(cycles, shots, share):
    errors = round(share * shots)
    fit = error_per_cycle(cycles=cycles, errors=errors, shots=shots, confidence=0.9)
    assert fit.epsilon.value == per_cycle(probability=errors / shots, cycles=cycles)
    assert (fit.intercept, fit.num_points, fit.degrees_of_freedom) == (0.0, 1, 0)
    if errors < shots / 2:
        shot = logical_error_rate(errors=errors, shots=shots, confidence=0.9)
        low, high = (per_cycle(probability=end, cycles=cycles) for end in (shot.low, shot.high))
        # Near 1/2 the likelihood is flat in epsilon and its ends are ill-conditioned.
        assert fit.epsilon.low == pytest.approx(low, rel=1e-5)
        assert fit.epsilon.high == pytest.approx(high, rel=1e-5) or shot.high > 0.499


@pytest.mark.parametrize(("epsilon", "fidelity"), [(0.003, 0.97), (1e-6, 0.999), (0.02, 1.01), (0.08, 0.9)])
def test_noiseless_counts_give_back_the_truth(epsilon, fidelity):
    cycles = np.array([10, 20, 60])
    shots = 10**15
    errors = np.round((1 - fidelity * (1 - 2 * epsilon) ** cycles) / 2 * shots)
    fit = error_per_cycle(cycles=cycles, errors=errors, shots=shots)
    assert fit.epsilon.value == pytest.approx(epsilon, rel=1e-5)
    assert fit.intercept == pytest.approx(math.log(fidelity), abs=1e-6)
    assert fit.probability(cycles) == pytest.approx(errors / shots, rel=1e-6)
    assert fit.first_cycles == 10
    assert fit.first_probability == pytest.approx(errors[0] / shots, rel=1e-6)


def test_several_durations_agree_with_a_general_minimiser_and_its_profile():
    cycles, errors, shots = np.array([10, 30, 30, 70]), np.array([61, 160, 148, 340]), np.full(4, 2000)
    fit = error_per_cycle(cycles=cycles, errors=errors, shots=shots, confidence=0.95)
    best = minimize(
        negative_log_likelihood,
        x0=(0.002, 0.99),
        args=(cycles, errors, shots),
        method="Nelder-Mead",
        options={"xatol": 1e-10, "fatol": 1e-10},
    )
    assert fit.epsilon.value == pytest.approx(best.x[0], rel=1e-5)
    assert fit.intercept == pytest.approx(math.log(best.x[1]), abs=1e-5)
    # 709 errors: the exact interval of a Poisson mean, divided by the likelihood interval.
    exact = np.array([chi2.ppf(0.025, 2 * 709), chi2.ppf(0.975, 2 * 710)]) / 2
    drop = 1.959964**2 / 2
    likelihood = [
        brentq(lambda mean: mean - 709 - 709 * math.log(mean / 709) - drop, *ends)
        for ends in ((600, 709), (709, 800))
    ]
    for end in np.array([fit.epsilon.low, fit.epsilon.high]) * likelihood / exact:
        falls = [
            negative_log_likelihood((end, fidelity), cycles, errors, shots) - best.fun
            for fidelity in np.linspace(0.9, 1.02, 20001)
        ]
        assert min(falls) == pytest.approx(drop, rel=1e-4)
    observed = errors / shots
    saturated = -np.sum(errors * np.log(observed) + (shots - errors) * np.log1p(-observed))
    assert fit.deviance == pytest.approx(2 * (best.fun - saturated), rel=1e-4)
    assert fit.degrees_of_freedom == 2


def test_many_shots_agree_with_the_weighted_line_through_the_logarithm():
    cycles, shots = np.array([10, 30, 50, 90, 130]), 10**6
    errors = np.random.default_rng(3).binomial(shots, (1 - 0.98 * (1 - 2 * 0.003) ** cycles) / 2)
    failure = errors / shots
    sigma = 2 * np.sqrt(failure * (1 - failure) / shots) / (1 - 2 * failure)
    (slope, intercept), covariance = np.polyfit(
        cycles, np.log(1 - 2 * failure), 1, w=1 / sigma, cov="unscaled"
    )
    fit = error_per_cycle(cycles=cycles, errors=errors, shots=shots, confidence=0.6826895)
    width = math.exp(slope) / 2 * math.sqrt(covariance[0, 0])
    assert fit.epsilon.value == pytest.approx((1 - math.exp(slope)) / 2, abs=0.05 * width)
    assert fit.epsilon.plus == pytest.approx(width, rel=0.02)
    assert fit.epsilon.minus == pytest.approx(width, rel=0.02)
    assert fit.intercept == pytest.approx(intercept, abs=1e-4)


def test_duplicates_are_the_same_as_their_sum():
    once = error_per_cycle(cycles=[10, 30], errors=[40, 100], shots=[1000, 1000])
    twice = error_per_cycle(cycles=[10, 30, 10, 30], errors=[15, 60, 25, 40], shots=500)
    assert twice.epsilon.value == pytest.approx(once.epsilon.value, rel=1e-8)
    assert twice.epsilon.low == pytest.approx(once.epsilon.low, rel=1e-6)
    single = error_per_cycle(cycles=[10, 10], errors=[4, 5], shots=500)
    assert single.epsilon.value == per_cycle(probability=9 / 1000, cycles=10)
    assert single.num_points == 2


def test_intercept_can_be_held_at_zero():
    held = error_per_cycle(cycles=[10, 30], errors=[60, 90], shots=1000, free_intercept=False)
    free = error_per_cycle(cycles=[10, 30], errors=[60, 90], shots=1000)
    assert held.intercept == 0
    assert held.degrees_of_freedom == 1
    assert free.degrees_of_freedom == 0
    assert free.deviance == pytest.approx(0, abs=1e-8)
    assert held.deviance > 10
    # Two points and a free line: through both.
    assert free.probability([10, 30]) == pytest.approx([0.06, 0.09], rel=1e-8)
    # Held: P = (1 - (1 - 2 epsilon)^t) / 2 of its own epsilon.
    assert held.probability(30) == pytest.approx(per_shot(epsilon=held.epsilon.value, cycles=30), rel=1e-9)


def test_no_errors_give_zero_with_an_upper_end():
    one = error_per_cycle(cycles=10, errors=0, shots=1000, confidence=0.95)
    high = 1 - 0.025 ** (1 / 1000)
    assert (one.epsilon.value, one.epsilon.low) == (0.0, 0.0)
    assert one.epsilon.high == pytest.approx(per_cycle(probability=high, cycles=10), rel=1e-8)
    several = error_per_cycle(cycles=[10, 30], errors=[0, 0], shots=1000)
    assert (several.epsilon.value, several.epsilon.low) == (0.0, 0.0)
    # With the intercept free only the 20 cycles between the two durations count.
    assert several.epsilon.high == pytest.approx(per_cycle(probability=high, cycles=20), rel=2e-3)
    assert several.intercept == 0
    assert several.probability([10, 1000]) == pytest.approx([0, 0])


def test_failures_that_do_not_grow_give_zero_per_cycle():
    fit = error_per_cycle(cycles=[10, 30], errors=[50, 40], shots=1000)
    assert (fit.epsilon.value, fit.epsilon.low) == (0.0, 0.0)
    assert 0 < fit.epsilon.high < 1e-3
    assert fit.first_probability == pytest.approx(0.045)


@pytest.mark.parametrize("errors", [500, 510, 900, 1000])
def test_half_of_the_shots_wrong_at_one_duration_leaves_the_upper_end_at_half(errors):
    fit = error_per_cycle(cycles=10, errors=errors, shots=1000)
    assert (fit.epsilon.value, fit.epsilon.high) == (0.5, 0.5)
    assert 0.1 < fit.epsilon.low < 0.5
    assert fit.probability(10) == pytest.approx(0.5)
    # Far above one half no epsilon describes the data, and the deviance says so.
    assert (fit.deviance > 10) == (errors >= 900)


def test_half_of_the_shots_wrong_at_every_duration_says_nothing():
    fit = error_per_cycle(cycles=[10, 30], errors=[500, 500], shots=1000)
    assert (fit.epsilon.value, fit.epsilon.low, fit.epsilon.high) == (0.5, 0.0, 0.5)
    assert math.isnan(fit.intercept)


def test_saturated_durations_still_leave_a_lower_end():
    fit = error_per_cycle(cycles=[5, 50, 90], errors=[300, 502, 498], shots=1000)
    assert fit.epsilon.high == 0.5
    assert 0.01 < fit.epsilon.low < fit.epsilon.value


def test_confidence_widens_the_interval():
    widths = [
        error_per_cycle(cycles=[10, 30], errors=[40, 100], shots=1000, confidence=confidence).epsilon.plus
        for confidence in (0.5, 0.68, 0.95, 0.999)
    ]
    assert widths == sorted(widths)
    assert widths[2] / widths[1] == pytest.approx(1.96 / 0.9945, rel=0.05)


def test_bootstrap_agrees_with_the_likelihood_where_counts_are_large():
    arguments = {"cycles": [10, 30, 50], "errors": [300, 800, 1200], "shots": 10000, "confidence": 0.68}
    fit = error_per_cycle(**arguments)
    drawn = bootstrap_error_per_cycle(**arguments, replicates=4000, seed=5)
    assert drawn.value == fit.epsilon.value
    assert drawn.plus == pytest.approx(fit.epsilon.plus, rel=0.1)
    assert drawn.minus == pytest.approx(fit.epsilon.minus, rel=0.1)
    assert drawn == bootstrap_error_per_cycle(**arguments, replicates=4000, seed=5)
    assert drawn != bootstrap_error_per_cycle(**arguments, replicates=4000, seed=6)


def test_bootstrap_of_one_duration_is_the_exact_interval():
    drawn = bootstrap_error_per_cycle(cycles=10, errors=7, shots=300, replicates=20000, confidence=0.9)
    exact = binomtest(7, 300).proportion_ci(0.9, method="exact")
    for end, expected in ((drawn.low, exact.low), (drawn.high, exact.high)):
        assert end == pytest.approx(per_cycle(probability=expected, cycles=10), rel=0.03)


def test_bootstrap_of_no_errors_has_an_upper_end():
    drawn = bootstrap_error_per_cycle(cycles=[10, 30], errors=[0, 0], shots=1000)
    assert (drawn.value, drawn.low) == (0.0, 0.0)
    assert 3e-5 < drawn.high < 3e-4


# --- averages and records ----------------------------------------------------------------------------------


def test_average_propagates_symmetric_errors_in_quadrature():
    mean = average(
        estimates=[Estimate(value=v, low=v - s, high=v + s) for v, s in ((1.0, 0.3), (2.0, 0.4), (6.0, 1.2))]
    )
    assert mean.value == pytest.approx(3)
    assert mean.plus == pytest.approx(1.3 / 3)
    assert mean.minus == pytest.approx(1.3 / 3)


def test_average_of_one_is_itself_and_ends_stay_within_bounds():
    zero, half = Estimate(0.0, 0.0, 0.1), Estimate(0.5, 0.3, 0.5)
    assert average(estimates=[half]) == half
    assert average(estimates=[zero] * 7).low == 0
    assert average(estimates=[half] * 7).high == 0.5


@pytest.mark.parametrize(
    ("estimates", "message"),
    [
        ([], "estimates is empty"),
        ([Estimate(1, 0, 2), Estimate(1, 0, 2, confidence=0.68)], "one confidence, got 0.95 and 0.68"),
        ([Estimate(math.nan, 0, 2)], "a finite value, got nan"),
    ],
)
def test_average_names_bad_input(estimates, message):
    with pytest.raises(ValueError, match=message):
        average(estimates=estimates)


def test_records_pickle_and_check_themselves():
    fit = error_per_cycle(cycles=[10, 30], errors=[40, 100], shots=1000)
    assert pickle.loads(pickle.dumps(fit)) == fit
    with pytest.raises(ValueError, match=r"low <= value <= high, got value 3, interval \[1, 2\]"):
        Estimate(value=3, low=1, high=2)
    with pytest.raises(ValueError, match="low <= value <= high"):
        Estimate(value=1, low=math.nan, high=2)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        Estimate(value=1, low=0, high=2, confidence=95)


# --- wrong input -------------------------------------------------------------------------------------------

BAD_COUNTS = [
    ({"cycles": 0, "errors": 1, "shots": 10}, "cycles must be at least 1, got 0"),
    ({"cycles": [3, -1], "errors": [1, 1], "shots": 10}, "cycles must be at least 1, got -1"),
    ({"cycles": 1, "errors": 11, "shots": 10}, "must not exceed shots, got 11 errors in 10 shots"),
    ({"cycles": 1, "errors": -1, "shots": 10}, "errors must not be negative, got -1"),
    ({"cycles": 1, "errors": 0, "shots": 0}, "shots must be at least 1, got 0"),
    ({"cycles": [1, 2], "errors": [1], "shots": [9, 9]}, "errors has 1 entries but cycles has 2"),
    ({"cycles": [1, 2], "errors": [1, 1], "shots": [9, 9, 9]}, "shots has 3 entries but cycles has 2"),
    ({"cycles": [], "errors": [], "shots": []}, "cycles is empty"),
    ({"cycles": 1, "errors": 0.5, "shots": 10}, "errors must be whole numbers, got 0.5"),
    ({"cycles": 1, "errors": math.nan, "shots": 10}, "errors must be whole numbers, got nan"),
    ({"cycles": 1, "errors": "many", "shots": 10}, "errors must be whole numbers, got 'many'"),
    (
        {"cycles": [[1]], "errors": 1, "shots": 10},
        r"cycles must be one number or a flat sequence, got shape \(1, 1\)",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_COUNTS)
@pytest.mark.parametrize("function", [error_per_cycle, bootstrap_error_per_cycle, Counts])
def test_impossible_counts_are_named(function, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        function(**arguments)
    assert "\n" not in str(caught.value)


def test_impossible_wishes_are_named():
    with pytest.raises(ValueError, match="at least two different numbers of cycles, got only 10"):
        error_per_cycle(cycles=[10, 10], errors=[1, 2], shots=10, free_intercept=True)
    for confidence in (0, 1, 95):
        with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
            error_per_cycle(cycles=10, errors=1, shots=10, confidence=confidence)
    with pytest.raises(ValueError, match="replicates must be at least 100, got 10"):
        bootstrap_error_per_cycle(cycles=10, errors=1, shots=10, replicates=10)
    with pytest.raises(ValueError, match="likelihood_factor must be a finite number above 1, got 1"):
        logical_error_rate(errors=1, shots=10, likelihood_factor=1)
    with pytest.raises(ValueError, match="must not exceed shots"):
        logical_error_rate(errors=11, shots=10)
