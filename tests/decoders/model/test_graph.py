"""MatchingGraph.from_dem against a reference reader that iterates over stim's instructions."""

import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from numpy.typing import NDArray

from decoders import MatchingGraph
from decoders.model.dem import read_dem
from tests.support.strategies import dems, probabilities

Ends = tuple[int, ...]
Flips = frozenset[int]


class SlowGraph:
    """The same facts as a MatchingGraph, collected one by one with plain Python."""

    def __init__(self, dem: stim.DetectorErrorModel) -> None:
        self.edges: dict[tuple[Ends, Flips], float] = {}
        self.certain_detectors: set[int] = set()
        self.certain_observables: set[int] = set()
        mechanisms: dict[tuple[Ends, Flips], list[float]] = defaultdict(list)
        for instruction in dem.flattened():
            if instruction.type != "error":
                continue
            (p,) = instruction.args_copy()
            for group in instruction.target_groups():
                ends: set[int] = set()
                flips: set[int] = set()
                for target in group:
                    (ends if target.is_relative_detector_id() else flips).symmetric_difference_update(
                        {target.val}
                    )
                if p == 1:
                    self.certain_detectors ^= ends
                    self.certain_observables ^= flips
                elif p > 0 and (ends or flips):
                    assert len(ends) <= 2
                    mechanisms[tuple(sorted(ends)), frozenset(flips)].append(p)
        for key, several in mechanisms.items():
            # An odd number of independent events: (1 - prod(1 - 2 p)) / 2.
            self.edges[key] = (
                (1 - math.prod(1 - 2 * p for p in several)) / 2 if len(several) > 1 else several[0]
            )


def observables_of(words: NDArray[np.uint64]) -> Flips:
    return frozenset(
        64 * place + bit for place, word in enumerate(words) for bit in range(64) if int(word) >> bit & 1
    )


def edges_of(graph: MatchingGraph) -> dict[tuple[Ends, Flips], float]:
    found = {}
    for u, v, p, words in zip(
        graph.edge_u, graph.edge_v, graph.edge_probability, graph.edge_observables, strict=True
    ):
        ends = (int(u),) if v < 0 else (int(u), int(v))
        found[ends, observables_of(words)] = float(p)
    assert len(found) == graph.num_edges, "an edge is listed twice"
    return found


@settings(max_examples=300)
@given(dems())
def test_equals_a_slow_reader(dem: stim.DetectorErrorModel) -> None:
    graph = MatchingGraph.from_dem(dem)
    slow = SlowGraph(dem)
    expected = {key: p for key, p in slow.edges.items() if key[0]}
    found = edges_of(graph)
    assert found.keys() == expected.keys()
    for key, p in expected.items():
        assert found[key] == pytest.approx(p, rel=1e-12, abs=1e-15)
    undetectable = {
        observables_of(words): p
        for words, p in zip(graph.undetectable_observables, graph.undetectable_probability, strict=True)
    }
    assert len(undetectable) == graph.undetectable_probability.size
    assert undetectable == pytest.approx({key[1]: p for key, p in slow.edges.items() if not key[0]})
    assert set(np.flatnonzero(graph.certain_detectors)) == slow.certain_detectors
    assert observables_of(graph.certain_observables) == slow.certain_observables
    assert graph.num_detectors == dem.num_detectors
    assert graph.num_observables == dem.num_observables


@settings(max_examples=200)
@given(dems())
def test_coordinates_are_those_of_stim(dem: stim.DetectorErrorModel) -> None:
    coordinates = MatchingGraph.from_dem(dem).detector_coordinates
    for detector, expected in dem.get_detector_coordinates().items():
        row = coordinates[detector]
        assert np.isnan(row[len(expected) :]).all()
        np.testing.assert_allclose(row[: len(expected)], expected, rtol=1e-12)


