"""Trellis decoding of models that matching cannot represent, and extreme options, against exact oracles."""

import itertools

import numpy as np
import pytest
import stim

import decoders
from decoders.trellis import plan as plan_module
from decoders.trellis.decoder import Trellis
from decoders.trellis.plan import TrellisPlan, most_open, orders_of
from tests.decoders.trellis.test_trellis import (
    bits_of,
    gaps_by_definition,
    likelihood_of_classes,
    number_of,
    untabulated,
)
from tests.support.chance import sigmas

# A three-qubit repetition code; D0 to D2 herald erasures, nearly certain to be one of two parts.
HERALDED = """
    error(0.0005) D0
    error(0.0005) D1
    error(0.0005) D2
    error(0.0005) D3 ^ D0
    error(0.0005) D3 D4 ^ D1
    error(0.0005) D4 L0 ^ D2
    error(0.0001) D3 D5
    error(0.0001) D4 D6
"""


def every_syndrome(dem: stim.DetectorErrorModel) -> np.ndarray:
    size = dem.num_detectors
    return np.arange(1 << size)[:, np.newaxis] >> np.arange(size) & 1 == 1


def exact_error(decoder: decoders.Decoder, dem: stim.DetectorErrorModel) -> float:
    """The probability of a wrong prediction, over all syndromes that errors have."""
    likelihood = likelihood_of_classes(dem)
    possible = likelihood.any(axis=1)
    predictions = decoder.decode_batch(every_syndrome(dem)[possible])
    classes = predictions @ (1 << np.arange(dem.num_observables))
    found = likelihood[possible]
    return float(found.sum() - found[np.arange(len(found)), classes].sum())


def optimum(dem: stim.DetectorErrorModel) -> float:
    likelihood = likelihood_of_classes(dem)
    return float(likelihood.sum() - likelihood.max(axis=1).sum())


def random_model(rng: np.random.Generator, *, hyperedges: bool = False) -> stim.DetectorErrorModel:
    """Errors of up to four components, probabilities from 1e-4 to 0.3, up to 9 detectors."""
    num_detectors, num_observables = int(rng.integers(2, 10)), int(rng.integers(1, 3))
    lines = [f"detector D{num_detectors - 1}", f"logical_observable L{num_observables - 1}"]
    for _ in range(rng.integers(num_detectors, 3 * num_detectors)):
        parts = []
        for _ in range(1 if hyperedges else rng.integers(1, 5)):
            size = min(rng.integers(1, 6 if hyperedges else 3), num_detectors)
            part = [f"D{detector}" for detector in rng.choice(num_detectors, size=size, replace=False)]
            part += [f"L{k}" for k in range(num_observables) if rng.random() < 0.2]
            parts.append(" ".join(part))
        p = np.exp(rng.uniform(np.log(1e-4), np.log(0.3)))
        lines.append(f"error({p}) {' ^ '.join(parts)}")
    return stim.DetectorErrorModel("\n".join(lines))


@pytest.mark.parametrize("tabulated", [True, False])
def test_heralded_errors_are_not_left_to_matching(tabulated: bool) -> None:
    """Matching sees a herald and an error; their error together is far likelier."""
    dem = stim.DetectorErrorModel(HERALDED)
    decoder = Trellis.from_dem(dem)
    found = exact_error(decoder if tabulated else untabulated(decoder), dem)
    best = optimum(dem)
    assert best < 2e-9
    assert found <= best * (1 + 1e-6) + 1e-15
    assert exact_error(decoders.from_dem("mwpm", dem), dem) > 1e-7


def test_matching_decides_where_errors_are_edges() -> None:
    """Without errors of several components no shot is swept that matching is sure of."""
    dem = stim.Circuit.generated(
        "repetition_code:memory", distance=9, rounds=3, before_round_data_depolarization=0.15
    ).detector_error_model(decompose_errors=True)
    events, _, _ = dem.compile_sampler(seed=4).sample(300)
    decoder = Trellis.from_dem(dem)
    assert not decoder.is_exact
    plain, gaps = decoders.from_dem("mwpm", dem).decode_batch(events, return_gap=True)
    found, own = decoder.decode_batch(events, return_gap=True)
    clear = gaps[:, 0] >= 6
    assert 0 < clear.sum() < 300
    assert np.array_equal(found[clear], plain[clear])
    assert np.array_equal(own[clear], gaps[clear])


