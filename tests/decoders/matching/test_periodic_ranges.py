"""Sharing of neighbour lists in periodic ranges."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pymatching
import pytest
import stim
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

import decoders
from decoders import MatchingGraph
from decoders.matching import workspace
from decoders.matching.decoder import MWPM
from decoders.matching.kernels import periodic_ranges
from decoders.matching.workspace import SearchGraph, Workspace
from tests.support.traced_search import BOUNDARY, graph_of

_LENGTH = 12


def memory(task: str, *, rounds: int, distance: int = 3) -> stim.DetectorErrorModel:
    p = 0.01
    circuit = stim.Circuit.generated(
        task,
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    )
    return circuit.detector_error_model(decompose_errors=True)


def two_blocks() -> stim.DetectorErrorModel:
    """Blocks of two and of three detectors a cycle, one after the other."""
    return stim.DetectorErrorModel("""
        repeat 100 {
            error(0.1) D0 D1
            error(0.02) D0 D2 L0
            error(0.03) D1 D3
            shift_detectors 2
        }
        error(0.1) D0
        repeat 100 {
            error(0.1) D0 D1
            error(0.2) D1 D2 L0
            error(0.02) D0 D3
            error(0.03) D1 D4
            shift_detectors 3
        }
        error(0.1) D0
        error(0.1) D1 D2
    """)


_MODELS: dict[str, Callable[[], stim.DetectorErrorModel]] = {
    "repetition": lambda: memory("repetition_code:memory", rounds=100),
    "surface": lambda: memory("surface_code:rotated_memory_x", rounds=40),
    "surface, flattened": lambda: memory("surface_code:rotated_memory_x", rounds=40).flattened(),
    "two blocks": two_blocks,
}


def check_lists(graph: MatchingGraph, search_graph: SearchGraph) -> None:
    """Compare every list with distances found by scipy, and its paths with the graph's edges."""
    size = graph.num_detectors
    inner = graph.edge_v >= 0
    u, v, weight = graph.edge_u[inner], graph.edge_v[inner], graph.edge_weight[inner]
    order = np.argsort(-weight, kind="stable")  # of parallel edges the lightest stays
    table = np.zeros((size, size))
    table[u[order], v[order]] = weight[order]
    distance = dijkstra(csr_array(table), directed=False)
    arrays = search_graph.arrays
    neighbours = arrays["neighbours"]
    # Lists, because single entries of arrays take long to read.
    spans, parents, steps = (
        found.tolist() for found in (neighbours["span"], arrays["parents"], arrays["steps"])
    )
    ends = list(zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True))
    weights, flips = graph.edge_weight.tolist(), graph.edge_observables[:, 0].tolist()
    assert graph.edge_observables.shape[1] == 1
    for detector, entry in enumerate(search_graph.arrays["detectors"]):
        places = np.arange(entry["first"], entry["last"])
        others = detector + neighbours["detector"][places]
        assert (neighbours["span"][places] & ~1).tolist() == distance[detector, others].tolist()
        nearer = np.flatnonzero(distance[detector] < min(entry["radius"], 1e300))
        assert set(nearer.tolist()) <= {detector, *others.tolist()}
        own = int(arrays["adjacent"]["edge"][arrays["indptr"][detector]])
        for place, other in zip(places.tolist(), others.tolist(), strict=True):
            edges = [own + steps[place]]  # from the detector's first edge, as in `write_list_path`
            at = place
            while parents[at] >= 0:
                at = int(entry["first"]) + parents[at]
                edges.append(own + steps[at])
            odd: set[int] = set()
            flipped = 0
            for edge in edges:
                odd ^= set(ends[edge])
                flipped ^= flips[edge]
            assert odd == {detector, other}
            assert sum(weights[edge] for edge in edges) == spans[place] & ~1
            assert spans[place] & 1 or not flipped


def num_entries(search_graph: SearchGraph) -> int:
    return int(search_graph.record["num_neighbours"][0])


