"""The page for users of PyMatching: its code runs with PyMatching's import too, and no method is missing."""

import pymatching

from decoders.pymatching import Matching
from tests.support.documentation import ROOT, blocks

_PAGE = (ROOT / "docs" / "pages" / "pymatching.md").read_text(encoding="utf-8")
_IMPORT = "# from pymatching import Matching\nfrom decoders.pymatching import Matching\n"


def test_code_runs_with_the_import_of_pymatching() -> None:
    """With ours it runs in test_docs_code.py."""
    code = "\n".join(block for block in blocks(_PAGE, "python") if "edge_probabilities" not in block)
    assert code.startswith(_IMPORT)
    namespace: dict[str, object] = {}
    exec(
        compile(code.replace(_IMPORT, "from pymatching import Matching\n"), "pymatching.md", "exec"),
        namespace,
    )
    assert namespace["Matching"] is pymatching.Matching


def test_every_method_of_pymatching_is_there() -> None:
    names = {name for name in dir(pymatching.Matching) if not name.startswith("_")}
    assert names <= set(dir(Matching))
    for name in names:
        assert getattr(Matching, name).__doc__, name
