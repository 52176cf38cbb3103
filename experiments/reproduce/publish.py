"""Takes a finished report into the documentation: `python -m experiments.reproduce.publish FOLDER`.

Text, numbers and figures (in few colours, to be small) go to `docs/pages/reproduced/`, in place of what was
there; the HTML file and the records stay where they are.
"""

import json
import shutil
import sys
from pathlib import Path

from experiments.reproduce.engine.figure import FULL
from experiments.reproduce.registry import FIGURES

_TARGET = Path(__file__).resolve().parents[2] / "docs" / "pages" / "reproduced"
_LARGEST = 1_000_000
_TEXTS = ("report.md", "results.json")


def publish(folder: Path, target: Path = _TARGET) -> int:
    """Copy a report; returns the bytes that it takes.

    Raises:
        ValueError: not a whole report of all figures, no documentation to put it into, or too large for it.
        FileNotFoundError: there is no report.
    """
    if not target.parent.is_dir():
        raise ValueError(f"{target.parent} is missing: run this in a checkout of the project")
    for name in _TEXTS:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: give a folder that qec reproduce wrote")
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    if results["run"]["settings"] != FULL:
        raise ValueError(f"{folder} was made with --quick: its intervals are too wide for the documentation")
    missing = [name for name in FIGURES if name not in results["figures"]]
    if missing:
        raise ValueError(f"{folder} has no {', '.join(missing)}: finish it with qec reproduce all")
    from experiments.plotting.frame import shrink

    part = target.with_name(target.name + ".partial")
    shutil.rmtree(part, ignore_errors=True)
    (part / "figures").mkdir(parents=True)
    for name in _TEXTS:
        shutil.copyfile(folder / name, part / name)
    for picture in sorted((folder / "figures").glob("*.png")):
        shrink(picture, part / "figures" / picture.name)
    size = sum(file.stat().st_size for file in part.rglob("*") if file.is_file())
    if size > _LARGEST:
        shutil.rmtree(part)
        raise ValueError(f"the report takes {size:,} bytes: more than {_LARGEST:,} do not belong there")
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)
    return size


def main(arguments: list[str]) -> int:
    """The command."""
    if len(arguments) != 1:
        print("usage: python -m experiments.reproduce.publish FOLDER", file=sys.stderr)
        return 2
    try:
        size = publish(Path(arguments[0]))
    except (ValueError, FileNotFoundError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 2
    print(f"{_TARGET}: {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
