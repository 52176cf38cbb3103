"""Metadata of an experiment folder: `properties.yml` (2022/2023) or `metadata.json` (2024)."""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_YAML_LINE = re.compile(r"(?P<key>[A-Za-z_][\w-]*):[ \t]+(?P<value>\S.*)")
# Values that YAML would not read as the plain text they look like.
_YAML_SYNTAX = tuple("[]{}&*!|>%@`,?'\"")
# More digits make no count, and Python refuses to convert them.
_INTEGER = re.compile(r"[+-]?[0-9]{1,1000}")
_LONGEST_SHOWN = 60
_FARTHEST = 1e6  # coordinate of a qubit; NaN and infinity are no places


@dataclass(frozen=True)
class Metadata:
    """Description of one experiment.

    Attributes:
        distance: code distance.
        rounds: cycles of stabilizer measurements.
        basis: "X" or "Z", the logical operator that is prepared and measured.
        shots: number of shots in each file of the folder.
        center: (row, column) of the patch's centre on the device's grid, None if unknown.
        fields: all entries of the file, unchanged.
    """

    distance: int
    rounds: int
    basis: str
    shots: int
    center: tuple[float, float] | None = None
    fields: Mapping[str, object] = field(default_factory=dict, hash=False)

    @classmethod
    def from_fields(cls, fields: Mapping[str, object], *, source: str = "metadata") -> "Metadata":
        """Check the entries of a metadata file.

        Args:
            fields: the entries. `distance`, `basis`, `shots` and `rounds` (or `cycles`, as the repetition
                code's data call it) are required; the centre is taken from `center_data_qubit_row` and
                `..._col` or as the mean of `data_qubit_coords`.
            source: name of the file, for error messages.

        Raises:
            ValueError: an entry is missing or has an invalid value.
        """
        rounds_key = "rounds" if "rounds" in fields or "cycles" not in fields else "cycles"
        basis = fields.get("basis")
        if not (isinstance(basis, str) and basis.upper() in ("X", "Z")):
            raise ValueError(f"{source}: 'basis' is {_shown(basis)}, expected 'X' or 'Z'")
        return cls(
            distance=_count(fields, "distance", minimum=1, source=source),
            rounds=_count(fields, rounds_key, minimum=1, source=source),
            basis=basis.upper(),
            shots=_count(fields, "shots", minimum=0, source=source),
            center=_center(fields, source=source),
            fields=dict(fields),
        )


def read_properties(path: Path) -> dict[str, object]:
    """Parse a flat `properties.yml`: lines of `key: value`, blank lines and comments.

    Whole numbers become int, everything else stays text. Nested, quoted or otherwise structured YAML is an
    error.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a line is not `key: value`, or a key occurs twice; the message names the line.
    """
    fields: dict[str, object] = {}
    for number, line in enumerate(_read_text(path).splitlines(), start=1):
        text = re.sub(r"(^|\s)#.*$", "", line).rstrip()
        if not text:
            continue
        match = _YAML_LINE.fullmatch(text)
        if match is None or match["value"].startswith(_YAML_SYNTAX) or ": " in match["value"]:
            raise ValueError(f"{path}: line {number} is not 'key: value': {_shown(line)}")
        key, value = match["key"], match["value"]
        if key in fields:
            raise ValueError(f"{path}: line {number} gives {_shown(key)} a second time")
        fields[key] = int(value) if _INTEGER.fullmatch(value) else value
    return fields


def read_metadata(path: Path) -> dict[str, object]:
    """Parse a `metadata.json`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is not JSON, or not an object of named entries.
    """
    try:
        fields = json.loads(_read_text(path))
    except RecursionError:
        raise ValueError(f"{path}: nested too deeply; metadata are an object with named entries") from None
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError(
            f"{path}: holds a JSON {type(fields).__name__}, expected an object with named entries"
        )
    return fields


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return path.read_text(encoding="utf-8-sig")  # Windows editors write a byte-order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 text (byte {error.start})") from None


def _count(fields: Mapping[str, object], key: str, *, minimum: int, source: str) -> int:
    if key not in fields:
        names = ", ".join(sorted(fields))
        raise ValueError(f"{source}: no {key!r}; it has {_shown(names, str) if names else 'no entries'}")
    value = fields[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise ValueError(f"{source}: {key!r} is {_shown(value)}, expected a whole number from {minimum} up")
    return value


def _center(fields: Mapping[str, object], *, source: str) -> tuple[float, float] | None:
    row, col = fields.get("center_data_qubit_row"), fields.get("center_data_qubit_col")
    coords, what = fields.get("data_qubit_coords"), "'data_qubit_coords' is not a list of [row, column]"
    if isinstance(row, int) and isinstance(col, int):
        coords, what = [(row, col)], "'center_data_qubit_row' and '..._col' are no place"
    if not coords:
        return None
    try:
        pairs = [(float(x), float(y)) for x, y in coords]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        pairs = [(math.inf, math.inf)]
    if not all(abs(c) <= _FARTHEST for pair in pairs for c in pair):
        raise ValueError(f"{source}: {what}, each a number from -1e6 to 1e6")
    # Rounded, so that equal patches have equal centres in spite of rounding errors.
    return round(sum(x for x, _ in pairs) / len(pairs), 6), round(sum(y for _, y in pairs) / len(pairs), 6)


def _shown(value: object, write: Callable[[object], str] = repr) -> str:
    """Write a value for a message, cut if it is long."""
    text = write(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 4]} ..."
