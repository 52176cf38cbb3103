"""Choice between the two matchings of a shot by the whole errors that give each."""

import itertools

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

from decoders.correlated.decoder import CorrelatedMWPM
from decoders.correlated.edge_correlations import CorrelatedGraph
from decoders.correlated.kernels.arbitrate import add_edge_to_set, clear_set, explain_set
from decoders.correlated.whole_errors import IMPOSSIBLE, WholeErrors
from decoders.correlated.workspace import SecondWorkspace
from decoders.kernels.jit import kernel
from decoders.matching.decoder import MWPM
from qec import families
from tests.support.chance import sigmas


@kernel
def weigh_edges(graphs, works, edges):  # type: ignore[no-untyped-def]
    """Weight of the errors chosen for a set of edges."""
    graph, work = graphs[0], works[0]
    for edge in edges:
        add_edge_to_set(graph, work, edge)
    total = explain_set(graph, work)
    clear_set(graph, work)
    return total


class Scales:
    """Weigh sets of edges with the decoder's kernel."""

    def __init__(self, decoder: CorrelatedMWPM) -> None:
        self.graph = decoder.search_graph
        self.work = SecondWorkspace(self.graph)

    def weigh(self, edges: NDArray[np.int64]) -> int:
        work = self.work
        work.record["overflow"] = 0
        total = weigh_edges(self.graph.record, work.record, edges)
        while work.record["overflow"][0]:
            work.grow()
            work.record["overflow"] = 0
            total = weigh_edges(self.graph.record, work.record, edges)
        second = work.second
        assert second.record["num_seen"][0] == 0
        assert (second.arrays["prices"] == -1).all()
        assert (second.arrays["incident_head"] == -1).all()
        return int(total)


def edge_number(found: CorrelatedGraph, u: int, v: int, flips: int = 0) -> int:
    graph = found.graph
    words = graph.edge_observables
    same = (graph.edge_u == u) & (graph.edge_v == v) & ((words[:, 0] if words.size else 0) == flips)
    (number,) = np.flatnonzero(same)
    return int(number)


def log_odds(p: float) -> float:
    return float(np.log((1 - p) / p))


def test_errors_that_flip_the_same_edges_are_one() -> None:
    found = CorrelatedGraph.from_dem(
        stim.DetectorErrorModel("""
            error(0.01) D0 ^ D1 D2 L0
            error(0.02) D1 D2 L0 ^ D0
            error(0.03) D0 ^ D3 ^ D0
            error(0.04) D0 ^ D3 ^ D1 D2 L0
            error(0.05) D0
        """)
    )
    errors, scale = found.errors, found.graph.weight_scale
    sets = {
        frozenset(errors.edge[first:last].tolist()): weight / scale
        for first, last, weight in zip(errors.start[:-1], errors.start[1:], errors.weight, strict=True)
    }
    a, b, c = edge_number(found, 0, -1), edge_number(found, 1, 2, 1), edge_number(found, 3, -1)
    assert sets.keys() == {frozenset([a, b]), frozenset([a, b, c])}
    assert sets[frozenset([a, b])] == pytest.approx(log_odds(0.01 * 0.98 + 0.02 * 0.99), abs=1e-5)
    alone = errors.alone / scale
    assert alone[a] == pytest.approx(log_odds(0.05), abs=1e-5)
    assert alone[c] == pytest.approx(log_odds(0.03), abs=1e-5)  # the first and third components cancel
    # By the error of both, with D0 flipped back.
    assert alone[b] == pytest.approx(sets[frozenset([a, b])] + log_odds(0.05), abs=1e-5)


def test_an_edge_that_never_comes_alone() -> None:
    found = CorrelatedGraph.from_dem(stim.DetectorErrorModel("error(0.01) D0 ^ D1\nerror(0.02) D2"))
    assert found.errors.alone[:2].tolist() == [IMPOSSIBLE, IMPOSSIBLE]
    nothing = CorrelatedGraph.from_dem(stim.DetectorErrorModel()).errors
    assert [field.size for field in nothing] == [1, 0, 0, 0]


def test_three_components_of_one_error_count_once() -> None:
    """Pairs of edges would save less: D0 and D1 D2, or D0 and D3, but not all three."""
    decoder = CorrelatedMWPM.from_dem(
        stim.DetectorErrorModel("""
            error(0.001) D0 ^ D1 D2 ^ D3
            error(0.01) D0
            error(0.01) D1 D2
            error(0.01) D3
            error(0.01) D1
        """)
    )
    found = decoder.correlated
    edges = [edge_number(found, 0, -1), edge_number(found, 1, 2), edge_number(found, 3, -1)]
    scales, scale = Scales(decoder), found.graph.weight_scale
    assert scales.weigh(np.array(edges)) == pytest.approx(scale * log_odds(0.001), abs=2)
    two = scales.weigh(np.array(edges[:2]))
    # Two of them: each alone, or the error with the third flipped back, which is lighter here or not.
    assert two == pytest.approx(scale * min(2 * log_odds(0.01), log_odds(0.001) + log_odds(0.01)), abs=2)


