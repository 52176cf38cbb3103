"""Access to the documentation for tests."""

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "pages"
#: Pages that people write; `reproduced/` is output of `qec reproduce`.
WRITTEN = tuple(page for page in sorted(PAGES.rglob("*.md")) if PAGES / "reproduced" not in page.parents)


@cache
def diagrams() -> ModuleType:
    """Import the hook of the documentation tool, which is part of no package."""
    spec = importlib.util.spec_from_file_location("docs_diagrams", ROOT / "docs" / "diagrams.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def blocks(page: str, language: str) -> list[str]:
    """Contents of a page's fenced blocks in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def without_blocks(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)


def command_lines(page: str) -> list[str]:
    """Lines of a page's `sh` blocks, each once; a line that ends in a backslash continues."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    return list(dict.fromkeys(line for line in lines if line))
