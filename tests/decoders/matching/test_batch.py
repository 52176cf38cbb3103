"""Equal predictions for batches, threads, copies, reused objects and concurrent callers."""

import copy
import gc
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

import qec
from decoders.kernels.jit import interpreted
from decoders.matching.decoder import MWPM
from decoders.matching.kernels import batch, neighbour_lists
from decoders.matching.workspace import SearchGraph, Workspace
from tests.support import oracles

compiled = pytest.mark.skipif(interpreted, reason="nothing is compiled")


def surface_dem(*, distance: int = 3, rounds: int = 3, p: float = 0.01) -> stim.DetectorErrorModel:
    circuit = qec.memory_circuit(
        qec.RotatedSurfaceCode(distance), rounds=rounds, basis="z", noise=qec.noise.uniform(p)
    )
    return circuit.detector_error_model(decompose_errors=True)


def sample(dem: stim.DetectorErrorModel, *, shots: int, seed: int = 1) -> NDArray[np.bool_]:
    events, _, _ = dem.compile_sampler(seed=seed).sample(shots)
    return np.asarray(events, dtype=np.bool_)


@pytest.fixture(scope="module")
def dem() -> stim.DetectorErrorModel:
    return surface_dem(distance=5, rounds=5)


@pytest.fixture
def decoder(dem: stim.DetectorErrorModel) -> MWPM:
    return MWPM.from_dem(dem)


# --- batches and threads


@pytest.mark.parametrize("threads", [2, 3, 7, 50])
@pytest.mark.parametrize("shots", [0, 1, 2, 5, 1001])
def test_threads_change_nothing(
    decoder: MWPM, dem: stim.DetectorErrorModel, threads: int, shots: int
) -> None:
    events = sample(dem, shots=shots)
    expected, expected_weights = decoder.decode_batch(events, return_weights=True)
    predictions, weights = decoder.decode_batch(events, return_weights=True, threads=threads)
    assert np.array_equal(predictions, expected)
    assert np.array_equal(weights, expected_weights)
    assert shots < 1000 or (expected.any() and weights.any())


def test_bit_packed_equals_unpacked_equals_edges(decoder: MWPM, dem: stim.DetectorErrorModel) -> None:
    events = sample(dem, shots=400)
    before = events.copy()
    predictions, weights = decoder.decode_batch(events, return_weights=True)
    packed_events = np.packbits(events, axis=1, bitorder="little")
    packed_before = packed_events.copy()
    packed, packed_weights = decoder.decode_batch(packed_events, bit_packed=True, return_weights=True)
    assert np.array_equal(packed, np.packbits(predictions, axis=1, bitorder="little"))
    assert np.array_equal(packed_weights, weights)
    edges = oracles.edges_of(decoder.graph)
    for shot in range(400):
        chosen = [edges[number] for number in decoder.decode_to_edge_numbers(events[shot])]
        assert oracles.syndrome_of(chosen) == oracles.bits(events[shot])
        assert oracles.observables_of(chosen) == oracles.bits(predictions[shot])
        assert sum(edge.weight for edge in chosen) == round(weights[shot] * decoder.graph.weight_scale)
    assert np.array_equal(events, before)
    assert np.array_equal(packed_events, packed_before)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_bad_shot_is_named(threads: int) -> None:
    decoder = MWPM.from_dem(stim.DetectorErrorModel("error(0.1) D0 D1 L0\nerror(0.1) D1 D2\nerror(0.1) D3"))
    events = np.zeros((1000, 4), dtype=np.bool_)
    events[1::2, :2] = True
    expected = decoder.decode_batch(events)
    events[700, 2] = events[345, 0] = events[999, 1] = True
    for _ in range(2):
        with pytest.raises(ValueError, match="shot 700"):
            decoder.decode_batch(events, threads=threads)
    events[700, 2] = events[999, 1] = False
    # What failed leaves nothing behind.
    again = decoder.decode_batch(np.delete(events, [345, 999], axis=0), threads=threads)
    assert np.array_equal(again, np.delete(expected, [345, 999], axis=0))


