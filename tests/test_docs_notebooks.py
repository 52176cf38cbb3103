"""Notebooks of the documentation: their pages are their conversion. The code of pages is run elsewhere."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests.support.documentation import ROOT

_SPEC = importlib.util.spec_from_file_location("docs_notebooks", ROOT / "docs" / "notebooks.py")
assert _SPEC is not None
assert _SPEC.loader is not None
notebooks = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(notebooks)


def test_there_are_notebooks() -> None:
    assert len(list(notebooks.FOLDER.glob("*.ipynb"))) >= 2


@pytest.mark.parametrize("path", sorted(notebooks.FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_pages_are_those_of_the_notebooks(path: Path) -> None:
    """Otherwise run `python docs/notebooks.py`."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    page, pictures = notebooks.page_of(notebook, path.stem)
    assert page == path.with_suffix(".md").read_text(encoding="utf-8")
    assert pictures
    for name, content in pictures.items():
        assert (notebooks.FOLDER / name).read_bytes() == content
    assert path.stat().st_size < 100_000
    counts = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_cells_are_run_and_their_outputs_kept() -> None:
    source = ["import matplotlib.pyplot as plt\n", "print(6 * 7)\n", "_ = plt.figure().gca().set_title('t')"]
    notebook = {
        "cells": [{"cell_type": "code", "source": source}, {"cell_type": "markdown", "source": ["*b*"]}]
    }
    notebooks.run_cells(notebook)
    page, pictures = notebooks.page_of(notebook, "name")
    assert "```text\n42\n```\n\n![t](name_1.png)\n\n*b*" in page
    assert pictures["name_1.png"].startswith(b"\x89PNG")
