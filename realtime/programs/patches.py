"""Model of a patch: its decoder and the errors that a source draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import stim

from decoders.streaming.readouts import ReadoutChoiceDecoder
from realtime.programs.layers import PatchLayers


@dataclass(frozen=True, kw_only=True)
class PatchModel:
    """Circuits of a patch that idles, and of its two readouts, as decoders and error layers.

    Attributes:
        idle: circuit of cycles that no readout follows; observables 0 and 1 are those of the bases z and x.
        readouts: circuits of the same cycles with the readout in z and in x.
        layers: errors by layer.
        commit, buffer, decoder: see `StreamingDecoder.from_circuit`.
    """

    idle: stim.Circuit
    readouts: tuple[stim.Circuit, stim.Circuit]
    layers: PatchLayers
    commit: int | None
    buffer: int | None
    decoder: str

    @classmethod
    def from_circuits(
        cls,
        idle: stim.Circuit,
        readouts: Sequence[stim.Circuit],
        *,
        commit: int | None = None,
        buffer: int | None = None,
        decoder: str = "mwpm",
    ) -> PatchModel:
        """Find the layers of a patch; see `PatchLayers.from_circuits` and `ReadoutChoiceDecoder`.

        Raises:
            ValueError: not two readouts, or circuits that do not belong together.
        """
        if len(readouts) != 2:
            raise ValueError(f"{len(readouts)} readouts: give the circuits of the readouts in z and in x")
        z, x = readouts
        made = ReadoutChoiceDecoder(idle=idle, readouts=(z, x), commit=commit, buffer=buffer, decoder=decoder)
        layers = PatchLayers.from_circuits(idle, (z, x), models=made.models)
        return cls(
            idle=idle,
            readouts=(z, x),
            layers=layers,
            commit=made.commit,
            buffer=made.buffer,
            decoder=decoder,
        )

    def make_decoder(self) -> ReadoutChoiceDecoder:
        """Make a decoder of one patch."""
        return ReadoutChoiceDecoder(
            idle=self.idle,
            readouts=self.readouts,
            commit=self.commit,
            buffer=self.buffer,
            decoder=self.decoder,
        )

    @property
    def fewest_cycles(self) -> int:
        """Cycles of the shortest life of a patch, the one of the readout included."""
        return len(self.layers.first) + 1
