"""PyMatching on long memories: the whole history at once, and overlapping windows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

import decoders
from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.layers import LayeredModel
from experiments.bench.streaming.shots import memory_point
from experiments.common.machine import available_bytes
from experiments.common.points import Point
from experiments.common.timing import in_turns, on_one_core

WHOLE, WINDOWS = "PyMatching whole", "PyMatching windows"
OWN_WHOLE, OWN, OWN_PUSHED = "mwpm whole", "streaming", "streaming, pushed"
METHODS = (WHOLE, WINDOWS, OWN_WHOLE, OWN, OWN_PUSHED)

_FRAME_CYCLES = 10  # of "streaming, pushed"
_BYTES_PER_DETECTOR = 2500  # of PyMatching's graph after its first shot: 60 kB a cycle at d = 5
_MAX_MEMORY = 0.7  # of what is available
_OWN_WHOLE_CYCLES = 10_000  # our whole-history decoder takes half a minute to make beyond


class PyMatchingWindows:
    """PyMatching in the same overlapping windows as `StreamingDecoder`, as a careful user would write it.

    One graph for the first window, one for all others and one for each ending, made once. Only edges that
    a window commits carry their observables, and those that cross the seam also carry a fault id for the
    detector behind it: one call of `decode` returns the committed flips and what to flip in the next window.
    """

    def __init__(self, model: LayeredModel, *, commit: int, buffer: int) -> None:
        self._model = model
        self._commit = commit
        self._window = commit + buffer
        self._reach = model.longest_reach * model.num_columns
        self._graphs: dict[tuple[bool, int, bool], pymatching.Matching] = {}

    @property
    def num_columns(self) -> int:
        """Detectors of a layer."""
        return self._model.num_columns

    @property
    def num_observables(self) -> int:
        """Observables of the model."""
        return self._model.num_observables

    def decode(self, layers: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Decode a shot, uint8 (layers, columns); returns uint8 (observables,)."""
        num_layers, width = layers.shape[0], self._model.num_columns
        rows = layers.reshape(-1).copy()
        flips = np.zeros(self._model.num_observables, dtype=np.uint8)
        first = 0
        # The data readout's layer is decoded with the ending only.
        while self._model.bulk and num_layers - 1 - first >= self._window:
            graph = self.graph(first, self._window, to_end=False)
            found = graph.decode(rows[first * width : (first + self._window) * width])
            flips ^= found[: len(flips)]
            first += self._commit
            rows[first * width : first * width + self._reach] ^= found[len(flips) :]
        graph = self.graph(first, num_layers - first, to_end=True)
        flips ^= graph.decode(rows[first * width :])[: len(flips)]
        return flips

    def graph(self, first: int, count: int, *, to_end: bool) -> pymatching.Matching:
        """Return the graph of `count` layers from layer `first` of a shot on, as in `decode`."""
        key = (first == 0, count, to_end)
        if key not in self._graphs:
            layer = first if not self._model.bulk or first == 0 else len(self._model.first)
            self._graphs[key] = self._make(layer, count, to_end)
        return self._graphs[key]

    def _make(self, first: int, count: int, to_end: bool) -> pymatching.Matching:
        model = self._model
        commit = count if to_end else self._commit
        seam = commit * model.num_columns
        lines = [f"detector D{count * model.num_columns - 1}"]
        lines.append(f"logical_observable L{model.num_observables + (0 if to_end else self._reach) - 1}")
        for at, edges in enumerate(model.layer_edges(first, count, to_end=to_end)):
            for column, later, other, p, words in zip(
                edges.column, edges.later, edges.other, edges.probability, edges.observables, strict=True
            ):
                targets = [f"D{at * model.num_columns + column}"]
                there = (at + later) * model.num_columns + other
                if other >= 0 and at + later < count:
                    targets.append(f"D{there}")
                if at < commit:
                    bits = range(model.num_observables)
                    targets += [f"L{bit}" for bit in bits if int(words[bit // 64]) >> (bit % 64) & 1]
                    if other >= 0 and at + later >= commit:
                        targets.append(f"L{model.num_observables + there - seam}")
                lines.append(f"error({float(p)!r}) {' '.join(targets)}")
        return pymatching.Matching.from_detector_error_model(stim.DetectorErrorModel("\n".join(lines)))


@dataclass(frozen=True)
class Length:
    """Times of all methods for memories of one length.

    Attributes:
        point: which memory experiment.
        shots: shots decoded in each turn.
        times_ns: time for all shots by method, one for each turn; without methods that need too much memory.
        differing: shots in which both kinds of windows predict differently (ties in weight may be broken in
            either way).
    """

    point: Point
    shots: int
    times_ns: dict[str, list[int]]
    differing: int

    def microseconds(self, method: str) -> float | None:
        """Median time per cycle in us; None if the method was left out."""
        if method not in self.times_ns:
            return None
        return median(self.times_ns[method]) / self.shots / self.point.rounds / 1000


def compare_lengths(
    distance: int,
    p: float,
    *,
    lengths: Sequence[int],
    cycles: int,
    repeats: int,
    show: Callable[[str], None],
    seed: int = 1,
) -> list[Length]:
    """Time all methods on one core and the same shots, for memories of several lengths.

    The methods with windows are timed in turns, and before the decoders of whole histories are made: once a
    process holds PyMatching's graph of 50,000 cycles, PyMatching's windows take twice as long.

    Args:
        distance, p: of the memory.
        lengths: numbers of cycles of a shot.
        cycles: about how many cycles are decoded in a turn; at least one shot is.
        repeats: number of turns.
        show: takes a line of progress.
        seed: of the shots.
    """
    found = []
    for length in lengths:
        show(f"memories of {length} cycles, d = {distance}")
        point = memory_point(distance, length, p)
        found.append(_compare(point, shots=max(1, cycles // length), repeats=repeats, seed=seed))
    return found


def _compare(point: Point, *, shots: int, repeats: int, seed: int) -> Length:
    circuit = point.circuit()
    dem = circuit.detector_error_model(decompose_errors=True)
    streaming = StreamingDecoder.from_circuit(circuit)
    streaming.warm_up()
    windows = PyMatchingWindows(LayeredModel.from_dem(dem), commit=streaming.commit, buffer=streaming.buffer)
    packed: NDArray[np.uint8] = circuit.compile_detector_sampler(seed=seed).sample(shots, bit_packed=True)
    events = np.unpackbits(packed, axis=1, count=dem.num_detectors, bitorder="little")
    frames = streaming.to_frames(events)
    rows = np.packbits(frames, axis=2, bitorder="little")
    with on_one_core():
        theirs = np.array([windows.decode(layers) for layers in frames])
        ours = streaming.decode_frames(frames)
        functions: dict[str, Callable[[], object]] = {
            WINDOWS: lambda: [windows.decode(layers) for layers in frames],
            OWN: lambda: streaming.decode_frames(frames),
            OWN_PUSHED: lambda: _push_all(streaming, rows),
        }
        functions[OWN_PUSHED]()
        times = in_turns(functions, repeats=repeats)
        for method in (OWN_WHOLE, WHOLE):
            whole = _whole(method, dem, packed, cycles=point.rounds)
            if whole is not None:
                whole()
                times |= in_turns({method: whole}, repeats=repeats)
    ours = np.unpackbits(ours, axis=1, count=dem.num_observables, bitorder="little")
    return Length(
        point=point,
        shots=shots,
        times_ns={method: times[method] for method in METHODS if method in times},
        differing=int((ours != theirs).any(axis=1).sum()),
    )


def _whole(
    method: str, dem: stim.DetectorErrorModel, packed: NDArray[np.uint8], *, cycles: int
) -> Callable[[], object] | None:
    """Make a decoder of whole histories, unless that takes too much memory or time."""
    if method == OWN_WHOLE:
        if cycles > _OWN_WHOLE_CYCLES:
            return None
        own = decoders.from_dem("mwpm", dem)
        return lambda: own.decode_batch(packed, bit_packed=True)
    available = available_bytes()
    if available is not None and dem.num_detectors * _BYTES_PER_DETECTOR > _MAX_MEMORY * available:
        return None
    matching = pymatching.Matching.from_detector_error_model(dem)
    return lambda: matching.decode_batch(packed, bit_packed_shots=True)


def _push_all(decoder: StreamingDecoder, shots: NDArray[np.uint8]) -> list[Any]:
    """Push shots, uint8 (shots, layers, bytes of a bit-packed layer), in frames of some cycles."""
    predictions = []
    for layers in shots:
        decoder.reset()
        last = len(layers) - 1
        for at in range(0, last, _FRAME_CYCLES):
            decoder.push(layers[at : min(at + _FRAME_CYCLES, last)], bit_packed=True)
        predictions.append(decoder.finish(layers[last], bit_packed=True))
    return predictions
