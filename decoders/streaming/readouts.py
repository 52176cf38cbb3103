"""Streaming decoder of a patch whose readout is chosen while it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.streaming.decoder import StreamingDecoder
from decoders.streaming.layers import LayeredModel, graphlike_dem, model_for
from decoders.streaming.parts import GapParts, StreamParts
from decoders.streaming.windows import WindowPlan


class ReadoutChoiceDecoder:
    """Decoder of shots of any length that end with one of several readouts.

    Windows are those of a model without readout, so that no committed correction depends on the choice; the
    ending of a shot is decoded with the model of its readout. For loops that call the kernels (see `parts`)
    and, shot by shot, for their check (see `decode`).

    Args:
        models: layers of cycles that no readout follows, then of each readout after such cycles.
        plan: windows, the same for all.
        gaps: whether to find the gap of each outcome, see `StreamingDecoder.gaps`.

    Raises:
        ValueError: models with other columns or observables than the first, without a repeating part, or
            without gaps.
    """

    def __init__(self, *, models: Sequence[LayeredModel], plan: WindowPlan, gaps: bool = False) -> None:
        _check_models(models)
        self.models, self.plan, self.has_gaps = tuple(models), plan, gaps
        everything = [StreamingDecoder(model=model, plan=self.plan, gaps=gaps) for model in models]
        parts = [one.parts() for one in everything]
        first, *endings = parts
        if len({(part.most_layers, part.fewest_layers, part.period) for part in endings}) > 1:
            raise ValueError("readouts of different lengths: all must take as many cycles")
        self._owners = everything  # of the memory of the records
        self._of_readout = [StreamingDecoder(model=model, plan=self.plan, gaps=gaps) for model in models[1:]]
        work = SecondWorkspace(*(graph for one in everything for graph in one.search_graphs()))
        digest = hashlib.sha256(b"".join(part.digest for part in parts)).digest()
        self._parts = first._replace(
            endings=np.concatenate([part.endings for part in endings]),
            work=work,
            most_layers=endings[0].most_layers,
            fewest_layers=endings[0].fewest_layers,
            num_readouts=len(endings),
            measurements=None,
            digest=digest,
            gaps=_joined_gaps(everything) if gaps else None,
        )

    @classmethod
    def from_circuits(
        cls,
        idle: stim.Circuit,
        readouts: Sequence[stim.Circuit],
        *,
        commit: int | None = None,
        buffer: int | None = None,
        decoder: str = "mwpm",
        gaps: bool = False,
    ) -> ReadoutChoiceDecoder:
        """Construct the decoder of some circuits.

        Args:
            idle: cycles that no readout follows, with all observables.
            readouts: the same cycles with each readout, and as many observables.
            commit, buffer, decoder, gaps: see `StreamingDecoder.from_circuit`.

        Raises:
            ValueError: as `StreamingDecoder.from_circuit`, or circuits that do not belong together.
        """
        models = [model_for(decoder, graphlike_dem(circuit, "refuse")) for circuit in (idle, *readouts)]
        plan = WindowPlan.for_model(models[0], commit=commit, buffer=buffer)
        return cls(models=models, plan=plan, gaps=gaps)

    @property
    def num_observables(self) -> int:
        """Number of observables."""
        return self.models[0].num_observables

    @property
    def num_readouts(self) -> int:
        """Number of readouts."""
        return self._parts.num_readouts

    @property
    def commit(self) -> int:
        """Cycles that a window makes final."""
        return self.plan.commit

    @property
    def buffer(self) -> int:
        """Cycles of a window after those that it makes final."""
        return self.plan.buffer

    def parts(self) -> StreamParts:
        """Return the records of the kernels; see `StreamingDecoder.parts`."""
        return self._parts

    def of_readout(self, readout: int) -> StreamingDecoder:
        """Return a decoder of shots with one readout, which shares no memory with `parts`."""
        return self._of_readout[readout]

    def decode(self, layers: NDArray[np.uint8], *, readout: int) -> NDArray[np.bool_]:
        """Decode one shot as the `StreamingDecoder` of its readout does, which shares no memory with `parts`.

        Args:
            layers: uint8 (layers, columns), the readout's layer included.
            readout: number of the readout that ended the shot.

        Returns:
            bool (observables,); valid are those that the readout measures.
        """
        whole = self._of_readout[readout]
        whole.reset()
        whole.push(layers[:-1])
        return whole.finish(layers[-1])

    def gap(self, *, readout: int) -> float:
        """Return the gap of the measured observable in the shot that `decode` decoded last."""
        return float(self._of_readout[readout].gaps[readout])


def _joined_gaps(everything: Sequence[StreamingDecoder]) -> GapParts:
    """Return the gaps of the first decoder's windows and of the endings of the others."""
    calls = [one.gap_calls for one in everything]
    if len({one.weight_scale for one in calls}) > 1:
        raise ValueError("no gaps: the readouts' models have weights of different scales")
    calls[0].share_workspace(calls[1:])
    first, *others = (one.parts().gaps for one in everything)
    assert first is not None
    return first._replace(endings=np.concatenate([one.endings for one in others if one is not None]))


def _check_models(models: Sequence[LayeredModel]) -> None:
    idle = models[0]
    for model in models:
        if not model.bulk:
            raise ValueError("a circuit without a repeating part: patches need shots of any length")
        if model.num_observables != idle.num_observables:
            raise ValueError(
                f"a readout with {model.num_observables} observables, the idle circuit has "
                f"{idle.num_observables}: declare all observables in every circuit"
            )
        if not np.array_equal(model.stabilizers, idle.stabilizers):
            raise ValueError("a readout with other stabilizers than the idle circuit")
