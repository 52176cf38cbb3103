"""Trellis decoding: exact without dropped states, never less likely than matching's prediction."""

import pickle

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders.kernels.jit import interpreted
from decoders.trellis.decoder import Trellis
from tests.support.chance import sigmas
from tests.support.strategies import dems

# Errors of one to four detectors, some decomposed, in two parts that share observables; one symptom twice.
MIXED = """
    error(0.1) D0 L0
    error(0.05) D0 D1
    error(0.05) D1 D2 ^ D3
    error(0.04) D1 D2 ^ D3
    error(0.2) D2
    error(0.01) D3 D4 L1
    error(0.08) D0 ^ D4 L0
    error(0.3) D4
    error(0.1) D1 D2 ^ D3 D4 L0
    error(0.07) D5 D6 L1
    error(0.2) D5
    error(0.15) D6 L0
"""


def likelihood_of_classes(dem: stim.DetectorErrorModel) -> NDArray[np.float64]:
    """The probability of each syndrome and class together, (2**detectors, 2**observables), by definition."""
    num_detectors = dem.num_detectors
    chance = np.zeros(1 << (num_detectors + dem.num_observables))
    chance[0] = 1.0
    index = np.arange(chance.size)
    for instruction in dem.flattened():
        if instruction.type != "error":
            continue
        mask = 0
        for target in instruction.targets_copy():
            if target.is_relative_detector_id():
                mask ^= 1 << target.val
            elif target.is_logical_observable_id():
                mask ^= 1 << (num_detectors + target.val)
        p = instruction.args_copy()[0]
        chance = (1 - p) * chance + p * chance[index ^ mask]
    return chance.reshape(1 << dem.num_observables, 1 << num_detectors).T


def bits_of(number: int, size: int) -> NDArray[np.bool_]:
    return np.array([number >> place & 1 for place in range(size)], dtype=np.bool_)


def number_of(bits: NDArray[np.bool_]) -> int:
    return sum(1 << place for place, bit in enumerate(bits) if bit)


def surface(*, distance: int, p: float, rounds: int) -> stim.Circuit:
    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    )


def untabulated(decoder: Trellis) -> Trellis:
    """Have a small model swept like a large one."""
    decoder._table = None
    return decoder


def thorough(dem: stim.DetectorErrorModel, *, sweeps: int = 1) -> Trellis:
    """Sweep every shot, tabulated or not, and drop nothing."""
    decoder = Trellis.from_dem(dem, gap=np.inf, beam=4096, spread=np.inf, sweeps=sweeps)
    return untabulated(decoder)


@pytest.mark.parametrize("sweeps", [1, 2])
def test_every_syndrome_gets_its_likeliest_class(sweeps: int) -> None:
    dem = stim.DetectorErrorModel(MIXED)
    likelihood = likelihood_of_classes(dem)
    decoder = thorough(dem, sweeps=sweeps)
    for syndrome, classes in enumerate(likelihood):
        if interpreted and syndrome % 5:
            continue
        found = number_of(decoder.decode(bits_of(syndrome, dem.num_detectors)))
        assert classes[found] >= classes.max() * (1 - 1e-9), bin(syndrome)


def test_scores_are_the_logarithms_of_the_likelihoods() -> None:
    dem = stim.DetectorErrorModel(MIXED)
    likelihood = likelihood_of_classes(dem)
    quiet = 1.0
    for instruction in dem:
        quiet *= 1 - instruction.args_copy()[0]
    # Equal symptoms are one mechanism: their both happening is in the chance of neither.
    quiet *= 1 + 0.05 * 0.04 / (0.95 * 0.96)
    shots = np.array([bits_of(syndrome, dem.num_detectors) for syndrome in range(len(likelihood))])
    packed = np.packbits(shots, axis=1, bitorder="little")
    flips, scores, _ = thorough(dem)._sweep(packed, np.arange(len(shots)), threads=1)
    ordered = np.sort(likelihood, axis=1)[:, ::-1]
    for place in range(2):
        np.testing.assert_allclose(np.exp(scores[:, place]) * quiet, ordered[:, place], rtol=1e-9)
    assert flips.shape == (len(shots), 2, 1)