def test_a_used_object_equals_a_fresh_one(dem: stim.DetectorErrorModel) -> None:
    used = MWPM.from_dem(dem)
    for seed in range(5):
        events = sample(dem, shots=300, seed=seed)
        fresh = MWPM.from_dem(dem).decode_batch(events, return_weights=True)
        for threads in [1, 2]:
            again = used.decode_batch(events, return_weights=True, threads=threads)
            assert np.array_equal(again[0], fresh[0])
            assert np.array_equal(again[1], fresh[1])


def test_verified_decoding_gives_the_same(decoder: MWPM, dem: stim.DetectorErrorModel) -> None:
    events = sample(dem, shots=60)
    predictions, weights = decoder.decode_batch(events, return_weights=True)
    proven = MWPM.from_dem(dem, verify=True).decode_batch(events, return_weights=True, threads=2)
    assert np.array_equal(proven[0], predictions)
    assert np.array_equal(proven[1], weights)


# --- several callers


@pytest.mark.parametrize("verify", [False, True])
def test_several_callers_share_a_decoder(dem: stim.DetectorErrorModel, verify: bool) -> None:
    decoder = MWPM.from_dem(dem, verify=verify)
    sets = [sample(dem, shots=40 if verify else 2000, seed=seed) for seed in range(6)]
    expected = [decoder.decode_batch(events, return_weights=True) for events in sets]

    def ask(number: int) -> bool:
        events = sets[number]
        found = decoder.decode_batch(events, return_weights=True, threads=1 + number % 2)
        edges = [decoder.decode_to_edges(shot).shape for shot in events[:20]]
        same = all(np.array_equal(one, other) for one, other in zip(found, expected[number], strict=True))
        return same and len(edges) == 20

    with ThreadPoolExecutor(max_workers=6) as pool:
        assert all(pool.map(ask, list(range(6)) * 3))


@compiled
def test_other_python_threads_run_while_a_batch_is_decoded() -> None:
    """The GIL is free during one call of a kernel that lasts many times as long as another thread's tick.

    If it were not, that thread would tick once or twice, before and after the call.
    """
    dem = surface_dem(distance=7, rounds=7, p=0.008)
    decoder = MWPM.from_dem(dem)
    packed = np.tile(np.packbits(sample(dem, shots=500), axis=1, bitorder="little"), (60, 1))
    decoder.warm_up()
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        before = ticks
        decoder.decode_batch(packed, bit_packed=True)
        during = ticks - before
    finally:
        stop.set()
        thread.join()
    assert during > 20


# --- copies


@pytest.mark.parametrize("verify", [False, True])
def test_copies_live_on_their_own(dem: stim.DetectorErrorModel, verify: bool) -> None:
    decoder = MWPM.from_dem(dem, verify=verify)
    events = sample(dem, shots=50)
    expected = decoder.decode_batch(events)
    copies = [pickle.loads(pickle.dumps(decoder)), copy.deepcopy(decoder), copy.copy(decoder)]
    for other in copies:
        assert other.search_graph.record["neighbours"] != decoder.search_graph.record["neighbours"]
    del decoder
    gc.collect()
    overwritten = [np.full(1 << 16, 255, dtype=np.uint8) for _ in range(200)]  # what was freed is used again
    for other in copies:
        assert np.array_equal(other.decode_batch(events), expected)
    assert len(overwritten) == 200


# --- what is compiled


@compiled
def test_kernels_are_compiled_once(decoder: MWPM, dem: stim.DetectorErrorModel) -> None:
    decoder.warm_up()
    events = sample(dem, shots=40)
    packed = np.packbits(events, axis=1, bitorder="little")
    read_only = packed.copy()
    read_only.flags.writeable = False
    for shots in [packed, read_only, np.asfortranarray(packed), packed[::2], packed[:1], packed[:0]]:
        decoder.decode_batch(shots, bit_packed=True)
        decoder.decode_batch(shots, bit_packed=True, return_weights=True, threads=2)
    decoder.decode_batch(events)
    decoder.decode(events[0])
    decoder.decode_to_edges(events[0])
    for text in [
        "",
        "error(0.1) D0",
        "logical_observable L70\nerror(0.9) D0 D1\nerror(1) D0\nerror(0.2) D1 L3",
    ]:
        other = MWPM.from_dem(stim.DetectorErrorModel(text), verify=True)
        quiet = np.zeros((2, other.num_detectors), dtype=np.bool_)
        other.decode_batch(quiet)
        other.decode_to_edges(quiet[0])
    for kernel in [
        batch.decode_batch,
        batch.decode_to_edges,
        neighbour_lists.measure_boundary,
        neighbour_lists.fill_lists,
        neighbour_lists.fill_adjacency,
    ]:
        assert len(kernel.signatures) == 1  # type: ignore[attr-defined]


