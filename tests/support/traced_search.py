"""Step-by-step execution of a matching search with a record of its events."""

import dataclasses
from typing import Any

import numpy as np
import stim

from decoders import MatchingGraph
from decoders.kernels import heap, layout
from decoders.matching.kernels import alternating_tree, batch, blossoms, first_pass, regions
from decoders.matching.workspace import SearchGraph, Workspace, read_only

BOUNDARY = -1


def graph_of(*edges: tuple[int, int, int]) -> MatchingGraph:
    """A graph of (detector, detector or BOUNDARY, even weight); edge k flips observable k."""
    lines = [
        f"error(0.1) D{u} L{number}" if v == BOUNDARY else f"error(0.1) D{u} D{v} L{number}"
        for number, (u, v, _) in enumerate(edges)
    ]
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    order = [
        int(row.nonzero()[0][0])
        for row in np.unpackbits(graph.edge_observables.view(np.uint8), axis=1, bitorder="little")
    ]
    weights = np.array([edges[number][2] for number in order], dtype=np.int32)
    return dataclasses.replace(graph, edge_weight=weights, weight_scale=1.0)


class Walk:
    """A shot with an event at every detector listed, searched one step at a time.

    Beside it a twin does the same in one call; after every search the two are compared, so that what
    was seen here is what the kernel does.
    """

    def __init__(
        self, graph: MatchingGraph, *, detectors: list[int] | None = None, list_length: int = 120
    ) -> None:
        self.graph = graph
        self.search_graph = SearchGraph(graph, list_length=list_length)
        self.shot = np.zeros(graph.num_detectors, dtype=np.bool_)
        self.shot[list(range(graph.num_detectors)) if detectors is None else detectors] = True
        self.fired = np.flatnonzero(self.shot)
        self.packed = read_only(np.packbits(self.shot, bitorder="little"))
        self.work, self.twin = self._first_pass(), self._first_pass()
        self.story: list[str] = []

    def _first_pass(self) -> Workspace:
        work = Workspace(self.search_graph)
        graph, record = self.search_graph.record[0], work.record[0]
        work.arrays["fired"][: self.fired.size] = self.fired
        first_pass.load_events(graph, record, self.fired.size)
        first_pass.find_nearest(graph, record, self.fired.size)
        first_pass.match_tight_pairs(graph, record, self.fired.size)
        batch.reset_search(record)
        record.may_search_graph = 1
        return work

    @property
    def events(self) -> Any:
        return self.work.arrays["events"]

    @property
    def nodes(self) -> Any:
        return self.work.arrays["nodes"]

    def name(self, node: int) -> str:
        """A node by its detectors: 3, or (0 1 2) for a blossom, ((0 1 2) 3 4) when nested."""
        if node < self.work.record["max_events"][0]:
            return str(self.fired[node])
        start = child = int(self.nodes[node]["child"])
        names = []
        while True:
            names.append(self.name(child))
            child = int(self.nodes[child]["next"])
            if child == start:
                return f"({' '.join(sorted(names))})"

    def free(self) -> list[int]:
        """Events without a partner."""
        return np.flatnonzero(self.events["mate"][: self.fired.size] == layout.FREE).tolist()

    def search(self, root: int) -> int:
        """One search by steps, and the twin's by the kernel; they must end the same."""
        status = self._steps(root)
        graph, record = self.search_graph.record[0], self.twin.record[0]
        assert alternating_tree.find_partner(graph, record, root) == status
        for pool in ["events", "nodes", "halves", "edges", "spare"]:
            assert self.twin.arrays[pool].tobytes() == self.work.arrays[pool].tobytes(), pool
        for field in ["now", "num_visited", "num_edges", "num_blossoms", "num_spare", "weight", "overflow"]:
            assert self.twin.record[field] == self.work.record[field], field
        return status

    def search_all(self) -> None:
        """All searches that this shot needs."""
        for root in self.free():
            if self.events[root]["mate"] == layout.FREE:
                self.story.append(f"from {self.name(root)}")
                assert self.search(root) == layout.OK

    def _steps(self, root: int) -> int:
        """What `find_partner` does, telling each step."""
        graph, record = self.search_graph.record[0], self.work.record[0]
        record.now = 0
        record.postponed = 0
        regions.visit_event(graph, record, root)
        blossoms.add_outer_region(graph, record, self.events[root]["top"], layout.NONE)
        status = layout.NO_PARTNER
        while (
            record.queue_size > 0 and record.overflow == 0 and record.postponed == 0 and status != layout.OK
        ):
            first = self.work.arrays["queue"][0]
            record.now, what = first["key"], int(first["what"])
            record.queue_size = heap.drop_first(self.work.arrays["queue"], record.queue_size)
            kind, index = what & 3, what >> 2
            if kind == layout.TIGHT_EDGE:
                if self._meet(index):
                    alternating_tree.augment_matching(record, what)
                    status = layout.OK
            elif kind == layout.TIGHT_BOUNDARY:
                self._tell(f"{self.name(self.events[index]['top'])} hits the boundary")
                alternating_tree.augment_matching(record, what)
                status = layout.OK
            elif kind == layout.ZERO_DUAL:
                node = self.nodes[index]
                if (
                    node["label"] == layout.INNER
                    and node["parent"] < 0
                    and node["dual"] == record.now - node["since"]
                ):
                    self._tell(f"{self.name(index)} shatters")
                    blossoms.shatter_blossom(graph, record, index)
            elif self.nodes[self.events[index]["top"]]["label"] == layout.OUTER:
                regions.discover_edges(graph, record, index)
        alternating_tree.dissolve_tree(record)
        if record.overflow:
            return int(layout.FULL)
        return int(layout.POSTPONED if record.postponed else status)

    def _meet(self, half: int) -> bool:
        halves = self.work.arrays["halves"]
        here, there = halves[half ^ 1]["to"], halves[half]["to"]
        tops = self.events[here]["top"], self.events[there]["top"]
        label = self.nodes[tops[1]]["label"]
        base = self.nodes[tops[1]]["base_event"] if tops[1] >= self.fired.size else there
        mate = int(self.events[base]["mate"])
        names = [self.name(top) for top in tops]
        ended = bool(
            alternating_tree.process_tight_edge(self.search_graph.record[0], self.work.record[0], half)
        )
        new_top = self.events[there]["top"]
        if label == layout.OUTER and new_top != tops[1]:
            self._tell(f"{names[0]} and {names[1]} close {self.name(new_top)}")
        elif ended:
            self._tell(f"{names[0]} meets {names[1]}, {'free' if mate == layout.FREE else 'at the boundary'}")
        elif self.nodes[tops[1]]["label"] == layout.INNER and label != layout.INNER:
            partner = halves[self.events[base]["mate"]]["to"]
            self._tell(f"{names[0]} absorbs {names[1]}-{self.name(self.events[partner]['top'])}")
        return ended

    def _tell(self, what: str) -> None:
        self.story.append(f"{int(self.work.record['now'][0])}: {what}")
