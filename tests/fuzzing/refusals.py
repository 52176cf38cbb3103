"""The promise on bad input: an error of one line, of a kind that the commands print, which names the file."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 1000


class BadRefusalError(AssertionError):
    """An error message that is not what the project promises."""


@contextlib.contextmanager
def refusing(name: str = "", *, kinds: tuple[type[Exception], ...] = (ValueError, OSError)) -> Iterator[None]:
    """Accept refusals in the block.

    Args:
        name: that the message must contain, such as that of the file.
        kinds: of the errors.

    Raises:
        BadRefusalError: a message that is empty, of several lines, too long or without the name.
    """
    try:
        yield
    except kinds as error:
        message = str(error)
        if not message or len(message.splitlines()) > 1 or len(message) > _LONGEST or name not in message:
            raise BadRefusalError(f"{type(error).__name__}: {message[:300]!r}") from error


class Refused(Exception):
    """A case that was refused as promised: nothing else to check."""


@contextlib.contextmanager
def or_refused(
    name: str = "", *, kinds: tuple[type[Exception], ...] = (ValueError, OSError)
) -> Iterator[None]:
    """As `refusing`, but end the case."""
    finished = False
    with refusing(name, kinds=kinds):
        yield
        finished = True
    if not finished:
        raise Refused


def written(folder: Path, name: str, data: bytes) -> Path:
    """Write a file that a reader is to read."""
    path = folder / name
    path.write_bytes(data)
    return path
