"""The page for users of PyMatching: its code runs, with our import and with PyMatching's."""

import pymatching
import pytest

import decoders.pymatching
from tests.support.documentation import ROOT, blocks

_PAGE = (ROOT / "docs" / "pages" / "pymatching.md").read_text(encoding="utf-8")
_IMPORT = "# from pymatching import Matching\nfrom decoders.pymatching import Matching\n"


@pytest.mark.parametrize("library", [decoders.pymatching, pymatching])
def test_code_runs_with_either_import(library: object) -> None:
    first, *others = blocks(_PAGE, "python")
    assert others
    assert first.startswith(_IMPORT)
    namespace: dict[str, object] = {}
    for block in (first.replace(_IMPORT, f"from {library.__name__} import Matching\n"), *others):  # type: ignore[attr-defined]
        exec(compile(block, "pymatching.md", "exec"), namespace)
    assert namespace["Matching"] is library.Matching  # type: ignore[attr-defined]


def test_the_page_is_in_the_navigation() -> None:
    assert "pymatching.md" in (ROOT / "docs" / "mkdocs.yml").read_text(encoding="utf-8")
    assert "docs/pages/pymatching.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_method_of_pymatching_is_there() -> None:
    names = {name for name in dir(pymatching.Matching) if not name.startswith("_")}
    assert names <= set(dir(decoders.pymatching.Matching))
    for name in names:
        assert getattr(decoders.pymatching.Matching, name).__doc__, name
