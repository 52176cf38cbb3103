"""Streaming decoder with the interface of whole-shot decoders."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import stim
from numpy.typing import ArrayLike

from decoders.base import Decoder, Packed, Weights
from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.layers import LayeredModel, model_for
from decoders.streaming.windows import WindowPlan

# Bytes of unpacked detection events per thread.
_CHUNK_BYTES = 1 << 24


class StreamingMWPM(Decoder):
    """Decode each shot in overlapping windows, as `StreamingDecoder` does."""

    uses_threads = True
    gives_weights = False
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 0.1, 5: 0.4, 7: 1.2, 9: 4.0, 11: 9.0}

    def __init__(self, *, model: LayeredModel, plan: WindowPlan) -> None:
        super().__init__(
            name="mwpm-stream", num_detectors=model.num_detectors, num_observables=model.num_observables
        )
        self._model = model
        self._plan = plan
        self._idle: list[StreamingDecoder] = []

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        # Records hold addresses, which are meaningless in a copy or in another process.
        return partial(type(self), model=self._model, plan=self._plan), ()

    @classmethod
    def from_dem(
        cls,
        dem: stim.DetectorErrorModel,
        *,
        commit: int | None = None,
        buffer: int | None = None,
        decoder: str = "mwpm",
        layers: ArrayLike | None = None,
    ) -> Self:
        """Construct the decoder for a DEM whose detectors have time coordinates, or given layers.

        Args:
            dem: see `LayeredModel.from_dem`.
            commit, buffer, decoder, layers: see `StreamingDecoder.from_circuit`.

        Raises:
            ValueError: an unknown decoder, a model without layers, or regions too short for it.
        """
        model = model_for(decoder, dem, layers=layers)
        return cls(model=model, plan=WindowPlan.for_model(model, commit=commit, buffer=buffer))

    def warm_up(self, *, gaps: bool = False) -> None:
        """Compile the kernels; see `Decoder.warm_up`."""
        super().warm_up(gaps=gaps)  # raises an error if gaps are requested
        none = np.zeros((0, (self.num_detectors + 7) // 8), dtype=np.uint8)
        self._decode_range(none, np.zeros((0, (self.num_observables + 7) // 8), dtype=np.uint8), 0, 0)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        num_shots = packed.shape[0]
        predictions = np.zeros((num_shots, (self.num_observables + 7) // 8), dtype=np.uint8)
        chunk = max(1, min(num_shots // threads + 1, _CHUNK_BYTES // max(1, self.num_detectors)))
        bounds = [*range(0, num_shots, chunk), num_shots]
        if threads == 1:
            for first, last in pairwise(bounds):
                self._decode_range(packed, predictions, first, last)
        else:
            with ThreadPoolExecutor(max_workers=threads) as pool:
                running = [
                    pool.submit(self._decode_range, packed, predictions, first, last)
                    for first, last in pairwise(bounds)
                ]
                for portion in running:  # in order, so that the first invalid shot is reported
                    portion.result()
        return predictions, None

    def _decode_range(self, packed: Packed, predictions: Packed, first: int, last: int) -> None:
        try:
            decoder = self._idle.pop()
        except IndexError:
            decoder = StreamingDecoder(model=self._model, plan=self._plan)
        try:
            events = np.unpackbits(packed[first:last], axis=1, count=self.num_detectors, bitorder="little")
            decoder.decode_frames(
                decoder.to_frames(events), predictions=predictions[first:last], first_shot=first
            )
        finally:
            self._idle.append(decoder)
