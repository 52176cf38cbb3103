"""Our decoders as sinter takes them."""

from dataclasses import dataclass

import numpy as np
import sinter
import stim
from numpy.typing import NDArray

from decoders import registry
from decoders.base import Decoder


class CompiledSinterDecoder(sinter.CompiledDecoder):  # type: ignore[misc]
    """A decoder for one DEM behind sinter's interface."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder

    def decode_shots_bit_packed(
        self, *, bit_packed_detection_event_data: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Predict: uint8 (shots, ceil(detectors / 8)) -> uint8 (shots, ceil(observables / 8))."""
        return self._decoder.decode_batch(bit_packed_detection_event_data, bit_packed=True)


@dataclass(frozen=True)
class SinterDecoder(sinter.Decoder):  # type: ignore[misc]
    """One of our decoders by name: pickles to worker processes, compiled there once per task."""

    name: str

    def compile_decoder_for_dem(self, *, dem: stim.DetectorErrorModel) -> CompiledSinterDecoder:
        """Make the decoder for a task's DEM."""
        return CompiledSinterDecoder(registry.from_dem(self.name, dem))


def sinter_decoders() -> dict[str, sinter.Decoder]:
    """All our decoders for `sinter.collect(custom_decoders=...)`.

    From a shell: `sinter collect --custom_decoders_module_function decoders:sinter_decoders
    --decoders NAME`.

    sinter has decoders of its own named "pymatching" and "pymatching-correlated". When this dict is
    given, ours are used under these names (sinter looks there first); both call PyMatching with the
    same settings and predict the same, so results under one name may be added up. The difference:
    ours refuse a DEM with undecomposed hyperedges, where PyMatching would leave these errors out.
    """
    return {name: SinterDecoder(name) for name in registry.names()}
