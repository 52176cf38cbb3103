"""Complementary gaps, against enumeration of error sets, PyMatching, and a second exact decoding."""

import itertools
import pickle

import numpy as np
import pymatching
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
import qec
from decoders import MatchingGraph
from decoders.gaps.gap import GapGraph
from decoders.gaps.logical_classes import LogicalDetector
from decoders.kernels.jit import interpreted
from decoders.matching.decoder import MWPM
from qec import noise
from tests.support import oracles
from tests.support.strategies import dems, matching_graphs
from tests.support.traced_search import BOUNDARY, graph_of

WITH_GAPS = decoders.with_gaps()
# Windows need times, and refuse errors that no detector sees.
WITHOUT_TIMES = [name for name in WITH_GAPS if name != "mwpm-stream"]


INFINITE = float("inf")


def check_gaps(decoder: MWPM, shots: NDArray[np.bool_]) -> None:
    """All gaps of some shots against brute force, or the refusal."""
    graph = decoder.graph
    if not all(oracles.has_gauge(graph, observable) for observable in range(min(3, graph.num_observables))):
        with pytest.raises(ValueError, match="no gap for observable L"):
            decoder.decode_batch(shots[:0], return_gap=True)
        return
    best = oracles.every_class(graph)
    possible = {events for events, _ in best}
    shots = shots[[oracles.bits(shot) in possible for shot in shots]]
    predictions, weights, gaps = decoder.decode_batch(shots, return_weights=True, return_gap=True)
    plain, plain_weights = decoder.decode_batch(shots, return_weights=True)
    assert np.array_equal(predictions, plain)
    assert np.array_equal(weights, plain_weights)
    assert gaps.shape == (len(shots), graph.num_observables)
    assert gaps.dtype == np.float64
    for shot, prediction, found in zip(shots, predictions, gaps, strict=True):
        wanted = oracles.bits(shot)
        mine = {flips: weight for (events, flips), weight in best.items() if events == wanted}
        for observable in range(graph.num_observables):
            other = [
                weight for flips, weight in mine.items() if flips >> observable & 1 != prediction[observable]
            ]
            expected = min(other, default=INFINITE) - min(mine.values())
            assert found[observable] == pytest.approx(expected, rel=1e-9, abs=1e-6)
            assert found[observable] >= 0


# --- against brute force


@settings(max_examples=80)
@given(graph=matching_graphs(max_detectors=6), length=st.sampled_from([1, 2, 120]), seed=st.integers(0, 999))
def test_any_graph(graph: MatchingGraph, length: int, seed: int) -> None:
    if graph.num_observables > 3:
        return  # brute force over the classes of hundreds of observables takes too long
    decoder = MWPM(graph=graph)
    if all(oracles.has_gauge(graph, observable) for observable in range(graph.num_observables)):
        decoder._gap_graph = GapGraph(graph, list_length=length)
    shots = np.random.default_rng(seed).random((12, graph.num_detectors)) < 0.5
    check_gaps(decoder, shots)


@settings(max_examples=60)
@given(dem=dems(max_detectors=5, max_observables=2), seed=st.integers(0, 999))
def test_any_model(dem: stim.DetectorErrorModel, seed: int) -> None:
    decoder = decoders.from_dem("mwpm", dem)
    assert isinstance(decoder, MWPM)
    if decoder.num_observables <= 3:
        check_gaps(decoder, np.random.default_rng(seed).random((8, dem.num_detectors)) < 0.5)


@pytest.mark.parametrize("seed", range(6))
def test_strips(seed: int) -> None:
    """A strip of detectors between two boundaries, random weights, many events: blossoms at both ends."""
    rng = np.random.default_rng(seed)
    long, wide = 4, 3
    at = np.arange(long * wide).reshape(long, wide)
    pairs = [*zip(at[1:].flat, at[:-1].flat, strict=True), *zip(at[:, 1:].flat, at[:, :-1].flat, strict=True)]
    pairs += [*((detector, BOUNDARY) for detector in at[0]), *((detector, BOUNDARY) for detector in at[-1])]
    weights = 2 * rng.integers(1, 6, size=len(pairs))
    graph = graph_of(*((int(u), int(v), int(w)) for (u, v), w in zip(pairs, weights, strict=True)))
    graph.edge_observables[:, 0] = (graph.edge_v < 0) & (graph.edge_u < wide)
    decoder = MWPM(graph=graph)
    density = rng.choice([0.2, 0.5, 0.9])
    check_gaps(decoder, rng.random((10 if interpreted else 40, long * wide)) < density)
    # The same with the observable moved into the strip, row by row.
    for row in range(1, 2 if interpreted else long):
        moved = np.isin(graph.edge_u, at[row - 1]) ^ (
            np.isin(graph.edge_v, at[row - 1]) & (graph.edge_v >= 0)
        )
        graph.edge_observables[:, 0] ^= moved.astype(np.uint64)
        check_gaps(MWPM(graph=graph), rng.random((10, long * wide)) < 0.4)


