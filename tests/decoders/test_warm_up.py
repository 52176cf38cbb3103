"""Warming up compiles all that decoding needs, so that no clock around decoding counts it."""

import sys

import pytest
import stim
from numba.core.registry import CPUDispatcher

import decoders
from decoders.registry import decoder_class
from decoders.sinter_adapter import SinterDecoder

CIRCUIT = stim.Circuit.generated(
    "repetition_code:memory", distance=5, rounds=5, before_round_data_depolarization=0.1
)


def _signatures() -> set[tuple[str, str]]:
    return {
        (f"{value.py_func.__module__}.{name}", str(signature))
        for module in list(sys.modules.values())
        if getattr(module, "__name__", "").startswith("decoders.kernels")
        for name, value in vars(module).items()
        if isinstance(value, CPUDispatcher)
        for signature in value.signatures
    }


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("name", decoders.names())
def test_no_kernel_is_compiled_after_the_warm_up(name: str, gaps: bool) -> None:
    kind = decoder_class(name)
    dem = CIRCUIT.detector_error_model(decompose_errors=True)
    decoder = decoders.from_dem(name, dem)
    if gaps and not kind.gives_gaps:
        with pytest.raises(ValueError, match="gives no gaps"):
            decoder.warm_up(gaps=True)
        return
    decoder.warm_up(gaps=gaps)
    before = _signatures()
    events, _ = CIRCUIT.compile_detector_sampler(seed=1).sample(50, separate_observables=True)
    decoder.decode_batch(events, return_gap=gaps)
    if kind.gives_weights:
        decoder.decode_batch(events, return_weights=True)
    assert _signatures() == before


@pytest.mark.parametrize("name", [name for name in decoders.names() if name != "mwpm-stream"])
def test_a_model_without_quiet_shots_is_no_obstacle(name: str) -> None:
    decoder = decoders.from_dem(name, stim.DetectorErrorModel("detector(0, 0) D0\nerror(1) D0 L0"))
    decoder.warm_up()
    assert decoder.decode([True]).tolist() == [True]


@pytest.mark.parametrize("threshold", [None, 2.0])
def test_sinter_gets_a_decoder_that_is_warm(threshold: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(decoder_class("mwpm"), "warm_up", lambda self, *, gaps=False: asked.append(gaps))
    SinterDecoder("mwpm", threshold).compile_decoder_for_dem(
        dem=CIRCUIT.detector_error_model(decompose_errors=True)
    )
    assert asked == [threshold is not None]
