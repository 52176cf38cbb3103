"""Parallel windows: independence of threads and frame sizes, and accuracy."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import stim
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import WindowPlan
from qec import RepetitionCode, RotatedSurfaceCode, memory_circuit
from qec.noise import si1000
from tests.support.strategies import layered_dems

# Small regions, so that a short memory has many blocks: blocks of 2 windows of 5, gaps of 3.
REGIONS = {"commit": 5, "buffer": 3, "block": 10}


def surface(rounds: int, *, p: float = 0.004) -> stim.Circuit:
    return memory_circuit(RotatedSurfaceCode(3), rounds=rounds, basis="z", noise=si1000(p))


def sample(circuit: stim.Circuit, *, shots: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    events, flips = circuit.compile_detector_sampler(seed=seed).sample(shots, separate_observables=True)
    return events, flips[:, 0]


def decode(decoder: ParallelStreamingDecoder, frames: NDArray[np.uint8], cuts: list[int]) -> bool:
    """Decode one shot, pushed in pieces."""
    decoder.reset()
    bounds = [0, *sorted(cuts), len(frames) - 1]
    for first, last in pairwise(bounds):
        decoder.push(frames[first:last])
    return bool(decoder.finish(frames[-1])[0])


@pytest.fixture(scope="module")
def memory() -> tuple[stim.Circuit, NDArray[np.bool_], NDArray[np.bool_]]:
    circuit = surface(70)
    return circuit, *sample(circuit, shots=300, seed=3)


@pytest.fixture(scope="module")
def two_threads(
    memory: tuple[stim.Circuit, NDArray[np.bool_], NDArray[np.bool_]],
) -> Iterator[ParallelStreamingDecoder]:
    with ParallelStreamingDecoder.from_circuit(memory[0], threads=2, **REGIONS) as decoder:
        yield decoder


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 70), max_size=12), shot=st.integers(0, 299))
def test_frames_make_no_difference(
    memory: tuple[stim.Circuit, NDArray[np.bool_], NDArray[np.bool_]],
    two_threads: ParallelStreamingDecoder,
    cuts: list[int],
    shot: int,
) -> None:
    frames = two_threads.to_frames(memory[1][shot : shot + 1])[0]
    assert decode(two_threads, frames, cuts) == decode(two_threads, frames, [])


def test_threads_make_no_difference_and_answers_are_as_good_as_the_whole_history() -> None:
    circuit = surface(70, p=0.003)
    events, flips = sample(circuit, shots=1500, seed=4)
    whole = decoders.from_dem("mwpm", circuit.detector_error_model(decompose_errors=True))
    expected = whole.decode_batch(events)[:, 0]
    answers = []
    for threads in (1, 3):
        with ParallelStreamingDecoder.from_circuit(circuit, threads=threads) as decoder:
            frames = decoder.to_frames(events)
            answers.append(np.array([decode(decoder, shot, []) for shot in frames]))
    assert np.array_equal(answers[0], answers[1])
    assert (answers[0] != expected).mean() < 0.01
    errors, best = int((answers[0] != flips).sum()), int((expected != flips).sum())
    assert best > 200
    assert abs(errors - best) <= 0.03 * best


@pytest.mark.parametrize("rounds", [3, 5, 8, 9, 10, 13, 14, 18, 21, 22, 23, 24, 25, 26, 27, 31, 40])
def test_single_faults_are_corrected_in_memories_of_any_length(rounds: int) -> None:
    """Around the lengths at which one more window, gap or block begins."""
    circuit = memory_circuit(RepetitionCode(5), rounds=rounds, basis="z", noise=si1000(0.002))
    dem = circuit.detector_error_model(decompose_errors=True).flattened()
    faults = [instruction for instruction in dem if instruction.type == "error"]
    events = np.zeros((len(faults), dem.num_detectors), dtype=np.bool_)
    flips = np.zeros(len(faults), dtype=np.bool_)
    for row, fault in enumerate(faults):
        for target in fault.targets_copy():
            if target.is_relative_detector_id():
                events[row, target.val] ^= True
            elif target.is_logical_observable_id():
                flips[row] ^= True
    with ParallelStreamingDecoder.from_circuit(circuit, threads=1, **REGIONS) as decoder:
        frames = decoder.to_frames(events)
        answers = np.array([decode(decoder, shot, []) for shot in frames])
    assert np.array_equal(answers, flips)


def test_measurements_give_what_events_give() -> None:
    circuit = surface(40)
    measurements = circuit.compile_sampler(seed=7).sample(20)
    events = circuit.compile_m2d_converter().convert(measurements=measurements, append_observables=False)
    per_cycle = (circuit.num_measurements - 9) // 40
    with ParallelStreamingDecoder.from_circuit(circuit, threads=2, **REGIONS) as decoder:
        for shot, frames in zip(measurements, decoder.to_frames(events), strict=True):
            expected = decode(decoder, frames, [])
            decoder.reset()
            rows = shot[: 40 * per_cycle].reshape(40, per_cycle)
            decoder.push(rows[:11], kind="measurements")
            packed = np.packbits(rows[11:], axis=1, bitorder="little")
            decoder.push(packed, kind="measurements", bit_packed=True)
            assert decoder.finish(shot[40 * per_cycle :], kind="measurements")[0] == expected


def test_a_short_shot_is_one_ending() -> None:
    """Less than a block: what one window after the other makes of it, too."""
    circuit = surface(9)
    events, _ = sample(circuit, shots=200, seed=9)
    stream = StreamingDecoder.from_circuit(circuit, commit=5, buffer=3)
    with ParallelStreamingDecoder.from_circuit(circuit, threads=1, **REGIONS) as decoder:
        frames = decoder.to_frames(events)
        answers = np.array([decode(decoder, shot, [4]) for shot in frames])
    assert np.array_equal(answers, stream.decode_frames(frames)[:, 0] & 1)


def test_a_shot_can_be_left_and_an_error_leaves_the_decoder_usable(
    memory: tuple[stim.Circuit, NDArray[np.bool_], NDArray[np.bool_]], two_threads: ParallelStreamingDecoder
) -> None:
    frames = two_threads.to_frames(memory[1][:1])[0]
    expected = decode(two_threads, frames, [])
    two_threads.reset()
    two_threads.push(frames[:30])  # and leave it
    assert decode(two_threads, frames, []) == expected
    with pytest.raises(ValueError, match="push after finish"):
        two_threads.push(frames[:1])
    with pytest.raises(ValueError, match="finish after finish"):
        two_threads.finish(frames[-1])
    two_threads.reset()
    with pytest.raises(ValueError, match="shape"):
        two_threads.push(frames[:, 1:])
    assert decode(two_threads, frames, [20]) == expected
    assert two_threads.num_cycles == 70


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads=0"),
        ({"threads": 1, "block": 0}, "block=0"),
        ({"threads": 1, "commit": 0}, "commit"),
    ],
)
def test_wrong_options_are_named(options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ParallelStreamingDecoder.from_circuit(surface(40), **options)


# --- any model


@settings(max_examples=60)
@given(made=layered_dems(), repeats=st.integers(2, 30), regions=st.tuples(*[st.integers(1, 6)] * 3))
def test_blocks_explain_what_they_saw(made: tuple[str, int], repeats: int, regions: tuple[int, ...]) -> None:
    # Observable s is the parity of column s: whatever is committed must explain all detection events.
    dem = stim.DetectorErrorModel(made[0].format(repeats=repeats))
    model = LayeredModel.from_dem(dem)
    plan = WindowPlan(
        commit=max(regions[0], len(model.first)),
        buffer=max(regions[1], len(model.last), model.longest_reach),
    )
    try:
        decoder = ParallelStreamingDecoder(model=model, plan=plan, threads=1, block=regions[2])
    except ValueError as refusal:
        event("refused")
        assert "no way to a boundary" in str(refusal)  # noqa: PT017
        return
    events, _, _ = dem.compile_sampler(seed=repeats).sample(4)
    with decoder:
        for shot in decoder.to_frames(events):
            decoder.reset()
            decoder.push(shot[:-1])
            parities = shot.sum(axis=0) % 2
            assert decoder.finish(shot[-1]).tolist()[: model.num_columns] == parities.astype(bool).tolist()


def test_a_gap_must_reach_a_boundary() -> None:
    # Two columns that meet each other only: a block cannot know how many events it must leave on each side.
    layer = "error(0.1) D0 D1 L0\ndetector(0, 0, 0) D0\ndetector(1, 0, 0) D1\n"
    ahead = "error(0.1) D0 D2\nerror(0.1) D1 D3\nshift_detectors(0, 0, 1) 2\n"
    dem = stim.DetectorErrorModel(f"repeat 99 {{\n{layer}{ahead}}}\n{layer}")
    model = LayeredModel.from_dem(dem)
    with pytest.raises(ValueError, match=r"buffer=5: some detectors have no way to a boundary"):
        ParallelStreamingDecoder(model=model, plan=WindowPlan(commit=9, buffer=5), threads=2)
    StreamingDecoder(model=model, plan=WindowPlan(commit=9, buffer=5))