# --- codes


def stim_dem(task: str, *, distance: int, p: float, rounds: int | None = None) -> stim.DetectorErrorModel:
    return stim.Circuit.generated(
        task,
        distance=distance,
        rounds=rounds or distance,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    ).detector_error_model(decompose_errors=True)


def zxxz_dem(distance: int, basis: str, p: float) -> stim.DetectorErrorModel:
    code = qec.RotatedSurfaceCode(distance, variant="zxxz")
    circuit = qec.memory_circuit(code, rounds=distance, basis=basis, noise=noise.si1000(p))
    return circuit.detector_error_model(decompose_errors=True)


MODELS = {
    "repetition": stim_dem("repetition_code:memory", distance=7, p=0.03),
    "surface x": stim_dem("surface_code:rotated_memory_x", distance=5, p=0.01),
    "surface z": stim_dem("surface_code:rotated_memory_z", distance=5, p=0.01),
    "unrotated": stim_dem("surface_code:unrotated_memory_z", distance=3, p=0.01),
    "zxxz x": zxxz_dem(5, "x", 0.005),
    "zxxz z": zxxz_dem(5, "z", 0.005),
    "nine": stim_dem("surface_code:rotated_memory_z", distance=9, p=0.003),
}


def events_of(dem: stim.DetectorErrorModel, *, shots: int, seed: int = 5) -> NDArray[np.bool_]:
    return np.asarray(dem.compile_sampler(seed=seed).sample(shots)[0], dtype=np.bool_)


