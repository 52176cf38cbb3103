"""Command lines of the documentation: programs, options, extras and files exist. None of them is run."""

import re
from pathlib import Path

import pytest

from experiments import cli
from experiments.common.parser import UsageError
from tests.support.command_lines import check_line, options_of, qec_parser, simple_commands
from tests.support.documentation import ROOT, WRITTEN, command_lines, without_blocks

_PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *WRITTEN)
_TEXTS = [page.read_text(encoding="utf-8") for page in _PAGES]
_LINES = dict.fromkeys(line for text in _TEXTS for line in command_lines(text))
# Inline code that begins with a command: `qec sweep --merge`.
_MENTIONS = dict.fromkeys(
    mention for text in _TEXTS for mention in re.findall(r"`(qec [a-z][^`]*)`", without_blocks(text))
)


@pytest.mark.parametrize("line", _LINES)
def test_command_lines_are_accepted(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    check_line(line)


@pytest.mark.parametrize("mention", _MENTIONS)
def test_commands_and_options_in_the_text_exist(mention: str) -> None:
    command, *rest = mention.split()[1:]
    if command == "decode:":  # the beginning of a message, `qec decode: preparing ...`
        return
    assert command in cli.COMMANDS
    options = {re.sub(r"\W+$", "", word) for word in rest if word.startswith("--")}
    assert options <= options_of(qec_parser(command)) | {"--help"}


def test_every_command_has_a_section() -> None:
    page = (ROOT / "docs/pages/commands.md").read_text(encoding="utf-8")
    headings = " ".join(re.findall(r"^## (.+)$", page, re.MULTILINE))
    assert set(re.findall(r"qec (\w+)", headings)) == set(cli.COMMANDS)


def test_no_commands_are_hidden_in_indented_blocks() -> None:
    """Only fenced blocks are checked."""
    for text in _TEXTS:
        indented = r"^ {4}(?:qec|python|pip|stim|sinter) .+$"
        assert re.findall(indented, without_blocks(text), re.MULTILINE) == []


@pytest.mark.parametrize(
    "line",
    [
        "qec plot a.csv --nothing 3",
        "qec learn FOLDERS/*",  # two paths, where one is taken
        "mkdir -p figures && qec sweep --max_shots many",
        "stim detect --nothing",
        "sinter collect --nothing",
        "qec nothing",
        "nothing --help",
        ".venv/bin/pip install '.[nothing]'",
        "python3 -m pytest tests/test_nothing.py",
        "python3 -m pytest -m nothing",
    ],
)
def test_lines_that_would_fail_are_found(line: str) -> None:
    with pytest.raises((AssertionError, UsageError)):
        check_line(line)


def test_a_line_is_split_as_a_shell_does() -> None:
    assert simple_commands("NAME=1 qec plot 'a b.csv' *.csv > out | qec demo  # comment") == [
        ["qec", "plot", "a b.csv", "1.csv", "2.csv"],
        ["out"],
        ["qec", "demo"],
    ]
