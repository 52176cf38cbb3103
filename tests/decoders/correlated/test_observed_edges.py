"""Edges that the syndrome determines, and the probabilities of other edges given them."""

import itertools

import numpy as np
import pytest
import stim
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

import decoders
from decoders import MatchingGraph
from decoders.correlated.decoder import CorrelatedMWPM
from decoders.correlated.edge_correlations import CorrelatedGraph
from decoders.correlated.observed_edges import LEAST_PROBABILITY, find_observed
from decoders.kernels.jit import interpreted
from experiments.bench.codes.exact_model import ExactModel
from qec import families
from tests.support.correlated_twin import Twin


def random_graph(rng: np.random.Generator) -> MatchingGraph:
    """Few edges: trees, cycles, parallel edges, with and without a boundary."""
    size = int(rng.integers(1, 9))
    lines = [f"detector D{size - 1}"]
    for _ in range(int(rng.integers(1, 3 * size // 2 + 2))):
        ends = rng.choice(size, size=min(size, int(rng.choice([1, 2, 2, 2]))), replace=False)
        lines.append("error(0.1) " + " ".join(f"D{end}" for end in ends) + " L0" * int(rng.integers(2)))
    return MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))


def num_components(graph: MatchingGraph, edges: NDArray[np.int64]) -> int:
    """Connected components with these edges, the boundary as one vertex."""
    outside = graph.num_detectors
    ends = graph.edge_u[edges], np.where(graph.edge_v[edges] < 0, outside, graph.edge_v[edges])
    size = outside + 1
    return int(connected_components(coo_array((np.ones(edges.size), ends), shape=(size, size)))[0])


def test_without_an_observed_edge_its_ends_are_apart() -> None:
    rng = np.random.default_rng(1)
    counts = np.zeros(2, dtype=np.int64)
    for _ in range(300):
        graph = random_graph(rng)
        everything = np.arange(graph.num_edges)
        whole = num_components(graph, everything)
        expected = [num_components(graph, np.delete(everything, edge)) > whole for edge in everything]
        assert find_observed(graph).tolist() == expected
        counts += np.bincount(expected, minlength=2)
    assert counts.min() > 200


def edges_by_name(graph: MatchingGraph) -> dict[tuple[int, int], int]:
    ends = zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True)
    return {pair: number for number, pair in enumerate(ends)}


def given_heralds(dem: stim.DetectorErrorModel, found: CorrelatedGraph) -> dict[str, NDArray[np.float64]]:
    """Probability of each edge with no observed edge, or only that one, present; by all sets of errors."""
    number = edges_by_name(found.graph)
    errors = []
    for error in dem:
        if error.type == "error":
            parts = [tuple(sorted(t.val for t in part)) for part in error.target_groups()]
            edges = [number[part if len(part) == 2 else (part[0], -1)] for part in parts]
            errors.append((error.args_copy()[0], edges))
    total: dict[tuple[int, ...], NDArray[np.float64]] = {}
    observed = np.flatnonzero(find_observed(found.graph))
    for happened in itertools.product([False, True], repeat=len(errors)):
        chance = np.prod([p if yes else 1 - p for yes, (p, _) in zip(happened, errors, strict=True)])
        present = np.zeros(found.graph.num_edges, dtype=np.int64)
        for yes, (_, edges) in zip(happened, errors, strict=True):
            for edge in edges:
                present[edge] ^= yes
        key = tuple(observed[present[observed] == 1].tolist())
        row = total.setdefault(key, np.zeros(found.graph.num_edges + 1))
        row += chance * np.append(present, 1)
    return {str(key): row[:-1] / row[-1] for key, row in total.items()}


def test_weights_given_observed_edges_are_exact() -> None:
    """Noisy heralds, one that sees two edges, and an edge with two of them."""
    dem = stim.DetectorErrorModel("""
        error(0.05) D0
        error(0.08) D0 ^ D2 D3
        error(0.02) D0 ^ D3
        error(0.3) D1
        error(0.1) D1 ^ D2 D3
        error(0.01) D2 D3
        error(0.04) D2
        error(0.03) D3
    """)
    found = CorrelatedGraph.from_dem(dem)
    graph, number = found.graph, edges_by_name(found.graph)
    heralds = [number[0, -1], number[1, -1]]
    assert np.flatnonzero(found.observed).tolist() == heralds
    expected = given_heralds(dem, found)
    tested = [edge for edge in range(graph.num_edges) if edge not in heralds]
    odds = np.exp(-graph.edge_weight / graph.weight_scale)
    assert (odds / (1 + odds))[tested] == pytest.approx(expected["()"][tested], rel=1e-5)
    for herald in heralds:
        rows = slice(found.implied.start[herald], found.implied.start[herald + 1])
        odds = np.exp(-found.implied.weight[rows] / graph.weight_scale)
        targets = found.implied.edge[rows]
        assert targets.size == (2 if herald == heralds[0] else 1)
        given = np.minimum(expected[f"({herald},)"][targets], 0.5)
        assert odds / (1 + odds) == pytest.approx(given, rel=1e-5)


