"""Threshold fits on synthetic counts whose threshold is known, and on a code whose threshold is exact."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from qec.statistics.finite_size import ThresholdFit, threshold_fit

_THRESHOLD, _EXPONENT = 0.01, 1 / 1.5
_POINTS = np.array([(p, d) for p in np.linspace(0.008, 0.012, 9) for d in (5, 7, 9, 11)]).T

Floats = NDArray[np.float64]


def truth(cubic: float) -> Floats:
    x = (_POINTS[0] - _THRESHOLD) * _POINTS[1] ** _EXPONENT
    return 0.2 + 8 * x + 60 * x**2 - cubic * x**3


def fit_drawn(rng: np.random.Generator, *, shots: int, cubic: float = 0.0) -> ThresholdFit | None:
    errors = rng.binomial(shots, truth(cubic))
    return threshold_fit(
        strengths=_POINTS[0], distances=_POINTS[1], errors=errors, shots=[shots] * errors.size
    )


def coverage(times: int, *, shots: int, cubic: float) -> tuple[float, float]:
    """Return the parts of the 95 % intervals that hold the threshold and the exponent.

    Of few shots a fit may not determine the threshold, which it says.
    """
    rng = np.random.default_rng(3)
    drawn = [fit_drawn(rng, shots=shots, cubic=cubic) for _ in range(times)]
    fits = [one for one in drawn if one is not None]
    assert len(fits) > 0.95 * times
    pairs = [(one.threshold, _THRESHOLD) for one in fits], [(one.exponent, _EXPONENT) for one in fits]
    held = [sum(one.low <= value <= one.high for one, value in group) / len(fits) for group in pairs]
    return held[0], held[1]


def test_intervals_hold_the_truth() -> None:
    threshold, exponent = coverage(8, shots=20_000, cubic=0.0)
    assert threshold >= 0.6
    assert exponent >= 0.6


@pytest.mark.nightly
@pytest.mark.parametrize(("shots", "cubic"), [(3000, 0.0), (20_000, 0.0), (20_000, 3000.0)])
def test_coverage(shots: int, cubic: float) -> None:
    """Also where curves are no parabolas, to the part that leaving points out repairs."""
    threshold, exponent = coverage(500, shots=shots, cubic=cubic)
    assert 0.92 < threshold < 0.99  # bad fits are widened, good ones are not narrowed
    assert exponent > 0.88


def test_a_code_with_a_known_threshold() -> None:
    """Majority vote of d bits: threshold 1/2 and 1/nu = 1/2 (central limit), with its own corrections."""
    points = np.array([(p, d) for p in np.linspace(0.46, 0.54, 9) for d in (9, 15, 25, 41)]).T
    failures = binom.sf(points[1] // 2, points[1], points[0])
    shots = np.full(failures.size, 1_000_000)
    found = threshold_fit(
        strengths=points[0], distances=points[1], errors=np.round(failures * shots), shots=shots
    )
    assert found is not None
    assert found.threshold.value == pytest.approx(0.5, abs=2e-4)
    assert found.threshold.low < 0.5 < found.threshold.high
    assert found.exponent.value == pytest.approx(0.5, abs=0.03)
    assert found.coefficients[0] == pytest.approx(0.5, abs=1e-3)


def test_points_far_from_the_threshold_are_left_out() -> None:
    found = fit_drawn(np.random.default_rng(1), shots=1_000_000, cubic=20_000.0)
    assert found is not None
    assert not found.used.all()
    assert np.abs(found.scaled[found.used]).max() < np.abs(found.scaled[~found.used]).min()
    assert abs(found.threshold.value - _THRESHOLD) < 5e-5
    gradients = found.gradients()
    moved = found.strengths + 1e-7
    x = (moved - found.threshold.value) * found.distances**found.exponent.value
    slope = (found.probability(x) - found.probability(found.scaled)) / 1e-7
    np.testing.assert_allclose(gradients[:, 0], -slope, rtol=1e-3)


def test_no_threshold_where_curves_do_not_cross() -> None:
    below = _POINTS[0] < 0.0095
    shots = np.full(_POINTS.shape[1], 1_000_000)
    errors = np.round(truth(0.0) * shots)
    assert (
        threshold_fit(
            strengths=_POINTS[0][below],
            distances=_POINTS[1][below],
            errors=errors[below],
            shots=shots[below],
        )
        is None
    )
    few = slice(0, 7)
    assert (
        threshold_fit(
            strengths=_POINTS[0][few], distances=_POINTS[1][few], errors=errors[few], shots=shots[few]
        )
        is None
    )
    with pytest.raises(ValueError, match="strengths must be above zero"):
        threshold_fit(strengths=-_POINTS[0], distances=_POINTS[1], errors=errors, shots=shots)
