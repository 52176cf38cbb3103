"""Rows of a sweep's CSV file grouped into studies, one for each line of a figure."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.common.fits import Count, Fits, fit
from experiments.sweep.study_keys import select_keys

# What distinguishes two studies: (metadata key, value), in the order of reading.
Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Study:
    """All distances, cycles and bases of one code, noise and decoder.

    Attributes:
        key: code, noise, p, the other metadata keys that separate studies, and the decoder.
        counts: errors, one entry for each distance, number of cycles and basis.
        fits: epsilon_d and Lambda.
        discards: shots that were discarded; `counts` has the others.
    """

    key: Key
    counts: list[Count]
    fits: Fits
    discards: int = 0


_LARGEST = 2**53  # larger numbers are not exact as floating-point numbers
_FIRST = ("c", "noise", "p")
# Values that need no name.
PLAIN = ("c", "noise", "decoder")


def _key(row: Any, names: Sequence[str]) -> Key:
    data = row.json_metadata
    present = [name for name in names if name in data]
    ordered = [*(name for name in _FIRST if name in present), *sorted(set(present) - set(_FIRST))]
    return (*((name, _text(data[name])) for name in ordered), ("decoder", row.decoder))


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _whole(name: str, value: object) -> int:
    """Read a positive whole number that may be stored as 3, 3.0 or "3"."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        number = 0.0
    if not (1 <= number <= _LARGEST and number.is_integer()):
        raise ValueError(f"metadata key {name} must be a positive whole number, one row has {value!r}")
    return int(number)


def _count(row: Any) -> Count:
    data = row.json_metadata
    if not isinstance(data, dict) or not {"d", "r"} <= data.keys():
        raise ValueError(f"rows need the metadata keys d (distance) and r (cycles), one has {data!r}")
    basis = data.get("b")
    return Count(
        distance=_whole("d", data["d"]),
        basis="" if basis is None else str(basis).strip().lower(),
        cycles=_whole("r", data["r"]),
        shots=row.shots - row.discards,
        errors=row.errors,
    )


def studies(
    rows: Sequence[Any], *, keep: Sequence[str] = (), ignore: Sequence[str] = ()
) -> tuple[list[Study], list[str]]:
    """Group and fit rows (`sinter.TaskStats`, added up).

    Args:
        rows: counts with distance `d` and number of cycles `r` in their metadata.
        keep: metadata keys that always separate studies.
        ignore: metadata keys that never do; of the others `experiments.sweep.study_keys` selects.

    Returns:
        The studies in the order of their keys (p by size), and notes for the user.

    Raises:
        ValueError: a row without distance or cycles in its metadata, no row with a shot that counts, or a
            key in `keep` or `ignore` that no row has.
    """
    pairs = [(_count(row), row) for row in rows]
    counted = [(count, row) for count, row in pairs if count.shots > 0]
    if not counted:
        raise ValueError(
            f"no shots to fit: {sum(row.shots for row in rows)} shots in {len(rows)} rows, all discarded; "
            "take more shots or relax the postselection"
        )
    notes: list[str] = []
    if len(counted) < len(pairs):
        notes.append(
            f"left out {len(pairs) - len(counted)} of {len(pairs)} rows: no shots, or all of them discarded"
        )
    names, more_notes = select_keys(
        [(count, row.decoder, _labels(row)) for count, row in counted], keep=keep, ignore=ignore
    )
    notes += more_notes
    grouped: dict[Key, dict[tuple[int, int, str], Count]] = defaultdict(dict)
    discards: dict[Key, int] = defaultdict(int)
    for count, row in counted:
        key = _key(row, names)
        discards[key] += row.discards
        group = grouped[key]
        place = (count.distance, count.cycles, count.basis)
        if place in group:
            # Other circuits under one name: for example from two versions of the noise model.
            notes.append(
                f"two circuits are called d={count.distance} r={count.cycles} b={count.basis or '-'} "
                f"{describe(key)}: their shots were added up"
            )
            count = replace(
                count, shots=count.shots + group[place].shots, errors=count.errors + group[place].errors
            )
        group[place] = count
    found = []
    for key, group in sorted(grouped.items(), key=lambda item: [_sort_value(value) for _, value in item[0]]):
        counts = [group[place] for place in sorted(group)]
        found.append(Study(key=key, counts=counts, fits=fit(counts), discards=discards[key]))
    return found, notes


def _labels(row: Any) -> dict[str, str]:
    return {name: _text(value) for name, value in row.json_metadata.items() if name not in ("d", "r", "b")}


def _sort_value(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text


def describe(key: Key) -> str:
    """Describe a key: `surface_css_cz, si1000, p = 0.003, pymatching`."""
    return ", ".join(value if name in PLAIN else f"{name} = {value}" for name, value in key)


# Codes and noise models as their names in metadata begin -> in titles.
_TITLES = {
    "surface_css": "rotated surface code",
    "surface_zxxz": "rotated surface code (ZXXZ)",
    "repetition": "repetition code",
    "si1000": "SI1000 noise",
    "uniform": "uniform depolarizing noise",
    "phenomenological": "phenomenological noise",
    "none": "no noise",
}


def plain_words(key: Key) -> str:
    """Describe a key for a title: `Rotated surface code (ZXXZ), SI1000 noise, p = 0.003`."""
    words = ", ".join(_plain(name, value) for name, value in key)
    return words[:1].upper() + words[1:] if words.startswith(tuple(_TITLES.values())) else words


def _plain(name: str, value: str) -> str:
    if name == "c":
        code, _, gates = value.rpartition("_")
        return _TITLES.get(value) or (_TITLES.get(code) if gates in ("cz", "cx") else None) or value
    if name == "noise":
        model, biased, eta = value.partition(":bias=")
        if model.startswith("device:"):
            return f"device {Path(model.removeprefix('device:')).stem}"
        return _TITLES.get(model, model) + (f", bias {eta}" if biased else "")
    return value if name in PLAIN else f"{name} = {value}"


def split_common(found: Sequence[Study]) -> tuple[Key, list[Key]]:
    """Split the descriptions of studies into a common part, for a title, and one for each, for a legend."""
    common = tuple(part for part in found[0].key if all(part in study.key for study in found))
    return common, [tuple(part for part in study.key if part not in common) for study in found]
