"""Code blocks of the documentation run."""

import re
from pathlib import Path

import pytest

from tests.support.documentation import ROOT, blocks

PAGES = [page for page in sorted((ROOT / "docs/pages").glob("*.md")) if blocks(page.read_text(), "python")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_python_blocks_of_a_page_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """In order, in one namespace, as a reader would run them."""
    code = "\n".join(blocks(page.read_text(), "python"))
    for name in set(re.findall(r"surface_code_bX_d\d_r\d+_center_\d_\d", code)):  # recorded experiments
        (tmp_path / name).symlink_to(request.getfixturevalue("hardware_data") / name)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page.name, "exec"), {"__name__": page.stem})
