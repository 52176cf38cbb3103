"""Sub-chains cut out of shots, events counted in windows, bursts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from qec import RepetitionCode, memory_circuit, patch_detectors
from qec.noise import uniform
from qec.sampling import Burst, BurstModel, ChainShots, DetectorSampler
from tests.support.chance import assert_binomial, assert_equal_counts, sigmas

CHAIN = RepetitionCode(9, gates="cx")
ROUNDS = 13
SHOTS = ChainShots(distance=9, rounds=ROUNDS)
DEM = memory_circuit(CHAIN, rounds=ROUNDS, noise=uniform(0.03)).detector_error_model(decompose_errors=True)
BURST = Burst(onset=20.5, decay=4.0, peak=0.5, centre=4.0, radius=2.0)


def layers_of(events: NDArray[np.uint8], shots: ChainShots) -> NDArray[np.int64]:
    bits = np.unpackbits(events, axis=1, count=shots.num_layers * shots.num_checks, bitorder="little")
    return bits.reshape(len(events), shots.num_layers, shots.num_checks).astype(np.int64)


def test_a_sub_chain_is_what_the_code_says() -> None:
    events, flips = DetectorSampler.from_dem(DEM).sample(shots=40, seed=1)
    bits = layers_of(events, SHOTS).reshape(40, -1)
    for patch in CHAIN.patches(4):
        first = patch.origin[0] // 2
        cut, cut_flips = SHOTS.cut(events, flips, first=first, distance=4)
        part = ChainShots(distance=4, rounds=ROUNDS)
        expected = bits[:, patch_detectors(CHAIN, patch, rounds=ROUNDS)]
        assert np.array_equal(layers_of(cut, part).reshape(40, -1), expected)
        between = CHAIN.observable_stabilizers(patch)
        odd = layers_of(events, SHOTS)[:, :, between].sum(axis=(1, 2)) % 2
        assert np.array_equal(cut_flips[:, 0], flips[:, 0] ^ odd)


@pytest.mark.parametrize("first", [0, 2, 5])
def test_the_model_of_a_sub_chain_gives_its_events(first: int) -> None:
    """Rates and pair correlations of what is cut out of shots, and of shots of the cut model."""
    shots = 20_000
    model = SHOTS.cut_model(DEM, first=first, distance=4)
    assert model.num_detectors == 3 * (ROUNDS + 1)
    whole = DetectorSampler.from_dem(DEM).sample(shots=shots, seed=1)
    cut, cut_flips = SHOTS.cut(*whole, first=first, distance=4)
    alone, alone_flips = DetectorSampler.from_dem(model).sample(shots=shots, seed=2)
    a, b = (
        np.hstack([np.unpackbits(e, axis=1, count=model.num_detectors, bitorder="little"), f]).astype(
            np.float32
        )
        for e, f in ((cut, cut_flips), (alone, alone_flips))
    )
    assert_equal_counts(a.T @ a, b.T @ b)


def test_the_whole_chain_is_a_sub_chain_of_itself() -> None:
    events, flips = DetectorSampler.from_dem(DEM).sample(shots=20, seed=1)
    same, same_flips = SHOTS.cut(events, flips, first=0, distance=9)
    assert np.array_equal(same, events)
    assert np.array_equal(same_flips, flips)


@pytest.mark.parametrize(("distance", "rounds"), [(30, 7), (65, 3), (2, 20)])
def test_cuts_at_every_width(distance: int, rounds: int) -> None:
    shots = ChainShots(distance=distance, rounds=rounds)
    rng = np.random.default_rng(distance)
    bits = rng.integers(0, 2, size=(5, shots.num_layers * shots.num_checks), dtype=np.uint8)
    events = np.packbits(bits, axis=1, bitorder="little")
    flips = np.zeros((5, 1), dtype=np.uint8)
    for first in (0, distance // 2, distance - 2):
        for part in {2, max(2, distance - first)} if first + 2 <= distance else ():
            cut, _ = shots.cut(events, flips, first=first, distance=part)
            expected = layers_of(events, shots)[:, :, first : first + part - 1]
            assert np.array_equal(layers_of(cut, ChainShots(distance=part, rounds=rounds)), expected)


def test_windows_are_counted() -> None:
    events, _ = DetectorSampler.from_dem(DEM).sample(shots=50, seed=3)
    found = SHOTS.count(events, cycles=4, checks=3)
    layers = layers_of(events, SHOTS)
    assert np.array_equal(found.totals, layers.sum(axis=(1, 2)))
    assert found.most.shape == (50, 3)
    for shot in range(50):
        for stretch in range(3):
            columns = layers[shot, 4 * stretch : 4 * stretch + 4].sum(axis=0)
            windows = [columns[at : at + 3].sum() for at in range(6)]
            assert found.most[shot, stretch] == max(windows)
            assert windows[found.place[shot, stretch]] == max(windows)


def test_a_burst_raises_the_events_as_it_should() -> None:
    """Detection fractions in a quiet chain against those computed from the errors of the burst."""
    num_shots = 4000
    totals = np.zeros((2 * ROUNDS + 2, 8))
    for seed in range(num_shots):
        events = np.zeros((2, SHOTS.num_bytes), dtype=np.uint8)
        flips = np.zeros((2, 1), dtype=np.uint8)
        SHOTS.add_bursts(events, flips, bursts=[BURST], first_shot=0, seed=seed, longest=5.0)
        totals += layers_of(events, SHOTS).reshape(-1, 8)
    assert not totals[:14].any()  # the first shot is over before the onset
    rates = np.zeros((ROUNDS + 1, 8))

    def rate(cycle: int, place: float) -> float:
        now = ROUNDS + cycle
        if cycle < 0 or cycle >= ROUNDS or now < BURST.onset:
            return 0.0
        shape = np.exp(-0.5 * ((place - BURST.centre) / BURST.radius) ** 2)
        return float(BURST.peak * np.exp(-(now - BURST.onset) / BURST.decay) * shape)

    for layer in range(ROUNDS + 1):
        for check in range(8):
            odd = 1.0
            for cycle, place in (
                (layer, check),
                (layer, check + 1),
                (layer, check + 0.5),
                (layer - 1, check + 0.5),
            ):
                odd *= 1 - 2 * rate(cycle, place)
            rates[layer, check] = (1 - odd) / 2
    assert_binomial(totals[14:], num_shots, rates)


def test_a_burst_flips_the_observable_with_the_last_qubit() -> None:
    burst = Burst(onset=0.0, decay=1e9, peak=0.1, centre=8.0, radius=0.01)  # the last data qubit alone
    events = np.zeros((200, SHOTS.num_bytes), dtype=np.uint8)
    flips = np.zeros((200, 1), dtype=np.uint8)
    SHOTS.add_bursts(events, flips, bursts=[burst], first_shot=0, seed=1)
    layers = layers_of(events, SHOTS)
    assert not layers[:, :, :-1].any()
    assert np.array_equal(layers[:, :, -1].sum(axis=1) % 2, flips[:, 0])
    assert 0.08 < layers[:, :-1, -1].mean() < 0.12


def test_bursts_do_not_change_what_else_happens() -> None:
    sampler = DetectorSampler.from_dem(DEM)
    events, flips = sampler.sample(shots=6, seed=1)
    with_bursts, other_flips = events.copy(), flips.copy()
    SHOTS.add_bursts(with_bursts, other_flips, bursts=[BURST], first_shot=0, seed=1)
    assert np.array_equal(with_bursts[0], events[0])
    assert not np.array_equal(with_bursts[1], events[1])
    again, again_flips = sampler.sample(shots=2, seed=1, first_shot=1)
    SHOTS.add_bursts(again, again_flips, bursts=[BURST], first_shot=1, seed=1)
    assert np.array_equal(again, with_bursts[1:3])


def test_bursts_come_as_a_poisson_process() -> None:
    model = BurstModel(rate=1e-4)
    numbers = [len(model.bursts(cycles=100_000, num_data=29, seed=seed)) for seed in range(300)]
    assert abs(np.mean(numbers) - 10) < sigmas() * np.sqrt(10 / 300)
    assert 0.6 < np.var(numbers) / 10 < 1.5
    long, short = (model.bursts(cycles=cycles, num_data=29, seed=1) for cycles in (100_000, 50_000))
    assert short == [burst for burst in long if burst.onset < 50_000]
    assert all(364 <= burst.decay <= 636 and burst.peak <= 0.5 for burst in long)
    assert BurstModel(rate=0.0).bursts(cycles=10**12, num_data=29, seed=1) == []


def test_bad_numbers() -> None:
    events, flips = DetectorSampler.from_dem(DEM).sample(shots=2, seed=1)
    with pytest.raises(ValueError, match="no sub-chain"):
        SHOTS.cut(events, flips, first=7, distance=3)
    with pytest.raises(ValueError, match="expected bit-packed"):
        SHOTS.cut(events[:, :-1], flips, first=0, distance=3)
    with pytest.raises(ValueError, match="a window of 15 cycles"):
        SHOTS.count(events, cycles=15, checks=3)
    with pytest.raises(ValueError, match="this chain has"):
        ChainShots(distance=9, rounds=5).cut_model(DEM, first=0, distance=3)
    with pytest.raises(ValueError, match="distance=66"):
        ChainShots(distance=66, rounds=5)
    with pytest.raises(ValueError, match="rate=-1"):
        BurstModel(rate=-1)
    with pytest.raises(ValueError, match="peak="):
        BurstModel(peak=(0.2, 0.7))
    with pytest.raises(ValueError, match="0 < low"):
        BurstModel(decay=(0.0, 500.0))
