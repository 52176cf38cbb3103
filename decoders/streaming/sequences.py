"""Streaming decoder of shots whose next layer is chosen while they run: windows are cut on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.kernels import layout
from decoders.matching.workspace import Pools, SearchGraph, read_only
from decoders.streaming.kernels import sequences as kernels
from decoders.streaming.kernels.layout import NO_WINDOW, NOT_CUT, SEQUENCE, SEQUENCE_STEP, STREAM
from decoders.streaming.layers import LayeredModel
from decoders.streaming.schedule import as_runs
from decoders.streaming.windows import graph_of_layers

# Sizes of graphs that decide on the workspace.
_SIZES = ("num_detectors", "num_adjacent")
#: Memory of the graphs that a decoder keeps, in bytes.
GRAPH_BYTES = 512 << 20
# Most graphs that are kept, however small.
_MAX_GRAPHS = 1 << 13
# Most steps of the table, which begins anew when it is full.
_MAX_STEPS = 1 << 17
# Larger than the number of any layer.
_END = 1 << 40

# Layers of a window or of a state, as symbols: their numbers among the layers of all models.
_Layers = tuple[int, ...]


class _Kept(NamedTuple):
    """A graph that is kept, and its place in the kernels' table."""

    graph: SearchGraph
    place: int


class SequenceDecoder:
    """Decoder of shots that are sequences of a model's layers, each layer known when it arrives.

    A window holds up to `commit + buffer` layers, as in `StreamingDecoder`. It ends earlier where an answer
    is due: `buffer` layers after the last one with an error that flips an awaited observable. The last layer
    of a model, made from the data readouts, ends the shot. Answers depend on the sequence only.

    The uncommitted layers are the state of the decoder. Each layer leads from one state to another, and
    completes a window or not: a table of these steps, which grows when a step first occurs, is what the
    compiled code walks along. Graphs of windows are cut when they first occur, and kept as far as memory
    permits; those that have not been used for longest are forgotten.

    Args:
        models: whose layers occur in the shots, with the same columns, observables and weights; any layer
            must fit the ones that precede and follow it. More may be appended at any time.
        commit: layers that a window makes final at most, at least 1.
        buffer: further layers of a window, at least the extent of one error.
        last_flips: int64 (observables,): last layer with an error that flips each. Default: those of the
            first model.
        awaited: bool (observables,): those answered as early as possible. Default: none.
        graph_bytes: memory of the graphs that are kept; the one in use is kept in any case.

    Attributes:
        num_cut: graphs cut so far.
        num_graph_bytes: memory of the graphs that are kept.
        has_forgotten: whether memory was too small for all graphs.

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
        graph_bytes: int = GRAPH_BYTES,
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
        last = model.last_flips if last_flips is None else last_flips
        self._dates = sorted({int(one) for one in last[wanted]})
        self._graph_bytes = graph_bytes
        self.num_cut = self.num_graph_bytes = 0
        self.has_forgotten = False
        self._graphs: dict[_Layers, _Kept] = {}  # of windows, by their layers
        self._free = list(range(_MAX_GRAPHS))
        self._work: SecondWorkspace | None = None
        self._largest = dict.fromkeys(_SIZES, 0)
        self._stream = Pools(STREAM)
        self._stream.own(
            rows=np.zeros((commit + buffer + 1) * model.num_columns, dtype=np.uint8),
            flips=np.zeros((model.num_observables + 7) // 8, dtype=np.uint8),
            runs=as_runs([(0, 0, 1)]),
        )
        self._stream.set(
            num_runs=1,
            num_columns=model.num_columns,
            max_rows=commit + buffer + 1,
            flip_bytes=(model.num_observables + 7) // 8,
        )
        self._pools = Pools(SEQUENCE)
        self._pools.own(
            stream=self._stream.record,
            first_step=np.full(_MAX_STEPS + 2, -1, dtype=np.int64),
            steps=np.zeros(_MAX_STEPS, dtype=SEQUENCE_STEP),
            graphs=np.zeros(_MAX_GRAPHS, dtype=layout.GRAPH),
            used=np.zeros(_MAX_GRAPHS, dtype=np.int64),
            last_flips=np.ascontiguousarray(last, dtype=np.int64),
        )
        self._pools.set(
            max_states=_MAX_STEPS + 2,  # a new table begins with up to two
            max_steps=_MAX_STEPS,
            max_graphs=_MAX_GRAPHS,
            num_observables=model.num_observables,
        )
        self._forget_steps(())
        self.reset()

    @property
    def record(self) -> NDArray[np.void]:
        """SEQUENCE (1,), for kernels; valid as long as this object."""
        return self._pools.record

    @property
    def flips(self) -> NDArray[np.bool_]:
        """Flips by the errors that are final, bool (observables,)."""
        packed = self._stream.arrays["flips"]
        bits = np.unpackbits(packed, count=self.model.num_observables, bitorder="little")
        return bits.astype(np.bool_)

    @property
    def final_observables(self) -> NDArray[np.bool_]:
        """Observables that no later layer of the shot changes, bool (observables,)."""
        final: NDArray[np.bool_] = self._pools.arrays["last_flips"] < self._pools.record["committed"][0]
        return final

    def symbol_of(self, layer: int, model: int = 0) -> int:
        """Return the number of a model's layer among those of all models."""
        return model * self.model.num_layers + layer

    def reset(self) -> None:
        """Start the next shot."""
        kernels.start_sequence(self._pools.record)

    def push(
        self, rows: NDArray[np.uint8], layers: NDArray[np.int64], models: NDArray[np.int64] | None = None
    ) -> None:
        """Append layers, and decode the windows that they complete.

        Args:
            rows: uint8 (layers, columns), detection events.
            layers: int64 (layers,), their numbers in the models. Numbers do not decrease, also from call to
                call.
            models: int64 (layers,), numbers of the models. Default: the first one.

        Raises:
            ValueError: no error explains the detection events.
        """
        symbols = np.array(layers, dtype=np.int64)
        if models is not None:
            symbols += models * self.model.num_layers
        rows, at = read_only(rows), 0
        while True:
            at, status = kernels.push_sequence(self._pools.record, rows, symbols, at)
            if status == kernels.MISSING:
                self.extend(int(symbols[at]))
            elif status == layout.FULL:
                self.grow()
            elif status == layout.NO_PARTNER:
                raise ValueError("no error explains the detection events of a window")
            else:
                return

    def decode_shot(
        self, rows: NDArray[np.uint8], layers: NDArray[np.int64], models: NDArray[np.int64] | None = None
    ) -> NDArray[np.bool_]:
        """Decode one shot, from its first layer to the last; arguments as for `push`.

        Returns:
            bool (observables,): the prediction.
        """
        self.reset()
        self.push(rows, layers, models)
        return self.flips

    def grow(self) -> None:
        """Enlarge the workspace after a kernel returned FULL."""
        assert self._work is not None
        self._work.grow()

    def extend(self, symbol: int) -> None:
        """Add what a kernel missed in the present state: the step with a layer, or its window's graph."""
        layers = (*self._states[int(self._pools.record["state"][0])], symbol)
        is_last = symbol % self.model.num_layers == self.model.num_layers - 1
        commit = len(layers) if is_last else self._due(layers)
        if layers not in self._steps:
            if len(self._steps) == _MAX_STEPS:
                self._forget_steps(layers[:-1])
            self._add_step(layers, commit, is_last=is_last)
        if commit:
            if layers not in self._graphs:
                self._cut(layers, commit, is_last=is_last)
            self._pools.arrays["steps"]["graph"][self._steps[layers]] = self._graphs[layers].place

    def _add_step(self, layers: _Layers, commit: int, *, is_last: bool) -> None:
        """Add a step to the table."""
        after = () if is_last else layers[commit:]
        if after not in self._numbers:
            self._numbers[after] = len(self._states)
            self._states.append(after)
        steps, first, before = self._pools.arrays["steps"], self._pools.arrays["first_step"], layers[:-1]
        number, state = len(self._steps), self._numbers[before]
        committed = after[0] % self.model.num_layers if after else 0
        steps[number] = (
            layers[-1],
            first[state],
            self._numbers[after],
            _END if is_last else committed,
            NOT_CUT if commit else NO_WINDOW,
            commit,
        )
        first[state] = number
        self._steps[layers] = number

    def _forget_steps(self, state: _Layers) -> None:
        """Begin a new table, with the initial state and the present one."""
        self._pools.arrays["first_step"][:] = -1
        self._states: list[_Layers] = [(), state] if state else [()]
        self._numbers = {one: number for number, one in enumerate(self._states)}
        self._steps: dict[_Layers, int] = {}
        self._pools.set(state=len(self._states) - 1)

    def _due(self, layers: _Layers) -> int:
        """Return the number of layers that a window of all layers so far commits; 0: it is not complete."""
        numbers = [symbol % self.model.num_layers for symbol in layers]
        for last in self._dates:
            if numbers[0] <= last < numbers[-1]:
                wanted = sum(number <= last for number in numbers)
                if len(numbers) - wanted >= self.buffer:
                    return wanted
        return self.commit if len(layers) == self.commit + self.buffer else 0

    def _cut(self, layers: _Layers, commit: int, *, is_last: bool) -> None:
        """Cut the graph of a window."""
        size = self.model.num_layers
        graph = graph_of_layers(
            [(self._models[symbol // size], symbol % size) for symbol in layers],
            open_future=not is_last,
            commit=None if is_last else (0, commit),
        )
        self._make_room(graph.num_bytes)
        place = self._free.pop()
        self._graphs[layers] = _Kept(graph, place)
        self._pools.arrays["graphs"][place] = graph.record[0]
        self._pools.arrays["used"][place] = int(self._pools.record["num_windows"][0]) + 1
        self.num_cut += 1
        self.num_graph_bytes += graph.num_bytes
        if self._work is None or any(graph.record[name][0] > self._largest[name] for name in _SIZES):
            graphs = [kept.graph for kept in self._graphs.values()]
            self._largest = {name: max(int(one.record[name][0]) for one in graphs) for name in _SIZES}
            self._work = SecondWorkspace(*graphs)
            self._pools.set(work=self._work.record.ctypes.data)

    def _make_room(self, num_bytes: int) -> None:
        """Forget the graphs that have not been used for longest, until there is memory for another one."""
        used = self._pools.arrays["used"]
        while self._graphs and (not self._free or self.num_graph_bytes + num_bytes > self._graph_bytes):
            layers = min(self._graphs, key=lambda one: int(used[self._graphs[one].place]))
            forgotten = self._graphs.pop(layers)
            self.has_forgotten = True
            self._free.append(forgotten.place)
            self.num_graph_bytes -= forgotten.graph.num_bytes
            if layers in self._steps:
                self._pools.arrays["steps"]["graph"][self._steps[layers]] = NOT_CUT
