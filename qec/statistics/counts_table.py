"""Counts of sweeps as a table, with rates and intervals."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qec.statistics.binomial import logical_error_rate
from qec.statistics.conversion import per_cycle
from qec.statistics.estimate import check_confidence

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = ("shots", "errors", "discards", "seconds", "decoder", "strong_id", "json_metadata")
_LARGEST = 2**53  # larger counts are not exact as floating-point numbers
# Names of the number of cycles in the metadata of sinter's users and of ours.
_CYCLES = ("r", "rounds", "cycles")


def read_counts(*paths: str | PathLike[str], confidence: float = 0.95) -> pd.DataFrame:
    """Read CSV files of counts, in sinter's format, as a table with one row for each circuit and decoder.

    Rows of the same circuit, decoder and metadata are added up, in all files together. Requires pandas (extra
    `tables`).

    Args:
        paths: files, as `qec sweep` and `sinter collect` write them.
        confidence: level of the intervals, between 0 and 1.

    Returns:
        Data frame. Its columns: one for each key of the metadata; `decoder`, `strong_id`; `shots`, `errors`,
        `discards`, `seconds`; `error_rate` with `error_rate_low` and `error_rate_high`, the fraction of wrong
        shots among those kept, with its likelihood interval; where the metadata give the number of cycles
        (`r`, `rounds` or `cycles`), `error_per_cycle` likewise, see `per_cycle`.

    Raises:
        FileNotFoundError: a file does not exist.
        ValueError: no files, a file given twice, columns missing, or a row that is not one of counts.
        ModuleNotFoundError: pandas is not installed.

    Examples:
        >>> import qec.statistics, tempfile
        >>> from pathlib import Path
        >>> text = "shots,errors,discards,seconds,decoder,strong_id,json_metadata\\n"
        >>> text += '1000,13,0,1.5,mwpm,ab12,"{""d"":5,""r"":10}"\\n'
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "counts.csv")
        ...     _ = path.write_text(text)
        ...     table = qec.statistics.read_counts(path)
        >>> table[["d", "r", "decoder", "shots", "errors", "error_rate"]]
           d   r decoder  shots  errors  error_rate
        0  5  10    mwpm   1000      13       0.013
    """
    if not paths:
        raise ValueError("no files: give at least one CSV file of counts")
    files = [Path(path) for path in paths]
    if len({file.resolve() for file in files}) < len(files):
        raise ValueError("a file is given twice: its shots would count twice")
    return tabulate_counts((row for file in files for row in _rows(file)), confidence=confidence)


def tabulate_counts(rows: Iterable[Mapping[str, Any]], *, confidence: float = 0.95) -> pd.DataFrame:
    """Make the table of `read_counts` from rows of counts.

    Args:
        rows: with `metadata` (an object, or anything JSON can hold), `decoder`, `strong_id`, `shots`,
            `errors`, `discards` and `seconds`; those of the same circuit, decoder and metadata are added up.
        confidence: level of the intervals, between 0 and 1.

    Raises:
        ModuleNotFoundError: pandas is not installed.
    """
    import pandas as pd

    check_confidence(confidence)
    totals: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in rows:
        key = row["strong_id"], row["decoder"], json.dumps(row["metadata"], sort_keys=True)
        known = totals.setdefault(key, {**row, "shots": 0, "errors": 0, "discards": 0, "seconds": 0.0})
        for name in ("shots", "errors", "discards", "seconds"):
            known[name] += row[name]
    return pd.DataFrame([_with_rates(row, confidence=confidence) for row in totals.values()])


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """Read the rows of one file."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such CSV file")
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream, skipinitialspace=True, strict=True)
        lines = _lines(file, reader)
        header = [title.strip() for title in next(lines, [])]
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            raise ValueError(f"{file}: no column {missing[0]}: not a CSV file of counts in sinter's format")
        for cells in lines:
            if not any(cells) or [cell.strip() for cell in cells] == header:  # concatenated files
                continue
            try:
                yield _row(dict(zip(header, (cell.strip() for cell in cells), strict=True)))
            except (ValueError, TypeError, OverflowError, RecursionError) as error:
                what = str(error)[:200]
                raise ValueError(f"{file}, line {reader.line_num}: not a row of counts ({what})") from None


def _lines(file: Path, reader: Any) -> Iterator[list[str]]:
    """Read the cells of each line; where they cannot be read, the error names the file."""
    try:
        yield from reader
    except UnicodeDecodeError:
        raise ValueError(f"{file}: not a CSV file: it is not text in UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{file}, line {reader.line_num}: not a row of counts ({error})") from None


def _row(cell: dict[str, str]) -> dict[str, Any]:
    shots, errors, discards = (int(cell[name]) for name in ("shots", "errors", "discards"))
    if min(shots, errors, discards) < 0 or errors + discards > shots:
        raise ValueError(f"{errors} errors and {discards} discards in {shots} shots")
    if shots > _LARGEST:
        raise ValueError(f"more than {_LARGEST} shots")
    metadata, seconds = json.loads(cell["json_metadata"]), float(cell["seconds"])
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds is {cell['seconds']}, expected a number from 0 up")
    counts = {"shots": shots, "errors": errors, "discards": discards, "seconds": seconds}
    return {"metadata": metadata, "decoder": cell["decoder"], "strong_id": cell["strong_id"], **counts}


def _with_rates(row: dict[str, Any], *, confidence: float) -> dict[str, Any]:
    """Make one row of the table."""
    metadata = row.pop("metadata")
    if not isinstance(metadata, dict):
        metadata = {} if metadata is None else {"json_metadata": metadata}
    result: dict[str, Any] = metadata | row  # counts win over metadata of the same name
    kept = row["shots"] - row["discards"]
    if not kept:
        return result
    rate = logical_error_rate(errors=row["errors"], shots=kept, confidence=confidence)
    cycles = next((metadata[name] for name in _CYCLES if name in metadata), None)
    for end, value in (("", rate.value), ("_low", rate.low), ("_high", rate.high)):
        result[f"error_rate{end}"] = value
        if isinstance(cycles, int | float) and not isinstance(cycles, bool) and 0 < cycles <= _LARGEST:
            result[f"error_per_cycle{end}"] = per_cycle(probability=value, cycles=cycles)
    return result
