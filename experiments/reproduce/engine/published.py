"""Published values, read from `data/published/*.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from typing import Any

from qec.resources import data_path

_FOLDER = "published"
_KEYS = {"value", "error", "unit", "note", "mark", "weight", "rate"}
_MARKS = {"published": "", "secondary": "read by others", "remembered": "not checked"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published number.

    Attributes:
        value: the number, in `unit`.
        error: its published uncertainty, or None.
        unit: "" for a plain number.
        note: what it belongs to.
        mark: "published", "secondary" (read off or refitted by others) or "remembered" (not checked).
        weight: in an error budget, the factor on the rate.
        rate: in an error budget, the rate.
        source: where it was published.
    """

    value: float
    error: float | None
    unit: str
    note: str
    mark: str
    weight: float | None
    rate: float | None
    source: str


@cache
def _file(name: str) -> dict[str, Any]:
    path = data_path(f"{_FOLDER}/{name}.toml")
    with path.open("rb") as file:
        content = tomllib.load(file)
    if not isinstance(content.get("source"), str):
        raise ValueError(f"{path}: it must begin with source = a text")
    for table, entry in content.items():
        if table == "source":
            continue
        unknown = set(entry) - _KEYS
        if unknown or "value" not in entry or entry.get("mark", "published") not in _MARKS:
            raise ValueError(
                f"{path}: [{table}] takes value (required), {', '.join(sorted(_KEYS - {'value'}))}; marks: "
                f"{', '.join(_MARKS)}"
            )
    return content


def tables(name: str) -> list[str]:
    """The values that a file holds, in its order."""
    return [table for table in _file(name) if table != "source"]


def value(key: str) -> Published:
    """A published value by its key `file.table`, such as "memory.lambda_network".

    Raises:
        ValueError: there is none; the message lists the file's tables.
        FileNotFoundError: there is no such file.
    """
    name, _, table = key.partition(".")
    content = _file(name)
    if table not in content or table == "source":
        raise ValueError(f"no published value {key!r}; {name} has {', '.join(sorted(tables(name)))}")
    entry = content[table]
    return Published(
        value=float(entry["value"]),
        error=entry.get("error"),
        unit=entry.get("unit", ""),
        note=entry.get("note", ""),
        mark=entry.get("mark", "published"),
        weight=entry.get("weight"),
        rate=entry.get("rate"),
        source=content["source"],
    )


def words(key: str, *, scale: float = 1.0, unit: str | None = None, note: bool = True) -> str:
    """A published value as text, such as `2.14 ± 0.02 (105-qubit chip, neural network)`.

    Args:
        key: as `value` takes it.
        scale: factor on the number before it is shown.
        unit: shown behind it; None is the unit of the file.
        note: whether to add the note; a mark other than "published" is always added.
    """
    found = value(key)
    text = f"{found.value * scale:.4g}"
    if found.error is not None:
        text += f" ± {found.error * scale:.3g}"
    shown = found.unit if unit is None else unit
    remarks = [part for part in (found.note if note else "", _MARKS[found.mark]) if part]
    return text + (f" {shown}" if shown else "") + (f" ({'; '.join(remarks)})" if remarks else "")
