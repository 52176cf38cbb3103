"""Decoding times of PyMatching and of our decoders on the same shots: one cell of the benchmark's table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import pymatching
from numpy.typing import NDArray

import decoders
from experiments.bench.speed.probe import REFERENCE
from experiments.common.points import Point
from experiments.common.timing import Ratio, in_turns, on_one_core

# At least this many different shots, or branch predictors memorise them; at most this many, and this many
# detection events as bools, which have to fit into memory.
_LEAST_SHOTS = 500
_MAX_SHOTS = 100_000
_MAX_BOOLS = 1 << 28
_PROBE_SHOTS = 200

PATHS = ("packed", "bool")
#: Least ratio to reach, by strength of the noise.
BARS = {0.001: 3.0, 0.003: 2.5, 0.005: 2.0, 0.008: 1.7}


@dataclass(frozen=True)
class Cell:
    """Times of one decoder and of PyMatching for one memory experiment.

    Attributes:
        point: which experiment.
        decoder: name of our decoder.
        num_detectors: detectors in a shot.
        shots: shots decoded in each turn.
        events: detection events in all of them.
        reference_ns: PyMatching's times for all shots, by path ("packed", "bool"), one for each turn.
        own_ns: our decoder's, in the same turns.
        mismatches: shots whose integer weight differs from PyMatching's; None for a decoder without weights.
    """

    point: Point
    decoder: str
    num_detectors: int
    shots: int
    events: int
    reference_ns: dict[str, list[int]]
    own_ns: dict[str, list[int]]
    mismatches: int | None

    @property
    def reference_path(self) -> str:
        """The path on which PyMatching is faster."""
        return _faster(self.reference_ns)

    @property
    def own_path(self) -> str:
        """The path on which our decoder is faster."""
        return _faster(self.own_ns)

    @property
    def ratio(self) -> Ratio:
        """PyMatching's time divided by ours, each on its faster path."""
        return Ratio.of(self.reference_ns[self.reference_path], self.own_ns[self.own_path])

    def like_for_like(self, path: str) -> Ratio:
        """PyMatching's time divided by ours, both on one path."""
        return Ratio.of(self.reference_ns[path], self.own_ns[path])

    @property
    def bar(self) -> float | None:
        """The ratio to reach, where there is one."""
        return None if self.point.p is None else BARS.get(self.point.p)

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None without one."""
        return None if self.bar is None else self.ratio.median >= self.bar

    @property
    def turns(self) -> int:
        """Number of repetitions."""
        return len(self.own_ns[self.own_path])

    @property
    def reference_per_event(self) -> float:
        """PyMatching's median time in ns per detection event."""
        return median(self.reference_ns[self.reference_path]) / self.events

    @property
    def own_per_event(self) -> float:
        """Our decoder's median time in ns per detection event."""
        return median(self.own_ns[self.own_path]) / self.events


def _faster(times: dict[str, list[int]]) -> str:
    return min(times, key=lambda path: median(times[path]))


def measure(point: Point, *, names: Sequence[str], repeats: int, seconds: float, seed: int = 1) -> list[Cell]:
    """Time PyMatching and decoders alternately, on one core, on the same shots.

    Args:
        point: the memory experiment.
        names: our decoders.
        repeats: number of turns.
        seconds: about how long PyMatching decodes in each turn.
        seed: of the shots.

    Returns:
        One cell for each name.

    Raises:
        ValueError: unknown names, numbers out of range, or noise so weak that no shot has detection events.
    """
    circuit = point.circuit()
    dem = circuit.detector_error_model(decompose_errors=True)
    reference = pymatching.Matching.from_detector_error_model(dem)
    own = {name: decoders.from_dem(name, dem) for name in names}
    scale = decoders.MatchingGraph.from_dem(dem).weight_scale
    sampler = circuit.compile_detector_sampler(seed=seed)

    def sample(shots: int) -> NDArray[np.uint8]:
        events: NDArray[np.uint8] = sampler.sample(shots, bit_packed=True)
        return events

    with on_one_core():
        probe = sample(_PROBE_SHOTS)
        probing = in_turns({"probe": lambda: _reference_packed(reference, probe)}, repeats=2)["probe"]
        packed = sample(_shots_for(seconds, per_shot_ns=min(probing) / _PROBE_SHOTS, width=dem.num_detectors))
        num_events = int(np.bitwise_count(packed).sum())
        if num_events == 0:
            raise ValueError(f"p = {point.p}: no detection events in {len(packed)} shots, give a larger --p")
        unpacked = np.unpackbits(packed, axis=1, count=dem.num_detectors, bitorder="little")
        functions: dict[str, Callable[[], object]] = {}
        for path in PATHS:
            for name, decoder in {REFERENCE: reference, **own}.items():
                functions[f"{name} {path}"] = _call(decoder, path, packed, unpacked)
        # Also the first run of everything on these shots, for what is made or grown at first use.
        mismatches = _mismatches(reference, own, packed, scale=scale)
        for function in functions.values():
            function()
        times = in_turns(functions, repeats=repeats)
    by_library = {
        library: {path: times[f"{library} {path}"] for path in PATHS} for library in (REFERENCE, *own)
    }
    return [
        Cell(
            point=point,
            decoder=name,
            num_detectors=dem.num_detectors,
            shots=len(packed),
            events=num_events,
            reference_ns=by_library[REFERENCE],
            own_ns=by_library[name],
            mismatches=mismatches[name],
        )
        for name in own
    ]


def _shots_for(seconds: float, *, per_shot_ns: float, width: int) -> int:
    wanted = round(seconds * 1e9 / per_shot_ns)
    most = max(1, min(_MAX_SHOTS, _MAX_BOOLS // max(1, width)))
    return min(max(wanted, _LEAST_SHOTS), most)


def _call(
    decoder: Any, path: str, packed: NDArray[np.uint8], unpacked: NDArray[np.uint8]
) -> Callable[[], object]:
    """Make a batch call with all shots, by the path "packed" or "bool"."""
    if isinstance(decoder, pymatching.Matching):
        # PyMatching takes bytes: bools would have to be converted in every call.
        if path == "bool":
            return lambda: decoder.decode_batch(unpacked)
        return lambda: _reference_packed(decoder, packed)
    if path == "bool":
        bools = unpacked.view(np.bool_)
        return lambda: decoder.decode_batch(bools)
    return lambda: decoder.decode_batch(packed, bit_packed=True)


def _reference_packed(matching: pymatching.Matching, packed: NDArray[np.uint8]) -> object:
    return matching.decode_batch(packed, bit_packed_shots=True, bit_packed_predictions=True)


def _mismatches(
    reference: pymatching.Matching,
    own: dict[str, decoders.Decoder],
    packed: NDArray[np.uint8],
    *,
    scale: float,
) -> dict[str, int | None]:
    """Shots whose weight, in the integers that both libraries compute with, differs from PyMatching's."""
    _, weights = reference.decode_batch(packed, bit_packed_shots=True, return_weights=True)
    expected = np.rint(weights * scale).astype(np.int64)
    found: dict[str, int | None] = {}
    for name, decoder in own.items():
        found[name] = None
        if decoder.gives_weights:
            _, weights = decoder.decode_batch(packed, bit_packed=True, return_weights=True)
            found[name] = int(np.count_nonzero(np.rint(weights * scale).astype(np.int64) != expected))
    return found
