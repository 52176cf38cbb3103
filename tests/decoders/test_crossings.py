"""Shots that keep their first matching: no matching of another class is lighter with the implied weights."""

import numpy as np
import pymatching
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders.crossings import Crossings
from decoders.gauge import Gauge
from decoders.mwpm import MWPM
from decoders.mwpm_correlated import CorrelatedMWPM
from tests.correlated_twin import Twin, with_uneven_errors
from tests.strategies import dems

#: A repetition code of three qubits whose erasures D0 to D2 herald.
HERALDS = stim.DetectorErrorModel("""
    error(.005) D0
    error(.005) D1
    error(.005) D2
    error(.005) D3 ^ D0
    error(.005) D3 D4 ^ D1
    error(.005) D4 L0 ^ D2
    error(.001) D3 D5
    error(.001) D4 D6
""")


def surface_dem(*, distance: int, rounds: int, p: float) -> stim.DetectorErrorModel:
    return stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
        before_round_data_depolarization=p,
    ).detector_error_model(decompose_errors=True)


def sample(dem: stim.DetectorErrorModel, *, shots: int, seed: int) -> NDArray[np.bool_]:
    events, _, _ = dem.compile_sampler(seed=seed).sample(shots)
    return events


class Classes:
    """Lightest matchings of each class, by PyMatching from scratch."""

    def __init__(self, decoder: CorrelatedMWPM) -> None:
        self.twin = Twin(decoder)
        gauges = [Gauge.of(decoder.graph, observable=index) for index in range(decoder.num_observables)]
        self.gauges = [gauge for gauge in gauges if gauge.two_classes]

    def check(self, shot: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> None:
        """Check that no class but the predicted one has the lightest matching, up to ties."""
        weights = self.twin.weights(shot)
        least = self.twin.least_weight(shot, weights)
        packed = np.packbits(shot[np.newaxis], axis=1, bitorder="little")
        for gauge in self.gauges:
            events = gauge.events_of_class(packed, prediction[[gauge.observable]])
            assert self.lightest(gauge, weights[gauge.edges], events) == least

    def lightest(self, gauge: Gauge, weights: NDArray[np.int64], packed: NDArray[np.uint8]) -> int:
        """Weight of the lightest matching on a gauge's graph."""
        graph = gauge.graph
        outside = graph.num_detectors
        matching = pymatching.Matching()
        for u, v, weight in zip(graph.edge_u, graph.edge_v, weights, strict=True):
            ends = (int(u), outside if v < 0 else int(v))
            matching.add_edge(*ends, weight=int(weight) // 2, merge_strategy="smallest-weight")
        matching.set_boundary_nodes({outside})
        events = np.zeros(outside + 1, dtype=np.uint8)
        events[:outside] = np.unpackbits(packed[0], count=outside, bitorder="little")
        events[:outside] ^= graph.certain_detectors
        _, weight = matching.decode(events[: matching.num_nodes], return_weight=True)
        return 2 * round(weight)


def check_all(dem: stim.DetectorErrorModel, events: NDArray[np.bool_]) -> None:
    """Check all shots on which default and match_twice differ, of flips alone and with weights."""
    some = CorrelatedMWPM.from_dem(dem, compare=False)
    every = CorrelatedMWPM.from_dem(dem, compare=False, match_twice=True)
    found = every.decode_batch(events)
    classes = Classes(some) if Crossings.of(some.graph) else None
    for ours in (some.decode_batch(events), some.decode_batch(events, return_weights=True)[0]):
        for shot in np.flatnonzero((ours != found).any(axis=1)):
            assert classes is not None
            classes.check(events[shot], ours[shot])


@pytest.mark.parametrize("compare", [False, True])
def test_heralds_make_edges_certain(compare: bool) -> None:
    """Of D0 D1 D4, erasures of two qubits that flip them are 40,000 times as likely as the other class."""
    decoder = CorrelatedMWPM.from_dem(HERALDS, compare=compare)
    shot = np.zeros(7, dtype=np.bool_)
    shot[[0, 1, 4]] = True
    assert decoder.decode(shot).tolist() == [False]


def test_every_syndrome_of_heralds() -> None:
    events = np.arange(1 << 7)[:, np.newaxis] >> np.arange(7) & 1
    check_all(HERALDS, events.astype(np.bool_))


@settings(max_examples=150)
@given(dem=dems(max_detectors=6, cancelling=False), seed=st.integers(0, 1000))
def test_any_model(dem: stim.DetectorErrorModel, seed: int) -> None:
    check_all(dem, sample(dem, shots=8, seed=seed))


def random_model(rng: np.random.Generator) -> stim.DetectorErrorModel:
    """One or two chains with both kinds of boundary, chords, heralds, and errors of up to four components."""
    size = int(rng.integers(3, 9))
    edges = [f"D{at} D{at + 1}" for at in range(size - 1)]
    edges += [f"D{at} D{at + 2}" for at in range(size - 2) if rng.random() < 0.4]
    edges += ["D0", f"D{size - 1} L0"]
    if rng.random() < 0.4:
        edges[-2] += " L1"
    num_heralds = int(rng.integers(1, 5))
    heralds = [f"D{size + at}" for at in range(num_heralds)]
    heralds += [f"D{size + at} D{size + at + 1}" for at in range(num_heralds - 1)]
    lines = [f"error({10 ** rng.uniform(-4, -0.6)}) {part}" for part in edges + heralds]
    for _ in range(int(rng.integers(2, 12))):
        parts = [*rng.choice(edges, size=rng.integers(1, 3), replace=False)]
        parts += [*rng.choice(heralds, size=min(len(heralds), rng.integers(0, 3)), replace=False)]
        lines.append(f"error({10 ** rng.uniform(-4, -0.6)}) {' ^ '.join(rng.permutation(parts))}")
    return stim.DetectorErrorModel("\n".join(lines))


def test_random_models() -> None:
    rng = np.random.default_rng(3)
    for _ in range(120):
        dem = random_model(rng)
        check_all(dem, rng.random((40, dem.num_detectors)) < 0.4)


@pytest.mark.parametrize(("distance", "rounds", "p"), [(3, 4, 0.02), (5, 5, 0.012), (7, 3, 0.012)])
def test_surface_codes(distance: int, rounds: int, p: float) -> None:
    """First matchings differ from second ones on many shots, default predictions on ties at most."""
    dem = surface_dem(distance=distance, rounds=rounds, p=p)
    events = sample(dem, shots=3000, seed=3)
    check_all(dem, events)
    every = CorrelatedMWPM.from_dem(dem, match_twice=True, compare=False)
    once = MWPM(graph=every.graph)
    assert np.count_nonzero(once.decode_batch(events) != every.decode_batch(events)) > 20


def test_two_observables() -> None:
    dem = with_uneven_errors(surface_dem(distance=3, rounds=4, p=0.02), second=True)
    check_all(dem, sample(dem, shots=3000, seed=5))


def test_edges_of_watched_components_imply_others_there() -> None:
    """Without detectors told apart by basis, edges of one component make each other likely."""
    dem = with_uneven_errors(surface_dem(distance=3, rounds=3, p=0.03), second=True)
    assert CorrelatedMWPM.from_dem(dem).search_graph.record["has_own_implied"][0]
    check_all(dem, sample(dem, shots=1500, seed=7))


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
    found = Crossings.of(graph)
    assert found is not None
    assert found.spots.tolist() == [0, 1, 2, -1]
    apart = found.apart.reshape(3, 3).astype(np.int64) * found.step
    far = weight[0, 1] + weight[1, 2]
    assert apart[0, 2] <= far < apart[0, 2] + found.step
    assert np.array_equal(apart, apart.T)
    assert not apart.diagonal().any()
    sides = sorted([int(found.sides["one"][1]), int(found.sides["other"][1])])
    assert sides == sorted([weight[0, -1] + weight[0, 1], weight[1, 2] + weight[2, -1]])
    kinds = {end: int(kind) for end, kind in zip(map(tuple, ends), found.kinds, strict=True)}
    assert {kinds[0, -1], kinds[2, -1]} == {1, 2}
    assert kinds[0, 1] == kinds[1, 2] == 0


def test_of_no_use() -> None:
    loop = stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D1 D2\nerror(0.1) D0 D2 L0")
    quiet = stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D1")
    one_side = stim.DetectorErrorModel("error(0.1) D0 D1 L0\nerror(0.1) D1")
    for dem in (loop, quiet, one_side):
        decoder = CorrelatedMWPM.from_dem(dem)
        assert Crossings.of(decoder.graph) is None
        decoder.decode_batch(np.zeros((1, dem.num_detectors), dtype=np.bool_))
