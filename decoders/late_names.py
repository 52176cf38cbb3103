"""Names of the package that are imported when they are first used.

`import decoders` with plain matching then loads no code of windows or per-shot weights.
"""

import sys
from importlib import import_module
from typing import Any

_MODULES = {
    "ParallelStreamingDecoder": "decoders.streaming.parallel",
    "ReweightedDecoder": "decoders.reweighted.decoder",
    "SideInformation": "decoders.reweighted.side_information",
    "StreamingDecoder": "decoders.streaming.decoder",
    "classify_gaussian": "decoders.reweighted.readout",
    "classify_ratio": "decoders.reweighted.readout",
}


def __getattr__(name: str) -> Any:
    """Import a name of the package (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'decoders' has no attribute {name!r}")
    found = getattr(import_module(_MODULES[name]), name)
    setattr(sys.modules["decoders"], name, found)
    return found


def __dir__() -> list[str]:
    """List the names of the package, those not imported yet included."""
    return sorted({*vars(sys.modules["decoders"]), *_MODULES})
