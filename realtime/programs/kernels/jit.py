"""Decorator of these kernels: `decoders.kernels.jit` with a cache folder of its own.

The folder carries a digest of these files, and of the loop's and the sampler's kernels, which they call.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from decoders.kernels.cache_folder import kernel_folder
from decoders.kernels.jit import kernel_into
from qec.sampling.kernels.jit import cache_folder as sampler_cache
from realtime.kernels.jit import cache_folder as loop_cache

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _digest() -> str:
    digest = hashlib.sha256(f"{loop_cache.name} {sampler_cache.name}".encode())
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


cache_folder = kernel_folder(f"programs-{_digest()}")


def kernel(function: _Function) -> _Function:
    """Compile a function in nopython mode: cached between processes, without the GIL."""
    return kernel_into(cache_folder, function)
