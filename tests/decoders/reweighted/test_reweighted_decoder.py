"""Error probabilities given with each shot: weights of PyMatching rebuilt for every shot."""

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pymatching
import pytest
import scipy.sparse
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import qec
from decoders import MatchingGraph
from decoders.pymatching import Matching
from decoders.reweighted.decoder import ReweightedDecoder
from tests.support.strategies import dems, shots_of


def surface_dem(distance: int, p: float = 0.01) -> stim.DetectorErrorModel:
    code = qec.RotatedSurfaceCode(distance)
    circuit = qec.memory_circuit(code, rounds=distance, basis="z", noise=qec.noise.uniform(p))
    return circuit.detector_error_model(decompose_errors=True)


def rebuilt(graph: MatchingGraph, weights: NDArray[np.float64]) -> pymatching.Matching:
    """The graph with these weights; of parallel edges the lightest."""
    matching = pymatching.Matching()
    matching.ensure_num_fault_ids(graph.num_observables)
    for edge, (u, v) in enumerate(zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True)):
        bits = np.unpackbits(graph.edge_observables[edge].astype("<u8").view(np.uint8), bitorder="little")
        named: dict[str, Any] = {
            "fault_ids": set(np.flatnonzero(bits).tolist()),
            "weight": weights[edge],
            "merge_strategy": "smallest-weight",
        }
        matching.add_boundary_edge(u, **named) if v < 0 else matching.add_edge(u, v, **named)
    if matching.num_nodes < graph.num_detectors:
        matching.set_boundary_nodes({graph.num_detectors})
    return matching


def random_rows(rng: np.random.Generator, graph: MatchingGraph, shots: int, *, least: float) -> Any:
    """Sparse probabilities: erasures, soft values, sometimes many, sometimes none."""
    chosen = rng.random((shots, graph.num_edges)) < rng.choice([0, 0.005, 0.05, 0.5, 1], (shots, 1))
    erased = rng.random(chosen.shape) < rng.choice([0, 0.1, 1], (shots, 1))
    values = np.where(erased, 0.5, rng.uniform(least, 0.5, chosen.shape))
    return scipy.sparse.csr_array(np.where(chosen, values, 0))


def check_weights(decoder: ReweightedDecoder, events: NDArray[np.bool_], rows: Any) -> None:
    """Compare with PyMatching, shot by shot; dense probabilities give the same."""
    graph = decoder.graph
    predictions, weights = decoder.decode_batch(events, edge_probabilities=rows, return_weights=True)
    dense = np.tile(graph.edge_probability, (events.shape[0], 1))
    entries = rows.tocoo()
    dense[entries.coords] = entries.data
    for number, shot in enumerate(events):
        p = dense[number]
        matching = rebuilt(graph, np.log((1 - p) / p))
        _, weight = matching.decode(shot, return_weight=True)
        assert np.isclose(weights[number], weight, rtol=1e-13, atol=1e-13)
    all_given, all_weights = decoder.decode_batch(events, edge_probabilities=dense, return_weights=True)
    assert np.allclose(all_weights, weights, rtol=1e-13, atol=1e-13)
    assert (all_given != predictions).mean() < 0.2


@pytest.mark.parametrize(("distance", "shots"), [(3, 60), (5, 25)])
def test_surface_codes(distance: int, shots: int) -> None:
    dem = surface_dem(distance)
    decoder = ReweightedDecoder.from_dem(dem)
    events, _, _ = dem.compile_sampler(seed=distance).sample(shots)
    rng = np.random.default_rng(distance)
    for least in (1e-6, 0.01):  # with and without weights above the model's largest
        check_weights(decoder, events, random_rows(rng, decoder.graph, shots, least=least))


