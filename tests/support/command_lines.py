"""Command lines of the documentation, checked without running them."""

import argparse
import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Sequence

from experiments import cli
from experiments.common.parser import Parser
from tests.support.documentation import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
_MARKERS = {marker.partition(":")[0] for marker in PROJECT["tool"]["pytest"]["ini_options"]["markers"]}
_SHELL = {"mkdir", "cp", "export"}
# Programs of other projects: Python code that prints the help of their command {0}.
_HELP = {
    "stim": "import stim; stim.main(command_line_args=['help', {0!r}])",
    "dask": "import sys; sys.argv = ['dask', {0!r}, '--help']; from dask.__main__ import main; main()",
    "sinter": "from sinter._command._main import main; main(command_line_args=[{0!r}, '--help'])",
}


def simple_commands(line: str) -> list[list[str]]:
    """Split a line at `&&`, `|`, `;` and redirections into the words of its commands.

    Comments and variables set for a command are dropped. A word with `*` is replaced by two names, as by
    a shell where two files match.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if set(word) <= set("&|;<>"):
            commands.append([])
        elif commands[-1] or not re.match(r"[A-Z_]+=", word):
            commands[-1] += [word.replace("*", "1"), word.replace("*", "2")] if "*" in word else [word]
    return [words for words in commands if words]


def qec_parser(command: str) -> argparse.ArgumentParser:
    """Parser of a `qec` command.

    Raises:
        KeyError: there is no such command.
    """
    module = importlib.import_module(cli.COMMANDS[command][0])
    parser = Parser(prog=f"qec {command}", allow_abbrev=False)
    module.add_arguments(parser)
    return parser


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """All flags of a parser and of the parsers of its subcommands."""
    found: set[str] = set()
    for action in parser._actions:
        found.update(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            found.update(*(options_of(each) for each in action.choices.values()))
    return found


def check_line(line: str) -> None:
    """Check a line: programs, options, extras, tests and files exist.

    Raises:
        AssertionError: something does not exist; the message has its name.
        UsageError: options that a `qec` command refuses.
    """
    for words in simple_commands(line):
        _check_command(words)


def _check_command(words: Sequence[str]) -> None:
    if words[0] == "srun":
        first = next(number for number, word in enumerate(words) if number and not word.startswith("-"))
        words = words[first:]
    program, rest = words[0].removeprefix(".venv/bin/"), list(words[1:])
    if program == "qec":
        assert rest[0] in cli.COMMANDS, rest[0]
        qec_parser(rest[0]).parse_args(rest[1:])
    elif program in _HELP:
        command = [sys.executable, "-c", _HELP[program].format(rest[0])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        unknown = {word for word in rest if word.startswith("--")} - set(
            re.findall(r"--[\w-]+", done.stdout + done.stderr)
        )
        assert not unknown, unknown
    elif program in ("python", "python3"):
        assert rest[0] == "-m"
        assert rest[1] in ("pytest", "venv") or importlib.util.find_spec(rest[1]) is not None, rest[1]
        if rest[1] == "pytest" and "-m" in rest[2:]:
            expression = rest[rest.index("-m", 2) + 1]
            assert set(re.findall(r"\w+", expression)) - {"not", "and", "or"} <= _MARKERS, expression
        _check_paths(rest[2:])
    elif program == "pip":
        assert rest[0] == "install"
        assert set(re.findall(r"\w+", rest[-1])) <= set(EXTRAS), rest[-1]
    elif program == ".ci/run":
        assert (ROOT / program).stat().st_mode & 0o111
    elif program not in _SHELL:
        needs = [need for extra in EXTRAS.values() for need in extra]
        assert any(re.match(rf"{re.escape(program)}\b", need) for need in needs), program
        _check_paths(rest)


def _check_paths(words: Sequence[str]) -> None:
    """Check that the words with a slash are files of the project."""
    missing = [word for word in words if "/" in word and not (ROOT / word).exists()]
    assert not missing, missing
