"""The engine against decoding of the same shots, exact probabilities, and stim."""

import numpy as np
import pytest
import stim
from numpy.typing import NDArray
from scipy.stats import chisquare

import decoders
from experiments.engine import Counts, Engine
from experiments.sweep.task_sampler import independent_errors
from tests.support.chance import FALSE_ALARM, assert_equal_counts, sigmas

#: Certain errors, errors more likely than not, repeats, an error that no detector sees, ten observables.
ODD_MODEL = stim.DetectorErrorModel("""
    error(0.3) D0
    error(0.7) D0 D1 L0
    error(1) D2 L9
    error(0.1) D2
    error(0) D1
    error(0.05) D1 ^ D1 D2
    error(0.02) L3
    repeat 3 {
        error(0.2) D0 D3
        error(0.02) D3 L1
        shift_detectors 1
    }
""")


def memory(distance: int, p: float, *, rounds: int = 4, basis: str = "x") -> stim.Circuit:
    return stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
    )


def failures(engine: Engine, shots: int, *, seed: int, first_shot: int = 0) -> int:
    """Count as anybody would: draw, decode, compare."""
    events, flips = engine.sample(shots=shots, seed=seed, first_shot=first_shot)
    predictions = engine.decoder.decode_batch(events, bit_packed=True)
    return int((predictions != flips).any(axis=1).sum())


MODELS = {
    "rare": memory(3, 0.002).detector_error_model(decompose_errors=True),
    "dense": memory(5, 0.04, rounds=8).detector_error_model(decompose_errors=True),
    "odd": ODD_MODEL,
    "no detectors": stim.DetectorErrorModel("error(0.1) L0"),
    "no observables": stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D0"),
    "no errors": stim.DetectorErrorModel("detector D3\nlogical_observable L0"),
}


@pytest.mark.parametrize("name", ["mwpm", "mwpm-correlated", "pymatching"])
@pytest.mark.parametrize("model", MODELS)
def test_counts_are_those_of_the_decoder(name: str, model: str) -> None:
    dem = MODELS[model]
    engine = Engine(dem=dem, decoder=decoders.from_dem(name, dem))
    assert engine.is_fused == (name != "pymatching")
    expected = failures(engine, 3000, seed=5)
    assert engine.count(shots=3000, seed=5) == Counts(3000, expected)
    # Again, now that single errors are known; in pieces that end inside blocks; in threads.
    pieces = [
        engine.count(shots=end - start, seed=5, first_shot=start, threads=threads).errors
        for start, end, threads in ((0, 1, 1), (1, 1500, 2), (1500, 3000, 3))
    ]
    assert sum(pieces) == expected
    if model in ("dense", "odd", "rare"):
        assert expected != failures(engine, 3000, seed=6)


def test_a_decoder_of_another_model() -> None:
    """Its predictions are wrong more often, and shots without errors may be predicted wrongly."""
    dem = stim.DetectorErrorModel("error(0.01) D0 L0\nerror(0.001) D0")
    other = stim.DetectorErrorModel("error(0.001) D0 L0\nerror(0.01) D0\nerror(0.9) L0")
    engine = Engine(dem=dem, decoder=decoders.from_dem("mwpm", other))
    assert engine.count(shots=5000, seed=1).errors == failures(engine, 5000, seed=1) > 4900
    unexplained = Engine(
        dem=dem,
        decoder=decoders.from_dem("mwpm", stim.DetectorErrorModel("detector D0\nlogical_observable L0")),
    )
    with pytest.raises(ValueError, match=r"shot \d+ of seed 1: no errors of the decoder's model explain it"):
        unexplained.count(shots=5000, seed=1)


@pytest.mark.parametrize("name", ["mwpm", "mwpm-correlated"])
def test_a_few_shots(name: str) -> None:
    """Also run uncompiled (tests/decoders/test_interpreted_kernels.py)."""
    engine = Engine(dem=MODELS["rare"], decoder=decoders.from_dem(name, MODELS["rare"]))
    assert engine.count(shots=150, seed=4).errors == failures(engine, 150, seed=4)


