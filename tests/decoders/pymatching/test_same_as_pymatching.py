"""The same calls of both libraries: the same graphs, errors and weights, and predictions of that weight."""

from functools import partial
from typing import Any

import networkx as nx
import numpy as np
import pymatching
import pytest
import scipy.sparse
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders.pymatching import Matching
from tests.support.pymatching_calls import (
    STRATEGIES,
    Call,
    Solutions,
    assert_same_graph,
    graph_calls,
    make_both,
    outcome,
    weights,
)
from tests.support.strategies import dems

FORMATS = ["coo", "csr", "csc", "lil", "dok", "bsr", "dia"]


def syndromes(matching: Matching, *, seed: int) -> NDArray[np.uint8]:
    """All syndromes of small graphs, some of larger ones; uint8 (shots, num_nodes)."""
    size = matching.num_nodes
    if size <= 4:
        return np.array([[n >> bit & 1 for bit in range(size)] for n in range(1 << size)], dtype=np.uint8)
    return np.random.default_rng(seed).integers(0, 2, (12, size), dtype=np.uint8)


def assert_same_answers(ours: Matching, theirs: pymatching.Matching, *, seed: int) -> None:
    solutions = Solutions(ours)
    for syndrome in syndromes(ours, seed=seed):
        mine: Any = outcome(lambda z=syndrome: ours.decode(z, return_weight=True))
        other: Any = outcome(lambda z=syndrome: theirs.decode(z, return_weight=True))
        if other is ValueError:
            assert mine is ValueError
            assert outcome(lambda z=syndrome: ours.decode_to_edges_array(z)) is ValueError
            continue
        prediction, weight = mine
        # Merged weights may differ in the last bit, and with them the size of a step.
        assert np.isclose(weight, other[1], rtol=1e-14, atol=1e-14)
        assert prediction.dtype == other[0].dtype
        assert prediction.shape == other[0].shape
        edges = ours.decode_to_edges_array(syndrome)
        assert edges.dtype == np.int64
        solutions.check(syndrome, edges, prediction, weight)


@settings(max_examples=300)
@given(calls=graph_calls(), seed=st.integers(0, 99))
def test_graphs_built_edge_by_edge(calls: list[Call], seed: int) -> None:
    ours, theirs = make_both(calls)
    assert_same_graph(ours, theirs)
    assert_same_answers(ours, theirs, seed=seed)


@given(calls=graph_calls(negative=False), seed=st.integers(0, 99))
def test_matched_detection_events(calls: list[Call], seed: int) -> None:
    ours, theirs = make_both(calls)
    for syndrome in syndromes(ours, seed=seed):
        mine = outcome(lambda z=syndrome: ours.decode_to_matched_dets_array(z))
        other = outcome(lambda z=syndrome: theirs.decode_to_matched_dets_array(z))
        if other is ValueError:
            assert mine is ValueError
            continue
        assert mine.dtype == other.dtype
        events = [node for node in np.flatnonzero(syndrome).tolist() if node not in ours.boundary]
        assert sorted(mine[mine >= 0].tolist()) == events
        mates = ours.decode_to_matched_dets_dict(syndrome)
        assert sorted(mates) == events
        assert {(a, None if b < 0 else b) for a, b in mine.tolist()} == {
            (a, b) for a, b in mates.items() if b is None or a < b
        }
        # Each pair alone weighs what it weighs in the solution: together the weight of the syndrome.
        total = 0.0
        for pair in mine.tolist():
            alone = np.zeros_like(syndrome)
            alone[[node for node in pair if node >= 0]] = 1
            total += ours.decode(alone, return_weight=True)[1]
        assert total >= theirs.decode(syndrome, return_weight=True)[1] - 1e-9
        if all(pair[1] < 0 for pair in mine.tolist()):
            assert np.isclose(total, theirs.decode(syndrome, return_weight=True)[1])


@given(calls=graph_calls(), seed=st.integers(0, 99), threads=st.integers(1, 3))
def test_batches_in_every_form(calls: list[Call], seed: int, threads: int) -> None:
    ours, theirs = make_both(calls)
    shots = np.random.default_rng(seed).integers(0, 2, (9, ours.num_nodes), dtype=np.uint8)
    possible = [outcome(lambda z=z: theirs.decode(z)) is not ValueError for z in shots]
    if not all(possible):
        assert outcome(lambda: ours.decode_batch(shots, threads=threads)) is ValueError
    shots = shots[possible]
    packed = np.packbits(shots, axis=1, bitorder="little")
    alone = [ours.decode(shot, return_weight=True) for shot in shots]
    for is_packed, packs in [(False, False), (False, True), (True, False), (True, True)]:
        predictions, weights = ours.decode_batch(
            packed if is_packed else shots,
            bit_packed_shots=is_packed,
            bit_packed_predictions=packs,
            return_weights=True,
            threads=threads,
        )
        other, other_weights = theirs.decode_batch(
            packed if is_packed else shots,
            bit_packed_shots=is_packed,
            bit_packed_predictions=packs,
            return_weights=True,
        )
        assert (predictions.shape, predictions.dtype) == (other.shape, other.dtype)
        assert (weights.shape, weights.dtype) == (other_weights.shape, other_weights.dtype)
        assert np.allclose(weights, other_weights, rtol=1e-14, atol=1e-14)
        if packs:
            predictions = np.unpackbits(predictions, axis=1, count=ours.num_fault_ids, bitorder="little")
        for prediction, weight, (expected, expected_weight) in zip(predictions, weights, alone, strict=True):
            assert np.array_equal(prediction, expected)
            assert weight == expected_weight