def test_an_edge_that_needs_its_herald_stays_possible() -> None:
    dem = stim.DetectorErrorModel("""
        error(0.1) D0 ^ D1 L0
        error(0.001) D1 D2
        error(0.001) D2 D3
        error(0.001) D3 D4
        error(0.001) D4
    """)
    graph = CorrelatedGraph.from_dem(dem).graph
    least = graph.edge_weight[edges_by_name(graph)[1, -1]] / graph.weight_scale
    assert least == pytest.approx(-np.log(LEAST_PROBABILITY))
    # Four errors without a herald; or, in a shot that no whole errors explain, the edge all the same.
    decoder = decoders.from_dem("mwpm-correlated", dem)
    assert decoder.decode([0, 1, 0, 0, 0]).tolist() == [False]
    assert decoder.decode([1, 1, 0, 0, 0]).tolist() == [True]
    alone = stim.DetectorErrorModel("error(0.1) D0 ^ D1 L0")
    assert decoders.from_dem("mwpm-correlated", alone).decode([0, 1]).tolist() == [True]


def test_models_without_observed_edges_are_as_before() -> None:
    circuit = families.circuit("surface-uniform", distance=3, p=0.005)
    dem = families.error_model(circuit)
    found, plain = CorrelatedGraph.from_dem(dem), CorrelatedGraph.from_dem(dem, observe=False)
    assert not found.observed.any()
    assert np.array_equal(found.graph.edge_weight, plain.graph.edge_weight)
    assert all(np.array_equal(a, b) for a, b in zip(found.implied, plain.implied, strict=True))


def test_absent_heralds_count() -> None:
    """All syndromes of a repetition code with erasures: close to the optimum, and below PyMatching's."""
    circuit = families.circuit("repetition-erasure", distance=3, p=0.1, rounds=2)
    dem = families.error_model(circuit)
    model = ExactModel.of(dem)
    ours, theirs = (
        model.errors(decoders.from_dem(name, dem).decode_batch(model.events())).sum()
        for name in ("mwpm-correlated", "pymatching-correlated")
    )
    assert ours < 0.9 * theirs
    assert ours < 1.04 * model.optimum()


def erasure_shots(
    p: float, shots: int
) -> tuple[stim.DetectorErrorModel, NDArray[np.bool_], NDArray[np.bool_]]:
    circuit = families.circuit("surface-erasure", distance=3, p=p)
    events, flips = circuit.compile_detector_sampler(seed=3).sample(shots, separate_observables=True)
    return families.error_model(circuit), events, flips


def test_both_halves_of_a_surface_code() -> None:
    dem, events, flips = erasure_shots(0.1, 8000)
    decoder = CorrelatedMWPM.from_dem(dem)
    predictions = decoder.decode_batch(events)
    whole, _ = decoder.decode_batch(events, return_weights=True)
    assert (predictions != whole).mean() < 0.001  # ties
    before = CorrelatedMWPM(correlated=CorrelatedGraph.from_dem(dem, observe=False))
    wrong, wrong_before = ((one != flips).any(axis=1) for one in (predictions, before.decode_batch(events)))
    assert wrong.sum() < 0.8 * wrong_before.sum()


def test_the_second_matching_is_the_lightest() -> None:
    dem, events, _ = erasure_shots(0.1, 12 if interpreted else 150)
    twin = Twin(CorrelatedMWPM.from_dem(dem, compare=False))
    for shot in events:
        twin.check(shot)


def test_the_first_matching_is_the_lightest_given_the_observed_edges() -> None:
    """Where the two matchings imply the same, plain matching with the weights after the heralds."""
    circuit = families.circuit("repetition-erasure", distance=5, p=0.2)
    dem = families.error_model(circuit)
    decoder = CorrelatedMWPM.from_dem(dem)
    found, graph = decoder.correlated, decoder.graph
    events, _ = circuit.compile_detector_sampler(seed=5).sample(200, separate_observables=True)
    _, weights = decoder.decode_batch(events, return_weights=True)
    twin = Twin(decoder)
    herald = np.full(graph.num_detectors, -1)
    herald[graph.edge_u[found.observed]] = np.flatnonzero(found.observed)
    for shot, weight in zip(events, weights, strict=True):
        lowered = graph.edge_weight.astype(np.int64)
        for edge in herald[shot & (herald >= 0)]:
            rows = slice(found.implied.start[edge], found.implied.start[edge + 1])
            np.minimum.at(lowered, found.implied.edge[rows], found.implied.weight[rows])
        least = twin.least_weight(shot, lowered)
        assert round(weight * graph.weight_scale) <= least
        first = twin.first.decode_to_edge_numbers(shot)
        assert lowered[first].sum() == least


def test_gaps_are_those_of_the_second_weights() -> None:
    dem, events, _ = erasure_shots(0.1, 100)
    decoder = CorrelatedMWPM.from_dem(dem, compare=False)
    twin = Twin(decoder)
    for shot in events:
        predictions, gaps = decoder.decode_batch(shot[np.newaxis], return_gap=True)
        assert np.array_equal(decoder._idle_desks[-1].weights, twin.weights(shot))
        assert np.array_equal(predictions, decoder.decode_batch(shot[np.newaxis]))
        assert (gaps >= 0).all()
