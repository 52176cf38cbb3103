"""Complementary gaps of windows, against whole shots and a second matching of each window."""

import pickle
from typing import Any

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import StreamingDecoder
from decoders.gaps.logical_classes import LogicalDetector
from decoders.matching.decoder import MWPM
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import WindowPlan, cut_layers
from qec import circuits, noise
from qec.families.lattice_surgery import lattice_surgery_circuit
from qec.families.stability import stability_circuit
from qec.families.transversal_cnot import transversal_cnot_circuit
from qec.statistics import soft
from tests.support.chance import sigmas
from tests.support.strategies import splits
from tests.support.streams import Frames, memory


def cnot_program() -> stim.Circuit:
    """A Bell pair by a CNOT of lattice surgery."""
    program = circuits.LogicalCircuit(distance=3)
    program.prepare("control", tile=(0, 0), basis="x")
    program.prepare("target", tile=(1, 1), basis="z")
    program.idle(3)
    program.cnot("control", "target", ancilla=(0, 1), cycles=3)
    program.idle(3)
    ends = [program.measure(name, basis="z") for name in ("control", "target")]
    program.observable(ends[0] ^ ends[1])
    return program.circuit


MODELS = {
    "surface": lambda: memory("surface", rounds=12),
    "chain": lambda: memory("chain", rounds=20),
    "zz": lambda: noise.uniform(0.006).apply(lattice_surgery_circuit(distance=3, rounds=4)),
    "stability": lambda: noise.uniform(0.01).apply(stability_circuit(width=4, rounds=7)),
    "transversal": lambda: noise.uniform(0.006).apply(transversal_cnot_circuit(distance=3, rounds=4)),
    "cnot": lambda: noise.uniform(0.006).apply(cnot_program()),
}


def dem_of(name: str) -> stim.DetectorErrorModel:
    dem = MODELS[name]().detector_error_model(decompose_errors=True, ignore_decomposition_failures=True)
    return decoders.resolve_hyperedges(dem)[0]


def gaps_of(stream: StreamingDecoder, frames: Frames) -> NDArray[np.float64]:
    gaps = np.zeros((len(frames), stream.num_observables))
    stream.decode_frames(frames, gaps=gaps)
    return gaps


@pytest.mark.parametrize("name", [name for name in MODELS if name != "transversal"])
def test_one_window_has_the_gap_of_the_whole_shot(name: str) -> None:
    dem = dem_of(name)
    events, _, _ = dem.compile_sampler(seed=3).sample(150)
    predictions, expected = decoders.from_dem("mwpm", dem).decode_batch(events, return_gap=True)
    made = decoders.from_dem("mwpm-stream", dem, commit=60, buffer=10)
    found, gaps = made.decode_batch(events, return_gap=True)
    assert np.allclose(gaps, expected)
    assert ((found == predictions) | (gaps == 0)).all()


def test_errors_copied_by_a_transversal_gate_leave_no_gap() -> None:
    """They form cycles that flip an observable, for whole shots and windows alike."""
    dem = dem_of("transversal")
    for name in ("mwpm", "mwpm-stream"):
        with pytest.raises(ValueError, match="no gap for observable L0: errors along a cycle"):
            decoders.from_dem(name, dem).decode_batch(np.zeros((0, dem.num_detectors), int), return_gap=True)


# --- several windows


