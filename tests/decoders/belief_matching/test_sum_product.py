"""Belief propagation on trees, equality of lanes, and SIMD vectors compared with numpy."""

import itertools
from typing import Any

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from numpy.typing import NDArray

from decoders.belief_matching.kernels import simd, sum_product
from decoders.belief_matching.kernels.simd import LANES
from decoders.belief_matching.tanner import Beliefs, ErrorMechanisms, TannerGraph
from decoders.kernels.jit import kernel
from decoders.model.dem import read_dem
from decoders.model.matching_graph import MatchingGraph
from tests.support.strategies import dems

# Errors of one, two, three and four detectors that form a tree, some as edges, some decomposed.
TREE = """
    error(0.1) D0 L0
    error(0.05) D1
    error(0.05) D0 D1 ^ D2
    error(0.2) D2 D3
    error(0.02) D2
    error(0.01) D3
    error(0.3) D3 D4 ^ D5 D6 L1
    error(0.15) D4
    error(0.02) D5
    error(0.4) D6 L2
"""


@kernel
def calculate(ones: Any, others: Any, results: Any, whole: Any) -> None:
    """One result for each operation."""
    one, other = simd.load(ones, 0), simd.load(others, 0)
    simd.store(results, 0, (one + other) / (one - other * other))
    simd.store(results, 1, simd.minimum(one, other))
    simd.store(results, 2, simd.maximum(one, other))
    simd.store(results, 3, simd.apply_sign(one, other))
    simd.store(results, 4, simd.select(other, one, simd.broadcast(np.float32(7))))
    simd.store(results, 5, simd.logarithm(one))
    simd.store_even(whole, 1, other)


def test_vectors_compute_as_numpy_does() -> None:
    rng = np.random.default_rng(1)
    ones = np.exp(rng.uniform(-60, 60, LANES)).astype(np.float32)
    others = rng.uniform(-99, 99, LANES).astype(np.float32)
    others[0] = -0.0
    results, whole = np.zeros(6 * LANES, dtype=np.float32), np.zeros(2 * LANES, dtype=np.int32)
    calculate(ones, others, results, whole)
    rows = results.reshape(6, LANES)
    np.testing.assert_array_equal(rows[0], (ones + others) / (ones - others * others))
    np.testing.assert_array_equal(rows[1], np.minimum(ones, others))
    np.testing.assert_array_equal(rows[2], np.maximum(ones, others))
    np.testing.assert_array_equal(rows[3], np.copysign(ones, others))
    np.testing.assert_array_equal(rows[4], np.where(others > 0, ones, 7))
    np.testing.assert_array_equal(whole, [0] * LANES + (2 * np.trunc(others)).tolist())
    np.testing.assert_allclose(rows[5], np.log(ones.astype(np.float64)), rtol=3e-7, atol=2e-7)


@pytest.mark.parametrize("number", [1.0, 2.0, 0.5, 0.70710677, 0.7071068, 1.4142135, 1e-30, 1e30, 3.0])
def test_logarithms_at_the_seams(number: float) -> None:
    ones = np.full(LANES, number, dtype=np.float32)
    results, whole = np.zeros(6 * LANES, dtype=np.float32), np.zeros(2 * LANES, dtype=np.int32)
    calculate(ones, np.full(LANES, 7, dtype=np.float32), results, whole)
    assert results[5 * LANES] == pytest.approx(np.log(float(ones[0])), rel=3e-7, abs=1e-7)


# --- the graph of mechanisms


def tanner_of(dem: stim.DetectorErrorModel) -> tuple[TannerGraph, MatchingGraph]:
    arrays = read_dem(dem)
    graph, edge_of = MatchingGraph.from_arrays(arrays)
    errors = ErrorMechanisms.of(arrays, graph=graph, edge_of=edge_of)
    return TannerGraph.from_errors(errors, graph=graph), graph


def mechanisms_at(tanner: TannerGraph, detector: int) -> list[int]:
    row = tanner.arrays["row_of"][detector]
    links = tanner.arrays["links"]
    found: list[int] = tanner.arrays["mechanisms"][links[row] : links[row + 1]].tolist()
    return found


def errors_of(
    dem: stim.DetectorErrorModel,
) -> list[tuple[float, list[tuple[frozenset[int], frozenset[int]]]]]:
    """The errors as (probability, components); a component is its detectors and its observables."""
    found = []
    for instruction in dem.flattened():
        if instruction.type != "error" or instruction.args_copy()[0] in (0, 1):
            continue
        components = []
        for group in instruction.target_groups():
            flips: list[set[int]] = [set(), set()]
            for target in group:
                flips[target.is_logical_observable_id()] ^= {target.val}
            if flips[0] or flips[1]:
                components.append((frozenset(flips[0]), frozenset(flips[1])))
        if components:
            found.append((instruction.args_copy()[0], components))
    return found


def symmetric_difference(sets: Any) -> frozenset[int]:
    total: frozenset[int] = frozenset()
    for one in sets:
        total ^= one
    return total


