"""Kinds of option values, values with commas, and hints at flags that were meant."""

import argparse
import tempfile
from pathlib import Path
from typing import Any

import pytest

from experiments.common.parser import Parser, UsageError, output, real, whole


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (whole(), "1e6", 1_000_000),
        (whole(), "1_000", 1000),
        (whole(0), "0", 0),
        (whole(), "9007199254740993", 9007199254740993),  # no double
        (real(), "0.3%", 0.003),
        (real(above=0), "2e-3", 0.002),
        (real(), "inf", float("inf")),
    ],
)
def test_values(kind: Any, text: str, value: float) -> None:
    found = kind(text)
    assert found == pytest.approx(value, rel=1e-15)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (whole(), "0", "0: must be at least 1"),
        (whole(), "1.5", "1.5: must be a whole number"),
        (whole(), "inf", "inf: must be a whole number"),
        (whole(), "many", "many: must be a number"),
        (real(), "nan", "nan: must be a number"),
        (real(above=0), "0", "0: must be above 0"),
        (real(above=0, below=0.5), "50%", "50%: must be between 0 and 0.5"),
        (real(), "%", "must be a number"),
        (output(".png"), "a.svg", "a.svg: must end in .png"),
        (output(), "nowhere/a", "nowhere/a: no folder nowhere, make it first"),
        (output(), ".", "is a folder"),
    ],
)
def test_refusals(kind: Any, text: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        kind(text)


def test_files_that_cannot_be_written_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(argparse.ArgumentTypeError, match=r"a\.json: cannot be written there \(Read"):
        output()(str(tmp_path / "a.json"))
    assert output()("/dev/null") == "/dev/null"


@pytest.mark.parametrize("flag", ["--distances", "--distance"])
def test_flags_have_singular_plural_and_hyphens(flag: str, parser: Parser) -> None:
    parser.add_argument("--max_shots", type=whole())
    found = parser.parse_args([flag, "3,5", "--max-shots=1e3", "--", "--distance"])
    assert (found.distances, found.max_shots, found.files) == ([3, 5], 1000, ["--distance"])


@pytest.fixture
def parser() -> Parser:
    made = Parser(prog="qec fruit")
    made.add_argument("--distances", nargs="+", type=whole(), default=[3, 5], help="of apples")
    made.add_argument("--basis", nargs="+", choices=["x", "z"], default=["z"])
    made.add_argument("files", nargs="*")
    return made


@pytest.mark.parametrize("words", [["3", "5", "7"], ["3,5,7"], ["3,5", "7"]])
def test_several_values_apart_or_with_commas(parser: Parser, words: list[str]) -> None:
    assert parser.parse_args(["a,b.csv", "--distances", *words]).distances == [3, 5, 7]
    assert parser.parse_args(["a,b.csv"]).files == ["a,b.csv"]
    assert parser.parse_args([]).distances == [3, 5]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--distnaces", "3"], "unrecognized arguments: --distnaces, did you mean --distances?; see qec"),
        (["--apples"], "unrecognized arguments: --apples; see qec fruit --help"),
        (["--distances", "3,x"], "argument --distances: x: must be a number"),
        (["--basis", "x,y"], "argument --basis: y: choose from x, z"),
    ],
)
def test_one_line_says_what_is_wrong(parser: Parser, words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parser.parse_args(words)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_help_ends_with_the_default(parser: Parser) -> None:
    assert "of apples; default: 3 5\n" in parser.format_help()
    assert "default: z\n" in parser.format_help()
