"""Which shots are matched a second time, and which first matchings are taken as they are."""

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders.crossings import EDGES_PER_EVENT, LEAST_EDGES, MOST_EDGES, Crossings
from decoders.gauge import Gauge
from decoders.mwpm import MWPM
from decoders.mwpm_correlated import CorrelatedMWPM
from tests.correlated_twin import Twin, with_uneven_errors
from tests.strategies import dems


def surface_circuit(*, distance: int, rounds: int, p: float) -> stim.Circuit:
    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
        before_round_data_depolarization=p,
    )


def sample(
    dem: stim.DetectorErrorModel, *, shots: int, seed: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    events, flips, _ = dem.compile_sampler(seed=seed).sample(shots)
    return events, flips


def first_gaps(decoder: CorrelatedMWPM, events: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The smallest gap of each shot under the graph's own weights."""
    _, gaps = MWPM(graph=decoder.graph).decode_batch(events, return_gap=True)
    return gaps.min(axis=1, initial=np.inf)


@pytest.mark.parametrize("sure_gap", [1.0, 2.5, 6.0])
@pytest.mark.parametrize(("distance", "rounds", "p"), [(3, 4, 0.02), (5, 5, 0.012), (7, 3, 0.012)])
def test_only_large_gaps_are_sure(sure_gap: float, distance: int, rounds: int, p: float) -> None:
    """No shot keeps its first matching whose gap, by another algorithm, is less than what is called sure."""
    dem = surface_circuit(distance=distance, rounds=rounds, p=p).detector_error_model(decompose_errors=True)
    events, _ = sample(dem, shots=3000, seed=3)
    some = CorrelatedMWPM.from_dem(dem, sure_gap=sure_gap, compare=False)
    every = CorrelatedMWPM.from_dem(dem, sure_gap=np.inf, compare=False)
    differ = (some.decode_batch(events) != every.decode_batch(events)).any(axis=1)
    gaps = first_gaps(every, events)
    assert gaps[differ].min(initial=np.inf) >= sure_gap
    once = MWPM(graph=every.graph).decode_batch(events) != every.decode_batch(events)
    assert np.count_nonzero(once.any(axis=1) & (gaps < sure_gap)) > 20  # which could have been lost


@pytest.mark.parametrize("sure_gap", [0.5, 1.0])
def test_what_is_sure_is_not_matched_again(sure_gap: float) -> None:
    """Most shots with a larger gap keep the first matching: the bound is not far below the gap."""
    dem = surface_circuit(distance=5, rounds=5, p=0.01).detector_error_model(decompose_errors=True)
    events, _ = sample(dem, shots=4000, seed=4)
    decoder = CorrelatedMWPM.from_dem(dem, sure_gap=sure_gap, compare=False)
    once = MWPM(graph=decoder.graph).decode_batch(events)
    every = CorrelatedMWPM.from_dem(dem, sure_gap=np.inf, compare=False).decode_batch(events)
    sure = first_gaps(decoder, events) >= sure_gap
    changed = sure & (once != every)[:, 0]
    assert changed.sum() > 30
    kept = (decoder.decode_batch(events) == once)[:, 0]
    assert np.count_nonzero(kept & changed) > 0.6 * changed.sum()


@settings(max_examples=60)
@given(
    dem=dems(max_detectors=6, cancelling=False),
    seed=st.integers(0, 1000),
    sure_gap=st.floats(0, 8) | st.none(),
)
def test_any_model(dem: stim.DetectorErrorModel, seed: int, sure_gap: float | None) -> None:
    """Either the second matching, or the first and its gap is sure; weights are those of what is taken."""
    decoder = CorrelatedMWPM.from_dem(dem, compare=False, sure_gap=sure_gap)
    events, _ = sample(dem, shots=6, seed=seed)
    _, found = decoder.decode_batch(events, return_weights=True)
    twin = Twin(decoder)
    limit = Crossings.of(decoder.graph, sure_gap=sure_gap)
    gaps = np.zeros(len(events))
    sure = np.inf
    if limit is not None:
        gaps = first_gaps(decoder, events)
        # The least gap that no event has a part in is none of the search's business.
        gauges = [Gauge.of(decoder.graph, observable=index) for index in range(dem.num_observables)]
        alone = min(limit.across / decoder.graph.weight_scale, *(gauge.unseen for gauge in gauges), np.inf)
        sure = min(limit.sure_least / decoder.graph.weight_scale, alone)
    for shot, weight, gap in zip(events, found, gaps, strict=True):
        weights = twin.weights(shot)
        total = round(weight * decoder.graph.weight_scale) - decoder.correlated.offset
        edges = decoder.decode_to_edge_numbers(shot)
        assert weights[edges].sum() == total
        least = twin.least_weight(shot, weights)
        assert total >= least
        if gap < sure - 1e-9:
            assert total == least


def test_the_default_costs_next_to_nothing() -> None:
    """On the same shots: at most 2 % more errors than with every shot matched twice."""
    circuit = surface_circuit(distance=5, rounds=5, p=0.005)
    dem = circuit.detector_error_model(decompose_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=8).sample(100_000, separate_observables=True)
    some, every = (CorrelatedMWPM.from_dem(dem, sure_gap=gap) for gap in (None, np.inf))
    ours, best = ((decoder.decode_batch(events) != flips).sum() for decoder in (some, every))
    plain = (MWPM.from_dem(dem).decode_batch(events) != flips).sum()
    assert ours < 1.02 * best < 0.8 * plain


@pytest.mark.parametrize("shots", [12, 4000])
def test_two_observables(shots: int) -> None:
    """Each observable has ways across of its own, and the gap of either counts."""
    circuit = surface_circuit(distance=3, rounds=4, p=0.02)
    dem = with_uneven_errors(circuit.detector_error_model(decompose_errors=True), second=True)
    events, _ = sample(dem, shots=shots, seed=5)
    some = CorrelatedMWPM.from_dem(dem, sure_gap=1.5, compare=False)
    every = CorrelatedMWPM.from_dem(dem, sure_gap=np.inf, compare=False)
    found = some.decode_batch(events), every.decode_batch(events)
    _, gaps = MWPM(graph=every.graph).decode_batch(events, return_gap=True)
    near = gaps < 1.5
    assert np.array_equal(found[0][near.any(axis=1)], found[1][near.any(axis=1)])
    if shots > 100:
        once = MWPM(graph=every.graph).decode_batch(events)
        for one in (0, 1):
            alone = near[:, one] & ~near[:, 1 - one]
            assert np.count_nonzero(alone & (once != found[1])[:, one]) > 20
        assert (found[0] != found[1]).any()


def test_own_events_count_where_edges_imply_others_of_their_component() -> None:
    circuit = surface_circuit(distance=3, rounds=3, p=0.01)
    dem = circuit.detector_error_model(decompose_errors=True)
    apart = CorrelatedMWPM.from_dem(dem).search_graph.record[0]
    assert apart.sure_least < apart.sure_gap
    both = CorrelatedMWPM.from_dem(with_uneven_errors(dem, second=True)).search_graph.record[0]
    assert both.sure_least == both.sure_gap


def test_more_events_elsewhere_need_a_larger_gap() -> None:
    """By default a shot is decoded as with the gap for its number of events in the other half."""
    circuit = surface_circuit(distance=5, rounds=5, p=0.008)
    dem = circuit.detector_error_model(decompose_errors=True)
    events, _ = sample(dem, shots=6000, seed=6)
    decoder = CorrelatedMWPM.from_dem(dem)
    graph = decoder.graph
    crossings = Crossings.of(graph)
    assert crossings is not None
    watched = crossings.spots >= 0
    elsewhere = events[:, ~watched].sum(axis=1)
    edges = watched[graph.edge_u]
    chance, weight = graph.edge_probability[edges], graph.edge_weight[edges] / graph.weight_scale
    usual = chance @ weight / chance.sum()
    _, found = decoder.decode_batch(events, return_weights=True)
    others = []
    for number in (0, 3, 6, 8, 12):
        gap = min(LEAST_EDGES + EDGES_PER_EVENT * number, MOST_EDGES) * usual
        one = CorrelatedMWPM.from_dem(dem, sure_gap=gap)
        _, weights = one.decode_batch(events, return_weights=True)
        assert np.array_equal(weights[elsewhere == number], found[elsewhere == number])
        others.append(weights)
    for number, weights in ((3, others[-1]), (8, others[0])):
        assert (weights != found)[elsewhere == number].any()


def test_infinitely_sure_is_never_sure() -> None:
    """Also where no way across is possible, weights are those of second matchings."""
    dem = stim.DetectorErrorModel("""
        error(0.001) D0 L0
        error(0.001) D0
        error(0.01) D1
        error(0.02) D1 D2
        error(0.01) D2
        error(0.012) D3
        error(0.02) D3 D4
        error(0.012) D4
        error(0.05) D1 ^ D3
        error(0.3) D5
        error(0.001) D5 D6
        error(0.001) D6
        error(0.001) D6 D7
        error(0.001) D7
        error(0.01) D5 ^ D6 D7
    """)
    twin = Twin(CorrelatedMWPM.from_dem(dem, sure_gap=np.inf, compare=False))
    for number in range(256):
        twin.check((number >> np.arange(8) & 1).astype(np.bool_))


def test_distances_by_hand() -> None:
    dem = stim.DetectorErrorModel("""
        error(0.1) D0
        error(0.2) D0 D1
        error(0.1) D1 D2
        error(0.3) D2 L0
        error(0.1) D3
    """)
    graph = CorrelatedMWPM.from_dem(dem).graph
    ends = np.stack([graph.edge_u, graph.edge_v], axis=1).tolist()
    weight = {(u, v): each for (u, v), each in zip(ends, graph.edge_weight.tolist(), strict=True)}
    found = Crossings.of(graph, sure_gap=1.0)
    assert found is not None
    assert found.spots.tolist() == [0, 1, 2, -1]
    assert found.across == weight[0, -1] + weight[0, 1] + weight[1, 2] + weight[2, -1]
    apart = found.apart.reshape(3, 3).astype(np.int64) * found.step
    far = weight[0, 1] + weight[1, 2]
    assert apart[0, 2] <= far < apart[0, 2] + found.step
    assert np.array_equal(apart, apart.T)
    assert not apart.diagonal().any()
    assert found.sure_gap == int(graph.weight_scale)
    sides = sorted([int(found.sides["one"][1]), int(found.sides["other"][1])])
    assert sides == sorted([weight[0, -1] + weight[0, 1], weight[1, 2] + weight[2, -1]])


def test_of_no_use() -> None:
    loop = stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D1 D2\nerror(0.1) D0 D2 L0")
    quiet = stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D1")
    one_side = stim.DetectorErrorModel("error(0.1) D0 D1 L0\nerror(0.1) D1")
    for dem in (loop, quiet, one_side):
        decoder = CorrelatedMWPM.from_dem(dem)
        assert Crossings.of(decoder.graph) is None
        decoder.decode_batch(np.zeros((1, dem.num_detectors), dtype=np.bool_))


@pytest.mark.parametrize("sure_gap", [-1.0, np.nan])
def test_no_gap(sure_gap: float) -> None:
    with pytest.raises(ValueError, match=r"sure_gap=.*at least 0"):
        CorrelatedMWPM.from_dem(stim.DetectorErrorModel("error(0.1) D0 L0"), sure_gap=sure_gap)
