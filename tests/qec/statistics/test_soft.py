"""Calibration and post-selection: synthetic truth, bare loops, ties, and what is refused."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qec.statistics import logical_error_rate, soft


def synthetic(shots: int, *, seed: int, factor: float = 1.0) -> tuple[Any, Any]:
    """Gaps, and failures with the probabilities that gaps times `factor` predict."""
    rng = np.random.default_rng(seed)
    gaps = rng.gamma(2.0, 2.0, size=shots)
    return gaps, rng.random(shots) < 1 / (1 + np.exp(factor * gaps))


def test_error_probability() -> None:
    found = soft.error_probability([0.0, math.log(3), math.inf, -math.log(3), 800.0])
    np.testing.assert_allclose(found, [0.5, 0.25, 0.0, 0.75, 0.0], atol=1e-300)
    assert soft.error_probability(30.0) == pytest.approx(math.exp(-30), rel=1e-9)
    with pytest.raises(ValueError, match="must not be NaN"):
        soft.error_probability([1.0, math.nan])


def test_true_probabilities_lie_in_the_intervals() -> None:
    inside = total = 0
    for seed in range(10):
        gaps, failed = synthetic(20_000, seed=seed)
        found = soft.calibration(gaps=gaps, failed=failed, bins=10)
        assert len(found) == 10
        inside += sum(one.observed.low <= one.predicted <= one.observed.high for one in found)
        total += len(found)
    assert 0.88 * total <= inside <= total  # 95 % intervals


def test_overconfidence_is_seen() -> None:
    gaps, failed = synthetic(50_000, seed=1, factor=0.5)
    found = soft.calibration(gaps=gaps, failed=failed, bins=8)
    assert all(one.observed.low > one.predicted for one in found[2:])


@given(
    values=st.lists(
        st.sampled_from([0.0, 1.0, 1.0, 2.5, math.inf]) | st.floats(0, 9), min_size=1, max_size=40
    ),
    bins=st.integers(1, 12),
)
def test_bins_part_all_shots_but_never_equal_gaps(values: list[float], bins: int) -> None:
    failed = np.arange(len(values)) % 3 == 0
    found = soft.calibration(gaps=values, failed=failed, bins=bins)
    assert 1 <= len(found) <= bins
    assert sum(one.shots for one in found) == len(values)
    assert sum(one.errors for one in found) == np.count_nonzero(failed)
    for one, following in itertools.pairwise(found):
        assert one.low <= one.high < following.low
    gaps = np.array(values)
    for one in found:
        mine = (gaps >= one.low) & (gaps <= one.high)
        assert one.shots == np.count_nonzero(mine)
        assert one.errors == np.count_nonzero(failed & mine)
        assert one.predicted == pytest.approx(np.mean([1 / (1 + math.exp(min(g, 700))) for g in gaps[mine]]))


def test_bins_of_different_gaps_are_of_equal_size() -> None:
    gaps = np.random.default_rng(3).permutation(100).astype(float)
    found = soft.calibration(gaps=gaps, failed=gaps < 5, bins=4)
    assert [one.shots for one in found] == [25] * 4
    assert [one.errors for one in found] == [5, 0, 0, 0]


@given(
    values=st.lists(st.sampled_from([0.0, 1.0, 2.5, math.inf]) | st.floats(0, 9), min_size=1, max_size=40),
    fraction=st.floats(0, 0.999),
)
def test_post_selection_is_what_a_loop_finds(values: list[float], fraction: float) -> None:
    failed = np.arange(len(values)) % 3 == 0
    (found,) = soft.post_selection(gaps=values, failed=failed, fractions=[fraction])
    # The largest threshold, among the gaps, that discards no more than asked.
    allowed = [
        threshold
        for threshold in values
        if sum(gap < threshold for gap in values) <= fraction * len(values) * (1 + 1e-12)
    ]
    threshold = max(allowed)
    kept = [wrong for gap, wrong in zip(values, failed, strict=True) if gap >= threshold]
    assert (found.shots, found.errors) == (len(kept), sum(kept))
    assert found.discarded == 1 - found.shots / len(values) or found.discarded == pytest.approx(
        1 - found.shots / len(values)
    )
    assert found.threshold == (threshold if found.discarded else 0.0)
    expected = logical_error_rate(errors=found.errors, shots=found.shots, confidence=0.95)
    assert (found.error.low, found.error.high) == pytest.approx((expected.low, expected.high))


def test_whole_fractions_discard_exactly_that() -> None:
    gaps = np.random.default_rng(4).permutation(10).astype(float)
    fractions = [k / 10 for k in range(10)]
    found = soft.post_selection(gaps=gaps, failed=gaps < 2, fractions=fractions)
    assert [one.discarded for one in found] == pytest.approx(fractions)
    assert [one.errors for one in found] == [2, 1, *[0] * 8]


def test_discarding_helps_where_gaps_mean_something() -> None:
    gaps, failed = synthetic(100_000, seed=7)
    none, tenth, half = soft.post_selection(gaps=gaps, failed=failed, fractions=[0, 0.1, 0.5])
    assert none.errors == np.count_nonzero(failed)
    assert none.error.low > tenth.error.high
    assert tenth.error.low > half.error.high


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gaps": [], "failed": np.zeros(0, dtype=bool)}, "no shots"),
        ({"gaps": [1.0]}, "equally long"),
        ({"gaps": [[1.0, 2.0]]}, "flat"),
        ({"gaps": [1.0, math.nan]}, "must not be NaN"),
        ({"failed": np.array([0, 2])}, "failed must be bool"),
    ],
)
def test_wrong_input(changes: dict[str, Any], words: str) -> None:
    good = {"gaps": [1.0, 2.0], "failed": np.array([True, False])} | changes
    with pytest.raises(ValueError, match=words):
        soft.calibration(**good)
    with pytest.raises(ValueError, match=words):
        soft.post_selection(**good, fractions=[0.1])


@pytest.mark.parametrize("fraction", [-0.1, 1.0, math.nan])
def test_wrong_fractions(fraction: float) -> None:
    with pytest.raises(ValueError, match="fractions to discard"):
        soft.post_selection(gaps=[1.0], failed=[True], fractions=[fraction])


def test_no_bins() -> None:
    with pytest.raises(ValueError, match="bins must be at least 1"):
        soft.calibration(gaps=[1.0], failed=[True], bins=0)
