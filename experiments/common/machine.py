"""What a measurement ran on, in one line."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from experiments.common.timing import usable_cores

_LIBRARIES = ("numpy", "numba", "stim", "pymatching")


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model, or its architecture where the system does not tell."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def description() -> str:
    """Processor, cores that may be used, system, versions."""
    cores = len(usable_cores())
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{processor()}, {cores} core{'s' if cores > 1 else ''}, {platform.system()}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def resident_bytes() -> int | None:
    """Resident memory of this process; None where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that programs can still get; None where the system does not tell."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