def test_random_models() -> None:
    """Tabulated: the optimum. Swept with the default beam: nearly, and never worse than matching."""
    rng = np.random.default_rng(7)
    best = table = swept = 0.0
    for _ in range(25):
        dem = random_model(rng)
        least = optimum(dem)
        decoder = Trellis.from_dem(dem)
        assert decoder.is_exact
        best += least
        table += exact_error(decoder, dem)
        found = exact_error(untabulated(decoder), dem)
        swept += found
        assert found <= exact_error(decoders.from_dem("mwpm", dem), dem) + 1e-12
    assert table <= best * (1 + 1e-9)
    assert swept <= best * 1.01


def test_gaps_of_random_models_are_log_odds() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        dem = random_model(rng)
        likelihood = likelihood_of_classes(dem)
        syndromes = np.flatnonzero(likelihood.any(axis=1))
        _, gaps = Trellis.from_dem(dem).decode_batch(every_syndrome(dem)[syndromes], return_gap=True)
        for syndrome, row in zip(syndromes, gaps, strict=True):
            with np.errstate(divide="ignore"):
                expected = gaps_by_definition(likelihood[syndrome], dem.num_observables)
            np.testing.assert_allclose(row, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "option",
    [
        {"spread": np.inf},
        {"spread": 1e4},
        {"spread": 1e-9},
        {"gap": np.inf, "spread": np.inf},
        {"beam": 1},
        {"beam": 1, "spread": np.inf, "sweeps": 6},
    ],
)
def test_no_option_gives_a_class_that_nothing_explains(option: dict[str, float]) -> None:
    # With D0 alone, 'spread=inf' kept states in which it was not explained.
    for text in (
        "error(.1) D0 L0\nerror(.1) D0 D1\nerror(.3) D1",
        "error(.1) D0 L0\nerror(.3) D1 D2\nerror(.2) D0 D1 ^ D2 L0\nerror(1e-200) D2",
    ):
        dem = stim.DetectorErrorModel(text)
        likelihood = likelihood_of_classes(dem)
        decoder = untabulated(Trellis.from_dem(dem, **option))  # type: ignore[arg-type]
        for syndrome, classes in enumerate(likelihood):
            if classes.any():
                found = number_of(decoder.decode(bits_of(syndrome, dem.num_detectors)))
                assert classes[found] > 0, (text, syndrome)


@pytest.mark.parametrize("option", [{"beam": 2.5}, {"beam": np.inf}, {"spread": np.nan}, {"sweeps": 1.5}])
def test_options_of_the_wrong_kind(option: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))}=.*must be"):
        Trellis.from_dem(stim.DetectorErrorModel("error(0.1) D0 L0"), **option)  # type: ignore[arg-type]


def test_of_edges_a_class_has_at_least_the_likelihood_of_its_matching() -> None:
    """A beam of one state loses most error sets, but not the one that matching found."""
    rng = np.random.default_rng(5)
    lines = [f"error({rng.uniform(0.05, 0.4)}) D{k} D{k + 1}" for k in range(7)]
    lines += [f"error({rng.uniform(0.05, 0.4)}) D{k}{' L0' * (k == 0)}" for k in (0, 3, 7)]
    dem = stim.DetectorErrorModel("\n".join(lines))
    likelihood = likelihood_of_classes(dem)
    quiet = np.prod([1 - error.args_copy()[0] for error in dem if error.type == "error"])
    decoder = untabulated(Trellis.from_dem(dem, gap=np.inf, beam=1, spread=1.0, sweeps=1))
    _, weights = decoders.from_dem("mwpm", dem).decode_batch(every_syndrome(dem), return_weights=True)
    found = decoder.decode_batch(every_syndrome(dem))[:, 0].astype(int)
    selected = likelihood[np.arange(len(found)), found]
    assert (selected >= quiet * np.exp(-weights) * (1 - 1e-5)).all()


