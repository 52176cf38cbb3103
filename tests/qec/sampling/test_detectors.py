"""Our sampler of detector error models against stim and against exact probabilities."""

import numpy as np
import pytest
import stim
from numpy.typing import NDArray
from scipy.stats import chi2, chisquare

from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit
from qec.noise import si1000, uniform
from qec.sampling import DetectorSampler, ErrorList
from tests.support.chance import FALSE_ALARM, assert_binomial, assert_equal_counts


def unpacked(packed: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    return np.unpackbits(packed, axis=1, count=count, bitorder="little").astype(np.float32)


def ours(dem: stim.DetectorErrorModel, shots: int, seed: int = 1) -> NDArray[np.float32]:
    """Detection events, then observables: float64 (shots, all bits)."""
    events, flips = DetectorSampler.from_dem(dem).sample(shots=shots, seed=seed)
    return np.hstack([unpacked(events, dem.num_detectors), unpacked(flips, dem.num_observables)])


def stims(circuit: stim.Circuit, shots: int) -> NDArray[np.float32]:
    events, flips = circuit.compile_detector_sampler(seed=5).sample(shots, separate_observables=True)
    return np.hstack([events, flips]).astype(np.float32)


MEMORIES = {
    "chain": memory_circuit(RepetitionCode(5, gates="cx"), rounds=9, noise=uniform(0.02)),
    "surface": memory_circuit(RotatedSurfaceCode(3), rounds=5, noise=si1000(0.01)),
}


@pytest.mark.parametrize("name", MEMORIES)
def test_single_rates_and_pair_correlations_are_stims(name: str) -> None:
    circuit = MEMORIES[name]
    dem = circuit.detector_error_model(decompose_errors=True)
    assert any(isinstance(part, stim.DemRepeatBlock) for part in dem)
    shots = 20_000
    a, b = ours(dem, shots), stims(circuit, shots)
    one, two = a.mean(axis=0), b.mean(axis=0)
    pooled = (one + two) / 2
    z = (one - two) / np.sqrt(2 * pooled * (1 - pooled) / shots)
    assert np.sum(z**2) < chi2.ppf(1 - FALSE_ALARM, z.size) * 1.5  # bits are correlated: some room
    both = np.stack([x.T @ x / shots for x in (a, b)])
    mean = both.mean(axis=0)
    pairs = np.triu_indices(mean.shape[0], 1)
    z = ((both[0] - both[1])[pairs]) / np.sqrt(2 * np.maximum(mean[pairs], 1e-5) / shots)
    assert_equal_counts(a.T @ a, b.T @ b)
    assert 0.8 < np.mean(z**2) < 1.2


def test_all_outcomes_of_a_small_model_have_their_exact_probabilities() -> None:
    """Every combination, the probabilities by brute force; values above one half and certainties too."""
    dem = stim.DetectorErrorModel("""
        error(0.3) D0
        error(0.7) D0 D1 L0
        error(1) D2
        error(0) D1
        error(0.05) D1 ^ D1 D2
        repeat 2 {
            error(0.2) D0 D3
            shift_detectors 1
        }
    """)
    # In the repeats: D0 D3 and D1 D4.
    errors = [
        (0.3, {0}),
        (0.7, {0, 1, 5}),
        (1.0, {2}),
        (0.05, {2}),
        (0.2, {0, 3}),
        (0.2, {1, 4}),
    ]
    expected = np.zeros(64)
    for subset in range(1 << len(errors)):
        p, flipped = 1.0, 0
        for index, (q, where) in enumerate(errors):
            present = subset >> index & 1
            p *= q if present else 1 - q
            if present:
                flipped ^= sum(1 << bit for bit in where)
        expected[flipped] += p
    shots = 200_000
    bits = ours(dem, shots, seed=3)
    found = np.bincount((bits @ (1 << np.arange(6))).astype(int), minlength=64)
    assert not found[expected == 0].any()
    possible = expected > 0
    assert chisquare(found[possible], shots * expected[possible]).pvalue > FALSE_ALARM


def test_errors_of_many_different_probabilities_are_thinned_exactly() -> None:
    rng = np.random.default_rng(1)
    p = rng.uniform(0.001, 0.6, size=60)
    dem = stim.DetectorErrorModel("\n".join(f"error({q}) D{index}" for index, q in enumerate(p)))
    errors = ErrorList.from_dem(dem)
    assert len(errors.groups) < 60
    shots = 40_000
    assert_binomial(ours(dem, shots).sum(axis=0), shots, p)


def test_errors_happen_independently_of_each_other_in_time() -> None:
    """The gaps between errors of a repeated block: geometric, also across its repeats."""
    dem = stim.DetectorErrorModel("repeat 2000 {\nerror(0.1) D0\nerror(0.1) D1\nshift_detectors 2\n}")
    bits = ours(dem, 50)
    gaps = np.concatenate([np.diff(np.flatnonzero(row)) for row in bits])
    counts = np.bincount(np.minimum(gaps, 30), minlength=31)[1:]
    chances = 0.1 * 0.9 ** np.arange(30)
    chances[-1] = 1 - chances[:-1].sum()
    assert chisquare(counts, counts.sum() * chances).pvalue > FALSE_ALARM


def test_any_shot_can_be_drawn_again_alone() -> None:
    dem = MEMORIES["chain"].detector_error_model(decompose_errors=True)
    sampler = DetectorSampler.from_dem(dem)
    events, flips = sampler.sample(shots=20, seed=7)
    for shot in (0, 3, 19):
        one, flip = sampler.sample(shots=1, seed=7, first_shot=shot)
        assert np.array_equal(one[0], events[shot])
        assert np.array_equal(flip[0], flips[shot])
    assert not np.array_equal(sampler.sample(shots=20, seed=8)[0], events)


def test_bad_numbers() -> None:
    sampler = DetectorSampler.from_dem(stim.DetectorErrorModel("error(0.1) D0"))
    with pytest.raises(ValueError, match="shots=-1"):
        sampler.sample(shots=-1, seed=0)
    with pytest.raises(ValueError, match="seed=-1"):
        sampler.sample(shots=1, seed=-1)
    with pytest.raises(ValueError, match=r"stim\.DetectorErrorModel"):
        DetectorSampler.from_dem("error(0.1) D0")  # type: ignore[arg-type]


def test_a_model_without_errors_is_quiet() -> None:
    events, flips = DetectorSampler.from_dem(stim.DetectorErrorModel("detector D4")).sample(shots=3, seed=1)
    assert events.shape == (3, 1)
    assert flips.shape == (3, 0)
    assert not events.any()