@pytest.mark.parametrize("name", list(_MODELS))
def test_shared_lists_are_those_of_every_detector(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = MatchingGraph.from_dem(_MODELS[name]())
    shared = SearchGraph(graph, list_length=_LENGTH)
    check_lists(graph, shared)
    monkeypatch.setattr(periodic_ranges, "find_periodic_ranges", lambda *arguments: 0)
    alone = SearchGraph(graph, list_length=_LENGTH)
    assert num_entries(shared) < num_entries(alone) / 2
    one, other = shared.arrays["detectors"], alone.arrays["detectors"]
    for field in ("boundary", "outward", "flips"):
        assert np.array_equal(one[field], other[field])
    for mine, his in zip(one, other, strict=True):
        mine_spans = shared.arrays["neighbours"]["span"][mine["first"] : mine["last"]] & ~1
        his_spans = alone.arrays["neighbours"]["span"][his["first"] : his["last"]] & ~1
        common = min(mine_spans.size, his_spans.size)
        assert np.array_equal(mine_spans[:common], his_spans[:common])


def changed_weight(graph: MatchingGraph, edge: int) -> MatchingGraph:
    weight = graph.edge_weight.copy()
    weight[edge] //= 2
    weight[edge] &= ~1
    return replace(graph, edge_weight=weight)


def changed_flips(graph: MatchingGraph, edge: int) -> MatchingGraph:
    observables = graph.edge_observables.copy()
    observables[edge] ^= np.uint64(1)
    return replace(graph, edge_observables=observables)


def without_edge(graph: MatchingGraph, edge: int) -> MatchingGraph:
    kept = np.arange(graph.num_edges) != edge
    return MatchingGraph.from_edges(
        num_detectors=graph.num_detectors,
        num_observables=graph.num_observables,
        edge_u=graph.edge_u[kept],
        edge_v=graph.edge_v[kept],
        edge_weight=graph.edge_weight[kept],
        edge_probability=graph.edge_probability[kept],
        edge_observables=graph.edge_observables[kept],
        weight_scale=graph.weight_scale,
    )


@pytest.mark.parametrize("change", [changed_weight, changed_flips, without_edge])
@pytest.mark.parametrize("place", [0.2, 0.5, 0.71])
def test_one_edge_that_differs_is_respected(
    change: Callable[[MatchingGraph, int], MatchingGraph], place: float
) -> None:
    graph = MatchingGraph.from_dem(memory("repetition_code:memory", rounds=150))
    inner = np.flatnonzero(graph.edge_v >= 0)
    other = change(graph, int(inner[int(place * inner.size)]))
    search_graph = SearchGraph(other, list_length=_LENGTH)
    check_lists(other, search_graph)
    assert num_entries(search_graph) < graph.num_detectors * _LENGTH / 2
    assert num_entries(search_graph) > num_entries(SearchGraph(graph, list_length=_LENGTH))


@pytest.mark.parametrize("seed", range(5))
def test_weights_at_random_are_not_shared(seed: int) -> None:
    graph = MatchingGraph.from_dem(memory("repetition_code:memory", rounds=100))
    weight = 2 * np.random.default_rng(seed).integers(1, 1 << 20, size=graph.num_edges, dtype=np.int32)
    graph = replace(graph, edge_weight=weight)
    search_graph = SearchGraph(graph, list_length=_LENGTH)
    check_lists(graph, search_graph)
    first = search_graph.arrays["detectors"]["first"]
    assert np.unique(first).size == graph.num_detectors


def stretches_of(graph: MatchingGraph, *, longest: int, shortest: int = 10) -> list[list[int]]:
    search_graph = SearchGraph(graph, list_length=0)
    work = Workspace(search_graph)
    found = np.zeros((8, 3), dtype=np.int64)
    room: NDArray[np.int64] = np.zeros((16, 2), dtype=np.int64)
    count = periodic_ranges.find_periodic_ranges(
        search_graph.record, work.record, longest, shortest, room, found
    )
    rows: list[list[int]] = found[:count].tolist()
    return rows


def test_a_stretch_ends_where_the_line_does() -> None:
    line = [(at, at + 1, 4 if at % 2 else 6) for at in range(60)]
    # Detector 2 is the first whose edges are those of two before: detector 0 has one edge, not two.
    assert stretches_of(graph_of(*line), longest=3) == [[3, 60, 2]]
    line[40] = (40, 41, 8)
    assert stretches_of(graph_of(*line), longest=3) == [[3, 40, 2], [44, 60, 2]]


def test_two_blocks_are_two_stretches() -> None:
    found = stretches_of(MatchingGraph.from_dem(two_blocks()), longest=8)
    assert [row[2] for row in found] == [2, 3]
    assert found[0][1] <= 202
    assert found[1][0] >= 200
    assert found[0][1] - found[0][0] > 180
    assert found[1][1] - found[1][0] > 270


def test_no_stretch_where_there_are_no_edges() -> None:
    assert stretches_of(graph_of((0, BOUNDARY, 2), (100, BOUNDARY, 2)), longest=3) == []
    assert stretches_of(MatchingGraph.from_dem(stim.DetectorErrorModel()), longest=3) == []


def test_lists_are_shorter_where_many_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = MatchingGraph.from_dem(memory("repetition_code:memory", rounds=60))
    weight = 2 * np.random.default_rng(1).integers(1, 1 << 20, size=graph.num_edges, dtype=np.int32)
    graph = replace(graph, edge_weight=weight)
    monkeypatch.setattr(workspace, "_SHORT_LIST", 3)
    monkeypatch.setattr(workspace, "_MAX_ENTRIES", 5 * graph.num_detectors)
    search_graph = SearchGraph(graph)
    check_lists(graph, search_graph)
    detectors = search_graph.arrays["detectors"]
    assert (detectors["last"] - detectors["first"]).max() == 5


@pytest.mark.parametrize("name", ["mwpm", "mwpm-correlated"])
@pytest.mark.parametrize("task", ["repetition_code:memory", "surface_code:rotated_memory_x"])
def test_weights_and_edges_of_long_shots(name: str, task: str) -> None:
    dem = memory(task, rounds=300)
    decoder = decoders.from_dem(name, dem)
    events, _, _ = dem.compile_sampler(seed=3).sample(20)
    _, weights = decoder.decode_batch(events, return_weights=True)
    if name == "mwpm":
        peer = pymatching.Matching.from_detector_error_model(dem)
        _, expected = peer.decode_batch(events, return_weights=True)
        np.testing.assert_allclose(weights, expected, rtol=1e-12)
    plain = decoders.from_dem("mwpm", dem)
    for shot in events[:3]:
        edges = plain.decode_to_edges(shot)
        assert np.array_equal(
            np.bincount(edges[edges >= 0], minlength=dem.num_detectors) % 2, shot.astype(np.int64)
        )


# --- lists made on demand


def irregular(*, rounds: int = 100, seed: int = 1) -> tuple[stim.DetectorErrorModel, MatchingGraph]:
    """A model without repeated probabilities."""
    rng = np.random.default_rng(seed)
    dem = stim.DetectorErrorModel()
    for instruction in memory("repetition_code:memory", rounds=rounds).flattened():
        if instruction.type == "error":
            p = rng.uniform(0.2, 1) * instruction.args_copy()[0]
            instruction = stim.DemInstruction("error", [p], instruction.targets_copy())
        dem.append(instruction)
    return dem, MatchingGraph.from_dem(dem)


def list_sizes(search_graph: SearchGraph) -> NDArray[np.int64]:
    detectors = search_graph.arrays["detectors"]
    sizes: NDArray[np.int64] = detectors["last"] - detectors["first"]
    return sizes


def packed(*shots: list[int], num_detectors: int) -> NDArray[np.uint8]:
    events = np.zeros((len(shots), num_detectors), dtype=np.bool_)
    for row, shot in zip(events, shots, strict=True):
        row[shot] = True
    return np.packbits(events, axis=1, bitorder="little")


def test_lists_are_made_for_events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "_FEWEST_ON_DEMAND", 1)
    _, graph = irregular()
    size = graph.num_detectors
    search_graph = SearchGraph(graph, list_length=_LENGTH, on_demand=True)
    assert not list_sizes(search_graph).any()
    search_graph.prepare(packed([3, 50], [50, 120], num_detectors=size))
    assert np.flatnonzero(list_sizes(search_graph)).tolist() == [3, 50, 120]
    check_lists(graph, search_graph)
    search_graph.prepare(packed(list(range(size)), num_detectors=size))
    assert (list_sizes(search_graph) == _LENGTH).all()
    check_lists(graph, search_graph)


