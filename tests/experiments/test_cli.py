"""The `qec` command as a user meets it: overview, version, one-line errors, exit codes, quick start."""

import argparse
import os
import subprocess
import sys
import types
from collections.abc import Callable

import pytest

from experiments import cli
from experiments.bench.command import BENCHMARKS
from experiments.common.parser import project_version


def run_qec(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "experiments.cli", *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def qec(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """The same in this process, without the second of imports: exit code, output, errors."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as leaving:
            code = int(str(leaving.code))
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def fake_command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[argparse.Namespace], int]], None]:
    """Make `qec fake --number N` run the given function."""

    def install(body: Callable[[argparse.Namespace], int]) -> None:
        module = types.ModuleType("fake_command_of_a_test")
        module.add_arguments = lambda parser: parser.add_argument("--number", type=int)  # type: ignore[attr-defined]
        module.run = body  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(cli.COMMANDS, "fake", (module.__name__, "nothing useful"))

    return install


def test_help_lists_every_command_and_fits_a_screen() -> None:
    done = run_qec("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert len(lines) <= 36
    assert max(map(len, lines)) <= 100
    for command, (_, summary) in cli.COMMANDS.items():
        assert any(line.split()[:1] == [command] and summary in line for line in lines)


def test_no_arguments_print_the_overview() -> None:
    assert run_qec().stdout == run_qec("--help").stdout


@pytest.mark.parametrize("command", list(cli.COMMANDS))
def test_help_of_a_command_explains_every_flag_and_fits_a_screen(
    command: str, qec: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, error = qec(command, "--help")
    assert (code, error) == (0, "")
    assert out.startswith(f"usage: qec {command} ")
    assert len(out.splitlines()) <= 60
    module = __import__(cli.COMMANDS[command][0], fromlist=["add_arguments"])
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    for action in parser._actions:
        assert action.help, f"qec {command}: {action.dest} has no help"
        for flag in action.option_strings:
            assert flag in out
            assert flag == "-h" or "-" not in flag.removeprefix("--"), "flags are in snake_case"


def test_overview_imports_nothing_heavy() -> None:
    heavy = {"numpy", "numba", "stim", "sinter", "scipy", "pymatching", "matplotlib", "zmq"}
    code = (
        "import sys\nfrom experiments import cli\n"
        "try:\n    cli.main(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stderr.strip() == "[]"


def test_version_is_that_of_the_distribution() -> None:
    done = run_qec("--version")
    assert (done.returncode, done.stdout) == (0, f"qec {project_version()}\n")
    assert done.stdout.split()[1][0].isdigit()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dmo"], ["'dmo'", "did you mean 'qec demo'"]),
        (["frobnicate"], ["'frobnicate'", "demo, sweep, decode"]),
        (["--frobnicate"], ["--frobnicate", "qec --help"]),
        (["demo", "--frobnicate"], ["qec demo:", "--frobnicate", "qec demo --help"]),
        (["demo", "--shot", "5"], ["qec demo:", "--shot", "qec demo --help"]),
        (["demo", "--shots", "many"], ["qec demo:", "--shots", "many"]),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: list[str], words: list[str], qec: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, error = qec(*arguments)
    assert (code, out) == (2, "")
    assert len(error.splitlines()) == 1
    for word in words:
        assert word in error


def test_exit_code_and_error_of_the_process() -> None:
    done = run_qec("demo", "--shots", "many")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("qec demo: argument --shots: ")
    assert run_qec("demo", "--help").stderr == ""


@pytest.mark.parametrize("error", [ValueError, FileNotFoundError, PermissionError])
def test_errors_of_the_library_become_one_line(
    error: type[Exception],
    fake_command: Callable[[Callable[[argparse.Namespace], int]], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    def body(_: argparse.Namespace) -> int:
        raise error("p is 3,\n   it must lie between 0 and 1")

    fake_command(body)
    assert cli.main(["fake"]) == 2
    assert capsys.readouterr().err == "qec fake: p is 3, it must lie between 0 and 1\n"


def test_a_fault_of_ours_is_not_dressed_up_as_wrong_use(
    fake_command: Callable[[Callable[[argparse.Namespace], int]], None],
) -> None:
    def body(_: argparse.Namespace) -> int:
        raise ZeroDivisionError

    fake_command(body)
    with pytest.raises(ZeroDivisionError):
        cli.main(["fake"])


def test_interrupt_is_exit_code_130(
    fake_command: Callable[[Callable[[argparse.Namespace], int]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def body(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    fake_command(body)
    assert cli.main(["fake"]) == 130
    assert capsys.readouterr().err == "qec fake: stopped\n"


def test_exit_code_and_arguments_reach_the_command(
    fake_command: Callable[[Callable[[argparse.Namespace], int]], None],
) -> None:
    fake_command(lambda args: int(args.number))
    assert cli.main(["fake", "--number", "7"]) == 7


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "experiments.cli", "--help"],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", [[], *([name] for name in cli.COMMANDS), *(["bench", name] for name in BENCHMARKS)]
)
def test_help_fits_a_terminal_of_eighty_columns(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main([*command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert len(lines) > 5