class Reference:
    """Windows with gaps by two matchings from scratch, one in each class."""

    def __init__(self, dem: stim.DetectorErrorModel, *, commit: int, buffer: int) -> None:
        self.model = LayeredModel.from_dem(dem)
        self.plan = WindowPlan.for_model(self.model, commit=commit, buffer=buffer)
        self._made: dict[tuple[int, int, bool], tuple[Any, ...]] = {}

    def gaps(self, shot: Frames) -> NDArray[np.float64]:
        """Gap of each observable: log-odds of the parity of the errors of windows with different gaps."""
        rows, commit, columns = shot.reshape(-1).copy(), self.plan.commit, self.model.num_columns
        found, before = np.full((2, self.model.num_observables), np.inf)
        start, last = 0, False
        while not last:
            last = start + self.plan.window >= len(shot)
            count = len(shot) - start if last else self.plan.window
            graph, beyond, matching, closed = self._window(start, count, last)
            events = rows[start * columns : (start + count) * columns]
            edges = matching.decode_to_edge_numbers(events)
            alone = events.copy()
            np.bitwise_xor.at(alone, graph.edge_u[edges[beyond[edges]]], 1)
            for at, one in enumerate(closed):
                gap = self._gap(*one, alone)
                is_new, before[at] = not np.isclose(gap, before[at], rtol=0, atol=1e-9), gap
                if is_new and np.isfinite([gap, found[at]]).all():
                    gap = np.logaddexp(0, gap + found[at]) - np.logaddexp(gap, found[at])
                found[at] = min(gap, found[at])
            seam = events.size if last else commit * columns
            for edge in edges.tolist():
                ends = [int(end) for end in (graph.edge_u[edge], graph.edge_v[edge]) if end >= 0]
                if min(ends) < seam:
                    events[ends] ^= 1
            assert not events[:seam].any()
            start += commit
        return found

    def _window(self, start: int, count: int, last: bool) -> tuple[Any, ...]:
        key = (start, count, last)
        if key not in self._made:
            where: dict[str, Any] = {"first": start, "count": count, "to_end": last, "fixed": self.plan.fixed}
            graph, beyond = cut_layers(self.model, **where)
            alone, _ = cut_layers(self.model, **where, open_future=False)
            logicals = [
                LogicalDetector.of(alone, observable=observable)
                for observable in range(alone.num_observables)
            ]
            closed = [(one, MWPM(graph=alone), MWPM(graph=one.graph)) for one in logicals]
            self._made[key] = graph, beyond, MWPM(graph=graph), closed
        return self._made[key]

    def _gap(self, logical: LogicalDetector, best: MWPM, other: MWPM, events: Frames) -> float:
        if not logical.two_classes:
            return np.inf
        flips, weight = best.decode_batch(events[np.newaxis], return_weights=True)
        packed = logical.events_of_class(
            np.packbits(events, bitorder="little")[np.newaxis], ~flips[:, logical.observable]
        )
        _, heavier = other.decode_batch(packed, bit_packed=True, return_weights=True)
        return float(heavier[0] - weight[0])


@pytest.mark.parametrize(("name", "commit", "buffer"), [("surface", 4, 3), ("zz", 3, 4), ("cnot", 4, 4)])
def test_gap_of_every_window_by_two_matchings(name: str, commit: int, buffer: int) -> None:
    dem = dem_of(name)
    stream = StreamingDecoder.from_dem(dem, commit=commit, buffer=buffer, gaps=True)
    frames = stream.to_frames(dem.compile_sampler(seed=5).sample(40)[0])
    reference = Reference(dem, commit=commit, buffer=buffer)
    assert np.allclose(gaps_of(stream, frames), [reference.gaps(shot) for shot in frames])


@settings(max_examples=20)
@given(sizes=splits(total=40), shot=st.integers(0, 19))
def test_any_split_into_frames(long_memory: dict[str, Any], sizes: list[int], shot: int) -> None:
    stream, frame = long_memory["stream"], long_memory["frames"][shot]
    stream.reset()
    assert np.isinf(stream.gaps).all()
    at, least = 0, np.inf
    for size in sizes:
        stream.push(frame[at : at + size])
        at += size
        assert stream.gaps <= min(least, stream.window_gaps)
        least = float(stream.gaps[0])
    stream.finish(frame[-1])
    assert stream.gaps == long_memory["gaps"][shot]


@pytest.fixture(scope="module")
def long_memory() -> dict[str, Any]:
    circuit = memory("surface", rounds=40)
    stream = StreamingDecoder.from_circuit(circuit, commit=6, buffer=3, gaps=True)
    frames = stream.to_frames(circuit.compile_detector_sampler(seed=2).sample(20))
    return {"stream": stream, "frames": frames, "gaps": gaps_of(stream, frames)}


def test_windows_predict_errors_better_than_whole_shots() -> None:
    """Most windows see the lightest error of the other class; all together count the others, too."""
    circuit = memory("surface", rounds=40, p=0.0015)
    dem = circuit.detector_error_model(decompose_errors=True)
    events, flips = circuit.compile_detector_sampler(seed=4).sample(6000, separate_observables=True)
    whole = decoders.from_dem("mwpm", dem)
    windows = decoders.from_dem("mwpm-stream", dem, commit=6, buffer=3)
    predictions, gaps = whole.decode_batch(events, return_gap=True)
    alike, combined = windows.decode_batch(events, return_gap=True)
    failed, failed_too = (predictions != flips)[:, 0], (alike != flips)[:, 0]
    found = soft.calibration(gaps=combined[:, 0], failed=failed_too, bins=6)
    for one in found:
        chance = sigmas(len(found)) * np.sqrt(one.predicted * (1 - one.predicted) / one.shots)
        assert abs(one.observed.value - one.predicted) <= 0.2 * one.predicted + chance
    error, error_too = (
        abs(np.log(soft.error_probability(one).mean() / failed.mean())) for one in (gaps, combined)
    )
    assert error_too < 0.5 * error
    kept = [
        soft.post_selection(gaps=one[:, 0], failed=wrong, fractions=(0.1,))[0].errors
        for one, wrong in ((gaps, failed), (combined, failed_too))
    ]
    assert kept[1] <= kept[0] < 0.7 * failed.sum()
    stream = StreamingDecoder.from_dem(dem, commit=6, buffer=3, gaps=True)
    smallest = np.full(300, np.inf)
    for shot, frame in enumerate(stream.to_frames(events[:300])):
        stream.reset()
        for row in frame[:-1]:
            stream.push(row[np.newaxis])
            smallest[shot] = min(smallest[shot], stream.window_gaps[0])
        stream.finish(frame[-1])
        smallest[shot] = min(smallest[shot], stream.window_gaps[0])
    assert np.isclose(smallest, gaps[:300, 0]).mean() > 0.95
    assert (combined[:300, 0] <= smallest + 1e-9).all()