def bits(packed: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    return np.unpackbits(packed, axis=1, count=count, bitorder="little")


def test_every_outcome_has_its_exact_probability() -> None:
    dem = ODD_MODEL.flattened()
    expected = np.zeros(1 << 16)
    expected[0] = 1
    places = np.arange(expected.size)
    for error in dem:
        flipped = 0
        for target in error.targets_copy():
            if not target.is_separator():
                flipped ^= 1 << (target.val if target.is_relative_detector_id() else 6 + target.val)
        p = error.args_copy()[0]
        expected = (1 - p) * expected + p * expected[places ^ flipped]
    shots = 400_000
    engine = Engine(dem=ODD_MODEL, decoder=decoders.from_dem("mwpm", ODD_MODEL))
    events, flips = engine.sample(shots=shots, seed=3)
    outcomes = np.hstack([bits(events, 6), bits(flips, 10)]) @ (1 << np.arange(16))
    found = np.bincount(outcomes, minlength=expected.size)
    assert not found[expected == 0].any()
    common = shots * expected > 5
    counts = np.append(found[common], found[~common].sum())
    assert (
        chisquare(counts, shots * np.append(expected[common], expected[~common].sum())).pvalue > FALSE_ALARM
    )


def test_rates_and_pairs_are_stims() -> None:
    """Single rates, correlations of pairs and failures, each within its bar."""
    circuit = memory(3, 0.01, rounds=5)
    dem = circuit.detector_error_model(decompose_errors=True)
    shots = 400_000
    engine = Engine(dem=dem, decoder=decoders.from_dem("mwpm", dem))
    ours, our_flips = engine.sample(shots=shots, seed=2)
    stims, stim_flips = circuit.compile_detector_sampler(seed=5).sample(
        shots, bit_packed=True, separate_observables=True
    )
    tables = [
        np.hstack([bits(events, dem.num_detectors), bits(flips, 1)]).astype(np.float32)
        for events, flips in ((ours, our_flips), (stims, stim_flips))
    ]
    pairs = np.stack([table.T @ table for table in tables]).astype(np.float64)  # the diagonal: single rates
    upper = np.triu_indices(pairs.shape[1])
    assert_equal_counts(pairs[0][upper], pairs[1][upper])
    wrong = [
        int((engine.decoder.decode_batch(events, bit_packed=True) != flips).sum())
        for events, flips in ((ours, our_flips), (stims, stim_flips))
    ]
    assert abs(wrong[0] - wrong[1]) < sigmas() * np.sqrt(sum(wrong))
    assert engine.count(shots=shots, seed=2).errors == wrong[0]


def test_blocks_and_seeds_are_independent() -> None:
    """Numbers of failures in blocks and for seeds scatter as those of independent shots."""
    dem = MODELS["rare"]
    engine = Engine(dem=dem, decoder=decoders.from_dem("mwpm", dem))
    total = engine.count(shots=2_000_000, seed=1).errors
    p = total / 2_000_000
    parts = [engine.count(shots=10_000, seed=seed, first_shot=1024 * seed).errors for seed in range(200)]
    z = (np.array(parts) - 10_000 * p) / np.sqrt(10_000 * p)
    assert abs(z.mean()) < sigmas(3) * np.sqrt((1 + 1) / 200)
    assert 0.55 < (z**2).mean() < 1.65  # chi-squared of 200 degrees of freedom: 4e-7 on each side


def test_which_circuits_have_independent_errors() -> None:
    assert independent_errors(memory(3, 0.01)) is not None
    heralded = stim.Circuit("HERALDED_ERASE(0.1) 0\nM 0\nDETECTOR rec[-1]\nDETECTOR rec[-2]")
    assert independent_errors(heralded) is None


def test_bad_numbers() -> None:
    dem = MODELS["odd"]
    engine = Engine(dem=dem, decoder=decoders.from_dem("mwpm", dem))
    with pytest.raises(ValueError, match="shots=-1, first_shot=0: must be at least 0"):
        engine.count(shots=-1, seed=0)
    with pytest.raises(ValueError, match="seed=-1: must be between"):
        engine.sample(shots=1, seed=-1)
    with pytest.raises(ValueError, match="threads=0: must be at least 1"):
        engine.count(shots=1, seed=1, threads=0)
    with pytest.raises(
        ValueError, match="the decoder takes 4 detectors and 1 observables, the model has 6 and 10"
    ):
        Engine(dem=dem, decoder=decoders.from_dem("mwpm", MODELS["no errors"]))
