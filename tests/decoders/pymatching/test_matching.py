"""The drop-in `Matching`: forms of input, errors, correlations, threads, copies."""

import copy
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pymatching
import pytest
import stim

import decoders
import qec
from decoders.matching import workspace
from decoders.pymatching import Matching, rand_float, randomize, set_seed
from tests.support.pymatching_calls import Solutions, outcome

LINE = [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]


def surface_code(distance: int = 3, p: float = 0.01) -> stim.Circuit:
    code = qec.RotatedSurfaceCode(distance)
    return qec.memory_circuit(code, rounds=distance, basis="z", noise=qec.noise.uniform(p))


def chain(*, boundary: set[int], length: int = 5) -> Matching:
    """A line of nodes; edge i has the weight i + 1.5 and the fault id i."""
    matching = Matching()
    for node in range(length - 1):
        matching.add_edge(node, node + 1, fault_ids=node, weight=node + 1.5)
    matching.set_boundary_nodes(boundary)
    return matching


def test_a_few_syndromes() -> None:
    """Few enough to interpret; see test_interpreted_kernels.py."""
    for ids in ([0, 1, 2, 3, 4], [0, 70, 140, 210, 280]):
        ours, theirs = Matching(), pymatching.Matching()
        for matching in (ours, theirs):
            for node, (weight, fault) in enumerate(zip([2.5, -1, 0, 3, 0.25], ids, strict=True)):
                matching.add_edge(node, node + 1, fault_ids={fault}, weight=weight)
            matching.add_boundary_edge(4, fault_ids={ids[0], 5}, weight=1)
            matching.set_boundary_nodes({1})
        shots = np.array([[n >> bit & 1 for bit in range(6)] for n in range(0, 64, 5)], dtype=np.uint8)
        expected, weights = theirs.decode_batch(shots, return_weights=True)
        for is_packed in (False, True):
            rows = np.packbits(shots, axis=1, bitorder="little") if is_packed else shots
            found, found_weights = ours.decode_batch(rows, bit_packed_shots=is_packed, return_weights=True)
            assert np.array_equal(found_weights, weights)
            packed = ours.decode_batch(rows, bit_packed_shots=is_packed, bit_packed_predictions=True)
            assert np.array_equal(packed, np.packbits(found, axis=1, bitorder="little"))
            assert np.array_equal(found, expected)
        for shot, prediction, weight in zip(shots, expected, weights, strict=True):
            Solutions(ours).check(shot, ours.decode_to_edges_array(shot), prediction, weight)
    mates = chain(boundary={2}).decode_to_matched_dets_dict([1, 1, 0, 1, 0])
    assert mates == {0: 1, 1: 0, 3: None}


SYNDROMES = [
    [1, 1, 0, 0, 0],
    (1, 1, 0, 0),
    [True, True, False, False, False],
    [3, 255, 2, 0, 254],
    np.array([257, 1, 2, 0, 256]),
    np.array([-1, 1, 0, 0, 0]),
    np.array([1.0, 1.9, 0.2, 0, 0]),
    np.array([1, 1, 1, 0, 0], dtype=np.uint64),  # node 2 is a boundary node
    np.array([1, 7, 1, 1, 7, 1, 0, 7, 0, 0, 7, 0, 0, 7, 0])[::3],
    np.array([1, 1, 0, 0], dtype=object),
    np.array([[1, 0], [1, 0]]),
    [],
    [1, 1, 0],
    [1, 1, 0, 0, 0, 0],
    [[1, 1, 0, 0, 0]],
    np.zeros((2, 2, 1)),
    1,
    "abc",
]


@pytest.mark.parametrize("syndrome", SYNDROMES, ids=str)
def test_syndromes_of_any_kind(syndrome: Any) -> None:
    ours = chain(boundary={2})
    theirs = pymatching.Matching(ours.to_networkx())
    ours.ensure_num_fault_ids(9)
    theirs.ensure_num_fault_ids(9)
    mine, other = (outcome(lambda m=m: m.decode(syndrome).tolist()) for m in (ours, theirs))
    assert mine == other
    mine, other = (outcome(lambda m=m: m.decode_to_edges_array(syndrome).size) for m in (ours, theirs))
    assert mine == other


