"""p_ij with its standard errors, against the formula, exact models and repeated sampling."""

import numpy as np
import pytest
import stim

from qec.datasets import pack
from qec.priors import pair_correlations
from tests.support.chance import sigmas

CHAIN = stim.DetectorErrorModel("""
    error(0.03) D0
    error(0.05) D0 D1
    error(0.02) D1
    error(0.08) D1 D2
    error(0.01) D2 D3
    error(0.06) D3 L0
""")
PAIRS = [(0, 1), (2, 1), (2, 3), (0, 3)]


def sample(shots: int, seed: int) -> np.ndarray:
    return CHAIN.compile_sampler(seed=seed).sample(shots)[0]


def test_is_the_published_formula() -> None:
    events = sample(5000, seed=1)
    found = pair_correlations(detection_events=events, num_detectors=4)
    assert found.pairs.tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    for (i, j), p in zip(found.pairs, found.probability, strict=True):
        x, y, xy = events[:, i].mean(), events[:, j].mean(), (events[:, i] & events[:, j]).mean()
        expected = 0.5 - np.sqrt(0.25 - (xy - x * y) / (1 - 2 * x - 2 * y + 4 * xy))
        assert p == pytest.approx(max(expected, 0), abs=1e-12)
    matrix = found.matrix()
    assert np.array_equal(matrix, matrix.T)
    assert np.array_equal(np.diag(matrix), found.boundary)


def test_packed_events_and_chunks_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    events = sample(999, seed=2)
    whole = pair_correlations(detection_events=events, num_detectors=4)
    monkeypatch.setattr("qec.priors.correlations._PRODUCTS_AT_ONCE", 1)
    parts = pair_correlations(detection_events=pack(events, num_bits=4), num_detectors=4)
    for name in ("probability", "standard_error", "boundary", "boundary_standard_error"):
        assert np.allclose(getattr(whole, name), getattr(parts, name), rtol=1e-12)


def test_intervals_cover_the_truth() -> None:
    truth = np.array([0.05, 0.08, 0.01, 0.0])
    boundary = np.array([0.03, 0.02, 0.0, 0.06])
    inside = np.zeros((2, 4))
    runs = 400
    for seed in range(runs):
        found = pair_correlations(detection_events=sample(4000, seed=seed), num_detectors=4, pairs=PAIRS)
        inside[0] += np.abs(found.probability - truth) < 1.96 * found.standard_error
        inside[1] += np.abs(found.boundary - boundary) < 1.96 * found.boundary_standard_error
    # 95 % of 400 is 380 +- 4.4; clipping at zero only brings an estimate nearer to a truth of zero.
    assert (inside >= 380 - sigmas(12) * 4.4).all()
    assert (inside[:, :2] <= 398).all()


@pytest.mark.parametrize("shots", [1, 2, 10, 50])
def test_few_shots_are_clipped_and_flagged(shots: int) -> None:
    for seed in range(20):
        found = pair_correlations(detection_events=sample(shots, seed=seed), num_detectors=4)
        for values, errors, clipped in (
            (found.probability, found.standard_error, found.clipped),
            (found.boundary, found.boundary_standard_error, found.boundary_clipped),
        ):
            assert ((values >= 0) & (values <= 1)).all()
            assert (np.isfinite(errors) & (errors > 0)).all()
            assert (values[clipped] == 0).all()
    events = np.array([[1, 0], [0, 1], [0, 0], [0, 0]], dtype=bool)  # never together: negative
    assert pair_correlations(detection_events=events, num_detectors=2).clipped.all()


def test_detectors_that_always_fire() -> None:
    found = pair_correlations(detection_events=np.ones((100, 2), dtype=bool), num_detectors=2)
    assert found.clipped.tolist() == [False]  # <x_i> <x_j> = <x_i x_j>: no correlation
    assert found.probability.tolist() == [0]
    assert found.boundary.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([(0, 4)], r"\(0, 4\) must be two different detectors below 4"),
        ([(1, 1)], r"\(1, 1\) must be two different detectors below 4"),
        ([(0, 1), (1, 0)], "the same pair occurs twice"),
        ([0, 1], r"expected integers \(pairs, 2\)"),
        ([(0.0, 1.0)], "pairs: float64"),
    ],
)
def test_wrong_pairs_are_named(pairs: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pair_correlations(detection_events=sample(10, seed=0), num_detectors=4, pairs=pairs)


def test_no_pairs_leave_the_detection_fractions() -> None:
    events = sample(1000, seed=5)
    found = pair_correlations(detection_events=events, num_detectors=4, pairs=[])
    assert found.probability.shape == (0,)
    assert found.boundary == pytest.approx(events.mean(axis=0))
    with pytest.raises(ValueError, match="num_detectors is 0"):
        pair_correlations(detection_events=np.zeros((3, 0), dtype=bool), num_detectors=0)
    with pytest.raises(ValueError, match="all pairs of 5000 detectors: must be at most 4096"):
        pair_correlations(detection_events=np.zeros((3, 5000), dtype=bool), num_detectors=5000)
