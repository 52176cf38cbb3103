"""Graphs cut out of a memory: equality for the whole memory, open boundaries for parts."""

from typing import Any

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
import qec
from decoders import MatchingGraph
from decoders.kernels import layout
from decoders.matching.kernels import batch
from decoders.matching.workspace import Workspace, read_only
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import WindowPlan, cut_graph, cut_layers
from tests.support.strategies import layered_dems

SURFACE = qec.RotatedSurfaceCode(3)
TALL = qec.RotatedSurfaceCode(distance_x=3, distance_z=5, variant="zxxz", gates="cx")
CHAIN = qec.RepetitionCode(5)
CODES = {"surface": SURFACE, "tall": TALL, "chain": CHAIN}

#: ends (-1 boundary, -2 other layers), weight, observables, probability
Edges = list[tuple[int, int, int, tuple[int, ...], float]]


def dem_of(code: Any, *, rounds: int, p: float = 0.01, noise: str = "si1000") -> stim.DetectorErrorModel:
    circuit = qec.memory_circuit(code, rounds=rounds, noise=qec.noise.by_name(noise, p))
    return circuit.detector_error_model(decompose_errors=True)


def edges_of(graph: MatchingGraph, *, beyond: NDArray[np.bool_] | None = None) -> Edges:
    v = graph.edge_v if beyond is None else np.where(beyond, -2, graph.edge_v)
    flips = [tuple(row) for row in graph.edge_observables.tolist()]
    fields = (graph.edge_u, v, graph.edge_weight, flips, np.round(graph.edge_probability, 12))
    return sorted(zip(*[list(map(_plain, field)) for field in fields], strict=True))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def renumbered(edges: Edges, number: NDArray[np.int64]) -> Edges:
    """The same edges with other detector numbers."""
    moved = []
    for u, v, *rest in edges:
        ends = (int(number[u]), int(number[v]) if v >= 0 else v)
        moved.append((min(ends), max(ends), *rest) if v >= 0 else (*ends, *rest))
    return sorted(moved)


def cut_edges(model: LayeredModel, **cut: Any) -> Edges:
    graph, beyond = cut_layers(model, **cut)
    return edges_of(graph, beyond=beyond)


