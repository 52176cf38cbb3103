"""Graphs of the windows of a shot: cut once, shared by windows with equal layers."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.kernels import layout
from decoders.matching.workspace import SearchGraph
from decoders.model.matching_graph import MatchingGraph
from decoders.streaming.kernels.layout import WINDOW_RUN
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import Cut, WindowPlan, cut_graph, cut_layers


class WindowGraphs:
    """Graphs of windows at any layers of a stream; equal windows share one."""

    def __init__(self, model: LayeredModel, plan: WindowPlan) -> None:
        self._model = model
        self._plan = plan
        self._known: dict[tuple[Any, ...], SearchGraph] = {}
        self._where: dict[int, dict[str, Any]] = {}  # of each known graph, by its id

    def cut(
        self,
        first: int,
        count: int,
        *,
        to_end: bool = False,
        open_past: bool = False,
        open_future: bool = True,
        commit: tuple[int, int] | None = None,
    ) -> SearchGraph:
        """Return the graph of `count` layers from layer `first` of a shot on, as `cut_graph` makes it."""
        model, plan = self._model, self._plan
        if not plan.fixed and first > 0 and model.bulk:
            first = len(model.first)
        where: dict[str, Any] = {
            "first": first,
            "count": count,
            "to_end": to_end,
            "open_past": open_past,
            "open_future": open_future,
            "fixed": plan.fixed,
        }
        key = (*Cut.of(model, **where).key(model), commit)
        if key not in self._known:
            made = self._known[key] = cut_graph(model, **where, commit=commit)
            self._where[id(made)] = where
        return self._known[key]

    def close(self, graph: SearchGraph) -> MatchingGraph:
        """Return the layers of a graph that was cut here, without edges to other layers."""
        where = self._where[id(graph)] | {"open_past": False, "open_future": False}
        return cut_layers(self._model, **where)[0]


class Schedule(NamedTuple):
    """Windows of a shot, without its ending."""

    #: WINDOW_RUN (runs,).
    runs: NDArray[Any]
    #: Graphs in the order of their numbers in the runs.
    graphs: list[SearchGraph]

    @classmethod
    def of(cls, model: LayeredModel, plan: WindowPlan, graphs: WindowGraphs) -> "Schedule":
        """Cut the graphs of all windows of a shot; none if its ending contains all layers.

        In a stretch of layers with a period, windows repeat: the cost does not depend on its length.
        """
        if not plan.fixed:
            if not model.bulk:
                return cls(as_runs([(0, 0, 1)]), [])
            both = [graphs.cut(first, plan.window, commit=(0, plan.commit)) for first in (0, plan.commit)]
            return cls(as_runs([(0, 0, 1), (1, 1, 1)]), both)
        runs: list[tuple[int, int, int]] = []
        found: list[SearchGraph] = []
        total, at = num_windows(plan, model.num_layers), 0
        repeated = _repeated_windows(model, plan)
        while at < total:
            period, count = next(
                ((period, stop - at) for start, stop, period in repeated if start <= at < stop - 2 * period),
                (total, 1),
            )
            alone = period == total
            if not alone or not runs or runs[-1][2] != total:
                runs.append((at, len(found), period))
            for window in range(at, at + (1 if alone else period)):
                found.append(graphs.cut(window * plan.commit, plan.window, commit=(0, plan.commit)))
            at += count
        return cls(as_runs(runs or [(0, 0, 1)]), found)

    def records(self, *more: SearchGraph) -> NDArray[Any]:
        """Return the records of the graphs, then of some more, GRAPH (n,)."""
        return graph_records([*self.graphs, *more])


class Endings:
    """Graphs of the last layers of shots, which are decoded with the data readout.

    Args:
        model: the layered model.
        plan: windows before the ending.
        cuts: of the stream.
        schedule: of a shot.
    """

    def __init__(self, model: LayeredModel, plan: WindowPlan, cuts: WindowGraphs, schedule: Schedule) -> None:
        self._model, self._plan, self._cuts = model, plan, cuts
        self._has_windows = bool(schedule.graphs)
        self._known: dict[tuple[bool, int], SearchGraph] = {}
        #: Whether shots may be longer by any number of periods.
        self.repeats = bool(model.bulk) and not plan.fixed

    def graph(self, first_layer: int, count: int) -> SearchGraph:
        """Return the graph of the last `count` layers of a shot, which begin at `first_layer`."""
        key = (first_layer == 0, count)
        if key not in self._known:
            self._known[key] = self._cuts.cut(first_layer, count, to_end=True)
        return self._known[key]

    def of_shot(self, num_layers: int) -> SearchGraph:
        """Return the graph of the ending of a shot."""
        committed = self._layers_before(num_layers)
        return self.graph(committed, num_layers - committed)

    @property
    def known(self) -> list[SearchGraph]:
        """Graphs cut so far."""
        return list(self._known.values())

    def most_layers(self) -> int:
        """Return the layers of the longest ending. It has at most as many as a window."""
        if self.repeats:
            return self._model.longest_length(self._plan.window)
        return self._model.num_layers - self._layers_before(self._model.num_layers)

    def largest(self) -> list[SearchGraph]:
        """Return the endings that need the largest workspace."""
        if not self.repeats:
            return [self.of_shot(self._model.num_layers)]
        longest = self.most_layers()
        return [self.graph(0, longest), self.graph(self._plan.commit, longest)]

    def records(self) -> tuple[NDArray[Any], int, int]:
        """Cut all endings.

        Returns:
            GRAPH (2, layers + 1): of endings by their number of layers, of shots without committed layers and
            with; zero where no shot can end in this way. Then the most layers of an ending, and the layers of
            the shortest shot.
        """
        model, plan = self._model, self._plan
        if self.repeats:
            shortest, longest = len(model.first) + len(model.last), plan.window
            starts = {0: range(shortest, longest + 1), plan.commit: range(plan.buffer + 1, longest + 1)}
        else:
            shortest, longest = model.num_layers, self.most_layers()
            starts = {shortest - longest: range(longest, longest + 1)}
        endings = np.zeros((2, longest + 1), dtype=layout.GRAPH)
        for start, counts in starts.items():
            for count in counts:
                if not self.repeats or (count - shortest) % model.period == 0:
                    endings[int(start > 0), count] = self.graph(start, count).record[0]
        return endings, longest, shortest

    def by_place(self, longest: int) -> dict[int, SearchGraph]:
        """Return the graphs cut so far by their places in the flat records, see `StreamParts.endings`."""
        return {
            count + (0 if is_first else longest + 1): graph
            for (is_first, count), graph in self._known.items()
        }

    def _layers_before(self, num_layers: int) -> int:
        """Return the number of layers of a shot that are committed before its ending is decoded."""
        return num_windows(self._plan, num_layers) * self._plan.commit if self._has_windows else 0


def num_windows(plan: WindowPlan, num_layers: int) -> int:
    """Return the number of windows of a shot before its ending, in which the last layer is."""
    pushed = num_layers - 1
    return 0 if pushed < plan.window else (pushed - plan.window) // plan.commit + 1


def graph_records(graphs: list[SearchGraph]) -> NDArray[Any]:
    """Return the records of graphs, GRAPH (n,)."""
    records = np.zeros(len(graphs), dtype=layout.GRAPH)
    for at, graph in enumerate(graphs):
        records[at] = graph.record[0]
    return records


def as_runs(runs: list[tuple[int, int, int]]) -> NDArray[Any]:
    """Return runs of windows as WINDOW_RUN (n,), from (first window, first graph, period)."""
    records = np.zeros(len(runs), dtype=WINDOW_RUN)
    for name, values in zip(("first", "graph", "period"), zip(*runs, strict=True), strict=True):
        records[name] = values
    return records


def _repeated_windows(model: LayeredModel, plan: WindowPlan) -> list[tuple[int, int, int]]:
    """List windows start..stop-1 that lie in one stretch, and the number after which their graphs repeat."""
    found = []
    left_out = 0
    total = num_windows(plan, model.num_layers)
    for stretch in model.stretches:
        begin = stretch.at + left_out
        left_out += stretch.layers
        start = -(-begin // plan.commit)
        stop = min(total, (stretch.at + left_out - plan.window) // plan.commit + 1)
        found.append((start, stop, stretch.period // math.gcd(plan.commit, stretch.period)))
    return found
