"""Extrapolation of epsilon_d: straight lines, drifting Lambda, coverage, distances for a target."""

import math

import numpy as np
import pytest

from qec.statistics import Estimate, suppression_factor
from qec.statistics.extrapolation import fit_suppression_curve
from qec.statistics.propagation import from_log_sigma, log_sigma_of
from tests.support.chance import sigmas

DISTANCES = np.arange(3, 14, 2)
SIGMAS = np.array([0.01, 0.01, 0.01, 0.02, 0.04, 0.08])


def _line(distances: np.ndarray) -> np.ndarray:
    return np.log(8e-3) - (distances - 3) / 2 * math.log(2.15)


def _points(logs: np.ndarray, sigmas_: np.ndarray) -> list[Estimate]:
    return [from_log_sigma(math.exp(y), s) for y, s in zip(logs, sigmas_, strict=True)]


def test_without_roughness_it_is_the_line_of_the_suppression_factor() -> None:
    generator = np.random.default_rng(1)
    points = _points(_line(DISTANCES) + SIGMAS * generator.normal(size=6), SIGMAS)
    curve = fit_suppression_curve(distances=DISTANCES, epsilons=points, roughness=1e-6)
    line = suppression_factor(distances=DISTANCES, epsilons=points)
    for distance in (5, 27):
        ours, theirs = curve.predict(distance), line.predict(distance)
        assert (ours.value, ours.low, ours.high) == pytest.approx(
            (theirs.value, theirs.low, theirs.high), rel=1e-3
        )
    ours = curve.suppression(3)
    assert (ours.value, ours.low) == pytest.approx((line.value.value, line.value.low), rel=1e-3)
    shuffled = fit_suppression_curve(distances=DISTANCES[::-1], epsilons=points[::-1], roughness=1e-6)
    assert shuffled.predict(27).value == pytest.approx(curve.predict(27).value)


def test_intervals_grow_with_the_distance_and_narrow_where_there_are_points() -> None:
    curve = fit_suppression_curve(distances=DISTANCES, epsilons=_points(_line(DISTANCES), SIGMAS))
    widths = [log_sigma_of(curve.predict(distance)) for distance in (13, 17, 27, 51)]
    assert widths == sorted(widths)
    assert widths[0] <= SIGMAS[-1]
    straight = fit_suppression_curve(
        distances=DISTANCES, epsilons=_points(_line(DISTANCES), SIGMAS), roughness=1e-6
    )
    assert widths[2] > 1.5 * log_sigma_of(straight.predict(27))


@pytest.mark.parametrize(("step", "trend"), [(0.0, 0.0), (0.02, 0.0), (0.0, -0.025)])
def test_held_out_distances_lie_in_the_interval_as_often_as_it_says(step: float, trend: float) -> None:
    # ln Lambda changes less per two units of distance than the scale of the prior: intervals are safe.
    generator = np.random.default_rng(2)
    trials, inside = 60, 0
    for _ in range(trials):
        logs = np.log(8e-3) - np.concatenate(
            [[0], np.cumsum(np.log(2.15) + np.cumsum(generator.normal(trend, step, 12)))]
        )
        seen = logs[:6] + SIGMAS * generator.normal(size=6)
        curve = fit_suppression_curve(distances=DISTANCES, epsilons=_points(seen, SIGMAS))
        predicted = curve.predict(27)
        inside += predicted.low <= math.exp(logs[12]) <= predicted.high
    missed = trials - inside
    assert missed <= 0.05 * trials + sigmas(1) * math.sqrt(0.05 * 0.95 * trials)
    if step:
        # And not so wide that they could not miss.
        assert predicted.high / predicted.low < 200


def test_distance_for_a_target_inverts_the_prediction() -> None:
    curve = fit_suppression_curve(distances=DISTANCES, epsilons=_points(_line(DISTANCES), SIGMAS))
    found = curve.distance_for(1e-6)
    assert curve.predict(found.value).value == pytest.approx(1e-6, rel=1e-4)
    assert curve.predict(found.low).low == pytest.approx(1e-6, rel=1e-4)
    assert curve.predict(found.high).high == pytest.approx(1e-6, rel=1e-4)
    assert curve.distance_for(1.0).value == 3
    flat = fit_suppression_curve(distances=DISTANCES, epsilons=_points(np.full(6, -6.0), SIGMAS))
    assert math.isinf(flat.distance_for(1e-12).high)


def test_wrong_points_are_refused() -> None:
    points = _points(_line(DISTANCES), SIGMAS)
    with pytest.raises(ValueError, match="three different distances"):
        fit_suppression_curve(distances=DISTANCES[:2], epsilons=points[:2])
    with pytest.raises(ValueError, match="leave upper limits out"):
        fit_suppression_curve(distances=DISTANCES, epsilons=[*points[:5], Estimate(0.0, 0.0, 1e-6)])
