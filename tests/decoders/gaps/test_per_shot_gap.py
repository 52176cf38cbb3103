"""Gaps under per-shot weights, against enumeration and PyMatching, and their calibration."""

from dataclasses import replace

import numpy as np
import pymatching
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
import qec
from decoders import Decoder, MatchingGraph
from decoders.belief_matching.decoder import BeliefMatching
from decoders.belief_matching.kernels import sum_product
from decoders.correlated.decoder import CorrelatedMWPM
from decoders.gaps.logical_classes import LogicalDetector
from decoders.kernels.jit import interpreted
from qec.statistics import soft
from tests.support import oracles
from tests.support.strategies import dems


def surface(*, distance: int, p: float) -> stim.Circuit:
    code = qec.RotatedSurfaceCode(distance)
    return qec.memory_circuit(code, rounds=distance, basis="z", noise=qec.noise.uniform(p))


def dem_of(circuit: stim.Circuit) -> stim.DetectorErrorModel:
    return circuit.detector_error_model(decompose_errors=True)


def events_of(dem: stim.DetectorErrorModel, *, shots: int) -> NDArray[np.bool_]:
    return np.asarray(dem.compile_sampler(seed=5).sample(shots)[0], dtype=np.bool_)


MODELS = {
    "repetition": dem_of(
        stim.Circuit.generated(
            "repetition_code:memory",
            distance=7,
            rounds=7,
            before_measure_flip_probability=0.03,
            before_round_data_depolarization=0.03,
        )
    ),
    "surface": dem_of(surface(distance=3 if interpreted else 5, p=0.01)),
}
NAMES = ["mwpm-correlated", "belief-matching"]


def graph_of_last_shot(decoder: Decoder) -> MatchingGraph:
    """The graph with the weights on which a single shot's gaps have just been found."""
    if isinstance(decoder, BeliefMatching):
        weights = decoder._idle_with_gaps[-1].beliefs.arrays["shot_weights"]
        return replace(decoder.graph, edge_weight=weights.copy(), weight_scale=float(sum_product.SCALE))
    assert isinstance(decoder, CorrelatedMWPM)
    return replace(decoder.graph, edge_weight=decoder._idle_memory[-1].weights.copy())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50)