def test_a_list_does_not_depend_on_the_shots_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """With equal weights many detectors are equally near: their order must be the graph's alone."""
    monkeypatch.setattr(workspace, "_FEWEST_ON_DEMAND", 1)
    monkeypatch.setattr(periodic_ranges, "find_periodic_ranges", lambda *arguments: 0)
    graph = MatchingGraph.from_dem(memory("surface_code:rotated_memory_x", rounds=20))
    size = graph.num_detectors
    found = []
    for order in (range(size), range(size - 1, -1, -1)):
        search_graph = SearchGraph(graph, list_length=_LENGTH, on_demand=True)
        for detector in order:
            search_graph.prepare(packed([detector], num_detectors=size))
        arrays = search_graph.arrays
        entries = [(row["first"], row["last"], row["radius"]) for row in arrays["detectors"]]
        found.append(
            [
                (
                    int(radius),
                    *(arrays[name][first:last].tolist() for name in ("neighbours", "parents", "steps")),
                )
                for first, last, radius in entries
            ]
        )
    assert found[0] == found[1]


def test_next_to_stretches_lists_are_made_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace, "_FEWEST_ON_DEMAND", 1)
    graph = changed_weight(MatchingGraph.from_dem(memory("repetition_code:memory", rounds=100)), 233)
    search_graph = SearchGraph(graph, list_length=_LENGTH, on_demand=True)
    made = np.count_nonzero(list_sizes(search_graph))
    assert graph.num_detectors / 2 < made < graph.num_detectors
    check_lists(graph, search_graph)
    search_graph.prepare(packed(list(range(graph.num_detectors)), num_detectors=graph.num_detectors))
    assert list_sizes(search_graph).all()
    check_lists(graph, search_graph)


