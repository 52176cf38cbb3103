"""Copy a finished report into the documentation: `python -m experiments.reproduce.publish FOLDER [NAME ...]`.

Text, numbers and figures (in few colours, to be small) go to `docs/pages/reproduced/`, in place of what was
there; the HTML file and the records stay where they are. With names of figures, only their sections are
replaced, or added at the end; each then says what run it is from.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.common.json_file import write_json
from experiments.reproduce.engine.figure import FULL
from experiments.reproduce.registry import FIGURES, figure_by_name
from qec.files import write_file

_TARGET = Path(__file__).resolve().parents[2] / "docs" / "pages" / "reproduced"
_LARGEST = 1_000_000
_TEXTS = ("report.md", "results.json")
_OF_A_RUN = ("made on", "date", "this project", "all jobs took")


def publish(folder: Path, target: Path = _TARGET) -> int:
    """Copy a report; returns the bytes that it takes.

    Raises:
        ValueError: not a whole report of all figures, no documentation to put it into, or too large for it.
        FileNotFoundError: there is no report.
    """
    if not target.parent.is_dir():
        raise ValueError(f"{target.parent} is missing: run this in a checkout of the project")
    results = _results(folder)
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


def publish_sections(folder: Path, names: Sequence[str], target: Path = _TARGET) -> int:
    """Replace single sections of the published report, or add them at its end.

    Args:
        folder: a report that has these figures.
        names: of figures.
        target: the published report.

    Returns:
        The bytes that the published report takes.

    Raises:
        ValueError: a figure that is unknown or not in the report, a quick run, or too large a result.
        FileNotFoundError: one of the reports is not there.
    """
    from experiments.plotting.frame import shrink

    results, published = _results(folder), _published(target)
    page = (target / "report.md").read_text(encoding="utf-8")
    given = (folder / "report.md").read_text(encoding="utf-8")
    facts = "; ".join(f"{name}: {results['run'][name]}" for name in _OF_A_RUN if name in results["run"])
    for name in names:
        title = figure_by_name(name).TITLE
        if name not in results["figures"]:
            raise ValueError(f"{folder} has no {name}: finish it with qec reproduce {name}")
        chapters = _chapters(given)
        lines = chapters[title].split("\n")
        # After the heading and the command.
        chapter = "\n".join([*lines[:3], "", f"A run of its own: {facts}.", *lines[3:]])
        page = "\n## ".join([_head(page), *({**_chapters(page), title: chapter}).values()]).rstrip() + "\n"
        published["figures"][name] = results["figures"][name] | {"run": results["run"]}
        for picture in sorted((folder / "figures").glob("*.png")):
            if f"(figures/{picture.name})" in chapter:
                shrink(picture, target / "figures" / picture.name)
    write_file(target / "report.md", page)
    write_json(target / "results.json", published)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    if size > _LARGEST:
        raise ValueError(f"the report now takes {size:,} bytes: more than {_LARGEST:,} do not belong there")
    return size


def _head(markdown: str) -> str:
    return markdown.split("\n## ")[0]


def _chapters(markdown: str) -> dict[str, str]:
    """Title -> text of each section, its title included, without the mark of a heading."""
    return {text.split("\n", 1)[0]: text for text in markdown.split("\n## ")[1:]}


def _results(folder: Path) -> dict[str, Any]:
    """Read the numbers of a report that is fit for the documentation."""
    results = _published(folder)
    if results["run"]["settings"] != FULL:
        raise ValueError(f"{folder} was made with --quick: its intervals are too wide for the documentation")
    return results


def _published(folder: Path) -> dict[str, Any]:
    for name in _TEXTS:
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: give a folder that qec reproduce wrote")
    found: dict[str, Any] = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    return found


def main(arguments: list[str]) -> int:
    """Run the command line."""
    if not arguments:
        print("usage: python -m experiments.reproduce.publish FOLDER [NAME ...]", file=sys.stderr)
        return 2
    folder, names = Path(arguments[0]), arguments[1:]
    try:
        size = publish_sections(folder, names) if names else publish(folder)
    except (ValueError, FileNotFoundError) as error:
        print(f"publish: {error}", file=sys.stderr)
        return 2
    print(f"{_TARGET}: {size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
