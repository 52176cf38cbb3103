"""Tables and progress on the terminal, drawn by rich."""

import io
import re
import shutil
import textwrap
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Display
from rich.table import Column, Table

from experiments.common.numbers import duration

_GAP = 2


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, keys: int = 1, left: int = 0) -> str:
    """Align columns to the right, except the first `left` ones.

    Titles are folded where the table is wider than the terminal, and columns that still do not fit follow
    below the others. Without a terminal the width is 80 characters, or what the variable COLUMNS says.

    Args:
        header: titles of the columns.
        rows: cells, as many in each row as there are titles.
        keys: number of first columns that are repeated where others follow below.
        left: number of first columns aligned to the left.

    Returns:
        The lines, indented by two blanks, without a final newline.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells under {len(header)} titles: {list(row)}")
    width = shutil.get_terminal_size().columns
    columns = list(zip(header, *rows, strict=True))
    if sum(map(_width, columns)) > width:
        columns = [(_folded(title, cells), *cells) for title, *cells in columns]
    blocks = [columns[:keys]]
    for column in columns[keys:]:
        if len(blocks[-1]) > keys and sum(map(_width, blocks[-1])) + _width(column) > width:
            blocks.append(columns[:keys])
        blocks[-1] = [*blocks[-1], column]
    return "\n\n".join(_draw(block, width, left=left) for block in blocks)


def fold(text: str) -> str:
    """Fold lines that are wider than the terminal between words; lines that begin with a blank stay."""
    width = shutil.get_terminal_size().columns
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        if len(line) > width and not line.startswith(" ")
        else line
        for line in text.split("\n")
    )


def _width(column: Sequence[str]) -> int:
    return _GAP + max(len(line) for cell in column for line in cell.split("\n"))


def _folded(title: str, cells: Sequence[str]) -> str:
    """Fold a title to the width of its cells, between words only."""
    width = max(map(len, [*cells, *re.split(r" |(?<=-)", title), " "]))
    return textwrap.fill(title, width)


def _draw(columns: Sequence[Sequence[str]], width: int, *, left: int) -> str:
    grid = Table(
        *(
            Column(title, justify="left" if at < left else "right", vertical="bottom", overflow="fold")
            for at, (title, *_) in enumerate(columns)
        ),
        box=None,
        padding=(0, 0, 0, _GAP),
    )
    for row in list(zip(*columns, strict=True))[1:]:
        grid.add_row(*row)
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(grid)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


class Progress:
    """Progress on stderr: a line that is redrawn on a terminal, elsewhere a dated line every minute.

    Nothing is drawn between two calls of `show`, because another thread would disturb what is measured.

    Args:
        console: where to draw; None is stderr.
        period: least seconds between two lines; None is 0.2 on a terminal, elsewhere 10 before the first and
            60 between the others.
    """

    def __init__(self, *, console: Console | None = None, period: float | None = None) -> None:
        self._console = Console(stderr=True) if console is None else console
        self._in_place = self._console.is_interactive
        self._period = period if period is not None else (0.2 if self._in_place else 60.0)
        # A log stays empty for commands that end soon.
        self._next_time = 0.0 if self._in_place else time.monotonic() + min(self._period, 10.0)
        self._display = Display(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            speed_estimate_period=float("inf"),
            get_time=time.monotonic,
        )
        self._task = self._display.add_task("", total=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def expect(self, total: float, *, done: float = 0.0) -> None:
        """Show a bar and the time left from now on.

        Args:
            total: all work, in any unit.
            done: work that was done before.
        """
        self._display.columns = (*self._display.columns[:1], BarColumn(20), TimeRemainingColumn())
        self._display.update(self._task, total=total, completed=done)

    def show(self, message: str, *, done: float | None = None, always: bool = False) -> None:
        """Show a message, unless the last one is too fresh and this one may be left out.

        Args:
            message: what is being done.
            done: work that is done, if some was announced.
            always: not to be left out.
        """
        self._display.update(self._task, completed=done, description=message)
        now = time.monotonic()
        if not always and now < self._next_time:
            return
        self._next_time = now + self._period
        if self._in_place:
            self._display.start()
            self._display.refresh()
        else:
            self._console.file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {message}{self.time_left()}\n")
            self._console.file.flush()

    def time_left(self) -> str:
        """Format the time left: `, about 3 min left`, or "" if it is unknown."""
        left = self._display.tasks[0].time_remaining
        return "" if left is None else f", about {duration(left)} left"

    @contextmanager
    def remind(self, message: str, *, after: float) -> Iterator[None]:
        """Write a message to a log if the block takes long; a terminal shows it at once.

        For work that shows nothing itself and whose time is not measured: another thread writes.

        Args:
            message: what is being done.
            after: seconds.
        """
        self.show(message)
        timer = threading.Timer(after, self.show, [message], {"always": True})
        timer.daemon = True
        if not self._in_place:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def clear(self) -> None:
        """Wipe the line, so that what follows starts at the margin."""
        if self._in_place:
            self._display.stop()
