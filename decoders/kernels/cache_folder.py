"""Folder of compiled kernels: the user's cache folder, or a private one where that cannot be written.

Packages that do not import each other each have a copy of this file; a test compares them.
"""

import atexit
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from numba.core import config as numba_config

_config: Any = numba_config  # its attributes come from the environment at run time
# Set for child processes, so that they share the private folder, and for the other copy of this file.
_PRIVATE = "BELOW_THRESHOLD_PRIVATE_CACHE"


def kernel_folder(name: str) -> Path:
    """Make the folder for the machine code of one version of some kernels.

    The folder lies in that of numba (NUMBA_CACHE_DIR) if set, else in the user's cache folder. Where that
    cannot be written, a warning is given once and a new folder that nobody else can write to is used, because
    numba unpickles its files. It starts with what the other folder holds and is removed when the process
    ends.

    Args:
        name: has a digest of all that the machine code depends on.

    Returns:
        A folder that can be written; its modification time is that of the last use.
    """
    private = os.environ.get(_PRIVATE)
    if private is not None and _is_ready(folder := Path(private) / name):
        return folder
    wanted = _wanted_folder() / name
    if _is_ready(wanted):
        return wanted
    root = Path(tempfile.mkdtemp(prefix="below-threshold-"))
    atexit.register(_remove, root, os.getpid())
    os.environ[_PRIVATE] = str(root)
    warnings.warn(
        f"compiled kernels cannot be kept in {wanted.parent}: every start compiles them again, for a minute; "
        "set NUMBA_CACHE_DIR to a folder that can be written",
        RuntimeWarning,
        stacklevel=2,
    )
    folder = root / name
    if wanted.is_dir():
        shutil.copytree(wanted, folder)
    folder.mkdir(exist_ok=True)
    return folder


def _wanted_folder() -> Path:
    chosen = _config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(chosen or Path.home() / ".cache") / "below-threshold"
    except RuntimeError:  # no home folder
        return Path(os.devnull) / "below-threshold"


def _is_ready(folder: Path) -> bool:
    """Make a folder; test whether files can be made in it, as numba does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        os.utime(folder)
    except OSError:
        return False
    return True


def _remove(root: Path, process: int) -> None:
    if os.getpid() == process:  # not in a fork
        shutil.rmtree(root, ignore_errors=True)
