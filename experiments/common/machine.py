"""Description of the machine, and memory of this process."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

from experiments.common.timing import usable_cores

_LIBRARIES = ("numpy", "numba", "stim", "pymatching")


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Read the processor's model, or its architecture where the model is unknown."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def exact_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Add family and model to `processor`: names such as "Intel(R) Xeon(R) Processor" hide the generation."""
    name = processor(cpuinfo)
    try:
        lines = [line.partition(":") for line in cpuinfo.read_text(errors="replace").splitlines()]
    except OSError:
        lines = []
    numbers: dict[str, str] = {}
    for key, _, value in lines:
        numbers.setdefault(key.strip(), value.strip())
    known = [f"{key.split()[-1]} {numbers[key]}" for key in ("cpu family", "model") if key in numbers]
    return f"{name} ({', '.join(known)})" if known else name


def description() -> str:
    """Describe processor, usable cores, system and versions in one line."""
    cores = len(usable_cores())
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"{processor()}, {cores} core{'s' if cores > 1 else ''}, {platform.system()}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def resident_bytes() -> int | None:
    """Read the resident memory of this process; None where it is unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def available_bytes(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Read the available memory; None where it is unknown."""
    try:
        lines = meminfo.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return None
