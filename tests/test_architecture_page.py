"""The architecture page names what exists: modules, functions, calls, imports between packages."""

import importlib
import inspect
import re
from types import ModuleType
from typing import Any

import pytest

from tests.support.documentation import ROOT, diagrams
from tests.test_architecture import PACKAGES, imports_of, source_files

_PAGE = (ROOT / "docs" / "pages" / "architecture.md").read_text(encoding="utf-8")
_MODULES = source_files(ROOT)
_NAME = re.compile(rf"(?<![\w/.-])(?:{'|'.join(PACKAGES)})(?:\.\w+)+")


def names_in(text: str) -> list[str]:
    """Dotted names of our packages, each once; files, such as link targets, are no names."""
    found = _NAME.findall(re.sub(r"\]\([^)]*\)", "]", text))
    return [name for name in dict.fromkeys(found) if not name.endswith((".md", ".py", ".toml"))]


def resolve(name: str) -> tuple[ModuleType, Any]:
    """The module of a dotted name and what the name stands for; AttributeError if there is no such thing."""
    parts = name.split(".")
    lengths = (length for length in range(len(parts), 0, -1) if ".".join(parts[:length]) in _MODULES)
    module_name, attributes = ".".join(parts[: (length := next(lengths))]), parts[length:]
    module = importlib.import_module(module_name)
    value: Any = module
    for attribute in attributes:
        fields = getattr(value, "__dataclass_fields__", {})
        value = fields[attribute] if attribute in fields else getattr(value, attribute)
    return module, value


@pytest.mark.parametrize("name", names_in(_PAGE))
def test_every_name_exists(name: str) -> None:
    resolve(name)


def test_the_page_names_the_four_ways_through_the_packages() -> None:
    """Guards against a page, or a pattern, in which nothing is found."""
    assert {name.split(".")[0] for name in names_in(_PAGE)} == set(PACKAGES)
    for heading in ("shot", "frame", "sweep point", "figure"):
        section = _PAGE.partition(f"## One {heading}\n")[2].partition("\n## ")[0]
        assert len(names_in(section)) >= 8, heading


@pytest.mark.parametrize("name", ["decoders.nothing", "qec.memory.nothing", "decoders.base.Decoder.nothing"])
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    assert names_in(f"The module `{name}`, [a page](qec.md).") == [name]
    with pytest.raises(AttributeError):
        resolve(name)


def test_callers_use_what_arrows_labelled_calls_lead_to() -> None:
    calls = [
        (chart.nodes[start][-1], chart.nodes[end][0])
        for chart in diagrams().flowcharts(_PAGE)
        for start, end, label in chart.arrows
        if label == "calls" or label.startswith("calls, ")
    ]
    assert len(calls) >= 7
    for caller, called in calls:
        module, _ = resolve(caller)
        assert re.search(rf"\b{called.rpartition('.')[2]}\b", inspect.getsource(module)), (caller, called)


def test_the_first_diagram_equals_the_imports_between_packages() -> None:
    chart = diagrams().flowcharts(_PAGE)[0]
    files = source_files(ROOT)
    imports = {
        (module.split(".")[0], target.split(".")[0])
        for module, path in files.items()
        if module != "qec.__main__"  # `python -m qec` is the command
        for target in imports_of(module, path, files)
    }
    drawn = {(start, end) for start, end, _ in chart.arrows}
    assert drawn == {(one, other) for one, other in imports if one != other and other in PACKAGES}
