"""Layers and columns from coordinates; predictions do not depend on the choice of coordinates."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.model.repeat_blocks import Run, repeating_part, shorten
from decoders.streaming.detector_grid import BY_ORDER, assign_layers, possible_axes
from decoders.streaming.layers import LayeredModel

Map = Callable[[list[float]], list[float]]
TASKS = (
    "surface_code:rotated_memory_x",
    "surface_code:unrotated_memory_z",
    "repetition_code:memory",
)


@cache
def generated(task: str, rounds: int) -> stim.Circuit:
    return stim.Circuit.generated(
        task,
        distance=3,
        rounds=rounds,
        after_clifford_depolarization=0.006,
        before_measure_flip_probability=0.01,
    )


def with_coordinates(circuit: stim.Circuit, change: Map) -> stim.Circuit:
    """The circuit without REPEAT and with other coordinates."""
    coordinates = circuit.get_detector_coordinates()
    changed, detector = stim.Circuit(), 0
    for instruction in circuit.flattened():
        if instruction.name == "DETECTOR":
            changed.append("DETECTOR", instruction.targets_copy(), change(coordinates[detector]))
            detector += 1
        else:
            changed.append(instruction)
    return changed


def dem_of(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    return circuit.detector_error_model(decompose_errors=True)


def sample(
    circuit: stim.Circuit, *, shots: int, seed: int = 1
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return circuit.compile_detector_sampler(seed=seed).sample(shots, separate_observables=True)


@st.composite
def changes(draw: st.DrawFn, *, rounds: int) -> Map:
    """Ways to write coordinates that a program of another group may choose."""
    start = draw(st.sampled_from([0, 0, 1, -3, 0.5, 1e6, 0.25]))
    step = draw(st.sampled_from([1, 1, 2, 0.5, 0.1, 1100, 1.5, 3]))
    shared = draw(st.sampled_from(["own", "last cycle", "half a cycle later"]))
    extra = draw(st.sampled_from(["nothing", "colour", "time last", "time last, z", "colour and basis"]))

    def change(coordinates: list[float]) -> list[float]:
        *place, time = coordinates
        if shared == "last cycle":
            time = min(time, rounds - 1)
        elif shared == "half a cycle later":
            time = min(time, rounds - 0.5)
        place = [*place, 0.0][:2]
        time = start + step * time
        colour = (place[0] // 2 + place[1]) % 3
        return {
            "nothing": [*place, time],
            "colour": [*place, time, colour],
            "time last": [*place, colour, time],
            "time last, z": [*place, 0, time],
            "colour and basis": [*place, time, colour, (place[0] + place[1]) % 2],
        }[extra]

    return change


@settings(max_examples=30)
@given(task=st.sampled_from(TASKS), rounds=st.sampled_from([5, 12, 33]), data=st.data())
def test_other_coordinates_of_the_same_detectors_change_nothing(
    task: str, rounds: int, data: st.DataObject
) -> None:
    circuit = generated(task, rounds)
    changed = with_coordinates(circuit, data.draw(changes(rounds=rounds)))
    one, other = (LayeredModel.from_dem(dem_of(c).flattened()) for c in (circuit, changed))
    assert other.num_layers == rounds + 1
    numbers = [model.detector_numbers(rounds + 1) for model in (one, other)]
    assert np.array_equal(*(np.sort(rows, axis=1) for rows in numbers))
    assert (len(one.first), len(one.bulk), len(one.last)) == (
        len(other.first),
        len(other.bulk),
        len(other.last),
    )
    events, _ = sample(circuit, shots=40)
    regions = {"commit": 3, "buffer": 3} if one.bulk else {}
    predictions = [
        decoders.from_dem("mwpm-stream", dem_of(c), **regions).decode_batch(events)
        for c in (circuit, changed)
    ]
    assert np.array_equal(*predictions)


@pytest.mark.parametrize("decoder", ["mwpm", "mwpm-correlated"])
def test_a_readout_with_the_time_of_the_last_cycle(decoder: str) -> None:
    """All ways in: detection events, measurements, parallel blocks; folded REPEAT blocks."""
    rounds = 40
    circuit = generated(TASKS[0], rounds)
    shared = stim.Circuit(str(circuit).replace(", 1) rec", ", 0) rec"))
    assert max(place[2] for place in shared.get_detector_coordinates().values()) == rounds - 1
    expected = StreamingDecoder.from_circuit(circuit, decoder=decoder)
    stream = StreamingDecoder.from_circuit(shared, decoder=decoder)
    measured = circuit.compile_sampler(seed=2).sample(30)
    events = circuit.compile_m2d_converter().convert(measurements=measured, append_observables=False)
    frames = expected.to_frames(events)
    assert np.array_equal(stream.to_frames(events), frames)
    assert np.array_equal(stream.decode_frames(frames), expected.decode_frames(frames))
    with ParallelStreamingDecoder.from_circuit(shared, decoder=decoder, threads=1, block=12) as parallel:
        for shot, frame in zip(measured, frames, strict=True):
            expected.reset()
            expected.push(frame[:-1])
            stream.reset()
            stream.push(shot[: 8 * rounds].reshape(rounds, 8), kind="measurements")
            predicted = stream.finish(shot[8 * rounds :], kind="measurements")
            assert np.array_equal(predicted, expected.finish(frame[-1]))
            parallel.reset()
            parallel.push(frame[:-1])
            assert parallel.finish(frame[-1]).shape == predicted.shape


def flags(*, rounds: int, at_readout: float) -> str:
    """Two detectors of each cycle share place and time; so do those of the readout."""
    body = (
        "error(0.1) D0 D1\nerror(0.1) D0 D2\nerror(0.1) D1\n"
        "detector(4, 2, 0) D0\ndetector(4, 2, 0) D1\nshift_detectors(0, 0, 1) 2\n"
    )
    ending = f"shift_detectors(0, 0, {at_readout - 1}) 0\nerror(0.1) D0 L0\ndetector(4, 2, 0) D0\n"
    return f"repeat {rounds} {{\n{body}}}\n{ending}"


@pytest.mark.parametrize("at_readout", [0, 1])
def test_detectors_that_share_a_place_in_every_cycle(at_readout: int) -> None:
    for dem in (
        stim.DetectorErrorModel(flags(rounds=1000, at_readout=at_readout)),
        stim.DetectorErrorModel(flags(rounds=40, at_readout=at_readout)).flattened(),
    ):
        model = LayeredModel.from_dem(dem)
        rounds = model.num_layers - 1
        assert rounds in (40, 1000)
        assert model.stabilizers.tolist() == [[4, 2], [4, 2]]
        numbers = model.detector_numbers(rounds + 1)
        assert numbers[:-1].ravel().tolist() == list(range(2 * rounds))
        assert numbers[-1].tolist() == [2 * rounds, -1]


def test_coordinates_without_time() -> None:
    """All cycles have the same coordinates: a layer ends where a place occurs again."""
    circuit = generated(TASKS[2], 33)
    still = with_coordinates(circuit, lambda place: [place[0], 7, 0])
    dem = dem_of(still)
    model = LayeredModel.from_dem(dem)
    assert (model.time_axis.axis, model.num_layers, model.period) == (BY_ORDER, 34, 1)
    events, _ = sample(circuit, shots=200)
    windows = decoders.from_dem("mwpm-stream", dem, commit=4, buffer=6).decode_batch(events)
    assert np.array_equal(windows, decoders.from_dem("mwpm", dem).decode_batch(events))
    body = str(circuit).replace("SHIFT_COORDS(0, 1)\n", "")
    folded = LayeredModel.from_dem(dem_of(stim.Circuit(body.replace("REPEAT 32", "REPEAT 99999"))))
    assert folded.num_layers == 100_000  # the readout's detectors, with another time, are in the last layer
    assert len(folded.seen_detectors) < 30


def test_places_written_by_hand() -> None:
    times = [0, 0, 1.5, 1.5, 3, 3, 3, 3]
    coordinates = np.array(
        [[place, 0, time] for place, time in zip(2 * [5, 6] + [6, 5, 5, 6], times, strict=True)]
    )
    grid = assign_layers(coordinates.astype(float), axis=2)
    assert grid.time_axis.unit == 1.5
    assert grid.layer.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert grid.column.tolist() == [0, 1, 0, 1, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ([], [2, 3, BY_ORDER]),
        ([0, 0, 4], [2, 3, BY_ORDER]),
        ([0, 0, 0, 9], [3, 2, BY_ORDER]),
        ([1, 0, 1], [2, 3, BY_ORDER]),
    ],
)
def test_the_time_is_the_coordinate_that_is_shifted(shift: list[float], expected: list[int]) -> None:
    coordinates = np.arange(12, dtype=float).reshape(3, 4)
    assert possible_axes(coordinates, np.array(shift, dtype=float)) == expected


# --- the repeating part


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ([], None),
        ([1], None),
        ([1, 2, 3, 4], None),
        ([1, 1], Run(0, 2, 1)),
        ([9, 1, 1, 1, 8], Run(1, 4, 1)),
        ([1, 2, 1, 2, 1], Run(0, 4, 2)),
        ([9, 1, 2, 1, 2, 1, 2, 8], Run(2, 6, 2)),  # begins at a multiple of the period
        ([1, 1, 2, 1, 1, 2, 1, 1, 2], Run(0, 9, 3)),
        ([1, 2, 1, 2, 5, 5, 5, 5, 5], Run(4, 9, 1)),
    ],
)
def test_the_part_that_leaves_the_fewest_layers(kinds: list[int], expected: Run | None) -> None:
    assert repeating_part(np.array(kinds, dtype=np.int64)) == expected


@settings(max_examples=100)
@given(kinds=st.lists(st.integers(0, 3), max_size=14))
def test_the_repeating_part_by_brute_force(kinds: list[int]) -> None:
    size = len(kinds)
    fewest = size
    for period in range(1, size + 1):
        for start in range(0, size, period):
            for stop in range(start + 2 * period, size + 1, period):
                if all(kinds[at] == kinds[at + period] for at in range(start, stop - period)):
                    fewest = min(fewest, size - (stop - start) + period)
    found = repeating_part(np.array(kinds, dtype=np.int64))
    if found is None:
        assert fewest == size
        return
    assert all(kinds[at] == kinds[at + found.period] for at in range(found.start, found.stop - found.period))
    assert found.start % found.period == (found.stop - found.start) % found.period == 0
    assert size - (found.stop - found.start) + found.period == fewest


def test_blocks_of_one_repetition_are_written_out() -> None:
    body = "error(0.1) D0\ndetector(0, 0, 0) D0\nshift_detectors(0, 0, 1) 1\n"
    dem = stim.DetectorErrorModel(f"repeat 1 {{\nrepeat 1 {{\nrepeat 5000 {{\n{body}}}\n}}\n}}\n{body}")
    short = shorten(dem)
    assert (short.dem.num_detectors, [block.detectors_left_out for block in short.blocks]) == (13, [4988])
    assert short.shift.tolist() == [0, 0, 5001]
    assert LayeredModel.from_dem(dem).num_layers == 5001