# --- nothing to decode


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize(
    ("text", "detectors", "observables"),
    [
        ("", 0, 0),
        ("logical_observable L9", 0, 10),
        ("detector D9", 10, 0),
        ("error(1) D3 L0", 4, 1),
        ("error(0.1) D0 D1", 2, 0),
    ],
)
def test_little_or_nothing(text: str, detectors: int, observables: int, verify: bool) -> None:
    decoder = MWPM.from_dem(stim.DetectorErrorModel(text), verify=verify)
    decoder.warm_up()
    quiet = np.zeros((3, detectors), dtype=np.bool_)
    if "error(1)" in text:
        quiet[:, 3] = True
    for shots in [0, 1, 3]:
        for threads in [1, 2]:
            predictions, weights = decoder.decode_batch(quiet[:shots], return_weights=True, threads=threads)
            assert predictions.shape == (shots, observables)
            assert weights.tolist() == [0] * shots
    assert decoder.decode_to_edges(quiet[0]).shape == (0, 2)
    assert decoder.decode_to_edges(quiet[0]).dtype == np.int32


@pytest.mark.parametrize("shape", [(1,), (3,), (1, 2), (0,), ()])
def test_edges_of_a_shot_of_wrong_shape(shape: tuple[int, ...]) -> None:
    decoder = MWPM.from_dem(stim.DetectorErrorModel("error(0.1) D0 D1"))
    with pytest.raises(ValueError, match=r"expected \(2,\)"):
        decoder.decode_to_edges(np.zeros(shape, dtype=np.bool_))


# --- memory


def test_memory_per_detector() -> None:
    """60 kB a cycle of 24 detectors, as PyMatching needs after its first shots."""
    cycles = 400
    dem = surface_dem(distance=5, rounds=cycles, p=0.005)
    assert dem.num_detectors == 24 * cycles
    decoder = MWPM.from_dem(dem)
    decoder.decode_batch(sample(dem, shots=20))
    (work,) = decoder._idle
    used = decoder.search_graph.num_bytes + work.num_bytes
    assert used <= 60_000 * cycles
    # A fair count: no array of either is missing from it.
    for owner in [decoder.search_graph, work]:
        addresses = {array.ctypes.data for array in owner.arrays.values()}
        assert len(addresses) == len(owner.arrays)
        assert addresses <= {int(value) for value in owner.record[0]}


def test_workspaces_are_reused() -> None:
    dem = surface_dem()
    decoder = MWPM.from_dem(dem)
    events = sample(dem, shots=100)
    for _ in range(5):
        decoder.decode_batch(events)
        decoder.decode_batch(events, threads=3)
        decoder.decode_to_edges(events[0])
    assert 1 <= len(decoder._idle) <= 3


def test_a_workspace_belongs_to_any_decoder_thread() -> None:
    """A batch that outgrows its workspace leaves a larger one behind, and the answers are the same."""
    dem = surface_dem(p=0.1)
    decoder = MWPM.from_dem(dem)
    events = sample(dem, shots=200)
    expected = decoder.decode_batch(events, return_weights=True)
    decoder.search_graph = SearchGraph(decoder.graph, list_length=2)
    work = Workspace(decoder.search_graph)
    work._resize(1)
    decoder._idle = [work]
    found = decoder.decode_batch(events, return_weights=True)
    assert np.array_equal(found[1], expected[1])
    assert decoder._idle == [work]
    assert work.record["max_edges"][0] > 8
