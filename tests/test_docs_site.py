"""The documentation site: navigation, no warnings, nothing loaded from other servers, plain words."""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.documentation import PAGES, ROOT, WRITTEN, without_blocks

_SETTINGS = (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
_SUBPACKAGES = ("codes", "noise", "statistics", "datasets", "priors", "sampling", "families")
_TOOLS = ("mkdocs", "material", "mkdocstrings_handlers.python")
# Packages whose public names the API reference describes.
_PUBLIC = (
    "decoders",
    "experiments.drawing",
    "experiments.engine",
    "qec",
    *(f"qec.{name}" for name in _SUBPACKAGES),
)
# Read as translations; plain English has another word for each.
_AVOIDED = (
    "anew",
    "so many",
    "whatever",
    "of one's own",
    "in turns",
    "goes on",
    "by heart",
    "what is left",
    "mend",
    "mends",
    "tells",
    "stands",
)


class _Loads(HTMLParser):
    """Addresses that a browser loads with a page: scripts, styles, pictures; not links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "link"):
            self.found += [value for key in ("src", "href") if (value := values.get(key))]


def _installed(module: str) -> bool:
    package = module.partition(".")[0]
    return importlib.util.find_spec(package) is not None and importlib.util.find_spec(module) is not None


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = _SETTINGS.partition("\nnav:\n")[2]
    listed = re.findall(r"- (?:.+: )?([\w/]+\.md)$", navigation, re.MULTILINE)
    assert sorted(listed) == sorted(page.relative_to(PAGES).as_posix() for page in PAGES.rglob("*.md"))


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(PAGES)))
def test_pages_use_words_of_the_field(page: Path) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"`[^`]+`", "", without_blocks(page.read_text(encoding="utf-8"))))
    assert [word for word in _AVOIDED if re.search(rf"\b{word}\b", text, re.IGNORECASE)] == []


@pytest.mark.skipif(not all(map(_installed, _TOOLS)), reason="needs pip install '.[docs]'")
def test_the_site_builds_without_warnings_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", "docs/mkdocs.yml"]
    command += ["-d", str(tmp_path)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    built = {path.relative_to(tmp_path).as_posix(): path.read_text() for path in tmp_path.rglob("*.html")}
    assert len(built) > len(WRITTEN)
    for name, page in built.items():
        assert [address for address in _Loads(page).found if re.match(r"(https?:)?//", address)] == [], name
    assert "<svg" in built["architecture.html"]
    identifiers = {
        identifier.rpartition(".")[2]
        for name, page in built.items()
        if name.startswith("api/")
        for identifier in re.findall(r'id="([\w.]+)"', page)
    }
    for package in map(importlib.import_module, _PUBLIC):
        names = (name for name in package.__all__ if not isinstance(getattr(package, name), ModuleType))
        assert set(names) <= identifiers, package.__name__


def test_loads_of_a_page_are_found() -> None:
    page = '<script src="https://one/a.js"></script><link href=b.css><a href="https://two">two</a>'
    assert _Loads(page).found == ["https://one/a.js", "b.css"]