@settings(max_examples=60, deadline=None)
@given(dem=dems(max_detectors=5, max_observables=2), seed=st.integers(0, 1000))
def test_any_model(dem: stim.DetectorErrorModel, seed: int) -> None:
    """Wherever errors as they are explain the events, the answer is a likeliest class of them."""
    if dem.num_observables > 8 or dem.num_detectors > 10:
        return
    unseen = [e for e in dem.flattened() if e.type == "error" and "D" not in str(e).split(")")[-1]]
    likelihood = likelihood_of_classes(dem)
    decoder = thorough(dem)
    events, _, _ = dem.compile_sampler(seed=seed).sample(8)
    for shot in events:
        classes = likelihood[number_of(shot)]
        found = number_of(decoder.decode(shot))
        if not unseen and shot.any() and classes.max() > 1e-100:
            assert classes[found] >= classes.max() * (1 - 1e-6)


def test_never_less_likely_than_matchings_answer() -> None:
    """On shots whose classes are summed to the end: the beam's answer has the greater likelihood."""
    circuit = surface(distance=3, p=0.01, rounds=3)
    dem = circuit.detector_error_model(decompose_errors=True)
    events = circuit.compile_detector_sampler(seed=3).sample(400)
    packed = np.packbits(events, axis=1, bitorder="little")
    selected = np.arange(len(events))
    flips, scores, _ = Trellis.from_dem(dem, gap=1e9, beam=5000, spread=40.0, sweeps=1)._sweep(
        packed, selected, threads=1
    )
    answers = Trellis.from_dem(dem, gap=1e9).decode_batch(packed, bit_packed=True)
    matched = decoders.from_dem("mwpm", dem).decode_batch(packed, bit_packed=True)

    def score_of(answer: NDArray[np.uint8]) -> NDArray[np.float64]:
        score = np.where((flips[:, 1] == answer).all(axis=1), scores[:, 1], -np.inf)
        return np.where((flips[:, 0] == answer).all(axis=1), scores[:, 0], score)

    assert (answers != matched).any()
    better = score_of(answers) - score_of(matched)
    # Classes that are as good as equally likely may be confused, as the beam leaves out unlikely errors.
    assert better.min() > -0.1
    assert better.max() > 1.0


def test_fewer_errors_than_matching() -> None:
    circuit = surface(distance=5, p=0.006, rounds=5)
    dem = circuit.detector_error_model(decompose_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=8).sample(6000, separate_observables=True)
    matched = int((decoders.from_dem("mwpm", dem).decode_batch(events) != flips).sum())
    found = int((decoders.from_dem("trellis", dem).decode_batch(events, threads=2) != flips).sum())
    assert matched > 80
    assert found < 0.8 * matched


def test_quiet_shots_and_clear_gaps_are_left_to_matching() -> None:
    circuit = surface(distance=3, p=0.002, rounds=3)
    dem = circuit.detector_error_model(decompose_errors=True)
    events = circuit.compile_detector_sampler(seed=5).sample(2000)
    plain, gaps = decoders.from_dem("mwpm", dem).decode_batch(events, return_gap=True)
    found = Trellis.from_dem(dem, gap=3.0).decode_batch(events)
    clear = gaps[:, 0] >= 3.0
    assert 0 < (~clear).sum() < 600
    assert np.array_equal(found[clear], plain[clear])
    assert np.array_equal(Trellis.from_dem(dem, gap=0.0).decode_batch(events), plain)


def test_threads_and_copies_change_nothing() -> None:
    circuit = surface(distance=3, p=0.02, rounds=4)
    dem = circuit.detector_error_model(decompose_errors=True)
    events = circuit.compile_detector_sampler(seed=6).sample(500)
    decoder = Trellis.from_dem(dem, gap=20.0, beam=20, spread=8.0, sweeps=3)
    expected = decoder.decode_batch(events)
    assert np.array_equal(decoder.decode_batch(events, threads=3), expected)
    assert np.array_equal(pickle.loads(pickle.dumps(decoder)).decode_batch(events), expected)
    assert np.array_equal(decoder.decode_batch(events[::-1])[::-1], expected)


