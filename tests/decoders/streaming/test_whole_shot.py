"""Streaming decoder with the whole-shot interface, compared with whole-history matching."""

import copy
import gc
import pickle
from typing import Any

import numpy as np
import pytest
import sinter
import stim

import decoders
import qec
from decoders import Decoder, StreamingDecoder
from tests.support.streams import CODES, compiled_only, memory, shots_of, stream_of

ROUNDS = 40


def make(name: str, **options: Any) -> Decoder:
    dem = memory(name, rounds=ROUNDS).detector_error_model(decompose_errors=True)
    return decoders.from_dem("mwpm-stream", dem, **options)


def events_of(name: str, *, shots: int, seed: int = 1) -> Any:
    return memory(name, rounds=ROUNDS).compile_detector_sampler(seed=seed).sample(shots)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", CODES)
def test_shots_are_decoded_as_they_would_be_live(name: str, threads: int) -> None:
    events = events_of(name, shots=101)
    frames = stream_of(name).to_frames(events)
    live = []
    decoder = stream_of(name)
    for shot in frames:
        decoder.reset()
        for cycle in shot[:-1]:
            decoder.push(cycle[None])
        live.append(decoder.finish(shot[-1]))
    assert np.array_equal(make(name).decode_batch(events, threads=threads), live)
    assert np.array_equal(np.packbits(live, axis=1, bitorder="little"), decoder.decode_frames(frames))
    assert np.any(live)


@compiled_only
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_many_shots_go_in_portions(threads: int) -> None:
    events = events_of("chain", shots=3000)
    decoder = make("chain")
    expected = stream_of("chain").decode_frames(stream_of("chain").to_frames(events))
    packed = np.packbits(events, axis=1, bitorder="little")
    for _ in range(2):
        assert np.array_equal(decoder.decode_batch(packed, bit_packed=True, threads=threads), expected)


@compiled_only
def test_memory_of_many_long_shots_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # Portions shrink with the length of shots; here to single shots.
    monkeypatch.setattr("decoders.streaming.whole_shot._CHUNK_BYTES", 100)
    events = events_of("surface", shots=20)
    expected = stream_of("surface").decode_frames(stream_of("surface").to_frames(events))
    for threads in (1, 2):
        assert np.array_equal(make("surface").decode_batch(events, threads=threads), expected.astype(bool))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_shot_that_nothing_explains_is_named(threads: int) -> None:
    ring = "error(0.1) D0 D1 L0\nerror(0.1) D0 D2\nerror(0.1) D1 D3\n"
    ring += "detector(0, 0, 0) D0\ndetector(1, 0, 0) D1\nshift_detectors(0, 0, 1) 2\n"
    dem = stim.DetectorErrorModel(
        f"repeat 30 {{\n{ring}}}\nerror(0.1) D0 D1 L0\n" + "\n".join(ring.split("\n")[3:5])
    )
    decoder = decoders.from_dem("mwpm-stream", dem, commit=4, buffer=2)
    events, _, _ = dem.compile_sampler(seed=1).sample(200)
    expected = decoder.decode_batch(events)
    wrong = events.copy()
    wrong[[130, 157], 17] ^= True
    with pytest.raises(
        ValueError, match=r"shot 130: no error explains the detection events of cycles"
    ) as caught:
        decoder.decode_batch(wrong, threads=threads)
    assert "\n" not in str(caught.value)
    assert np.array_equal(decoder.decode_batch(events, threads=threads), expected)


def test_copies() -> None:
    events = events_of("surface", shots=50)
    decoder = make("surface", commit=5, buffer=4)
    expected = decoder.decode_batch(events)
    copies = [copy.copy(decoder), copy.deepcopy(decoder), pickle.loads(pickle.dumps(decoder))]
    del decoder
    gc.collect()
    assert all(np.array_equal(made.decode_batch(events), expected) for made in copies)


