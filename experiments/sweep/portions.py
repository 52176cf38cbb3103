"""Portions of a sweep: numbered shots of one point, counted in any process with the same result."""

import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sinter
import stim

from decoders.sinter_adapter import sinter_decoder
from experiments.common.points import decoding_model
from experiments.common.sampling import take_first_sample
from experiments.common.shot_files import shots_per_piece
from experiments.sweep.task_sampler import TaskSampler
from qec.noise import LeakageModel

# Points of which a process keeps the decoder.
_MAX_PREPARED = 16


@dataclass(frozen=True)
class PointTask:
    """A point of a sweep, as it travels to a worker.

    Attributes:
        strong_id: of sinter's task.
        circuit: compressed text of the circuit.
        decoder: name, as `sinter_decoder` takes it.
        metadata: of the point.
        leakage: how its qubits leak; None: not at all.
    """

    strong_id: str
    circuit: bytes = field(repr=False)
    decoder: str
    metadata: Any
    leakage: LeakageModel | None = None

    @classmethod
    def from_task(cls, task: sinter.Task, leakage: LeakageModel | None) -> "PointTask":
        """Make it from sinter's task, whose DEM is that of `decoding_model`."""
        text = zlib.compress(str(task.circuit).encode())
        return cls(task.strong_id(), text, task.decoder, task.json_metadata, leakage)

    def task(self) -> sinter.Task:
        """Make sinter's task."""
        circuit = stim.Circuit(zlib.decompress(self.circuit).decode())
        return sinter.Task(
            circuit=circuit,
            detector_error_model=decoding_model(circuit),
            decoder=self.decoder,
            json_metadata=self.metadata,
        )


@dataclass(frozen=True)
class Portion:
    """Shots number `first`, ..., `first + shots - 1` of a seed.

    Attributes:
        number: of the portion in its run; a result counts once for each number.
        point: what to sample.
        seed: 0 to 2^64 - 1; of the point.
        first: number of the first shot.
        shots: number of shots.
    """

    number: int
    point: PointTask
    seed: int
    first: int
    shots: int


@dataclass(frozen=True)
class PortionCounts:
    """Result of a portion, with its number; `seconds` leaves out the preparation of the decoder."""

    number: int
    shots: int
    errors: int
    discards: int
    seconds: float


class _Assigned:
    """Shots that a portion names; see `SharedShots`."""

    def __init__(self) -> None:
        self.seed = self.next = 0

    def of(self, strong_id: str) -> Callable[[int], tuple[int, int]]:
        def take(shots: int) -> tuple[int, int]:
            self.next += shots
            return self.seed, self.next - shots

        return take


class _Prepared:
    """Sampler and decoder of one point, for one thread at a time."""

    def __init__(self, point: PointTask) -> None:
        models = {} if point.leakage is None else {point.leakage.text: point.leakage}
        task = point.task()
        self._assigned = _Assigned()
        decoder = sinter_decoder(point.decoder)
        self._sampler = TaskSampler(decoder, models, self._assigned).compiled_sampler_for_task(task)
        # All shots of a call may be in memory at once.
        self._piece = shots_per_piece(task.detector_error_model.num_detectors)

    def count(self, portion: Portion) -> PortionCounts:
        self._assigned.seed, self._assigned.next = portion.seed, portion.first
        errors = discards = 0
        seconds = 0.0
        for done in range(0, portion.shots, self._piece):
            found = self._sampler.sample(min(self._piece, portion.shots - done))
            errors += found.errors
            discards += found.discards
            seconds += found.seconds
        return PortionCounts(portion.number, portion.shots, errors, discards, seconds)


_lock = threading.Lock()
_idle: OrderedDict[str, list[_Prepared]] = OrderedDict()


def count_portion(portion: Portion) -> PortionCounts:
    """Sample, decode and count a portion; called in a worker, by several threads at once.

    Raises:
        ValueError: the decoder's model cannot explain a shot.
    """
    take_first_sample()
    name = portion.point.strong_id
    with _lock:
        waiting = _idle.get(name)
        prepared = waiting.pop() if waiting else None
    if prepared is None:
        prepared = _Prepared(portion.point)
    found = prepared.count(portion)
    with _lock:
        _idle.setdefault(name, []).append(prepared)
        _idle.move_to_end(name)
        while len(_idle) > _MAX_PREPARED:
            _idle.popitem(last=False)
    return found