@settings(max_examples=100)
@given(dem=dems())
def test_mechanisms_are_errors_with_equal_flips(dem: stim.DetectorErrorModel) -> None:
    tanner, graph = tanner_of(dem)
    expected: dict[Any, list[Any]] = {}
    for p, components in errors_of(dem):
        key = tuple(symmetric_difference(part[which] for part in components) for which in (0, 1))
        edges: frozenset[Any] = frozenset()
        for component in components:
            edges ^= {component} if component[0] else set()
        expected.setdefault(key, []).append((p, edges))
    detectors: list[set[int]] = [set() for _ in range(tanner.arrays["prior"].size)]
    for detector in range(graph.num_detectors):
        row = mechanisms_at(tanner, detector)
        assert row == sorted(set(row))
        for mechanism in row:
            detectors[mechanism].add(detector)
    edge_names = [
        (frozenset({int(u), int(v)} - {-1}), frozenset(bit for bit in range(128) if words >> bit & 1))
        for u, v, words in zip(
            graph.edge_u,
            graph.edge_v,
            [
                sum(int(word) << 64 * place for place, word in enumerate(row))
                for row in graph.edge_observables
            ],
            strict=True,
        )
    ]
    shares: list[dict[Any, float]] = [{} for _ in detectors]
    start = tanner.arrays["shares_start"]
    for edge, name in enumerate(edge_names):
        for at in range(start[edge], start[edge + 1]):
            shares[tanner.arrays["shared_by"][at]][name] = float(tanner.arrays["share"][at])
    ours = []
    for prior, flipped, share in zip(tanner.arrays["prior"], detectors, shares, strict=True):
        ours.append((sorted(flipped), round(float(prior / (1 + prior)), 5), sorted_shares(share)))
    theirs = []
    for (flipped_detectors, _), group in expected.items():
        odd = (1 - np.prod([1 - 2 * p for p, _ in group])) / 2
        total = sum(p for p, _ in group)
        parts: dict[Any, float] = {}
        for p, edges in group:
            for edge_name in edges:
                parts[edge_name] = parts.get(edge_name, 0) + p / total
        theirs.append((sorted(flipped_detectors), round(float(odd), 5), sorted_shares(parts)))
    assert len(ours) == len(theirs)
    for one, other in zip(sorted(ours), sorted(theirs), strict=True):
        assert one[0] == other[0]
        assert one[1] == pytest.approx(other[1], abs=2e-5)
        assert [name for name, _ in one[2]] == [name for name, _ in other[2]]
        assert [part for _, part in one[2]] == pytest.approx([part for _, part in other[2]], abs=1e-5)


def sorted_shares(shares: dict[Any, float]) -> list[tuple[str, float]]:
    return sorted((f"{sorted(name[0])}{sorted(name[1])}", part) for name, part in shares.items())


# --- beliefs


def brute_force(dem: stim.DetectorErrorModel, shot: NDArray[np.bool_]) -> tuple[NDArray[np.float64], float]:
    """The probability of each error given the detection events, and that of the events; no error twice."""
    errors = errors_of(dem)
    posterior = np.zeros(len(errors))
    total = 0.0
    events = frozenset(np.flatnonzero(shot).tolist())
    for happened in itertools.product([0, 1], repeat=len(errors)):
        flipped = symmetric_difference(
            part[0] for (_, parts), took in zip(errors, happened, strict=True) if took for part in parts
        )
        if flipped == events:
            chance = np.prod([p if took else 1 - p for (p, _), took in zip(errors, happened, strict=True)])
            posterior += chance * np.array(happened)
            total += chance
    return (posterior / total if total else posterior), total


def load(work: Beliefs, tanner: TannerGraph, shot: NDArray[np.bool_], lane: int) -> None:
    rows = tanner.arrays["row_of"][np.flatnonzero(shot)]
    work.arrays["signs"].reshape(-1, LANES)[rows, lane] = -1


def believed(dem: stim.DetectorErrorModel, shots: NDArray[np.bool_], *, sweeps: int) -> NDArray[np.float64]:
    """Odds after some sweeps, (shots, mechanisms), in the order of `errors_of`; a shot in each lane."""
    tanner, _ = tanner_of(dem)
    work = Beliefs(tanner, max_sweeps=sweeps)
    sum_product.reset_beliefs(tanner.record[0], work.record[0])
    for lane, shot in enumerate(shots):
        load(work, tanner, shot, lane)
    sum_product.run_first_iteration(tanner.record[0], work.record[0])
    for number in range(2, sweeps + 1):
        sum_product.run_iteration(tanner.record[0], work.record[0], number)
    order = []
    for p, components in errors_of(dem):
        flips = symmetric_difference(part[0] for part in components)
        rows = [set(mechanisms_at(tanner, detector)) for detector in range(dem.num_detectors)]
        candidates = set.intersection(*[rows[d] for d in flips])
        candidates -= set().union(*[rows[d] for d in range(len(rows)) if d not in flips])
        prior = tanner.arrays["prior"]
        order.append(min(candidates, key=lambda mechanism: abs(prior[mechanism] - p / (1 - p))))
    return work.arrays["odds"].reshape(-1, LANES)[order].T[: len(shots)].astype(np.float64)


