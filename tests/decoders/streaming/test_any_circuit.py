"""Windows of circuits without a repeating bulk: surgery, growing patches, transversal gates."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import stim
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import decoders
from decoders import ParallelStreamingDecoder, StreamingDecoder
from decoders.streaming.distances import layers_crossed, longest_extent
from decoders.streaming.layers import LayeredModel
from decoders.streaming.windows import WindowPlan
from qec import noise
from qec.families.lattice_surgery import lattice_surgery_circuit
from qec.families.patch_growth import patch_growth_circuit
from qec.families.stability import stability_circuit
from qec.families.transversal_cnot import transversal_cnot_circuit
from tests.support.chance import sigmas
from tests.support.strategies import splits

CIRCUITS: dict[str, Callable[[], stim.Circuit]] = {
    "zz": partial(lattice_surgery_circuit, distance=3, rounds=7),
    "xx": partial(lattice_surgery_circuit, distance=3, rounds=7, basis="x"),
    "growth": partial(patch_growth_circuit, heights=[3, 5, 3], width=5, rounds=7),
    "cnot": partial(transversal_cnot_circuit, distance=3, rounds=7),
    "stability": partial(stability_circuit, width=4, rounds=7),
}
MERGE = {"commit": 4, "buffer": 4}


def dem_of(name: str, p: float = 0.006) -> stim.DetectorErrorModel:
    dem = (
        noise.uniform(p)
        .apply(CIRCUITS[name]())
        .detector_error_model(decompose_errors=True, ignore_decomposition_failures=True)
    )
    return decoders.resolve_hyperedges(dem)[0]


def with_syndrome(dem: stim.DetectorErrorModel, *, classes: int) -> stim.DetectorErrorModel:
    """Observables count the events of detectors by number modulo `classes`: they reveal wrong corrections."""
    made = stim.DetectorErrorModel()
    for line in dem.flattened():
        if line.type == "error":
            targets: list[stim.DemTarget] = []
            for group in line.target_groups():
                numbers = [target.val for target in group if target.is_relative_detector_id()]
                if not numbers:
                    continue
                targets += [stim.target_separator()] * bool(targets)
                targets += [stim.target_relative_detector_id(number) for number in numbers]
                odd = set[int]()
                for number in numbers:
                    odd ^= {number % classes}
                targets += [stim.target_logical_observable_id(one) for one in sorted(odd)]
            if targets:
                made.append("error", line.args_copy(), targets)
        elif line.type == "detector":
            made.append(line)
    made.append("logical_observable", [], [stim.target_logical_observable_id(classes - 1)])
    return made


def parities(events: NDArray[np.bool_], *, classes: int) -> NDArray[np.bool_]:
    flips = np.zeros((len(events), classes), dtype=np.bool_)
    for detector in range(events.shape[1]):
        flips[:, detector % classes] ^= events[:, detector]
    return flips


# --- logical errors


@pytest.mark.parametrize(
    ("name", "decoder"),
    [*((name, "mwpm") for name in CIRCUITS), ("zz", "mwpm-correlated"), ("growth", "mwpm-correlated")],
)
def test_as_good_as_whole_shots(name: str, decoder: str) -> None:
    dem = dem_of(name)
    regions = {"commit": 2, "buffer": 5} if name == "stability" else {"commit": 8, "buffer": 5}
    events, flips, _ = dem.compile_sampler(seed=7).sample(2500)
    whole = (decoders.from_dem(decoder, dem).decode_batch(events) != flips).any(axis=1)
    made = decoders.from_dem("mwpm-stream", dem, decoder=decoder, **regions)
    windows = (made.decode_batch(events) != flips).any(axis=1)
    differ = int((windows != whole).sum())
    assert differ < 0.02 * len(events)
    assert windows.sum() <= 1.01 * whole.sum() + sigmas() * np.sqrt(differ)


@pytest.mark.parametrize(
    ("name", "decoder"), [("zz", "mwpm"), ("growth", "mwpm-correlated"), ("cnot", "mwpm-correlated")]
)
def test_corrections_explain_all_events(name: str, decoder: str) -> None:
    dem = with_syndrome(dem_of(name, 0.01), classes=30)
    events, _, _ = dem.compile_sampler(seed=3).sample(100)
    stream = StreamingDecoder.from_dem(dem, **MERGE, decoder=decoder)
    frames = stream.to_frames(events)
    found = np.unpackbits(stream.decode_frames(frames), axis=1, count=30, bitorder="little")
    expected = parities(events, classes=30)
    assert np.array_equal(found, expected)
    plan = WindowPlan(**MERGE, fixed=True)
    model = LayeredModel.from_dem(dem, correlated=decoder == "mwpm-correlated")
    with ParallelStreamingDecoder(model=model, plan=plan, threads=2, block=4) as parallel:
        for shot, flips in zip(frames[:30], expected, strict=False):
            parallel.reset()
            parallel.push(shot[:-1])
            assert parallel.finish(shot[-1]).tolist() == flips.tolist()


# --- answers


def test_observables_are_final_at_different_times() -> None:
    dem = dem_of("zz", 0.01)
    stream = StreamingDecoder.from_dem(dem, **MERGE)
    # A wrong result in the first merged cycle, 7, flips a detector of cycle 8; the third window commits it.
    assert stream.cycles_until_final.tolist() == [-1, -1, 16]
    events, _, _ = dem.compile_sampler(seed=5).sample(60)
    frames = stream.to_frames(events)
    predictions = stream.decode_frames(frames).reshape(-1)
    early = np.zeros(60, dtype=np.bool_)
    for shot, frame in enumerate(frames):
        stream.reset()
        for cycle, row in enumerate(frame[:-1], 1):
            flips = stream.push(row[None])
            assert stream.final_observables.tolist() == [False, False, cycle >= 16]
            if cycle == 16:
                early[shot] = flips[2]
        stream.finish(frame[-1])
        assert stream.final_observables.all()
    assert np.array_equal(early, predictions >> 2 & 1)
    assert early.any()


def test_shots_of_any_length_have_early_answers() -> None:
    layer = "error(0.1) D0 D1{}\nerror(0.2) D0\ndetector(0, 0, 0) D0\nshift_detectors(0, 0, 1) 1\n"
    text = layer.format(" L0") + f"repeat 50 {{\n{layer.format('')}}}\n"
    text += "error(0.1) D0 L1\ndetector(0, 0, 0) D0\nlogical_observable L2"
    stream = StreamingDecoder.from_dem(stim.DetectorErrorModel(text), commit=3, buffer=2)
    assert stream.cycles_until_final.tolist() == [5, -1, 0]


@settings(max_examples=25)
@given(sizes=splits(total=21), shot=st.integers(0, 19))
def test_any_split_into_frames(merged: dict[str, Any], sizes: list[int], shot: int) -> None:
    stream, frame = merged["stream"], merged["frames"][shot]
    stream.reset()
    at = 0
    for size in sizes:
        stream.push(frame[at : at + size])
        at += size
    assert stream.finish(frame[-1]).tolist() == merged["predictions"][shot].tolist()


@pytest.fixture(scope="module")
def merged() -> dict[str, Any]:
    dem = dem_of("xx", 0.012)
    stream = StreamingDecoder.from_dem(dem, **MERGE)
    frames = stream.to_frames(dem.compile_sampler(seed=9).sample(20)[0])
    packed = stream.decode_frames(frames)
    bits = np.unpackbits(packed, axis=1, count=3, bitorder="little").astype(np.bool_)
    assert bits.any()
    return {"stream": stream, "frames": frames, "predictions": bits}


# --- repeated stretches


def program(repeats: tuple[int, int, int], *, p: float = 0.03) -> stim.DetectorErrorModel:
    """A repetition code whose noise changes: three REPEAT blocks, one with a period of two."""
    first, other = (
        f"error({q}) D0\nerror({q}) D0 D1\nerror({q}) D1 L0\nerror({p}) D0 D2\nerror({p}) D1 D3\n"
        "detector(0, 0) D0\ndetector(1, 0) D1\nshift_detectors(0, 1) 2\n"
        for q in (p, 2 * p)
    )
    blocks = [
        f"repeat {count} {{\n{body}}}\n"
        for count, body in zip(repeats, (first, other, first + other), strict=True)
    ]
    end = f"error({p}) D0\nerror({p}) D0 D1\nerror({p}) D1 L0\ndetector(0, 0) D0\ndetector(1, 0) D1\n"
    return stim.DetectorErrorModel("".join(blocks) + end)


@pytest.mark.parametrize("decoder", ["mwpm", "mwpm-correlated"])
def test_blocks_that_are_left_out_are_decoded_like_written_out(decoder: str) -> None:
    dem = program((60, 51, 43))
    events, _, _ = dem.compile_sampler(seed=2).sample(300)
    regions = {"commit": 5, "buffer": 4, "decoder": decoder}
    folded, flat = (
        StreamingDecoder.from_dem(dem, **regions),
        StreamingDecoder.from_dem(dem.flattened(), **regions),
    )
    found, expected = (one.decode_frames(one.to_frames(events)) for one in (folded, flat))
    assert np.array_equal(found, expected)
    assert 0.1 < found.mean() < 0.9


def test_long_blocks_cost_nothing() -> None:
    """A million cycles of three kinds: as many graphs as of a few hundred, and answers window by window."""
    regions = {"commit": 5, "buffer": 4}
    short, long = (
        StreamingDecoder.from_dem(program(repeats), **regions)
        for repeats in ((60, 60, 60), (500_000, 300_000, 100_000))
    )
    one, other = short.parts(), long.parts()
    assert len(other.windows) <= len(one.windows) + 5
    assert (other.fewest_layers, other.repeats) == (1_000_001, False)
    assert long.cycles_until_final.tolist() == [-1]
    rows = (np.random.default_rng(4).random((100_000, 2)) < 0.1).astype(np.uint8)
    for start in range(0, 100_000, 10_000):
        long.push(rows[start : start + 10_000])
    assert long.committed_cycles == 99_995 - 99_995 % 5
    with pytest.raises(
        ValueError, match="100001 layers: with commit=5 and buffer=4 shots have the 1000001 layers"
    ):
        long.finish([0, 0])


# --- regions


def test_the_buffer_is_as_long_as_the_errors_of_the_largest_patch() -> None:
    model = LayeredModel.from_dem(dem_of("growth"))
    assert model.distance == 3
    assert (layers_crossed(model, 3), longest_extent(model)) == (3, 5)
    assert WindowPlan.for_model(model, commit=None, buffer=None) == WindowPlan(
        commit=20, buffer=5, fixed=True
    )


def test_errors_that_extend_over_several_layers_lengthen_the_buffer() -> None:
    layers = np.arange(12) * 3  # two of three are empty
    lines = [f"error(0.1) D{at} D{at + 1} L0" for at in range(11)] + ["error(0.1) D0", "error(0.1) D11"]
    model = LayeredModel.from_dem(stim.DetectorErrorModel("\n".join(lines)), layers=layers)
    assert (model.num_layers, model.num_columns, model.longest_reach) == (34, 1, 3)
    assert layers_crossed(model, 2) == 6
    with pytest.raises(ValueError, match="buffer=2: must be at least 3, the extent of one error in cycles"):
        WindowPlan.for_model(model, commit=1, buffer=2)


# --- any model, any layers


@settings(max_examples=80)
@given(
    seed=st.integers(0, 2**32),
    regions=st.tuples(st.integers(1, 3), st.integers(0, 3)),
    decoder=st.sampled_from(["mwpm", "mwpm-correlated"]),
)
def test_random_models_in_random_layers(seed: int, regions: tuple[int, int], decoder: str) -> None:
    random = np.random.default_rng(seed)
    size = int(random.integers(1, 14))
    layers = random.integers(0, 9, size=size)
    lines = [f"detector D{size - 1}"]
    for _ in range(int(random.integers(1, 3 * size + 2))):
        components = []
        for _ in range(int(random.integers(1, 3))):
            chosen = random.choice(size, size=min(size, int(random.integers(1, 3))), replace=False)
            components.append(" ".join(f"D{one}" for one in chosen))
        lines.append(f"error({random.uniform(0.01, 0.4)}) {' ^ '.join(components)}")
    dem = with_syndrome(stim.DetectorErrorModel("\n".join(lines)), classes=size)
    events, _, _ = dem.compile_sampler(seed=seed % 1000).sample(6)
    reach = LayeredModel.from_dem(dem, layers=layers).longest_reach
    stream = StreamingDecoder.from_dem(
        dem, layers=layers, commit=regions[0], buffer=reach + regions[1], decoder=decoder
    )
    frames = stream.to_frames(events)
    assert frames.shape[1] == layers.max() + 1
    for shot, frame in zip(events, frames, strict=True):
        stream.reset()
        for row in frame[:-1]:
            flips, final = stream.push(row[None]), stream.final_observables
            assert not (flips ^ shot)[final].any()
        assert stream.finish(frame[-1]).tolist() == shot.tolist()


def test_a_window_of_everything_decodes_like_whole_shots() -> None:
    dem = dem_of("cnot", 0.01)
    events, _, _ = dem.compile_sampler(seed=8).sample(500)
    layers = np.array([int(place[2]) for place in dem.get_detector_coordinates().values()])
    whole = decoders.from_dem("mwpm", dem).decode_batch(events)
    made = decoders.from_dem("mwpm-stream", dem, layers=layers, commit=len(layers), buffer=1)
    assert np.array_equal(made.decode_batch(events), whole)
    by_time = decoders.from_dem("mwpm-stream", dem, **MERGE).decode_batch(events)
    given = decoders.from_dem("mwpm-stream", dem, layers=layers, **MERGE).decode_batch(events)
    assert (by_time != given).mean() < 0.01  # ties


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([0, 1], r"layers have shape \(2,\), expected one for each of 3 detectors"),
        ([0.0, 1.0, 2.0], "layers of dtype float64: must be integers of at least 0"),
        ([0, -1, 2], "layer -1: must be at least 0"),
    ],
)
def test_layers_that_do_not_fit(layers: list[float], message: str) -> None:
    dem = stim.DetectorErrorModel("error(0.1) D0 D1\nerror(0.1) D1 D2 L0\nerror(0.1) D2")
    with pytest.raises(ValueError, match=message):
        StreamingDecoder.from_dem(dem, layers=layers)


def test_errors_that_stim_cannot_decompose() -> None:
    """After a transversal CNOT, an error may flip detectors of both patches that no edges connect."""
    circuit = noise.uniform(0.002).apply(transversal_cnot_circuit(distance=5, rounds=2))
    with pytest.raises(ValueError, match="Failed to decompose"):
        StreamingDecoder.from_circuit(circuit)
    with pytest.warns(decoders.DroppedErrorsWarning, match="48 decomposed, 30 dropped"):
        stream = StreamingDecoder.from_circuit(circuit, hyperedges="decompose-or-drop", commit=2, buffer=2)
    events, flips = circuit.compile_detector_sampler(seed=6).sample(200, separate_observables=True)
    found = np.unpackbits(stream.decode_frames(stream.to_frames(events)), axis=1, count=2, bitorder="little")
    assert (found != flips).any(axis=1).mean() < 0.05