def test_options() -> None:
    assert decoders.registry.known_options("mwpm-stream") == ["commit", "buffer", "decoder", "layers"]
    events = events_of("surface", shots=300)
    dem = memory("surface", rounds=ROUNDS).detector_error_model(decompose_errors=True)
    for options in ({"commit": 2, "buffer": 2}, {"commit": 10, "buffer": 5}):
        stream = StreamingDecoder.from_dem(dem, **options)
        expected = stream.decode_frames(stream.to_frames(events)).astype(bool)
        assert np.array_equal(make("surface", **options).decode_batch(events), expected)
    # One window is whole-history decoding, bit by bit.
    whole = decoders.from_dem("mwpm", dem).decode_batch(events)
    assert np.array_equal(make("surface", commit=ROUNDS, buffer=ROUNDS).decode_batch(events), whole)
    with pytest.raises(ValueError, match="buffer=0: must be at least 1"):
        make("surface", buffer=0)
    with pytest.raises(ValueError, match="gives no weights"):
        make("surface").decode_batch(events, return_weights=True)


@compiled_only
@pytest.mark.parametrize(("distance", "shots"), [(3, 60_000), (5, 20_000), (7, 25_000)])
def test_logical_errors_are_those_of_the_whole_history(distance: int, shots: int) -> None:
    """SI1000 at 0.27 %, the noise of the real processor; paired on the same shots, default regions."""
    code = qec.RotatedSurfaceCode(distance)
    circuit = qec.memory_circuit(code, rounds=50, noise=qec.noise.si1000(0.0027))
    dem = circuit.detector_error_model(decompose_errors=True)
    packed, flips = circuit.compile_detector_sampler(seed=2).sample(
        shots, separate_observables=True, bit_packed=True
    )
    whole = decoders.from_dem("mwpm", dem).decode_batch(packed, bit_packed=True)
    stream = decoders.from_dem("mwpm-stream", dem).decode_batch(packed, bit_packed=True)
    errors, streamed = int((whole != flips).sum()), int((stream != flips).sum())
    assert errors > 2000
    assert abs(streamed / errors - 1) < 0.01
    assert (whole != stream).sum() < 0.01 * errors


@compiled_only
def test_a_short_buffer_costs_logical_errors() -> None:
    # What the comparison above would not be worth if it could not fail.
    circuit = qec.memory_circuit(qec.RotatedSurfaceCode(5), rounds=30, noise=qec.noise.si1000(0.003))
    dem = circuit.detector_error_model(decompose_errors=True)
    packed, flips = circuit.compile_detector_sampler(seed=2).sample(
        10_000, separate_observables=True, bit_packed=True
    )
    errors = []
    for options in ({"commit": 2, "buffer": 2}, {}):
        decoder = decoders.from_dem("mwpm-stream", dem, **options)
        errors.append((decoder.decode_batch(packed, bit_packed=True) != flips).sum())
    assert errors[0] > 1.1 * errors[1]


def test_inside_sinter() -> None:
    circuit = qec.memory_circuit(CODES["chain"], rounds=30, noise=qec.noise.uniform(0.03))
    names = ["mwpm", "mwpm-stream"]
    tasks = [sinter.Task(circuit=circuit, decoder=name, json_metadata={"r": 30}) for name in names]
    results = sinter.collect(
        num_workers=1, tasks=tasks, custom_decoders=decoders.sinter_decoders(), max_shots=1000
    )
    assert {result.decoder for result in results} == set(names)
    for result in results:
        assert (result.shots, result.discards) == (1000, 0)
        assert 0 < result.errors < 400


def test_a_model_without_layers_is_refused_in_sinter_too() -> None:
    dem = stim.DetectorErrorModel("error(0.1) D0 L0")
    compiled = decoders.sinter_decoders()["mwpm-stream"]
    with pytest.raises(ValueError, match="no time coordinate"):
        compiled.compile_decoder_for_dem(dem=dem)


def test_the_shape_of_live_frames() -> None:
    frames, flips = shots_of("surface", shots=5)
    assert frames.shape == (5, ROUNDS + 1, 8)
    assert flips.shape == (5, 1)
