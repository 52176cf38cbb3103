"""The same calls of both libraries: the same graphs, errors and weights, and predictions of that weight."""

from typing import Any

import numpy as np
import pymatching
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders.pymatching import Matching
from tests.support.pymatching_calls import (
    Call,
    Solutions,
    assert_same_graph,
    graph_calls,
    make_both,
    outcome,
)


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
