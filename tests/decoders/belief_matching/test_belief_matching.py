"""Accuracy of belief matching compared with matching and with the published implementation."""

import pickle

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

import decoders
import qec
from decoders.kernels.jit import interpreted
from tests.support.chance import sigmas
from tests.support.small_models import all_shots, joint_probabilities, random_model


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
    assert only_ours <= only_theirs + sigmas() * np.sqrt(only_ours + only_theirs)


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


def exact_errors(name: str, dem: stim.DetectorErrorModel) -> tuple[float, float, int]:
    """Exact logical error, that of the likeliest classes, and how many shots get an impossible class."""
    posteriors, shots = joint_probabilities(dem), all_shots(dem.num_detectors)
    possible = posteriors.sum(axis=1) > 0
    posteriors = posteriors[possible]
    flipped = decoders.from_dem(name, dem).decode_batch(shots[possible])[:, 0].astype(np.int64)
    right = posteriors[np.arange(flipped.size), flipped]
    return float(posteriors.sum() - right.sum()), float(posteriors.min(axis=1).sum()), int((right == 0).sum())


@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
@pytest.mark.parametrize("p", [0.05, 0.15])
def test_chains_are_decoded_optimally(p: float) -> None:
    """Repetition codes without measurement errors, detectors numbered at random."""
    names = np.random.default_rng(6).permutation(13)
    lines = [f"error({p}) D{names[0]} L0", f"error({p}) D{names[-1]}"]
    lines += [f"error({p}) D{names[k]} D{names[k + 1]}" for k in range(12)]
    error, optimum, _ = exact_errors("belief-matching", stim.DetectorErrorModel("\n".join(lines)))
    assert error == pytest.approx(optimum, rel=1e-6)


@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
@pytest.mark.parametrize("max_components", [1, 4])
def test_random_models(max_components: int) -> None:
    """All shots of small models: no worse than plain matching, and never a class that is impossible."""
    rng = np.random.default_rng(max_components)
    ours = plain = optimum = 0.0
    for _ in range(60):
        size = int(rng.integers(2, 9))
        dem = random_model(rng, num_detectors=size, num_errors=2 * size + 2, max_components=max_components)
        error, best, impossible = exact_errors("belief-matching", dem)
        assert impossible == 0, str(dem)
        ours, optimum = ours + error, optimum + best
        plain += exact_errors("mwpm", dem)[0]
    assert ours <= plain * (1 + 1e-6)
    assert ours < 1.3 * optimum


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
    with pytest.raises(ValueError, match="max_sweeps=0: must be at least 1"):
        decoders.from_dem("belief-matching", dem, max_sweeps=0)


@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
@pytest.mark.parametrize(("distance", "p"), [(5, 0.03), (9, 0.03)])
def test_repetition_codes_are_no_worse_than_with_plain_matching(distance: int, p: float) -> None:
    dem = stim.Circuit.generated(
        "repetition_code:memory",
        distance=distance,
        rounds=distance,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    ).detector_error_model(decompose_errors=True)
    ours, plain = wrong("belief-matching", dem, shots=40_000), wrong("mwpm", dem, shots=40_000)
    only_ours, only_plain = (ours & ~plain).sum(), (plain & ~ours).sum()
    assert plain.sum() > 500
    assert only_ours <= only_plain + sigmas() * np.sqrt(only_ours + only_plain)


@pytest.mark.parametrize("max_sweeps", [1, 2, 5])
@pytest.mark.parametrize(
    ("text", "events", "flipped"),
    [
        # Components of one error that share ends, and form a loop that flips the observable.
        ("error(0.0131) D0\nerror(0.0122) D0 D1 ^ D0 ^ D0 L0", [1, 1], True),
        # A component that appears twice cancels.
        ("error(0.01) D0 D1 L0 ^ D0 ^ D0\nerror(0.02) D0", [1, 1], True),
        # All detectors of the first error cancel, the observable does not.
        ("error(0.2) D0 D1 ^ D0 L0 ^ D1\nerror(0.01) D0 D1\nerror(0.1) D0 L0\nerror(0.1) D1", [1, 1], True),
        # One component has no detector, but happens with the other.
        ("error(0.1) D0 ^ L0\nerror(0.01) D0", [1], True),
        # Only the two errors together explain the events.
        ("error(0.1) D0 ^ D1 L0\nerror(0.1) D1 ^ D2 L0\nerror(0.1) D2 ^ D3 L0", [1, 0, 0, 1], True),
    ],
)
def test_the_class_is_possible(text: str, events: list[int], flipped: bool, max_sweeps: int) -> None:
    dem = stim.DetectorErrorModel(text)
    posteriors = joint_probabilities(dem)[sum(bit << place for place, bit in enumerate(events))]
    assert bool(posteriors[1] > posteriors[0]) == flipped
    decoder = decoders.from_dem("belief-matching", dem, max_sweeps=max_sweeps)
    assert decoder.decode(events).tolist() == [flipped]


def test_what_only_parts_of_errors_explain_is_decoded_as_by_plain_matching() -> None:
    text = "error(0.027) D1 L0 ^ D0\nerror(0.1) D0 D1\nerror(0.1) D2 D3"
    dem = stim.DetectorErrorModel(text)
    ours, plain = (decoders.from_dem(name, dem) for name in ("belief-matching", "mwpm"))
    for events in ([1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 1]):
        assert ours.decode(events).tolist() == plain.decode(events).tolist()
    for decoder in (ours, plain):
        with pytest.raises(ValueError, match="no error explains its detection events"):
            decoder.decode([0, 0, 1, 0])


@pytest.mark.parametrize("p", [0.0, 5e-324, 1e-300, 0.5, 1 - 2**-53, 1.0])
def test_extreme_probabilities(p: float) -> None:
    """With an error that nearly never, or nearly always, happens; next to one of even odds."""
    dem = stim.DetectorErrorModel(
        f"error({p!r}) D0 D1 L0 ^ D2\nerror(0.5) D2\nerror(0.1) D0\nerror(0.2) D1 L0\nerror(0.9) D3 L0"
    )
    posteriors, shots = joint_probabilities(dem), all_shots(4)
    decoder = decoders.from_dem("belief-matching", dem)
    flipped, gaps = decoder.decode_batch(shots, return_gap=True)
    assert not np.isnan(gaps).any()
    right = np.take_along_axis(posteriors, flipped.astype(np.int64), axis=1)[:, 0]
    np.testing.assert_allclose(right, posteriors.max(axis=1))


@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
def test_gaps_batches_and_threads_leave_predictions_alone() -> None:
    dem = model(distance=3, p=0.02)
    events, _, _ = dem.compile_sampler(seed=2).sample(1500)
    decoder = decoders.from_dem("belief-matching", dem)
    expected = decoder.decode_batch(events, threads=1)
    with_gaps, gaps = decoder.decode_batch(events, return_gap=True)
    assert np.array_equal(with_gaps, expected)
    assert (gaps >= 0).all()
    assert np.array_equal(decoder.decode_batch(events, threads=2), expected)
    alone = np.concatenate([decoder.decode_batch(events[k : k + 1]) for k in range(300)])
    assert np.array_equal(alone, expected[:300])