def decode(model: LayeredModel, events: NDArray[Any]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Predictions and weights of the whole memory as one window; columns of events as in the DEM."""
    numbers = model.detector_numbers(model.num_layers)
    layers = np.zeros((len(events), numbers.size), dtype=np.uint8)
    layers[:, numbers.ravel() >= 0] = events[:, numbers[numbers >= 0]]
    graph = cut_graph(model, first=0, count=model.num_layers, to_end=True)
    predictions = np.zeros((len(events), (model.num_observables + 7) // 8), dtype=np.uint8)
    weights = np.zeros(len(events), dtype=np.int64)
    packed = read_only(np.packbits(layers, axis=1, bitorder="little"))  # else one more kernel is compiled
    at, work = 0, Workspace(graph)
    while True:
        at, status = batch.decode_batch(graph.record, work.record, packed, predictions, weights, at)
        if status != layout.FULL:
            break
        work.grow()
    assert status == layout.OK
    return predictions, weights / model.weight_scale


# --- the whole


@pytest.mark.parametrize("noise", ["si1000", "uniform", "phenomenological"])
@pytest.mark.parametrize("rounds", [1, 2, 3, 5, 20])
@pytest.mark.parametrize("name", CODES)
def test_all_layers_are_the_models_own_graph(name: str, rounds: int, noise: str) -> None:
    dem = dem_of(CODES[name], rounds=rounds, noise=noise)
    model = LayeredModel.from_dem(dem)
    whole, beyond = cut_layers(model, first=0, count=rounds + 1, to_end=True)
    assert not beyond.any()
    assert whole.weight_scale == MatchingGraph.from_dem(dem).weight_scale
    number = model.detector_numbers(rounds + 1).ravel()
    assert renumbered(edges_of(whole), number) == edges_of(MatchingGraph.from_dem(dem))


def test_another_length_is_that_lengths_graph() -> None:
    model = LayeredModel.from_dem(dem_of(TALL, rounds=10**6))
    dem = dem_of(TALL, rounds=9)
    whole, _ = cut_layers(model, first=0, count=10, to_end=True)
    number = model.detector_numbers(10).ravel()
    assert renumbered(edges_of(whole), number) == edges_of(MatchingGraph.from_dem(dem))


@settings(max_examples=60)
@given(made=layered_dems(), repeats=st.integers(1, 20))
def test_all_layers_of_any_model_are_its_own_graph(made: tuple[str, int], repeats: int) -> None:
    dem = stim.DetectorErrorModel(made[0].format(repeats=repeats))
    model = LayeredModel.from_dem(dem)
    whole, beyond = cut_layers(model, first=0, count=model.num_layers, to_end=True)
    assert not beyond.any()
    number = model.detector_numbers(model.num_layers).ravel()
    assert renumbered(edges_of(whole), number) == edges_of(MatchingGraph.from_dem(dem))


@pytest.mark.parametrize("noise", ["si1000", "uniform"])
@pytest.mark.parametrize("name", CODES)
def test_one_window_decodes_like_mwpm(name: str, noise: str) -> None:
    # Uniform noise has many ties: numbered alike, both decide them alike.
    dem = dem_of(CODES[name], rounds=12, p=0.015, noise=noise)
    events, _, _ = dem.compile_sampler(seed=11).sample(2000)
    ours, our_weights = decode(LayeredModel.from_dem(dem), events)
    theirs, weights = decoders.from_dem("mwpm", dem).decode_batch(events, return_weights=True)
    assert np.array_equal(our_weights, weights)
    assert np.array_equal(np.unpackbits(ours, axis=1, count=1, bitorder="little"), theirs)
    assert theirs.any()


@settings(max_examples=60)
@given(made=layered_dems(), repeats=st.integers(1, 20), seed=st.integers(0, 999))
def test_one_window_of_any_model_decodes_like_mwpm(made: tuple[str, int], repeats: int, seed: int) -> None:
    dem = stim.DetectorErrorModel(made[0].format(repeats=repeats))
    events, _, _ = dem.compile_sampler(seed=seed).sample(10)
    ours, our_weights = decode(LayeredModel.from_dem(dem), events)
    theirs, weights = decoders.from_dem("mwpm", dem).decode_batch(events, return_weights=True)
    assert np.array_equal(our_weights, weights)
    assert np.array_equal(np.unpackbits(ours, axis=1, count=5, bitorder="little"), theirs)


# --- parts


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("first", [0, 2, 10])
def test_a_part_has_the_edges_of_the_whole(name: str, first: int) -> None:
    """What a window's graph must be, found in the graph of the whole by the layers of its detectors."""
    rounds, count = 25, 7
    model = LayeredModel.from_dem(dem_of(CODES[name], rounds=rounds))
    columns = model.num_columns
    whole = edges_of(cut_layers(model, first=0, count=rounds + 1, to_end=True)[0])
    low, high = first * columns, (first + count) * columns

    def inside(end: int) -> bool:
        return low <= end < high

    closed, future, past = [], [], []
    for u, v, *rest in whole:
        if inside(u) and (v == -1 or inside(v)):
            closed.append((u - low, v - low if v >= 0 else -1, *rest))
        elif inside(u):
            future.append((u - low, -2, *rest))
        elif inside(v):
            past.append((v - low, -2, *rest))
    assert future
    assert bool(past) == (first > 0)
    cut = {"first": first, "count": count, "to_end": False}
    assert cut_edges(model, **cut) == sorted(closed + future)
    assert cut_edges(model, open_future=False, **cut) == sorted(closed)
    if first:
        assert cut_edges(model, open_past=True, **cut) == sorted(closed + future + past)
        assert cut_edges(model, open_past=True, open_future=False, **cut) == sorted(closed + past)


def test_the_end_of_a_memory() -> None:
    model = LayeredModel.from_dem(dem_of(SURFACE, rounds=25))
    columns = model.num_columns
    whole = edges_of(cut_layers(model, first=0, count=26, to_end=True)[0])
    for count in (3, 5, 12):
        low = (26 - count) * columns
        expected = [(u - low, max(v - low, -1), *rest) for u, v, *rest in whole if u >= low]
        ending, beyond = cut_layers(model, first=2, count=count, to_end=True)
        assert edges_of(ending) == sorted(expected)
        assert not beyond.any()


# --- plans


def plan_of(text_or_dem: Any, **regions: Any) -> WindowPlan:
    return WindowPlan.for_model(LayeredModel.from_dem(stim.DetectorErrorModel(str(text_or_dem))), **regions)


def test_the_default_plan_comes_from_the_distance() -> None:
    for distance in (3, 5):
        dem = dem_of(qec.RotatedSurfaceCode(distance), rounds=30)
        plan = plan_of(dem, commit=None, buffer=None)
        assert (plan.commit, plan.buffer, plan.window) == (4 * distance, distance, 5 * distance)
        plan = plan_of(dem, commit=4, buffer=None)
        assert (plan.commit, plan.buffer) == (4, distance)
        plan = plan_of(dem, commit=None, buffer=np.int64(7))
        assert (plan.commit, plan.buffer) == (4 * distance, 7)


def with_unequal_noise(flip: float, *, rounds: int = 200, uneven: bool = False) -> stim.Circuit:
    """A repetition code whose readout errs often, its data seldom; `uneven`: all edges have own weights."""
    circuit = stim.Circuit.generated(
        "repetition_code:memory",
        distance=5,
        rounds=rounds,
        before_round_data_depolarization=0.003,
        before_measure_flip_probability=flip,
    )
    if not uneven:
        return circuit
    noisy, rng = stim.Circuit(), np.random.default_rng(3)
    for instruction in circuit.flattened():
        if instruction.name in ("DEPOLARIZE1", "X_ERROR"):
            for target in instruction.targets_copy():
                (p,) = instruction.gate_args_copy()
                noisy.append(instruction.name, [target], p * rng.uniform(0.9, 1))
        else:
            noisy.append(instruction)
    return noisy


@pytest.mark.parametrize("flip", [0.001, 0.1, 0.3, 0.5])
def test_chains_over_the_buffer_weigh_as_much_as_most_of_a_logical_error(flip: float) -> None:
    # A depolarized data qubit is flipped with two thirds of the probability; readout flips extend in time.
    data, readout = np.log(0.998 / 0.002), np.log((1 - flip) / flip)
    needed = np.ceil(0.75 * 5 * data / readout) if readout > 0 else np.inf
    expected = int(max(5, min(needed, 8 * 5)))
    plan = plan_of(with_unequal_noise(flip).detector_error_model(), commit=None, buffer=None)
    assert plan == WindowPlan(commit=4 * expected, buffer=expected)
    uneven = with_unequal_noise(flip, rounds=60, uneven=True).detector_error_model()
    plan = plan_of(uneven, commit=None, buffer=None)
    assert plan.fixed
    assert abs(plan.buffer - expected) <= max(1, 0.2 * expected)


def test_likely_readout_errors_do_not_cost_logical_errors() -> None:
    circuit = with_unequal_noise(0.3)
    dem = circuit.detector_error_model()
    events, flips = circuit.compile_detector_sampler(seed=5).sample(6000, separate_observables=True)
    whole, windows, short = (
        int((decoders.from_dem(name, dem, **regions).decode_batch(events) != flips).sum())
        for name, regions in [("mwpm", {}), ("mwpm-stream", {}), ("mwpm-stream", {"commit": 20, "buffer": 5})]
    )
    assert whole > 500
    assert windows <= 1.01 * whole
    assert short > 1.05 * whole  # the buffer that the number of errors alone asks for


def test_the_default_plan_is_never_too_short() -> None:
    # Distance 1, but several first and last layers that differ.
    layer = "error(0.1) D0 D1\nerror(0.{}) D0 L0\ndetector(0, 0, 0) D0\nshift_detectors(0, 0, 1) 1\n"
    text = 4 * layer.format(2) + layer.format(3) * 20 + layer.format(4)
    text += "error(0.1) D0\nerror(0.1) L0\ndetector(0, 0, 0) D0"
    plan = plan_of(text, commit=None, buffer=None)
    assert (plan.commit, plan.buffer, plan.fixed) == (4, 2, False)
    # Shorter regions are those of the model's own layers only.
    assert plan_of(text, commit=3, buffer=None) == WindowPlan(commit=3, buffer=3, fixed=True)
    assert plan_of(text, commit=None, buffer=1) == WindowPlan(commit=12, buffer=1, fixed=True)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        ({"commit": 0}, "commit=0: must be at least 1"),
        ({"commit": -5}, "commit=-5: must be at least 1"),
        ({"commit": 0, "buffer": 100}, "commit=0: must be at least 1"),
        ({"buffer": 0}, "buffer=0: must be at least 1, the extent of one error in cycles"),
        ({"buffer": -1}, "buffer=-1: must be at least 1"),
        ({"commit": 2.5}, "commit=2.5: expected a whole number of cycles"),
        ({"buffer": "3"}, "buffer='3': expected a whole number of cycles"),
    ],
)
def test_regions_that_are_too_short(regions: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_of(dem_of(SURFACE, rounds=25), **{"commit": None, "buffer": None, **regions})


def test_a_memory_without_bulk_has_its_own_windows() -> None:
    dem = dem_of(SURFACE, rounds=3)
    assert plan_of(dem, commit=None, buffer=None) == WindowPlan(commit=12, buffer=3, fixed=True)
    assert plan_of(dem, commit=1, buffer=2) == WindowPlan(commit=1, buffer=2, fixed=True)
    with pytest.raises(ValueError, match="commit=0"):
        plan_of(dem, commit=0, buffer=9)
