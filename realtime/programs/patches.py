"""Model of a patch: its decoder and the errors that a source draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import stim

from decoders.streaming.layers import LayeredModel
from decoders.streaming.readouts import ReadoutChoiceDecoder
from decoders.streaming.windows import WindowPlan
from realtime.programs.layers import PatchLayers


@dataclass(frozen=True, kw_only=True)
class PatchModel:
    """Decoder and error layers of a patch with a readout in z and one in x.

    Attributes:
        models: layers of the decoder; see `ReadoutChoiceDecoder`.
        plan: its windows.
        layers: errors by layer. Observables 0 and 1 are those of the bases z and x.
    """

    models: tuple[LayeredModel, ...]
    plan: WindowPlan
    layers: PatchLayers

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
        """Find the layers of circuits; see `PatchLayers.from_circuits` and `ReadoutChoiceDecoder`.

        Raises:
            ValueError: not two readouts, or circuits that do not belong together.
        """
        if len(readouts) != 2:
            raise ValueError(f"{len(readouts)} readouts: give the circuits of the readouts in z and in x")
        made = ReadoutChoiceDecoder.from_circuits(
            idle, readouts, commit=commit, buffer=buffer, decoder=decoder
        )
        layers = PatchLayers.from_circuits(idle, readouts, models=made.models)
        return cls(models=made.models, plan=made.plan, layers=layers)

    def make_decoder(self, *, gaps: bool = False) -> ReadoutChoiceDecoder:
        """Make a decoder of one patch, with the gaps of its outcomes or without."""
        return ReadoutChoiceDecoder(models=self.models, plan=self.plan, gaps=gaps)

    @property
    def fewest_cycles(self) -> int:
        """Cycles of the shortest life of a patch, the one of the readout included."""
        return len(self.layers.first) + 1
