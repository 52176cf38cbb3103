"""One line of progress on stderr: rewritten in place on a terminal, now and then a new line in a log."""

import sys
import time
from typing import Self, TextIO


class Progress:
    """Shows the latest message at most so often; never writes to stdout.

    Args:
        stream: where to write; `None` is stderr.
        period: least seconds between two messages; `None` is 0.2 on a terminal and 10 elsewhere.
    """

    def __init__(self, *, stream: TextIO | None = None, period: float | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._in_place = self._stream.isatty()
        self._period = period if period is not None else (0.2 if self._in_place else 10.0)
        # A log stays empty for commands that end soon.
        self._next_time = 0.0 if self._in_place else time.monotonic() + self._period
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def show(self, message: str, *, always: bool = False) -> None:
        """Show a message, unless the last one is too fresh and this one may be left out."""
        now = time.monotonic()
        if not always and now < self._next_time:
            return
        self._next_time = now + self._period
        if self._in_place:
            self._stream.write("\r" + message.ljust(self._shown))
            self._shown = len(message)
        else:
            self._stream.write(message + "\n")
        self._stream.flush()

    def clear(self) -> None:
        """Wipe the line, so that what follows starts at the margin."""
        if self._in_place and self._shown:
            self._stream.write("\r" + " " * self._shown + "\r")
            self._stream.flush()
            self._shown = 0
