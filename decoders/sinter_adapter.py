"""Our decoders as sinter takes them."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import sinter
import stim
from numpy.typing import NDArray

from decoders import registry
from decoders.base import Decoder

# Between a decoder's name and the threshold of its gap, in the names that sinter sees.
_GAP = "-gap-"


class CompiledSinterDecoder(sinter.CompiledDecoder):  # type: ignore[misc]
    """A decoder for one DEM behind sinter's interface."""

    def __init__(self, decoder: Decoder, gap_threshold: float | None = None) -> None:
        self._decoder = decoder
        self._gap_threshold = gap_threshold

    def decode_shots_bit_packed(
        self, *, bit_packed_detection_event_data: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Predict: uint8 (shots, ceil(detectors / 8)) -> uint8 (shots, ceil(observables / 8)).

        With a threshold one byte more for each shot: 1 where a gap is below it, which sinter discards.
        """
        events = bit_packed_detection_event_data
        if self._gap_threshold is None:
            return self._decoder.decode_batch(events, bit_packed=True)
        predictions, gaps = self._decoder.decode_batch(events, bit_packed=True, return_gap=True)
        discarded = (gaps < self._gap_threshold).any(axis=1, keepdims=True)
        return np.concatenate([predictions, discarded], axis=1, dtype=np.uint8)


@dataclass(frozen=True)
class SinterDecoder(sinter.Decoder):  # type: ignore[misc]
    """One of our decoders by name: pickles to worker processes, compiled there once per task.

    With `gap_threshold`, shots of which any observable's gap is smaller are discarded.
    """

    name: str
    gap_threshold: float | None = None

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> CompiledSinterDecoder:
        """Make the decoder for a task's DEM and compile its kernels: sinter times decoding alone."""
        decoder = registry.from_dem(self.name, dem)
        decoder.warm_up(gaps=self.gap_threshold is not None)
        return CompiledSinterDecoder(decoder, self.gap_threshold)


def sinter_decoders(*, gap_thresholds: Iterable[float] = ()) -> dict[str, sinter.Decoder]:
    """All our decoders for `sinter.collect(custom_decoders=...)`.

    From a shell: `sinter collect --custom_decoders_module_function decoders:sinter_decoders
    --decoders NAME`.

    sinter has decoders of its own named "pymatching" and "pymatching-correlated". When this dict is
    given, ours are used under these names (sinter looks there first); both call PyMatching with the
    same settings and predict the same, so results under one name may be added up. The difference:
    ours refuse a DEM with undecomposed hyperedges, where PyMatching would leave these errors out.

    sinter decomposes the errors of a task's circuit, which fails for some (colour codes). Give such a
    task its model, `sinter.Task(circuit=c, detector_error_model=c.detector_error_model())`, for "trellis".

    Args:
        gap_thresholds: for each of them and each decoder that gives gaps one decoder more, such as
            "mwpm-gap-5": it discards shots with a gap below 5. The threshold stands in the name
            because sinter adds up results of equal names, whatever the settings.

    Raises:
        ValueError: as `sinter_decoder`.
    """
    names = registry.names()
    for threshold in gap_thresholds:
        names += [f"{name}{_GAP}{threshold:.15g}" for name in registry.with_gaps()]
    return {name: sinter_decoder(name) for name in names}


def sinter_decoder(name: str) -> SinterDecoder:
    """One decoder for sinter, by a name as in `sinter_decoders`, with or without a threshold.

    Raises:
        ValueError: no decoder has this name, it gives no gaps, or the threshold is not above zero.
    """
    base, found, words = name.rpartition(_GAP)
    if not found:
        if name not in registry.names():  # a known one is not imported before it is used
            registry.decoder_class(name)
        return SinterDecoder(name)
    if not registry.decoder_class(base).gives_gaps:
        able = ", ".join(registry.with_gaps())
        raise ValueError(f"decoder '{base}' gives no gaps, as '{name}' needs: {able} do")
    try:
        threshold = float(words)
    except ValueError:
        threshold = math.nan
    if not 0 < threshold < math.inf:
        raise ValueError(f"'{name}': {base}{_GAP}T discards shots with a gap below T, a number above zero")
    return SinterDecoder(base, threshold)
