"""Warm-up compiles everything that decoding needs, so that timings include no compilation."""

import contextlib
from typing import Any

import numpy as np
import pytest
import stim
from numpy.typing import NDArray

import decoders
from decoders.registry import decoder_class
from decoders.sinter_adapter import SinterDecoder
from tests.support.compilations import compiled, forget
from tests.support.streams import compiled_only


def _memory(task: str, *, p: float, rounds: int = 3) -> stim.Circuit:
    return stim.Circuit.generated(
        task,
        distance=3,
        rounds=rounds,
        after_clifford_depolarization=p,
        before_measure_flip_probability=p,
    )


REPETITION = _memory("repetition_code:memory", p=0.03).detector_error_model(decompose_errors=True)
SURFACE = _memory("surface_code:rotated_memory_z", p=0.01).detector_error_model(decompose_errors=True)
COLOUR = _memory("color_code:memory_xyz", p=0.01, rounds=6).detector_error_model()
# D0 alone is explained only by one of the components of an error.
PARTS = stim.DetectorErrorModel("error(0.03) D1 ^ D0\nerror(0.1) D0 D1\nerror(0.1) D2 L0")
# No observable has a gap; too many detectors to tabulate, and errors of several components.
LOOP = stim.DetectorErrorModel(
    "\n".join(f"error(0.1) D{at} D{(at + 1) % 20}{' L0' * (at == 0)}" for at in range(20))
    + "\nerror(0.02) D0 D1 ^ D4 D5\nerror(0.02) D10"
)
CERTAIN = stim.DetectorErrorModel("error(1) D0 L0\nerror(0.1) D0 D1\nerror(0.2) D1 L1\nerror(0.7) D1 D2")
MODELS = {"surface": SURFACE, "repetition": REPETITION, "parts": PARTS, "loop": LOOP, "certain": CERTAIN}

CASES: list[tuple[str, dict[str, Any], str]] = [
    *((name, {}, model) for name in decoders.names() for model in MODELS if name != "mwpm-stream"),
    ("mwpm-stream", {}, "surface"),
    ("mwpm-stream", {"decoder": "mwpm-correlated"}, "surface"),
    ("mwpm", {"verify": True}, "repetition"),
    ("mwpm-correlated", {"compare": False}, "surface"),
    ("trellis", {}, "colour"),
    ("trellis", {"gap": 0}, "surface"),
    ("trellis", {"gap": np.inf, "sweeps": 3}, "surface"),
]


@compiled_only
@pytest.mark.parametrize("gaps", [False, True], ids=["plain", "gaps"])
@pytest.mark.parametrize(("name", "options", "model"), CASES)
def test_no_kernel_is_compiled_after_the_warm_up(
    name: str, options: dict[str, Any], model: str, gaps: bool
) -> None:
    """Neither shape, memory layout nor number of the shots nor an option of the call needs another one."""
    dem = {**MODELS, "colour": COLOUR}[model]
    decoder = decoders.from_dem(name, dem, **options)
    forget()
    has_gaps = decoder.gives_gaps and options.get("decoder") != "mwpm-correlated"
    if gaps and ((model == "loop" and name != "trellis") or not has_gaps):
        with pytest.raises(ValueError, match="no gap"):
            decoder.warm_up(gaps=True)
        return
    decoder.warm_up(gaps=gaps)
    before = compiled()
    assert before or name.startswith("pymatching")
    _decode_in_many_ways(decoder, dem, gaps=gaps)
    assert compiled() - before == set()


def _decode_in_many_ways(decoder: decoders.Decoder, dem: stim.DetectorErrorModel, *, gaps: bool) -> None:
    proves = getattr(decoder, "_verify", False)  # slowly
    likely, _, _ = dem.compile_sampler(seed=1).sample(5 if proves else 300)
    # Any events, of which many are impossible in some models.
    wild = np.random.default_rng(1).random((8, dem.num_detectors)) < 0.3
    calls: list[dict[str, Any]] = [{}, {"return_gap": True}] if gaps else [{}]
    if decoder.gives_weights:
        calls += [{**call, "return_weights": True} for call in calls]
    if decoder.uses_threads:
        calls += [{**call, "threads": 3} for call in calls]
    for call in calls:
        for events in (likely[:0], likely[:1], likely, *(row[np.newaxis] for row in wild)):
            _try(decoder, events, **call)
        for events in (likely[:2], likely[:5][::-1], likely[:5].astype(np.int64)):
            packed = np.packbits(events, axis=1, bitorder="little")
            for order in ("C", "F"):
                _try(decoder, np.array(events, order=order), **call)
                _try(decoder, np.array(packed, order=order), bit_packed=True, **call)
    for return_gap in {False, gaps}:
        decoder.decode(likely[0], return_gap=return_gap)


def _try(decoder: decoders.Decoder, shots: NDArray[Any], **call: Any) -> None:
    """Decode shots, of which some may be impossible."""
    with contextlib.suppress(ValueError):
        decoder.decode_batch(shots, **call)


@compiled_only
def test_a_stream_compiles_nothing_after_the_warm_up() -> None:
    circuit = _memory("surface_code:rotated_memory_z", p=0.01)
    stream = decoders.StreamingDecoder.from_circuit(circuit)
    frames = stream.to_frames(circuit.compile_detector_sampler(seed=1).sample(3))
    forget()
    stream.warm_up()
    before = compiled()
    assert before
    for layers in (*frames, np.asfortranarray(frames[0])):
        for rows in (layers, np.packbits(layers, axis=1, bitorder="little")):
            stream.reset()
            for row in rows[:-1]:
                stream.push(row[np.newaxis], bit_packed=rows is not layers)
            stream.finish(rows[-1], bit_packed=rows is not layers)
    assert compiled() == before


@pytest.mark.parametrize("layout", ["C", "F"])
def test_the_memory_layout_changes_no_prediction(layout: Any) -> None:
    events, _, _ = SURFACE.compile_sampler(seed=2).sample(100)
    decoder = decoders.from_dem("mwpm", SURFACE)
    packed = decoder.decode_batch(np.packbits(events, axis=1, bitorder="little"), bit_packed=True)
    assert np.array_equal(decoder.decode_batch(np.array(events, order=layout)), packed)


@pytest.mark.parametrize("name", [name for name in decoders.names() if name != "mwpm-stream"])
def test_a_model_without_quiet_shots_is_no_obstacle(name: str) -> None:
    decoder = decoders.from_dem(name, stim.DetectorErrorModel("detector(0, 0) D0\nerror(1) D0 L0"))
    decoder.warm_up()
    assert decoder.decode([True]).tolist() == [True]


@pytest.mark.parametrize("threshold", [None, 2.0])
def test_sinter_gets_a_decoder_that_is_warm(threshold: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(decoder_class("mwpm"), "warm_up", lambda self, *, gaps=False: asked.append(gaps))
    SinterDecoder("mwpm", threshold).compile_decoder_for_dem(dem=REPETITION)
    assert asked == [threshold is not None]
