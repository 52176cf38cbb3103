"""Shots made ahead: portions of a circuit together are the circuit; arrays keep their meaning."""

import re
from pathlib import Path

import numpy as np
import pytest
import stim

import qec
from decoders import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from decoders.streaming.measurements import MeasurementModel
from qec import noise
from realtime.source import simulation
from realtime.source.playlist import Playlist
from realtime.source.simulation import sample_events
from tests.support.chance import sigmas
from tests.support.streams import alternating


def memory(distance: int, cycles: int, p: float = 0.003) -> stim.Circuit:
    code = qec.RotatedSurfaceCode(distance)
    return qec.memory_circuit(code, rounds=cycles, basis="z", noise=noise.si1000(p))


def layers(circuit: stim.Circuit) -> LayeredModel:
    return LayeredModel.from_dem(circuit.detector_error_model(decompose_errors=True))


def certain(circuit: stim.Circuit, qubits: list[int]) -> stim.Circuit:
    """The circuit with its noise, and errors that happen for sure in every cycle."""
    result = stim.Circuit()
    for instruction in circuit:
        if isinstance(instruction, stim.CircuitRepeatBlock):
            result.append(
                stim.CircuitRepeatBlock(instruction.repeat_count, certain(instruction.body_copy(), qubits))
            )
        else:
            if instruction.name == "TICK" and instruction.tag == "cycle":
                result.append("X_ERROR", qubits[:1], 1.0)
                result.append("Z_ERROR", qubits[1:], 1.0)
            result.append(instruction)
    return result


