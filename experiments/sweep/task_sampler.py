"""Sampling and decoding of sinter's tasks where devices leak."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sinter

from experiments.common.sampling import MemorySampler
from experiments.common.workers import die_with_parent
from qec.noise import LeakageModel


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
