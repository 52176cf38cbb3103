"""Counts grouped for threshold fits: one group for each code, noise model, basis and decoder."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qec.statistics.finite_size import ThresholdFit, threshold_fit

Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Scaling:
    """Threshold of one group.

    Attributes:
        key: metadata without distance, cycles and strength, the cycles as multiple of the distance, decoder.
        fit: of all distances; None: no threshold within the strengths.
        without_smallest: the same without the smallest distance; None: too few distances or no threshold.
        notes: for the user.
    """

    key: Key
    fit: ThresholdFit | None
    without_smallest: ThresholdFit | None
    notes: list[str]


def scalings(rows: Sequence[Any]) -> list[Scaling]:
    """Group and fit counts (`sinter.TaskStats`).

    Circuits of a group have one strength p and distance each, and as many cycles as the distance, or one
    multiple of it, or all the same number. Discarded shots do not count.

    Raises:
        ValueError: a row without the metadata d, r and p, or two of one group with the same d and p.
    """
    groups: dict[Key, dict[tuple[int, float], Any]] = defaultdict(dict)
    fixed = _fixed_cycles(rows)
    for row in rows:
        data = row.json_metadata
        key = _key(row, fixed)
        place = data["d"], float(data["p"])
        if place in groups[key]:
            raise ValueError(
                f"two circuits have d = {data['d']}, p = {data['p']}, r = {data['r']} and decoder "
                f"{row.decoder}: give the files of one experiment"
            )
        if row.shots > row.discards:
            groups[key][place] = row
    return [_scaling(key, group) for key, group in groups.items() if group]


def _fixed_cycles(rows: Sequence[Any]) -> bool:
    """Test whether circuits of all distances have the same numbers of cycles; raises for missing metadata."""
    cycles: dict[Any, set[Any]] = defaultdict(set)
    for row in rows:
        data = row.json_metadata
        if not isinstance(data, dict) or not {"d", "r", "p"} <= data.keys():
            raise ValueError(
                f"rows need the metadata keys d (distance), r (cycles) and p (strength), one has {data!r}"
            )
        cycles[data["d"]].add(data["r"])
    return len(cycles) > 1 and all(found == next(iter(cycles.values())) for found in cycles.values())


def _key(row: Any, fixed: bool) -> Key:
    data = row.json_metadata
    labels = {name: value for name, value in data.items() if name not in ("d", "r", "p")}
    ratio = data["r"] / data["d"]
    labels["cycles"] = f"{data['r']}" if fixed else f"{'' if ratio == 1 else f'{ratio:.4g} '}d"
    first = [name for name in ("c", "noise", "b", "cycles") if name in labels]
    ordered = [*first, *sorted(set(labels) - set(first))]
    words = [
        (name, value if isinstance(value := labels[name], str) else json.dumps(value)) for name in ordered
    ]
    return (*words, ("decoder", row.decoder))


def _scaling(key: Key, group: dict[tuple[int, float], Any]) -> Scaling:
    places = sorted(group)
    smallest = places[0][0]
    notes = []
    cycles = {group[place].json_metadata["r"] for place in places}
    if len(cycles) == 1 and cycles != {1} and len({d for d, _ in places}) > 1:
        notes.append(
            f"all circuits have {cycles.pop()} cycles; finite-size scaling assumes that cycles grow with the "
            "distance (--rounds d)"
        )
    fit = _fit(group, places)
    if fit is None:
        distances, strengths = ({place[k] for place in places} for k in (0, 1))
        notes.append(
            f"no threshold from p = {min(strengths):g} to {max(strengths):g} at {len(distances)} distances: "
            "it needs curves that cross there, at least two distances, three strengths, and eight points"
        )
    elif not fit.used.all():
        notes.append(
            f"{(~fit.used).sum()} of {fit.used.size} points lie too far from the threshold for a parabola "
            "and are left out"
        )
    return Scaling(key, fit, _fit(group, [place for place in places if place[0] != smallest]), notes)


def _fit(group: dict[tuple[int, float], Any], places: Sequence[tuple[int, float]]) -> ThresholdFit | None:
    if not places:
        return None
    return threshold_fit(
        strengths=[p for _, p in places],
        distances=[d for d, _ in places],
        errors=[group[place].errors for place in places],
        shots=[group[place].shots - group[place].discards for place in places],
    )
