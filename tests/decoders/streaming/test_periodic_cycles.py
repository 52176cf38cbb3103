"""Memories whose cycles repeat with a period of several cycles, compared with whole-shot decoding."""

from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.streaming import windows
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import WindowPlan
from tests.decoders.streaming.test_streaming import without_ties
from tests.support.reference_stream import naive_stream
from tests.support.strategies import splits
from tests.support.streams import (
    PERIODS,
    alternating,
    chequered,
    compiled_only,
    decode,
    one_by_one,
    same_edges,
)

CIRCUITS = {
    "two": partial(alternating, 2, repeats=20),
    "three": partial(alternating, 3, repeats=13),
    "chequered": partial(chequered, rounds=40),
}
PERIOD = {"two": 2, "three": 3, "chequered": 2}


def dem_of(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    return circuit.detector_error_model(decompose_errors=True)


def sample(circuit: stim.Circuit, *, shots: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return circuit.compile_detector_sampler(seed=5).sample(shots, separate_observables=True)


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_period_is_found(name: str) -> None:
    dem = dem_of(CIRCUITS[name]())
    for model in (LayeredModel.from_dem(dem), LayeredModel.from_dem(dem.flattened())):
        assert model.period == len(model.bulk) == PERIOD[name]
        assert len(model.first) % model.period == 0
        assert len(model.first) + len(model.last) < 12
        assert model.num_detectors == dem.num_detectors
        assert model.recurrence == (2 if name == "chequered" else 1)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("more", [0, 1, 2, 3])
def test_a_repeat_block_of_any_length_costs_the_same(period: int, more: int) -> None:
    long = LayeredModel.from_dem(dem_of(alternating(period, repeats=10**6 + more)))
    short = LayeredModel.from_dem(dem_of(alternating(period, repeats=30)).flattened())
    assert long.num_layers - short.num_layers == period * (10**6 + more - 30)
    assert len(long.seen_detectors) < 60
    for kind in ("first", "bulk", "last"):
        ours, theirs = getattr(long, kind), getattr(short, kind)
        assert len(ours) == len(theirs)
        assert all(same_edges(a, b) for a, b in zip(ours, theirs, strict=True))
    numbers = short.detector_numbers(short.num_layers)
    assert np.array_equal(long.detector_numbers(short.num_layers), numbers)


def test_only_whole_periods_fit() -> None:
    model = LayeredModel.from_dem(dem_of(alternating(3, repeats=1000)))
    fixed = len(model.first) + len(model.last)
    model.check_length(fixed + 3)
    with pytest.raises(ValueError, match=f"period of 3, so that {fixed + 3} or {fixed + 6} layers fit"):
        model.check_length(fixed + 4)
    decoder = StreamingDecoder.from_circuit(alternating(3, repeats=1000))
    decoder.push(np.zeros((fixed + 3, model.num_columns), dtype=np.uint8))
    with pytest.raises(ValueError, match="layers fit"):
        decoder.finish(np.zeros(model.num_columns, dtype=np.uint8))
    decoder.push(np.zeros((2, model.num_columns), dtype=np.uint8))  # still usable
    assert not decoder.finish(np.zeros(model.num_columns, dtype=np.uint8)).any()


def test_a_commit_region_of_whole_periods() -> None:
    with pytest.raises(ValueError, match=r"commit=7: must be a multiple of 2, the period of .* use 8"):
        StreamingDecoder.from_circuit(CIRCUITS["two"](), commit=7)
    model = LayeredModel.from_dem(dem_of(CIRCUITS["two"]()))
    with pytest.raises(ValueError, match="commit=7: must be a multiple"):
        StreamingDecoder(model=model, plan=WindowPlan(commit=7, buffer=6))
    with pytest.raises(ValueError, match="buffer=7: must be a multiple of the model's period, 2"):
        ParallelStreamingDecoder.from_circuit(CIRCUITS["two"](), threads=1, buffer=7)


@pytest.mark.parametrize("regions", [{}, {"commit": 6, "buffer": 5}])
@pytest.mark.parametrize("decoder", ["mwpm", "mwpm-correlated"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_a_single_fault_is_corrected_wherever_it_is(name: str, decoder: str, regions: dict[str, int]) -> None:
    dem = dem_of(CIRCUITS[name]())
    faults = [error for error in dem.flattened() if error.type == "error"]
    events = np.zeros((len(faults), dem.num_detectors), dtype=np.bool_)
    flips = np.zeros((len(faults), dem.num_observables), dtype=np.bool_)
    for number, error in enumerate(faults):
        for target in error.targets_copy():
            if target.is_relative_detector_id():
                events[number, target.val] ^= True
            elif target.is_logical_observable_id():
                flips[number, target.val] ^= True
    assert flips.any()
    whole = decoders.from_dem(decoder, dem).decode_batch(events)
    windowed = decoders.from_dem("mwpm-stream", dem, decoder=decoder, **regions).decode_batch(events)
    assert np.array_equal(whole, flips)
    assert np.array_equal(windowed, flips)


@compiled_only
@pytest.mark.parametrize("decoder", ["mwpm", "mwpm-correlated"])
@pytest.mark.parametrize("name", CIRCUITS)
def test_as_good_as_whole_shots(name: str, decoder: str) -> None:
    circuit = CIRCUITS[name]()
    events, flips = sample(circuit, shots=6000)
    wrong = []
    for dem in (dem_of(circuit), dem_of(circuit).flattened()):
        predicted = decoders.from_dem("mwpm-stream", dem, decoder=decoder).decode_batch(events)
        wrong.append(int((predicted != flips).sum()))
    whole = int((decoders.from_dem(decoder, dem_of(circuit)).decode_batch(events) != flips).sum())
    assert wrong[0] == wrong[1]
    assert whole > 60
    assert wrong[0] < 1.05 * whole


@pytest.mark.parametrize("name", CIRCUITS)
def test_windows_are_what_a_naive_decoder_makes_of_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "cut_layers", without_ties)
    model = LayeredModel.from_dem(dem_of(CIRCUITS[name]()))
    plan = WindowPlan(commit=6, buffer=5)
    decoder = StreamingDecoder(model=model, plan=plan)
    cut = cache(partial(without_ties, model))
    frames = decoder.to_frames(sample(CIRCUITS[name](), shots=20)[0])
    for shot in frames:
        committed, prediction = one_by_one(decoder, shot)
        expected, expected_prediction = naive_stream(model, plan, shot, cut=cut)
        assert {cycles: committed[cycles] for cycles in expected} == expected
        assert prediction == expected_prediction


@settings(max_examples=30)
@given(data=st.data(), name=st.sampled_from(list(CIRCUITS)), shot=st.integers(0, 9))
def test_any_split_into_frames(data: st.DataObject, name: str, shot: int) -> None:
    decoder, frames = shared(name)
    expected, prediction = one_by_one(decoder, frames[shot])
    committed, same = decode(decoder, frames[shot], data.draw(splits(total=len(frames[shot]) - 1)))
    assert prediction == same
    assert all(expected[at] == flips for at, flips in committed.items() if at)


@cache
def shared(name: str) -> tuple[StreamingDecoder, Any]:
    decoder = StreamingDecoder.from_circuit(CIRCUITS[name](), commit=6, buffer=6)
    return decoder, decoder.to_frames(sample(CIRCUITS[name](), shots=10)[0])


@settings(max_examples=20)
@given(data=st.data(), name=st.sampled_from(list(CIRCUITS)), shot=st.integers(0, 4))
def test_measurements(data: st.DataObject, name: str, shot: int) -> None:
    circuit = CIRCUITS[name]()
    measured = circuit.compile_sampler(seed=3).sample(5)[shot]
    events = circuit.compile_m2d_converter().convert(measurements=measured[None], append_observables=False)
    decoder, _ = shared(name)
    frame = decoder.to_frames(events)[0]
    measurements = decoder.parts().measurements
    assert measurements is not None
    width, cycles = measurements.per_cycle, len(frame) - 1
    decoder.reset()
    at = 0
    for size in data.draw(splits(total=cycles)):
        rows = measured[at * width : (at + size) * width].reshape(size, width)
        decoder.push(rows, kind="measurements")
        at += size
    found = decoder.finish(measured[cycles * width :], kind="measurements")
    assert found.tolist() == one_by_one(decoder, frame)[1]


@pytest.mark.parametrize("name", CIRCUITS)
def test_parallel_windows(name: str) -> None:
    circuit = CIRCUITS[name]()
    events, flips = sample(circuit, shots=200)
    alone = StreamingDecoder.from_circuit(circuit, commit=6, buffer=6)
    frames = alone.to_frames(events)
    expected = alone.decode_frames(frames)[:, 0].astype(np.bool_)
    answers = []
    with ParallelStreamingDecoder.from_circuit(circuit, threads=2, commit=6, buffer=6, block=12) as decoder:
        for shot in frames:
            decoder.reset()
            decoder.push(shot[:11])
            decoder.push(shot[11:-1])
            answers.append(decoder.finish(shot[-1])[0])
    assert (np.array(answers) != expected).mean() < 0.03
    assert (np.array(answers) != flips[:, 0]).sum() <= 1.1 * (expected != flips[:, 0]).sum() + 3


# --- last cycles with detectors of their own


def ending_of_its_own(*, rounds: int) -> str:
    """A chain; the cycle before the readout has a second detector, which the first one meets."""
    body = "error(0.05) D0 L0\nerror(0.1) D0 D1\ndetector(0, 0, 0) D0\nshift_detectors(0, 0, 1) 1\n"
    ending = (
        "error(0.1) D0 D1\nerror(0.05) D1 D2\ndetector(0, 0, 0) D0\ndetector(9, 0, 0) D1\n"
        "error(0.05) D2 L0\nerror(0.01) D0 D2\ndetector(0, 0, 1) D2\n"
    )
    return f"repeat {rounds} {{\n{body}}}\n{ending}"


def test_a_window_ignores_detectors_that_only_last_cycles_have() -> None:
    dem = stim.DetectorErrorModel(ending_of_its_own(rounds=41))
    model = LayeredModel.from_dem(dem)
    assert (model.num_final_only, model.final_only_columns.tolist()) == (1, [False, True])
    events, flips = dem.compile_sampler(seed=1).sample(500)[:2]
    whole = decoders.from_dem("mwpm", dem).decode_batch(events)
    # Some windows end in each of the last cycles.
    for commit in (1, 2, 3, 4, 5):
        found = decoders.from_dem("mwpm-stream", dem, commit=commit, buffer=8).decode_batch(events)
        assert (found != whole).mean() < 0.02
        assert (found != flips).sum() < 1.05 * (whole != flips).sum() + 5
    with pytest.raises(ValueError, match=r"last cycles of this memory have detectors .* StreamingDecoder"):
        ParallelStreamingDecoder(model=model, plan=WindowPlan(commit=4, buffer=4), threads=1)
