"""What holds for every decoder of the registry."""

import gc
import itertools
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import Decoder
from tests.support.strategies import dems
from tests.support.streams import in_one_layer

NAMES = decoders.names()
# Reweighting after a first matching may go wrong where exact matching does not.
HEURISTIC = {"pymatching-correlated"}
# Errors as they are, not as edges.
WHOLE = {"belief-matching", "trellis"}
# Streams of cycles: detectors need a place and a time, errors are no more likely than not.
LAYERED = {"mwpm-stream"}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def dem_of(text: str) -> stim.DetectorErrorModel:
    return stim.DetectorErrorModel(text)


def made(name: str, dem: stim.DetectorErrorModel) -> Decoder:
    """The decoder; one that needs layers must refuse a model without them, and gets them."""
    if name in LAYERED and any(len(place) < 2 for place in dem.get_detector_coordinates().values()):
        with pytest.raises(ValueError, match=r"detector D\d+ has no time coordinate .*\(x, y, t\)"):
            decoders.from_dem(name, dem)
        dem = in_one_layer(dem)
    return decoders.from_dem(name, dem)


def refuses_likely_errors(name: str, dem: stim.DetectorErrorModel) -> bool:
    """Whether the decoder takes no errors more likely than not; then checks that it says so."""
    if name not in LAYERED:
        return False
    for model in (dem, in_one_layer(dem)):
        with pytest.raises(ValueError, match="errors of probability up to one half; decode with 'mwpm'"):
            decoders.from_dem(name, model)
    return True


def surface_dem(*, distance: int = 3, p: float = 0.02) -> stim.DetectorErrorModel:
    return stim.Circuit.generated(
        "surface_code:rotated_memory_x",
        distance=distance,
        rounds=distance,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    ).detector_error_model(decompose_errors=True)


def sample(dem: stim.DetectorErrorModel, *, shots: int, seed: int = 1) -> NDArray[np.bool_]:
    events, _, _ = dem.compile_sampler(seed=seed).sample(shots)
    return np.asarray(events, dtype=np.bool_)


