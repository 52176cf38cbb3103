"""Decorator of qec's kernels, and the folder in which their compiled code is cached.

As in decoders.kernels.jit, which qec must not import: numba's cache does not notice that a function called
from another file was edited, nor that `NUMBA_BOUNDSCHECK` changed, so the cache folder carries a digest of
everything the machine code depends on, chosen before any kernel is decorated.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
import numpy as np
from numba.core import config as numba_config

from qec.sampling.kernels.cache_folder import kernel_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])
config: Any = numba_config  # attributes are set from the environment at run time
#: Whether kernels run as ordinary Python (NUMBA_DISABLE_JIT=1).
interpreted = bool(config.DISABLE_JIT)
_PACKAGE = Path(__file__).resolve().parents[2]


def _digest() -> str:
    flags = (config.BOUNDSCHECK, config.OPT, config.DEBUGINFO_DEFAULT)
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {flags}".encode())
    for file in sorted(_PACKAGE.rglob("kernels/*.py")):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


cache_folder = kernel_folder(f"qec-{_digest()}")


def kernel(function: _Function) -> _Function:
    """Compile a function in nopython mode: cached between processes, without the GIL, integers that wrap."""
    if interpreted:  # numpy warns of overflow, which compiled integers ignore
        return np.errstate(over="ignore")(function)
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder)
    try:
        compiled: _Function = numba.njit(function, cache=True, nogil=True)
    finally:
        config.CACHE_DIR = before
    return compiled
