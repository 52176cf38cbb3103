"""Decorator of the loop's kernels: `decoders.kernels.jit` with a cache folder keyed by these files as well.

The folder carries a digest of every file in a `kernels` or `protocol` package of `realtime`, and of the
decoders' kernels, which the loop calls.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from decoders.kernels.cache_folder import kernel_folder
from decoders.kernels.jit import cache_folder as decoders_cache
from decoders.kernels.jit import interpreted, kernel_into

__all__ = ["cache_folder", "interpreted", "kernel"]

_Function = TypeVar("_Function", bound=Callable[..., Any])
_PACKAGE = Path(__file__).resolve().parents[1]
# Kernels use the constants and dtypes of protocol.
_COMPILED = ("kernels", "protocol")


def _digest() -> str:
    digest = hashlib.sha256(decoders_cache.name.encode())
    for file in sorted(_PACKAGE.rglob("*.py")):
        name = file.relative_to(_PACKAGE)
        if any(folder in name.parts for folder in _COMPILED):
            digest.update(name.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


cache_folder = kernel_folder(f"realtime-{_digest()}")


def kernel(function: _Function) -> _Function:
    """Compile a function in nopython mode: cached between processes, without the GIL."""
    return kernel_into(cache_folder, function)
