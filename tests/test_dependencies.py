"""Audit of the installed packages, without a network: bounds, declarations, licences, known bad versions.

It finds neither advisories that nobody added to known_bad_versions.toml nor packages that were tampered with.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("qec", "decoders", "realtime", "experiments")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
BAD = tomllib.loads((ROOT / "tests" / "known_bad_versions.toml").read_text())["bad"]
# Imported, and always installed with a declared package.
BROUGHT_BY = {"llvmlite": "numba", "tornado": "bokeh", "dask": "distributed"}
# Imported only to read an object of it that the caller made.
OF_THE_CALLER = {"rustworkx"}
# Words of permissive licences; a copyleft licence needs a decision, and a line here.
PERMISSIVE = (
    "apache",
    "bsd",
    "mit",
    "psf",
    "python software foundation",
    "hpnd",
    "mpl",
    "mozilla",
    "isc",
    "0bsd",
)
COPYLEFT = ("agpl", "affero", "sspl", "proprietary", "commercial")


def declared(*extras: str) -> list[Requirement]:
    """Requirements of the project and of some extras."""
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def brought(name: str, seen: set[str]) -> set[str]:
    """A package and all that it brings along here."""
    key = canonicalize_name(name)
    if key in seen or installed(key) is None:
        return seen
    seen.add(key)
    for line in metadata.requires(key) or []:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            brought(requirement.name, seen)
    return seen


@cache
def used() -> frozenset[str]:
    """Everything that is installed with the project and its extras for users."""
    found: set[str] = set()
    for requirement in declared("monitor", "tables", "cluster"):
        brought(requirement.name, found)
    return frozenset(found)


def test_installed_versions_lie_within_the_declared_bounds() -> None:
    outside = []
    for requirement in declared(*PROJECT["optional-dependencies"]):
        version = installed(requirement.name)
        if version is not None and not requirement.specifier.contains(version, prereleases=True):
            outside.append(f"{requirement} has version {version}")
    assert outside == []
    assert [r.name for r in declared() if installed(r.name) is None] == []


def test_every_dependency_has_a_lower_bound_or_a_reason_not_to() -> None:
    assert [r.name for r in declared() if not any(one.operator == ">=" for one in r.specifier)] == []


def imports() -> Iterator[tuple[str, str]]:
    """File and top-level module of every import of the packages."""
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                for name in names:
                    yield str(path.relative_to(ROOT)), name.partition(".")[0]


def test_only_declared_packages_are_imported() -> None:
    names = {canonicalize_name(r.name) for r in declared("monitor", "tables", "cluster")}
    distributions = {"zmq": "pyzmq", "PIL": "pillow", "markdown_it": "markdown-it-py"}
    strange = set()
    for path, module in imports():
        if module in sys.stdlib_module_names or module in PACKAGES:
            continue
        name = canonicalize_name(distributions.get(module, module))
        if name in BROUGHT_BY:
            assert name in brought(BROUGHT_BY[name], set()) or installed(BROUGHT_BY[name]) is None
            name = BROUGHT_BY[name]
        if name not in names and name not in OF_THE_CALLER:
            strange.add(f"{path} imports {module}, which pyproject.toml does not declare")
    assert strange == set()


def licence(name: str) -> str:
    """All that a package says about its licence, in small letters."""
    found = metadata.metadata(name)
    words = [found.get("License-Expression") or "", (found.get("License") or "")[:200]]
    words += [one for one in found.get_all("Classifier") or [] if one.startswith("License ::")]
    return " ".join(words).lower()


@pytest.mark.parametrize("name", sorted(used()))
def test_licences_are_permissive(name: str) -> None:
    words = licence(name)
    assert any(one in words for one in PERMISSIVE), f"{name}: {words or 'no licence'}"
    assert not any(one in words for one in COPYLEFT), f"{name}: {words}"


def bad_versions() -> list[str]:
    return [
        f"{one['package']} {version}: {one['reason']}"
        for one in BAD
        if (version := installed(one["package"])) and SpecifierSet(one["versions"]).contains(version)
    ]


def test_no_known_bad_version_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bad_versions() == []
    monkeypatch.setattr(
        sys.modules[__name__], "installed", lambda name: "6.4.1" if name == "tornado" else None
    )
    assert [line.split(":")[0] for line in bad_versions()] == ["tornado 6.4.1"]
