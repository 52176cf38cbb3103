"""CONTRIBUTING.md, CHANGELOG.md, CITATION.cff and the commit hooks agree with the tree and with CI."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import decoders
from experiments import cli
from tests.support.documentation import ROOT, blocks, command_lines

_CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
_CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
_CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_CHECKS = re.findall(r"^ *check (\.venv/bin/.+)$", _CI, re.MULTILINE)
_SPEED, *_LINTERS, _SITE = _CHECKS
_COMMANDS = command_lines(_CONTRIBUTING)


def test_the_guide_shows_the_linters_of_ci() -> None:
    assert [re.findall(r"ruff check|ruff format|mypy", command) != [] for command in _LINTERS] == [True] * 3
    assert [command for command in _COMMANDS if command in _LINTERS] == _LINTERS


def test_ci_builds_the_site_by_the_command_of_the_guide() -> None:
    assert _SPEED == ".venv/bin/python -m qec bench check --short"
    assert _SITE == ".venv/bin/mkdocs build --strict -f docs/mkdocs.yml"
    assert "pip install --quiet '.[docs]'; then\n    check" in _CI  # where its tools can be installed
    assert _SITE in _COMMANDS


def test_python_of_the_guide_runs(tmp_path: Path) -> None:
    found = blocks(_CONTRIBUTING, "python")
    assert len(found) == 1
    for block in found:
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_paths_of_the_guide_exist() -> None:
    named = re.findall(r"`((?:qec|decoders|realtime|experiments|tests|docs|data)/[\w./]+)`", _CONTRIBUTING)
    assert len(named) > 20
    missing = [name for name in named if not (ROOT / name).exists() and "NAME" not in name]
    assert missing == []


def test_commit_hooks_run_the_commands_of_ci() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"^ +entry: (.+)$", text, re.MULTILINE) == _LINTERS
    assert re.findall(r"^ +- repo: (.+)$", text, re.MULTILINE) == ["local"]
    for setting in ("language: system", "pass_filenames: false", "always_run: true"):
        assert text.count(setting) == len(_LINTERS)


def test_the_changelog_invents_no_release() -> None:
    headings = re.findall(r"^## (.+)$", _CHANGELOG, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        found = re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}", heading)
        assert found is not None, heading
        assert tuple(map(int, found[1].split("."))) <= tuple(map(int, _PROJECT["version"].split(".")))
    kinds = re.findall(r"^### (.+)$", _CHANGELOG, re.MULTILINE)
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_names_commands_and_decoders_that_exist() -> None:
    commands = set(re.findall(r"`qec ([a-z]+)", _CHANGELOG))
    assert len(commands) > 10
    assert commands <= set(cli.COMMANDS)
    assert set(decoders.names()) <= set(re.findall(r"`([a-z-]+)`", _CHANGELOG))


def test_the_citation_agrees_with_the_package() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(": ", 1) for line in lines if re.match(r"[a-z-]+: ", line))
    assert fields["cff-version"] == "1.2.0"
    assert fields["version"] == _PROJECT["version"]
    assert fields["license"] == _PROJECT["license"] == "Apache-2.0"
    assert {"message", "title"} <= fields.keys()
    assert "authors:" in lines


def test_the_licence_is_the_whole_text() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.split()[:4] == ["Apache", "License", "Version", "2.0,"]
    assert "END OF TERMS AND CONDITIONS" in text
    assert [f"{number}." in text for number in range(1, 10)] == [True] * 9
    assert _PROJECT["license-files"] == ["LICENSE"]
