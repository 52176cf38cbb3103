"""A second matching driven round by round, telling what each round does."""

from typing import Any

import numpy as np

from decoders.correlated.kernels import batch, implied_weights, rematch
from decoders.correlated.workspace import SecondWorkspace
from decoders.kernels import layout
from decoders.matching.kernels.correction import mate_path
from decoders.matching.workspace import Implied, SearchGraph
from tests.support import oracles
from tests.support.traced_search import graph_of

#: A graph's edges as (detector, detector or BOUNDARY, weight).
Edges = list[tuple[int, int, int]]


class SecondWalk:
    """A shot matched once, then a second time with weights that edges of the first matching imply.

    `implies` lists (edge, implied edge, its weight then), edges by their place in `edges`. A twin is matched
    by one call; in the end the two must agree.
    """

    def __init__(
        self, edges: Edges, implies: list[tuple[int, int, int]], *, detectors: list[int] | None = None
    ) -> None:
        self.given = edges
        graph = graph_of(*edges)
        # Edge k flips observable k: that tells which edge of the graph is which of those given.
        flips = np.unpackbits(graph.edge_observables.view(np.uint8), axis=1, bitorder="little")
        self.given_as = [int(row.nonzero()[0][0]) for row in flips]
        number = {given: edge for edge, given in enumerate(self.given_as)}
        table = sorted((number[edge], number[other], weight) for edge, other, weight in implies)
        counts = np.bincount([row[0] for row in table], minlength=graph.num_edges)
        self.implied = Implied(
            start=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            edge=np.array([row[1] for row in table], dtype=np.int32),
            weight=np.array([row[2] for row in table], dtype=np.int32),
        )
        self.graph = graph
        self.search_graph = SearchGraph(graph, implied=self.implied)
        shot = np.zeros(graph.num_detectors, dtype=np.bool_)
        shot[list(range(graph.num_detectors)) if detectors is None else detectors] = True
        self.shot = shot
        self.fired = np.flatnonzero(shot)
        self.work, self.twin = self._first_matching(), self._first_matching()
        self.story: list[str] = []
        self.first = self.matching()

    def _first_matching(self) -> SecondWorkspace:
        work = SecondWorkspace(self.search_graph)
        graph, record = self.search_graph.record[0], work.record[0]
        record.keep_duals = 1
        work.arrays["fired"][: self.fired.size] = self.fired
        batch.forget_shot(record)
        assert batch.match_first(graph, record, self.fired.size) == layout.OK
        return work

    def _records(self) -> tuple[Any, Any, int]:
        return self.search_graph.record[0], self.work.record[0], self.fired.size

    def name(self, edge: int) -> str:
        """An edge of the graph by its ends, such as 0-1 or 2-b for one to the boundary."""
        u, v, _ = self.given[self.given_as[edge]]
        return f"{u}-{v if v >= 0 else 'b'}"

    def matching(self) -> list[str]:
        """The edges of the present matching."""
        graph, record, count = self._records()
        edges: list[int] = []
        for index in range(count):
            length = mate_path(graph, record, index)
            edges += self.work.arrays["path"][:length].tolist()
        return sorted(self.name(edge) for edge in set(edges) if edges.count(edge) % 2)

    def run(self) -> list[str]:
        """Match the shot a second time; returns what happened, a line for each step."""
        graph, record, count = self._records()
        implied_weights.leave_out(graph, record, count)
        implied_weights.list_edges(graph, record, count, True)
        implied_weights.keep_first_edges(graph, record)
        rematch.lay_out_regions(graph, record)
        self._tell_cuts(count)
        status = layout.OK
        while status == layout.OK and implied_weights.lower_edges(graph, record):
            active = self.work.arrays["active"][: record.num_active].tolist()
            lowered = self.work.arrays["lowered"]
            self.story.append(
                "lower " + ", ".join(f"{self.name(slot)} to {lowered[slot]}" for slot in active)
            )
            status = rematch.rematch_events(graph, record, count)
            second = self.work.second
            chosen = sorted(second.arrays["chosen"][: second.record["num_chosen"][0]].tolist())
            self.story.append("free " + " ".join(str(self.fired[index]) for index in chosen))
            self.story.append("match " + " ".join(self.matching()))
            self._tell_cuts(count)
        assert status == layout.OK
        self._tell_fits(count)
        self._check_twin(count)
        return self.story

    def _tell_cuts(self, count: int) -> None:
        changes = self.work.second.arrays["changes"][:count]
        for index in np.flatnonzero(changes["cut"]):
            self.story.append(f"shrink {self.fired[index]} by {changes['cut'][index]}")

    def _tell_fits(self, count: int) -> None:
        """How the regions of the last matching were found to fit."""
        second = self.work.second
        for entry in second.arrays["raised"]["entry"][: second.record["num_raised"][0]]:
            edge = int(self.search_graph.arrays["implied"]["edge"][entry])
            self.story.append(f"reach through {self.name(edge)}")
        shifts = second.arrays["changes"]["shift"][:count]
        for index in np.flatnonzero(shifts):
            self.story.append(
                f"{'grow' if shifts[index] > 0 else 'shrink'} {self.fired[index]} by {abs(shifts[index])}"
            )

    def check_optimal(self) -> None:
        """The matching must be lightest under the implied weights, by another algorithm."""
        weights = [weight for _, _, weight in self.given]
        for name in self.first:
            edge = next(edge for edge in range(self.graph.num_edges) if self.name(edge) == name)
            for entry in range(self.implied.start[edge], self.implied.start[edge + 1]):
                other = self.given_as[self.implied.edge[entry]]
                weights[other] = min(weights[other], int(self.implied.weight[entry]))
        edges = [oracles.Edge(u, v, weight, 0) for (u, v, _), weight in zip(self.given, weights, strict=True)]
        distance = oracles.distances(edges, num_detectors=self.graph.num_detectors)
        weight = sum(
            edge.weight
            for edge, name in ((edges[self.given_as[k]], self.name(k)) for k in range(self.graph.num_edges))
            if name in self.matching()
        )
        assert weight == oracles.lightest_matching(distance, self.fired.tolist())

    def _check_twin(self, count: int) -> None:
        """One call must end with the same matching."""
        graph = self.search_graph.record[0]
        status = rematch.match_again(graph, self.twin.record[0], count)
        assert status in (layout.OK, layout.DIFFERENT)
        for name in ("mate", "top", "radius"):
            ours, theirs = (one.arrays["events"][name][:count] for one in (self.work, self.twin))
            assert np.array_equal(ours, theirs), name
