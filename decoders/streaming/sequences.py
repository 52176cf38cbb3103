"""Streaming decoder of shots whose next layer is chosen while they run: windows are cut on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.kernels import layout
from decoders.matching.workspace import Pools, SearchGraph, read_only
from decoders.streaming.kernels import stream
from decoders.streaming.kernels.layout import STREAM
from decoders.streaming.layers import LayeredModel
from decoders.streaming.schedule import as_runs
from decoders.streaming.windows import graph_of_layers

# Sizes of graphs that decide on the workspace.
_SIZES = ("num_detectors", "num_adjacent")


class SequenceDecoder:
    """Decoder of shots that are sequences of a model's layers, each layer known when it arrives.

    A window holds up to `commit + buffer` layers, as in `StreamingDecoder`. It ends earlier where an answer
    is due: `buffer` layers after the last one with an error that flips an awaited observable. Graphs of
    windows are cut when they first occur, and kept. Answers depend on the sequence only.

    Args:
        models: whose layers occur in the shots, with the same columns, observables and weights; any layer
            must fit the ones that precede and follow it. More may be appended at any time.
        commit: layers that a window makes final at most, at least 1.
        buffer: further layers of a window, at least the extent of one error.
        last_flips: int64 (observables,): last layer with an error that flips each. Default: those of the
            first model.
        awaited: bool (observables,): those answered as early as possible. Default: none.

    Raises:
        ValueError: regions too short.
    """

    def __init__(
        self,
        *,
        models: Sequence[LayeredModel],
        commit: int,
        buffer: int,
        last_flips: NDArray[np.int64] | None = None,
        awaited: ArrayLike | None = None,
    ) -> None:
        model = models[0]
        if commit < 1:
            raise ValueError(f"commit={commit}: must be at least 1")
        if buffer < model.longest_reach:
            raise ValueError(
                f"buffer={buffer}: must be at least {model.longest_reach}, the extent of one error in cycles"
            )
        self.model, self.commit, self.buffer, self._models = model, commit, buffer, models
        wanted = np.zeros(model.num_observables, dtype=np.bool_) if awaited is None else np.asarray(awaited)
        self._last = model.last_flips if last_flips is None else last_flips
        self._dates = sorted({int(last) for last in self._last[wanted]})
        self._graphs: dict[tuple[tuple[tuple[int, int], ...], int], SearchGraph] = {}
        self._work: SecondWorkspace | None = None
        self._largest = dict.fromkeys(_SIZES, 0)
        self._pools = Pools(STREAM)
        self._pools.own(
            rows=np.zeros((commit + buffer + 1) * model.num_columns, dtype=np.uint8),
            flips=np.zeros((model.num_observables + 7) // 8, dtype=np.uint8),
            runs=as_runs([(0, 0, 1)]),
        )
        self._pools.set(
            num_runs=1,
            num_columns=model.num_columns,
            max_rows=commit + buffer + 1,
            flip_bytes=(model.num_observables + 7) // 8,
        )
        self._none = read_only(np.zeros((0, model.num_columns), dtype=np.uint8))
        self.reset()

    @property
    def flips(self) -> NDArray[np.bool_]:
        """Flips by the errors that are final, bool (observables,)."""
        packed = self._pools.arrays["flips"]
        bits = np.unpackbits(packed, count=self.model.num_observables, bitorder="little")
        return bits.astype(np.bool_)

    @property
    def final_observables(self) -> NDArray[np.bool_]:
        """Observables that no later layer of the shot changes, bool (observables,)."""
        if self._finished:
            return np.ones(self.model.num_observables, dtype=np.bool_)
        return self._last < self._committed

    def reset(self) -> None:
        """Start the next shot."""
        stream.start_shot(self._pools.record)
        self._layers: list[tuple[int, int]] = []  # model, layer
        self._committed = 0  # layers of the model below this number are final
        self._finished = False

    def add(self, row: NDArray[np.uint8], layer: int, *, model: int = 0) -> bool:
        """Append one layer; whether a window is complete, which `decode` has to follow.

        Args:
            row: uint8 (columns,), detection events.
            layer: number of the layer of the model. Numbers do not decrease.
            model: number of the model.
        """
        stream.add_rows(self._pools.record, read_only(row[np.newaxis]), 0)
        self._layers.append((model, layer))
        self._window = self._due()
        if self._window:
            self._prepare()
        return self._window > 0

    def finish(self, row: NDArray[np.uint8], layer: int, *, model: int = 0) -> None:
        """Append the last layer, made from the data readouts; `decode` then ends the shot."""
        stream.add_rows(self._pools.record, read_only(row[np.newaxis]), 0)
        self._layers.append((model, layer))
        self._window, self._finished = 0, True
        self._prepare()

    def decode(self) -> None:
        """Decode the window that `add` or `finish` completed.

        Raises:
            ValueError: no error explains the detection events.
        """
        assert self._work is not None
        record, graph, work = self._pools.record, self._graph.record, self._work
        while True:
            if self._finished:
                status = stream.finish_shot(record, graph, work.record)
            else:
                _, status = stream.push_layers(record, graph, work.record, self._none, 0, 0)
            if status != layout.FULL:
                break
            work.grow()
        if status == layout.NO_PARTNER:
            raise ValueError("no error explains the detection events of a window")
        if not self._finished:
            self._layers = self._layers[self._window :]
            self._committed = self._layers[0][1]

    def decode_shot(
        self, rows: NDArray[np.uint8], layers: NDArray[np.int64], models: NDArray[np.int64] | None = None
    ) -> NDArray[np.bool_]:
        """Decode one shot.

        Args:
            rows: uint8 (layers, columns).
            layers: int64 (layers,), their numbers in the models.
            models: int64 (layers,), numbers of the models. Default: the first one.

        Returns:
            bool (observables,): the prediction.
        """
        self.reset()
        *before, last = zip(
            layers.tolist(), [0] * len(layers) if models is None else models.tolist(), strict=True
        )
        for row, (layer, model) in zip(rows[:-1], before, strict=True):
            if self.add(row, layer, model=model):
                self.decode()
        self.finish(rows[-1], last[0], model=last[1])
        self.decode()
        return self.flips

    def _due(self) -> int:
        """Return the number of layers that a window of all layers so far commits; 0: it is not complete."""
        for last in self._dates:
            if self._committed <= last < self._layers[-1][1]:
                wanted = sum(layer <= last for _, layer in self._layers)
                if wanted and len(self._layers) - wanted >= self.buffer:
                    return wanted
        return self.commit if len(self._layers) == self.commit + self.buffer else 0

    def _prepare(self) -> None:
        """Choose the graph of the next window, which is cut when it first occurs."""
        layers, commit = tuple(self._layers), self._window
        if (layers, commit) not in self._graphs:
            made = graph_of_layers(
                [(self._models[model], layer) for model, layer in layers],
                open_future=commit > 0,
                commit=(0, commit) if commit else None,
            )
            self._graphs[layers, commit] = made
            if self._work is None or any(made.record[size][0] > self._largest[size] for size in _SIZES):
                everything = self._graphs.values()
                self._largest = {size: max(int(one.record[size][0]) for one in everything) for size in _SIZES}
                self._work = SecondWorkspace(*everything)
        self._graph = self._graphs[layers, commit]
        self._pools.set(window=len(layers), commit=commit, run=0, graph=0)
