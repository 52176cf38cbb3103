"""Graphs of the windows of a shot: cut once, shared by windows with equal layers."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from decoders.kernels import layout
from decoders.matching.workspace import SearchGraph
from decoders.streaming.kernels.layout import WINDOW_RUN
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import Cut, WindowPlan, cut_graph


class WindowGraphs:
    """Graphs of windows at any layers of a stream; equal windows share one."""

    def __init__(self, model: LayeredModel, plan: WindowPlan) -> None:
        self._model = model
        self._plan = plan
        self._known: dict[tuple[Any, ...], SearchGraph] = {}

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
            self._known[key] = cut_graph(model, **where, commit=commit)
        return self._known[key]


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
                return cls(_as_runs([(0, 0, 1)]), [])
            both = [graphs.cut(first, plan.window, commit=(0, plan.commit)) for first in (0, plan.commit)]
            return cls(_as_runs([(0, 0, 1), (1, 1, 1)]), both)
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
        return cls(_as_runs(runs or [(0, 0, 1)]), found)

    def records(self, *more: SearchGraph) -> NDArray[Any]:
        """Return the records of the graphs, then of some more, GRAPH (n,)."""
        return graph_records([*self.graphs, *more])


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


def _as_runs(runs: list[tuple[int, int, int]]) -> NDArray[Any]:
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
