"""The one decorator of all kernels, and where their compiled code is cached.

numba's cache does not notice that a function called from another file was edited, nor that
`NUMBA_BOUNDSCHECK` changed: the old machine code goes on running. So the cache folder carries a
digest of everything the machine code depends on (numba and llvmlite versions, the flags, the bytes
of every kernel file of every package), chosen here before any kernel is decorated. Import this module first.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import llvmlite
import numba
from numba.core import config as numba_config
from numba.core.registry import CPUDispatcher

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


def _cache_folder() -> Path:
    """The user's own numba cache folder if set, else the usual cache folder, else a private one for this run.

    numba unpickles what it finds here, so the last resort is a new folder that nobody else can write to.
    """
    chosen = config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(chosen) / "below-threshold" / _digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="below-threshold-"))
    return folder


cache_folder = _cache_folder()


def compile_into(folder: Path, function: _Function) -> _Function:
    """Compile a function in nopython mode, with its machine code cached in a folder, without the GIL."""
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

    Without the wrappers by which Python calls compiled code, that takes a fifth less time. Python may call
    it all the same (tests do), slowly: it is compiled once more for that.
    """
    return function if interpreted else _Kernel(function)  # type: ignore[return-value]


class _Kernel(CPUDispatcher):
    """Compiled function without wrappers for calls from Python.

    No overload is entered in the table by which numba dispatches calls from Python, so every such call
    arrives at `_compile_for_args`.
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
        if self._for_python is None:  # a folder of its own: numba's keys know the signature, not the options
            self._for_python = compile_into(cache_folder / "for_python", self.py_func)
        return self._for_python._compile_for_args(*arguments, **named)
