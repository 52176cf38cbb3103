"""Streaming decoder with the interface of whole-shot decoders."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import stim
from numpy.typing import ArrayLike

from decoders.base import Decoder, Gaps, Packed, Weights
from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.layers import LayeredModel, model_for
from decoders.streaming.windows import WindowPlan

# Bytes of unpacked detection events per thread.
_CHUNK_BYTES = 1 << 24


class StreamingMWPM(Decoder):
    """Decode each shot in overlapping windows, as `StreamingDecoder` does.

    Its gaps are those of the windows of a shot combined, see `StreamingDecoder.gaps`.
    """

    uses_threads = True
    gives_weights = False
    gives_gaps = True
    rough_cost_us: ClassVar[Mapping[int, float]] = {3: 0.1, 5: 0.4, 7: 1.2, 9: 4.0, 11: 9.0}

    def __init__(self, *, model: LayeredModel, plan: WindowPlan) -> None:
        super().__init__(
            name="mwpm-stream", num_detectors=model.num_detectors, num_observables=model.num_observables
        )
        self._model = model
        self._plan = plan
        # Idle decoders without and with gaps.
        self._idle: tuple[list[StreamingDecoder], list[StreamingDecoder]] = ([], [])

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

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        return self._decode(packed, None, threads=threads), None

    def _decode_with_gaps(self, packed: Packed, *, threads: int) -> tuple[Packed, Weights, Gaps]:
        gaps = np.zeros((packed.shape[0], self.num_observables))
        return self._decode(packed, gaps, threads=threads), np.zeros(0), gaps

    def _decode(self, packed: Packed, gaps: Gaps | None, *, threads: int) -> Packed:
        num_shots = packed.shape[0]
        predictions = np.zeros((num_shots, (self.num_observables + 7) // 8), dtype=np.uint8)
        chunk = max(1, min(num_shots // threads + 1, _CHUNK_BYTES // max(1, self.num_detectors)))
        # Without shots, one empty range compiles the kernels, and raises where a model has no gaps.
        bounds = [*range(0, max(1, num_shots), chunk), num_shots]
        if threads == 1:
            for first, last in pairwise(bounds):
                self._decode_range(packed, predictions, gaps, first, last)
        else:
            with ThreadPoolExecutor(max_workers=threads) as pool:
                running = [
                    pool.submit(self._decode_range, packed, predictions, gaps, first, last)
                    for first, last in pairwise(bounds)
                ]
                for portion in running:  # in order, so that the first invalid shot is reported
                    portion.result()
        return predictions

    def _decode_range(
        self, packed: Packed, predictions: Packed, gaps: Gaps | None, first: int, last: int
    ) -> None:
        idle = self._idle[gaps is not None]
        try:
            decoder = idle.pop()
        except IndexError:
            decoder = StreamingDecoder(model=self._model, plan=self._plan, gaps=gaps is not None)
        try:
            events = np.unpackbits(packed[first:last], axis=1, count=self.num_detectors, bitorder="little")
            decoder.decode_frames(
                decoder.to_frames(events),
                predictions=predictions[first:last],
                gaps=None if gaps is None else gaps[first:last],
                first_shot=first,
            )
        finally:
            idle.append(decoder)