def test_along_the_axis_with_the_fewest_open_detectors() -> None:
    """A long repetition code over few cycles: along the code, not along time."""
    dem = stim.Circuit.generated(
        "repetition_code:memory",
        distance=25,
        rounds=3,
        before_round_data_depolarization=0.1,
        before_measure_flip_probability=0.1,
    ).detector_error_model(decompose_errors=True)
    decoder = Trellis.from_dem(dem, gap=np.inf)
    mechanisms = decoder._model.mechanisms
    plans = [TrellisPlan(mechanisms=mechanisms, order=order) for order in orders_of(decoder._model, count=4)]
    assert [plan.num_open for plan in plans[:2]] == [5, 5]
    assert min(plan.num_open for plan in plans[2:]) > 20
    # So few states are open that wider beams change nothing.
    events, _, _ = dem.compile_sampler(seed=2).sample(200)
    wide = Trellis.from_dem(dem, gap=np.inf, beam=1000, spread=30.0)
    assert (decoder.decode_batch(events) != wide.decode_batch(events)).mean() < 0.01


# --- shots that whole errors do not explain


@pytest.mark.parametrize("tabulated", [True, False])
def test_parts_of_errors_explain_what_whole_errors_do_not(tabulated: bool) -> None:
    dem = stim.DetectorErrorModel("error(0.027) D1 ^ D0 L0\nerror(0.1) D0 D1\nerror(0.1) D2")
    decoder = Trellis.from_dem(dem)
    decoder = decoder if tabulated else untabulated(decoder)
    for events in itertools.product((False, True), repeat=3):
        matched = decoders.from_dem("mwpm", dem).decode(events)
        predicted, gap = decoder.decode(events, return_gap=True)
        if events[0] != events[1]:
            assert predicted.tolist() == matched.tolist()
        assert not np.isnan(gap).any()


@pytest.mark.parametrize("tabulated", [True, False])
def test_nothing_explains_a_shot_of_whole_errors(tabulated: bool) -> None:
    dem = stim.DetectorErrorModel("error(0.1) D0 D1 D2 L0\nerror(0.1) D2 D3\nerror(1) D3")
    decoder = Trellis.from_dem(dem)
    decoder = decoder if tabulated else untabulated(decoder)
    assert decoder.decode([1, 1, 1, 1]).tolist() == [True]
    shots = np.array([[0, 0, 0, 1], [1, 1, 1, 1], [1, 0, 0, 1]])
    with pytest.raises(ValueError, match=r"shot 2: no set of errors explains .*D0") as caught:
        decoder.decode_batch(shots)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="shot 2"):
        decoder.decode_batch(shots, return_gap=True)


# --- errors that are no edges


@pytest.mark.parametrize("tabulated", [True, False])
def test_random_hypergraphs(tabulated: bool) -> None:
    rng = np.random.default_rng(11)
    best = found = 0.0
    for _ in range(15):
        dem = random_model(rng, hyperedges=True)
        decoder = Trellis.from_dem(dem)
        best += optimum(dem)
        found += exact_error(decoder if tabulated else untabulated(decoder), dem)
    assert found <= best * (1 + 1e-9 if tabulated else 1.01)


def test_a_beam_that_loses_all_still_gives_an_explanation() -> None:
    rng = np.random.default_rng(2)
    dem = random_model(rng, hyperedges=True)
    likelihood = likelihood_of_classes(dem)
    decoder = untabulated(Trellis.from_dem(dem, beam=1, spread=0.1, sweeps=1))
    for syndrome, classes in enumerate(likelihood):
        if classes.any():
            found = number_of(decoder.decode(bits_of(syndrome, dem.num_detectors)))
            assert classes[found] > 0
    assert decoder._basis is not None


def test_a_colour_code() -> None:
    """Errors of up to six detectors; its gaps say how many are wrong."""
    circuit = stim.Circuit.generated(
        "color_code:memory_xyz",
        distance=5,
        rounds=3,
        after_clifford_depolarization=0.004,
        before_measure_flip_probability=0.004,
    )
    dem = circuit.detector_error_model()
    events, flips = circuit.compile_detector_sampler(seed=5).sample(2000, separate_observables=True)
    decoder = Trellis.from_dem(dem)
    predictions, gaps = decoder.decode_batch(events, return_gap=True, threads=2)
    assert np.array_equal(decoder.decode_batch(events[::-1])[::-1], predictions)
    chance = 1 / (1 + np.exp(gaps[:, 0]))
    wrong = int((predictions != flips).sum())
    assert abs(wrong - chance.sum()) < sigmas() * np.sqrt((chance * (1 - chance)).sum())
    assert wrong < 0.4 * flips.sum()


def test_matching_alone_needs_edges() -> None:
    with pytest.raises(ValueError, match=r"gap=0 .*3 detectors") as caught:
        Trellis.from_dem(stim.DetectorErrorModel("error(0.1) D0 D1 D2"), gap=0)
    assert "\n" not in str(caught.value)


