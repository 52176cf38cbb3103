"""Sampling and decoding of sinter's tasks: by the engine where possible, with leakage where devices leak."""

import hashlib
import multiprocessing
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import sinter
import stim
from numpy.typing import NDArray

import decoders
from decoders.sinter_adapter import SinterDecoder
from experiments.common.sampling import MemorySampler, leakage_sampler
from experiments.common.workers import die_with_parent
from experiments.engine import Engine
from qec.noise import LeakageModel

_Drawn = tuple[NDArray[np.uint8], NDArray[np.uint8]]


class ShotSource(Protocol):
    """Numbered shots, given out to samplers."""

    def of(self, strong_id: str) -> Callable[[int], tuple[int, int]]:
        """Return a function that takes a number of shots and gives their seed and the first one's number."""
        ...


def seed_of_point(seed: int, existing: int, strong_id: str) -> int:
    """Derive the seed of a point's shots, 0 to 2^64 - 1.

    Args:
        seed: of the sweep.
        existing: shots that are known already; later ones are other shots.
        strong_id: of the point.
    """
    text = f"{seed} {existing} {strong_id}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")


class SharedShots:
    """Shots that are given out to the workers of a sweep, so that each is drawn once and in one of them.

    Args:
        seed: of the sweep.
        existing: strong_id of each task -> shots that are known already; later ones are other shots.
    """

    def __init__(self, seed: int, existing: Mapping[str, int]) -> None:
        self._seed = seed
        self._existing = existing
        self._place = {name: place for place, name in enumerate(existing)}
        # sinter starts its workers by this method.
        self._given = multiprocessing.get_context("spawn").Array("q", max(1, len(existing)))

    def of(self, strong_id: str) -> Callable[[int], tuple[int, int]]:
        """Return a function that takes a number of shots and gives their seed and the first one's number."""
        seed = seed_of_point(self._seed, self._existing[strong_id], strong_id)
        place = self._place[strong_id]

        def take(shots: int) -> tuple[int, int]:
            with self._given.get_lock():
                first = self._given[place]
                self._given[place] = first + shots
            return seed, first

        return take


def _own_shots() -> Callable[[int], tuple[int, int]]:
    """Return such a function for one worker, with a seed from the system."""
    seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    next_shot = 0

    def take(shots: int) -> tuple[int, int]:
        nonlocal next_shot
        next_shot += shots
        return seed, next_shot - shots

    return take


@dataclass(frozen=True)
class TaskSampler(sinter.Sampler):  # type: ignore[misc]
    """Samples and decodes sinter's tasks.

    The engine does both in one loop if the circuit's noise is a detector error model. Otherwise stim samples,
    or our sampler where the task's metadata say that qubits leak, which a circuit cannot hold.

    Attributes:
        decoder: name and gap threshold.
        models: text of a leakage model, as in the metadata under "leakage", -> the model.
        shots: which shots to draw; None: others in every run.
    """

    decoder: SinterDecoder
    models: Mapping[str, LeakageModel]
    shots: ShotSource | None = None

    def compiled_sampler_for_task(self, task: sinter.Task) -> sinter.CompiledSampler:
        """Compile the sampler and the decoder of one task."""
        die_with_parent()
        take = _own_shots() if self.shots is None else self.shots.of(task.strong_id())
        text = task.json_metadata.get("leakage")
        draw: Callable[[int], _Drawn]
        if text is not None:
            leaking = leakage_sampler(task.circuit, self.models[text])

            def draw(shots: int) -> _Drawn:
                seed, first = take(shots)
                found = leaking.sample(shots=shots, seed=seed, first_shot=first)
                return found.events, found.flips

            draw(0)  # compiles
        elif (model := independent_errors(task.circuit)) is not None:
            decoder = decoders.from_dem(self.decoder.name, task.detector_error_model)
            engine = Engine(dem=model, decoder=decoder)
            if self.decoder.gap_threshold is None:
                return CompiledEngine(engine, take)

            def draw(shots: int) -> _Drawn:
                seed, first = take(shots)
                return engine.sample(shots=shots, seed=seed, first_shot=first)

        elif self.shots is None:
            draw = MemorySampler(task.circuit, leakage=None, seed=None).sample
        else:

            def draw(shots: int) -> _Drawn:
                # stim cannot number shots: those of a call have a seed of their own.
                own = int(np.random.SeedSequence(take(shots)).generate_state(1, np.uint64)[0] >> 1)
                return MemorySampler(task.circuit, leakage=None, seed=own).sample(shots)

        return CompiledTaskSampler(
            draw=draw, decoder=self.decoder.compile_decoder_for_dem(dem=task.detector_error_model)
        )


def independent_errors(circuit: stim.Circuit) -> stim.DetectorErrorModel | None:
    """Return the DEM from which shots are distributed as those of a circuit; None if there is no such model.

    Channels of errors that exclude each other, such as heralded ones, are no independent errors.
    """
    try:
        return circuit.detector_error_model()
    except ValueError:
        return None


class CompiledEngine(sinter.CompiledSampler):  # type: ignore[misc]
    """The engine for one task.

    Args:
        engine: made for the task.
        take: see `SharedShots.of`.
    """

    def __init__(self, engine: Engine, take: Callable[[int], tuple[int, int]]) -> None:
        self._engine = engine
        self._engine.warm_up()  # sinter times shots alone
        self._take = take

    def sample(self, suggested_shots: int) -> sinter.AnonTaskStats:
        """Draw and decode the next shots."""
        start = time.monotonic()
        seed, first = self._take(suggested_shots)
        counts = self._engine.count(shots=suggested_shots, seed=seed, first_shot=first)
        return sinter.AnonTaskStats(
            shots=counts.shots, errors=counts.errors, seconds=time.monotonic() - start
        )


@dataclass
class CompiledTaskSampler(sinter.CompiledSampler):  # type: ignore[misc]
    """The sampler and the decoder of one task."""

    draw: Callable[[int], _Drawn]
    decoder: Any

    def sample(self, suggested_shots: int) -> sinter.AnonTaskStats:
        """Sample, decode and count; shots that the decoder marks in an extra byte are discarded."""
        start = time.monotonic()
        events, flips = self.draw(suggested_shots)
        predictions = self.decoder.decode_shots_bit_packed(bit_packed_detection_event_data=events)
        kept = np.ones(len(events), dtype=np.bool_)
        if predictions.shape[1] > flips.shape[1]:
            kept = predictions[:, -1] == 0
        wrong = (predictions[:, : flips.shape[1]] != flips).any(axis=1)
        return sinter.AnonTaskStats(
            shots=len(events),
            errors=int(np.count_nonzero(wrong & kept)),
            discards=int(np.count_nonzero(~kept)),
            seconds=time.monotonic() - start,
        )
