"""Weights of a million shots equal those of PyMatching, for several codes, noise models and distances."""

import numpy as np
import pymatching
import pytest
import stim
from numpy.typing import NDArray

import decoders
import qec
from decoders.kernels.jit import interpreted

NOISE = {
    "uniform": qec.noise.uniform,
    "phenomenological": qec.noise.phenomenological,
    "si1000": qec.noise.si1000,
}
RATES = [0.0005, 0.003, 0.01]
# Shots for each noise model and rate. Most are small, for time; the large ones are the deepest searches.
# Making a cell's model takes longer than decoding its shots from distance 7 on: few cells, more shots each.
SURFACE = {3: 18_000, 5: 14_000, 7: 6000, 9: 2400, 11: 1200}
REPETITION = {3: 16_000, 5: 16_000, 7: 12_000, 11: 12_000, 15: 8000, 21: 8000}
LARGE = {13: 500, 17: 300, 21: 150}


def dem_of(*, family: str, distance: int, noise: str, p: float) -> stim.DetectorErrorModel:
    code: qec.RotatedSurfaceCode | qec.RepetitionCode
    code = qec.RotatedSurfaceCode(distance) if family == "surface" else qec.RepetitionCode(distance)
    basis = "x" if family == "surface" and distance % 4 == 1 else "z"
    circuit = qec.memory_circuit(code, rounds=distance, basis=basis, noise=NOISE[noise](p))
    return circuit.detector_error_model(decompose_errors=True)


def check_equal_weights(
    dem: stim.DetectorErrorModel, *, shots: int, seed: int, times: int = 1
) -> NDArray[np.int64]:
    """Decode sampled shots with both; returns our integer weights.

    times: so many samples are added modulo two, which is as if errors were so many times as likely.
    """
    decoder = decoders.from_dem("mwpm", dem)
    graph = decoders.MatchingGraph.from_dem(dem)
    # PyMatching makes one edge of mechanisms with the same ends and different observables.
    ends = np.stack([graph.edge_u, graph.edge_v], axis=1)
    assert np.unique(ends, axis=0).shape == ends.shape
    sampler = dem.compile_sampler(seed=seed)
    events = np.bitwise_xor.reduce([sampler.sample(shots, bit_packed=True)[0] for _ in range(times)])
    predictions, weights = decoder.decode_batch(events, bit_packed=True, return_weights=True)
    matching = pymatching.Matching.from_detector_error_model(dem)
    their_predictions, their_weights = matching.decode_batch(
        events, return_weights=True, bit_packed_shots=True, bit_packed_predictions=True
    )
    ours = np.rint(weights * graph.weight_scale).astype(np.int64)
    theirs = np.rint(their_weights * graph.weight_scale).astype(np.int64)
    unequal = np.flatnonzero(ours != theirs)
    assert unequal.size == 0, f"{unequal.size} weights differ, first at shot {unequal[0]}"
    # Matchings of equal weight may flip different observables; few shots have such.
    assert (predictions != their_predictions).mean() <= 0.05
    return ours


@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize("family", ["surface", "repetition"])
def test_a_few_shots(family: str, noise: str) -> None:
    """Few enough to interpret; see test_interpreted_kernels.py."""
    check_equal_weights(dem_of(family=family, distance=3, noise=noise, p=0.01), shots=100, seed=1)
    assert check_equal_weights(
        dem_of(family=family, distance=3, noise=noise, p=0.05), shots=100, seed=2
    ).any()


@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize(
    ("family", "distance", "shots"),
    [
        *(("surface", distance, shots) for distance, shots in SURFACE.items()),
        *(("repetition", distance, shots) for distance, shots in REPETITION.items()),
    ],
)
def test_equal_weights(family: str, distance: int, shots: int, noise: str) -> None:
    for seed, p in enumerate(RATES):
        dem = dem_of(family=family, distance=distance, noise=noise, p=p)
        assert check_equal_weights(dem, shots=shots, seed=seed).any()


@pytest.mark.slow
@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
@pytest.mark.parametrize("noise", NOISE)
@pytest.mark.parametrize(("distance", "shots"), LARGE.items())
def test_equal_weights_at_large_distances(distance: int, shots: int, noise: str) -> None:
    # Making the model is what takes time here: one of 0.3 %, for shots of that and of about 1 %.
    dem = dem_of(family="surface", distance=distance, noise=noise, p=0.003)
    for times in (1, 3):
        assert check_equal_weights(dem, shots=shots, seed=times, times=times).any()


def test_a_million_shots_are_compared() -> None:
    small = (sum(SURFACE.values()) + sum(REPETITION.values())) * len(RATES)
    large = sum(LARGE.values()) * 2
    assert (small + large) * len(NOISE) >= 1_000_000
