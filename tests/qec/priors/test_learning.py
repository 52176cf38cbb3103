"""Rates learned from sampled detection events, against the rates that were sampled from."""

import numpy as np
import pytest
import stim

import qec
from qec import noise
from qec.datasets import pack
from qec.priors import (
    SPREADS,
    Spread,
    chi_square_per_pair,
    learn_error_model,
    learn_halves,
    standard_errors,
)
from qec.priors.fitting import levels_of
from qec.priors.mechanisms import Mechanisms, read_mechanisms

ONE = Spread(kind=0.5, place=0.5, single=0.3)


def memory_dem(rounds: int = 3) -> stim.DetectorErrorModel:
    circuit = qec.memory_circuit(
        qec.RotatedSurfaceCode(3), rounds=rounds, basis="z", noise=noise.si1000(0.004)
    )
    return circuit.detector_error_model(decompose_errors=True)


def perturbed(mechanisms: Mechanisms, spread: Spread, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    logs = np.log(mechanisms.start)
    widths = (spread.kind, spread.place, spread.single)
    for classes, width in zip(levels_of(mechanisms).class_of, widths, strict=True):
        logs += width * rng.normal(size=classes.max() + 1)[classes]
    return np.exp(logs)


def sample(dem: stim.DetectorErrorModel, shots: int, seed: int = 1) -> np.ndarray:
    return dem.compile_sampler(seed=seed).sample(shots)[0]


def loose(dem: str, events: np.ndarray, **options: object) -> stim.DetectorErrorModel:
    return learn_error_model(
        detection_events=events,
        error_model=stim.DetectorErrorModel(dem),
        spread=Spread(kind=0, place=0, single=5),
        **options,  # type: ignore[arg-type]
    ).error_model


def rates(dem: stim.DetectorErrorModel) -> list[float]:
    return [line.args_copy()[0] for line in dem if line.type == "error"]


def test_all_rates_are_found_within_their_errors_hyperedges_included() -> None:
    dem = memory_dem()
    mechanisms = read_mechanisms(dem)
    assert mechanisms.sizes.max() > 2
    deviations, large = [], []
    for seed in range(2):
        truth = perturbed(mechanisms, ONE, seed=seed)
        events = sample(mechanisms.model(truth), 10_000, seed=seed)
        learned = learn_error_model(detection_events=events, error_model=dem, spread=ONE)
        errors = standard_errors(learned, detection_events=events)
        assert ((errors > 0) & (errors < np.hypot(np.hypot(0.5, 0.5), 0.3) * 1.05)).all()
        z = np.log(learned.attenuations / truth) / errors
        deviations.append(z)
        large.append(z[mechanisms.sizes > 2])
        before = np.log(mechanisms.start / truth)
        assert np.std(np.log(learned.attenuations / truth)) < 0.8 * np.std(before)
    for z in (np.concatenate(deviations), np.concatenate(large)):
        assert np.mean(np.abs(z) < 1.96) == pytest.approx(0.95, abs=0.06)
        assert np.sqrt(np.mean(z**2)) == pytest.approx(1, abs=0.25)


def test_with_many_shots_the_start_is_forgotten() -> None:
    truth = "error(0.02) D0\nerror(0.05) D0 D1\nerror(0.03) D0 D1 D2 ^ D3\nerror(0.1) D2\nerror(0.01) D3 L0"
    start = truth.replace("0.05", "0.001").replace("0.03", "0.2").replace("0.1", "0.02")
    learned = loose(start, sample(stim.DetectorErrorModel(truth), 400_000))
    assert rates(learned) == pytest.approx([0.02, 0.05, 0.03, 0.1, 0.01], rel=0.05)


def test_decoding_with_learned_rates_is_decoding_with_the_true_ones() -> None:
    pymatching = pytest.importorskip("pymatching")
    dem = memory_dem()
    mechanisms = read_mechanisms(dem)
    truth = mechanisms.model(perturbed(mechanisms, Spread(kind=1, place=1, single=0.3), seed=5))
    learned = learn_error_model(detection_events=sample(truth, 10_000), error_model=dem)
    events, flips, _ = truth.compile_sampler(seed=9).sample(100_000)
    errors = [
        int((pymatching.Matching(model).decode_batch(events) != flips).sum())
        for model in (truth, learned.error_model, dem)
    ]
    assert errors[1] < 1.02 * errors[0]
    assert errors[2] > 1.05 * errors[0]  # there was something to win


def test_left_out_shots_choose_the_spread_and_agree() -> None:
    dem = memory_dem()
    mechanisms = read_mechanisms(dem)
    events = sample(mechanisms.model(perturbed(mechanisms, Spread(1, 1, 0.8), seed=3)), 8000)
    learned = learn_error_model(detection_events=pack(events, num_bits=dem.num_detectors), error_model=dem)
    assert list(learned.gains) == list(SPREADS[: len(learned.gains)])
    assert learned.spread == max(learned.gains, key=lambda spread: learned.gains[spread])
    assert learned.gains[learned.spread] > 0.01
    assert learned.spread.place >= 0.5
    for fold, attenuations in enumerate(learned.folds):
        left_out = events[fold::2]
        before = chi_square_per_pair(mechanisms, mechanisms.start, detection_events=left_out)
        after = chi_square_per_pair(mechanisms, attenuations, detection_events=left_out)
        assert before > 3 * after
        assert after < 2  # one for these shots, and less than one for those learned from
    # Shots of the start itself: nothing to learn, and nothing is made up.
    same = learn_error_model(detection_events=sample(dem, 8000), error_model=dem)
    assert same.spread == SPREADS[0]
    assert chi_square_per_pair(
        mechanisms, mechanisms.start, detection_events=sample(dem, 20_000, seed=7)
    ) == pytest.approx(1, abs=0.3)


def test_a_fold_does_not_see_its_own_shots() -> None:
    dem = memory_dem(rounds=1)
    events = sample(dem, 2000)
    changed = events.copy()
    changed[0::2] = sample(dem, 1000, seed=8)[:, ::-1]
    first, second = (learn_error_model(detection_events=e, error_model=dem) for e in (events, changed))
    fixed = [
        learn_error_model(detection_events=e, error_model=dem, spread=(ONE, ONE)) for e in (events, changed)
    ]
    assert not np.array_equal(first.attenuations, second.attenuations)
    assert np.array_equal(fixed[0].folds[0], fixed[1].folds[0])  # learned from the odd shots
    assert not np.array_equal(fixed[0].folds[1], fixed[1].folds[1])


def test_halves_learn_from_each_other_only() -> None:
    dem = memory_dem(rounds=1)
    events = sample(dem, 3001)
    for parity in (0, 1):
        changed = events.copy()
        changed[parity::2] ^= True
        before = learn_halves(detection_events=events, error_models=dem)
        after = learn_halves(detection_events=changed, error_models=(dem, dem))
        assert before[parity].error_model == after[parity].error_model
        assert before[1 - parity].error_model != after[1 - parity].error_model
        assert before[parity].num_shots == 1501 - (1 - parity)


@pytest.mark.parametrize("shots", [2, 3, 20, 100])
def test_few_shots_stay_near_the_start_and_positive(shots: int) -> None:
    dem = memory_dem(rounds=1)
    learned = learn_error_model(detection_events=sample(dem, shots), error_model=dem)
    assert (learned.rates > 0).all()
    assert (learned.rates < 0.5).all()
    ratio = np.log(learned.attenuations / learned.mechanisms.start)
    assert np.abs(ratio).max() < 4


def test_shots_without_any_event_only_lower_rates() -> None:
    dem = memory_dem(rounds=1)
    quiet = np.zeros((5000, dem.num_detectors), dtype=bool)
    learned = learn_error_model(detection_events=quiet, error_model=dem)
    assert ((learned.rates > 0) & (learned.attenuations < learned.mechanisms.start)).all()
    noisy = learn_error_model(detection_events=~quiet, error_model=dem)
    assert np.isfinite(noisy.attenuations).all()
    assert (noisy.rates < 0.5).all()


def test_everything_but_the_rates_is_kept() -> None:
    start = """
        error[tag](0.1) D0 D1 ^ D2 L0
        error(0.05) D0 D1 D2
        detector(1, 2, 0) D0
        repeat 2 {
            error(0.02) D1 D2
            error(0) D2
            error(1) D0 L1
            error(0.01) L0
            detector(0, 0, 1) D1
            shift_detectors(0, 0, 1) 1
        }
        logical_observable L2
    """
    dem = stim.DetectorErrorModel(start)
    learned = learn_error_model(detection_events=sample(dem, 5000), error_model=dem).error_model
    before, after = list(dem.flattened()), list(learned)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert (old.type, old.targets_copy(), old.tag) == (new.type, new.targets_copy(), new.tag)
        if old.type != "error" or old.args_copy()[0] in (0, 1) or "D" not in str(old):
            assert old == new
        else:
            assert old != new
    # The two errors of one set keep their proportion.
    shares = [-np.log(1 - 2 * p) for p in rates(learned)[:2]]
    assert shares[0] / shares[1] == pytest.approx(np.log(0.8) / np.log(0.9))


def test_errors_above_one_half_and_certain_ones() -> None:
    truth = "error(0.9) D0 D1\nerror(0.2) D1\nerror(1) D2 D0\nerror(0.05) D2"
    start = truth.replace("0.9", "0.7").replace("0.2", "0.05").replace("0.05", "0.2")
    learned = loose(start, sample(stim.DetectorErrorModel(truth), 100_000))
    assert rates(learned) == pytest.approx([0.9, 0.2, 1, 0.05], rel=0.05)


def test_what_repeats_in_time_is_learned_together() -> None:
    dem = memory_dem(rounds=6)
    mechanisms = read_mechanisms(dem)
    learned = learn_error_model(
        detection_events=sample(dem, 500), error_model=dem, spread=Spread(kind=0, place=1, single=0)
    )
    ratio = learned.attenuations / mechanisms.start
    classes = mechanisms.repeated_in_time()
    assert classes.max() + 1 < len(classes) / 2
    for number in range(classes.max() + 1):
        assert np.ptp(ratio[classes == number]) < 1e-9
    kinds = mechanisms.repeated_in_space()
    assert kinds.max() < classes.max()
    # Without coordinates every set is on its own, unless they are given.
    bare = stim.DetectorErrorModel("\n".join(str(line) for line in dem.flattened() if line.type == "error"))
    alone = read_mechanisms(bare)
    assert alone.repeated_in_time().max() + 1 == len(alone.sets)
    given = read_mechanisms(bare, coordinates=dem.get_detector_coordinates())
    assert np.array_equal(given.repeated_in_time(), classes)


DEM = stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.2) D1 L0")
EVENTS = np.zeros((10, 2), dtype=bool)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"error_model": stim.Circuit()}, "expected a stim.DetectorErrorModel, got Circuit"),
        ({"error_model": stim.DetectorErrorModel("error(0.1) L0")}, "nothing to learn"),
        (
            {"error_model": stim.DetectorErrorModel("error(0.5) D0 D1")},
            r"error\(0.5\) D0 D1: an error of probability 0.5 hides all others",
        ),
        (
            {"error_model": stim.DetectorErrorModel("error(0.1) " + " ".join(f"D{i}" for i in range(13)))},
            r"an error flips 13 detectors \(D0 ...\), at most 12",
        ),
        (
            {"error_model": stim.DetectorErrorModel("repeat 3000000 {\nerror(0.1) D0\nshift_detectors 1\n}")},
            "more than 2000000: use fewer cycles",
        ),
        ({"detection_events": EVENTS[:, :1]}, r"expected \(shots, 2\)"),
        ({"detection_events": EVENTS[:0]}, "no shots"),
        ({"detection_events": EVENTS[:1]}, "1 shots in 2 folds: give more shots, or a single spread"),
        ({"folds": 1}, "folds=1: must be at least 2"),
        ({"spread": ()}, "spread: must be at least one"),
        ({"window_size": 0}, "window_size=0: must be between 1 and 12"),
        ({"window_size": 13}, "window_size=13: must be between 1 and 12"),
    ],
)
def test_wrong_input_is_named(changes: dict, message: str) -> None:
    arguments = {"detection_events": EVENTS, "error_model": DEM} | changes
    with pytest.raises(ValueError, match=message):
        learn_error_model(**arguments)  # type: ignore[arg-type]


def test_wrong_spreads_are_named() -> None:
    with pytest.raises(ValueError, match="spread: place is -1"):
        Spread(place=-1)
    with pytest.raises(ValueError, match="spread: kind is nan"):
        Spread(kind=float("nan"))


def test_recorded_shots(hardware_data) -> None:  # type: ignore[no-untyped-def]
    folder = hardware_data / "surface_code_bX_d3_r05_center_3_5"
    experiment = qec.datasets.read_experiment(folder)
    learned = learn_error_model(
        detection_events=experiment.detection_events[:4000], error_model=experiment.error_model()
    )
    left_out = experiment.detection_events[4000:20_000]
    mechanisms = learned.mechanisms
    before, after = (
        chi_square_per_pair(mechanisms, rates, detection_events=left_out)
        for rates in (mechanisms.start, learned.attenuations)
    )
    assert after < 0.7 * before
    observed = experiment.unpacked("detection_events").mean()
    assert mechanisms.detection_fractions(learned.attenuations).mean() == pytest.approx(observed, rel=0.03)