def test_two_edges_that_are_another_one() -> None:
    """D0 and D1 at the boundary flip what D0 D1 flips, which is part of the error."""
    decoder = CorrelatedMWPM.from_dem(
        stim.DetectorErrorModel("""
            error(0.002) D0 D1 ^ D2 D3
            error(0.0001) D0 D1
            error(0.01) D0
            error(0.01) D1
            error(0.01) D2 D3
            error(0.02) D2 L0
            error(0.02) D3
            error(0.001) D2 D3 L0
        """)
    )
    found = decoder.correlated
    boundary = [edge_number(found, 0, -1), edge_number(found, 1, -1)]
    scales, scale = Scales(decoder), found.graph.weight_scale
    inner = edge_number(found, 2, 3)
    assert scales.weigh(np.array([*boundary, inner])) == pytest.approx(scale * log_odds(0.002), abs=2)
    # The way that flips the observable is not the same edge.
    other = edge_number(found, 2, 3, 1)
    assert scales.weigh(np.array([*boundary, other])) > scale * (log_odds(0.002) + 1)


def sets_of_errors(dem: stim.DetectorErrorModel) -> dict[tuple[int, int], float]:
    """Weight of the lightest set of errors for each syndrome and flips, one error after the other."""
    chance_of: dict[tuple[int, int], float] = {}
    for error in dem.flattened():
        if error.type != "error":
            continue
        p = error.args_copy()[0]
        syndrome = flips = 0
        for target in error.targets_copy():
            if target.is_relative_detector_id():
                syndrome ^= 1 << target.val
            elif target.is_logical_observable_id():
                flips ^= 1 << target.val
        before = chance_of.get((syndrome, flips), 0.0)
        chance_of[syndrome, flips] = before * (1 - p) + p * (1 - before)
    found = {(0, 0): 0.0}
    for (syndrome, flips), p in chance_of.items():
        grown = dict(found)
        for (events, observables), weight in found.items():
            key = events ^ syndrome, observables ^ flips
            grown[key] = min(grown.get(key, np.inf), weight + log_odds(p))
        found = grown
    return found


def random_model(rng: np.random.Generator) -> stim.DetectorErrorModel:
    num_detectors = int(rng.integers(3, 8))
    lines = [f"error({rng.uniform(0.01, 0.2)}) D{detector}" for detector in range(num_detectors)]
    for _ in range(int(rng.integers(num_detectors, 2 * num_detectors))):
        parts = []
        for _ in range(int(rng.integers(1, 4))):
            ends = rng.choice(num_detectors, size=int(rng.integers(1, 3)), replace=False)
            parts.append(" ".join(f"D{end}" for end in ends) + (" L0" if rng.random() < 0.3 else ""))
        lines.append(f"error({10 ** rng.uniform(-4, -0.6)}) {' ^ '.join(parts)}")
    return stim.DetectorErrorModel("\n".join([*lines, "logical_observable L0"]))


def test_the_measure_is_that_of_errors_and_often_the_lightest() -> None:
    """For any set of edges it is the weight of errors with the same symptoms, so never below the optimum."""
    rng = np.random.default_rng(3)
    num_sets = num_lightest = 0
    for _ in range(120):
        dem = random_model(rng)
        decoder = CorrelatedMWPM.from_dem(dem)
        if decoder.search_graph.record["num_implied"][0] == 0:
            continue  # matched once
        graph, errors = decoder.graph, decoder.correlated.errors
        scales, best = Scales(decoder), sets_of_errors(dem)
        for _ in range(10):
            # What one or two errors flip, and at times an edge more.
            times = np.zeros(graph.num_edges, dtype=np.int64)
            for error in rng.integers(errors.weight.size, size=rng.integers(1, 3)):
                times[errors.edge[errors.start[error] : errors.start[error + 1]]] += 1
            times[rng.integers(graph.num_edges)] += rng.integers(2)
            edges = np.flatnonzero(times % 2)
            syndrome = flips = 0
            for edge in edges:
                ends = int(graph.edge_u[edge]), int(graph.edge_v[edge])
                syndrome ^= sum(1 << end for end in ends if end >= 0)
                flips ^= int(graph.edge_observables[edge, 0])
            found = scales.weigh(edges) / graph.weight_scale
            optimum = best[syndrome, flips]
            assert found >= optimum - 1e-3
            num_sets += 1
            num_lightest += found <= optimum + 1e-3
    assert num_lightest > 0.45 * num_sets