@settings(max_examples=150)
@given(data=st.data(), dem=dems(extremes=False, cancelling=False), seed=st.integers(0, 999))
def test_any_model(data: st.DataObject, dem: stim.DetectorErrorModel, seed: int) -> None:
    decoder = ReweightedDecoder.from_dem(dem)
    graph = decoder.graph
    rng = np.random.default_rng(seed)
    events = data.draw(shots_of(num_detectors=graph.num_detectors))
    likely = rng.random((events.shape[0], graph.num_edges)) < 0.5
    values = np.where(likely, rng.uniform(1e-3, 0.999, likely.shape), 0)
    # Parallel edges more likely than not are a pair of errors here, one of them to PyMatching.
    pairs = np.stack([graph.edge_u, graph.edge_v], axis=1)
    parallel = (pairs[:, np.newaxis] == pairs[np.newaxis]).all(axis=2).sum(axis=1) > 1
    values[:, parallel] = np.minimum(values[:, parallel], 0.5)
    if (graph.edge_probability[parallel] > 0.5).any():
        return
    for shot, row in zip(events, values, strict=True):
        p = np.where(row > 0, row, graph.edge_probability)
        rows = scipy.sparse.csr_array(row[np.newaxis])
        try:
            _, weight = rebuilt(graph, np.log((1 - p) / p)).decode(shot, return_weight=True)
        except ValueError:
            with pytest.raises(ValueError, match="shot 0: no error explains"):
                decoder.decode_batch(shot[np.newaxis], edge_probabilities=rows)
            continue
        for given_with in (rows, p[np.newaxis]):
            _, weights = decoder.decode_batch(
                shot[np.newaxis], edge_probabilities=given_with, return_weights=True
            )
            # The heavier of parallel edges sets the size of a step here; PyMatching has not got it.
            steps = graph.num_edges * np.abs(np.log((1 - p) / p)).max(initial=0) / 2**24
            assert np.isclose(weights[0], weight, rtol=1e-12, atol=steps if parallel.any() else 1e-12)


def test_few_changed_edges_lead_to_the_solution_of_all_weights_together() -> None:
    """Weights without ties have one solution: neighbour lists of other shots give it, and so do new ones."""
    dem = surface_dem(5)
    rng = np.random.default_rng(4)
    graph = MatchingGraph.from_dem(dem)
    base = rng.uniform(0.002, 0.03, graph.num_edges)
    base[0] = 0.001  # the largest weight of every shot
    decoder = ReweightedDecoder(graph=replace(graph, edge_probability=base))
    events, _, _ = dem.compile_sampler(seed=4).sample(1000)
    chosen = rng.random((1000, graph.num_edges)) < rng.choice([0, 0.003, 0.02], (1000, 1))
    chosen[:, 0] = False
    values = np.where(chosen, rng.uniform(0.002, 0.5, chosen.shape), 0)
    dense = np.where(chosen, values, base)
    rows = scipy.sparse.csr_array(values)
    expected, weights = decoder.decode_batch(events, edge_probabilities=dense, return_weights=True)
    found, same = decoder.decode_batch(events, edge_probabilities=rows, return_weights=True)
    assert np.array_equal(found, expected)
    assert np.allclose(same, weights, rtol=1e-12)


def test_whole_weights_with_a_fraction_in_one_shot_are_not_rounded() -> None:
    matching = Matching()
    matching.add_boundary_edge(0, weight=1)
    matching.add_edge(0, 1, weight=1)
    matching.add_boundary_edge(1, weight=5)
    shots = np.array([[1, 0], [1, 0], [1, 1]])
    given = scipy.sparse.csr_array(([0.3, 0.3], ([1, 2], [0, 1])), shape=(3, 3))
    _, weights = matching.decode_batch(shots, edge_probabilities=given, return_weights=True)
    assert weights == pytest.approx([1, math.log(7 / 3), math.log(7 / 3)], abs=1e-6)


def test_a_shot_leaves_nothing_behind() -> None:
    dem = surface_dem(3)
    decoder = ReweightedDecoder.from_dem(dem)
    events, _, _ = dem.compile_sampler(seed=9).sample(300)
    rng = np.random.default_rng(9)
    rows = random_rows(rng, decoder.graph, 300, least=1e-6)
    together, weights = decoder.decode_batch(events, edge_probabilities=rows, return_weights=True)
    order = rng.permutation(300)
    shuffled, others = decoder.decode_batch(
        events[order], edge_probabilities=rows[order], return_weights=True
    )
    assert np.array_equal(others, weights[order])
    assert np.array_equal(shuffled, together[order])
    threaded, others = decoder.decode_batch(events, edge_probabilities=rows, return_weights=True, threads=3)
    assert np.array_equal(others, weights)
    assert np.array_equal(threaded, together)
    packed = decoder.decode_batch(
        np.packbits(events, axis=1, bitorder="little"), edge_probabilities=rows.tocoo(), bit_packed=True
    )
    assert np.array_equal(packed[:, 0], together[:, 0])
    copied = pickle.loads(pickle.dumps(decoder))
    assert np.array_equal(copied.decode_batch(events, edge_probabilities=rows), together)