SHOTS = [
    [[1, 1, 0, 0, 0]],
    np.array([[1, 1, 0, 0], [0, 1, 1, 1]], dtype=bool),
    np.array([[257, 2, 0, 0, 256]]),
    np.array([[1.0, 0, 0, 0, 0]]),
    np.asfortranarray(np.array([[1, 1, 0, 0, 0], [0, 0, 0, 1, 1]], dtype=np.uint8)),
    np.ones((4, 10), dtype=np.uint8)[::2, ::2],
    np.zeros((0, 5), dtype=np.uint8),
    np.zeros((2, 3), dtype=np.uint8),
    np.zeros((2, 6), dtype=np.uint8),
    np.zeros(5, dtype=np.uint8),
]


@pytest.mark.parametrize("shots", SHOTS, ids=str)
def test_shots_of_any_kind(shots: Any) -> None:
    ours = chain(boundary={2})
    theirs = pymatching.Matching(ours.to_networkx())
    mine, other = (outcome(lambda m=m: m.decode_batch(shots).tolist()) for m in (ours, theirs))
    assert mine == other


def test_bits_beyond_the_last_node_are_refused() -> None:
    matching = chain(boundary={2})
    assert matching.decode_batch(np.array([[0b10011]], np.uint8), bit_packed_shots=True).shape == (1, 4)
    with pytest.raises(ValueError, match="shot 1 has bits set beyond its 5 nodes"):
        matching.decode_batch(np.array([[1], [33]], dtype=np.uint8), bit_packed_shots=True)
    with pytest.raises(ValueError, match=r"bit-packed shots have shape \(1, 2\): must be \(shots, 1\)"):
        matching.decode_batch(np.zeros((1, 2), dtype=np.uint8), bit_packed_shots=True)


