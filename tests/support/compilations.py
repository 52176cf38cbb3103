"""Counters of compilations: kernels without machine code, and a clock that advances when one is compiled."""

import importlib
import pkgutil
import sys
from types import ModuleType

from numba.core.registry import CPUDispatcher

import decoders

#: What one compilation adds to a `CompilationClock`.
JUMP = 10**12


def kernels() -> list[CPUDispatcher]:
    """All kernels of the decoders."""
    for module in pkgutil.walk_packages(decoders.__path__, "decoders."):
        if ".kernels" in module.name:
            importlib.import_module(module.name)
    modules = [
        module for name, module in sys.modules.items() if name.startswith("decoders.") and ".kernels" in name
    ]
    found = {id(value): value for one in modules for value in vars(one).values()}
    return [value for value in found.values() if isinstance(value, CPUDispatcher)]


def forget() -> None:
    """Make all kernels as those of a new process: to be compiled, or loaded from the cache, when called."""
    for kernel in kernels():
        kernel._reset_overloads()


def compiled() -> set[tuple[str, str]]:
    """Kernels and the signatures that they are compiled for."""
    return {
        (f"{kernel.py_func.__module__}.{kernel.__name__}", str(signature))
        for kernel in kernels()
        for signature in kernel.signatures
    }


class CompilationClock(ModuleType):
    """Stands for the module `time`: each look is one step later, each compilation in between a `JUMP`."""

    def __init__(self) -> None:
        super().__init__("time")
        self._looks = 0
        self._kernels = kernels()

    def perf_counter_ns(self) -> int:
        self._looks += 1
        return self._looks + JUMP * sum(len(kernel.signatures) for kernel in self._kernels)

    def monotonic(self) -> float:
        return self._looks / 1e9
