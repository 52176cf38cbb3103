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
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
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

    It gets neither machine code of its own nor a wrapper for calls from Python, which saves half of the
    compile time. A call from Python (tests do this) compiles it a second time.
    """
    return kernel_into(cache_folder, function)


def kernel_into(folder: Path, function: _Function) -> _Function:
    """Compile a function that other kernels call, with its code cached in a folder."""
    return function if interpreted else _Kernel(function, folder)  # type: ignore[return-value]


class _LinkedLibrary(JITCodeLibrary):
    """Code that is linked into that of the functions that call it, and optimised and translated there.

    numba would optimise, and translate to machine code, each function together with all that it calls, level
    after level.
    """

    @property
    def codegen(self) -> Any:
        return _WithoutEnvironments(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        self._ensure_finalized()
        return 0

    def serialize_using_object_code(self) -> tuple[str, str, bytes]:
        self._ensure_finalized()
        return self.name, "bitcode", self._get_module_for_linking().as_bitcode()

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _WithoutEnvironments:
    """Code generator for functions without machine code, in which no address of an environment can be set."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def set_env(self, name: str, environment: Any) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)


class _KernelCompiler(Compiler):
    """Compiler of kernels."""

    def __init__(self, typing_context: Any, target_context: Any, library: Any, *others: Any) -> None:
        library = library or _LinkedLibrary(target_context.codegen(), "kernel")
        super().__init__(typing_context, target_context, library, *others)


class _KernelCache(FunctionCache):
    """Cache of kernels."""

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        with global_compiler_lock:
            codegen = target_context.codegen()
            usual = codegen._library_class
            codegen._library_class = _LinkedLibrary
            try:
                return super().load_overload(signature, target_context)
            finally:
                codegen._library_class = usual


class _Kernel(CPUDispatcher):
    """Compiled function for calls from compiled functions.

    None of its overloads enters the table by which numba dispatches calls from Python. So the first such call
    arrives at `_compile_for_args`, which compiles an overload for these calls.
    """

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        options = {"nopython": True, "nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
        super().__init__(function, targetoptions=options, pipeline_class=_KernelCompiler)
        self._folder = folder
        self.enable_caching()
        self._for_python: Any = None
        self._from_python: set[tuple[Any, ...]] = set()

    def enable_caching(self) -> None:
        before = config.CACHE_DIR
        config.CACHE_DIR = str(self._folder)
        try:
            self._cache = _KernelCache(self.py_func)
        finally:
            config.CACHE_DIR = before

    def add_overload(self, result: Any) -> None:
        self.overloads[tuple(result.signature.args)] = result

    def _compile_for_args(self, *arguments: Any, **named: Any) -> Any:
        if self._for_python is None:  # separate folder: numba's cache keys do not include the options
            self._for_python = compile_into(self._folder / "for_python", self.py_func)
        found = self._for_python._compile_for_args(*arguments, **named)
        # The next calls with these types are dispatched without arriving here.
        dispatcher: Any = self
        for signature, result in self._for_python.overloads.items():
            if signature not in self._from_python:
                self._from_python.add(signature)
                dispatcher._insert([one._code for one in signature], result.entry_point)
        return found
