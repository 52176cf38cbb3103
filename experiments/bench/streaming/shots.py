"""A shot of a million cycles, decoded as a stream: time along the shot, memory, construction time."""

import gc
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray

from decoders.streaming.decoder import StreamingDecoder
from experiments.common.new_process import run_module
from experiments.common.points import Point
from experiments.common.timing import Ratio, in_turns, on_one_core

#: Most time per cycle in us on one core, by distance; a cycle of the processor takes 1.1 us.
BARS = {5: 0.55, 7: 1.1}
CYCLE_MICROSECONDS = 1.1
#: Most growth of the resident memory during a shot, in MB (10^6 bytes).
MAX_GROWTH = 5.0
#: The last tenth of a shot may take so much longer per cycle than the first, or less.
MAX_DRIFT = 0.05


def memory_point(distance: int, cycles: int, p: float) -> Point:
    """Make a memory experiment of this benchmark: SI1000, CZ gates, basis Z."""
    return Point("surface", "cz", distance, cycles, "z", "si1000", p)


def detection_fraction(distance: int, p: float) -> float:
    """Mean detection fraction of a cycle inside a memory, computed from the error model.

    Two flips in one detector cancel: with independent errors of probability q_i it fires with probability
    (1 - product of (1 - 2 q_i)) / 2.
    """
    cycles = 6
    circuit = memory_point(distance, cycles, p).circuit()
    signal = np.ones(circuit.num_detectors)
    for error in circuit.detector_error_model(flatten_loops=True):
        if error.type == "error":
            flipped = [target.val for target in error.targets_copy() if target.is_relative_detector_id()]
            for detector in {found for found in flipped if flipped.count(found) % 2}:
                signal[detector] *= 1 - 2 * error.args_copy()[0]
    times = circuit.get_detector_coordinates()
    inside = [detector for detector, place in times.items() if place[2] == cycles // 2]
    return float(np.mean((1 - signal[inside]) / 2))


def calibrate(distance: int, fraction: float) -> float:
    """Find the strength p of SI1000 noise for a mean detection fraction.

    Raises:
        ValueError: no p does.
    """
    low, high = 1e-5, 0.02
    least, most = detection_fraction(distance, low), detection_fraction(distance, high)
    if not least < fraction < most:
        raise ValueError(f"--detection_fraction {fraction}: it must lie between {least:.2g} and {most:.2g}")
    from scipy.optimize import brentq

    root: float = brentq(lambda p: detection_fraction(distance, p) - fraction, low, high, xtol=1e-7)
    return root


_PROBE = "experiments.bench.streaming.probe"


@dataclass(frozen=True)
class Shot:
    """A sampled shot, on disk.

    Attributes:
        point: which memory experiment.
        path: layers as rows, bit-packed, the data readout's last.
        num_columns: columns of a layer.
        fraction: detection fraction of the shot.
        flips: the observables that flipped.
        peak_bytes: memory of the process that sampled it.
    """

    point: Point
    path: Path
    num_columns: int
    fraction: float
    flips: list[int]
    peak_bytes: int

    @property
    def row_bytes(self) -> int:
        """Bytes of a layer."""
        return (self.num_columns + 7) // 8

    def layers(self) -> NDArray[np.uint8]:
        """All layers, uint8 (layers, columns), one byte for each column."""
        packed = np.fromfile(self.path, dtype=np.uint8).reshape(-1, self.row_bytes)
        return np.unpackbits(packed, axis=1, count=self.num_columns, bitorder="little")


@dataclass(frozen=True)
class ShotRun:
    """A shot pushed in frames of one size, several times.

    Attributes:
        point: which memory experiment.
        frame_cycles: cycles in a frame.
        commit: cycles that a window makes final.
        buffer: cycles that it looks ahead.
        segment_cycles: cycles in a segment.
        times_ns: for each pass the time that each segment took.
        grown_bytes: for each pass resident memory after each segment, less that before the first pass; None
            where the system does not tell.
        decoder_bytes: by how much making the decoder and its first use had grown the process; or None.
        flips: the prediction.
    """

    point: Point
    frame_cycles: int
    commit: int
    buffer: int
    segment_cycles: int
    times_ns: list[list[int]]
    grown_bytes: list[list[int]] | None
    decoder_bytes: int | None
    flips: list[int]

    def microseconds(self) -> float:
        """Time per cycle in us: median over segments and passes."""
        return median(time for times in self.times_ns for time in times) / self.segment_cycles / 1000

    def drift(self) -> Ratio:
        """The last tenth's time per cycle divided by the first's, medians of their segments.

        Of each segment the fastest pass counts, for what else the machine does comes and goes; the extremes
        are those of single passes.
        """
        tenth = max(1, len(self.times_ns[0]) // 10)
        fastest = [min(times) for times in zip(*self.times_ns, strict=True)]
        passes = [median(times[-tenth:]) / median(times[:tenth]) for times in self.times_ns]
        return Ratio(
            median=median(fastest[-tenth:]) / median(fastest[:tenth]), low=min(passes), high=max(passes)
        )

    def growth(self) -> float | None:
        """Most growth of the resident memory since the start of the shot, in MB."""
        if self.grown_bytes is None:
            return None
        return max(grown for growths in self.grown_bytes for grown in growths) / 1e6

    def verdicts(self) -> dict[str, bool]:
        """Bars of this run, each met or not."""
        found = {}
        if self.point.distance in BARS:
            found["time"] = self.microseconds() <= BARS[self.point.distance]
        growth = self.growth()
        if growth is not None:
            found["memory"] = growth < MAX_GROWTH
        if len(self.times_ns[0]) >= 20:  # a tenth is two segments or more
            found["constant"] = abs(self.drift().median - 1) <= MAX_DRIFT
        return found


def compile_kernels(distance: int, p: float) -> None:
    """Have the kernels compiled, if they are not, in another process than those that are timed."""
    request = {"circuit": str(memory_point(distance, 20, p).circuit())}
    run_module(_PROBE, "compile", text=json.dumps(request))


def sample_shot(point: Point, path: Path, *, seed: int = 1) -> Shot:
    """Sample one shot into a file, in a process of its own: stim needs GB for millions of cycles.

    Raises:
        RuntimeError: that process failed.
    """
    request = {"circuit": str(point.circuit()), "path": str(path), "seed": seed}
    found = run_module(_PROBE, "sample", text=json.dumps(request))
    return Shot(point=point, path=path, **found)


def push_shot(shot: Shot, *, frames: Sequence[int], passes: int, segments: int) -> list[ShotRun]:
    """Push a shot in frames of several sizes, in turns, in a new process on one core.

    Args:
        shot: what to decode.
        frames: numbers of cycles in a frame.
        passes: how often.
        segments: into how many parts the time is divided.
    """
    cycles = shot.point.rounds
    segment_cycles = math.ceil(cycles / segments)
    request = {
        "circuit": str(shot.point.circuit()),
        "path": str(shot.path),
        "row_bytes": shot.row_bytes,
        "cycles": cycles,
        "frames": list(frames),
        "passes": passes,
        "segment_cycles": segment_cycles,
    }
    found = run_module(_PROBE, "push", text=json.dumps(request))
    common = {name: found[name] for name in ("commit", "buffer", "decoder_bytes")}
    return [
        ShotRun(point=shot.point, segment_cycles=segment_cycles, **common, **run) for run in found["runs"]
    ]


def build_times(distance: int, p: float, *, cycles: Sequence[int], repeats: int) -> dict[int, list[int]]:
    """Time the construction of decoders from circuits, in ns, by the circuit's number of cycles."""
    circuits = {length: memory_point(distance, length, p).circuit() for length in cycles}
    functions = {
        str(length): partial(StreamingDecoder.from_circuit, circuit) for length, circuit in circuits.items()
    }
    with on_one_core():
        in_turns(functions, repeats=1)
        gc.collect()
        times = in_turns(functions, repeats=repeats)
    return {length: times[str(length)] for length in cycles}
