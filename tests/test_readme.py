"""What the README shows must be so: its Python runs, its output is the demo's, CI runs its test command."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import decoders
from experiments import cli

_ROOT = Path(__file__).resolve().parents[1]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", _README, re.MULTILINE | re.DOTALL)


def test_python_blocks_run(tmp_path: Path) -> None:
    found = blocks("python")
    assert found
    for block in found:
        done = subprocess.run(
            [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("Estimate(value=0.00")


def test_two_one_line_commands_stand_on_the_first_screen() -> None:
    install, tests = (block.strip() for block in blocks("sh")[:2])
    assert install == "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/qec demo"
    assert tests == "python3 -m venv .venv && .venv/bin/pip install '.[test]' && .venv/bin/python -m pytest"
    assert _README.index(tests) < len("\n".join(_README.split("\n")[:24]))


def test_ci_takes_its_test_command_from_the_readme() -> None:
    """The extraction that .ci/run makes, made here: one command, the one shown."""
    script = (_ROOT / ".ci" / "run").read_text()
    (line,) = [line for line in script.splitlines() if line.startswith("command=$(sed ")]
    found = subprocess.run(
        ["bash", "-c", f'{line}\nprintf "%s\\n" "$command"'],
        env={"root": str(_ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines() == [blocks("sh")[1].strip()]
    assert 'bash -euo pipefail -c "$command"' in script
    assert (_ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_shown_output_has_the_form_of_the_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = blocks("text")
    arguments = ["demo", "--shots", "500", "--out", str(tmp_path / "f.png")]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out

    def form(text: str) -> list[str]:
        # Numbers vary with the shots, widths with the numbers, the path with the folder.
        text = re.sub(r"\S*\.png", "PNG", text)
        return [re.sub(r"\s+", " ", re.sub(r"\d[\d.e+-]*", "0", line)).strip() for line in text.split("\n")]

    assert form(shown) == form(printed)


def test_every_command_and_decoder_is_listed() -> None:
    for command in cli.COMMANDS:
        assert f"`qec {command}" in _README
    for name in decoders.names():
        assert f"| `{name}` |" in _README


def test_links_lead_somewhere() -> None:
    pages = [*sorted(_ROOT.glob("*.md")), *sorted((_ROOT / "docs").rglob("*.md"))]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if not target.startswith("https://"):
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