def single_faults(dem: stim.DetectorErrorModel) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Detection events and observable flips of each error alone."""
    for instruction in dem.flattened():
        if instruction.type != "error":
            continue
        events = np.zeros(dem.num_detectors, dtype=np.bool_)
        flips = np.zeros(dem.num_observables, dtype=np.bool_)
        for target in instruction.targets_copy():
            if target.is_relative_detector_id():
                events[target.val] ^= True
            elif target.is_logical_observable_id():
                flips[target.val] ^= True
        yield events, flips


# --- small and degenerate models


@pytest.mark.parametrize(
    "text", ["", "logical_observable L9", "error(0.1) L0", "error(1) L0 L2\nerror(0.1) L1"]
)
def test_no_detectors(name: str, text: str) -> None:
    dem = dem_of(text)
    if "error(1)" in text and refuses_likely_errors(name, dem):
        return
    decoder = made(name, dem)
    always = np.zeros(dem.num_observables, dtype=np.bool_)
    if "error(1)" in text:
        always[[0, 2]] = True
    assert np.array_equal(decoder.decode(np.zeros(0, dtype=np.bool_)), always)
    assert np.array_equal(decoder.decode_batch(np.zeros((3, 0), dtype=np.bool_)), np.tile(always, (3, 1)))
    packed = decoder.decode_batch(np.zeros((3, 0), dtype=np.uint8), bit_packed=True)
    assert np.array_equal(packed, np.packbits(np.tile(always, (3, 1)), axis=1, bitorder="little"))


def test_no_observables(name: str) -> None:
    decoder = made(name, dem_of("error(0.1) D0\nerror(0.1) D0 D1"))
    assert decoder.decode(np.array([True, True])).shape == (0,)
    assert decoder.decode_batch(np.ones((4, 2), dtype=np.bool_)).shape == (4, 0)
    assert decoder.decode_batch(np.full((4, 1), 3, dtype=np.uint8), bit_packed=True).shape == (4, 0)


def test_no_shots(name: str) -> None:
    decoder = made(name, surface_dem())
    width = (decoder.num_detectors + 7) // 8
    assert decoder.decode_batch(np.zeros((0, decoder.num_detectors), dtype=np.bool_)).shape == (0, 1)
    assert decoder.decode_batch(np.zeros((0, width), dtype=np.uint8), bit_packed=True).shape == (0, 1)
    if decoder.gives_weights:
        events = np.zeros((0, decoder.num_detectors), dtype=np.bool_)
        _, weights = decoder.decode_batch(events, return_weights=True)
        assert weights.shape == (0,)


def test_no_errors_at_all(name: str) -> None:
    decoder = made(name, dem_of("detector D4\nlogical_observable L1"))
    assert decoder.decode_batch(np.zeros((2, 5), dtype=np.bool_)).tolist() == [[False, False]] * 2
    with pytest.raises(ValueError, match="shot 1"):
        decoder.decode_batch(np.array([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0]]))


def test_no_boundary(name: str) -> None:
    decoder = made(name, dem_of("error(0.1) D0 D1 L0\nerror(0.1) D1 D2\nerror(0.1) D2 D3 L1"))
    assert decoder.decode(np.array([1, 1, 0, 0])).tolist() == [True, False]
    assert decoder.decode(np.array([0, 1, 0, 1])).tolist() == [False, True]
    assert decoder.decode(np.array([1, 1, 1, 1])).tolist() == [True, True]


def test_odd_parity_without_boundary_names_the_shot(name: str) -> None:
    decoder = made(name, dem_of("error(0.1) D0 D1 L0\nerror(0.1) D1 D2\nerror(0.1) D3"))
    events = np.zeros((20, 4), dtype=np.bool_)
    events[:, 3] = True
    events[13, 1] = events[17, 0] = True
    with pytest.raises(ValueError, match="shot 13") as caught:
        decoder.decode_batch(events)
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError):
        decoder.decode(events[17])
    # What failed leaves nothing behind.
    assert decoder.decode_batch(np.array([[1, 1, 0, 0], [0, 0, 0, 0]])).tolist() == [[True], [False]]


def test_a_hyperedge_is_refused_or_taken_whole(name: str) -> None:
    dem = dem_of("error(0.1) D0\nerror(0.1) D0 D1 D2 L0")
    if name == "trellis":
        assert decoders.from_dem(name, dem).decode([1, 1, 1]).tolist() == [True]
        return
    with pytest.raises(ValueError, match=r"3 detectors, .*decompose_errors=True.*'trellis'") as caught:
        decoders.from_dem(name, dem)
    assert "\n" not in str(caught.value)


def test_many_observables(name: str) -> None:
    lines = [f"error(0.1) D{k} L{k} L{k // 2}" for k in range(130)]
    decoder = made(name, dem_of("\n".join(lines)))
    events = np.eye(130, dtype=np.bool_)
    expected = np.zeros((130, 130), dtype=np.bool_)
    for k in range(130):
        expected[k, k] ^= True
        expected[k, k // 2] ^= True
    assert np.array_equal(decoder.decode_batch(events), expected)


def test_what_always_happens_is_subtracted(name: str) -> None:
    dem = dem_of("error(1) D0 D2 L1\nerror(0.1) D0 L0\nerror(0.1) D1 D2\nerror(0.1) D2 L2\nerror(0) D0 D1 D2")
    if refuses_likely_errors(name, dem):
        return
    decoder = made(name, dem)
    assert decoder.decode(np.array([1, 0, 1])).tolist() == [False, True, False]
    assert decoder.decode(np.array([0, 0, 1])).tolist() == [True, True, False]
    assert decoder.decode(np.array([1, 1, 0])).tolist() == [False, True, False]


def test_likely_errors_are_assumed(name: str) -> None:
    dem = dem_of("error(0.9) D0 L0\nerror(0.1) D0 D1 L1\nerror(0.1) D1")
    if refuses_likely_errors(name, dem):
        return
    decoder = made(name, dem)
    assert decoder.decode(np.array([1, 0])).tolist() == [True, False]
    assert decoder.decode(np.array([0, 1])).tolist() == [True, True]
    if decoder.gives_weights:
        _, weights = decoder.decode_batch(np.array([[0, 0], [1, 0], [0, 1], [1, 1]]), return_weights=True)
        np.testing.assert_allclose(weights / np.log(9), [0, -1, 0, 0], atol=1e-6)


def test_targets_that_cancel(name: str) -> None:
    decoder = made(name, dem_of("error(0.1) D0 D0 D1 L0 L1 L1\nerror(0.01) D0 L1 ^ L0\nerror(0.2) D2 D2"))
    assert decoder.decode(np.array([0, 1, 0])).tolist() == [True, False]
    # Plain matching treats the parts of an error as independent, and one part here flips no detector.
    assert decoder.decode(np.array([1, 0, 0])).tolist() == [name in WHOLE, True]


# --- correctness on codes


@pytest.mark.parametrize("task", ["surface_code:rotated_memory_z", "repetition_code:memory"])
def test_a_single_fault_is_corrected(name: str, task: str) -> None:
    dem = stim.Circuit.generated(
        task,
        distance=5 if name in HEURISTIC else 3,
        rounds=4,
        after_clifford_depolarization=0.001,
        before_measure_flip_probability=0.002,
        after_reset_flip_probability=0.003,
    ).detector_error_model(decompose_errors=True)
    faults = list(single_faults(dem))
    decoder = made(name, dem)
    assert len(faults) > 20
    events = np.array([events for events, _ in faults])
    flips = np.array([flips for _, flips in faults])
    assert np.array_equal(decoder.decode_batch(events), flips)


def test_far_fewer_errors_than_without_decoding(name: str) -> None:
    dem = surface_dem(distance=5, p=0.004)
    events, flips, _ = dem.compile_sampler(seed=7).sample(2000)
    wrong = (made(name, dem).decode_batch(events) != flips).sum()
    assert wrong < 0.1 * flips.sum()


# --- one answer, whatever way it is asked for


def test_batch_equals_one_by_one_equals_bit_packed(name: str) -> None:
    dem = surface_dem()
    decoder = made(name, dem)
    events = sample(dem, shots=300)
    batch = decoder.decode_batch(events)
    assert batch.dtype == np.bool_
    assert batch.shape == (300, 1)
    assert batch.any()
    assert np.array_equal(batch, [decoder.decode(shot) for shot in events])
    packed = decoder.decode_batch(np.packbits(events, axis=1, bitorder="little"), bit_packed=True)
    assert packed.dtype == np.uint8
    assert np.array_equal(packed, np.packbits(batch, axis=1, bitorder="little"))


def test_an_object_used_before_equals_a_fresh_one(name: str) -> None:
    dem = surface_dem()
    used = made(name, dem)
    for seed in range(3):
        events = sample(dem, shots=100, seed=seed)
        fresh = made(name, dem)
        if used.gives_weights:
            ours, our_weights = used.decode_batch(events, return_weights=True)
            theirs, their_weights = fresh.decode_batch(events, return_weights=True)
            assert np.array_equal(our_weights, their_weights)
            assert np.array_equal(ours, theirs)
        assert np.array_equal(used.decode_batch(events), fresh.decode_batch(events))


def test_two_decoders_do_not_share_state(name: str) -> None:
    dem, other = surface_dem(), surface_dem(distance=5, p=0.01)
    first, second = made(name, dem), made(name, other)
    events, other_events = sample(dem, shots=50), sample(other, shots=50)
    expected, other_expected = first.decode_batch(events), second.decode_batch(other_events)
    for shot in range(50):
        assert np.array_equal(first.decode(events[shot]), expected[shot])
        assert np.array_equal(second.decode(other_events[shot]), other_expected[shot])


def test_the_dem_is_not_needed_any_more(name: str) -> None:
    dem = surface_dem()
    decoder = made(name, dem)
    events = sample(dem, shots=20)
    before = decoder.decode_batch(events)
    dem.clear()
    gc.collect()
    assert np.array_equal(decoder.decode_batch(events), before)


def test_answers_are_not_overwritten_by_the_next_call(name: str) -> None:
    dem = surface_dem()
    decoder = made(name, dem)
    first = decoder.decode_batch(sample(dem, shots=100, seed=1))
    kept = first.copy()
    decoder.decode_batch(sample(dem, shots=100, seed=2))
    assert np.array_equal(first, kept)
    first[:] = True  # and are the caller's own
    assert np.array_equal(decoder.decode_batch(sample(dem, shots=100, seed=1)), kept)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing_or_are_refused(name: str, threads: int) -> None:
    dem = surface_dem()
    decoder = made(name, dem)
    events = sample(dem, shots=301)
    if decoder.uses_threads:
        assert np.array_equal(decoder.decode_batch(events, threads=threads), decoder.decode_batch(events))
    else:
        with pytest.raises(ValueError, match=f"threads={threads}"):
            decoder.decode_batch(events, threads=threads)


def test_weights_are_those_of_the_predictions(name: str) -> None:
    decoder = made(name, dem_of("error(0.1) D0 L0\nerror(0.25) D1"))
    events = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    if not decoder.gives_weights:
        with pytest.raises(ValueError, match="gives no weights"):
            decoder.decode_batch(events, return_weights=True)
        return
    predictions, weights = decoder.decode_batch(events, return_weights=True)
    assert predictions.tolist() == [[False], [True], [False], [True]]
    assert weights.dtype == np.float64
    np.testing.assert_allclose(weights, [0, np.log(9), np.log(3), np.log(27)], rtol=1e-6)


# --- any layout of the caller's array, which is never changed


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.int64, np.uint64])
def test_zeros_and_ones_of_any_integer_type(name: str, dtype: type) -> None:
    dem = surface_dem()
    decoder = made(name, dem)
    events = sample(dem, shots=50)
    assert np.array_equal(decoder.decode_batch(events.astype(dtype)), decoder.decode_batch(events))
    assert np.array_equal(decoder.decode(events[3].astype(dtype)), decoder.decode(events[3]))


@pytest.mark.parametrize("bit_packed", [False, True])
def test_layouts_and_the_callers_array(name: str, bit_packed: bool) -> None:
    dem = surface_dem()
    decoder = made(name, dem)
    events: NDArray[np.generic] = sample(dem, shots=60)
    if bit_packed:
        events = np.packbits(events, axis=1, bitorder="little")
    expected = decoder.decode_batch(events, bit_packed=bit_packed)
    before = events.copy()
    read_only = events.copy()
    read_only.flags.writeable = False
    every_second = np.repeat(events, 2, axis=0)[::2]
    wider = np.concatenate([events, events], axis=1)[:, : events.shape[1]]
    for layout in [np.asfortranarray(events), read_only, every_second, wider, events[::-1][::-1]]:
        copy = layout.copy()
        assert np.array_equal(decoder.decode_batch(layout, bit_packed=bit_packed), expected)
        assert np.array_equal(layout, copy)
    assert np.array_equal(events, before)


def test_lists_are_taken_too(name: str) -> None:
    decoder = made(name, dem_of("error(0.1) D0 L0\nerror(0.25) D1"))
    assert decoder.decode([1, 0]).tolist() == [True]
    assert decoder.decode_batch([[True, False]]).tolist() == [[True]]


# --- inputs that are wrong


@pytest.fixture
def ten(name: str) -> Decoder:
    return made(name, dem_of("\n".join(f"error(0.1) D{k} L0" for k in range(10))))


@pytest.mark.parametrize("shape", [(), (9,), (11,), (1, 10), (2,)])
def test_wrong_shape_of_one_shot(ten: Decoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(10,\)"):
        ten.decode(np.zeros(shape, dtype=np.bool_))


@pytest.mark.parametrize("shape", [(), (10,), (3, 9), (3, 11), (3, 2), (1, 3, 10), (0,)])
def test_wrong_shape_of_a_batch(ten: Decoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(shots, 10\)"):
        ten.decode_batch(np.zeros(shape, dtype=np.bool_))


@pytest.mark.parametrize("shape", [(), (2,), (3, 1), (3, 10), (1, 3, 2)])
def test_wrong_shape_of_packed_shots(ten: Decoder, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(shots, 2\) for 10 detectors"):
        ten.decode_batch(np.zeros(shape, dtype=np.uint8), bit_packed=True)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64, np.float64])
def test_wrong_type_of_packed_shots(ten: Decoder, dtype: type) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        ten.decode_batch(np.zeros((3, 2), dtype=dtype), bit_packed=True)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128, object, "U1"])
def test_wrong_type_of_shots(ten: Decoder, dtype: type) -> None:
    with pytest.raises(ValueError, match="expected bool or integers 0 and 1"):
        ten.decode_batch(np.zeros((3, 10)).astype(dtype))
    with pytest.raises(ValueError, match="expected bool or integers 0 and 1"):
        ten.decode(np.zeros(10).astype(dtype))


@pytest.mark.parametrize(
    ("value", "dtype"), [(2, np.uint8), (255, np.uint8), (-1, np.int64), (256, np.int64)]
)
def test_values_beyond_one(ten: Decoder, value: int, dtype: type) -> None:
    events = np.zeros((5, 10), dtype=dtype)
    events[3, 7] = value
    with pytest.raises(ValueError, match=f"shot 3 has {value} at detector D7"):
        ten.decode_batch(events)


@pytest.mark.parametrize("bit", range(2, 8))
def test_padding_bits_must_be_zero(ten: Decoder, bit: int) -> None:
    packed = np.zeros((6, 2), dtype=np.uint8)
    packed[:, 1] = 0b11
    ten.decode_batch(packed, bit_packed=True)
    packed[4, 1] |= 1 << bit
    with pytest.raises(ValueError, match="shot 4 has bits set beyond its 10 detectors"):
        ten.decode_batch(packed, bit_packed=True)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_counted_from_one(ten: Decoder, threads: int) -> None:
    with pytest.raises(ValueError, match=f"threads={threads}"):
        ten.decode_batch(np.zeros((1, 10), dtype=np.bool_), threads=threads)


# --- any model


@pytest.mark.parametrize("decoder_name", NAMES)
@settings(max_examples=60)
@given(dem=dems(max_detectors=5), seed=st.integers(0, 1000))
def test_any_model_is_decoded_or_the_shot_is_named(
    decoder_name: str, dem: stim.DetectorErrorModel, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shots = rng.random((6, dem.num_detectors)) < 0.5
    is_possible = explainable(dem)
    for decoder in decoders_of(decoder_name, dem):
        for shot in itertools.chain(shots, sample(dem, shots=3, seed=seed)):
            if is_possible(shot):
                assert decoder.decode(shot).shape == (dem.num_observables,)
            else:
                with pytest.raises(ValueError, match="shot 0"):
                    decoder.decode(shot)


def decoders_of(name: str, dem: stim.DetectorErrorModel) -> list[Decoder]:
    """The decoder made from the model; one that needs layers also from the model in one layer.

    Checks for what such a decoder refuses a model, and that it takes any model in one layer otherwise.
    """
    if name not in LAYERED:
        return [decoders.from_dem(name, dem)]
    graph = decoders.MatchingGraph.from_dem(dem)
    certain = graph.certain_detectors.any() or graph.certain_observables.any()
    if certain or (graph.edge_weight < 0).any() or (graph.undetectable_probability > 0.5).any():
        refuses_likely_errors(name, dem)
        return []
    accepted = [decoders.from_dem(name, in_one_layer(dem))]
    has_times = all(len(place) >= 2 for place in dem.get_detector_coordinates().values())
    refusal = ""
    try:
        accepted.append(decoders.from_dem(name, dem))
    except ValueError as error:
        refusal = str(error)
    if has_times:
        assert not refusal
    else:
        assert "has no time coordinate" in refusal
    assert "\n" not in refusal
    return accepted


def explainable(dem: stim.DetectorErrorModel) -> Callable[[NDArray[np.bool_]], bool]:
    """Tells whether some choice of components gives certain detection events: elimination modulo two."""
    always = 0
    basis: dict[int, int] = {}  # by leading bit

    def reduced(events: int) -> int:
        while events and events.bit_length() in basis:
            events ^= basis[events.bit_length()]
        return events

    for instruction in dem.flattened():
        if instruction.type != "error" or instruction.args_copy()[0] == 0:
            continue
        for group in instruction.target_groups():
            events = 0
            for target in group:
                if target.is_relative_detector_id():
                    events ^= 1 << target.val
            if instruction.args_copy()[0] == 1:
                always ^= events
            elif reduced(events):
                events = reduced(events)
                basis[events.bit_length()] = events

    def is_possible(shot: NDArray[np.bool_]) -> bool:
        return reduced(always ^ sum(1 << int(detector) for detector in np.flatnonzero(shot))) == 0

    return is_possible
