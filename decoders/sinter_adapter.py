"""Adapter to sinter: all decoders of the registry as `sinter.Decoder` objects."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import sinter
import stim
from numpy.typing import NDArray

from decoders import registry
from decoders.base import Decoder
from decoders.model.hyperedges import TREATMENTS, Hyperedges

# Separates a decoder's name from its gap threshold, in the names that sinter sees.
_GAP = "-gap-"


class CompiledSinterDecoder(sinter.CompiledDecoder):  # type: ignore[misc]
    """A decoder for one DEM with sinter's interface."""

    def __init__(self, decoder: Decoder, gap_threshold: float | None = None) -> None:
        self._decoder = decoder
        self._gap_threshold = gap_threshold

    def decode_shots_bit_packed(
        self, *, bit_packed_detection_event_data: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Decode bit-packed shots.

        Args:
            bit_packed_detection_event_data: uint8 (shots, ceil(detectors / 8)).

        Returns:
            uint8 (shots, ceil(observables / 8)); with a gap threshold one more byte per shot, 1 where a gap
            is below the threshold, which makes sinter discard the shot.
        """
        events = bit_packed_detection_event_data
        if self._gap_threshold is None:
            return self._decoder.decode_batch(events, bit_packed=True)
        predictions, gaps = self._decoder.decode_batch(events, bit_packed=True, return_gap=True)
        discarded = (gaps < self._gap_threshold).any(axis=1, keepdims=True)
        return np.concatenate([predictions, discarded], axis=1, dtype=np.uint8)


@dataclass(frozen=True)
class SinterDecoder(sinter.Decoder):  # type: ignore[misc]
    """A decoder by name, as sinter pickles it to worker processes and compiles it once per task.

    With `gap_threshold`, shots with a smaller gap of any observable are discarded. `hyperedges`: see
    `decoders.from_dem`.
    """

    name: str
    gap_threshold: float | None = None
    hyperedges: Hyperedges = "refuse"

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> CompiledSinterDecoder:
        """Construct the decoder for a task's DEM and compile its kernels: sinter times decoding alone."""
        decoder = registry.from_dem(self.name, dem, hyperedges=self.hyperedges)
        decoder.warm_up(gaps=self.gap_threshold is not None)
        return CompiledSinterDecoder(decoder, self.gap_threshold)


def sinter_decoders(
    *, gap_thresholds: Iterable[float] = (), hyperedges: Iterable[Hyperedges] = ()
) -> dict[str, sinter.Decoder]:
    """Return all decoders for `sinter.collect(custom_decoders=...)`.

    From a shell: `sinter collect --custom_decoders_module_function decoders:sinter_decoders
    --decoders NAME`.

    sinter has its own decoders "pymatching" and "pymatching-correlated". With this dict, ours replace them
    under these names (sinter looks here first); both call PyMatching with the same settings and return the
    same predictions, so results under one name may be combined. The difference: ours reject a DEM with
    undecomposed hyperedges, where PyMatching silently drops these errors.

    sinter decomposes the errors of a task's circuit, which fails for some codes (colour codes). For these,
    pass `sinter.Task(circuit=c, detector_error_model=c.detector_error_model())` and use "trellis", or
    a decoder such as "mwpm-decompose" of `hyperedges`.

    Args:
        gap_thresholds: Each adds, for every decoder with gaps, a decoder such as "mwpm-gap-5" that discards
            shots with a gap below 5. The threshold is part of the name because sinter combines results of
            equal names regardless of settings.
        hyperedges: Treatments of errors with more than two detectors, as in `decoders.from_dem`. Each adds,
            for every decoder that does not take such errors, one such as "mwpm-decompose", and with a
            threshold "mwpm-decompose-gap-5".

    Raises:
        ValueError: As in `sinter_decoder`.

    Examples:
        >>> from decoders import sinter_decoders
        >>> sorted(sinter_decoders(gap_thresholds=[5]))[:3]
        ['belief-matching', 'belief-matching-gap-5', 'mwpm']
    """
    names, with_gaps = registry.names(), registry.with_gaps() if gap_thresholds else []
    for treatment in hyperedges:
        able = [name for name in registry.names() if not registry.decoder_class(name).takes_hyperedges]
        names += [f"{name}-{treatment}" for name in able]
        with_gaps += [f"{name}-{treatment}" for name in able if name in with_gaps]
    for threshold in gap_thresholds:
        names += [f"{name}{_GAP}{threshold:.15g}" for name in with_gaps]
    return {name: sinter_decoder(name) for name in names}


def sinter_decoder(name: str) -> SinterDecoder:
    """Return one decoder for sinter.

    Args:
        name: As in `sinter_decoders`, with or without a treatment of hyperedges and a threshold.

    Raises:
        ValueError: no decoder has this name, it gives no gaps, or the threshold is not above zero.
    """
    full, found, words = name.rpartition(_GAP)
    if not found:
        return SinterDecoder(*_split_treatment(name))
    base, _, treatment = _split_treatment(full)
    if not registry.decoder_class(base).gives_gaps:
        able = ", ".join(registry.with_gaps())
        raise ValueError(f"'{name}': decoder '{base}' gives no gaps; choose from {able}")
    try:
        threshold = float(words)
    except ValueError:
        threshold = math.nan
    if not 0 < threshold < math.inf:
        raise ValueError(f"'{name}': in '{full}{_GAP}T', the gap threshold T must be a number above zero")
    return SinterDecoder(base, threshold, treatment)


def _split_treatment(name: str) -> tuple[str, None, Hyperedges]:
    """Split "mwpm-decompose" into decoder and treatment of hyperedges."""
    if name in registry.names():  # a known decoder is not imported before it is used
        return name, None, "refuse"
    for treatment in TREATMENTS:
        base = name.removesuffix(f"-{treatment}")
        if base in registry.names():
            return base, None, treatment
    registry.decoder_class(name)
    return name, None, "refuse"
