"""Argument parser of the `qec` commands: one-line errors, help filled to the width of the terminal."""

import argparse
import shutil
import textwrap
from importlib.metadata import PackageNotFoundError, version
from typing import NoReturn

USAGE_ERROR = 2


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is one line; flags are never guessed from their beginning."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where to read what would be right."""
        self.exit(USAGE_ERROR, f"{self.prog}: {message}; see {self.prog} --help\n")


def wrap_epilog(parser: argparse.ArgumentParser) -> None:
    """Fill the paragraphs after a command's options to the width of the terminal; lists stay as they are."""
    width = shutil.get_terminal_size().columns - 2  # as argparse fills the options
    paragraphs = (parser.epilog or "").split("\n\n")
    parser.epilog = "\n\n".join(text if "\n " in text else textwrap.fill(text, width) for text in paragraphs)


def project_version() -> str:
    """Version of the installed distribution."""
    try:
        return version("below-threshold")
    except PackageNotFoundError:
        return "unknown (not installed)"
