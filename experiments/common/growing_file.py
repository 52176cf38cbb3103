"""Text files that grow by whole lines, so that results survive a stop at any moment."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

if sys.platform != "win32":
    import fcntl


class GrowingFile:
    """A file of lines, locked while open.

    Each line goes to the file in one write, so a stop leaves whole lines. Should a line be half-written all
    the same (a full disk, a power cut), it is cut off when the file is opened again.

    Args:
        path: the file; made if there is none.
        advice: what the user can do if the file cannot be continued.

    Raises:
        ValueError: on entering, another process writes to the file.
    """

    def __init__(self, path: Path, *, advice: str = "give another --out") -> None:
        self.path = path
        self._advice = advice
        self._file = -1

    def __enter__(self) -> Self:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._file)
                raise ValueError(f"{self.path}: another run is writing to it; {self._advice}") from None
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def append(self, line: str) -> None:
        """Write a line.

        Raises:
            OSError: the disk is full.
        """
        data = (line + "\n").encode()
        if os.write(self._file, data) != len(data):
            raise OSError(f"{self.path}: the disk took only a part of a line; is it full?")

    def cut(self, tail: bytes) -> None:
        """Remove the end of the file, a half-written line."""
        os.ftruncate(self._file, self.path.stat().st_size - len(tail))

    def load(self, take: Callable[[Any], object]) -> bool:
        """Read a file of JSON values, one a line.

        Args:
            take: called with each value; ValueError, KeyError and TypeError mean that it is no record.

        Returns:
            Whether a half-written last line was cut off.

        Raises:
            ValueError: a line is no record; the message names it.
        """
        *lines, rest = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                raise ValueError(
                    f"{self.path}, line {number}: not a record; delete the line, or {self._advice}"
                ) from None
        if rest:
            self.cut(rest)
        return bool(rest)

    def replace(self, values: Iterable[Any]) -> None:
        """Write these JSON values in place of all lines."""
        os.ftruncate(self._file, 0)
        for value in values:
            self.append(json.dumps(value))
