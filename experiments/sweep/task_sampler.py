"""Sampling and decoding of sinter's tasks: by the engine where possible, with leakage where devices leak."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sinter
import stim

import decoders
from decoders.sinter_adapter import SinterDecoder
from experiments.common.sampling import MemorySampler
from experiments.common.workers import die_with_parent
from experiments.engine import Engine
from qec.noise import LeakageModel


@dataclass(frozen=True)
class TaskSampler(sinter.Sampler):  # type: ignore[misc]
    """Samples and decodes sinter's tasks.

    The engine does both in one loop if the circuit's noise is a detector error model. Otherwise stim samples,
    or our sampler where the task's metadata say that qubits leak, which a circuit cannot hold.

    Attributes:
        decoder: name and gap threshold.
        models: text of a leakage model, as in the metadata under "leakage", -> the model.
    """

    decoder: SinterDecoder
    models: Mapping[str, LeakageModel]

    def compiled_sampler_for_task(self, task: sinter.Task) -> sinter.CompiledSampler:
        """Compile the sampler and the decoder of one task."""
        die_with_parent()
        text = task.json_metadata.get("leakage")
        leakage = None if text is None else self.models[text]
        if leakage is None and self.decoder.gap_threshold is None:
            model = independent_errors(task.circuit)
            if model is not None:
                return CompiledEngine(model, decoders.from_dem(self.decoder.name, task.detector_error_model))
        return CompiledTaskSampler(
            sampler=MemorySampler(task.circuit, leakage=leakage, seed=None),
            decoder=self.decoder.compile_decoder_for_dem(dem=task.detector_error_model),
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
    """The engine for one task, with a seed of its own.

    Args:
        model: errors that are drawn.
        decoder: made for the task.
    """

    def __init__(self, model: stim.DetectorErrorModel, decoder: decoders.Decoder) -> None:
        self._engine = Engine(dem=model, decoder=decoder)
        self._engine.warm_up()  # sinter times shots alone
        self._seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        self._next_shot = 0

    def sample(self, suggested_shots: int) -> sinter.AnonTaskStats:
        """Draw and decode the next shots."""
        start = time.monotonic()
        counts = self._engine.count(shots=suggested_shots, seed=self._seed, first_shot=self._next_shot)
        self._next_shot += suggested_shots
        return sinter.AnonTaskStats(
            shots=counts.shots, errors=counts.errors, seconds=time.monotonic() - start
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
