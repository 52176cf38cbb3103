"""Registry of decoders by name: built-in, plug-ins, and classes given as `module:Class`."""

import inspect
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import stim

from decoders.base import Decoder
from decoders.model.hyperedges import Hyperedges, resolve_hyperedges

#: Entry point group in which other distributions register decoders: name = "module:Class".
ENTRY_POINTS = "qec.decoders"

# Modules are imported on first use, so that a decoder does not require the libraries of another.
_OWN = {
    "mwpm": "decoders.matching.decoder:MWPM",
    "mwpm-correlated": "decoders.correlated.decoder:CorrelatedMWPM",
    "mwpm-stream": "decoders.streaming.whole_shot:StreamingMWPM",
    "belief-matching": "decoders.belief_matching.decoder:BeliefMatching",
    "trellis": "decoders.trellis.decoder:Trellis",
    "pymatching": "decoders.external.pymatching:PyMatching",
    "pymatching-correlated": "decoders.external.pymatching:CorrelatedPyMatching",
}
# Names in earlier versions, for the error message.
_FORMER = {"ensemble": "trellis"}


@cache
def _known() -> dict[str, str]:
    plug_ins = {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}
    return _OWN | {name: value for name, value in sorted(plug_ins.items()) if name not in _OWN}


def names() -> list[str]:
    """List the decoders that `from_dem` accepts: built-in ones, then installed plug-ins by name."""
    return list(_known())


def with_gaps() -> list[str]:
    """List the decoders that return complementary gaps. Imports all decoders."""
    return [name for name in names() if decoder_class(name).gives_gaps]


def from_dem(
    name: str, dem: stim.DetectorErrorModel, *, hyperedges: Hyperedges = "refuse", **options: Any
) -> Decoder:
    """Construct a decoder for a DEM.

    Args:
        name: One of `names()`, or `module:Class` for a subclass of `Decoder`.
        dem: For matching decoders best made with `decompose_errors=True`; "trellis" accepts any DEM.
        hyperedges: Treatment of errors with more than two detectors by decoders that do not take them:
            "refuse" the model, "decompose" them into edges of the model, "drop" them with a
            `DroppedErrorsWarning`, or "decompose-or-drop"; see `resolve_hyperedges`. The counts are the
            decoder's attribute `hyperedges`. Without effect on decoders that take such errors.
        options: Keyword options of the decoder, see `from_dem` of its class.

    Raises:
        ValueError: An unknown name or option (the message lists the known ones), a DEM that this
            decoder does not accept, or an object that is not a DEM.

    Warns:
        DroppedErrorsWarning: Errors were dropped.

    Examples:
        >>> import decoders, stim
        >>> decoder = decoders.from_dem("mwpm", stim.DetectorErrorModel("error(0.1) D0 L0"))
        >>> decoder.decode([True])
        array([ True])
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
            "circuit.detector_error_model() for 'trellis' or with hyperedges='decompose'"
        )
    if not isinstance(dem, stim.DetectorErrorModel):
        raise ValueError(f"expected a stim.DetectorErrorModel, got {type(dem).__name__}")
    resolved, counts = resolve_hyperedges(dem, "refuse" if decoder.takes_hyperedges else hyperedges)
    made = decoder.from_dem(resolved, **options)
    made.hyperedges = counts
    return made


def decoder_class(name: str) -> type[Decoder]:
    """Import the class of a decoder.

    Args:
        name: One of `names()`, or `module:Class`.

    Raises:
        ValueError: An unknown name, a module or class that cannot be imported, or a class that is not a
            subclass of `Decoder`.
    """
    place = _known().get(name, name)
    module, colon, attribute = place.partition(":")
    if not colon:
        renamed = f" ('{name}' is now called '{_FORMER[name]}')" if name in _FORMER else ""
        raise ValueError(f"no decoder is named '{name}'{renamed}: choose from {', '.join(names())}")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        if name in _OWN:
            raise
        raise ValueError(f"decoder '{name}' cannot be imported from '{place}': {error}") from error
    if not (isinstance(found, type) and issubclass(found, Decoder)):
        raise ValueError(f"decoder '{name}': {place} must be a subclass of decoders.Decoder")
    return found


def known_options(name: str) -> list[str]:
    """List the options that a decoder accepts.

    Args:
        name: As in `decoder_class`.

    Raises:
        ValueError: As in `decoder_class`.
    """
    parameters = inspect.signature(decoder_class(name).from_dem).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
