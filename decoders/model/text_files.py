"""Read circuits and detector error models from files; a file that was cut off is an error.

stim's parser does not return, and takes ever more memory, where a text ends inside a tag (stim 1.16). A line
end after the text makes that an error that it reports. Blocks nested 100,000 deep overflow its stack.
"""

import itertools
import re
from pathlib import Path

import stim

_DEEPEST = 100  # blocks inside each other


def parse_dem(text: str) -> stim.DetectorErrorModel:
    """Read a detector error model from its text; raises as `read_dem_file`."""
    return stim.DetectorErrorModel(_checked(text))


def parse_circuit(text: str) -> stim.Circuit:
    """Read a circuit from its text; raises as `read_circuit_file`."""
    return stim.Circuit(_checked(text))


def read_dem_file(path: str | Path) -> stim.DetectorErrorModel:
    """Read a `.dem` file.

    Raises:
        ValueError, IndexError: stim cannot parse it, or it cannot be read.
    """
    return parse_dem(_text(path))


def read_circuit_file(path: str | Path) -> stim.Circuit:
    """Read a `.stim` file.

    Raises:
        ValueError, IndexError: stim cannot parse it, or it cannot be read.
    """
    return parse_circuit(_text(path))


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:  # a ValueError, as stim raises
        raise ValueError(f"{path}: {error.strerror}") from None


def _checked(text: str) -> str:
    """Return the text with a line end, after a check of its characters and blocks.

    Raises:
        ValueError: they are nested so deeply that stim's parser would overflow the stack, or the text has a
            NUL character, after which in a tag stim reads memory that is not its own.
    """
    if "\0" in text:
        raise ValueError(f"character {text.index(chr(0))} is NUL: not a text in stim's format")
    if text.count("{") > _DEEPEST:
        braces = re.findall("[{}]", re.sub(r"#.*|\[[^\]\n]*\]", "", text))
        depth = max(itertools.accumulate(1 if brace == "{" else -1 for brace in braces), default=0)
        if depth > _DEEPEST:
            raise ValueError(f"blocks nested {depth} deep: at most {_DEEPEST} levels are supported")
    return text + "\n"
