"""The bars of statistical tests reject what differs, and nothing else."""

import numpy as np
import pytest

from tests.support.chance import assert_binomial, assert_equal_counts, sigmas, student_sigmas


def test_bars() -> None:
    assert sigmas() == pytest.approx(4.8916, abs=1e-3)
    assert sigmas(1000) == pytest.approx(6.1094, abs=1e-3)
    assert student_sigmas(10**6) == pytest.approx(sigmas(), abs=1e-3)
    assert student_sigmas(12) > 9


def test_counts() -> None:
    rng = np.random.default_rng(1)
    p = np.array([0.0, 1e-5, 0.01, 0.5, 1.0])
    drawn = rng.binomial(10_000, p, size=(2000, 5))
    assert_binomial(drawn, 10_000, p)
    assert_equal_counts(drawn[:1000], drawn[1000:])
    for off in (np.array([1, 0, 0, 0, 0]), np.array([0, 0, 75, 0, 0]), np.array([0, 0, 0, 300, 0])):
        with pytest.raises(AssertionError):
            assert_binomial(np.rint(10_000 * p) + off, 10_000, p)
    with pytest.raises(AssertionError):
        assert_equal_counts([100, 500], [100, 700])
