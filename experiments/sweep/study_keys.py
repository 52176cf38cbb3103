"""Selection of the metadata keys that separate the studies over which Lambda is fitted.

Files from other programs carry keys that follow from the distance (number of qubits) or that name the row
(path of its circuit). Grouping by them would leave each study with a single distance.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence

from experiments.common.fits import Count

# A row: its distance, cycles and basis; its decoder; the other metadata as text.
Labelled = tuple[Count, str, Mapping[str, str]]

# Lambda over several codes or noise strengths has no meaning, even if each was measured at one distance only.
_PARAMETERS = ("c", "noise", "p")


def select_keys(
    rows: Sequence[Labelled], *, keep: Collection[str] = (), ignore: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """Select the keys that separate studies.

    Start from the constant keys, c, noise, p and `keep`. As long as two rows of one study have the same
    distance, cycles and basis but other metadata, add the key that tells such rows apart with the fewest
    studies. Each remaining key follows from distance, cycles, basis and the selected keys. It is left out
    if it follows from the distance alone or is one-to-one with the cycles, or if no
    value occurs at two distances of a
    study; it is selected if it follows from the basis, or if its values occur at several distances.

    Args:
        rows: at least one.
        keep: keys to select in any case.
        ignore: keys to leave out in any case.

    Returns:
        The selected keys, and one note for each key that was left out or that might as well have been.

    Raises:
        ValueError: a key of `keep` or `ignore` that no row has, or one in both.
    """
    names = sorted({name for _, _, labels in rows for name in labels})
    for flag, given in (("--keep", keep), ("--ignore", ignore)):
        for name in given:
            if name in ("d", "r", "b"):
                raise ValueError(
                    f"{flag} {name}: distance, cycles and basis (d, r, b) belong to the points of a study; "
                    f"keys that group are {', '.join(names) or 'none'}"
                )
            if name not in names:
                raise ValueError(
                    f"{flag} {name}: no row has this metadata key; there are {', '.join(names) or 'none'}"
                )
    both = sorted(set(keep) & set(ignore))
    if both:
        raise ValueError(f"--keep and --ignore both have {both[0]}: give it in one of them")
    names = [name for name in names if name not in ignore]
    fixed = {name for name in names if len({labels.get(name) for _, _, labels in rows}) == 1}
    selected = fixed | set(keep) | (set(names) & set(_PARAMETERS))
    selected |= _distinguishing(rows, names, selected)
    varying = sorted(set(names) - selected)
    groups = list(_groups(rows, selected).values())
    notes = []
    for name in varying:
        reason = _reason_to_leave_out(groups, name)
        if reason is not None:
            notes.append(
                f"metadata key {name!r} {reason}: left out of the grouping (--keep {name} groups by it)"
            )
            continue
        selected.add(name)
        if not all(_follows(group, name, _basis) for group in groups):
            notes.append(_ambiguous(name))
    # A code or a noise strength that changes with the distance splits a study too.
    for name in sorted(set(_PARAMETERS) & selected - fixed - set(keep)):
        without = list(_groups(rows, selected - {name}).values())
        joined = len(without) < len(_groups(rows, selected))
        if joined and all(_follows(group, name, _place) for group in without):
            notes.append(_ambiguous(name))
    return sorted(selected), notes


def _ambiguous(name: str) -> str:
    return (
        f"metadata key {name!r} changes with the distance or the cycles, but may be a parameter: rows were "
        f"grouped by it (--ignore {name} leaves it out)"
    )


def _distinguishing(rows: Sequence[Labelled], names: Sequence[str], selected: Collection[str]) -> set[str]:
    """Keys to add so that rows of one study at one place have the same metadata."""
    added: set[str] = set()
    while True:
        clashing = {
            name
            for group in _groups(rows, [*selected, *added]).values()
            for name in names
            if not _follows(group, name, _place)
        }
        if not clashing:
            return added
        added.add(min(sorted(clashing), key=lambda name: len(_groups(rows, [*selected, *added, name]))))


def _reason_to_leave_out(groups: Sequence[Sequence[Labelled]], name: str) -> str | None:
    # In studies where the key is constant it separates nothing.
    split = [group for group in groups if len({labels.get(name) for _, _, labels in group}) > 1]
    if all(_follows(group, name, _basis) for group in split):
        return None
    if all(_follows(group, name, _distance) for group in split):
        return "follows from the distance"
    # One value at several numbers of cycles (cycles as a multiple of the distance) may be a parameter.
    if all(_follows(group, name, _cycles) and _one_to_one(group, name) for group in split):
        return "follows from the number of cycles"
    for group in split:
        distances: dict[str | None, set[int]] = defaultdict(set)
        for count, _, labels in group:
            distances[labels.get(name)].add(count.distance)
        if any(len(found) > 1 for found in distances.values()):
            return None
    return "has no value in common between distances"


def _one_to_one(group: Sequence[Labelled], name: str) -> bool:
    """Test whether the number of cycles is a function of a key."""
    known: dict[str | None, int] = {}
    return all(known.setdefault(labels.get(name), count.cycles) == count.cycles for count, _, labels in group)


def _groups(rows: Sequence[Labelled], names: Collection[str]) -> dict[Hashable, list[Labelled]]:
    ordered = sorted(names)
    groups: dict[Hashable, list[Labelled]] = defaultdict(list)
    for row in rows:
        groups[row[1], tuple(row[2].get(name) for name in ordered)].append(row)
    return groups


def _follows(group: Sequence[Labelled], name: str, source: Callable[[Count], Hashable]) -> bool:
    """Test whether a key is a function of what `source` returns."""
    known: dict[Hashable, str | None] = {}
    return all(
        known.setdefault(source(count), labels.get(name)) == labels.get(name) for count, _, labels in group
    )


def _place(count: Count) -> Hashable:
    return count.distance, count.cycles, count.basis


def _distance(count: Count) -> Hashable:
    return count.distance


def _cycles(count: Count) -> Hashable:
    return count.cycles


def _basis(count: Count) -> Hashable:
    return count.basis
