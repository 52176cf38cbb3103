"""Locate the files of `data/`: next to the packages in a checkout, inside `qec` in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_path(relative: str = "") -> Path:
    """Return the path of a file or folder that ships with the project.

    Args:
        relative: path below `data/`, for example `"samples"`.

    Raises:
        FileNotFoundError: no such file; the message names the folder that was searched.
    """
    installed = _PACKAGE / "_data"
    root = installed if installed.is_dir() else _PACKAGE.parent / "data"
    path = root / relative
    if not path.exists():
        raise FileNotFoundError(f"no {relative!r} among the project's data files in {root}")
    return path