@settings(max_examples=150)
@given(dems())
def test_dtypes_shapes_and_adjacency(dem: stim.DetectorErrorModel) -> None:
    graph = MatchingGraph.from_dem(dem)
    words = -(-dem.num_observables // 64)
    for array, dtype, shape in [
        (graph.edge_u, np.int32, (graph.num_edges,)),
        (graph.edge_v, np.int32, (graph.num_edges,)),
        (graph.edge_weight, np.int32, (graph.num_edges,)),
        (graph.edge_probability, np.float64, (graph.num_edges,)),
        (graph.edge_observables, np.uint64, (graph.num_edges, words)),
        (graph.detector_cycle, np.int32, (dem.num_detectors,)),
        (graph.indptr, np.int32, (dem.num_detectors + 1,)),
        (graph.adjacent_detector, np.int32, (graph.indptr[-1],)),
        (graph.adjacent_edge, np.int32, (graph.indptr[-1],)),
        (graph.component, np.int32, (dem.num_detectors,)),
        (graph.certain_detectors, np.bool_, (dem.num_detectors,)),
        (graph.certain_observables, np.uint64, (words,)),
        (graph.undetectable_observables, np.uint64, (graph.undetectable_probability.size, words)),
    ]:
        assert array.dtype == dtype
        assert array.shape == shape
        assert array.flags.c_contiguous
    assert graph.detector_coordinates.shape[0] == dem.num_detectors
    assert not (graph.edge_weight % 2).any()

    rows: list[list[tuple[int, int]]] = [[] for _ in range(dem.num_detectors)]
    for edge, (u, v) in enumerate(zip(graph.edge_u.tolist(), graph.edge_v.tolist(), strict=True)):
        assert v == -1 or u < v
        rows[u].append((v, edge))
        if v >= 0:
            rows[v].append((u, edge))
    for detector, row in enumerate(rows):
        part = slice(graph.indptr[detector], graph.indptr[detector + 1])
        neighbours, edges = graph.adjacent_detector[part].tolist(), graph.adjacent_edge[part].tolist()
        assert list(zip(neighbours, edges, strict=True)) == sorted(row)


@settings(max_examples=150)
@given(dems(max_detectors=12))
def test_components_are_reachability(dem: stim.DetectorErrorModel) -> None:
    graph = MatchingGraph.from_dem(dem)
    reachable = np.eye(dem.num_detectors, dtype=bool)
    touches_boundary = np.zeros(dem.num_detectors, dtype=bool)
    for u, v in zip(graph.edge_u, graph.edge_v, strict=True):
        if v < 0:
            touches_boundary[u] = True
        else:
            reachable[u, v] = reachable[v, u] = True
    for through in range(dem.num_detectors):
        reachable |= reachable[:, [through]] & reachable[[through], :]
    same = graph.component[:, np.newaxis] == graph.component[np.newaxis, :]
    assert np.array_equal(same, reachable)
    # Numbered by smallest detector: each component's first appearance is the next number.
    first_seen = list(dict.fromkeys(graph.component.tolist()))
    assert first_seen == list(range(graph.component_has_boundary.size))
    for detector in range(dem.num_detectors):
        expected = touches_boundary[reachable[detector]].any()
        assert graph.component_has_boundary[graph.component[detector]] == expected


@settings(max_examples=500)
@given(probabilities())
def test_probabilities_are_read_exactly(p: float) -> None:
    arrays = read_dem(stim.DetectorErrorModel(f"error({p!r}) D0"))
    if p in (0.0, 1.0):
        assert arrays.component_probability.size == 0
    elif p > 1e-290:
        assert arrays.component_probability.tolist() == [p]
    else:  # next to and among the subnormal numbers the last digit may differ
        np.testing.assert_allclose(arrays.component_probability, [p], rtol=1e-14, atol=1e-323)


def test_probabilities_of_all_sizes_are_read_exactly() -> None:
    rng = np.random.default_rng(5)
    exponents = rng.integers(-60, 0, size=4000)
    numbers = rng.random(4000) * 10.0**exponents
    dem = stim.DetectorErrorModel("\n".join(f"error({p!r}) D0" for p in numbers.tolist()))
    assert np.array_equal(read_dem(dem).component_probability, numbers)


def test_sampling_agrees_on_what_is_certain_and_what_cancels() -> None:
    dem = stim.DetectorErrorModel("error(1) D0 D1 D1 D2 L0 L1 L1\nerror(1) D2 D4 ^ L66\nerror(1) D0 D3 D5 D6")
    events, flips, _ = dem.compile_sampler(seed=1).sample(1)
    graph = MatchingGraph.from_dem(dem)
    assert np.array_equal(graph.certain_detectors, events[0])
    assert observables_of(graph.certain_observables) == set(np.flatnonzero(flips[0]))
    assert graph.num_edges == 0


def test_mechanisms_of_other_observables_stay_apart() -> None:
    dem = stim.DetectorErrorModel("error(0.1) D1 D0\nerror(0.2) D0 D1 L0\nerror(0.3) D0 D1\nerror(0.1) D1 L1")
    graph = MatchingGraph.from_dem(dem)
    assert edges_of(graph) == pytest.approx(
        {
            ((0, 1), frozenset()): 0.1 * 0.7 + 0.3 * 0.9,
            ((0, 1), frozenset({0})): 0.2,
            ((1,), frozenset({1})): 0.1,
        }
    )
    assert graph.edge_weight[2] > 0


def test_merging_keeps_precision_next_to_one() -> None:
    tiny = 2.0**-50
    graph = MatchingGraph.from_dem(
        stim.DetectorErrorModel(f"error({1 - tiny!r}) D0\nerror({tiny!r}) D0\nerror(0.5) D1\nerror(0.3) D2")
    )
    # 1 - p = 2 tiny (1 - tiny): the weight is -log(2**49), with no digit lost.
    assert graph.edge_weight[0] / graph.weight_scale == pytest.approx(-49 * math.log(2), rel=1e-7)


def test_a_large_dem_in_repeat_blocks_equals_its_flattened_form() -> None:
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=5,
        rounds=40,
        after_clifford_depolarization=0.002,
        before_measure_flip_probability=0.003,
    )
    dem = circuit.detector_error_model(decompose_errors=True)
    assert "repeat" in str(dem)
    folded, flat = MatchingGraph.from_dem(dem), MatchingGraph.from_dem(dem.flattened())
    assert edges_of(folded) == edges_of(flat)
    assert np.array_equal(folded.detector_coordinates, flat.detector_coordinates)
    assert np.array_equal(folded.edge_weight, flat.edge_weight)
    assert edges_of(folded) == pytest.approx(SlowGraph(dem).edges)
    assert folded.detector_cycle.max() == 40


