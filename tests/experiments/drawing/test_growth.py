"""Growth of regions for pictures: optimal by its own dual solution, feasible at every step, same as mwpm."""

from collections import Counter

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import MatchingGraph
from experiments.drawing.event_graph import EventGraph, observables_of, syndrome
from experiments.drawing.growth import BOUNDARY, FAR, Growth, NoMatchingError, grow_regions
from tests.support import oracles
from tests.support.strategies import matching_graphs


def check_step_is_feasible(shot: EventGraph, growth: Growth) -> None:
    """No two regions overlap, none reaches past the boundary, and matched edges are tight."""
    for step in growth.steps:
        radius = step.radius
        assert (radius >= 0).all()
        assert (radius <= shot.boundary).all()
        inside = np.zeros((radius.size, radius.size), dtype=np.int64)  # duals around both events
        for blossom in step.blossoms:
            assert len(blossom.events) % 2 == 1
            assert blossom.dual >= 0
            inside[np.ix_(blossom.events, blossom.events)] += blossom.dual
        overlap = radius[:, np.newaxis] + radius - 2 * inside - shot.between
        np.fill_diagonal(overlap, 0)
        assert overlap.max(initial=0) <= 0
        for first, second in (
            *step.pairs,
            *step.tree_edges,
            *(e for one in step.blossoms for e in one.cycle),
        ):
            if second == BOUNDARY:
                assert radius[first] == shot.boundary[first]
            else:
                assert overlap[first, second] == 0


def check_solution(shot: EventGraph, growth: Growth) -> int:
    """Weight of the solution, which explains the shot and equals the sum of the dual variables."""
    graph = shot.graph
    edges = shot.solution(growth.pairs)
    matched = Counter(event for pair in growth.pairs for event in pair if event != BOUNDARY)
    assert matched == Counter(range(len(shot.detectors)))
    weight = int(graph.edge_weight[edges].sum(dtype=np.int64))
    certain = int(graph.edge_weight[graph.edge_weight < 0].sum(dtype=np.int64))
    assert sum(dual for _, dual in growth.duals) + certain == weight
    return weight


@settings(max_examples=80)
@given(data=st.data(), graph=matching_graphs())
def test_random_graphs(data: st.DataObject, graph: MatchingGraph) -> None:
    fired = data.draw(st.lists(st.booleans(), min_size=graph.num_detectors, max_size=graph.num_detectors))
    events = np.array(fired, dtype=np.bool_)
    shot = EventGraph.from_shot(graph, events)
    best = oracles.every_syndrome(oracles.edges_of(graph)).get(oracles.bits(events ^ graph.certain_detectors))
    if best is None:
        with pytest.raises(NoMatchingError):
            grow_regions(shot.between, shot.boundary)
        return
    growth = grow_regions(shot.between, shot.boundary)
    check_step_is_feasible(shot, growth)
    assert check_solution(shot, growth) == best.weight
    assert (syndrome(graph, shot.solution(growth.pairs)) ^ graph.certain_detectors == events).all()


def dense_distances(rng: np.random.Generator, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Events in a plane: many blossoms, some of which shatter."""
    places = rng.integers(0, 30, size=(size, 2))
    between = 2 * np.abs(places[:, np.newaxis] - places).sum(axis=2)
    return between, np.full(size, FAR) if size % 2 == 0 else 2 * rng.integers(1, 40, size=size)


def test_blossoms_form_and_shatter() -> None:
    texts: Counter[str] = Counter()
    for seed in range(40):
        between, boundary = dense_distances(np.random.default_rng(seed), 9 + seed % 6)
        growth = grow_regions(between, boundary)
        rows = [[*map(float, row), float(out)] for row, out in zip(between, boundary, strict=True)]
        assert sum(dual for _, dual in growth.duals) == oracles.lightest_matching(
            rows, list(range(len(rows)))
        )
        texts.update(word for step in growth.steps for word in ("forms", "shatters") if word in step.text)
        texts["nested"] += any(
            set(one.events) < set(other.events)
            for one in growth.steps[-1].blossoms
            for other in growth.steps[-1].blossoms
        )
    assert min(texts[word] for word in ("forms", "shatters", "nested")) > 0


@pytest.mark.parametrize(("distance", "p"), [(3, 0.02), (5, 0.01), (9, 0.01)])
def test_same_weight_as_mwpm(distance: int, p: float) -> None:
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_x",
        distance=distance,
        rounds=distance,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
    )
    dem = circuit.detector_error_model(decompose_errors=True)
    events, _, _ = dem.compile_sampler(seed=distance).sample(5)
    decoder = decoders.from_dem("mwpm", dem)
    graph = MatchingGraph.from_dem(dem)
    predictions, weights = decoder.decode_batch(events, return_weights=True)
    for row, prediction, weight in zip(events, predictions, weights, strict=True):
        shot = EventGraph.from_shot(graph, row)
        growth = grow_regions(shot.between, shot.boundary)
        check_step_is_feasible(shot, growth)
        assert check_solution(shot, growth) / graph.weight_scale == pytest.approx(weight, rel=1e-12)
        assert observables_of(graph, shot.solution(growth.pairs)) == np.flatnonzero(prediction).tolist()


def test_steps_are_described() -> None:
    """Three events in a triangle close a blossom, which meets a fourth one."""
    between = np.array([[0, 4, 4, 20], [4, 0, 4, 20], [4, 4, 0, 20], [20, 20, 20, 0]])
    growth = grow_regions(between, np.full(4, FAR), ["A", "B", "C", "D"])
    assert [(step.time, step.text) for step in growth.steps] == [
        (0, ""),
        (2, "A meets B: matched"),
        (2, "C meets A: it shrinks, its mate B grows"),
        (2, "B meets C: blossom (C A B) forms"),
        (10, "blossom (C A B) meets D: matched"),
    ]
    assert growth.duals == (((2, 0, 1), 8), ((2,), 2), ((0,), 2), ((1,), 2), ((3,), 10))
