"""CSV files of counts in sinter's format: reading, merging, appending."""

import collections
import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import sinter

from experiments.common.growing_file import GrowingFile
from qec.files import write_file

HEADER: str = sinter.CSV_HEADER
_COLUMNS = [title.strip() for title in HEADER.split(",")]
# Older versions of sinter write no custom_counts.
_REQUIRED = _COLUMNS[:-1]
_BYTE_ORDER_MARK = "\ufeff"
_LARGEST = 2**53  # larger counts are not exact as floating-point numbers


@dataclass(frozen=True)
class _Table:
    """Content of one file.

    Attributes:
        rows: `sinter.TaskStats`, in the order of the file.
        rest: half-written last line that was left out, or "".
        columns: titles of the last header line; empty where the file has none yet.
        ignored: titles that sinter's format does not have.
    """

    rows: list[Any]
    rest: str
    columns: list[str]
    ignored: list[str]


def _cells(line: str) -> list[str]:
    (cells,) = csv.reader([line], strict=True, skipinitialspace=True)
    return [cell.strip() for cell in cells]


def _whole(name: str, text: str) -> int:
    """Parse a count; tools that store columns as floating-point numbers write 100.0 for 100."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if not number.is_integer():
        raise ValueError(f"{name} is {text}, expected a whole number")
    return int(number)


def _custom_counts(text: str) -> collections.Counter[str]:
    found = json.loads(text or "{}")
    if found is None:
        found = {}
    counts = found.values() if isinstance(found, dict) else [None]
    if not all(type(value) is int and 0 <= value <= _LARGEST for value in counts):
        raise ValueError(f"custom_counts is {text[:60]}, expected an object of whole numbers from 0 to 2**53")
    return collections.Counter(found)


def _row(line: str, columns: Sequence[str]) -> Any:
    """Parse one line into `sinter.TaskStats`; ValueError unless it is a complete row."""
    cells = _cells(line)
    if len(cells) != len(columns):
        raise ValueError(f"{len(cells)} cells under {len(columns)} titles")
    cell = dict(zip(columns, cells, strict=True))
    shots, errors, discards = (_whole(name, cell[name]) for name in ("shots", "errors", "discards"))
    if min(shots, errors, discards) < 0 or errors + discards > shots:
        raise ValueError(f"{errors} errors and {discards} discards in {shots} shots")
    if shots > _LARGEST:
        raise ValueError(f"{cell['shots']} shots, at most 2**53 can be counted")
    seconds = float(cell["seconds"])
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds is {cell['seconds']}, expected a number from 0 up")
    return sinter.TaskStats(
        strong_id=cell["strong_id"],
        decoder=cell["decoder"],
        json_metadata=json.loads(cell["json_metadata"]),
        shots=shots,
        errors=errors,
        discards=discards,
        seconds=seconds,
        custom_counts=_custom_counts(cell.get("custom_counts", "")),
    )


def _is_header(line: str) -> bool:
    try:
        cells = _cells(line)
    except csv.Error:
        return False
    return set(_REQUIRED) <= set(cells) and all(
        cells.count(title) == 1 for title in _COLUMNS if title in cells
    )


def _columns(path: Path, header: str) -> list[str]:
    if not _is_header(header):
        raise ValueError(
            f"{path}: not a sinter CSV file: its first line must have each of the titles "
            f"{','.join(_REQUIRED)} once"
        )
    return _cells(header)


def _lines(path: Path) -> tuple[list[str], str]:
    """Split a file into its complete lines and the text after the last line end."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such CSV file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a CSV file: it is not text in UTF-8") from None
    *complete, rest = text.split("\n")
    return complete, rest


def _is_row(line: str, columns: Sequence[str]) -> bool:
    try:
        _row(line, columns)
    except (ValueError, OverflowError, RecursionError, csv.Error):
        return False
    return True