@pytest.mark.parametrize("first", range(0, 128, LANES))
def test_beliefs_are_exact_on_trees(first: int) -> None:
    dem = stim.DetectorErrorModel(TREE)
    shots = np.array(
        [[number >> bit & 1 for bit in range(7)] for number in range(first, first + LANES)], bool
    )
    odds = believed(dem, shots, sweeps=2)
    for shot, row in zip(shots, odds, strict=True):
        posterior, total = brute_force(dem, shot)
        if total > 0:
            np.testing.assert_allclose(row / (1 + row), posterior, rtol=1e-4, atol=1e-6)


def test_two_sweeps_are_exact_whatever_the_diameter() -> None:
    """A chain has two explanations. Its detectors are numbered at random: sweeps must follow the graph."""
    length = 40
    rng = np.random.default_rng(2)
    names = rng.permutation(length)
    ends = [f"D{names[0]}", *(f"D{a} D{b}" for a, b in itertools.pairwise(names)), f"D{names[-1]} L0"]
    posteriors = rng.uniform(0.3, 0.45, length + 1)
    dem = stim.DetectorErrorModel(
        "\n".join(f"error({p}) {end}" for p, end in zip(posteriors, ends, strict=True))
    )
    happened = rng.random((LANES, length + 1)) < 0.5
    shots = np.zeros((LANES, length), dtype=np.bool_)
    shots[:, names] = happened[:, 1:] ^ happened[:, :-1]
    odds = believed(dem, shots, sweeps=2)
    log_odds = np.log(posteriors / (1 - posteriors))
    for row, truth in zip(odds, happened, strict=True):
        difference = np.where(truth, log_odds, -log_odds).sum()  # of the explanation and its complement
        expected = np.where(truth, 1 / (1 + np.exp(-difference)), 1 / (1 + np.exp(difference)))
        np.testing.assert_allclose(row / (1 + row), expected, rtol=1e-3, atol=1e-5)


def test_lanes_stop_when_their_events_are_explained() -> None:
    """One lane needs one sweep; its chances are those of that sweep however long others take."""
    dem = stim.Circuit.generated(
        "surface_code:rotated_memory_z", distance=3, rounds=3, after_clifford_depolarization=0.01
    ).detector_error_model(decompose_errors=True)
    tanner, graph = tanner_of(dem)
    shots, _, _ = dem.compile_sampler(seed=3).sample(LANES)
    shots[0] = False
    together = Beliefs(tanner, max_sweeps=20)
    alone = Beliefs(tanner, max_sweeps=20)
    sum_product.reset_beliefs(tanner.record[0], together.record[0])
    for lane, shot in enumerate(shots):
        load(together, tanner, shot, lane)
    sum_product.propagate(tanner.record[0], together.record[0], 20, False)
    sum_product.store_final_posteriors(tanner.record[0], together.record[0])
    for lane, shot in enumerate(shots):
        sum_product.reset_beliefs(tanner.record[0], alone.record[0])
        alone.arrays["active"][:] = 0
        alone.arrays["active"][2] = 1
        load(alone, tanner, shot, 2)
        sum_product.propagate(tanner.record[0], alone.record[0], 20, False)
        sum_product.store_final_posteriors(tanner.record[0], alone.record[0])
        ours = together.arrays["posteriors"].reshape(-1, LANES)[:, lane]
        assert np.array_equal(ours, alone.arrays["posteriors"].reshape(-1, LANES)[:, 2])
        if together.arrays["active"][lane] == 0:
            likely = np.flatnonzero(ours > 0.5)
            times = np.zeros(graph.num_detectors, dtype=np.int64)
            for detector in range(graph.num_detectors):
                times[detector] = np.isin(mechanisms_at(tanner, detector), likely).sum()
            assert np.array_equal(times % 2 == 1, shot)
    assert (together.arrays["active"] == 0).sum() > LANES // 2


def test_weights_of_edges_are_logarithms_of_chances() -> None:
    tanner, graph = tanner_of(
        stim.DetectorErrorModel(TREE + "error(0.03) D0 D1 D2\n".replace("D1 D2", "D1 ^ D2"))
    )
    work = Beliefs(tanner, max_sweeps=1)
    rng = np.random.default_rng(0)
    posteriors = rng.random((tanner.arrays["prior"].size, LANES)).astype(np.float32) ** 4 + np.float32(1e-9)
    work.arrays["posteriors"][:] = posteriors.reshape(-1)
    sum_product.weigh_edges(tanner.record[0], work.record[0])
    weights = work.arrays["weights"].reshape(-1, LANES)
    start = tanner.arrays["shares_start"]
    for edge in range(graph.num_edges):
        part = slice(start[edge], start[edge + 1])
        share, by = tanner.arrays["share"][part], tanner.arrays["shared_by"][part]
        chance = np.clip((share[:, np.newaxis] * posteriors[by]).sum(axis=0), 0, 1)
        expected = -np.log(chance.astype(np.float64)) * sum_product.SCALE
        np.testing.assert_allclose(weights[edge], expected, atol=4)
        assert (weights[edge] % 2 == 0).all()
        assert (weights[edge] >= 0).all()
