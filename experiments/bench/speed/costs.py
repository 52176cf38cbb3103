"""Construction time, memory and first-call time of decoders, and speed-up by threads."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import pymatching
import stim
from numpy.typing import NDArray

import decoders
from decoders.matching.decoder import MWPM
from decoders.matching.workspace import Workspace
from experiments.bench.speed.probe import REFERENCE, in_new_process
from experiments.common.points import Point
from experiments.common.timing import Ratio, in_turns, on_one_core, usable_cores

#: PyMatching's memory for a cycle of distance 5 after first use, in kB: the bar for ours.
MAX_CYCLE_KILOBYTES = 60.0
#: Greatest construction time of our decoder, in units of PyMatching's.
MAX_BUILD_RATIO = 2.0

_P = 0.003
_MEMORY_DISTANCE = 5
_THREADS = (2, 4)


@dataclass(frozen=True)
class Cost:
    """One line of the table.

    Attributes:
        part: "build", "memory", "threads" or "compile".
        quantity: what was measured, in words, with its unit.
        decoder: name of our decoder.
        reference: PyMatching's value, where it has one.
        own: our decoder's value.
        ratio: of times: ours to PyMatching's, or one thread's to that of several.
        met: whether the bar is met; None without one.
    """

    part: str
    quantity: str
    decoder: str
    reference: float | None
    own: float
    ratio: Ratio | None = None
    met: bool | None = None


def build(names: Sequence[str], *, distance: int, repeats: int) -> Iterator[Cost]:
    """Time the construction from a DEM, alone and with a first shot, which PyMatching needs as well."""
    circuit = _circuit(distance, distance)
    dem = circuit.detector_error_model(decompose_errors=True)
    shot = circuit.compile_detector_sampler(seed=1).sample(1, bit_packed=True)
    for name in names:
        functions = {
            "reference made": _maker(REFERENCE, dem),
            "own made": _maker(name, dem),
            "reference ready": _maker(REFERENCE, dem, shot),
            "own ready": _maker(name, dem, shot),
        }
        with on_one_core():
            in_turns(functions, repeats=1)
            times = in_turns(functions, repeats=repeats)
        for step, words in (("made", "DEM to decoder"), ("ready", "DEM to first shot decoded")):
            theirs, ours = times[f"reference {step}"], times[f"own {step}"]
            ratio = Ratio.of(ours, theirs)
            yield Cost(
                part="build",
                quantity=f"{words}, d = {distance} (ms)",
                decoder=name,
                reference=median(theirs) / 1e6,
                own=median(ours) / 1e6,
                ratio=ratio,
                met=ratio.median <= MAX_BUILD_RATIO,
            )


def _maker(
    name: str, dem: stim.DetectorErrorModel, shot: NDArray[np.uint8] | None = None
) -> Callable[[], object]:
    """Make a function that constructs a decoder, and decodes a shot with it if there is one."""

    def make() -> None:
        if name == REFERENCE:
            matching = pymatching.Matching.from_detector_error_model(dem)
            if shot is not None:
                matching.decode_batch(shot, bit_packed_shots=True)
        else:
            decoder = decoders.from_dem(name, dem)
            if shot is not None:
                decoder.decode_batch(shot, bit_packed=True)

    return make


def memory(names: Sequence[str], *, cycles: int) -> Iterator[Cost]:
    """Memory for one cycle of distance 5: the arrays of `mwpm`, and the growth of a process that decodes."""
    circuit = _circuit(_MEMORY_DISTANCE, cycles)
    dem = circuit.detector_error_model(decompose_errors=True)
    unit = 1000 * cycles
    grown = {}
    if Path("/proc/self/statm").exists():
        grown = {
            name: in_new_process("memory", name, circuit)["bytes"] / unit for name in (REFERENCE, *names)
        }
    for name in names:
        decoder = decoders.from_dem(name, dem)
        if isinstance(decoder, MWPM):
            num_bytes = decoder.search_graph.num_bytes + Workspace(decoder.search_graph).num_bytes
            yield Cost(
                part="memory",
                quantity=f"arrays per cycle of d = {_MEMORY_DISTANCE} (kB)",
                decoder=name,
                reference=MAX_CYCLE_KILOBYTES,
                own=num_bytes / unit,
                met=num_bytes / unit <= MAX_CYCLE_KILOBYTES,
            )
        if name in grown:
            yield Cost(
                part="memory",
                quantity=f"process growth per cycle of d = {_MEMORY_DISTANCE} (kB)",
                decoder=name,
                reference=grown[REFERENCE],
                own=grown[name],
            )


def threads(names: Sequence[str], *, distance: int, shots: int, repeats: int) -> Iterator[Cost]:
    """Measure the speed-up by threads on bit-packed shots; needs free cores."""
    circuit = _circuit(distance, distance)
    dem = circuit.detector_error_model(decompose_errors=True)
    packed: NDArray[np.uint8] = circuit.compile_detector_sampler(seed=1).sample(shots, bit_packed=True)
    numbers = [1, *(number for number in _THREADS if number <= len(usable_cores()))]
    for name in names:
        decoder = decoders.from_dem(name, dem)
        if not decoder.uses_threads or len(numbers) == 1:
            continue
        functions: dict[str, Callable[[], object]] = {
            str(number): partial(decoder.decode_batch, packed, bit_packed=True, threads=number)
            for number in numbers
        }
        in_turns(functions, repeats=1)
        times = in_turns(functions, repeats=repeats)
        for number in numbers[1:]:
            ratio = Ratio.of(times["1"], times[str(number)])
            yield Cost(
                part="threads",
                quantity=f"speed-up by {number} threads, d = {distance}",
                decoder=name,
                reference=None,
                own=ratio.median,
                ratio=ratio,
            )


def first_call(names: Sequence[str]) -> Iterator[Cost]:
    """Import, decoder and first shot in a new process: with no compiled kernels at hand, then with them."""
    circuit = _circuit(3, 3)
    theirs = in_new_process("first_call", REFERENCE, circuit)["seconds"]
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            for words in ("nothing compiled yet", "kernels from the cache"):
                found = in_new_process("first_call", name, circuit, NUMBA_CACHE_DIR=folder)["seconds"]
                yield Cost(
                    part="compile",
                    quantity=f"first call of a process, {words} (s)",
                    decoder=name,
                    reference=theirs,
                    own=found,
                )


def _circuit(distance: int, cycles: int) -> stim.Circuit:
    return Point("surface", "cx", distance, cycles, "z", "uniform", _P).circuit()
