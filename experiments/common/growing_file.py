"""Text files that grow by whole lines, so that results survive a stop at any moment."""

import errno
import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

from qec.files import write_file

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
                self.__exit__()
                raise ValueError(f"{self.path}: another run is writing to it; {self._advice}") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def append(self, line: str) -> None:
        """Write a line.

        Raises:
            OSError: the disk is full; the file ends with its last whole line, and the message names it.
        """
        data = (line + "\n").encode()
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, data) == len(data):
                return
            os.ftruncate(self._file, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None

    def cut(self, tail: bytes) -> None:
        """Remove the end of the file, a half-written line."""
        os.ftruncate(self._file, self.path.stat().st_size - len(tail))

    def load(self, take: Callable[[Any], object]) -> bool:
        """Read a file of JSON values, one a line.

        Args:
            take: called with each value; ValueError, KeyError, TypeError, AttributeError or
                OverflowError: it is no record.

        Returns:
            Whether a half-written last line was cut off.

        Raises:
            ValueError: a line is no record; the message names it.
        """
        *lines, rest = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines, start=1):
            try:
                take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                raise ValueError(
                    f"{self.path}, line {number}: not a record; delete the line, or {self._advice}"
                ) from None
        if rest:
            self.cut(rest)
        return bool(rest)

    def replace(self, lines: Iterable[str]) -> None:
        """Write these lines in place of all others; the old ones stay if the disk is full."""
        write_file(self.path, "".join(f"{line}\n" for line in lines))
        self.__exit__()
        self.__enter__()
