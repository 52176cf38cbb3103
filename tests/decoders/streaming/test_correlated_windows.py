"""Windows that are matched twice, compared with whole-history decoding."""

from typing import Any

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.correlated.decoder import CorrelatedMWPM
from decoders.correlated.edge_correlations import CorrelatedGraph
from decoders.kernels import layout
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import cut_graph
from qec import families
from tests.support.strategies import splits


def memory(*, distance: int, rounds: int, p: float, basis: str = "x") -> stim.Circuit:
    return stim.Circuit.generated(
        f"surface_code:rotated_memory_{basis}",
        distance=distance,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_round_data_depolarization=p,
        before_measure_flip_probability=p,
        after_reset_flip_probability=p,
    )


CIRCUIT = memory(distance=3, rounds=30, p=0.005)


def sample(circuit: stim.Circuit, *, shots: int, seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    return circuit.compile_detector_sampler(seed=seed).sample(shots, separate_observables=True)


@pytest.mark.parametrize("rounds", [3, 7, 25])
def test_a_window_of_the_whole_memory_implies_what_the_memory_does(rounds: int) -> None:
    """Also where the memory is longer than what is seen of it."""
    dem = memory(distance=3, rounds=rounds, p=0.01).detector_error_model(decompose_errors=True)
    model = LayeredModel.from_dem(dem, correlated=True)
    window = cut_graph(model, first=0, count=model.num_layers, to_end=True)
    numbers = model.detector_numbers(model.num_layers).reshape(-1)
    found = CorrelatedGraph.from_dem(dem)
    ends = np.stack([found.graph.edge_u, found.graph.edge_v], axis=1)
    expected = set()
    for edge in range(found.graph.num_edges):
        for entry in range(found.implied.start[edge], found.implied.start[edge + 1]):
            other = ends[found.implied.edge[entry]]
            expected.add((*sorted(ends[edge]), *sorted(other), int(found.implied.weight[entry])))
    table, starts = window.arrays["implied"], window.arrays["implied_start"]
    own = window.arrays["ends"].reshape(-1, 2)
    place = np.append(numbers, -1)  # a boundary is -1 here, num_detectors there
    ours = set()
    for edge in range(len(own)):
        for entry in table[starts[edge] : starts[edge + 1]]:
            other = own[entry["edge"]]
            ours.add((*sorted(place[own[edge]]), *sorted(place[other]), int(entry["weight"])))
    # Tables leave out what makes no way shorter, which parallel edges may hide.
    assert ours <= expected
    assert len(ours) > 0.99 * len(expected)


@pytest.mark.parametrize("rounds", [3, 7, 25])
def test_a_window_of_the_whole_memory_has_its_whole_errors(rounds: int) -> None:
    dem = memory(distance=3, rounds=rounds, p=0.01).detector_error_model(decompose_errors=True)
    model = LayeredModel.from_dem(dem, correlated=True)
    window = cut_graph(model, first=0, count=model.num_layers, to_end=True)
    found = CorrelatedGraph.from_dem(dem)
    graph, errors = found.graph, found.errors
    of_graph = [
        (*sorted(ends), flips)
        for *ends, flips in zip(
            graph.edge_u.tolist(), graph.edge_v.tolist(), graph.edge_observables[:, 0].tolist(), strict=True
        )
    ]
    expected = {
        (frozenset(of_graph[edge] for edge in errors.edge[first:last]), int(weight))
        for first, last, weight in zip(errors.start[:-1], errors.start[1:], errors.weight, strict=True)
    }
    place = np.append(model.detector_numbers(model.num_layers).reshape(-1), -1)
    ends = place[window.arrays["ends"].reshape(-1, 2)].tolist()
    flips = window.arrays["edge_flips"].tolist()
    of_window = [(*sorted(pair), flip) for pair, flip in zip(ends, flips, strict=True)]
    edges = window.arrays["error_edges"]
    ours = {
        (frozenset(of_window[edge] for edge in edges[one["first"] : one["last"]]), int(one["weight"]))
        for one in window.arrays["errors"]
    }
    assert ours == expected
    alone = dict(zip(of_window, window.arrays["alone"].tolist(), strict=True))
    assert alone == dict(zip(of_graph, errors.alone.tolist(), strict=True))


def test_heralds_count_in_windows() -> None:
    """Erasures next to present heralds are likely, others unlikely, as in whole histories."""
    circuit = families.circuit("surface-erasure", distance=3, p=0.05, rounds=30)
    dem = families.error_model(circuit)
    events, flips = sample(circuit, shots=4000, seed=2)
    options = {"decoder": "mwpm-correlated", "commit": 6, "buffer": 4}
    whole, windows = (
        int((decoders.from_dem(name, dem, **given).decode_batch(events) != flips).sum())
        for name, given in [("mwpm-correlated", {}), ("mwpm-stream", options)]
    )
    assert abs(windows - whole) < 0.1 * whole
    before = CorrelatedMWPM(correlated=CorrelatedGraph.from_dem(dem, observe=False))
    assert windows < 0.8 * (before.decode_batch(events) != flips).sum()


def test_heralds_that_windows_leave_behind() -> None:
    """An observed edge of an earlier cycle may lie before the window: its absence does not count."""
    repeated = """
        error(0.05) D0
        error(0.05) D0 ^ D{edge} L0
        error(0.01) D1 L0
        error(0.02) D1 D3
        error(0.01) D1
        detector(0, 0) D0
        detector(1, 0) D1
        shift_detectors(0, 1) 2
    """

    def model(edge: int) -> LayeredModel:
        text = f"repeat 20 {{{repeated.format(edge=edge)}}}\nerror(0.01) D0\nerror(0.01) D1"
        text += "\ndetector(0, 0) D0\ndetector(1, 0) D1"
        return LayeredModel.from_dem(stim.DetectorErrorModel(text), correlated=True)

    now, late = model(1), model(3)
    for found, expected in ((now, True), (late, False)):
        assert found.observed is not None
        assert any(layer.any() for layer in found.observed) == expected
    (edge,) = np.flatnonzero((late.bulk[0].other < 0) & (late.bulk[0].observables[:, 0] == 1))
    p = late.bulk[0].probability[edge]
    assert late.bulk[0].weight[edge] == pytest.approx(late.weight_scale * np.log(1 / p - 1), abs=2)


@pytest.mark.parametrize("commit", [1, 2, 3])
def test_an_error_across_a_seam_counts_whole(commit: int) -> None:
    """What explains an event of one window makes an edge of the next one likely."""
    text = """
        error(0.005) D0
        error(0.05) D0 ^ D3 L0
        error(0.06) D1
        error(0.001) D0 D2
        error(0.001) D1 D3
        detector(0, 0) D0
        detector(1, 0) D1
        shift_detectors(0, 1) 2
    """
    dem = stim.DetectorErrorModel(f"repeat 20 {{{text}}}\nerror(0.01) D0\nerror(0.01) D1")
    dem += stim.DetectorErrorModel("detector(0, 0) D0\ndetector(1, 0) D1")
    events = np.zeros((18, dem.num_detectors), dtype=np.bool_)
    for cycle in range(18):
        events[cycle, [2 * cycle, 2 * cycle + 3]] = True
    assert decoders.from_dem("mwpm-correlated", dem).decode_batch(events).all()
    regions: dict[str, Any] = {"decoder": "mwpm-correlated", "commit": commit, "buffer": 3}
    assert decoders.from_dem("mwpm-stream", dem, **regions).decode_batch(events).all()
    frames = StreamingDecoder.from_dem(dem, **regions).to_frames(events)
    with ParallelStreamingDecoder.from_dem(dem, threads=1, block=commit, **regions) as parallel:
        for shot in frames:
            parallel.reset()
            parallel.push(shot[:-1])
            assert parallel.finish(shot[-1]).all()


def test_as_good_as_whole_histories() -> None:
    dem = CIRCUIT.detector_error_model(decompose_errors=True)
    events, flips = sample(CIRCUIT, shots=12_000, seed=1)
    wrong = {}
    for name, options in [
        ("mwpm", {}),
        ("mwpm-correlated", {}),
        ("mwpm-stream", {"decoder": "mwpm-correlated", "commit": 6, "buffer": 5}),
    ]:
        predicted = decoders.from_dem(name, dem, **options).decode_batch(events)
        wrong[name] = predicted[:, 0] != flips[:, 0]
    differ = wrong["mwpm-stream"] != wrong["mwpm-correlated"]
    assert differ.mean() < 0.05  # the two matchings are compared window by window
    assert wrong["mwpm-stream"].sum() < 1.02 * wrong["mwpm-correlated"].sum()
    assert wrong["mwpm-correlated"].sum() < 0.93 * wrong["mwpm"].sum()


@pytest.fixture(scope="module")
def stream() -> StreamingDecoder:
    return StreamingDecoder.from_circuit(CIRCUIT, decoder="mwpm-correlated", commit=4, buffer=4)


@pytest.fixture(scope="module")
def frames(stream: StreamingDecoder) -> NDArray[np.uint8]:
    return stream.to_frames(sample(CIRCUIT, shots=20, seed=2)[0])


@pytest.fixture(scope="module")
def expected(stream: StreamingDecoder, frames: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return stream.decode_frames(frames)[:, 0].astype(np.bool_)


@settings(max_examples=25)
@given(shot=st.integers(0, 19), sizes=splits(total=30))
def test_the_sizes_of_frames_change_nothing(
    stream: StreamingDecoder,
    frames: NDArray[np.uint8],
    expected: NDArray[np.bool_],
    shot: int,
    sizes: list[int],
) -> None:
    stream.reset()
    at = 0
    for size in sizes:
        stream.push(frames[shot, at : at + size])
        at += size
    assert stream.finish(frames[shot, -1]).tolist() == [expected[shot]]


def test_parallel_windows() -> None:
    circuit = memory(distance=3, rounds=200, p=0.004)
    events, flips = sample(circuit, shots=300, seed=3)
    alone = StreamingDecoder.from_circuit(circuit, decoder="mwpm-correlated")
    frames = alone.to_frames(events)
    expected = alone.decode_frames(frames)[:, 0].astype(np.bool_)
    answers = []
    with ParallelStreamingDecoder.from_circuit(
        circuit, threads=2, block=40, decoder="mwpm-correlated"
    ) as together:
        for shot in frames:
            together.reset()
            together.push(shot[:-1])
            answers.append(together.finish(shot[-1])[0])
    assert (np.array(answers) != expected).mean() < 0.03
    assert (np.array(answers) != flips[:, 0]).sum() < 1.1 * (expected != flips[:, 0]).sum() + 3


def test_parts_differ_from_those_of_plain_windows() -> None:
    plain = StreamingDecoder.from_circuit(CIRCUIT)
    assert (
        plain.parts().digest
        != StreamingDecoder.from_circuit(CIRCUIT, decoder="mwpm-correlated").parts().digest
    )


def test_an_unknown_decoder_is_named() -> None:
    with pytest.raises(
        ValueError, match="no decoder for windows is named 'best': choose from mwpm, mwpm-corr"
    ):
        StreamingDecoder.from_circuit(CIRCUIT, decoder="best")


def test_windows_watch_what_other_layers_flip() -> None:
    """A window whose own errors flip nothing still decides what later layers do."""
    dem = stim.DetectorErrorModel()
    for error in CIRCUIT.detector_error_model(decompose_errors=True).flattened():
        if error.type == "error":
            targets = error.targets_copy()
            last = any(t.is_relative_detector_id() and t.val >= 8 * 29 for t in targets)
            targets = [t for t in targets if last or not t.is_logical_observable_id()]
            dem.append("error", error.args_copy(), targets)
        else:
            dem.append(error)
    model = LayeredModel.from_dem(dem, correlated=True)
    bulk = model.relevant[len(model.first)]
    assert 0 < bulk.sum() < model.num_columns
    window = cut_graph(model, first=10, count=6, to_end=False)
    relevant = window.arrays["detectors"]["flips"] & layout.IS_RELEVANT != 0
    assert np.array_equal(relevant, np.tile(bulk, 6))
    assert not window.arrays["edge_flips"].any()


def test_edges_at_the_open_end_imply_nothing() -> None:
    model = LayeredModel.from_dem(CIRCUIT.detector_error_model(decompose_errors=True), correlated=True)
    window = cut_graph(model, first=3, count=10, to_end=False, commit=(0, 6))
    assert window.record["end_of_implying"][0] == 8 * model.num_columns
    ending = cut_graph(model, first=3, count=10, to_end=True)
    assert ending.record["end_of_implying"][0] == 10 * model.num_columns
