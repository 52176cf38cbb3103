"""Shots of different lengths that end with the same data, and leave the same work for the end."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from decoders import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from experiments.common.points import Point
from experiments.loop.measurement import shots_of_length, timed_lengths
from experiments.loop.offline import RECORDED, OfflineDecoding
from experiments.loop.shots import prepare, simulate, with_endings_of
from qec import RotatedSurfaceCode, memory_circuit
from qec.noise import si1000
from realtime.service.block_threads import make_stream_decoder
from realtime.source.playlist import Playlist
from realtime.source.simulation import sample_events


def shots(cycles: int, *, count: int, seed: int) -> Playlist:
    point = Point("surface_zxxz", "cz", 3, cycles, "z", "si1000", 0.004)
    return simulate(point, shots=count, seed=seed, progress=lambda text: None)


def test_shots_of_all_lengths_end_alike(tmp_path: Path) -> None:
    long, short = shots(200, count=3, seed=1), shots(80, count=7, seed=2)
    found = with_endings_of(short, long, cycles=40)
    for shot in range(7):
        np.testing.assert_array_equal(found.rows[shot, -40:], long.rows[shot % 3, -40:])
        np.testing.assert_array_equal(found.last[shot], long.last[shot % 3])
        np.testing.assert_array_equal(found.rows[shot, :40], short.rows[shot, :40])
    assert found.observable_flips is None
    circuit = Point("surface_zxxz", "cz", 3, 30, "z", "si1000", 0.004).circuit()
    decoder = StreamingDecoder.from_circuit(circuit)
    prepared = prepare(found, decoder=decoder, folder=tmp_path / "s", progress=lambda text: None)
    assert (prepared.shots, prepared.truth) == (7, None)
    with pytest.raises(ValueError, match="an ending of 81 cycles"):
        with_endings_of(short, long, cycles=81)


@pytest.mark.parametrize("period", [20, 60, 140, 1, 2112])
@pytest.mark.parametrize("cycles", [1_000_000, 12_345, 100, 30])
def test_lengths_leave_the_same_work_for_the_end(cycles: int, period: int) -> None:
    found = timed_lengths(cycles, period=period)
    assert found[-1] == cycles
    assert all(a < b for a, b in pairwise(found))
    assert {length % period for length in found} == {cycles % period}
    assert found[0] >= min(cycles, 100 - period / 2)
    if period < 200:
        wanted = [10**power for power in range(2, 7) if 10**power < cycles]
        assert len(found) == len(wanted) + 1
        for length, power in zip(found, wanted, strict=False):
            assert abs(math.log10(length / power)) < 0.3


def test_powers_of_ten_stay_what_they_are_at_distance_five() -> None:
    assert timed_lengths(1_000_000, period=20) == [100, 1000, 10_000, 100_000, 1_000_000]


def test_short_shots_are_many() -> None:
    lengths = (120, 10_060, 100_000, 1_000_000)
    assert [shots_of_length(n, shots=10) for n in lengths] == [200, 200, 50, 10]
    assert shots_of_length(100, shots=1000) == 1000


def test_recorded_threads_are_those_of_parallel_windows() -> None:
    circuit = memory_circuit(RotatedSurfaceCode(3), rounds=40, basis="z", noise=si1000(0.004))
    model = LayeredModel.from_dem(circuit.detector_error_model(decompose_errors=True))
    shots = sample_events(circuit, shots=20, seed=4, model=model)
    windows = {"commit": 6, "buffer": 3}
    decoder = make_stream_decoder(circuit, threads=2, **windows)
    expected = []
    for rows, last in zip(shots.rows, shots.last, strict=True):
        decoder.reset()
        decoder.push(rows, bit_packed=True)
        expected.append(np.packbits(decoder.finish(last, bit_packed=True), bitorder="little").tobytes())
    for threads, message in (
        (9, ""),
        ("2", "is '2': must be from 1 to 64"),
        (65, "is 65"),
        (True, "is True"),
    ):
        notes = {**windows, "decoder_threads": threads}
        offline = OfflineDecoding(str(circuit), is_circuit=True, notes=notes, name="m.stim")
        if not message:
            assert offline.decode(RECORDED, shots) == expected
            continue
        with pytest.raises(ValueError, match=f"decoder_threads of the recording {message}"):
            offline.decode(RECORDED, shots)
