"""Exactness of matching on arbitrary graphs, by enumeration and by the dual solution."""

from dataclasses import replace

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders import MatchingGraph
from decoders.kernels import layout
from decoders.matching.decoder import MWPM
from decoders.matching.kernels import batch
from decoders.matching.optimality import check_certificate
from decoders.matching.workspace import SearchGraph, Workspace, read_only
from tests.support import oracles
from tests.support.strategies import dems, matching_graphs

#: Neighbour lists so short that searches have to leave them, and the usual length.
LIST_LENGTHS = st.sampled_from([1, 2, 3, 120])


def as_integer(packed: NDArray[np.uint8]) -> int:
    return int.from_bytes(packed.tobytes(), "little")


def always(graph: MatchingGraph) -> tuple[int, int]:
    """Detectors and observables that are flipped in every shot, or predicted to be without a detector."""
    observables = 0
    for word, flips in enumerate(graph.certain_observables):
        observables ^= int(flips) << 64 * word
    for chance, row in zip(graph.undetectable_probability, graph.undetectable_observables, strict=True):
        for word, flips in enumerate(row):
            observables ^= (int(flips) if chance > 0.5 else 0) << 64 * word
    return oracles.bits(graph.certain_detectors), observables


def check_every_shot(decoder: MWPM, shots: NDArray[np.bool_]) -> int:
    """Compare all answers about some shots with the oracle's; returns how many can be explained."""
    graph = decoder.graph
    edges = oracles.edges_of(graph)
    best_of = oracles.every_syndrome(edges)
    flipped, predicted = always(graph)
    explained = 0
    for shot in shots:
        best = best_of.get(oracles.bits(shot) ^ flipped)
        if best is None:
            check_refused(decoder, shot)
            continue
        explained += 1
        packed = np.packbits(shot[np.newaxis], axis=1, bitorder="little")
        predictions, weights = decoder.decode_batch(packed, bit_packed=True, return_weights=True)
        assert weights[0] * graph.weight_scale == pytest.approx(best.weight, abs=1e-6)
        assert as_integer(predictions) ^ predicted in best.observables
        chosen = [edges[number] for number in decoder.decode_to_edge_numbers(shot)]
        assert oracles.syndrome_of(chosen) == oracles.bits(shot) ^ flipped
        assert sum(edge.weight for edge in chosen) == best.weight
        assert oracles.observables_of(chosen) == as_integer(predictions) ^ predicted
        ends = sorted((edge.u, edge.v) for edge in chosen)
        assert decoder.decode_to_edges(shot).tolist() == [list(end) for end in ends]
    return explained


def check_refused(decoder: MWPM, shot: NDArray[np.bool_]) -> None:
    """The error names the shot, and a component that really has an odd number of events and no boundary."""
    with pytest.raises(ValueError, match="shot 0: no error explains"):
        decoder.decode_batch(shot[np.newaxis])
    with pytest.raises(ValueError, match="shot 0: no error explains"):
        decoder.decode_to_edges(shot)
    with pytest.raises(ValueError, match="shot 0: no error explains") as caught:
        decoder.decode(shot)
    assert "\n" not in str(caught.value)
    words = str(caught.value).split()
    smallest = int(words[words.index("component") + 2].removeprefix("D"))
    component = decoder.graph.component[smallest]
    inside = decoder.graph.component == component
    assert inside.argmax() == smallest
    assert f"({inside.sum()} detector" in str(caught.value)
    assert not decoder.graph.component_has_boundary[component]
    assert ((shot ^ decoder.graph.certain_detectors) & inside).sum() % 2 == 1 or has_negative(decoder.graph)


def has_negative(graph: MatchingGraph) -> bool:
    return bool((graph.edge_weight < 0).any())


def random_shots(num_detectors: int, *, seed: int, shots: int = 12) -> NDArray[np.bool_]:
    rng = np.random.default_rng(seed)
    return rng.random((shots, num_detectors)) < rng.random((shots, 1))


# --- the oracles themselves, one against the other


@settings(max_examples=50)
@given(graph=matching_graphs(max_detectors=4))
def test_the_oracles_agree(graph: MatchingGraph) -> None:
    edges = oracles.edges_of(graph)[:10]
    by_subset = oracles.every_subset(edges)
    assert oracles.every_syndrome(edges) == by_subset
    if any(edge.weight < 0 for edge in edges):
        return
    distance = oracles.distances(edges, num_detectors=graph.num_detectors)
    for syndrome in range(1 << graph.num_detectors):
        events = [detector for detector in range(graph.num_detectors) if syndrome >> detector & 1]
        expected = by_subset[syndrome].weight if syndrome in by_subset else float("inf")
        assert oracles.lightest_matching(distance, events) == expected


# --- any graph


@settings(max_examples=400)
@given(graph=matching_graphs(), seed=st.integers(0, 1000), list_length=LIST_LENGTHS, verify=st.booleans())
def test_any_graph(graph: MatchingGraph, seed: int, list_length: int, verify: bool) -> None:
    decoder = MWPM(graph=graph, verify=verify)
    decoder.search_graph = SearchGraph(graph, list_length=list_length)
    check_every_shot(decoder, random_shots(graph.num_detectors, seed=seed))


