"""Cache folders of compiled kernels: those of this version, and those that other versions left."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from experiments.engine.kernels import jit as engine
from qec.sampling.kernels import jit as sampling
from realtime.kernels import jit as realtime
from realtime.programs.kernels import jit as programs

_DIGEST = re.compile(r"(qec-|realtime-|programs-|engine-)?[0-9a-f]{16}")
_DAY = 86_400.0
#: A folder of another version that was used within this time may be in use.
UNUSED_DAYS = 7


def other_versions(current: Path) -> Iterator[Path]:
    """Find the cache folders next to `current` that belong to other versions.

    Args:
        current: cache folder of the decoders of this version.

    Yields:
        Folders that hold machine code of other versions of this project, of numba, or of other flags.
    """
    others = (sampling, realtime, programs, engine)
    mine = {current, *(module.cache_folder for module in others)}
    for folder in sorted(current.parent.iterdir()):
        if _DIGEST.fullmatch(folder.name) and folder not in mine and not folder.is_symlink():
            yield folder


def size_bytes(folder: Path) -> int:
    """Add up the sizes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def remove_unused(current: Path) -> tuple[list[Path], list[Path]]:
    """Remove the folders of other versions that no process has used for a week.

    Every process that loads kernels sets the modification time of their folder when it starts.

    Args:
        current: as `other_versions`.

    Returns:
        The folders removed, and those of other versions that were used within a week.
    """
    removed, kept = [], []
    for folder in other_versions(current):
        if time.time() - folder.stat().st_mtime > UNUSED_DAYS * _DAY:
            shutil.rmtree(folder, ignore_errors=True)
            removed.append(folder)
        else:
            kept.append(folder)
    return removed, kept
