"""Rows of a sweep's CSV, grouped into the studies that one line of a figure shows."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.fits import Count, Fits, fit

# What tells two studies apart: (metadata key, value), in the order of reading.
Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Study:
    """All distances, cycles and bases of one code, noise and decoder.

    Attributes:
        key: code, noise, p and decoder, and whatever else the metadata say.
        counts: errors, one entry for each distance, number of cycles and basis.
        fits: epsilon_d and Lambda.
    """

    key: Key
    counts: list[Count]
    fits: Fits


_FIRST = ("c", "noise", "p")
# Values that need no name beside them.
PLAIN = ("c", "noise", "decoder")


def _key(row: Any) -> Key:
    rest = {name: value for name, value in row.json_metadata.items() if name not in ("d", "r", "b")}
    known = [(name, str(rest.pop(name))) for name in _FIRST if name in rest]
    others = [(name, str(value)) for name, value in sorted(rest.items())]
    return (*known, *others, ("decoder", row.decoder))


def _count(row: Any) -> Count:
    data = row.json_metadata
    if not isinstance(data, dict) or not {"d", "r"} <= data.keys():
        raise ValueError(f"rows need the metadata keys d (distance) and r (cycles), one has {data!r}")
    distance, cycles = data["d"], data["r"]
    for name, value in (("d", distance), ("r", cycles)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"metadata key {name} must be a positive whole number, one row has {value!r}")
    return Count(
        distance=distance,
        basis=str(data.get("b", "")),
        cycles=cycles,
        shots=row.shots - row.discards,
        errors=row.errors,
    )


def studies(rows: Sequence[Any]) -> tuple[list[Study], list[str]]:
    """Group and fit rows (`sinter.TaskStats`, added up).

    Returns:
        The studies in the order of their keys (p by size), and notes for the user.

    Raises:
        ValueError: a row without distance or cycles in its metadata.
    """
    notes: list[str] = []
    grouped: dict[Key, dict[tuple[int, int, str], Count]] = defaultdict(dict)
    for row in rows:
        count = _count(row)
        if count.shots == 0:
            continue
        group = grouped[_key(row)]
        place = (count.distance, count.cycles, count.basis)
        if place in group:
            # Other circuits under one name: for example from two versions of the noise model.
            notes.append(
                f"two circuits are called d={count.distance} r={count.cycles} b={count.basis or '-'} "
                f"{describe(_key(row))}: their shots were added up"
            )
            count = Count(
                distance=count.distance,
                basis=count.basis,
                cycles=count.cycles,
                shots=count.shots + group[place].shots,
                errors=count.errors + group[place].errors,
            )
        group[place] = count
    found = []
    for key, group in sorted(grouped.items(), key=lambda item: [_sort_value(value) for _, value in item[0]]):
        counts = [group[place] for place in sorted(group)]
        found.append(Study(key=key, counts=counts, fits=fit(counts)))
    return found, notes


def _sort_value(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return 0.0, text


def describe(key: Key) -> str:
    """A key in words: `surface_css_cz, si1000, p = 0.003, pymatching`."""
    return ", ".join(value if name in PLAIN else f"{name} = {value}" for name, value in key)


def split_common(found: Sequence[Study]) -> tuple[Key, list[Key]]:
    """What all studies have in common (for a title), and for each what is its own (for a legend)."""
    common = tuple(part for part in found[0].key if all(part in study.key for study in found))
    return common, [tuple(part for part in study.key if part not in common) for study in found]
