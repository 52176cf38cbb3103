"""Names of decoders, and making one by its name."""

import inspect
from importlib import import_module
from typing import Any

import stim

from decoders.base import Decoder

# name -> module and class. A module is imported when its decoder is first asked for, so that nobody
# pays for, or needs, a library that only another decoder uses.
_DECODERS = {
    "mwpm": ("decoders.matching.decoder", "MWPM"),
    "mwpm-correlated": ("decoders.correlated.decoder", "CorrelatedMWPM"),
    "mwpm-stream": ("decoders.streaming.whole_shot", "StreamingMWPM"),
    "belief-matching": ("decoders.belief_matching.decoder", "BeliefMatching"),
    "ensemble": ("decoders.trellis.decoder", "Ensemble"),
    "pymatching": ("decoders.external.pymatching", "PyMatching"),
    "pymatching-correlated": ("decoders.external.pymatching", "CorrelatedPyMatching"),
}


def names() -> list[str]:
    """The names that `from_dem` knows, in the order of listing."""
    return list(_DECODERS)


def from_dem(name: str, dem: stim.DetectorErrorModel, **options: Any) -> Decoder:
    """Make a decoder for a DEM.

    Args:
        name: one of `names()`.
        dem: for matching decoders made with `decompose_errors=True`; "ensemble" takes any.
        options: those of the decoder, see its class's `from_dem`.

    Raises:
        ValueError: an unknown name or option (the message lists the known ones), a DEM that this
            decoder cannot take, or something that is no DEM.
    """
    decoder = decoder_class(name)
    known = known_options(name)
    for option in options:
        if option not in known:
            listed = "its options are " + ", ".join(known) if known else "it has none"
            raise ValueError(f"decoder '{name}' has no option '{option}': {listed}")
    if isinstance(dem, stim.Circuit):
        raise ValueError(
            "expected a DEM, got a circuit: pass circuit.detector_error_model(decompose_errors=True), or "
            "for 'ensemble' also circuit.detector_error_model()"
        )
    if not isinstance(dem, stim.DetectorErrorModel):
        raise ValueError(f"expected a stim.DetectorErrorModel, got {type(dem).__name__}")
    return decoder.from_dem(dem, **options)


def decoder_class(name: str) -> type[Decoder]:
    """The class behind a name; imports its module.

    Raises:
        ValueError: an unknown name.
    """
    if name not in _DECODERS:
        raise ValueError(f"no decoder is named '{name}': choose from {', '.join(_DECODERS)}")
    module, attribute = _DECODERS[name]
    found: type[Decoder] = getattr(import_module(module), attribute)
    return found


def known_options(name: str) -> list[str]:
    """The options that the decoder of this name takes.

    Raises:
        ValueError: an unknown name.
    """
    parameters = inspect.signature(decoder_class(name).from_dem).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