@pytest.mark.parametrize("model", MODELS)
def test_pymatching_agrees(model: str) -> None:
    dem = MODELS[model]
    events = events_of(dem, shots=300 if model == "nine" else 2000)
    predictions, gaps = decoders.from_dem("mwpm", dem).decode_batch(events, return_gap=True)
    theirs, their_gaps = decoders.from_dem("pymatching", dem).decode_batch(events, return_gap=True)
    same = (predictions == theirs).all(axis=1)
    np.testing.assert_allclose(gaps[same], their_gaps[same], rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(gaps[~same], 0, atol=1e-6)  # only ties are predicted differently
    assert same.mean() > 0.95
    assert gaps.min() < gaps.max() < INFINITE


@pytest.mark.parametrize("model", ["repetition", "surface z"])
def test_the_observable_as_a_detector(model: str) -> None:
    """Where the observable stands on boundary edges already, it can be made a detector in the DEM's text."""
    dem = MODELS[model]
    last = dem.num_detectors
    matching = pymatching.Matching.from_detector_error_model(
        stim.DetectorErrorModel(str(dem.flattened()).replace(" L0", f" D{last}"))
    )
    events = events_of(dem, shots=1000)
    classes = [
        matching.decode_batch(np.append(events, np.full((1000, 1), flip), axis=1), return_weights=True)[1]
        for flip in (False, True)
    ]
    predictions, weights, gaps = decoders.from_dem("mwpm", dem).decode_batch(
        events, return_weights=True, return_gap=True
    )
    np.testing.assert_allclose(gaps[:, 0], np.abs(np.subtract(*classes)), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(weights, np.minimum(*classes), rtol=1e-9, atol=1e-6)
    clear = gaps[:, 0] > 1e-6
    assert np.array_equal(predictions[clear, 0], (classes[1] < classes[0])[clear])


@pytest.mark.parametrize("model", ["surface x", "zxxz z"])
def test_verified(model: str) -> None:
    events = events_of(MODELS[model], shots=10)
    verified = decoders.from_dem("mwpm", MODELS[model], verify=True).decode_batch(events, return_gap=True)
    plain = decoders.from_dem("mwpm", MODELS[model]).decode_batch(events, return_gap=True)
    for one, other in zip(verified, plain, strict=True):
        assert np.array_equal(one, other)


def test_verification_notices_a_wrong_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = decoders.from_dem("mwpm", MODELS["surface x"], verify=True)
    original = GapGraph.gaps_of
    monkeypatch.setattr(GapGraph, "gaps_of", lambda *args: original(*args) + 1e-3)
    with pytest.raises(AssertionError):
        decoder.decode_batch(events_of(MODELS["surface x"], shots=2), return_gap=True)


# --- several observables, none, and none to be found


def test_each_observable_has_its_own_gap() -> None:
    # Two chains; L1 is carried by the first, L0 by the second, L2 by both, L3 by none.
    text = "error(0.1) D0 L1 L2\nerror(0.1) D0 D1\nerror(0.1) D1\n"
    text += "error(0.2) D2 L0 L2\nerror(0.2) D2 D3\nerror(0.2) D3\nlogical_observable L3"
    decoder = decoders.from_dem("mwpm", stim.DetectorErrorModel(text))
    predictions, gaps = decoder.decode_batch(np.array([[0, 0, 0, 0], [1, 0, 1, 0]]), return_gap=True)
    weak, strong = np.log(4), np.log(9)
    np.testing.assert_allclose(gaps[0], [3 * weak, 3 * strong, 3 * weak, INFINITE], rtol=1e-6)
    np.testing.assert_allclose(gaps[1], [weak, strong, weak, INFINITE], rtol=1e-6)
    assert predictions[1].tolist() == [True, True, False, False]
    flips, alone = decoder.decode(np.array([1, 0, 1, 0]), return_gap=True)
    assert np.array_equal(flips, predictions[1])
    assert np.array_equal(alone, gaps[1])
    check_gaps(decoder, np.array(list(itertools.product((False, True), repeat=4))))  # type: ignore[arg-type]


def test_an_error_that_no_detector_sees_changes_the_class() -> None:
    text = "error(0.01) D0 L0\nerror(0.01) D0\nerror(0.2) L0 L1\nerror(0.4) L1\nerror(0.95) L2"
    decoder = decoders.from_dem("mwpm", stim.DetectorErrorModel(text))
    predictions, gaps = decoder.decode_batch(np.array([[0], [1]]), return_gap=True)
    np.testing.assert_allclose(gaps, [[np.log(4), np.log(1.5), np.log(19)], [0, np.log(1.5), np.log(19)]])
    assert predictions[0].tolist() == [False, False, True]


def test_no_shots_no_detectors_no_observables() -> None:
    dem = MODELS["repetition"]
    empty = np.zeros((0, dem.num_detectors), dtype=np.bool_)
    for name in WITHOUT_TIMES:
        predictions, gaps = decoders.from_dem(name, dem).decode_batch(empty, return_gap=True)
        assert (predictions.shape, gaps.shape) == ((0, 1), (0, 1))
        for text, expected in [("error(0.2) L0", [[np.log(4)]] * 3), ("error(0.1) D0", [[]] * 3)]:
            model = stim.DetectorErrorModel(text)
            decoder = decoders.from_dem(name, model)
            _, gaps = decoder.decode_batch(np.zeros((3, model.num_detectors), dtype=int), return_gap=True)
            np.testing.assert_allclose(gaps, expected)


def test_a_loop_that_flips_is_refused() -> None:
    ring = "\n".join(f"error(0.1) D{k} D{(k + 1) % 5} {'L1' if k == 2 else ''}" for k in range(5))
    model = stim.DetectorErrorModel(ring + "\nerror(0.1) D9 L0")
    for name in WITHOUT_TIMES:
        decoder = decoders.from_dem(name, model)
        assert decoder.decode(np.zeros(10, dtype=np.bool_)).tolist() == [False, False]
        if name == "trellis":  # sums over classes need no boundaries
            _, gaps = decoder.decode_batch(np.zeros((1, 10), dtype=np.bool_), return_gap=True)
            # Nothing happens, or all five errors of the ring do.
            assert gaps[0, 1] == pytest.approx(5 * np.log(9), abs=1e-3)
            continue
        with pytest.raises(ValueError, match=r"no gap for observable L1: .* cycle through D0") as caught:
            decoder.decode_batch(np.zeros((1, 10), dtype=np.bool_), return_gap=True)
        assert "\n" not in str(caught.value)


def test_impossible_shots_are_named_as_ever() -> None:
    decoder = decoders.from_dem(
        "mwpm", stim.DetectorErrorModel("error(0.1) D0 L0\nerror(0.1) D0\nerror(0.1) D1 D2")
    )
    shots = np.zeros((40, 3), dtype=np.bool_)
    shots[31, 1] = True
    for threads in (1, 3):
        with pytest.raises(ValueError, match="shot 31: no error explains"):
            decoder.decode_batch(shots, return_gap=True, threads=threads)


# --- the interface


def test_the_decoders_with_gaps() -> None:
    assert WITH_GAPS == ["mwpm", "mwpm-correlated", "mwpm-stream", "belief-matching", "trellis", "pymatching"]


@pytest.mark.parametrize("name", [name for name in decoders.names() if name not in WITH_GAPS])
def test_others_say_which_can(name: str) -> None:
    decoder = decoders.from_dem(name, MODELS["surface x"])
    events = events_of(MODELS["surface x"], shots=1)
    with pytest.raises(ValueError, match=rf"'{name}' gives no gaps: .*with_gaps"):
        decoder.decode_batch(events, return_gap=True)
    with pytest.raises(ValueError, match="gives no gaps"):
        decoder.decode(events[0], return_gap=True)


@pytest.mark.parametrize("name", WITH_GAPS)
def test_packed_threads_and_copies_change_nothing(name: str) -> None:
    dem = MODELS["surface z"]
    decoder = decoders.from_dem(name, dem)
    events = events_of(dem, shots=101)
    plain = decoder.decode_batch(events)
    predictions, gaps = decoder.decode_batch(events, return_gap=True)
    assert np.array_equal(predictions, plain)
    assert gaps.min() >= 0
    packed = np.packbits(events, axis=1, bitorder="little")
    expected = [np.packbits(plain, axis=1, bitorder="little"), gaps]
    threads = 2 if decoder.uses_threads else 1
    answer = decoder.decode_batch(packed, bit_packed=True, return_gap=True, threads=threads)
    if decoder.gives_weights:
        _, weights = decoder.decode_batch(events, return_weights=True)
        with_weights = decoder.decode_batch(
            packed, bit_packed=True, return_gap=True, return_weights=True, threads=threads
        )
        answer, expected = (*answer, *with_weights), [*expected, expected[0], weights, gaps]
    for found, wanted in zip(answer, expected, strict=True):
        assert np.array_equal(found, wanted)
    copy = decoders.from_dem(name, dem) if name == "pymatching" else pickle.loads(pickle.dumps(decoder))
    assert np.array_equal(copy.decode_batch(events, return_gap=True)[1], gaps)
    for shot in range(5):
        flips, alone = decoder.decode(events[shot], return_gap=True)
        assert np.array_equal(flips, plain[shot])
        assert np.array_equal(alone, gaps[shot])


def test_a_small_workspace_grows() -> None:
    dem = MODELS["zxxz x"]
    events = events_of(dem, shots=200)
    decoder = decoders.from_dem("mwpm", dem)
    assert isinstance(decoder, MWPM)
    _, expected = decoder.decode_batch(events, return_gap=True)
    gap_graph = decoder._gap_graph
    assert gap_graph is not None
    (work,) = gap_graph.idle
    work._resize(2)
    _, gaps = decoder.decode_batch(events, return_gap=True)
    assert int(work.record["max_edges"][0]) > 2
    assert np.array_equal(gaps, expected)


def test_gauge_leaves_only_one_class() -> None:
    graph = MatchingGraph.from_dem(MODELS["zxxz z"])
    logical = LogicalDetector.of(graph, observable=0)
    packed = np.packbits(events_of(MODELS["zxxz z"], shots=300), axis=1, bitorder="little")
    predictions, weights = MWPM(graph=graph).decode_batch(packed, bit_packed=True, return_weights=True)
    events = logical.events_of_class(packed, predictions[:, 0] == 1)
    _, again = MWPM(graph=logical.graph).decode_batch(events, bit_packed=True, return_weights=True)
    np.testing.assert_allclose(again, weights)
    with pytest.raises(ValueError, match="observable=1: the graph has 1 observables"):
        LogicalDetector.of(graph, observable=1)