def test_a_table_without_observables() -> None:
    decoder = decoders.from_dem("trellis", stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D1 D2 D0"))
    assert decoder.is_exact  # type: ignore[attr-defined]
    assert decoder.decode_batch(np.array([[1, 1, 0], [0, 0, 0]], dtype=np.bool_)).shape == (2, 0)
    with pytest.raises(ValueError, match="shot 1"):
        decoder.decode_batch(np.array([[0, 0, 0], [1, 0, 0]], dtype=np.bool_))


def test_a_detector_of_very_many_mechanisms_is_closed_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise its neighbours are all open when it is closed: 2.1 GB for 80,000 of them."""
    lines = [f"error(0.1) D0 D{number}" for number in range(1, 30)] + ["error(0.2) D0 L0", "error(0.01) D9"]
    dem = stim.DetectorErrorModel("\n".join(lines))
    shots = np.zeros((3, 30), dtype=np.bool_)
    shots[0, 5] = shots[1, [5, 6]] = shots[2, 9] = True
    before = Trellis.from_dem(dem, gap=np.inf, beam=10_000, spread=40.0).decode_batch(shots, return_gap=True)
    monkeypatch.setattr(plan_module, "_HUB", 30)
    decoder = Trellis.from_dem(dem, gap=np.inf)
    model = decoder._model
    orders = orders_of(model, count=2)
    assert [order[-1] for order in orders] == [0, 0]
    for order in [*orders, np.arange(30), np.random.default_rng(2).permutation(30)]:
        num_open = TrellisPlan(mechanisms=model.mechanisms, order=order).num_open
        assert num_open == most_open(order, model.mechanisms)
        assert (num_open == 2) == (order[-1] == 0)
    after = decoder.decode_batch(shots, return_gap=True)
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_allclose(after[1], before[1], rtol=1e-9)


def test_too_many_open_detectors_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "_MAX_WORDS", 99)
    lines = [f"error(0.1) D{number} D{number + 70}" for number in range(70)] + ["error(0.2) D0 L0"]
    dem = stim.DetectorErrorModel("\n".join(lines))
    monkeypatch.setattr(plan_module, "_breadth_first_order", lambda size, _: np.arange(size))
    with pytest.raises(ValueError, match="keeps 71 detectors open at the same time, at most 0 are supported"):
        Trellis.from_dem(dem)
    monkeypatch.setattr(plan_module, "_MAX_WORDS", 280)
    assert Trellis.from_dem(dem).num_detectors == 140
    monkeypatch.setattr(plan_module, "_MAX_WORDS", 1)
    assert Trellis.from_dem(dem, gap=0).num_detectors == 140


def test_a_state_that_a_merge_makes_likely_is_branched_on() -> None:
    """The bound of what a mechanism is tried on follows the merge; otherwise the gap is 0.84 too large."""
    dem = stim.DetectorErrorModel(
        """
        error(0.0128) D4 D3 D1 L0
        error(0.0045) D1 D0 D4
        error(0.16) D3
        error(0.000118) D3 D0
        error(0.035) D2 D4 D0
        error(0.354) D0 D3 L0
        error(0.313) D2 D4 L0
        """
    )
    shot = np.array([[False, False, True, True, True]])
    exact, swept = (Trellis.from_dem(dem, gap=np.inf, beam=1000, sweeps=1) for _ in range(2))
    assert exact.is_exact
    expected, found = (
        decoder.decode_batch(shot, return_gap=True)[1][0, 0] for decoder in (exact, untabulated(swept))
    )
    assert found == pytest.approx(expected, abs=0.01)


def test_pairs_of_detectors_of_an_error_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error of 15,000 detectors took more than 100 s."""
    monkeypatch.setattr(plan_module, "_MAX_PAIRS", 9999.0)
    text = "error(0.1) " + " ".join(f"D{number}" for number in range(100))
    with pytest.raises(ValueError, match=r"errors of up to 100 detectors.* by 1.0e.04 pairs"):
        Trellis.from_dem(stim.DetectorErrorModel(text))
    coordinates = "".join(f"\ndetector(0, 0, {number}) D{number}" for number in range(100))
    assert Trellis.from_dem(stim.DetectorErrorModel(text + coordinates)).num_detectors == 100