def test_recorded_experiments_equal_a_slow_reader(hardware_data: Path) -> None:
    files = sorted(hardware_data.rglob("*d3*/*.dem"))
    assert files
    for file in files:
        dem = stim.DetectorErrorModel.from_file(file)
        assert edges_of(MatchingGraph.from_dem(dem)) == pytest.approx(SlowGraph(dem).edges), file


def test_many_rounds_stay_one_pass() -> None:
    dem = stim.DetectorErrorModel(
        "repeat 30000 {\nerror(0.1) D0 D1\nerror(0.01) D0 L0\ndetector(0, 0, 0) D0\n"
        "shift_detectors(0, 0, 1) 1\n}"
    )
    graph = MatchingGraph.from_dem(dem)
    assert graph.num_edges == 60_000
    assert graph.detector_cycle[29_999] == 29_999
    assert graph.detector_cycle[30_000] == -1
    assert graph.component_has_boundary.tolist() == [True]


@pytest.mark.parametrize(
    "text", ["", "detector D3", "logical_observable L2", "error(0.1)", "error(0.1) L0", "repeat 2 {\n}"]
)
def test_no_edges_is_legal(text: str) -> None:
    graph = MatchingGraph.from_dem(stim.DetectorErrorModel(text))
    assert graph.num_edges == 0
    assert graph.indptr.tolist() == [0] * (graph.num_detectors + 1)
    assert not graph.component_has_boundary.any()


@pytest.mark.parametrize(
    ("text", "quoted", "shift"),
    [
        ("error(0.1) D0 D1 D2", "error(0.1", ""),
        ("error(0.1) D5\nerror[x](0.1) D0 D1 ^ D2 D3 D4 D7 L0", "error[x](0.1", ""),
        ("repeat 3 {\n    error(0.1) D0\n    shift_detectors 4\n}\nerror(0.2) D0 D1 D2", "error(0.2", "12"),
    ],
)
def test_a_hyperedge_is_refused_by_name(text: str, quoted: str, shift: str) -> None:
    with pytest.raises(ValueError) as caught:
        MatchingGraph.from_dem(stim.DetectorErrorModel(text))
    message = str(caught.value)
    assert message.startswith(f"'{quoted}")
    assert "decompose_errors=True" in message
    assert "\n" not in message
    assert (f"shifted by {shift}" in message) == bool(shift)


def test_hyperedges_that_never_or_always_happen_are_legal() -> None:
    dem = stim.DetectorErrorModel("error(0) D0 D1 D2\nerror(1) D0 D1 D2\nerror(0.1) D0 D1 D2 D2")
    graph = MatchingGraph.from_dem(dem)
    assert edges_of(graph) == {((0, 1), frozenset()): 0.1}
    assert graph.certain_detectors.tolist() == [True, True, True]


def test_too_large_a_dem_is_refused_before_it_is_unrolled() -> None:
    dem = stim.DetectorErrorModel("repeat 1000000 {\nrepeat 1000000 {\nshift_detectors(1) 0\n}\n}")
    with pytest.raises(ValueError, match="2000002000001 unrolled instructions for 0 detectors, at most"):
        MatchingGraph.from_dem(dem)
