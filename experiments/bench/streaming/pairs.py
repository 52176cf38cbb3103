"""Logical errors of windowed and whole-history decoding of the same shots, and the cost of a buffer."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

import decoders
from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.parallel import ParallelStreamingDecoder
from experiments.bench.streaming.shots import memory_point
from experiments.common.points import Point
from experiments.common.timing import in_turns, on_one_core
from qec.statistics import Estimate, per_cycle
from qec.statistics.estimate import sigmas_of

#: Logical errors per cycle may differ by so much from those of the whole history.
MAX_EXCESS = 0.01
#: Cycles of a shot, in units of the distance: several windows of the default plan.
CYCLES_PER_DISTANCE = 20

STREAM, PARALLEL = "mwpm-stream", "parallel windows"

_SIGMAS = sigmas_of(confidence=0.95)
_MAX_SHOTS, _MAX_BYTES = 10_000, 100_000_000  # of a batch, and of its frames
_TIMED_CYCLES = 100_000


@dataclass
class Pair:
    """Errors of streaming with one buffer and of the whole history, on the same shots.

    Attributes:
        decoder: what decodes in windows: `STREAM` or `PARALLEL`.
        point: which memory experiment.
        commit: cycles that a window makes final.
        buffer: cycles that it looks ahead.
        shots: shots decoded.
        both: shots that both predicted wrongly.
        only_stream: shots that only streaming predicted wrongly.
        only_whole: shots that only the whole history predicted wrongly.
        times_ns: times of turns of `timed_shots` shots; empty if not timed.
        timed_shots: shots in a turn.
    """

    decoder: str
    point: Point
    commit: int
    buffer: int
    shots: int = 0
    both: int = 0
    only_stream: int = 0
    only_whole: int = 0
    times_ns: list[int] = field(default_factory=list)
    timed_shots: int = 0

    def add(self, stream: NDArray[np.bool_], whole: NDArray[np.bool_]) -> None:
        """Count the errors, bool (shots,), of both decoders."""
        self.shots += len(stream)
        self.both += int((stream & whole).sum())
        self.only_stream += int((stream & ~whole).sum())
        self.only_whole += int((whole & ~stream).sum())

    def per_cycle(self) -> tuple[float, float]:
        """Logical error per cycle, streaming and whole."""
        cycles = self.point.rounds
        stream = (self.both + self.only_stream) / self.shots
        whole = (self.both + self.only_whole) / self.shots
        return per_cycle(probability=stream, cycles=cycles), per_cycle(probability=whole, cycles=cycles)

    def ratio(self) -> Estimate:
        """Logical error per cycle of streaming divided by that of the whole history, with a 95 % interval.

        The logarithm of a ratio of paired proportions has the variance (b + c) / ((a + b)(a + c)), where a
        counts shots that both get wrong and b, c those that only one does; one is added to b and to c, so
        that no difference at all still has an interval. Per cycle it is larger by the slope of
        ln epsilon against ln P, which counts where shots have many errors.
        """
        stream, whole = self.both + self.only_stream, self.both + self.only_whole
        if not stream or not whole or max(stream, whole) >= self.shots / 2:
            return Estimate(math.nan, 0.0, math.inf)
        epsilon, reference = self.per_cycle()
        sigma = math.sqrt((self.only_stream + self.only_whole + 2) / (stream * whole))
        failing = whole / self.shots
        slope = failing / (1 - 2 * failing) * (1 - 2 * reference) / (self.point.rounds * reference)
        spread = math.exp(_SIGMAS * sigma * slope)
        value = epsilon / reference
        return Estimate(value, value / spread, value * spread)

    def microseconds(self) -> float | None:
        """Median time per cycle in us, whole shots in one call; None if not timed."""
        if not self.times_ns:
            return None
        return median(self.times_ns) / self.timed_shots / self.point.rounds / 1000

    def met(self) -> bool | None:
        """Whether the ratio is at most the bar away from one; None where there is no ratio."""
        value = self.ratio().value
        return None if math.isnan(value) else abs(value - 1) <= MAX_EXCESS


def compare_buffers(
    distance: int,
    p: float,
    *,
    buffers: Sequence[int | None],
    errors: int,
    repeats: int,
    show: Callable[[str], None],
    seed: int = 1,
) -> list[Pair]:
    """Decode the same shots whole and streaming with several buffers, until the whole has enough errors.

    Args:
        distance, p: of the memory.
        buffers: cycles; None is the default one. Those too short for the model are left out.
        errors: logical errors of the whole history to reach.
        repeats: number of turns in which the buffers are timed, on one core; 0 for none.
        show: takes a line of progress.
        seed: of the shots.
    """
    point = memory_point(distance, CYCLES_PER_DISTANCE * distance, p)
    circuit = point.circuit()
    streaming = []
    for buffer in dict.fromkeys(buffers):
        try:
            streaming.append(StreamingDecoder.from_circuit(circuit, buffer=buffer))
        except ValueError:
            if buffer is None:
                raise
    pairs = [Pair(decoder=STREAM, point=point, commit=own.commit, buffer=own.buffer) for own in streaming]
    frames: NDArray[np.uint8] = np.zeros((0, 0, 0), dtype=np.uint8)
    for events, flips, wrong in _batches(point, errors=errors, show=show, seed=seed):
        frames = streaming[0].to_frames(events)
        for own, pair in zip(streaming, pairs, strict=True):
            pair.add((own.decode_frames(frames) != flips).any(axis=1), wrong)
    if repeats:
        timed = frames[: max(1, _TIMED_CYCLES // point.rounds)]
        functions = {str(at): partial(own.decode_frames, timed) for at, own in enumerate(streaming)}
        with on_one_core():
            times = in_turns(functions, repeats=repeats)
        for at, pair in enumerate(pairs):
            pair.times_ns, pair.timed_shots = times[str(at)], len(timed)
    return pairs


def compare_parallel(
    distance: int, p: float, *, errors: int, show: Callable[[str], None], seed: int = 1
) -> Pair:
    """Compare with parallel windows of the smallest size, with a seam every few cycles."""
    point = memory_point(distance, CYCLES_PER_DISTANCE * distance, p)
    plan = StreamingDecoder.from_circuit(point.circuit())
    pair = Pair(decoder=PARALLEL, point=point, commit=plan.commit, buffer=plan.buffer)
    with ParallelStreamingDecoder.from_circuit(point.circuit(), threads=1, block=1) as parallel:
        for events, flips, wrong in _batches(point, errors=errors, show=show, seed=seed):
            predictions = np.zeros(flips.shape, dtype=np.uint8)
            for shot, layers in enumerate(parallel.to_frames(events).view(np.bool_)):
                parallel.reset()
                parallel.push(layers[:-1])
                predictions[shot] = np.packbits(parallel.finish(layers[-1]), bitorder="little")
            pair.add((predictions != flips).any(axis=1), wrong)
    return pair


_Bytes = NDArray[np.uint8]


def _batches(
    point: Point, *, errors: int, show: Callable[[str], None], seed: int
) -> Iterator[tuple[_Bytes, _Bytes, NDArray[np.bool_]]]:
    """Batches of detection events, observable flips (bit-packed) and where the whole history is wrong."""
    circuit = point.circuit()
    dem = circuit.detector_error_model(decompose_errors=True)
    whole = decoders.from_dem("mwpm", dem)
    sampler = circuit.compile_detector_sampler(seed=seed)
    shots = max(1, min(_MAX_SHOTS, _MAX_BYTES // dem.num_detectors, 20 * errors))
    found = 0
    while found < errors:
        show(f"d = {point.distance}: {found} of {errors} logical errors")
        packed, flips = sampler.sample(shots, bit_packed=True, separate_observables=True)
        wrong = (whole.decode_batch(packed, bit_packed=True) != flips).any(axis=1)
        found += int(wrong.sum())
        yield np.unpackbits(packed, axis=1, count=dem.num_detectors, bitorder="little"), flips, wrong
