"""One streaming decoder for many shots, and several decoders at the same time."""

import copy
import gc
import os
import pickle
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stim

from decoders import StreamingDecoder
from decoders.streaming.kernels import stream
from decoders.streaming.windows import WindowPlan
from tests.support.streams import (
    CODES,
    compiled_only,
    memory,
    model_of,
    one_by_one,
    shots_of,
    stream_of,
)

# --- shot after shot


def test_reset_gives_what_a_fresh_object_gives() -> None:
    used = StreamingDecoder.from_circuit(memory("surface", rounds=40))
    frames, _ = shots_of("surface", shots=12)
    for number, shot in enumerate(frames):
        used.reset()
        assert (used.num_cycles, used.committed_cycles) == (0, 0)
        used.push(shot[: 3 * number])  # left unfinished
        fresh = StreamingDecoder.from_circuit(memory("surface", rounds=40))
        assert one_by_one(used, shot) == one_by_one(fresh, shot)


@compiled_only
def test_shots_allocate_nothing_of_size() -> None:
    decoder = StreamingDecoder.from_circuit(memory("surface", rounds=40))
    frames, _ = shots_of("surface", shots=20)

    def run() -> None:
        for shot in frames:
            decoder.reset()
            for at in range(0, 40, 5):
                decoder.push(shot[at : at + 5])
            decoder.finish(shot[-1])

    run()
    gc.collect()
    tracemalloc.start()
    try:
        run()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        decoder.reset()
        _, reset_peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40_000
    assert reset_peak - before < 1_000


@compiled_only
@pytest.mark.parametrize("kind", ["events", "measurements"])
def test_a_hundred_thousand_cycles_in_constant_memory(kind: Any) -> None:
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc")
    decoder = StreamingDecoder.from_circuit(memory("surface", rounds=10**5))
    decoder.warm_up()
    # The same thousand cycles over and over.
    circuit = memory("surface", rounds=1000)
    [measured] = circuit.compile_sampler(seed=5).sample(1)
    cycles = measured[: 1000 * 8].reshape(1000, 8)
    if kind == "events":
        events = circuit.compile_m2d_converter().convert(
            measurements=measured[None], append_observables=False
        )
        cycles = stream_of("surface", rounds=1000).to_frames(events)[0, :-1]

    def pages() -> int:
        return int(statm.read_text().split()[1])

    sampled = []
    for block in range(100):
        for at in range(0, 1000, 10):
            decoder.push(cycles[at : at + 10], kind=kind)
        if block in (0, 99):
            gc.collect()
            sampled.append(pages())
    assert decoder.num_cycles == 10**5
    windows = (10**5 - decoder.buffer) // decoder.commit
    assert decoder.committed_cycles == windows * decoder.commit
    decoder.finish(np.zeros(9 if kind == "measurements" else 8, dtype=np.uint8), kind=kind)
    assert (sampled[1] - sampled[0]) * os.sysconf("SC_PAGE_SIZE") < 5e6


def test_copies_do_not_share_memory() -> None:
    decoder = StreamingDecoder.from_circuit(memory("surface", rounds=40))
    frames, _ = shots_of("surface", shots=20)
    expected = decoder.decode_frames(frames)
    decoder.reset()
    decoder.push(frames[0, :20])
    copies = [copy.copy(decoder), copy.deepcopy(decoder), pickle.loads(pickle.dumps(decoder))]
    assert all(made.num_cycles == 0 for made in copies)
    for made in copies:
        assert np.array_equal(made.decode_frames(frames), expected)
        made.reset()
        made.push(np.zeros((5, 8), dtype=np.uint8), kind="measurements")
    decoder.push(frames[0, 20:-1])
    assert decoder.finish(frames[0, -1])[0] == expected[0, 0]
    del decoder
    gc.collect()
    assert np.array_equal(copies[2].decode_frames(frames), expected)


def test_two_streams_in_two_threads() -> None:
    frames, _ = shots_of("surface", shots=60)
    expected = [one_by_one(stream_of("surface"), shot) for shot in frames]
    results: list[Any] = [None, None]
    start = threading.Barrier(2)

    def run(which: int) -> None:
        decoder = StreamingDecoder.from_circuit(memory("surface", rounds=40))
        start.wait()
        results[which] = [one_by_one(decoder, shot) for shot in frames[which::2]]

    threads = [threading.Thread(target=run, args=(which,)) for which in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # many changes of thread
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert results == [expected[0::2], expected[1::2]]


@compiled_only
def test_the_gil_is_released() -> None:
    for kernel in (stream.push_layers, stream.finish_shot, stream.decode_shots):
        assert kernel.targetoptions["nogil"]


# --- making one


def test_what_a_decoder_says_about_itself() -> None:
    decoder = stream_of("tall", rounds=10**6)
    assert decoder.stabilizers.shape == (14, 2)
    assert {tuple(place) for place in decoder.stabilizers} == {
        s.coordinate for s in CODES["tall"].stabilizers
    }
    plan = WindowPlan.for_model(model_of("tall"), commit=None, buffer=None)
    assert (decoder.num_observables, decoder.commit, decoder.buffer) == (1, plan.commit, plan.buffer)
    decoder = stream_of("surface", commit=4, buffer=7)
    assert (decoder.commit, decoder.buffer) == (4, 7)


def test_other_decoders_for_windows_are_refused() -> None:
    circuit = memory("surface", rounds=40)
    dem = circuit.detector_error_model(decompose_errors=True)
    for make in (
        lambda: StreamingDecoder.from_circuit(circuit, decoder="pymatching"),
        lambda: StreamingDecoder.from_dem(dem, decoder="pymatching"),
    ):
        with pytest.raises(ValueError, match="named 'pymatching': choose from mwpm"):
            make()
    with pytest.raises(ValueError, match="commit=0: must be at least 1"):
        StreamingDecoder.from_circuit(circuit, commit=0)


def test_a_model_of_one_layer() -> None:
    dem = stim.DetectorErrorModel(
        "error(0.1) D0 L0\nerror(0.2) D1\ndetector(0, 0, 0) D0\ndetector(1, 0, 0) D1"
    )
    decoder = StreamingDecoder.from_dem(dem)
    assert decoder.finish([1, 0]).tolist() == [True]
    decoder.reset()
    with pytest.raises(ValueError, match="exactly 0 cycles before finish"):
        decoder.push([[1, 0]])
    decoder.push(np.zeros((0, 2), dtype=np.uint8))
    assert decoder.finish([0, 1]).tolist() == [False]