@pytest.mark.parametrize("distance", [3, 5])
def test_portions_give_what_the_whole_circuit_gives(distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors that surely happen leave the same events as in stim's own sampler, whatever the portions."""
    monkeypatch.setattr(simulation, "_CHUNK_BITS", 1 << 15)
    clean = qec.memory_circuit(qec.RotatedSurfaceCode(distance), rounds=57, basis="z")
    circuit = certain(clean, [1, 7])
    model = layers(memory(distance, 57))
    shots = sample_events(circuit, shots=3, seed=5, model=model)
    events, flips = circuit.compile_detector_sampler(seed=1).sample(3, separate_observables=True)
    assert events.any()
    wanted = Playlist.from_events(model=model, detection_events=events, observable_flips=flips)
    np.testing.assert_array_equal(shots.rows, wanted.rows)
    np.testing.assert_array_equal(shots.last, wanted.last)
    np.testing.assert_array_equal(shots.observable_flips, wanted.observable_flips)


def test_portions_have_the_statistics_of_the_whole_circuit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detection fractions, correlations in time, the decoder's errors, within five standard deviations."""
    monkeypatch.setattr(simulation, "_CHUNK_BITS", 1 << 16)
    circuit, cycles, num_shots = memory(3, 24), 24, 4000
    decoder = StreamingDecoder.from_circuit(circuit)
    model = layers(circuit)
    ours = sample_events(circuit, shots=num_shots, seed=11, model=model)
    events, flips = circuit.compile_detector_sampler(seed=3).sample(num_shots, separate_observables=True)
    theirs = Playlist.from_events(model=model, detection_events=events, observable_flips=flips)
    found = []
    for shots in (ours, theirs):
        bits = np.unpackbits(shots.rows, axis=2, count=shots.bits, bitorder="little").astype(float)
        everything = np.concatenate([shots.rows, shots.last[:, np.newaxis]], axis=1)
        frames = np.unpackbits(everything, axis=2, count=shots.bits, bitorder="little")
        predictions = decoder.decode_frames(frames)
        assert shots.observable_flips is not None
        wrong = (predictions != shots.observable_flips).any(axis=1)
        found.append((bits.mean(axis=0), (bits[:, 1:] * bits[:, :-1]).mean(axis=0), wrong.mean()))
    for ours_mean, theirs_mean in zip(*found, strict=True):
        spread = np.sqrt(2 * np.maximum(theirs_mean, 10 / num_shots) / num_shots)
        assert (np.abs(ours_mean - theirs_mean) < sigmas(3 * np.size(spread)) * spread).all()
    assert found[0][0].shape == (cycles, 8)


def test_seeds_and_more_than_one_batch() -> None:
    circuit = memory(3, 12)
    model = layers(circuit)
    one, same, other = (sample_events(circuit, shots=300, seed=s, model=model) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.rows, same.rows)
    assert (one.rows != other.rows).any()
    # The two batches differ.
    assert (one.rows[:44] != one.rows[256:]).any()
    assert one.num_bytes == 300 * 13


def test_progress_reaches_the_end() -> None:
    circuit = memory(3, 40)
    seen: list[tuple[int, int]] = []
    sample_events(circuit, shots=2, seed=1, model=layers(circuit), progress=lambda *at: seen.append(at))
    assert seen[-1] == (80, 80)


def test_measurements_decode_like_their_events() -> None:
    circuit = memory(3, 30)
    model = layers(circuit)
    measuring = MeasurementModel.from_circuit(circuit, model)
    assert measuring is not None
    measured = circuit.compile_sampler(seed=1).sample(20)
    events, flips = circuit.compile_m2d_converter().convert(measurements=measured, separate_observables=True)
    raw = Playlist.from_measurements(measurements=measured, model=measuring, observable_flips=flips)
    ready = Playlist.from_events(model=model, detection_events=events, observable_flips=flips)
    assert (raw.bits, raw.last_bits, raw.num_cycles) == (8, 9, 30)
    decoder = StreamingDecoder.from_circuit(circuit)
    for shot in range(20):
        answers = []
        for shots in (raw, ready):
            decoder.reset()
            decoder.push(shots.rows[shot], bit_packed=True, kind=shots.kind)
            answers.append(decoder.finish(shots.last[shot], bit_packed=True, kind=shots.kind))
        np.testing.assert_array_equal(*answers)


def test_kept_in_files(tmp_path: Path) -> None:
    circuit = memory(3, 15)
    shots = sample_events(circuit, shots=4, seed=1, model=layers(circuit))
    found = Playlist.load(shots.save(tmp_path / "new" / "shots"))
    for name in ("rows", "last", "observable_flips"):
        np.testing.assert_array_equal(getattr(found, name), getattr(shots, name))
    assert (found.kind, found.bits, found.last_bits) == (shots.kind, shots.bits, shots.last_bits)
    with pytest.raises(FileNotFoundError):
        Playlist.load(tmp_path / "none")


def test_wrong_arguments_are_named() -> None:
    circuit = memory(3, 10)
    model = layers(circuit)
    with pytest.raises(ValueError, match="shots=0: must be at least 1"):
        sample_events(circuit, shots=0, seed=1, model=model)
    with pytest.raises(ValueError, match="the model has"):
        sample_events(memory(3, 11), shots=1, seed=1, model=model)
    with pytest.raises(ValueError, match="detection events have shape"):
        Playlist.from_events(model=model, detection_events=np.zeros((2, 5)))
    with pytest.raises(ValueError, match="rows are uint8"):
        Playlist(
            rows=np.zeros((1, 4, 2), dtype=np.uint8),
            last=np.zeros((1, 1), dtype=np.uint8),
            observable_flips=None,
            kind="events",
            bits=8,
            last_bits=8,
        )


@pytest.mark.parametrize("period", [2, 3])
@pytest.mark.parametrize("chunk", [1 << 26, 1 << 15, 1 << 13])
def test_portions_of_cycles_that_differ(period: int, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulation, "_CHUNK_BITS", chunk)
    circuit = alternating(period, repeats=57)
    model = layers(circuit)
    surely = stim.Circuit(re.sub(r"X_ERROR\(0.0[34]\) (\d+).*", r"X_ERROR(1) \1", str(circuit)))
    surely = stim.Circuit(re.sub(r"\(0\.\d+\)", "(0)", str(surely)))
    assert "X_ERROR(1)" in str(surely)
    shots = sample_events(surely, shots=3, seed=5, model=model)
    events, flips = surely.compile_detector_sampler(seed=1).sample(3, separate_observables=True)
    assert events.any()
    wanted = Playlist.from_events(model=model, detection_events=events, observable_flips=flips)
    np.testing.assert_array_equal(shots.rows, wanted.rows)
    np.testing.assert_array_equal(shots.last, wanted.last)
