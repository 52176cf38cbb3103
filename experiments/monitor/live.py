"""Live screen of a running command, drawn by a process of its own.

The command only hands over its counters. Drawing and fitting would hold the interpreter's lock, and delay the
threads of a loop in the same process.
"""

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from typing import Any, Protocol, Self

from rich.console import Console, RenderableType
from rich.live import Live

from experiments.common.terminal import Progress

# Seconds between two messages to the drawing process, and between two looks of it at the terminal's size.
_PERIOD_S = 0.25
_END_S = 5.0


class Screen(Protocol):
    """State of a screen. It is sent to the drawing process, where it gets the news."""

    def take(self, news: Any) -> None:
        """Take news: a line of text on what is being done, or what the command hands over."""
        ...

    def draw(self, *, width: int, height: int) -> RenderableType:
        """Draw for a terminal of this size."""
        ...


def check_terminal() -> None:
    """Raise ValueError if standard error is no terminal on which a screen can be drawn."""
    if not Console(stderr=True).is_interactive:
        raise ValueError(
            "--live: standard error is no terminal that can show a screen; leave --live out for lines of "
            "progress"
        )


class LiveProgress(Progress):
    """Progress on a live screen instead of a line.

    Args:
        screen: what to draw.
        modest: draw only while nothing else wants the core (SCHED_IDLE, where available).
        terminal: file descriptor of the terminal to draw on; None: standard error.

    Raises:
        ValueError: standard error is no terminal on which a screen can be drawn.
    """

    def __init__(self, screen: Screen, *, modest: bool = True, terminal: int | None = None) -> None:
        super().__init__()
        if terminal is None:
            check_terminal()
        self._terminal = terminal
        self._screen, self._modest = screen, modest
        self._news: dict[str, Any] = {}
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: threading.Thread | None = None
        self._ends = False

    def __enter__(self) -> Self:
        self._start()
        return self

    def show(self, message: str, *, done: float | None = None, always: bool = False) -> None:
        """Show a message, with the time left if work was announced."""
        self._display.update(self._task, completed=done, description=message)
        self._put("text", message + self.time_left())

    def send(self, news: Any) -> None:
        """Hand news to the screen; what it has not taken yet is replaced."""
        self._put("news", news)

    def clear(self) -> None:
        """Leave the screen, so that what follows starts at the margin; the next message starts it again."""
        process, self._process = self._process, None
        if process is None:
            return
        with self._changed:
            self._ends = True
            self._changed.notify()
        assert self._writer is not None
        self._writer.join(_END_S)
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it may have ended
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self._console.set_alt_screen(False)
            self._console.show_cursor(True)

    def _put(self, name: str, news: Any) -> None:
        with self._changed:
            self._news[name] = news
            self._start()
            self._changed.notify()

    def _start(self) -> None:
        if self._process is not None:
            return
        self._ends = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "experiments.monitor.live"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=self._terminal,
            start_new_session=True,  # Ctrl-C is for the command
        )
        self._writer = threading.Thread(target=self._write, args=(self._process,), name="live", daemon=True)
        self._writer.start()

    def _write(self, process: "subprocess.Popen[bytes]") -> None:
        """Write news to the process, the latest of each kind."""
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # the reader has ended
            pickle.dump((self._screen, self._modest), process.stdin)
            ends = False
            while not ends:
                with self._changed:
                    if not self._news and not self._ends:
                        self._changed.wait(_PERIOD_S)
                    ends = self._ends
                    found, self._news = self._news, {}
                for news in found.values():
                    pickle.dump(news, process.stdin)
                process.stdin.flush()
                with self._changed:
                    if found and not self._ends:
                        self._changed.wait_for(lambda: self._ends, _PERIOD_S)


def main() -> None:
    """Draw what comes from standard input, until its end."""
    screen, modest = pickle.load(sys.stdin.buffer)
    changed, ended = threading.Event(), threading.Event()
    lock = threading.Lock()

    def read() -> None:
        with contextlib.suppress(EOFError, pickle.UnpicklingError):
            while True:
                news = pickle.load(sys.stdin.buffer)
                with lock:
                    screen.take(news)
                changed.set()
        ended.set()
        changed.set()

    if modest and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    elif hasattr(os, "nice"):
        os.nice(10)
    threading.Thread(target=read, daemon=True).start()
    console = Console(stderr=True)
    size = console.size
    with contextlib.suppress(OSError), Live(console=console, screen=True, auto_refresh=False) as live:
        ends = False
        while not ends:
            ends = ended.is_set()
            with lock:
                drawn = screen.draw(width=size.width, height=size.height)
            live.update(drawn, refresh=True)
            while not ends and not changed.wait(_PERIOD_S) and console.size == size:
                pass
            changed.clear()
            size = console.size


if __name__ == "__main__":
    main()