def _read_table(path: Path) -> _Table:
    """Read all rows of one file.

    The columns may come in any order and with others between them; custom_counts may be missing. A
    byte-order mark, line ends of any system, blank lines, spaces around cells and repeated header lines
    (of concatenated files) are accepted.

    A last line without a line end was being written when its process died: it counts if it is a whole
    row, and is left out if not.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: wrong header, or a spoilt line that is not the last; the message names the line.
    """
    complete, rest = _lines(path)
    if not complete:
        # A kill between creating the file and writing its first line leaves an empty or half-written header.
        if HEADER.startswith(rest):
            return _Table([], rest, [], [])
        return _Table([], "", _columns(path, rest), [])
    first = next((number for number, line in enumerate(complete) if line.strip()), 0)
    columns = _columns(path, complete[first])
    ignored = [title for title in columns if title not in _COLUMNS]
    rows: list[Any] = []
    for number, line in enumerate([*complete, rest][first + 1 :], start=first + 2):
        last = number > len(complete)
        # sinter pads numbers with spaces, so spaces without a line end may be the beginning of a row.
        if not (line if last else line.strip()):
            continue
        if _is_header(line):  # files that were concatenated
            columns = _columns(path, line)
            ignored += [title for title in columns if title not in (*_COLUMNS, *ignored)]
            continue
        if last and not _is_row(line, columns):
            return _Table(rows, rest, columns, ignored)
        try:
            rows.append(_row(line, columns))
        except (ValueError, OverflowError, RecursionError, csv.Error) as error:
            raise ValueError(
                f"{path}, line {number}: not a row of counts ({str(error)[:200]}): correct or delete it"
            ) from None
    return _Table(rows, "", columns, ignored)


def _identity(row: Any) -> tuple[str, str, str]:
    return row.strong_id, row.decoder, json.dumps(row.json_metadata, sort_keys=True)


def add_up(rows: Iterable[Any]) -> list[Any]:
    """Add the rows of the same task, in the order of first appearance.

    The same task means the same strong_id, decoder and metadata. sinter derives strong_id from the other
    two and the circuit, but files from other programs may repeat or leave out the identifier.
    """
    totals: dict[tuple[str, str, str], Any] = {}
    for row in rows:
        identity = _identity(row)
        known = totals.get(identity)
        totals[identity] = row if known is None else known + row
    return list(totals.values())


def _shared_ids(rows: Iterable[Any]) -> list[str]:
    """List each strong_id shared by several tasks, after `add_up`."""
    seen = collections.Counter(row.strong_id for row in rows)
    return [strong_id for strong_id, number in seen.items() if number > 1]


def read(paths: Sequence[Path]) -> tuple[list[Any], list[str]]:
    """Totals over several files, with the notes that the user should see.

    Raises:
        FileNotFoundError: as `_read_table`.
        ValueError: as `_read_table`; also a file given twice, or one that starts with all rows of another (a
            copy that was continued): its shots would count twice.
    """
    notes = []
    tables: dict[Path, list[Any]] = {}
    for path in paths:
        table = _read_table(path)
        rows = table.rows
        if table.rest:
            notes.append(f"{path}: left out a half-written last line")
        if table.ignored:
            notes.append(f"{path}: ignored the columns {', '.join(map(repr, table.ignored))}")
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
    totals = add_up(row for rows in tables.values() for row in rows)
    shared = _shared_ids(totals)
    if shared:
        notes.append(
            f"strong_id {shared[0]!r} has several decoders or metadata"
            f"{f', as have {len(shared) - 1} others' if len(shared) > 1 else ''}: kept apart, not added up"
        )
    return totals, notes


class CountsFile(GrowingFile):
    """A CSV file that a sweep appends to.

    Args:
        path: the file; made with its header if there is none.

    Attributes:
        rows: totals of what the file held when it was opened.
        notes: what was cut off, for the user.

    Raises:
        ValueError: on entering, see `_read_table`; also when another process is writing to the file.
        FileNotFoundError: the folder does not exist.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rows: list[Any] = []
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"{self.path.parent}: no such folder, make it first")
        super().__enter__()
        try:
            self._read()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _read(self) -> None:
        table = _read_table(self.path)
        if table.columns == _REQUIRED:
            raise ValueError(
                f"{self.path}: written by an older sinter without custom_counts; give another --out"
            )
        if table.columns not in ([], _COLUMNS):
            raise ValueError(
                f"{self.path}: has other columns than {','.join(_COLUMNS)}, so no rows can be appended; "
                "give another --out"
            )
        if table.rest:
            self.cut(table.rest.encode())
            self.notes.append(f"{self.path}: cut off a half-written last line, its shots will be taken again")
        data = self.path.read_bytes()
        if not data.removeprefix(_BYTE_ORDER_MARK.encode()):
            self.append(HEADER)
        elif not data.endswith(b"\n"):
            self.append("")
        self.rows = add_up(table.rows)

    def add(self, stats: Any) -> None:
        """Append one row (`sinter.TaskStats`)."""
        self.append(stats.to_csv_line())


def write(path: Path, rows: Iterable[Any]) -> None:
    """Write rows to a new file.

    Raises:
        ValueError: the file exists; it is never overwritten.
    """
    text = "\n".join([HEADER, *(row.to_csv_line() for row in rows)]) + "\n"
    try:
        write_file(path, text, overwrite=False)
    except FileExistsError:
        raise ValueError(f"{path}: there already; give a new file with --out") from None