CONTAINERS = [
    np.ndarray.tolist,
    lambda matrix: matrix.astype(bool),
    lambda matrix: matrix.astype(float),
    lambda matrix: np.asfortranarray(matrix),
    *(partial(scipy.sparse.coo_array.asformat, format=name) for name in FORMATS),
]


@st.composite
def check_matrix_arguments(draw: st.DrawFn) -> tuple[Any, dict[str, Any]]:
    """A check matrix in any container, and any of the options."""
    checks, columns = draw(st.integers(1, 4)), draw(st.integers(0, 6))
    matrix = np.zeros((checks, columns), dtype=np.uint8)
    for column in range(columns):
        matrix[sorted(draw(st.sets(st.integers(0, checks - 1), max_size=2))), column] = 1

    def values(size: int, of: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
        several = st.lists(of, min_size=size, max_size=size)
        return st.none() | of | several | several.map(np.array)

    probability = st.sampled_from([0.0, 0.1, 0.7, 1.5])
    named: dict[str, Any] = {
        "weights": draw(values(columns, weights())),
        "error_probabilities": draw(values(columns, probability)),
        "use_virtual_boundary_node": draw(st.booleans()),
        "merge_strategy": draw(st.sampled_from(STRATEGIES)),
        "repetitions": draw(st.none() | st.integers(1, 3)),
        "timelike_weights": draw(values(checks, weights())),
        "measurement_error_probabilities": draw(values(checks, probability)),
    }
    if draw(st.booleans()):
        rows = draw(st.integers(1, 3))
        faults = draw(st.lists(st.integers(0, 1), min_size=rows * columns, max_size=rows * columns))
        named["faults_matrix"] = np.array(faults, dtype=np.uint8).reshape(rows, columns)
    return matrix, {name: value for name, value in named.items() if value is not None}


@settings(max_examples=200)
@given(arguments=check_matrix_arguments(), container=st.sampled_from(range(len(CONTAINERS))))
def test_check_matrices(arguments: tuple[Any, dict[str, Any]], container: int) -> None:
    matrix, named = arguments
    contained = matrix if container < 4 else scipy.sparse.coo_array(matrix)
    theirs = outcome(lambda: pymatching.Matching(matrix, **named))
    ours = outcome(lambda: Matching(CONTAINERS[container](contained), **named))
    if theirs is ValueError:
        assert ours is ValueError
        return
    assert_same_graph(ours, theirs)
    assert_same_answers(ours, theirs, seed=container)


@st.composite
def networkx_graphs(draw: st.DrawFn) -> nx.Graph:
    kind = draw(st.sampled_from([nx.Graph, nx.MultiGraph, nx.DiGraph]))
    graph = kind()
    node = st.integers(0, 6)
    for number in draw(st.lists(node, max_size=3)):
        graph.add_node(number, is_boundary=draw(st.booleans()))
    for _ in range(draw(st.integers(0, 8))):
        attributes = {
            "weight": draw(weights()),
            "fault_ids": draw(st.sampled_from([-1, 0, 2, 3, {0, 1}, [1, 2], set()])),
            "error_probability": draw(st.sampled_from([0.1, 0.2, -1])),
            "colour": "red",
        }
        wanted = draw(st.sets(st.sampled_from(sorted(attributes))))
        graph.add_edge(draw(node), draw(node), **{name: attributes[name] for name in wanted})
    return graph


@settings(max_examples=200)
@given(graph=networkx_graphs(), seed=st.integers(0, 99))
def test_networkx(graph: nx.Graph, seed: int) -> None:
    ours = Matching.from_networkx(graph, min_num_fault_ids=4)
    theirs = pymatching.Matching.from_networkx(graph, min_num_fault_ids=4)
    assert_same_graph(ours, theirs)
    assert_same_answers(ours, theirs, seed=seed)
    mine, other = ours.to_networkx(), theirs.to_networkx()
    assert list(mine.nodes(data=True)) == list(other.nodes(data=True))
    assert [ends[:2] for ends in mine.edges] == [ends[:2] for ends in other.edges]
    assert Matching(mine).num_edges == ours.num_edges


@settings(max_examples=100)
@given(dem=dems(extremes=False, cancelling=False), seed=st.integers(0, 99))
def test_detector_error_models(dem: stim.DetectorErrorModel, seed: int) -> None:
    ours, theirs = Matching(dem), pymatching.Matching(dem)
    assert_same_graph(ours, theirs, in_order=False)
    assert_same_answers(ours, theirs, seed=seed)


@given(calls=graph_calls())
def test_certain_noise(calls: list[Call]) -> None:
    """With probabilities of zero and one there is nothing random."""

    def certain(call: Call) -> Call:
        if call.method not in ("add_edge", "add_boundary_edge"):
            return call
        named = {"merge_strategy": "keep-original"}
        return call._replace(positional=(*call.positional[:-1], float(call.positional[-2] > 0)), named=named)

    ours, theirs = make_both([certain(call) for call in calls])
    mine, other = ours.add_noise(), theirs.add_noise()
    for one, another in zip(mine, other, strict=True):
        assert (one.dtype, one.tolist()) == (another.dtype, another.tolist())
    if ours.num_edges:
        ours.add_edge(0, ours.num_nodes)
        assert ours.add_noise() is None


@settings(max_examples=150)
@given(calls=graph_calls(), seed=st.integers(0, 999), threads=st.integers(1, 2))
def test_probabilities_of_each_shot(calls: list[Call], seed: int, threads: int) -> None:
    """As PyMatching with the graph rebuilt for the shot."""
    ours, _ = make_both(calls)
    boundary = ours.boundary
    if any(u == v or {u, v} <= boundary | {None} for u, v, _ in ours.edges()):
        if ours.num_nodes:
            with pytest.raises(ValueError, match="leads from a node to itself or between boundary nodes"):
                ours.decode_batch(
                    np.zeros((1, ours.num_nodes), dtype=np.uint8),
                    edge_probabilities=np.full((1, ours.num_edges), 0.1),
                )
        return
    rng = np.random.default_rng(seed)
    shots = rng.integers(0, 2, (6, ours.num_nodes), dtype=np.uint8)
    at_boundary = np.array([v is None or bool({u, v} & boundary) for u, v, _ in ours.edges()], dtype=bool)
    # Of several edges to the boundary PyMatching takes one, even if all of them are likelier than not.
    own_weights = np.array([attributes["weight"] for _, _, attributes in ours.edges()])
    if (own_weights[at_boundary] < 0).any():
        return
    largest = np.where(at_boundary, 0.5, 0.95)
    given_here = rng.random((6, ours.num_edges)) < rng.choice([0, 0.3, 1], (6, 1))
    values = np.where(given_here, rng.uniform(1e-3, largest, given_here.shape), 0)
    sparse = scipy.sparse.csr_array(values)
    expected = []
    for shot, row in zip(shots, values, strict=True):
        theirs = pymatching.Matching()
        theirs.ensure_num_fault_ids(ours.num_fault_ids)
        for (u, v, attributes), p in zip(ours.edges(), row.tolist(), strict=True):
            weight = attributes["weight"] if p == 0 else np.log((1 - p) / p)
            if v is None:
                theirs.add_boundary_edge(u, fault_ids=attributes["fault_ids"], weight=weight)
            else:
                theirs.add_edge(u, v, fault_ids=attributes["fault_ids"], weight=weight)
        theirs.set_boundary_nodes(boundary | {ours.num_nodes})  # so that nodes without edges are known
        expected.append(outcome(lambda m=theirs, z=shot: m.decode(z, return_weight=True)))
    possible = [number for number, found in enumerate(expected) if found is not ValueError]
    if len(possible) < 6:
        first = min(set(range(6)) - set(possible))
        with pytest.raises(ValueError, match=f"shot {first}: no error explains"):
            ours.decode_batch(shots, edge_probabilities=sparse)
    options = {"return_weights": True, "threads": threads}
    predictions, found = ours.decode_batch(shots[possible], edge_probabilities=sparse[possible], **options)
    assert predictions.shape == (len(possible), ours.num_fault_ids)
    assert np.allclose(found, [expected[number][1] for number in possible], rtol=1e-12, atol=1e-12)
    bits = np.packbits(shots[possible], axis=1, bitorder="little")
    packed, _ = ours.decode_batch(
        bits,
        edge_probabilities=sparse[possible],
        bit_packed_shots=True,
        bit_packed_predictions=True,
        **options,
    )
    assert np.array_equal(packed, np.packbits(predictions, axis=1, bitorder="little"))
