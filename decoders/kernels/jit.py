"""Decorators that compile kernels, and the cache folder of their machine code.

numba's cache notices neither that a function called from another file was edited nor that
`NUMBA_BOUNDSCHECK` changed: stale machine code would run. The cache folder therefore carries a digest of
everything that the machine code depends on (numba and llvmlite versions, flags, the bytes of every kernel
file of every package), computed before any kernel is decorated. Import this module before other kernels.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
from numba.core import config as numba_config
from numba.core.registry import CPUDispatcher

from decoders.kernels.cache_folder import kernel_folder

_Function = TypeVar("_Function", bound=Callable[..., Any])
config: Any = numba_config  # its attributes come from the environment at run time
#: Whether kernels run as ordinary Python (NUMBA_DISABLE_JIT=1).
interpreted = bool(config.DISABLE_JIT)
_PACKAGE = Path(__file__).resolve().parents[1]


def _digest() -> str:
    flags = (config.BOUNDSCHECK, config.OPT, config.DEBUGINFO_DEFAULT)
    digest = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__} {flags}".encode())
    for file in sorted(_PACKAGE.rglob("kernels/*.py")):
        digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


cache_folder = kernel_folder(_digest())


def compile_into(folder: Path, function: _Function) -> _Function:
    """Compile a function in nopython mode that releases the GIL, with its machine code cached in a folder."""
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        options: Any = {"cache": True, "nogil": True, "no_cfunc_wrapper": True}
        compiled: _Function = numba.njit(function, **options)
    finally:
        config.CACHE_DIR = before
    return compiled


def entry_point(function: _Function) -> _Function:
    """Compile a function that Python calls."""
    return compile_into(cache_folder, function)


def kernel(function: _Function) -> _Function:
    """Compile a function that other kernels call.

    It gets no wrapper for calls from Python, which saves a fifth of the compile time. A call from Python
    (tests do this) compiles it a second time.
    """
    return function if interpreted else _Kernel(function)  # type: ignore[return-value]


class _Kernel(CPUDispatcher):
    """Compiled function without wrappers for calls from Python.

    No overload enters the table by which numba dispatches calls from Python, so every such call arrives at
    `_compile_for_args`.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        options = {"nopython": True, "nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        super().__init__(function, targetoptions=options)
        self.enable_caching()
        self._for_python: Any = None

    def enable_caching(self) -> None:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(cache_folder)
        try:
            super().enable_caching()
        finally:
            config.CACHE_DIR = before

    def add_overload(self, result: Any) -> None:
        self.overloads[tuple(result.signature.args)] = result

    def _compile_for_args(self, *arguments: Any, **named: Any) -> Any:
        if self._for_python is None:  # separate folder: numba's cache keys do not include the options
            self._for_python = compile_into(cache_folder / "for_python", self.py_func)
        return self._for_python._compile_for_args(*arguments, **named)