@pytest.mark.parametrize("certain", ["", "error(1) D7 D90\n"])
def test_shots_decode_alike_with_lists_on_demand(certain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dem, _ = irregular(rounds=200)
    dem = stim.DetectorErrorModel(certain + str(dem))
    events, _, _ = dem.compile_sampler(seed=3).sample(40)
    at_once = MWPM.from_dem(dem)
    assert list_sizes(at_once.search_graph).all()
    expected, weights = at_once.decode_batch(events, return_weights=True)
    monkeypatch.setattr(workspace, "_FEWEST_ON_DEMAND", 1)
    for threads in (1, 3):
        on_demand = MWPM.from_dem(dem)
        assert not list_sizes(on_demand.search_graph).any()
        found, their_weights = on_demand.decode_batch(events, return_weights=True, threads=threads)
        assert np.array_equal(found, expected)
        assert np.array_equal(their_weights, weights)
        asked = events.any(axis=0)
        if certain:
            asked = (events ^ at_once.graph.certain_detectors).any(axis=0)
        assert list_sizes(on_demand.search_graph)[asked].all()
        assert not list_sizes(on_demand.search_graph).all()
    one_by_one = MWPM.from_dem(dem)
    # Without detection events, those to explain are where the certain error is missing.
    one_by_one.decode(np.zeros(dem.num_detectors, dtype=np.bool_))
    assert np.flatnonzero(list_sizes(one_by_one.search_graph)).tolist() == ([7, 90] if certain else [])
    for shot, prediction in zip(events[::-1], expected[::-1], strict=True):
        assert np.array_equal(one_by_one.decode(shot), prediction)
        assert np.array_equal(one_by_one.decode_to_edges(shot), at_once.decode_to_edges(shot))