def test_memory_does_not_grow_with_cycles() -> None:
    short, long = (
        StreamingDecoder.from_circuit(memory("chain", rounds=rounds), gaps=True) for rounds in (60, 10**6)
    )
    graphs = [len(stream.gap_calls._closed) for stream in (short, long)]
    assert graphs[1] <= graphs[0]
    rows = (np.random.default_rng(4).random((500, 4)) < 0.02).astype(np.uint8)
    long.push(rows)
    sizes = long.gap_calls.num_bytes
    least = long.gaps[0]
    long.push(rows)
    assert 0 < long.gaps[0] < least
    assert long.gap_calls.num_bytes == sizes


# --- observables of one part of a circuit


def test_an_observable_has_its_gap_when_it_is_final() -> None:
    dem = dem_of("zz")
    stream = StreamingDecoder.from_dem(dem, commit=3, buffer=4, gaps=True)
    frames = stream.to_frames(dem.compile_sampler(seed=5).sample(20)[0])
    expected = gaps_of(stream, frames)
    cycle = stream.cycles_until_final[2]
    assert 0 < cycle < frames.shape[1] - 1
    for shot, gaps in zip(frames, expected, strict=True):
        stream.reset()
        stream.push(shot[:cycle])
        assert stream.gaps[2] == gaps[2] < np.inf
        stream.push(shot[cycle:-1])
        stream.finish(shot[-1])
        assert stream.gaps.tolist() == gaps.tolist()


def test_windows_too_short_for_a_timelike_error_have_no_gaps() -> None:
    circuit = MODELS["stability"]()
    with pytest.raises(ValueError, match="no window contains the lightest error that flips observable L0"):
        StreamingDecoder.from_circuit(circuit, commit=2, buffer=3, gaps=True)
    assert StreamingDecoder.from_circuit(circuit, commit=2, buffer=3).num_observables == 1
    stream = StreamingDecoder.from_circuit(circuit, commit=2, buffer=7, gaps=True)
    assert np.isfinite(
        gaps_of(stream, stream.to_frames(np.zeros((1, dem_of("stability").num_detectors), int)))
    ).all()


@pytest.mark.parametrize("whole", [True, False])
def test_workspaces_that_are_too_small_are_enlarged(long_memory: dict[str, Any], whole: bool) -> None:
    """Windows that are started again, whole shots or within one, are counted once."""
    stream = pickle.loads(pickle.dumps(long_memory["stream"]))
    for work in (stream._work, stream.gap_calls._gap_work):
        work._resize(2)
    if whole:
        assert np.array_equal(gaps_of(stream, long_memory["frames"]), long_memory["gaps"])
    else:
        for shot, gaps in zip(long_memory["frames"], long_memory["gaps"], strict=True):
            stream.reset()
            stream.push(shot[:-1])
            stream.finish(shot[-1])
            assert stream.gaps == gaps
    assert stream.gap_calls._gap_work.record["max_edges"][0] > 2


# --- the interface


def test_copies_have_gaps_too(long_memory: dict[str, Any]) -> None:
    copy = pickle.loads(pickle.dumps(long_memory["stream"]))
    assert np.array_equal(gaps_of(copy, long_memory["frames"]), long_memory["gaps"])


def test_gaps_are_an_option() -> None:
    circuit = memory("chain", rounds=20)
    stream = StreamingDecoder.from_circuit(circuit)
    for ask in (lambda: stream.gaps, lambda: stream.window_gaps):
        with pytest.raises(ValueError, match="make it with gaps=True"):
            ask()
    frames = np.zeros((1, 21, 4), dtype=np.uint8)
    with pytest.raises(ValueError, match="make it with gaps=True"):
        stream.decode_frames(frames, gaps=np.zeros((1, 1)))
    with pytest.raises(ValueError, match=r"no gaps of windows .* use decoder='mwpm'"):
        StreamingDecoder.from_circuit(circuit, decoder="mwpm-correlated", gaps=True)