def test_the_lighter_prediction_is_taken() -> None:
    circuit = families.circuit("surface-uniform", distance=3, p=0.006, rounds=8)
    dem = circuit.detector_error_model(decompose_errors=True)
    decoder = CorrelatedMWPM.from_dem(dem)
    second = CorrelatedMWPM.from_dem(dem, compare=False)
    first = MWPM(graph=decoder.graph)
    shots, _, _ = dem.compile_sampler(seed=6).sample(3000)
    once, twice, ours = (one.decode_batch(shots)[:, 0] for one in (first, second, decoder))
    assert np.array_equal(ours[once == twice], once[once == twice])
    graph, scales = decoder.graph, Scales(decoder)
    half = graph.component[graph.edge_u[graph.edge_observables.any(axis=1)][0]]
    flips_something = graph.component[graph.edge_u] == half
    taken = {False: 0, True: 0}
    for shot in np.flatnonzero(once != twice):
        edges = [one.decode_to_edge_numbers(shots[shot]) for one in (first, second)]
        deciding = [found[flips_something[found]] for found in edges]
        elsewhere = [found[~flips_something[found]] for found in edges]
        weights = [min(scales.weigh(np.concatenate([part, rest])) for rest in elsewhere) for part in deciding]
        takes_first = weights[0] < weights[1]
        taken[takes_first] += 1
        assert ours[shot] == (once if takes_first else twice)[shot]
        assert np.array_equal(decoder.decode_to_edge_numbers(shots[shot]), edges[0 if takes_first else 1])
    assert min(taken.values()) > 5


# (family, distance, strength, shots): codes that the comparison of pairs of edges was wrong on, and others.
_CASES = [
    ("surface-y", 3, 0.005, 60_000),
    ("surface-erasure", 3, 0.05, 30_000),
    ("heavy-hexagon", 5, 0.003, 20_000),
    ("superdense", 3, 0.003, 30_000),
    ("toric", 3, 0.005, 40_000),
    ("transversal-cnot", 3, 0.004, 30_000),
]


@pytest.mark.parametrize(("name", "distance", "p", "shots"), _CASES)
def test_fewer_errors_on_other_codes(name: str, distance: int, p: float, shots: int) -> None:
    """Not more logical errors than either matching alone, within two standard deviations."""
    circuit = families.circuit(name, distance=distance, p=p)
    dem = circuit.detector_error_model(decompose_errors=True, approximate_disjoint_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=4).sample(
        shots, bit_packed=True, separate_observables=True
    )
    decoder = CorrelatedMWPM.from_dem(dem)
    others = MWPM(graph=decoder.graph), CorrelatedMWPM.from_dem(dem, compare=False)
    ours = (decoder.decode_batch(events, bit_packed=True) != flips).any(axis=1)
    for other in others:
        theirs = (other.decode_batch(events, bit_packed=True) != flips).any(axis=1)
        only_ours, only_theirs = np.sum(ours & ~theirs), np.sum(theirs & ~ours)
        assert only_ours + only_theirs > 10
        assert only_ours - only_theirs <= sigmas() * np.sqrt(only_ours + only_theirs)


def test_of_many_sizes() -> None:
    """Errors of up to four edges in any order give the same table."""
    rng = np.random.default_rng(8)
    sets = [sorted(rng.choice(9, size=int(rng.integers(1, 5)), replace=False).tolist()) for _ in range(40)]
    chances = rng.uniform(0.01, 0.4, size=40)

    def table(order: NDArray[np.int64]) -> dict[frozenset[int], int]:
        found = WholeErrors.of(
            error=np.repeat(np.arange(40), [len(sets[one]) for one in order]).astype(np.int32),
            edge_of=np.array([*itertools.chain.from_iterable(sets[one] for one in order)], dtype=np.int32),
            probability=np.repeat(chances[order], [len(sets[one]) for one in order]),
            num_edges=9,
            weight_scale=1e6,
        )
        pairs = zip(found.start[:-1], found.start[1:], found.weight, strict=True)
        return {frozenset(found.edge[first:last].tolist()): int(weight) for first, last, weight in pairs}

    expected = table(np.arange(40))
    assert table(rng.permutation(40)) == expected
    assert expected.keys() == {frozenset(one) for one in sets if len(one) > 1}
