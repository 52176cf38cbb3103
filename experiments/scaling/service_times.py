"""Service times of the streaming decoder: processor time of single windows and of last windows."""

import time
from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.streaming.decoder import StreamingDecoder

_BLOCK = 50  # windows sampled at a time
_CALLS = 100
_PHASES = 8  # lengths of last windows, spread evenly over a period


class ServiceTimes(NamedTuple):
    """Processor times in microseconds.

    Attributes:
        commit: cycles that a window makes final, and so between two windows.
        buffer: further cycles of a window.
        windows: one for each window: its `commit` cycles of data taken in, and the window decoded.
        last: one for each end of a shot: the cycles since the last window and the readout decoded. The
            decision falls at all times of a period equally often. Without the time of the Python call.
    """

    commit: int
    buffer: int
    windows: list[float]
    last: list[float]


def measure_service_times(
    circuit: stim.Circuit, *, decoder: str, commit: int, buffer: int, windows: int, ends: int, seed: int
) -> ServiceTimes:
    """Measure how long single windows take one core.

    Time is the thread's processor time, so that other programs on the machine cost only what they do to
    caches and memory. Kernels are compiled and all graphs cut before.

    Args:
        circuit: a memory, longer than a window.
        decoder: "mwpm" or "mwpm-correlated".
        commit, buffer: cycles of windows.
        windows: number of windows to time, at least.
        ends: number of last windows to time, at least.
        seed: of the sampled errors.
    """
    streaming = StreamingDecoder.from_circuit(circuit, decoder=decoder, commit=commit, buffer=buffer)
    streaming.warm_up()
    times: list[float] = []
    while len(times) < windows:
        seed += 1
        rows = _packed(streaming, min(_BLOCK, windows) * commit + buffer, seed)
        times += _time_windows(streaming, rows, commit, buffer)
    last: list[float] = []
    call = _call_us(decoder)
    for phase in range(_PHASES):
        extra = round(phase * commit / _PHASES)
        for repeat in range(1 + -(-ends // _PHASES)):
            seed += 1
            rows = _packed(streaming, 2 * commit + buffer + extra, seed)
            taken = _time_end(streaming, rows)
            if repeat:  # the first one of a length cuts its graph
                last.append(max(0.0, taken - call))
    return ServiceTimes(commit, buffer, times, last)


def _call_us(decoder: str) -> float:
    """Measure the time of a call of `finish` that has next to nothing to decode: an empty shot of distance 3.

    A real-time loop calls the kernels from compiled code (`StreamingDecoder.parts`), without this.
    """
    circuit = stim.Circuit.generated(
        "repetition_code:memory", distance=3, rounds=30, before_round_data_depolarization=0.01
    )
    streaming = StreamingDecoder.from_circuit(circuit, decoder=decoder)
    rows = np.zeros((streaming.commit, 1), dtype=np.uint8)
    return float(np.median([_time_end(streaming, rows) for _ in range(_CALLS)][1:]))


def _packed(streaming: StreamingDecoder, cycles: int, seed: int) -> NDArray[np.uint8]:
    return np.packbits(streaming.typical_rows(cycles, seed=seed), axis=1, bitorder="little")


def _time_windows(
    streaming: StreamingDecoder, rows: NDArray[np.uint8], commit: int, buffer: int
) -> list[float]:
    """Time the windows of a shot but the first, whose beginning is special."""
    streaming.reset()
    place = commit + buffer
    streaming.push(rows[:place], bit_packed=True)
    times = []
    while place + commit < len(rows):
        frame = rows[place : place + commit]
        before = time.thread_time_ns()
        streaming.push(frame, bit_packed=True)
        times.append((time.thread_time_ns() - before) / 1000)
        place += commit
    return times


def _time_end(streaming: StreamingDecoder, rows: NDArray[np.uint8]) -> float:
    streaming.reset()
    streaming.push(rows[:-1], bit_packed=True)
    before = time.thread_time_ns()
    streaming.finish(rows[-1], bit_packed=True)
    return (time.thread_time_ns() - before) / 1000
