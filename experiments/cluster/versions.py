"""Versions that decide results, compared between client and workers."""

import hashlib
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = ("stim", "sinter", "numba", "numpy", "pymatching")
_OWN = ("qec", "decoders", "experiments")


class VersionsDifferError(ValueError):
    """A worker has other versions than the client."""


@cache
def versions() -> dict[str, str]:
    """Collect the versions of this process: Python, libraries, and this project with a hash of its files."""
    root = Path(__file__).resolve().parents[2]
    files = hashlib.sha256()
    for package in _OWN:
        for path in sorted((root / package).rglob("*.py")):
            files.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return {
        "qec": f"{_version('below-threshold')} (files {files.hexdigest()[:8]})",
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: _version(name) for name in _LIBRARIES},
    }


def check_versions(expected: dict[str, str]) -> None:
    """Compare the versions of this process with those of the client.

    Raises:
        VersionsDifferError: one differs; the message names it.
    """
    for name, wanted in expected.items():
        if (found := versions().get(name)) != wanted:
            raise VersionsDifferError(
                f"worker on {platform.node()} has {name} {found}, this machine {wanted}: install the same "
                "version on both"
            )


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(not installed)"