@pytest.mark.parametrize("beam", [1, 2, 7])
def test_a_narrow_beam_still_answers(beam: int) -> None:
    circuit = surface(distance=3, p=0.02, rounds=3)
    dem = circuit.detector_error_model(decompose_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=7).sample(300, separate_observables=True)
    wrong = (Trellis.from_dem(dem, gap=1e9, beam=beam, spread=3.0).decode_batch(events) != flips).sum()
    assert wrong < 0.25 * len(events)


def test_without_coordinates_or_boundaries() -> None:
    """A ring has no boundary and no gap; its detectors have no time."""
    lines = [f"error(0.1) D{k} D{(k + 1) % 8}{' L0' * (k == 0)}" for k in range(8)]
    dem = stim.DetectorErrorModel("\n".join(lines))
    likelihood = likelihood_of_classes(dem)
    decoder = Trellis.from_dem(dem)
    for syndrome, classes in enumerate(likelihood):
        if classes.any():
            found = number_of(decoder.decode(bits_of(syndrome, 8)))
            assert classes[found] >= classes.max() * (1 - 1e-9)


@pytest.mark.parametrize(
    "option", [{"gap": -1.0}, {"gap": np.nan}, {"beam": 0}, {"spread": 0.0}, {"sweeps": 0}, {"sweeps": 7}]
)
def test_options_out_of_range(option: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))}=") as caught:
        decoders.from_dem("trellis", stim.DetectorErrorModel("error(0.1) D0 L0"), **option)
    assert "\n" not in str(caught.value)


# --- gaps

# As above, but every observable depends on boundaries alone, so that matching has gaps.
BOUNDED = """
    error(0.1) D0 L0
    error(0.05) D0 D1
    error(0.05) D1 D2 ^ D3
    error(0.04) D1 D2 ^ D3
    error(0.2) D2
    error(0.08) D0 L0 ^ D4
    error(0.3) D4
    error(0.1) D1 D2 ^ D3 D4
    error(0.01) D3 D4
    error(0.07) D5 D6
    error(0.2) D5 L1
    error(0.15) D6
    error(0.12) D5 L1 ^ D1 D2
"""


def gaps_by_definition(classes: NDArray[np.float64], num_observables: int) -> list[float]:
    """The likeliest class beside the likeliest of those that differ from it in each observable."""
    best = int(classes.argmax())
    return [
        float(np.log(classes.max() / max(classes[c] for c in range(classes.size) if (c ^ best) >> bit & 1)))
        for bit in range(num_observables)
    ]


def test_gaps_of_sums_are_those_of_the_likelihoods() -> None:
    dem = stim.DetectorErrorModel(BOUNDED)
    likelihood = likelihood_of_classes(dem)
    likelihood = likelihood[:: 5 if interpreted else 1]
    syndromes = range(0, 1 << dem.num_detectors, 5 if interpreted else 1)
    shots = np.array([bits_of(syndrome, dem.num_detectors) for syndrome in syndromes])
    predictions, gaps = thorough(dem).decode_batch(shots, return_gap=True)
    expected = [gaps_by_definition(classes, 2) for classes in likelihood]
    np.testing.assert_allclose(gaps, expected, rtol=1e-9, atol=1e-9)
    assert [number_of(row) for row in predictions] == likelihood.argmax(axis=1).tolist()
    _, matched = decoders.from_dem("mwpm", dem).decode_batch(shots, return_gap=True)
    assert np.abs(gaps - matched).max() > 1


@pytest.mark.parametrize("tabulated", [True, False])
def test_errors_that_no_detector_sees_are_in_the_log_odds(tabulated: bool) -> None:
    dem = stim.DetectorErrorModel(BOUNDED + "error(0.2) L1\nerror(0.4) L2 L1\nerror(0.5) L3")
    likelihood = likelihood_of_classes(dem)
    shots = np.array([bits_of(syndrome, dem.num_detectors) for syndrome in range(len(likelihood))])
    decoder = Trellis.from_dem(dem) if tabulated else thorough(dem)
    assert decoder.is_exact == tabulated
    predictions, gaps = decoder.decode_batch(shots, return_gap=True)
    expected = [gaps_by_definition(classes, 4) for classes in likelihood]
    np.testing.assert_allclose(gaps, expected, rtol=1e-9, atol=1e-9)
    for classes, row in zip(likelihood, predictions, strict=True):
        assert classes[number_of(row)] >= classes.max() * (1 - 1e-9)


