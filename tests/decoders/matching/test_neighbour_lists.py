"""Neighbour lists, boundary distances and paths, against a reference search."""

from dataclasses import replace

import numpy as np
import pytest
import stim

from decoders import MatchingGraph
from decoders.kernels import layout
from decoders.matching.kernels import paths
from decoders.matching.workspace import LIST_LENGTH, SearchGraph, Workspace
from tests.support import oracles
from tests.support.traced_search import BOUNDARY, graph_of

FAR = float("inf")


def random_graph(seed: int) -> MatchingGraph:
    """Some twenty detectors in several components, parallel edges, few or many equal weights."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 25))
    lines = [f"detector D{size - 1}"]
    for _ in range(int(rng.integers(0, 3 * size))):
        u, v = rng.integers(size, size=2)
        end = f" D{v}" if v != u and v % 3 == u % 3 and rng.random() > 0.05 else ""
        flips = "".join(f" L{flip}" for flip in rng.integers(20, size=rng.integers(3)))
        if end or rng.random() < 0.2:
            lines.append(f"error(0.1) D{u}{end}{flips}")
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    weight = 2 * rng.integers(0, rng.choice([2, 5, 100, 1 << 24]), size=graph.num_edges)
    return replace(graph, edge_weight=weight.astype(np.int32))


def path(work: Workspace, edges: list[oracles.Edge], length: int) -> list[oracles.Edge]:
    return [edges[edge] for edge in work.arrays["path"][:length]]


@pytest.mark.parametrize("list_length", [1, 2, 5, LIST_LENGTH])
@pytest.mark.parametrize("seed", range(25))
def test_lists_hold_the_nearest(seed: int, list_length: int) -> None:
    graph = random_graph(seed)
    edges = oracles.edges_of(graph)
    distance = oracles.distances(edges, num_detectors=graph.num_detectors)
    search_graph = SearchGraph(graph, list_length=list_length)
    work = Workspace(search_graph)
    record, scratch = search_graph.record[0], work.record[0]
    neighbours = search_graph.arrays["neighbours"]
    for detector, entry in enumerate(search_graph.arrays["detectors"]):
        mine = neighbours[entry["first"] : entry["last"]].copy()
        mine["detector"] += detector
        spans = mine["span"] & ~1
        assert len(mine) <= list_length
        assert len(set(mine["detector"].tolist()) - {detector}) == len(mine)
        assert (np.diff(spans) >= 0).all()
        assert spans.tolist() == [distance[detector][other] for other in mine["detector"]]
        # Nothing nearer than the radius is missing; with room to spare, nothing at all is.
        others = [other for other in range(graph.num_detectors) if other != detector]
        reachable = [other for other in others if distance[detector][other] < FAR]
        nearer = [other for other in reachable if distance[detector][other] < entry["radius"]]
        assert set(nearer) <= set(mine["detector"].tolist())
        assert entry["radius"] % 2 == 0
        if list_length == LIST_LENGTH:
            assert len(mine) == len(reachable)
            assert entry["radius"] == layout.FAR
        for place in range(entry["first"], entry["last"]):
            other = detector + int(neighbours[place]["detector"])
            along = path(work, edges, paths.write_list_path(record, scratch, detector, place, 0))
            assert oracles.syndrome_of(along) == 1 << detector ^ 1 << other
            assert sum(edge.weight for edge in along) == distance[detector][other]
            assert any(edge.observables for edge in along) == bool(neighbours[place]["span"] & 1)


@pytest.mark.parametrize("seed", range(25))
def test_the_way_to_the_boundary(seed: int) -> None:
    graph = random_graph(seed)
    edges = oracles.edges_of(graph)
    distance = oracles.distances(edges, num_detectors=graph.num_detectors)
    search_graph = SearchGraph(graph)
    work = Workspace(search_graph)
    flips = search_graph.arrays["boundary_flips"].reshape(graph.num_detectors, -1)
    for detector, entry in enumerate(search_graph.arrays["detectors"]):
        to_boundary = distance[detector][-1]
        if to_boundary == FAR:
            assert entry["boundary"] == layout.FAR
            continue
        assert entry["boundary"] == to_boundary
        length = paths.write_boundary_path(search_graph.record[0], work.record[0], detector, 0)
        along = path(work, edges, length)
        assert oracles.syndrome_of(along) == 1 << detector
        assert sum(edge.weight for edge in along) == to_boundary
        observables = oracles.observables_of(along)
        assert observables == int.from_bytes(flips[detector].tobytes(), "little")
        if observables:
            assert entry["flips"] & layout.PATH_FLIPS


@pytest.mark.parametrize("seed", range(10))
def test_paths_beyond_the_lists(seed: int) -> None:
    graph = random_graph(seed)
    edges = oracles.edges_of(graph)
    distance = oracles.distances(edges, num_detectors=graph.num_detectors)
    search_graph = SearchGraph(graph, list_length=1)
    work = Workspace(search_graph)
    for detector in range(graph.num_detectors):
        for other in range(graph.num_detectors):
            if other == detector or distance[detector][other] == FAR:
                continue
            length = paths.write_searched_path(search_graph.record[0], work.record[0], detector, other)
            along = path(work, edges, length)
            assert oracles.syndrome_of(along) == 1 << detector ^ 1 << other
            assert sum(edge.weight for edge in along) == distance[detector][other]
    assert (work.arrays["dijkstra_nodes"]["distance"] == -1).all()


def test_of_parallel_edges_the_lightest_counts() -> None:
    graph = graph_of((0, 1, 6), (0, 1, 4), (0, 1, 8), (0, BOUNDARY, 12), (0, BOUNDARY, 10))
    search_graph = SearchGraph(graph)
    neighbours = search_graph.arrays["neighbours"]
    assert neighbours["span"][:2].tolist() == [4 | 1, 4 | 1]
    assert search_graph.arrays["detectors"]["boundary"].tolist() == [10, 14]
    assert search_graph.record["num_adjacent"][0] == 2
    flips = search_graph.arrays["boundary_flips"].tolist()
    assert flips == [0b10000, 0b10010]  # edge 4, then edges 1 and 4 of the list above


def test_many_detectors_at_distance_zero() -> None:
    """More of them than a list holds, so that some lists end at distance zero."""
    lines = [f"error(0.5) D0 D{k}" for k in range(1, 40)] + ["error(0.1) D5 D40", "error(0.1) D40 D41"]
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    distance = oracles.distances(oracles.edges_of(graph), num_detectors=42)
    search_graph = SearchGraph(graph, list_length=10)
    neighbours = search_graph.arrays["neighbours"]
    for detector, entry in enumerate(search_graph.arrays["detectors"]):
        mine = neighbours[entry["first"] : entry["last"]].copy()
        mine["detector"] += detector
        assert (mine["span"] & ~1).tolist() == [distance[detector][other] for other in mine["detector"]]
        nearer = {other for other in range(42) if distance[detector][other] < entry["radius"]} - {detector}
        assert nearer <= set(mine["detector"].tolist())
