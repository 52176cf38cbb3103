"""Parallel windows: time per cycle of one long shot on several threads."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray

from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.parallel import ParallelStreamingDecoder
from experiments.bench.streaming.shots import CYCLE_MICROSECONDS, Shot
from experiments.common.points import Point
from experiments.common.timing import in_turns

_FRAME_CYCLES = 1000


@dataclass(frozen=True)
class Threads:
    """Times of a whole shot.

    Attributes:
        point: which memory experiment.
        times_ns: by number of threads, one for each turn; 0 threads: `StreamingDecoder` in the caller's.
    """

    point: Point
    times_ns: dict[int, list[int]]

    def microseconds(self, threads: int) -> float:
        """Median time per cycle in us."""
        return median(self.times_ns[threads]) / self.point.rounds / 1000

    def least(self, threads: int) -> float:
        """The fastest turn's time per cycle in us: other work on the machine disturbs threads most."""
        return min(self.times_ns[threads]) / self.point.rounds / 1000

    def met(self) -> bool:
        """Whether any number of threads keeps up with the cycles."""
        return min(self.microseconds(threads) for threads in self.times_ns) <= CYCLE_MICROSECONDS


def compare_threads(shot: Shot, *, threads: Sequence[int], repeats: int) -> Threads:
    """Decode a shot on several numbers of threads, in turns and on all cores."""
    circuit = shot.point.circuit()
    layers = shot.layers().view(np.bool_)
    with ExitStack() as stack:
        made: dict[int, StreamingDecoder | ParallelStreamingDecoder] = {
            0: StreamingDecoder.from_circuit(circuit)
        }
        for number in dict.fromkeys(threads):
            decoder = ParallelStreamingDecoder.from_circuit(circuit, threads=number)
            made[number] = stack.enter_context(decoder)
        functions: dict[str, Callable[[], object]] = {
            str(number): partial(_decode, decoder, layers) for number, decoder in made.items()
        }
        in_turns(functions, repeats=1)
        times = in_turns(functions, repeats=repeats)
    return Threads(point=shot.point, times_ns={number: times[str(number)] for number in made})


def _decode(decoder: StreamingDecoder | ParallelStreamingDecoder, layers: NDArray[np.bool_]) -> object:
    decoder.reset()
    last = len(layers) - 1
    for at in range(0, last, _FRAME_CYCLES):
        decoder.push(layers[at : min(at + _FRAME_CYCLES, last)])
    return decoder.finish(layers[last])
