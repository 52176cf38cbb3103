"""CSV files of counts, in sinter's format: read, merged, and appended to so that no kill can spoil them."""

import collections
import csv
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sinter

if sys.platform != "win32":
    import fcntl

HEADER: str = sinter.CSV_HEADER
_COLUMNS = [title.strip() for title in HEADER.split(",")]


def _row(line: str, columns: Sequence[str]) -> Any:
    """One line as `sinter.TaskStats`; ValueError when it is not a complete row."""
    (cells,) = csv.reader([line], strict=True)
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells under {len(columns)} titles")
    cell = dict(zip(columns, cells, strict=True))
    shots, errors, discards = (int(cell[name]) for name in ("shots", "errors", "discards"))
    if min(shots, errors, discards) < 0 or errors + discards > shots:
        raise ValueError(f"{errors} errors and {discards} discards in {shots} shots")
    return sinter.TaskStats(
        strong_id=cell["strong_id"],
        decoder=cell["decoder"],
        json_metadata=json.loads(cell["json_metadata"]),
        shots=shots,
        errors=errors,
        discards=discards,
        seconds=float(cell["seconds"]),
        custom_counts=collections.Counter(json.loads(cell.get("custom_counts") or "{}")),
    )


def _columns(path: Path, header: str) -> list[str]:
    columns = [title.strip() for title in header.split(",")]
    # Files of older sinters end before custom_counts.
    if columns not in (_COLUMNS, _COLUMNS[:-1]):
        raise ValueError(f"{path}: not a sinter CSV file: its first line must be {','.join(_COLUMNS)}")
    return columns


def _lines(path: Path) -> tuple[list[str], str]:
    """The complete lines of a file and what follows the last line end."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such CSV file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a CSV file: it is not text") from None
    *complete, rest = text.split("\n")
    return [line.removesuffix("\r") for line in complete], rest


def _is_row(line: str, columns: Sequence[str]) -> bool:
    try:
        _row(line, columns)
    except (ValueError, csv.Error):
        return False
    return True


def read_rows(path: Path) -> tuple[list[Any], str]:
    """All rows of one file.

    A last line without a line end was being written when its process died: it counts if it is a whole
    row, and is left out if not.

    Returns:
        The rows as `sinter.TaskStats`, and the half-written last line that was left out, or "".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: wrong header, or a spoilt line that is not the last; the message names the line.
    """
    complete, rest = _lines(path)
    if not complete:
        # A kill between creating the file and writing its first line leaves an empty or half-written header.
        if HEADER.startswith(rest):
            return [], rest
        _columns(path, rest)
        return [], ""
    columns = _columns(path, complete[0])
    if rest and _is_row(rest, columns):
        complete.append(rest)
        rest = ""
    rows = []
    for number, line in enumerate(complete[1:], start=2):
        if not line:
            continue
        try:
            rows.append(_row(line, columns))
        except (ValueError, csv.Error) as error:
            raise ValueError(
                f"{path}, line {number}: not a row of counts ({error}): mend or delete it"
            ) from None
    return rows, rest


def add_up(rows: Iterable[Any]) -> list[Any]:
    """Add the rows with the same strong_id, in the order of first appearance."""
    totals: dict[str, Any] = {}
    for row in rows:
        known = totals.get(row.strong_id)
        totals[row.strong_id] = row if known is None else known + row
    return list(totals.values())


def read(paths: Sequence[Path]) -> tuple[list[Any], list[str]]:
    """Totals over several files, with the notes that the user should see.

    Raises:
        FileNotFoundError: as `read_rows`.
        ValueError: as `read_rows`; also a file given twice, or one that starts with all rows of another (a
            copy that was continued): its shots would count twice.
    """
    notes = []
    tables: dict[Path, list[Any]] = {}
    for path in paths:
        rows, rest = read_rows(path)
        if rest:
            notes.append(f"{path}: left out a half-written last line")
        if path.resolve() in tables:
            raise ValueError(f"{path} is given twice: its shots would count twice")
        for other, known in tables.items():
            shorter, longer = sorted((rows, known), key=len)
            if shorter and longer[: len(shorter)] == shorter:
                raise ValueError(
                    f"{path} and {other} begin with the same {len(shorter)} rows, so one continues a copy of "
                    "the other and shots would count twice: give only the longer one"
                )
        tables[path.resolve()] = rows
    return add_up(row for rows in tables.values() for row in rows), notes


class CountsFile:
    """A CSV file that a sweep appends to: locked while open, mended before it is continued.

    Each row goes to the file in one write, so a stop at any moment leaves whole lines; should a line be
    half-written all the same (a full disk, a power cut), it is cut off when the file is opened again.

    Args:
        path: the file; made with its header if there is none.

    Attributes:
        rows: totals of what the file held when it was opened.
        notes: what was mended, for the user.

    Raises:
        ValueError: on entering, see `read_rows`; also when another process is writing to the file.
        FileNotFoundError: the folder does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Any] = []
        self.notes: list[str] = []
        self._file = -1

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"{self.path.parent}: no such folder, make it first")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._lock()
            self._mend()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def _lock(self) -> None:
        if sys.platform != "win32":
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{self.path}: another sweep is writing to it; give another --out") from None

    def _mend(self) -> None:
        rows, rest = read_rows(self.path)
        data = self.path.read_bytes()
        if rest:
            os.ftruncate(self._file, len(data) - len(rest.encode()))
            self.notes.append(f"{self.path}: cut off a half-written last line, its shots will be taken again")
            data = data[: len(data) - len(rest.encode())]
        if not data:
            self._write(HEADER)
        elif not data.endswith(b"\n"):
            self._write("")
        if data and len(data.split(b"\n", 1)[0].split(b",")) != len(_COLUMNS):
            raise ValueError(
                f"{self.path}: written by an older sinter without custom_counts; give another --out"
            )
        self.rows = add_up(rows)

    def _write(self, line: str) -> None:
        data = (line + "\n").encode()
        if os.write(self._file, data) != len(data):
            raise OSError(f"{self.path}: the disk took only a part of a line; is it full?")

    def append(self, stats: Any) -> None:
        """Add one row (`sinter.TaskStats`)."""
        self._write(stats.to_csv_line())

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)


def write(path: Path, rows: Iterable[Any]) -> None:
    """Write rows to a new file.

    Raises:
        ValueError: the file exists; it is never overwritten.
    """
    text = "\n".join([HEADER, *(row.to_csv_line() for row in rows)]) + "\n"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ValueError(f"{path}: there already; give a new file with --out") from None
