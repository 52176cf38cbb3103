"""Windows and the probabilities of their patterns, against enumeration of all errors."""

import itertools

import numpy as np
import pytest
import stim
from scipy.optimize import rosen, rosen_der

from qec.priors.descent import minimize
from qec.priors.likelihood import transform, window_model
from qec.priors.mechanisms import Mechanisms, probability, read_mechanisms
from qec.priors.windows import cover

DEM = stim.DetectorErrorModel("""
    error(0.1) D0
    error(0.2) D0 D1
    error(0.05) D1 D2 ^ D3
    error(0.15) D3 L0
    error(0.3) D2 D4
    error(0.07) D0 D1 D2 D4
""")


def enumerated(mechanisms: Mechanisms, rates: np.ndarray, window: np.ndarray) -> np.ndarray:
    found = np.zeros(2 ** len(window))
    for happened in itertools.product((0, 1), repeat=len(rates)):
        chance = np.prod(np.where(happened, rates, 1 - rates))
        fired = np.zeros(mechanisms.num_detectors, dtype=int)
        for detectors, error in zip(mechanisms.sets, happened, strict=True):
            fired[list(detectors)] ^= error
        found[int((fired[window] << np.arange(len(window))).sum())] += chance
    return found


@pytest.mark.parametrize("windows", [[[0, 1, 2, 3, 4]], [[0, 1], [4, 2], [3, 0]], [[1], [3]]])
def test_pattern_probabilities_are_exact(windows: list) -> None:
    mechanisms = read_mechanisms(DEM)
    model = window_model(np.array(windows), incidence=mechanisms.incidence)
    attenuations = mechanisms.start * np.linspace(0.5, 2, len(mechanisms.sets))
    found = model.probabilities(attenuations)
    for column, window in zip(found.T, windows, strict=True):
        expected = enumerated(mechanisms, probability(attenuations), np.array(window))
        assert column == pytest.approx(expected, abs=1e-14)


def test_score_is_the_gradient() -> None:
    mechanisms = read_mechanisms(DEM)
    model = window_model(np.array([[0, 1, 2, 4], [1, 2, 3, 4]]), incidence=mechanisms.incidence)
    counts = np.random.default_rng(1).integers(0, 50, (16, 2)).astype(float)
    value, gradient = model.score(mechanisms.start, counts)
    assert value == pytest.approx(model.log_likelihood(mechanisms.start, counts))
    for index in range(len(mechanisms.sets)):
        step = np.zeros(len(mechanisms.sets))
        step[index] = 1e-6
        ends = [model.log_likelihood(mechanisms.start + sign * step, counts) for sign in (1, -1)]
        assert gradient[index] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-3)


def test_transform_is_its_own_inverse() -> None:
    table = np.random.default_rng(1).normal(size=(8, 3))
    signs = [[(-1) ** (i & j).bit_count() for j in range(8)] for i in range(8)]
    assert transform(table) == pytest.approx(np.array(signs) @ table)
    assert transform(transform(table)) == pytest.approx(8 * table)


@pytest.mark.parametrize("size", [4, 6, 8, 40])
def test_windows_hold_every_set(size: int) -> None:
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_x", distance=3, rounds=3, after_clifford_depolarization=0.01
    )
    mechanisms = read_mechanisms(circuit.detector_error_model())
    windows = cover(mechanisms.sets, num_detectors=mechanisms.num_detectors, size=size)
    rows = [set(window) for window in windows.tolist()]
    assert windows.shape[1] == min(size, mechanisms.num_detectors)
    assert all(len(row) == windows.shape[1] for row in rows)
    assert all(any(row.issuperset(detectors) for row in rows) for detectors in mechanisms.sets)


def test_pieces_smaller_than_a_window_are_filled_up() -> None:
    windows = cover([(0,), (1, 2), (5,)], num_detectors=6, size=4)
    assert all(len(set(window)) == 4 for window in windows.tolist())


def test_descent_finds_the_minimum_of_a_bent_valley() -> None:
    start = np.array([-1.2, 1.0, -0.5, 2.0])
    found = minimize(lambda x: (rosen(x), rosen_der(x)), start, max_iterations=500, tolerance=1e-14)
    assert found == pytest.approx(np.ones(4), abs=1e-5)
    assert (
        minimize(lambda x: (1.0, np.zeros(4)), start, max_iterations=5, tolerance=0).tolist()
        == start.tolist()
    )
