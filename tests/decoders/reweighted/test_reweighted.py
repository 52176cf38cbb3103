"""Matching under per-shot weights, against enumeration, PyMatching, and the dual solution."""

from dataclasses import replace

import numpy as np
import pymatching
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import qec
from decoders import MatchingGraph
from decoders.matching.optimality import check_certificate, check_edges
from decoders.matching.workspace import read_only
from decoders.reweighted.graph import ReweightedMatching
from tests.support import oracles
from tests.support.strategies import matching_graphs


def surface_graph(*, distance: int, p: float = 0.01) -> tuple[stim.DetectorErrorModel, MatchingGraph]:
    circuit = qec.memory_circuit(
        qec.RotatedSurfaceCode(distance), rounds=distance, basis="z", noise=qec.noise.uniform(p)
    )
    dem = circuit.detector_error_model(decompose_errors=True)
    return dem, MatchingGraph.from_dem(dem)


def check_against_oracle(matching: ReweightedMatching, graph: MatchingGraph, shot: NDArray[np.bool_]) -> None:
    """`graph` has the weights of this shot, `matching` was made from one with others."""
    edges = oracles.edges_of(graph)
    flipped = oracles.bits(graph.certain_detectors)
    best = oracles.every_syndrome(edges).get(oracles.bits(shot) ^ flipped)
    if best is None:
        with pytest.raises(ValueError, match="no set of edges explains"):
            matching.match(shot, weights=graph.edge_weight)
        return
    solution = matching.match(shot, weights=graph.edge_weight)
    assert solution.weight == best.weight
    chosen = [edges[number] for number in solution.edges]
    assert sum(edge.weight for edge in chosen) == best.weight
    assert oracles.syndrome_of(chosen) == oracles.bits(shot) ^ flipped
    packed = read_only(np.packbits(shot, bitorder="little"))
    check_edges(graph, packed, solution.edges, solution.flips, solution.weight)


@settings(max_examples=300)
@given(graph=matching_graphs(), seed=st.integers(0, 1000), list_length=st.sampled_from([1, 2, 64]))
def test_any_graph_under_any_weights(graph: MatchingGraph, seed: int, list_length: int) -> None:
    rng = np.random.default_rng(seed)
    matching = ReweightedMatching(graph=graph, list_length=list_length)
    matching.work._resize(2)
    matching.work.record["keep_duals"] = seed % 2
    for largest in [0, 2, 2, 1000, 2**24]:
        halves = rng.integers(-largest if seed % 3 else 0, largest + 1, graph.num_edges)
        shot = rng.random(graph.num_detectors) < rng.random()
        check_against_oracle(matching, replace(graph, edge_weight=(2 * halves).astype(np.int32)), shot)
        # Two shots in a row leave nothing behind for the third, which has the graph's own weights.
        check_against_oracle(matching, graph, shot)


@pytest.mark.parametrize(("distance", "shots"), [(3, 40), (5, 12), (7, 5)])
def test_weights_of_surface_codes_are_those_of_pymatching(distance: int, shots: int) -> None:
    dem, graph = surface_graph(distance=distance)
    matching = ReweightedMatching(graph=graph)
    rng = np.random.default_rng(distance)
    events, _, _ = dem.compile_sampler(seed=distance).sample(shots)
    for number, shot in enumerate(events):
        scale = rng.choice([1.0, 30.0, 1000.0])
        sizes = rng.exponential(size=graph.num_edges) ** (1 + number % 3)
        weights = 2 * np.rint(scale * sizes).astype(np.int32)
        theirs = pymatching.Matching()
        for u, v, weight in zip(graph.edge_u, graph.edge_v, weights, strict=True):
            if v < 0:
                theirs.add_boundary_edge(int(u), weight=int(weight), merge_strategy="smallest-weight")
            else:
                theirs.add_edge(int(u), int(v), weight=int(weight), merge_strategy="smallest-weight")
        _, expected = theirs.decode(shot, return_weight=True)
        solution = matching.match(shot, weights=weights)
        assert solution.weight == round(expected)
        packed = read_only(np.packbits(shot, bitorder="little"))
        reweighted = replace(graph, edge_weight=weights)
        check_edges(reweighted, packed, solution.edges, solution.flips, solution.weight)


@pytest.mark.parametrize("list_length", [2, 64])
@pytest.mark.parametrize("negative", [False, True])
def test_dual_solutions_prove_matchings_lightest(list_length: int, negative: bool) -> None:
    """Shots of a code with far more events than brute force could match."""
    dem, graph = surface_graph(distance=5, p=0.02)
    matching = ReweightedMatching(graph=graph, list_length=list_length)
    matching.work.record["keep_duals"] = 1
    rng = np.random.default_rng(5)
    events, _, _ = dem.compile_sampler(seed=5).sample(30)
    searched = 0
    for shot in events:
        largest = int(rng.choice([2, 20, 10**6]))
        halves = rng.integers(0, largest, graph.num_edges)
        if negative:
            halves[rng.random(graph.num_edges) < 0.02] *= -1
        reweighted = replace(graph, edge_weight=(2 * halves).astype(np.int32))
        solution = matching.match(shot, weights=reweighted.edge_weight)
        packed = read_only(np.packbits(shot, bitorder="little"))
        check_certificate(reweighted, packed, matching.work, solution.weight)
        check_edges(reweighted, packed, solution.edges, solution.flips, solution.weight)
        searched += int(matching.work.record["num_visited"][0])
    assert searched > 100


def test_of_parallel_edges_the_lightest_of_this_shot_counts() -> None:
    lines = ["D0 D1 L0", "D0 D1 L1", "D1 L2", "D1", "D0"]
    text = "\n".join(f"error(0.1) {line}" for line in lines)
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel(text))
    matching = ReweightedMatching(graph=graph)
    for chosen in range(graph.num_edges):
        weights = np.full(graph.num_edges, 100, dtype=np.int32)
        weights[chosen] = 2
        shot = np.zeros(2, dtype=np.bool_)
        shot[graph.edge_u[chosen]] = True
        if graph.edge_v[chosen] >= 0:
            shot[graph.edge_v[chosen]] = True
        solution = matching.match(shot, weights=weights)
        assert solution.edges.tolist() == [chosen]
        assert solution.weight == 2
        assert solution.flips[0] == graph.edge_observables[chosen, 0]


@pytest.mark.parametrize(
    ("shot", "weights", "message"),
    [
        (np.zeros(3), np.zeros(2, dtype=np.int32), r"shape \(3,\), expected \(2,\)"),
        (np.zeros(2, dtype=np.bool_), np.zeros(3, dtype=np.int32), r"int32 \(3,\), expected int32 \(2,\)"),
        (np.zeros(2, dtype=np.bool_), np.zeros(2), r"float64 \(2,\), expected int32"),
        (np.zeros(2, dtype=np.bool_), np.array([1, 2], dtype=np.int32), "even and at most"),
        (np.zeros(2, dtype=np.bool_), np.array([2**26, 2], dtype=np.int32), "even and at most"),
    ],
)
def test_what_is_refused(shot: NDArray[np.bool_], weights: NDArray[np.int32], message: str) -> None:
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("error(0.1) D0 L0\nerror(0.1) D0 D1"))
    with pytest.raises(ValueError, match=message) as caught:
        ReweightedMatching(graph=graph).match(shot, weights=weights)
    assert "\n" not in str(caught.value)