@settings(max_examples=200)
@given(dem=dems(max_detectors=6), seed=st.integers(0, 1000), verify=st.booleans())
def test_any_model(dem: stim.DetectorErrorModel, seed: int, verify: bool) -> None:
    # The oracle looks at every syndrome: few detectors, shifted ones included.
    if dem.num_detectors <= 11:
        decoder = MWPM.from_dem(dem, verify=verify)
        check_every_shot(decoder, random_shots(dem.num_detectors, seed=seed))


@pytest.mark.parametrize("list_length", [1, 2, 3, 120])
@pytest.mark.parametrize("negative", [False, True])
def test_dense_graphs_with_many_ties(list_length: int, negative: bool) -> None:
    rng = np.random.default_rng([list_length, negative])
    blossoms = 0
    for _ in range(60):
        size = int(rng.integers(5, 10))
        lines = []
        for _ in range(3 * size):
            u, v = rng.choice(size, 2, replace=False)
            boundary = rng.random() < 0.1
            lines.append(f"error(0.1) D{u}" + ("" if boundary else f" D{v}") + f" L{rng.integers(4)}")
        graph = MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))
        largest = int(rng.choice([2, 4, 10, 1000]))
        weight = 2 * rng.integers(-largest if negative else 0, largest, size=graph.num_edges)
        graph = replace(graph, edge_weight=weight.astype(np.int32), weight_scale=2.0)
        decoder = MWPM(graph=graph, verify=bool(rng.integers(2)))
        decoder.search_graph = SearchGraph(graph, list_length=list_length)
        work = Workspace(decoder.search_graph)
        decoder._idle.append(work)  # to look into afterwards
        shots = random_shots(graph.num_detectors, seed=int(rng.integers(1000)), shots=8)
        assert check_every_shot(decoder, shots) > 0
        blossoms += int(work.record["num_blossoms"][0])
    assert blossoms > 20  # in the last shots of each graph alone


@pytest.mark.parametrize("list_length", [1, 2, 3, 120])
@pytest.mark.parametrize("keep_duals", [0, 1])
def test_larger_graphs(list_length: int, keep_duals: int) -> None:
    """Graphs too large to try every error set, but not to match up to twelve events."""
    rng = np.random.default_rng(list_length)
    happened = dict.fromkeys(["blossoms", "beyond", "grown"], 0)
    for _ in range(150):
        graph = random_graph(rng)
        edges = oracles.edges_of(graph)
        distance = oracles.distances(edges, num_detectors=graph.num_detectors)
        search_graph = SearchGraph(graph, list_length=list_length)
        work = Workspace(search_graph)
        work.record["keep_duals"] = keep_duals
        work._resize(2)
        for size in rng.integers(0, 11, size=4):
            events = np.sort(rng.choice(graph.num_detectors, size=size, replace=False))
            shot = np.zeros(graph.num_detectors, dtype=np.bool_)
            shot[events] = True
            packed = read_only(np.packbits(shot, bitorder="little"))
            found = np.zeros(64 * graph.num_edges, dtype=np.int32)
            count, status = batch.decode_to_edges(search_graph.record, work.record, packed, found)
            while status == layout.FULL:
                happened["grown"] += 1
                work.grow()
                count, status = batch.decode_to_edges(search_graph.record, work.record, packed, found)
            expected = oracles.lightest_matching(distance, events.tolist())
            if expected == float("inf"):
                assert status == layout.NO_PARTNER
                continue
            assert status == layout.OK
            weight = int(work.record["weight"][0])
            assert weight == expected
            path = [edges[edge] for edge in found[:count]]
            assert oracles.syndrome_of(path) == oracles.bits(shot)
            assert sum(edge.weight for edge in path) == expected
            assert oracles.observables_of(path) == as_integer(work.arrays["flips"])
            if keep_duals:
                check_certificate(graph, packed, work, weight)
                happened["blossoms"] += int(work.record["num_blossoms"][0])
                used = work.arrays["edges"][: int(work.record["num_edges"][0])]
                happened["beyond"] += int((used["neighbour"] < 0).sum())
    if keep_duals:
        assert happened["blossoms"] > 10
        assert happened["grown"] > 10
        assert (happened["beyond"] > 0) == (list_length < 120)


def random_graph(rng: np.random.Generator) -> MatchingGraph:
    """A graph of points on a line, most edges short, a few to the boundary; weights often equal."""
    size = int(rng.integers(12, 40))
    ties = rng.random() < 0.5
    lines = [f"detector D{size - 1}"]
    for number in range(int(rng.integers(size, 3 * size))):
        u = int(rng.integers(size))
        v = u + int(rng.integers(1, 5))
        chance = rng.choice([0.1, 0.01]) if ties else rng.uniform(0.001, 0.5)
        end = f" D{v}" if v < size and rng.random() > 0.05 else ""
        lines.append(f"error({chance}) D{u}{end} L{number % 70}")
    return MatchingGraph.from_dem(stim.DetectorErrorModel("\n".join(lines)))