def test_matchings_gaps_include_errors_that_no_detector_sees() -> None:
    """With one class alone: two ways to flip the observable, the second unseen."""
    dem = stim.DetectorErrorModel("error(0.001) D0\nerror(0.0001) D0 L0\nerror(0.01) L0\nerror(0.1) D30")
    events = np.zeros((2, 31), dtype=np.bool_)
    events[1, 0] = True
    decoder = Trellis.from_dem(dem, gap=1.0)
    assert not decoder.is_exact
    _, gaps = decoder.decode_batch(events, return_gap=True)
    one, two = 0.001 / 0.999, 0.0001 / 0.9999
    for gap, (selected, other) in zip(gaps[:, 0], [(1.0, one * two), (one, two)], strict=True):
        odds = (0.99 * selected + 0.01 * other) / (0.99 * other + 0.01 * selected)
        np.testing.assert_allclose(gap, np.log(odds), rtol=1e-5)


def test_what_matching_decides_keeps_its_gap() -> None:
    circuit = surface(distance=3, p=0.01, rounds=3)
    dem = circuit.detector_error_model(decompose_errors=True)
    events = circuit.compile_detector_sampler(seed=5).sample(1000)
    _, matched = decoders.from_dem("mwpm", dem).decode_batch(events, return_gap=True)
    for limit in (0.0, 4.0):
        decoder = Trellis.from_dem(dem, gap=limit)
        predictions, gaps = decoder.decode_batch(events, return_gap=True)
        assert np.array_equal(predictions, decoder.decode_batch(events))
        clear = matched[:, 0] >= limit
        if limit:
            plain = decoders.from_dem("mwpm", dem).decode_batch(events, bit_packed=False)
            packed = np.packbits(events, axis=1, bitorder="little")
            as_bytes = np.packbits(plain, axis=1, bitorder="little")
            doubted = decoder._find_ambiguous(
                packed, as_bytes, np.flatnonzero(clear & events.any(axis=1)), threads=1
            )
            assert 0 < doubted.sum() < 100
            clear &= ~doubted
        assert np.array_equal(gaps[clear], matched[clear])
    assert 0 < clear.sum() < 1000
    assert (np.abs(gaps[~clear] - matched[~clear]) > 0.1).mean() > 0.5
    # A beam of one state finds one class: then matching's gap is all there is, and none against matching.
    predictions, narrow = Trellis.from_dem(dem, beam=1, sweeps=1).decode_batch(events, return_gap=True)
    overruled = predictions != decoders.from_dem("mwpm", dem).decode_batch(events)
    assert 0 < overruled.sum() < 100
    assert np.array_equal(narrow, np.where(overruled, 0.0, matched))


@pytest.mark.nightly
def test_summed_gaps_predict_how_often_they_are_wrong() -> None:
    """In every bin; those of matching, which sees each error as edges, do not."""
    circuit = surface(distance=3, p=0.012, rounds=3)
    dem = circuit.detector_error_model(decompose_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=9).sample(20_000, separate_observables=True)

    def worst(decoder: decoders.Decoder) -> float:
        """By how many standard deviations a bin is wrong."""
        predictions, gaps = decoder.decode_batch(events, return_gap=True)
        chance = 1 / (1 + np.exp(gaps[:, 0]))
        wrong = (predictions != flips)[:, 0]
        bins = np.digitize(gaps[:, 0], [0.3, 0.7, 1.2, 1.8, 2.5, 3.2, 4, 5])
        return max(
            float(abs((wrong - chance)[bins == k].sum()) / np.sqrt((chance * (1 - chance))[bins == k].sum()))
            for k in range(9)
        )

    assert worst(Trellis.from_dem(dem, gap=1e9)) < sigmas(9)
    assert worst(decoders.from_dem("mwpm", dem)) > 6