def test_no_matching() -> None:
    matching = Matching()
    matching.add_edge(0, 1)
    matching.add_edge(2, 3)
    alone = r"No perfect matching could be found. Shot 0: .* component of D0 .* odd number of events \(D0\)"
    for decode in (matching.decode, matching.decode_to_edges_array, matching.decode_to_matched_dets_dict):
        with pytest.raises(ValueError, match=alone):
            decode([1, 0, 0, 0])
    for is_packed in (False, True):
        shots = np.array([[0, 0, 1, 1], [1, 0, 1, 1]], dtype=np.uint8)
        shots = np.packbits(shots, axis=1, bitorder="little") if is_packed else shots
        with pytest.raises(ValueError, match="Shot 1: "):
            matching.decode_batch(shots, bit_packed_shots=is_packed)
    # Nothing of the failure remains.
    assert matching.decode([1, 1, 0, 0], return_weight=True)[1] == 1
    with pytest.raises(ValueError, match="threads=0"):
        matching.decode_batch(np.zeros((1, 4), dtype=np.uint8), threads=0)


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda m: m.add_edge(0, 1), ValueError),
        (lambda m: m.add_boundary_edge(0), ValueError),
        (lambda m: m.add_edge(0, 1, merge_strategy="heaviest"), ValueError),
        (lambda m: m.add_edge(-1, 2), ValueError),
        (lambda m: m.add_boundary_edge(-1), ValueError),
        (lambda m: m.add_edge(1.0, 2), TypeError),
        (lambda m: m.add_edge(0, 2, fault_ids="a"), TypeError),
        (lambda m: m.add_edge(0, 2, fault_ids={-1}), TypeError),
        (lambda m: m.add_edge(0, 2, fault_ids=1.5), TypeError),
        (lambda m: m.add_edge(0, 2, weight="heavy"), TypeError),
        (lambda m: m.add_edge(0, 2, weight=None), TypeError),
        (lambda m: m.add_edge(0, 2, error_probability="a"), TypeError),
        (lambda m: m.add_edge(0, 2, fault_ids=1, qubit_id=2), ValueError),
        (lambda m: m.get_edge_data(0, 2), ValueError),
        (lambda m: m.get_edge_data(8, 9), ValueError),
        (lambda m: m.get_boundary_edge_data(1), ValueError),
        (lambda m: m.set_boundary_nodes(3), TypeError),
        (lambda m: m.ensure_num_fault_ids(2.5), TypeError),
        (lambda m: m.load_from_check_matrix(), ValueError),
        (lambda m: m.load_from_networkx(5), TypeError),
        (lambda m: m.load_from_networkx(nx.Graph([(0, "a")])), ValueError),
        (lambda m: type(m)([[1], [1], [1]]), ValueError),
        (lambda m: type(m)([[2, 0], [0, 1]]), ValueError),
        (lambda m: type(m)(LINE, weights=[1, 2]), ValueError),
        (lambda m: type(m)(LINE, weights=[[1, 2, 3, 4]]), ValueError),
        (lambda m: type(m)(LINE, weights="a"), TypeError),
        (lambda m: type(m)(LINE, error_probabilities=[0.1]), ValueError),
        (lambda m: type(m)(LINE, repetitions=2, timelike_weights=[1, 2]), ValueError),
        (lambda m: type(m)(LINE, repetitions=1.5), TypeError),
        (lambda m: type(m)(LINE, faults_matrix=[[1, 0]]), ValueError),
        (lambda m: type(m)(LINE, weights=1, spacelike_weights=1), ValueError),
        (lambda m: type(m)(np.zeros((1, 1, 1))), ValueError),
        (lambda m: m.from_detector_error_model("error(0.1) D0"), TypeError),
        (lambda m: m.from_stim_circuit("X 0"), TypeError),
        (lambda m: m.from_stim_circuit_file("/no/such/file"), ValueError),
        (lambda m: m.from_detector_error_model_file("/no/such/file"), ValueError),
    ],
)
def test_errors_are_those_of_pymatching(change: Any, kind: type[Exception]) -> None:
    for one in (Matching, pymatching.Matching):
        matching = one()
        matching.add_edge(0, 1, fault_ids=0)
        matching.add_boundary_edge(0)
        with pytest.raises(kind) as caught:
            change(matching)
        assert one is not Matching or "\n" not in str(caught.value)
        assert matching.num_edges == 2