def test_without_own_probabilities_weights_are_those_of_mwpm() -> None:
    dem = surface_dem(5)
    decoder = ReweightedDecoder.from_dem(dem)
    events, _, _ = dem.compile_sampler(seed=1).sample(500)
    none = scipy.sparse.csr_array((500, decoder.graph.num_edges))
    _, weights = decoder.decode_batch(events, edge_probabilities=none, return_weights=True)
    _, expected = pymatching.Matching(dem).decode_batch(events, return_weights=True)
    assert np.array_equal(weights, expected)


def test_erased_edges_are_free() -> None:
    dem = stim.DetectorErrorModel("error(0.01) D0 L0\nerror(0.01) D0 D1\nerror(0.1) D1")
    decoder = ReweightedDecoder.from_dem(dem)
    assert decoder.graph.edge_u.tolist() == [0, 0, 1]
    assert decoder.graph.edge_v.tolist() == [-1, 1, -1]
    event = np.array([[True, False]])
    none = scipy.sparse.csr_array((1, 3))
    assert decoder.decode_batch(event, edge_probabilities=none).tolist() == [[True]]
    erased = scipy.sparse.csr_array(([0.5], ([0], [1])), shape=(1, 3))
    found, weights = decoder.decode_batch(event, edge_probabilities=erased, return_weights=True)
    assert found.tolist() == [[False]]
    assert np.isclose(weights[0], np.log(9))


@pytest.mark.parametrize(
    ("events", "probabilities", "message"),
    [
        (np.zeros((2, 2), bool), np.full((1, 3), 0.1), r"shape \(1, 3\): must be \(2, 3\)"),
        (np.zeros((1, 2), bool), np.array([[0.1, 0, 0.1]]), "shot 0, edge 1 has 0.0: must lie strictly"),
        (np.zeros((1, 2), bool), np.array([[0.1, np.nan, 0.1]]), "edge 1 has nan"),
        (
            np.zeros((2, 2), bool),
            scipy.sparse.csr_array(([0.5, 1.0], ([0, 1], [1, 2])), shape=(2, 3)),
            "shot 1, edge 2 has 1.0",
        ),
        (
            np.zeros((1, 2), bool),
            scipy.sparse.csr_array((np.array([0.1, 0.2]), np.array([1, 1]), np.array([0, 2])), shape=(1, 3)),
            "two entries for the same shot and edge",
        ),
        (
            np.zeros((1, 2), bool),
            scipy.sparse.coo_array(([0.1, 0.2], ([0, 0], [1, 1])), shape=(1, 3)),
            "two entries for the same shot and edge",
        ),
        (np.zeros((1, 3), bool), np.full((1, 3), 0.1), r"expected \(shots, 2\)"),
    ],
)
def test_refusals(events: NDArray[np.bool_], probabilities: Any, message: str) -> None:
    dem = stim.DetectorErrorModel("error(0.01) D0 L0\nerror(0.01) D0 D1\nerror(0.1) D1")
    with pytest.raises(ValueError, match=message):
        ReweightedDecoder.from_dem(dem).decode_batch(events, edge_probabilities=probabilities)
    with pytest.raises(ValueError, match="threads=0"):
        ReweightedDecoder.from_dem(dem).decode_batch(
            np.zeros((1, 2), bool), edge_probabilities=np.full((1, 3), 0.1), threads=0
        )


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (np.array([[0b100]], dtype=np.uint8), "shot 0 has bits set beyond its 2 detectors"),
        (np.zeros((1, 2), dtype=np.uint8), r"expected \(shots, 1\)"),
        (np.zeros((1, 1), dtype=np.int64), "have dtype int64, expected uint8"),
    ],
)
def test_refusals_of_packed_shots(events: NDArray[Any], message: str) -> None:
    dem = stim.DetectorErrorModel("error(0.01) D0 L0\nerror(0.01) D0 D1\nerror(0.1) D1")
    with pytest.raises(ValueError, match=message):
        ReweightedDecoder.from_dem(dem).decode_batch(
            events, edge_probabilities=np.full((1, 3), 0.1), bit_packed=True
        )
