"""Integer weights: total weights equal PyMatching's on the same graph."""

import math
import statistics
import time

import numba
import numpy as np
import pymatching
import pytest
import stim
from hypothesis import assume, given, settings
from numpy.typing import NDArray

from decoders import MatchingGraph
from decoders.model.matching_graph import NUM_DISTINCT_WEIGHTS
from tests.support.strategies import dems


def lightest_explanations(graph: MatchingGraph) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The least total integer weight of edges for every set of detection events, and whether there is any.

    Adds one edge at a time, taken or not: another algorithm than matching, and right for negative
    weights too. Index of a set: bit d is detector d.
    """
    least = np.full(1 << graph.num_detectors, 1 << 60, dtype=np.int64)
    least[0] = 0
    sets = np.arange(least.size)
    for u, v, weight in zip(
        graph.edge_u.tolist(), graph.edge_v.tolist(), graph.edge_weight.tolist(), strict=True
    ):
        flipped = sets ^ (1 << u) ^ (1 << v if v >= 0 else 0)
        least = np.minimum(least, least[flipped] + weight)
    return least, least < 1 << 59


def check_against_pymatching(dem: stim.DetectorErrorModel) -> int:
    graph = MatchingGraph.from_dem(dem)
    least, possible = lightest_explanations(graph)
    events = np.arange(least.size)[possible, np.newaxis] >> np.arange(graph.num_detectors) & 1
    matching = pymatching.Matching.from_detector_error_model(dem)
    _, weights = matching.decode_batch(events.astype(np.uint8), return_weights=True)
    assert np.array_equal(np.rint(weights * graph.weight_scale).astype(np.int64), least[possible])
    return int(possible.sum())


@pytest.mark.parametrize(
    ("task", "distance", "rounds"),
    [
        ("repetition_code:memory", 3, 5),
        ("repetition_code:memory", 5, 2),
        ("surface_code:rotated_memory_x", 3, 1),
    ],
)
@pytest.mark.parametrize("p", [1e-4, 0.003, 0.02, 0.3])
def test_total_weights_equal_pymatching_on_every_syndrome(
    task: str, distance: int, rounds: int, p: float
) -> None:
    dem = stim.Circuit.generated(
        task,
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=2 * p,
        before_round_data_depolarization=p / 3,
    ).detector_error_model(decompose_errors=True)
    assert check_against_pymatching(dem) == 1 << dem.num_detectors


@settings(max_examples=150)
@given(dems(max_detectors=6, max_observables=0, extremes=False, cancelling=False))
def test_total_weights_equal_pymatching_on_any_graph(dem: stim.DetectorErrorModel) -> None:
    # Without observables: PyMatching makes one edge of mechanisms that flip different ones. Without
    # cancelling targets: it makes a loop of D0 D0.
    assume(0 < dem.num_detectors <= 12)
    check_against_pymatching(dem)


def test_the_heaviest_edge_takes_all_steps() -> None:
    graph = MatchingGraph.from_dem(
        stim.DetectorErrorModel("error(0.001) D0\nerror(0.1) D0 D1\nerror(0.8) D1")
    )
    largest = math.log(0.999 / 0.001)
    assert graph.weight_scale == pytest.approx(2 * (NUM_DISTINCT_WEIGHTS - 1) / largest)
    assert graph.edge_weight[0] == 2 * (NUM_DISTINCT_WEIGHTS - 1)
    exact = [largest, math.log(9), math.log(0.25)]
    np.testing.assert_allclose(graph.edge_weight / graph.weight_scale, exact, atol=1 / graph.weight_scale)


def test_weights_of_one_half_are_zero_and_whole_weights_are_kept() -> None:
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("error(0.5) D0\nerror(0.5) D0 D1"))
    assert graph.edge_weight.tolist() == [0, 0]
    assert graph.weight_scale == 2


def test_the_smallest_probabilities_have_finite_weights() -> None:
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel("error(5e-324) D0\nerror(0.1) D1"))
    assert graph.edge_weight[0] == 2 * (NUM_DISTINCT_WEIGHTS - 1)
    assert graph.edge_weight[1] / graph.weight_scale == pytest.approx(math.log(9), rel=1e-4)


@pytest.mark.perf
@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_building_is_no_slower_than_pymatching() -> None:
    dem = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=11,
        rounds=11,
        after_clifford_depolarization=0.001,
        before_round_data_depolarization=0.001,
        before_measure_flip_probability=0.001,
        after_reset_flip_probability=0.001,
    ).detector_error_model(decompose_errors=True)
    MatchingGraph.from_dem(dem)
    ratios = []
    for _ in range(15):
        start = time.perf_counter_ns()
        MatchingGraph.from_dem(dem)
        middle = time.perf_counter_ns()
        pymatching.Matching.from_detector_error_model(dem)
        ratios.append((middle - start) / (time.perf_counter_ns() - middle))
    assert statistics.median(ratios) < 1.2