def test_heavy_edges() -> None:
    for one in (Matching, pymatching.Matching):
        matching = one()
        for weight in (2.0**24, -np.inf):
            with pytest.warns(UserWarning, match="exceeds.* maximum"):
                matching.add_edge(0, 1, weight=weight)
        assert matching.num_nodes == 0
        matching = one(LINE, weights=2.0**24)
        with pytest.raises(ValueError, match="maximum absolute edge weight of 16777215"):
            matching.decode([1, 1, 0])
    with pytest.raises(ValueError, match="not NaN"):
        Matching().add_edge(0, 1, weight=float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        Matching(LINE, weights=float("nan"))


def test_unknown_options_are_refused() -> None:
    for call in (
        partial(Matching, LINE, wieghts=2),
        partial(Matching, stim.DetectorErrorModel(), faults_matrix=LINE),
        partial(Matching().add_edge, 0, 1, wieght=2),
        partial(Matching().decode, [], return_weights=True),
    ):
        with pytest.raises(
            TypeError, match=r"wieght|faults_matrix: an option of check matrices|return_weights"
        ):
            call()
    assert Matching(LINE).decode([1, 0, 0], num_neighbours=20).tolist() == [1, 0, 0, 0]


def test_edges_may_be_added_after_decoding() -> None:
    matching = Matching()
    matching.add_edge(0, 1, fault_ids=0, weight=3)
    matching.add_edge(1, 2, fault_ids=1, weight=3)
    assert matching.decode([1, 0, 1]).tolist() == [1, 1]
    matching.add_edge(0, 2, fault_ids=2, weight=5)
    prediction, weight = matching.decode([1, 0, 1], return_weight=True)
    assert (prediction.tolist(), weight) == ([0, 0, 1], 5)
    matching.add_edge(0, 2, fault_ids=4, weight=2, merge_strategy="replace")
    assert matching.decode([1, 0, 1]).tolist() == [0, 0, 0, 0, 1]
    matching.set_boundary_nodes({1})
    assert matching.decode([1, 0, 0], return_weight=True)[1] == 3
    matching.ensure_num_fault_ids(7)
    assert matching.decode([0, 0, 0]).shape == (7,)
    matching.load_from_check_matrix(LINE)
    assert matching.decode([1, 0, 0]).tolist() == [1, 0, 0, 0]


def test_fault_ids_of_an_edge_that_replaces_another_count() -> None:
    """In PyMatching 2.4 they do not, and predictions are too short."""
    matching = Matching()
    matching.add_edge(0, 1, fault_ids=0)
    matching.add_edge(0, 1, fault_ids={1, 5}, merge_strategy="replace")
    assert matching.num_fault_ids == 6
    assert matching.decode([1, 1]).tolist() == [0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("distance", [3, 5])
def test_weights_of_surface_codes_are_exactly_equal(distance: int) -> None:
    circuit = surface_code(distance)
    events, _ = circuit.compile_detector_sampler(seed=1).sample(3000, separate_observables=True)
    ours, theirs = Matching(circuit), pymatching.Matching(circuit)
    predictions, weights = ours.decode_batch(events, return_weights=True)
    expected, expected_weights = theirs.decode_batch(events, return_weights=True)
    assert np.array_equal(weights, expected_weights)
    assert (predictions != expected).mean() < 0.02  # ties
    assert repr(ours).replace("decoders.", "") == repr(theirs)


def test_correlations_are_those_of_mwpm_correlated(tmp_path: Path) -> None:
    circuit = surface_code()
    dem = circuit.detector_error_model(decompose_errors=True)
    dem.to_file(tmp_path / "model.dem")
    circuit.to_file(tmp_path / "circuit.stim")
    events, _ = circuit.compile_detector_sampler(seed=2).sample(2000, separate_observables=True)
    decoder = decoders.from_dem("mwpm-correlated", dem)
    expected, expected_weights = decoder.decode_batch(events, return_weights=True)
    plain = Matching(dem).decode_batch(events)
    assert (plain != expected).any()
    for make in (
        partial(Matching, dem),
        partial(Matching, circuit),
        partial(Matching.from_stim_circuit_file, tmp_path / "circuit.stim"),
        partial(Matching.from_detector_error_model_file, str(tmp_path / "model.dem")),
    ):
        matching = make(enable_correlations=True)
        matching.ensure_num_fault_ids(3)
        found, weights = matching.decode_batch(events, enable_correlations=True, return_weights=True)
        assert np.array_equal(found[:, :1], expected)
        assert not found[:, 1:].any()
        assert np.array_equal(weights, expected_weights)
        assert np.array_equal(matching.decode_batch(events)[:, :1], plain)
        packed = matching.decode_batch(events, enable_correlations=True, bit_packed_predictions=True)
        assert packed.shape == (2000, 1)
    for shot in events[:50]:
        prediction, _ = matching.decode(shot, enable_correlations=True, return_weight=True)
        assert prediction[0] == decoder.decode_batch(shot[np.newaxis], return_weights=True)[0][0, 0]
        edges = matching.decode_to_edges_array(shot, enable_correlations=True)
        assert sorted(edges.tolist()) == sorted(decoder.decode_to_edges(shot).tolist())


def test_shots_that_only_components_explain() -> None:
    """An edge made of two equal components flips nothing in a whole error, and its components do."""
    dem = stim.DetectorErrorModel("error(0.1) D0 L0 ^ D0\nerror(0.1) D0 D1\nerror(0.1) D2 ^ D0 D1")
    matching = Matching(dem, enable_correlations=True)
    decoder = decoders.from_dem("mwpm-correlated", dem)
    shots = np.array([[1, 0, 0], [1, 1, 1], [1, 0, 1], [1, 1, 0]], dtype=np.uint8)
    expected, expected_weights = decoder.decode_batch(shots, return_weights=True)
    found, weights = matching.decode_batch(shots, enable_correlations=True, return_weights=True)
    assert np.array_equal(found, expected)
    assert np.array_equal(weights, expected_weights)
    assert matching.decode(shots[0], enable_correlations=True).tolist() == expected[0].tolist()


def test_correlations_must_be_loaded() -> None:
    dem = surface_code().detector_error_model(decompose_errors=True)
    shot = np.zeros(dem.num_detectors, dtype=np.uint8)
    changed = Matching(dem, enable_correlations=True)
    assert changed.decode(shot, enable_correlations=True).tolist() == [0]
    changed.add_edge(0, 5, merge_strategy="replace")
    for matching in (Matching(dem), changed):
        for decode in (matching.decode, matching.decode_to_edges_array):
            with pytest.raises(
                ValueError, match="loaded with enable_correlations=True and not changed since"
            ):
                decode(shot, enable_correlations=True)
        matching.decode(shot)


def test_hyperedges_are_left_out_with_a_warning() -> None:
    dem = stim.DetectorErrorModel(
        "repeat 2 {\nerror(0.1) D0 D1 D2 ^ D3 L0\nshift_detectors 1\n}\nerror(0.1) D0 L4\ndetector D9"
    )
    with pytest.warns(UserWarning, match=r"2 error components .* 2 dropped \(0.2 expected"):
        ours = Matching(dem)
    theirs = pymatching.Matching(dem)
    assert ours.num_nodes == theirs.num_nodes == 12
    assert ours.num_fault_ids == theirs.num_fault_ids == 5
    assert [edge[:2] for edge in ours.edges()] == [edge[:2] for edge in theirs.edges()]
    with pytest.raises(ValueError, match="has a component with 3 detectors"):
        Matching(dem, enable_correlations=True)


def test_errors_of_probability_one() -> None:
    """PyMatching gives them an infinite weight, and then decodes nothing."""
    dem = stim.DetectorErrorModel("error(1) D0 L1\nerror(0.1) D0 D1 L0\nerror(0.2) D1")
    matching = Matching(dem)
    assert matching.num_edges == 2
    assert matching.decode([1, 0]).tolist() == [0, 1]
    assert matching.decode([0, 1]).tolist() == [1, 1]
    matching.ensure_num_fault_ids(100)
    assert matching.decode([0, 1]).tolist()[:3] == [1, 1, 0]
    set_seed(3)
    faults, syndrome = zip(*(matching.add_noise() or () for _ in range(50)), strict=True)
    assert all(fault[1] == 1 for fault in faults)
    assert 0 < np.mean([bits[0] for bits in syndrome]) < 1


def test_seeds() -> None:
    matching = Matching(LINE, error_probabilities=0.3)
    drawn = []
    for _ in range(2):
        set_seed(5)
        drawn.append([matching.add_noise()[0].tolist() for _ in range(20)] + [rand_float(1, 2)])
    assert drawn[0] == drawn[1]
    assert 1 <= drawn[0][-1] <= 2
    randomize()
    assert [matching.add_noise()[0].tolist() for _ in range(20)] != drawn[0][:-1]


def test_lists_made_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large graphs make neighbour lists when a shot asks for them."""
    circuit = surface_code(5)
    events, _ = circuit.compile_detector_sampler(seed=3).sample(60, separate_observables=True)
    _, weights = Matching(circuit).decode_batch(events, return_weights=True)
    monkeypatch.setattr(workspace, "_FEWEST_ON_DEMAND", 1)
    packed = np.packbits(events, axis=1, bitorder="little")
    for decode in (
        lambda m: m.decode_batch(events, return_weights=True)[1],
        lambda m: m.decode_batch(packed, bit_packed_shots=True, return_weights=True)[1],
        lambda m: [m.decode(shot, return_weight=True)[1] for shot in events],
    ):
        matching = Matching(circuit)
        assert np.array_equal(decode(matching), weights)
        assert np.array_equal(decode(matching), weights)
    matching = Matching(circuit)
    solutions = Solutions(matching)
    for shot, weight in zip(events[:20], weights, strict=False):
        prediction = matching.decode(shot)
        solutions.check(shot, matching.decode_to_edges_array(shot), prediction, weight)


def test_threads_share_a_matching() -> None:
    circuit = surface_code(5, p=0.02)
    events, _ = circuit.compile_detector_sampler(seed=4).sample(400, separate_observables=True)
    matching = Matching(circuit)
    expected, weights = matching.decode_batch(events, return_weights=True)
    found, found_weights = matching.decode_batch(events, return_weights=True, threads=3)
    assert np.array_equal(found, expected)
    assert np.array_equal(found_weights, weights)
    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda shot: matching.decode(shot, return_weight=True)[1], events))
    assert alone == weights.tolist()


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies(clone: Any) -> None:
    matching = chain(boundary={2})
    matching.decode([1, 1, 0, 0])
    twin = clone(matching)
    matching.add_edge(0, 4)
    assert twin.num_edges == 4
    assert twin.decode([1, 1, 0, 0], return_weight=True)[1] == 1.5


def test_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for matching in (chain(boundary={0, 2}), Matching(LINE, use_virtual_boundary_node=True), Matching()):
        figure, axes = pyplot.subplots()
        matching.draw()
        shown = {text.get_text() for text in axes.texts}
        assert {str(node) for node in matching.to_networkx()} <= shown
        assert matching.num_edges == 0 or "{0}" in shown
        pyplot.close(figure)


def test_rustworkx() -> None:
    rustworkx = pytest.importorskip("rustworkx", reason="rustworkx is not installed")
    graph = rustworkx.PyGraph()
    graph.add_nodes_from([{"is_boundary": True}, {}, {}, {}])
    graph.add_edge(0, 1, {"fault_ids": 0, "weight": 2.5})
    graph.add_edge(1, 2, {"fault_ids": {1, 2}, "error_probability": 0.1})
    for named in ({}, {"min_num_fault_ids": 5}):
        ours, theirs = Matching(graph), pymatching.Matching(graph)
        ours.load_from_rustworkx(graph, **named)
        theirs.load_from_rustworkx(graph, **named)
        assert ours.edges() == theirs.edges()
        assert (ours.boundary, ours.num_nodes, ours.num_fault_ids) == (
            theirs.boundary,
            theirs.num_nodes,
            theirs.num_fault_ids,
        )
        ours.add_boundary_edge(3)
        theirs.add_boundary_edge(3)
        mine, other = ours.to_rustworkx(), theirs.to_rustworkx()
        assert mine.nodes() == other.nodes()
        assert list(mine.weighted_edge_list()) == list(other.weighted_edge_list())


def test_without_rustworkx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rustworkx", None)
    for convert in (Matching().to_rustworkx, partial(Matching().load_from_rustworkx, 5)):
        with pytest.raises(ImportError, match="pip install rustworkx"):
            convert()
    with pytest.warns(DeprecationWarning, match="former name of to_rustworkx"), pytest.raises(ImportError):
        Matching().to_retworkx()
    with pytest.warns(DeprecationWarning, match="load_from_rustworkx"), pytest.raises(ImportError):
        Matching().load_from_retworkx(5)
