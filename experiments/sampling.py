"""Sampling of memories: by stim, or with leakage where the noise model has it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sinter
import stim
from numpy.typing import NDArray

from decoders.layers import LayeredModel
from experiments.workers import die_with_parent
from qec.noise import LeakageModel
from qec.sampling import LeakageSampler
from realtime.playlist import Playlist
from realtime.sampling import sample_events

Packed = NDArray[np.uint8]

# The program of a circuit with leakage is held unrolled: some 20 operations of 100 bytes for a measurement.
_MOST_MEASUREMENTS = 1 << 18


class MemorySampler:
    """Detection events and observables of a memory, one call after the other.

    Args:
        circuit: with noise.
        leakage: how qubits leak; None: not at all.
        seed: of everything; None: drawn from the system.

    Raises:
        ValueError: a circuit that cannot be sampled with leakage.
    """

    def __init__(self, circuit: stim.Circuit, *, leakage: LeakageModel | None, seed: int | None) -> None:
        self._stim: stim.CompiledDetectorSampler | None = None
        if leakage is None:
            self._stim = circuit.compile_detector_sampler(seed=seed)
            return
        self._leaking = leakage_sampler(circuit, leakage)
        self._seed = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
        self._next_shot = 0

    def sample(self, shots: int) -> tuple[Packed, Packed]:
        """Draw the next shots: events and flips, bit-packed uint8 (shots, bytes) each."""
        if self._stim is not None:
            events, flips = self._stim.sample(shots, separate_observables=True, bit_packed=True)
            return events, flips
        found = self._leaking.sample(shots=shots, seed=self._seed, first_shot=self._next_shot)
        self._next_shot += shots
        return found.events, found.flips


def leakage_sampler(circuit: stim.Circuit, leakage: LeakageModel) -> LeakageSampler:
    """The sampler of a circuit with leakage.

    Raises:
        ValueError: a circuit that is too long to be held unrolled, or that has other gates.
    """
    if circuit.num_measurements > _MOST_MEASUREMENTS:
        raise ValueError(
            f"circuits with leakage are simulated with at most {_MOST_MEASUREMENTS:,} measurements, "
            f"and this one has {circuit.num_measurements:,}: take fewer cycles, or a device without [leakage]"
        )
    return LeakageSampler(circuit, model=leakage)


def sample_playlist(
    circuit: stim.Circuit,
    *,
    leakage: LeakageModel | None,
    shots: int,
    seed: int,
    model: LayeredModel,
    progress: Callable[[int, int], None] | None = None,
) -> Playlist:
    """Shots of a memory to be played to a streaming decoder; see `realtime.sampling.sample_events`.

    Raises:
        ValueError: as `sample_events` and `leakage_sampler`.
    """
    if leakage is None:
        return sample_events(circuit, shots=shots, seed=seed, model=model, progress=progress)
    events, flips = MemorySampler(circuit, leakage=leakage, seed=seed).sample(shots)
    return Playlist.from_events(
        model=model,
        detection_events=np.unpackbits(events, axis=1, count=circuit.num_detectors, bitorder="little"),
        observable_flips=np.unpackbits(flips, axis=1, count=circuit.num_observables, bitorder="little"),
    )


@dataclass(frozen=True)
class TaskSampler(sinter.Sampler):  # type: ignore[misc]
    """Samples and decodes sinter's tasks, with leakage where the task's metadata say so.

    sinter's own sampling knows circuits only, which cannot hold leakage.

    Attributes:
        decoder: as sinter takes it.
        models: text of a leakage model, as in the metadata under "leakage", -> the model.
    """

    decoder: Any
    models: Mapping[str, LeakageModel]

    def compiled_sampler_for_task(self, task: sinter.Task) -> "CompiledTaskSampler":
        """Compile the sampler and the decoder of one task."""
        die_with_parent()
        text = task.json_metadata.get("leakage")
        return CompiledTaskSampler(
            sampler=MemorySampler(
                task.circuit, leakage=None if text is None else self.models[text], seed=None
            ),
            decoder=self.decoder.compile_decoder_for_dem(dem=task.detector_error_model),
        )


@dataclass
class CompiledTaskSampler(sinter.CompiledSampler):  # type: ignore[misc]
    """The sampler and the decoder of one task."""

    sampler: MemorySampler
    decoder: Any

    def sample(self, suggested_shots: int) -> sinter.AnonTaskStats:
        """Sample, decode and count; shots that the decoder marks in an extra byte are discarded."""
        start = time.monotonic()
        events, flips = self.sampler.sample(suggested_shots)
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
