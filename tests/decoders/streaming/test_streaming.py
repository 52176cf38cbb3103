"""Streams: predictions independent of frame sizes and formats; final flips never change."""

import copy
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
import qec
from decoders import MatchingGraph, StreamingDecoder
from decoders.kernels import layout
from decoders.kernels.jit import interpreted
from decoders.streaming import windows
from decoders.streaming.kernels import stream
from decoders.streaming.layers import LayeredModel
from decoders.streaming.quick_push import STATUS_BITS
from decoders.streaming.windows import WindowPlan, cut_layers
from tests.support.reference_stream import naive_stream
from tests.support.strategies import layered_dems, splits
from tests.support.streams import (
    CODES,
    Frames,
    compiled_only,
    decode,
    memory,
    model_of,
    one_by_one,
    shots_of,
    stream_of,
)

# --- right answers


@pytest.mark.parametrize(
    "regions", [{}, {"commit": 2, "buffer": 2}, {"commit": 3, "buffer": 2}, {"buffer": 40}]
)
@pytest.mark.parametrize("name", CODES)
def test_a_single_fault_is_corrected_wherever_it_is(name: str, regions: dict[str, int]) -> None:
    circuit = qec.memory_circuit(CODES[name], rounds=20, noise=qec.noise.uniform(0.003))
    dem = circuit.detector_error_model(decompose_errors=True)
    faults = [error for error in dem.flattened() if error.type == "error"]
    events = np.zeros((len(faults), dem.num_detectors), dtype=np.bool_)
    flips = np.zeros((len(faults), dem.num_observables), dtype=np.bool_)
    for number, error in enumerate(faults):
        for target in error.targets_copy():
            if target.is_relative_detector_id():
                events[number, target.val] ^= True
            elif target.is_logical_observable_id():
                flips[number, target.val] ^= True
    assert len(faults) > 100
    assert flips.any()
    decoder = StreamingDecoder.from_dem(dem, **regions)
    predictions = decoder.decode_frames(decoder.to_frames(events))
    assert np.array_equal(predictions.astype(np.bool_), flips)
    assert np.array_equal(decoders.from_dem("mwpm", dem).decode_batch(events), flips)


def without_ties(model: LayeredModel, **cut: Any) -> tuple[MatchingGraph, NDArray[np.bool_]]:
    """The graph of a window with weights of its own; equal layers would make many paths equally long."""
    graph, beyond = cut_layers(model, **cut)
    seed = [int(cut["first"]), int(cut["count"]), int(cut["to_end"])]
    weight = 2 * np.random.default_rng(seed).integers(1 << 18, 1 << 20, graph.num_edges)
    return replace(graph, edge_weight=weight.astype(np.int32)), beyond


