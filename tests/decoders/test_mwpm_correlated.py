"""Correlated matching: the second matching is the lightest one, and worth it."""

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders.mwpm import MWPM
from decoders.mwpm_correlated import CorrelatedMWPM
from tests.correlated_twin import Twin, with_uneven_errors
from tests.strategies import dems


def surface_dem(*, distance: int, rounds: int, p: float, basis: str = "x") -> stim.DetectorErrorModel:
    return stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    ).detector_error_model(decompose_errors=True)


def sample(
    dem: stim.DetectorErrorModel, *, shots: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    events, flips, _ = dem.compile_sampler(seed=seed).sample(shots, bit_packed=True)
    return events, flips


def test_an_edge_makes_another_likely() -> None:
    """D0 D1 alone is rare, but not beside D2 D3, with which it happens."""
    dem = stim.DetectorErrorModel("""
        error(0.02) D0
        error(0.02) D1 L0
        error(0.0001) D0 D1
        error(0.01) D2 D3 ^ D0 D1
        error(0.001) D2
        error(0.001) D3
    """)
    plain, correlated = decoders.from_dem("mwpm", dem), decoders.from_dem("mwpm-correlated", dem)
    both = np.array([[1, 1, 0, 0], [1, 1, 1, 1]], dtype=np.bool_)
    assert plain.decode_batch(both).tolist() == [[False], [False]]
    _, weights = correlated.decode_batch(both, return_weights=True)
    assert weights[1] - weights[0] == pytest.approx(0, abs=5)
    assert weights[1] < 4.7  # D2 D3 as before, log(0.99 / 0.01); D0 D1 for nothing
    edges = [(0, 1), (2, 3)]
    assert CorrelatedMWPM.from_dem(dem).decode_to_edges(both[1]).tolist() == [list(edge) for edge in edges]


def test_components_that_are_another_edge_are_put_together() -> None:
    dem = stim.DetectorErrorModel("""
        error(0.1) D0
        error(0.1) D1 L0
        error(0.01) D0 D1 L0
        error(0.001) D2 D3 ^ D0 ^ D1 L0
        error(0.001) D2 D3
        error(0.001) D0 ^ D1
    """)
    found = CorrelatedMWPM.from_dem(dem).correlated
    ends = list(zip(found.graph.edge_u.tolist(), found.graph.edge_v.tolist(), strict=True))
    given, other = ends.index((2, 3)), ends.index((0, 1))
    start = found.implied.start
    assert found.implied.edge[start[given] : start[given + 1]].tolist() == [other]
    # D0 ^ D1 does not flip L0, as D0 D1 does: it stays apart.
    at_boundary = ends.index((0, -1))
    implied = found.implied.edge[start[at_boundary] : start[at_boundary + 1]]
    assert [ends[edge] for edge in implied] == [(1, -1)]
    assert found.graph.edge_observables[implied].tolist() == [[0]]


@settings(max_examples=60)
@given(dem=dems(max_detectors=6, cancelling=False), seed=st.integers(0, 1000))
def test_any_model_equals_the_twin(dem: stim.DetectorErrorModel, seed: int) -> None:
    decoder = CorrelatedMWPM.from_dem(dem, compare=False, match_twice=True)
    twin = Twin(decoder)
    events, _ = sample(dem, shots=6, seed=seed)
    for shot in np.unpackbits(events, axis=1, count=dem.num_detectors, bitorder="little").astype(np.bool_):
        twin.check(shot)


@pytest.mark.parametrize(
    ("distance", "rounds", "p", "shots"),
    [(3, 3, 0.01, 150), (3, 12, 0.004, 50), (5, 5, 0.01, 60), (5, 5, 0.03, 20)],
)
@pytest.mark.parametrize("basis", ["x", "z"])
def test_surface_codes_equal_the_twin(distance: int, rounds: int, p: float, shots: int, basis: str) -> None:
    dem = surface_dem(distance=distance, rounds=rounds, p=p, basis=basis)
    twin = Twin(CorrelatedMWPM.from_dem(dem, compare=False, match_twice=True))
    events, _ = sample(dem, shots=shots, seed=5)
    for shot in np.unpackbits(events, axis=1, count=dem.num_detectors, bitorder="little").astype(np.bool_):
        twin.check(shot)


@pytest.mark.parametrize("match_twice", [False, True])
@pytest.mark.parametrize("compare", [False, True])
def test_flips_alone_are_those_of_the_whole_matching(compare: bool, match_twice: bool) -> None:
    """Where only flips are asked for, parts that flip nothing are matched once; ties may end either way."""
    dem = surface_dem(distance=5, rounds=5, p=0.01)
    decoder = CorrelatedMWPM.from_dem(dem, compare=compare, match_twice=match_twice)
    events, _ = sample(dem, shots=3000, seed=11)
    alone = decoder.decode_batch(events, bit_packed=True)
    whole, _ = decoder.decode_batch(events, bit_packed=True, return_weights=True)
    _, gaps = CorrelatedMWPM.from_dem(dem, compare=False).decode_batch(
        events, bit_packed=True, return_gap=True
    )
    assert np.array_equal(alone[gaps[:, 0] > 1e-6], whole[gaps[:, 0] > 1e-6])
    once = MWPM(graph=decoder.graph).decode_batch(events, bit_packed=True)
    assert np.count_nonzero(once != whole) > 20


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("compare", [False, True])
def test_flips_alone_of_one_or_both_halves(second: bool, compare: bool) -> None:
    dem = with_uneven_errors(surface_dem(distance=3, rounds=4, p=0.02), second=second)
    decoder = CorrelatedMWPM.from_dem(dem, compare=compare, match_twice=True)
    assert decoder.num_observables == 1 + second
    events, _ = sample(dem, shots=2000, seed=13)
    alone = decoder.decode_batch(events, bit_packed=True)
    whole, _ = decoder.decode_batch(events, bit_packed=True, return_weights=True)
    once = MWPM(graph=decoder.graph).decode_batch(events, bit_packed=True)
    assert np.array_equal(alone, whole)
    assert (np.count_nonzero(once != whole, axis=0) > 20).all()


def test_a_few_shots() -> None:
    """Small enough for the lanes without compilation and with bounds checks."""
    dem = surface_dem(distance=3, rounds=3, p=0.03)
    twin = Twin(CorrelatedMWPM.from_dem(dem, compare=False, match_twice=True))
    events, _ = sample(dem, shots=12, seed=9)
    for shot in np.unpackbits(events, axis=1, count=dem.num_detectors, bitorder="little").astype(np.bool_):
        twin.check(shot)
        alone = twin.decoder.decode_batch(shot[np.newaxis])
        assert np.array_equal(alone, twin.decoder.decode_batch(shot[np.newaxis], return_weights=True)[0])


def measure(decoder: CorrelatedMWPM, edges: NDArray[np.int64]) -> int:
    """Weight of a solution, less what pairs of its edges save, the largest saving first."""
    graph, implied = decoder.graph, decoder.correlated.implied
    chosen = set(edges.tolist())
    savings = []
    for edge in chosen:
        for entry in range(implied.start[edge], implied.start[edge + 1]):
            other = int(implied.edge[entry])
            if other in chosen:
                savings.append((int(graph.edge_weight[other]) - int(implied.weight[entry]), edge, other))
    total = int(graph.edge_weight[edges].sum(dtype=np.int64))
    for saved, edge, other in sorted(savings, reverse=True):
        if {edge, other} <= chosen:
            chosen -= {edge, other}
            total -= saved
    return total


def test_of_two_predictions_the_better_explained_one() -> None:
    dem = surface_dem(distance=3, rounds=10, p=0.004)
    decoder = CorrelatedMWPM.from_dem(dem)
    second = CorrelatedMWPM.from_dem(dem, compare=False)
    first = MWPM(graph=decoder.graph)
    packed, _ = sample(dem, shots=4000, seed=6)
    shots = np.unpackbits(packed, axis=1, count=dem.num_detectors, bitorder="little").astype(np.bool_)
    once, twice, ours = (one.decode_batch(shots)[:, 0] for one in (first, second, decoder))
    assert np.array_equal(ours[once == twice], once[once == twice])
    graph = decoder.graph
    half = graph.component[graph.edge_u[graph.edge_observables.any(axis=1)][0]]
    flips_something = graph.component[graph.edge_u] == half
    taken = {False: 0, True: 0}
    for shot in np.flatnonzero(once != twice):
        edges, others = (one.decode_to_edge_numbers(shots[shot]) for one in (first, second))
        # What flips nothing is judged by its first edges in both.
        mixed = np.concatenate([others[flips_something[others]], edges[~flips_something[edges]]])
        takes_first = measure(decoder, edges) < measure(decoder, mixed)
        taken[takes_first] += 1
        expected = (first if takes_first else second).decode_to_edge_numbers(shots[shot])
        assert np.array_equal(decoder.decode_to_edge_numbers(shots[shot]), expected)
        assert ours[shot] == (once if takes_first else twice)[shot]
    assert min(taken.values()) > 5


def errors(
    name: str, dem: stim.DetectorErrorModel, events: NDArray[np.uint8], flips: NDArray[np.uint8]
) -> int:
    return int(
        (decoders.from_dem(name, dem).decode_batch(events, bit_packed=True) != flips).any(axis=1).sum()
    )


def test_fewer_errors_than_plain_and_than_pymatching() -> None:
    dem = surface_dem(distance=5, rounds=5, p=0.006)
    events, flips = sample(dem, shots=30_000, seed=2)
    ours = errors("mwpm-correlated", dem, events, flips)
    assert ours < 0.75 * errors("mwpm", dem, events, flips)
    assert ours < 1.01 * errors("pymatching-correlated", dem, events, flips)


@pytest.mark.parametrize("basis", ["x", "z"])
def test_never_worse_than_plain(basis: str) -> None:
    """Also where PyMatching is: stim splits errors of this code into what is, together, another edge."""
    dem = surface_dem(distance=3, rounds=30, p=0.001, basis=basis)
    events, flips = sample(dem, shots=60_000, seed=3)
    plain = errors("mwpm", dem, events, flips)
    assert errors("mwpm-correlated", dem, events, flips) < 0.9 * plain
    if basis == "z":
        assert errors("pymatching-correlated", dem, events, flips) > 1.5 * plain


@pytest.mark.parametrize("basis", ["x", "z"])
def test_every_single_fault_of_distance_three_is_corrected(basis: str) -> None:
    dem = surface_dem(distance=3, rounds=6, p=0.001, basis=basis)
    decoder = decoders.from_dem("mwpm-correlated", dem)
    for error in dem.flattened():
        if error.type != "error":
            continue
        events = np.zeros(dem.num_detectors, dtype=np.bool_)
        flipped = False
        for target in error.targets_copy():
            if target.is_relative_detector_id():
                events[target.val] ^= True
            elif target.is_logical_observable_id():
                flipped = not flipped
        assert decoder.decode(events).tolist() == [flipped], str(error)
