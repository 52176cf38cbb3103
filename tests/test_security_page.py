"""The security page: each line that excludes something names a test, and each named test exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "pages" / "security.md"
PACKAGES = ("qec", "decoders", "realtime", "experiments")


def lines() -> list[tuple[str, str]]:
    """Line and test of all tables whose second column is one of tests."""
    found, inside = [], False
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[-1] == "test":
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|-"):
            found.append((cells[0], cells[-1]))
    return found


LINES = lines()


def test_the_page_has_lines() -> None:
    assert len(LINES) > 20


@pytest.mark.parametrize(("line", "test"), LINES, ids=[line[:40] for line, _ in LINES])
def test_every_line_has_a_test(line: str, test: str) -> None:
    if not test:
        assert line.startswith("can "), f"'{line}' excludes something without a test"
        return
    named = re.fullmatch(r"`([\w/]+\.py)::(test_\w+)`", test)
    assert named, test
    tree = ast.parse((ROOT / "tests" / named[1]).read_text())
    assert named[2] in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def dangers(source: str) -> list[str]:
    """Imports and calls that run or unpickle data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [
                name
                for name in names
                if name.partition(".")[0] in ("pickle", "marshal", "shelve", "yaml", "dill")
            ]
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                found.append(node.func.id)
            for keyword in node.keywords:
                if (
                    keyword.arg in ("allow_pickle", "shell")
                    and getattr(keyword.value, "value", True) is not False
                ):
                    found.append(f"{keyword.arg}=")
    return found


def test_nothing_that_is_read_is_run() -> None:
    assert dangers("import pickle\nnp.load(x, allow_pickle=True)\neval(y)") == [
        "pickle",
        "allow_pickle=",
        "eval",
    ]
    found = {
        str(path.relative_to(ROOT)): dangers(path.read_text())
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    # A live screen reads what its own parent process writes into its standard input, and nothing else.
    assert {path: what for path, what in found.items() if what} == {"experiments/monitor/live.py": ["pickle"]}