@pytest.mark.parametrize(("commit", "buffer"), [(1, 2), (2, 3), (5, 4), (3, 9)])
@pytest.mark.parametrize("name", CODES)
def test_windows_are_what_a_naive_decoder_makes_of_them(
    name: str, commit: int, buffer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What every window commits, against PyMatching and scipy in plain Python."""
    monkeypatch.setattr(windows, "cut_layers", without_ties)
    model = model_of(name)
    plan = WindowPlan(commit=max(commit, len(model.first)), buffer=buffer)
    decoder = StreamingDecoder(model=model, plan=plan)
    cut = cache(partial(without_ties, model))
    rounds, number = (11, 2) if interpreted else (20, 80)
    shots, _ = shots_of(name, rounds=rounds, shots=number, seed=3)
    for shot in shots:
        committed, prediction = one_by_one(decoder, shot)
        expected, expected_prediction = naive_stream(model, plan, shot, cut=cut)
        assert len(expected) == max(0, (rounds - plan.window) // plan.commit + 1)
        assert {cycles: committed[cycles] for cycles in expected} == expected
        assert prediction == expected_prediction


@settings(max_examples=60)
@given(
    made=layered_dems(),
    repeats=st.integers(2, 30),
    commit=st.integers(1, 6),
    buffer=st.integers(2, 5),
    data=st.data(),
)
def test_a_stream_explains_what_it_saw(
    made: tuple[str, int], repeats: int, commit: int, buffer: int, data: st.DataObject
) -> None:
    # Observable s is the parity of column s: whatever is committed must explain all detection events.
    dem = stim.DetectorErrorModel(made[0].format(repeats=repeats))
    model = LayeredModel.from_dem(dem)
    commit, buffer = max(commit, len(model.first), 1), max(buffer, len(model.last))
    decoder = StreamingDecoder(model=model, plan=WindowPlan(commit=commit, buffer=buffer))
    events, _, _ = dem.compile_sampler(seed=data.draw(st.integers(0, 999))).sample(4)
    frames = decoder.to_frames(events)
    sizes = data.draw(splits(total=model.num_layers - 1))
    for shot in frames:
        committed, prediction = decode(decoder, shot, sizes)
        parities = shot.sum(axis=0) % 2
        assert prediction[: model.num_columns] == parities.astype(bool).tolist()
        slowly, same = one_by_one(decoder, shot)
        assert prediction == same
        assert all(slowly[at] == flips for at, flips in committed.items() if at)
        assert not any(committed.get(0, []))
    packed = np.packbits([decode(decoder, shot, sizes)[1] for shot in frames], axis=1, bitorder="little")
    assert np.array_equal(decoder.decode_frames(frames), packed)


def test_an_event_that_only_the_cycle_before_explains() -> None:
    # Column 1 meets only column 0 of the cycle before, and only there is a boundary.
    layer = "error(0.1) D0 L0\n{}detector(0, 0, 0) D0\ndetector(1, 0, 0) D1\nshift_detectors(0, 0, 1) 2\n"
    bulk, last = layer.format("error(0.1) D0 D3\n"), layer.format("")
    decoder = StreamingDecoder.from_dem(
        stim.DetectorErrorModel(f"repeat 20 {{\n{bulk}}}\n{last}"), commit=1, buffer=1
    )
    for cycle in range(1, 21):
        shot = np.zeros((21, 2), dtype=np.uint8)
        shot[cycle, 1] = 1
        _, prediction = one_by_one(decoder, shot)
        assert prediction == [True]


# --- any way the data arrive


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(list(CODES)), shot=st.integers(0, 19))
def test_any_split_into_frames(data: st.DataObject, name: str, shot: int) -> None:
    decoder = stream_of(name, commit=data.draw(st.integers(2, 7)), buffer=data.draw(st.integers(2, 5)))
    frames, _ = shots_of(name, shots=20)
    expected, prediction = one_by_one(decoder, frames[shot])
    committed, same = decode(decoder, frames[shot], data.draw(splits(total=40)))
    assert prediction == same
    expected[0] = [False]
    assert all(expected[at] == flips for at, flips in committed.items())


@settings(max_examples=60)
@given(data=st.data(), name=st.sampled_from(["surface", "chain"]), seed=st.integers(0, 99))
def test_measurements_and_events_give_the_same(data: st.DataObject, name: str, seed: int) -> None:
    decoder = stream_of(name)
    circuit = memory(name, rounds=40)
    [measured] = circuit.compile_sampler(seed=seed).sample(1)
    events = circuit.compile_m2d_converter().convert(measurements=measured[None], append_observables=False)
    [shot] = decoder.to_frames(events)
    expected, prediction = one_by_one(decoder, shot)
    per_cycle = len(CODES[name].stabilizers)
    cycles, readout = measured[: 40 * per_cycle].reshape(40, per_cycle), measured[40 * per_cycle :]
    bit_packed = data.draw(st.booleans())
    if bit_packed:
        cycles, readout = (
            np.packbits(cycles, axis=1, bitorder="little"),
            np.packbits(readout, bitorder="little"),
        )
    decoder.reset()
    at = 0
    for size in data.draw(splits(total=40)):
        flips = decoder.push(cycles[at : at + size], kind="measurements", bit_packed=bit_packed)
        at += size
        assert flips.tolist() == expected.get(at, [False])
    last = decoder.finish(readout, kind="measurements", bit_packed=bit_packed)
    assert last.tolist() == prediction


def as_is(frame: Frames) -> Any:
    return frame


def read_only(frame: Frames) -> Any:
    return np.frombuffer(frame.tobytes(), dtype=np.uint8).reshape(frame.shape)


FORMS: dict[str, Callable[[Frames], Any]] = {
    "uint8": as_is,
    "bool": lambda frame: frame.astype(np.bool_),
    "int64": lambda frame: frame.astype(np.int64),
    "list": lambda frame: frame.tolist(),
    "read only": read_only,
    "other layout": np.asfortranarray,
    "every second": lambda frame: (
        np.repeat(np.repeat(frame, 2, axis=0), 2, axis=-1)[::2, ..., ::2]
        if frame.ndim > 1
        else np.repeat(frame, 2)[::2]
    ),
    "bit-packed": lambda frame: np.packbits(frame, axis=-1, bitorder="little"),
    "bit-packed, read only": lambda frame: read_only(np.packbits(frame, axis=-1, bitorder="little")),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["tall", "chain"])  # 14 and 4 columns: bits are left over
def test_any_form_of_a_frame(name: str, form: str) -> None:
    decoder = stream_of(name)
    frames, _ = shots_of(name, shots=30)
    packed = form.startswith("bit-packed")
    predicted = []
    for shot in frames:
        decoder.reset()
        for at in range(0, 40, 8):
            frame = FORMS[form](shot[at : at + 8])
            before = copy.deepcopy(frame)
            decoder.push(frame, bit_packed=packed)
            assert np.array_equal(frame, before)
        predicted.append(decoder.finish(FORMS[form](shot[-1]), bit_packed=packed)[0])
    assert np.array_equal(predicted, decoder.decode_frames(frames)[:, 0])
    assert any(predicted)


def test_a_frame_is_continued_with_a_larger_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = stream_of("tall")
    frames, _ = shots_of("tall", shots=3)
    expected = decoder.decode_frames(frames)[:, 0].copy()
    push = decoder._quick.push

    def push_three(frame: Any, *, bit_packed: bool) -> int:
        """Find the workspace too small after three rows."""
        push(frame[:3], bit_packed=bit_packed)
        return 3 << STATUS_BITS | int(layout.FULL)

    monkeypatch.setattr(decoder._quick, "push", push_three)
    predicted = []
    for shot in frames:
        decoder.reset()
        for at in range(0, 40, 10):
            decoder.push(shot[at : at + 10])
        predicted.append(decoder.finish(shot[-1])[0])
    assert np.array_equal(predicted, expected)


@compiled_only
def test_no_form_of_a_frame_compiles_anything() -> None:
    decoder = StreamingDecoder.from_circuit(memory("chain", rounds=40))
    decoder.warm_up()
    decoder.decode_frames(np.zeros((1, 41, 4), dtype=np.uint8))
    kernels = [
        stream.push_frame,
        stream.push_layers,
        stream.add_rows,
        stream.finish_shot,
        stream.start_shot,
        stream.decode_shots,
    ]
    frames, _ = shots_of("chain", shots=1)
    for form, change in FORMS.items():
        decoder.reset()
        packed = form.startswith("bit-packed")
        decoder.push(change(frames[0, :-1]), bit_packed=packed)
        decoder.finish(change(frames[0, -1]), bit_packed=packed)
        if not packed:
            decoder.decode_frames(np.array(change(frames[0]), dtype=np.uint8)[None])
    decoder.reset()
    decoder.push(np.zeros((40, 4), dtype=np.uint8), kind="measurements")
    decoder.finish(np.zeros(5, dtype=np.uint8), kind="measurements")
    assert [len(kernel.signatures) for kernel in kernels] == [1] * len(kernels)


# --- what is final


@pytest.mark.parametrize(("commit", "buffer"), [(6, 3), (2, 5), (3, 2)])
def test_commits_come_window_by_window_and_know_no_future(commit: int, buffer: int) -> None:
    decoder = stream_of("surface", commit=commit, buffer=buffer)
    frames, _ = shots_of("surface", shots=40)
    changed = 0
    for shot, other in pairwise(frames):
        decoder.reset()
        before = [False]
        for cycle in range(40):
            flips = decoder.push(shot[cycle : cycle + 1]).tolist()
            windows = max(0, (cycle + 1 - decoder.buffer) // commit)
            assert decoder.committed_cycles == windows * commit
            if (cycle + 1 - decoder.buffer) % commit or not windows:
                assert flips == before  # between windows nothing changes
            changed += flips != before
            before = flips
        # Another future leaves what was final as it was.
        cut = 25
        mixed = np.concatenate([shot[:cut], other[cut:]])
        expected, _ = one_by_one(decoder, shot)
        now, _ = one_by_one(decoder, mixed)
        assert {t: now[t] for t in range(1, cut + 1)} == {t: expected[t] for t in range(1, cut + 1)}
    assert changed > 20


def test_flips_returned_earlier_are_not_overwritten() -> None:
    decoder = stream_of("surface")
    frames, _ = shots_of("surface", shots=60)
    for shot in frames:
        decoder.reset()
        first = decoder.push(shot[:20])
        kept = first.copy()
        decoder.push(shot[20:-1])
        last = decoder.finish(shot[-1])
        assert last.dtype == np.bool_
        decoder.reset()
        assert np.array_equal(first, kept)
        first[:] = ~first  # the caller's own
        assert np.array_equal(decoder.push(shot[:20]), kept)


def test_shots_of_any_length() -> None:
    # One decoder serves shots of all lengths, each like a decoder made for that length.
    decoder = stream_of("surface", rounds=40, commit=4, buffer=3)
    for rounds in (3, 4, 5, 6, 7, 8, 11, 30, 75):
        frames, _ = shots_of("surface", rounds=rounds, shots=30)
        if rounds >= 5:
            own = stream_of("surface", rounds=rounds, commit=4, buffer=3).decode_frames(frames)
            assert np.array_equal(own, decoder.decode_frames(frames))
        predicted = [one_by_one(decoder, shot)[1][0] for shot in frames]
        assert np.array_equal(predicted, decoder.decode_frames(frames)[:, 0])
