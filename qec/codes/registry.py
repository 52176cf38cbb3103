"""Codes by name, for the command line and for metadata."""

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from qec.codes.code import Code, Gates
from qec.codes.repetition import RepetitionCode
from qec.codes.surface import RotatedSurfaceCode

_CODES: MappingProxyType[str, Callable[..., Code]] = MappingProxyType(
    {
        "repetition": RepetitionCode,
        "surface": RotatedSurfaceCode,
        "surface_zxxz": partial(RotatedSurfaceCode, variant="zxxz"),
    }
)


def code_names() -> list[str]:
    """Return the names that `code_by_name` accepts, sorted."""
    return sorted(_CODES)


def code_by_name(name: str, distance: int, *, gates: Gates = "cz") -> Code:
    """Make the code of this name and distance.

    Raises:
        ValueError: an unknown name (the message lists the known ones), distance or gate set.
    """
    if name not in _CODES:
        raise ValueError(f"unknown code {name!r}; known: {', '.join(code_names())}")
    return _CODES[name](distance, gates=gates)
