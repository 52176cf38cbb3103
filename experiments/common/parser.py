"""Argument parser of the `qec` commands, and the kinds of values that their options take."""

import argparse
import difflib
import math
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn

USAGE_ERROR = 2


class UsageError(Exception):
    """A wrong command line, with the whole line to print."""


class Parser(argparse.ArgumentParser):
    """An argument parser with one-line errors; flags are never guessed from their beginning.

    Options that take several values (`nargs="+"` with a type or choices) take them apart or with commas:
    `3 5 7` or `3,5,7`. Singular and plural of a flag are the same. The help of an option ends with its
    default.
    """

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """Declare an option or argument, as argparse does."""
        default = options.get("default")
        if default not in (None, False, [], argparse.SUPPRESS) and "action" not in options:
            shown = " ".join(map(str, default)) if isinstance(default, list) else "%(default)s"
            options["help"] = "; ".join(filter(None, [options.get("help"), f"default: {shown}"]))
        if options.get("nargs") == "+" and names[0].startswith("-") and {"type", "choices"} & options.keys():
            kind, choices = options.pop("type", str), options.pop("choices", None)
            options |= {"type": _apart(kind, choices), "action": _Flat}
        return super().add_argument(*names, **options)

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse, with flags also in the other number (`--distance`, `--distances`) and with hyphens."""
        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given else len(given)
        return super().parse_known_args([*map(self._spelling, given[:end]), *given[end:]], namespace)

    def _spelling(self, word: str) -> str:
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") or flag in self._option_string_actions:
            return word
        plain = "--" + flag[2:].replace("-", "_")
        for known in (plain, plain + "s", plain.removesuffix("s")):
            if known in self._option_string_actions:
                return known + equals + value
        return word

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """Parse; an unknown flag is an error that names a similar one."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            close = difflib.get_close_matches(unknown[0].partition("=")[0], self._flags(), n=1)
            hint = f", did you mean {close[0]}?" if close else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found

    def _flags(self) -> list[str]:
        own = [flag for action in self._actions for flag in action.option_strings]
        inner = [
            one
            for action in self._actions
            if isinstance(action.choices, dict)
            for one in action.choices.values()
        ]
        return own + [flag for one in inner if isinstance(one, Parser) for flag in one._flags()]

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read what would be right."""
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help")


class _Flat(argparse.Action):
    """Store a list of lists as one list."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, [one for part in values for one in part])


def _apart(kind: Callable[[str], Any], choices: Sequence[Any] | None) -> Callable[[str], list[Any]]:
    def parse(text: str) -> list[Any]:
        values = [kind(part) for part in text.split(",")]
        for value in values:
            if choices is not None and value not in choices:
                raise argparse.ArgumentTypeError(f"{value}: choose from {', '.join(map(str, choices))}")
        return values

    return parse


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: must be a number") from None


def whole(least: int = 1, most: float = math.inf) -> Callable[[str], int]:
    """Accept a whole number from `least` to `most`, also as `1e6` or `1_000_000`."""

    def parse(text: str) -> int:
        value = _float(text)
        if not value.is_integer():
            raise argparse.ArgumentTypeError(f"{text}: must be a whole number")
        if value < least:
            raise argparse.ArgumentTypeError(f"{text}: must be at least {least}")
        if value > most:
            raise argparse.ArgumentTypeError(f"{text}: must be at most {most:.0f}")
        return int(value) if "e" in text.lower() or "." in text else int(text)

    return parse


def real(above: float = -math.inf, below: float = math.inf) -> Callable[[str], float]:
    """Accept a number between two others, exclusive, also as `0.3%`; `inf` only without an upper limit."""

    def parse(text: str) -> float:
        value = _float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        if math.isnan(value):
            raise argparse.ArgumentTypeError(f"{text}: must be a number")
        if not (above < value < below or value == below == math.inf):
            words = f"above {above:g}" if below == math.inf else f"between {above:g} and {below:g}"
            raise argparse.ArgumentTypeError(f"{text}: must be {words}")
        return value

    return parse


def output(*suffixes: str) -> Callable[[str], str]:
    """Accept a file to write, in a folder that exists, with a name that has one of these endings."""

    def parse(text: str) -> str:
        path = Path(text)
        if suffixes and path.suffix not in suffixes:
            raise argparse.ArgumentTypeError(f"{text}: must end in {' or '.join(suffixes)}")
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"{text}: no folder {path.parent}, make it first")
        try:
            check_writable(path)
        except OSError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return text

    return parse


#: Accept a figure to write.
figure = output(".png", ".svg", ".pdf")


def check_writable(path: Path) -> None:
    """Raise OSError unless a file can be written there; found before the work, not after it."""
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder, give a file")
    if path.exists() and not path.is_file():
        return  # such as /dev/null or a pipe
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.exists():
            path.open("ab").close()
    except OSError as error:
        raise PermissionError(f"{path}: cannot be written there ({error.strerror})") from None


def new_folder(text: str) -> Path:
    """Accept a folder, which is made if only the last part of its path is missing."""
    path = Path(text)
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no folder {path.parent}, make it first")
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: cannot be made ({error.strerror})") from None
    return path


def folder(text: str) -> Path:
    """Accept a folder that exists and can be written."""
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text}: no such folder, make it first")
    try:
        with tempfile.TemporaryFile(dir=text):
            pass
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text}: cannot be written there ({error.strerror})") from None
    return Path(text)


def decoder(text: str) -> str:
    """Accept the name of a decoder, or `module:Class`."""
    from decoders import registry  # takes a while, and `qec --help` does not need it

    try:
        registry.decoder_class(text)
    except ValueError as error:
        close = difflib.get_close_matches(text, registry.names(), n=1)
        hint = f"no decoder is named {text!r}: did you mean {close[0]}?" if close else str(error)
        raise argparse.ArgumentTypeError(hint) from None
    return text


def add_hyperedges(parser: argparse.ArgumentParser, help: str) -> None:
    """Declare `--hyperedges`: treatment of errors with more than two detectors, see `decoders.from_dem`."""
    choices = ("refuse", "decompose", "decompose-or-drop", "drop")
    parser.add_argument(
        "--hyperedges",
        choices=choices,
        metavar="HOW",
        help="errors with more than two detectors, where a decoder does not take them: "
        f"{', '.join(choices)}; {help}",
    )


def add_live(parser: argparse.ArgumentParser) -> None:
    """Declare `--live`."""
    parser.add_argument("--live", action="store_true", help="watch the run on a screen in the terminal")


def wrap_epilog(parser: argparse.ArgumentParser) -> None:
    """Fill the paragraphs after a command's options to the width of the terminal; lists stay as they are."""
    width = shutil.get_terminal_size().columns - 2  # as argparse fills the options
    paragraphs = (parser.epilog or "").split("\n\n")
    parser.epilog = "\n\n".join(text if "\n " in text else textwrap.fill(text, width) for text in paragraphs)


def project_version() -> str:
    """Read the version of the installed distribution."""
    try:
        return version("below-threshold")
    except PackageNotFoundError:
        return "unknown (not installed)"
