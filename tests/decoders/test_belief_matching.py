"""Belief matching: better than matching where errors flip many detectors, as good as the published one."""

import pickle

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

import decoders
import qec
from decoders.kernels.jit import interpreted


def model(*, distance: int, p: float) -> stim.DetectorErrorModel:
    circuit = qec.memory_circuit(
        qec.RotatedSurfaceCode(distance), rounds=distance, basis="z", noise=qec.noise.uniform(p)
    )
    return circuit.detector_error_model(decompose_errors=True)


def wrong(name: str, dem: stim.DetectorErrorModel, *, shots: int, **options: int) -> NDArray[np.bool_]:
    events, flips, _ = dem.compile_sampler(seed=5).sample(shots)
    wrong: NDArray[np.bool_] = (decoders.from_dem(name, dem, **options).decode_batch(events) != flips).any(
        axis=1
    )
    return wrong


@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
@pytest.mark.parametrize(
    ("distance", "p", "shots", "at_most"),
    [(3, 0.003, 40_000, 0.97), (5, 0.003, 40_000, 0.75), (7, 0.005, 4000, 0.7)],
)
def test_fewer_errors_than_matching_on_the_same_shots(
    distance: int, p: float, shots: int, at_most: float
) -> None:
    dem = model(distance=distance, p=p)
    ours, plain = wrong("belief-matching", dem, shots=shots), wrong("mwpm", dem, shots=shots)
    assert plain.sum() > 100
    assert ours.sum() < at_most * plain.sum()


@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
def test_as_few_errors_as_the_authors_package() -> None:
    package = pytest.importorskip("beliefmatching")
    dem = model(distance=5, p=0.005)
    events, flips, _ = dem.compile_sampler(seed=5).sample(3000)
    theirs = (package.BeliefMatching(dem).decode_batch(events) != flips).any(axis=1)
    ours = wrong("belief-matching", dem, shots=3000)
    only_ours, only_theirs = (ours & ~theirs).sum(), (theirs & ~ours).sum()
    assert only_ours <= only_theirs + 2 * np.sqrt(only_ours + only_theirs)


def test_an_error_of_four_detectors_is_seen_whole() -> None:
    """Two pairs of events: as edges two unlikely errors, or four likely ones; as a whole one likely error."""
    text = """
        error(0.1) D0 D1 L0 ^ D2 D3 L1
        error(0.05) D0
        error(0.05) D1
        error(0.05) D2
        error(0.05) D3
    """
    dem = stim.DetectorErrorModel(text)
    decoder = decoders.from_dem("belief-matching", dem)
    assert decoder.decode([1, 1, 1, 1]).tolist() == [True, True]
    # One pair alone cannot be that error: two single ones are likelier.
    assert decoder.decode([1, 1, 0, 0]).tolist() == [False, False]
    assert decoders.from_dem("mwpm", dem).decode([1, 1, 0, 0]).tolist() == [True, False]


def test_copies_decode_alike() -> None:
    dem = model(distance=3, p=0.01)
    decoder = decoders.from_dem("belief-matching", dem, max_sweeps=3)
    events, _, _ = dem.compile_sampler(seed=1).sample(20 if interpreted else 500)
    expected = decoder.decode_batch(events)
    copy = pickle.loads(pickle.dumps(decoder))
    assert copy.max_sweeps == 3
    assert np.array_equal(copy.decode_batch(events), expected)
    assert np.array_equal(copy.decode_batch(events[::-1])[::-1], expected)


def test_more_sweeps_change_answers() -> None:
    dem = model(distance=3, p=0.02)
    events, _, _ = dem.compile_sampler(seed=1).sample(20 if interpreted else 2000)
    one, five = (
        decoders.from_dem("belief-matching", dem, max_sweeps=sweeps).decode_batch(events) for sweeps in (1, 5)
    )
    assert (one != five).any() or interpreted
    with pytest.raises(ValueError, match="max_sweeps=0: belief propagation needs at least 1 sweep"):
        decoders.from_dem("belief-matching", dem, max_sweeps=0)