@given(dem=dems(max_detectors=5, max_observables=2), seed=st.integers(0, 999))
def test_any_model(name: str, dem: stim.DetectorErrorModel, seed: int) -> None:
    decoder = decoders.from_dem(name, dem)
    if not 1 <= decoder.num_observables <= 3:
        return  # nothing to find, or too much for brute force
    assert isinstance(decoder, BeliefMatching | CorrelatedMWPM)
    shots = np.random.default_rng(seed).random((6, dem.num_detectors)) < 0.5
    if not all(oracles.has_gauge(decoder.graph, observable) for observable in range(decoder.num_observables)):
        with pytest.raises(ValueError, match="no gap for observable L"):
            decoder.decode_batch(shots[:0], return_gap=True)
        return
    possible = {events for events, _ in oracles.every_class(decoder.graph)}
    for shot in shots:
        if oracles.bits(shot) not in possible:
            continue
        prediction, gaps = decoder.decode(shot, return_gap=True)
        assert np.array_equal(prediction, decoder.decode(shot))
        classes = oracles.every_class(graph_of_last_shot(decoder))
        wanted = oracles.bits(shot)
        mine = {flips: weight for (events, flips), weight in classes.items() if events == wanted}
        lightest = min(mine.values())
        for observable, gap in enumerate(gaps):
            best = [np.inf, np.inf]
            for flips, weight in mine.items():
                differs = (flips >> observable & 1) ^ int(prediction[observable])
                best[differs] = min(best[differs], weight)
            expected = best[1] - lightest if best[0] < lightest + 1e-6 else 0.0
            assert gap == pytest.approx(expected, rel=1e-9, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("model", MODELS)
def test_pymatching_agrees(name: str, model: str) -> None:
    """In these models the observable stands on boundary edges: there it can be one detector more."""
    dem = MODELS[model]
    decoder = decoders.from_dem(name, dem)
    disagreed = 0
    for shot in events_of(dem, shots=4 if interpreted else 60):
        prediction, gap = decoder.decode(shot, return_gap=True)
        graph = graph_of_last_shot(decoder)
        flips = graph.edge_observables[:, 0] == 1
        assert (graph.edge_v[flips] < 0).all()
        theirs = pymatching.Matching()
        ends = np.where(flips, graph.num_detectors, graph.edge_v)
        for u, v, weight in zip(graph.edge_u, ends, graph.edge_weight, strict=True):
            if v < 0:
                theirs.add_boundary_edge(int(u), weight=int(weight) // 2, merge_strategy="smallest-weight")
            else:
                theirs.add_edge(int(u), int(v), weight=int(weight) // 2, merge_strategy="smallest-weight")
        weights = [theirs.decode(np.append(shot, flip), return_weight=True)[1] for flip in (False, True)]
        difference = 2 * (weights[int(not prediction[0])] - weights[int(prediction[0])]) / graph.weight_scale
        assert gap[0] == pytest.approx(max(difference, 0.0), rel=1e-6, abs=1e-5)
        disagreed += difference < 0
    assert disagreed < 6


@pytest.mark.parametrize("name", NAMES)
def test_small_workspaces_grow(name: str) -> None:
    dem = MODELS["surface"]
    events = events_of(dem, shots=4 if interpreted else 100)
    decoder = decoders.from_dem(name, dem)
    _, expected = decoder.decode_batch(events, return_gap=True)
    assert isinstance(decoder, BeliefMatching | CorrelatedMWPM)
    (memory,) = decoder._idle_with_gaps if isinstance(decoder, BeliefMatching) else decoder._idle_memory
    for work in (memory.work, memory.gap_classes._work):
        work._resize(2)
    _, gaps = decoder.decode_batch(events, return_gap=True)
    assert int(memory.gap_classes._work.record["max_edges"][0]) > 2
    assert np.array_equal(gaps, expected)


def test_second_weights_are_those_of_the_decoder() -> None:
    """The weight found from scratch is that of the matching that spares what need not change."""
    dem = MODELS["surface"]
    decoder = decoders.from_dem("mwpm-correlated", dem, compare=False)
    assert isinstance(decoder, CorrelatedMWPM)
    different = 0
    for shot in events_of(dem, shots=4 if interpreted else 300):
        _, weight, gaps = decoder.decode_batch([shot], return_weights=True, return_gap=True)
        memory = decoder._idle_memory[-1]
        assert memory.work.record["weight"][0] == round(weight[0] * decoder.graph.weight_scale)
        assert gaps[0, 0] >= 0
        different += int((memory.weights != decoder.graph.edge_weight).any())
    assert different > 0


def test_edges_of_a_gauge_are_those_of_its_graph() -> None:
    graph = MatchingGraph.from_dem(MODELS["surface"])
    logical = LogicalDetector.of(graph, observable=0)
    assert np.array_equal(logical.graph.edge_weight, graph.edge_weight[logical.edges])
    assert np.array_equal(logical.graph.edge_u, graph.edge_u[logical.edges])
    assert np.array_equal(logical.graph.edge_v == graph.num_detectors, logical.flipping[logical.edges])


@pytest.mark.nightly
@pytest.mark.skipif(interpreted, reason="too many shots to interpret")
def test_after_discarding_the_least_certain_fewer_errors_are_left_than_by_matching() -> None:
    circuit = surface(distance=5, p=0.005)
    dem = dem_of(circuit)
    events, flips = circuit.compile_detector_sampler(seed=4).sample(4000, separate_observables=True)

    def left(name: str) -> NDArray[np.int64]:
        predictions, gaps = decoders.from_dem(name, dem).decode_batch(events, return_gap=True)
        failed = (predictions != flips)[:, 0]
        kept = soft.post_selection(gaps=gaps[:, 0], failed=failed, fractions=[0.03, 0.1])
        assert all(
            one.discarded == pytest.approx(share, abs=0.005)
            for one, share in zip(kept, [0.03, 0.1], strict=True)
        )
        return np.array([one.errors for one in kept])

    plain = left("mwpm")
    assert plain[1] > 50
    for name in (*NAMES, "trellis"):
        assert (left(name) < 0.75 * plain).all(), name
