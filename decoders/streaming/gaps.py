"""Complementary gaps of windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.correlated.workspace import SecondWorkspace
from decoders.gaps.gap import GapGraph, Sides
from decoders.gaps.logical_classes import make_logicals
from decoders.kernels import layout
from decoders.matching.workspace import Pools, SearchGraph, Workspace
from decoders.model.matching_graph import MatchingGraph
from decoders.streaming.calls import StreamCalls
from decoders.streaming.kernels import window_gaps
from decoders.streaming.kernels.layout import CLOSED_WINDOW, OBSERVABLE_SIDES, STREAM_GAPS
from decoders.streaming.layers import LayeredModel
from decoders.streaming.parts import GapParts
from decoders.streaming.schedule import Endings, Schedule, WindowGraphs
from decoders.streaming.windows import WindowPlan, whole_graph


class ClosedWindow(Pools):
    """A window without its edges to later layers, prepared for gaps; read-only after construction."""

    def __init__(self, graph: MatchingGraph) -> None:
        super().__init__(CLOSED_WINDOW)
        self._graph = GapGraph(graph)
        #: Observables with two classes in this window, and the sides of each.
        self.sides = {
            logical.observable: sides
            for logical, sides in zip(self._graph.logicals, self._graph.sides, strict=True)
            if logical.two_classes and sides.across[0] < layout.FAR
        }
        self.search_graph = self._graph.search_graph
        records = np.zeros(len(self.sides), dtype=OBSERVABLE_SIDES)
        for at, (observable, sides) in enumerate(self.sides.items()):
            size = sides.distances.shape[1]
            records[at] = (sides.distances.ctypes.data, size, observable, sides.across[0])
        self.own(graph=self.search_graph.record, sides=records)
        self.set(num_observables=len(records))

    def across(self, observable: int) -> int:
        """Return the weight of the lightest error inside this window that flips an observable."""
        return int(self.sides[observable].across[0]) if observable in self.sides else int(layout.FAR)


class GapCalls(StreamCalls):
    """Kernels of a stream with gaps.

    Args:
        record: STREAM (1,).
        schedule: windows of a shot.
        work: of the windows and endings.
        endings: of shots.
        model: layers of the circuit.
        plan: its windows.
        cuts: which has cut the windows.
        max_rows: of the record.

    Raises:
        ValueError: a model of correlated matching, a cycle of edges or an undetectable error that flips an
            observable, or windows too short for the lightest error that flips one.
    """

    def __init__(
        self,
        record: NDArray[Any],
        schedule: Schedule,
        work: SecondWorkspace,
        *,
        endings: Endings,
        model: LayeredModel,
        plan: WindowPlan,
        cuts: WindowGraphs,
        max_rows: int,
    ) -> None:
        super().__init__(record, schedule, work)
        if model.implied is not None:
            raise ValueError("no gaps of windows with decoder='mwpm-correlated': use decoder='mwpm'")
        self._cuts, self.weight_scale = cuts, model.weight_scale
        self._closed: dict[int, ClosedWindow] = {}
        windows = [self._close(graph) for graph in schedule.graphs]
        everything = [*windows, *(self._close(graph) for graph in endings.largest())]
        self._plan = plan
        #: Observables that only an ending with all layers of a shot decides between, as in short experiments.
        self._timelike = _too_short_for(model, windows if endings.repeats else everything)
        own = self._close(endings.of_shot(model.num_layers)).sides.keys() if endings.repeats else set()
        self._refuse(self._timelike - own)
        self._gap_work = Workspace(*(window.search_graph for window in everything))
        self._gap_work.record["keep_duals"] = 1
        self._pools = Pools(STREAM_GAPS)
        records = np.zeros(len(windows), dtype=CLOSED_WINDOW)
        for at, window in enumerate(windows):
            records[at] = window.record[0]
        self._pools.own(
            windows=records,
            works=self._gap_work.record,
            rows=np.zeros(max_rows * model.num_columns, dtype=np.uint8),
            gaps=np.full(model.num_observables, np.inf),
            latest=np.full(model.num_observables, layout.FAR, dtype=np.int64),
            included=np.full(model.num_observables, layout.FAR, dtype=np.int64),
        )
        self._pools.set(
            num_windows=len(windows),
            max_rows=max_rows,
            num_columns=model.num_columns,
            num_observables=model.num_observables,
        )
        self._pools.record["weight_scale"] = model.weight_scale

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Gap of each observable in this shot, float64 (observables,); see `StreamingDecoder.gaps`."""
        return self._pools.arrays["gaps"].copy()

    @property
    def latest(self) -> NDArray[np.float64]:
        """Gap of each observable in the last window, float64 (observables,)."""
        steps = self._pools.arrays["latest"]
        return np.where(steps < layout.FAR, steps / self.weight_scale, np.inf)

    @property
    def num_bytes(self) -> int:
        """Memory that shots write to, in bytes."""
        return self._pools.num_bytes + self._gap_work.num_bytes

    def parts(self, endings: Endings, longest: int) -> GapParts:
        """Return the records of the gaps, with those of all endings that were cut so far.

        Args:
            endings: of shots.
            longest: layers of the longest ending.
        """
        closed = np.zeros(2 * longest + 2, dtype=CLOSED_WINDOW)
        for at, graph in endings.by_place(longest).items():
            closed[at] = self._close_ending(graph).record[0]
        return GapParts(stream=self._pools.record, endings=closed, grow=self._gap_work.grow)

    def share_workspace(self, others: Sequence[GapCalls]) -> None:
        """Enlarge the workspace so that the windows of other decoders fit, too."""
        closed = [window.search_graph for one in (self, *others) for window in one._closed.values()]
        self._gap_work = Workspace(*closed)
        self._gap_work.record["keep_duals"] = 1
        self._pools.own(works=self._gap_work.record)

    def reset(self) -> None:
        """Start the next shot."""
        super().reset()
        window_gaps.start_shot_with_gaps(self._pools.record)

    def grow(self) -> None:
        """Enlarge the workspaces."""
        super().grow()
        self._gap_work.grow()

    def _refuse(self, observables: set[int]) -> None:
        """Raise an error if there are observables without gaps."""
        for observable in sorted(observables):
            raise ValueError(
                f"commit={self._plan.commit}, buffer={self._plan.buffer}: no window contains the lightest "
                f"error that flips observable L{observable}; gaps need a longer buffer"
            )

    def _close_ending(self, graph: SearchGraph) -> ClosedWindow:
        """Return the closed window of an ending."""
        window = self._close(graph)
        self._refuse(self._timelike - window.sides.keys())
        return window

    def _close(self, graph: SearchGraph) -> ClosedWindow:
        """Return the closed window of a graph that the stream's cuts have made."""
        if id(graph) not in self._closed:
            self._closed[id(graph)] = ClosedWindow(self._cuts.close(graph))
        return self._closed[id(graph)]

    def _push(self, rows: NDArray[np.uint8], packed: int, at: int) -> tuple[int, int]:
        records = (self._record, self.graphs, self._work.record, self._pools.record)
        at, status = window_gaps.push_layers_with_gaps(*records, rows, packed, at)
        return at, status

    def _finish(self, ending: SearchGraph) -> int:
        records = (self._record, ending.record, self._work.record, self._pools.record)
        status: int = window_gaps.finish_shot_with_gaps(*records, self._close_ending(ending).record)
        return status

    def _decode_shots(
        self,
        ending: SearchGraph,
        graphs: NDArray[Any],
        frames: NDArray[np.uint8],
        predictions: NDArray[np.uint8],
        gaps: NDArray[np.float64],
        shot: int,
    ) -> tuple[int, int]:
        records = (self._record, graphs, self._work.record, self._pools.record)
        shot, status = window_gaps.decode_shots_with_gaps(
            *records, self._close_ending(ending).record, frames, predictions, gaps, shot
        )
        return shot, status


def _too_short_for(model: LayeredModel, windows: list[ClosedWindow]) -> set[int]:
    """Return the observables whose lightest errors are in none of some windows.

    Such an error extends over more layers than windows: gaps would be infinite or too large.

    Raises:
        ValueError: a cycle of edges, or an error that no detector sees, flips an observable.
    """
    graph = whole_graph(model)
    found = set()
    for observable, logical in enumerate(make_logicals(graph)):
        if model.flipped_unseen[observable]:
            raise ValueError(f"no gap for observable L{observable}: an error that no detector sees flips it")
        if logical.two_classes:
            lightest = int(Sides(graph, logical).across[0])
            if min(window.across(observable) for window in windows) > lightest:
                found.add(observable)
    return found