# --- what the strategies above may draw too rarely


@pytest.mark.parametrize("list_length", [1, 120])
def test_events_farther_apart_than_any_list(list_length: int) -> None:
    """No boundary, and nothing on the agenda until the lists are left."""
    lines = [f"error(0.1) D{k} D{k + 1}" + (" L0" if k == 200 else "") for k in range(399)]
    decoder = MWPM.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    decoder.search_graph = SearchGraph(decoder.graph, list_length=list_length)
    for events, length, flipped in [
        ([0, 399], 399, True),
        ([0, 100, 200, 399], 299, True),
        ([0, 190, 200, 399], 389, True),
        ([150, 151, 0, 399], 398, True),
        ([0, 180], 180, False),
    ]:
        shot = np.zeros(400, dtype=np.bool_)
        shot[events] = True
        predictions, weights = decoder.decode_batch(shot[np.newaxis], return_weights=True)
        assert weights[0] == pytest.approx(length * np.log(9), rel=1e-6)
        assert predictions.tolist() == [[flipped]]
        assert decoder.decode_to_edges(shot).shape == (length, 2)


def test_distances_that_do_not_fit_in_a_list() -> None:
    """Lists hold distances below 2**31; a thousand of the heaviest edges are 16 times that."""
    lines = [f"error(0.01) D{k} D{k + 1}" for k in range(999)] + ["error(0.01) D0 L0", "error(0.01) D999"]
    decoder = MWPM.from_dem(stim.DetectorErrorModel("\n".join(lines)), verify=True)
    heaviest = int(decoder.graph.edge_weight.max())
    assert 65 * heaviest > layout.LIST_LIMIT
    decoder.search_graph = SearchGraph(decoder.graph, list_length=500)
    for events, length, flipped in [
        ([0, 300], 300, False),
        ([300, 900], 301 + 100, True),
        ([300, 500], 200, False),
        ([480, 519], 39, False),
        ([499], 500, True),
        ([400, 480, 560], 401 + 80, True),
        ([300, 460, 500, 700], 160 + 200, False),
    ]:
        shot = np.zeros(1000, dtype=np.bool_)
        shot[events] = True
        predictions, weights = decoder.decode_batch(shot[np.newaxis], return_weights=True)
        assert round(weights[0] * decoder.graph.weight_scale) == length * heaviest
        assert predictions.tolist() == [[flipped]]
        assert decoder.decode_to_edges(shot).shape == (length, 2)


def test_edges_used_by_two_paths_cancel() -> None:
    """Only edges of weight zero can be on two paths; the pair of uses is no edge of the solution."""
    lines = [
        "error(0.1) D0 D1",
        "error(0.5) D1 D2 L0",
        "error(0.1) D2 D3",
        "error(0.1) D4 D1",
        "error(0.1) D2 D5",
    ]
    decoder = MWPM.from_dem(stim.DetectorErrorModel("\n".join(lines)), verify=True)
    explained = check_every_shot(decoder, np.array([[1, 0, 0, 1, 1, 1], [1, 0, 0, 1, 0, 0]], dtype=np.bool_))
    assert explained == 2


def test_errors_of_probability_one_are_no_edges() -> None:
    decoder = MWPM.from_dem(stim.DetectorErrorModel("error(1) D0 L0\nerror(0.1) D0 D1\nerror(0.1) D1"))
    assert decoder.decode_to_edges([1, 0]).tolist() == []
    assert decoder.decode([1, 0]).tolist() == [True]
    assert decoder.decode_to_edges([0, 0]).tolist() == [[0, 1], [1, -1]]


def test_likely_edges_are_listed_where_they_stay() -> None:
    decoder = MWPM.from_dem(stim.DetectorErrorModel("error(0.9) D0 D1\nerror(0.2) D0\nerror(0.2) D1"))
    assert decoder.decode_to_edges([1, 1]).tolist() == [[0, 1]]
    assert decoder.decode_to_edges([0, 1]).tolist() == [[0, -1], [0, 1]]
    # Both ways round cost the same weight: -log 9 + 2 log 4 is more than nothing.
    assert decoder.decode_to_edges([0, 0]).tolist() == []


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["error(0.1) D0 D1", "error(0.1) D2"], "component of D0 (2 detectors) has no boundary"),
        (["error(0.1) D1", "error(0.1) D2"], "component of D0 (1 detector) has no boundary"),
        (["error(0.1) D0 D2", "error(0.1) D2 D3", "error(0.1) D1"], "component of D0 (3 detectors)"),
    ],
)
def test_who_is_to_blame(lines: list[str], message: str) -> None:
    decoder = MWPM.from_dem(stim.DetectorErrorModel("\n".join(lines)))
    shots = np.zeros((9, decoder.num_detectors), dtype=np.bool_)
    shots[5, 0] = True
    with pytest.raises(ValueError) as caught:
        decoder.decode_batch(shots)
    assert str(caught.value).startswith("shot 5: no error explains its detection events: ")
    assert message in str(caught.value)
    assert str(caught.value).endswith("an odd number of events (D0)")
