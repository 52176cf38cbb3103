"""`qec info`: versions, processor, kernel cache and what the real-time loop can promise here."""

import argparse
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import decoders
from decoders.kernels.jit import cache_folder, interpreted
from experiments.common.machine import available_bytes, processor
from experiments.common.parser import project_version
from experiments.kernel_caches import other_versions, size_bytes
from realtime.placement import choose_cores

_LIBRARIES = ("stim", "sinter", "pymatching", "numpy", "numba", "scipy", "pyzmq", "matplotlib", "rich")
_OPTIONAL = {"dask": "sweeps on a cluster (extra: cluster)"}
_UNIT_BYTES = 1 << 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add no options: the command takes none."""
    parser.epilog = "example:\n  qec info"


def run(args: argparse.Namespace) -> int:
    """Print what a bug report should contain."""
    for title, lines in _sections():
        print(title)
        for name, value in lines:
            print(f"  {name:<14} {value}")
    return 0


def _sections() -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        ("versions", _versions()),
        ("machine", _machine()),
        ("compiled kernels", _cache()),
        ("real-time loop", _loop()),
        ("decoders", [("names", ", ".join(decoders.names()))]),
    ]


def _versions() -> list[tuple[str, str]]:
    lines = [("below-threshold", project_version()), ("Python", platform.python_version())]
    lines += [(name, version(name)) for name in _LIBRARIES]
    for name, purpose in _OPTIONAL.items():
        try:
            lines.append((name, version(name)))
        except PackageNotFoundError:
            lines.append((name, f"not installed; needed for {purpose}"))
    return lines


def _machine() -> list[tuple[str, str]]:
    memory = available_bytes()
    return [
        ("processor", processor()),
        ("system", f"{platform.system()} {platform.release()}, {platform.machine()}"),
        ("free memory", "not known" if memory is None else f"{memory / (1 << 30):.1f} GiB"),
        ("installed in", str(Path(__file__).resolve().parents[1])),
    ]


def _cache() -> list[tuple[str, str]]:
    if interpreted:
        return [("state", "NUMBA_DISABLE_JIT is set: kernels run as Python, about 100 times slower")]
    folder = cache_folder.parent
    current = len(list(cache_folder.rglob("*.nbi")))
    others = list(other_versions(cache_folder))
    lines = [
        ("folder", str(folder)),
        ("size", f"{size_bytes(cache_folder) / _UNIT_BYTES:.1f} MiB, {current} kernels of the decoders"),
    ]
    if others:
        size = sum(map(size_bytes, others)) / _UNIT_BYTES
        lines.append(
            ("old versions", f"{size:.1f} MiB in {len(others)} folders; to remove: qec warm --clean")
        )
    if not os.access(folder, os.W_OK):
        lines.append(("problem", "not writable, so every process compiles: set NUMBA_CACHE_DIR"))
    elif current == 0:
        lines.append(("note", "nothing compiled yet: the first use takes a minute (qec warm)"))
    return lines


def _loop() -> list[tuple[str, str]]:
    placement = choose_cores()
    return [
        ("usable cores", str(placement.usable)),
        ("latency", "measured latencies are those of the decoder" if placement.promise else "no promise"),
        ("note", placement.note),
    ]
