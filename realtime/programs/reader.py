"""Check of program files: operations in order, names of patches and outcomes as numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from realtime.programs.kernels.records import Kind, Unsure
from realtime.programs.operations import Operation
from realtime.protocol import wire

VERSION = 1
Basis = Literal["z", "x"]
BASES: tuple[Basis, ...] = ("z", "x")
# Bit 0 flips outcomes in the z basis, bit 1 those in x.
_PAULIS = {"x": 1, "z": 2, "y": 3}
_MAX_OPERATIONS = 100_000
_MAX_PATCHES = 64
_LONGEST_IDLE = 1_000_000
_LONGEST_MERGE, _MAX_TILES = 1000, 100
_LARGEST_GAP, _MAX_REPETITIONS = 1000, 100
# Operation -> its fields, all required but those in brackets.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "prepare": ("patch",),
    "idle": ("cycles",),
    "measure": ("patch", "basis", "outcome"),
    "wait": ("outcome", "[gap]", "[below]"),
    "correct": ("patch", "pauli", "[if]"),
    "merge": ("patches", "basis", "cycles", "outcome"),
    "repeat": ("times",),
    "end": (),
}


class ProgramError(ValueError):
    """A program file that cannot be run: the line, the field, and what is accepted."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.splitlines())  # names of fields may be anything
        super().__init__(line if len(line) <= 600 else f"{line[:300]} ... {line[-200:]}")


def read_operations(text: str) -> dict[str, Any]:
    """Read the text of a program; return the fields of `Program`.

    Raises:
        ProgramError: the first fault, with its line and field.
    """
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines:
        raise ProgramError('line 1: empty: begin with {"program": NAME, "version": 1, "patches": [...]}')
    reader = _Reader(lines[0][0], _object(*lines[0]))
    for number, entry in _unrolled([(number, _operation(number, line)) for number, line in lines[1:]]):
        reader.take(number, entry)
    return reader.fields(lines[-1][0])


def _object(number: int, line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"line {number}: not JSON: {error}") from None
    if not isinstance(entry, dict):
        raise ProgramError(f"line {number}: must be a JSON object, one a line")
    return entry


def _operation(number: int, line: str) -> dict[str, Any]:
    """Parse an operation; check its name and the names of its fields."""
    entry = _object(number, line)
    name = entry.get("do")
    if not isinstance(name, str) or name not in _FIELDS:
        raise ProgramError(f'line {number}: field "do": {name!r}: choose from {", ".join(_FIELDS)}')
    fields = [one.strip("[]") for one in _FIELDS[name]]
    for one in entry:
        if one != "do" and one not in fields:
            known = ", ".join(fields) or "none"
            raise ProgramError(f'line {number}: field "{one}": unknown: {name} has the fields {known}')
    for one in _FIELDS[name]:
        if one not in entry and not one.startswith("["):
            raise ProgramError(f'line {number}: field "{one}": missing: {name} needs it')
    return entry


def _whole(number: int, entry: Mapping[str, Any], name: str, most: int) -> int:
    value = entry[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise ProgramError(f'line {number}: field "{name}": {value!r}: must be an integer from 1 to {most}')
    return value


def _unrolled(entries: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """Repeat what lies between `repeat` and `end`."""
    found: list[tuple[int, dict[str, Any]]] = []
    open_blocks: list[tuple[int, int, int]] = []  # line, times, first operation
    for number, entry in entries:
        if entry["do"] == "repeat":
            open_blocks.append((number, _whole(number, entry, "times", _MAX_OPERATIONS), len(found)))
        elif entry["do"] == "end":
            if not open_blocks:
                raise ProgramError(f'line {number}: field "do": end without repeat')
            _, times, first = open_blocks.pop()
            if first + times * (len(found) - first) > _MAX_OPERATIONS:
                raise ProgramError(
                    f"line {number}: more than {_MAX_OPERATIONS} operations with all repetitions"
                )
            found += found[first:] * (times - 1)
        else:
            found.append((number, entry))
    if open_blocks:
        raise ProgramError(f'line {open_blocks[-1][0]}: field "do": repeat without end')
    return found


@dataclass
class _Patch:
    """State of a patch during the check, with answers that arrive at once."""

    alive: bool = False
    ending: bool = False
    cycles: int = 0
    #: Line of the last operation on it.
    line: int = 0


@dataclass
class _Reader:
    """Checks operations in order and numbers patches and outcomes."""

    line: int
    head: dict[str, Any]
    operations: list[Operation] = field(default_factory=list)
    patches: dict[str, _Patch] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    measured_of: dict[str, str] = field(default_factory=dict)
    shortest: int = _LONGEST_IDLE
    tiles: dict[str, tuple[int, int]] = field(default_factory=dict)
    #: Number of the line, and the field, of what a program with merges may not have.
    no_merge: tuple[int, str] | None = None

    def __post_init__(self) -> None:
        wanted = ("program", "version", "patches")
        for name in self.head:
            if name not in wanted:
                raise ProgramError(
                    f'line {self.line}: field "{name}": unknown: the first line has {", ".join(wanted)}'
                )
        for name in wanted:
            if name not in self.head:
                raise ProgramError(f'line {self.line}: field "{name}": missing in the first line')
        if self.head["version"] != VERSION or isinstance(self.head["version"], bool):
            raise ProgramError(
                f'line {self.line}: field "version": {self.head["version"]!r}: must be {VERSION}'
            )
        self._name(self.line, self.head, "program")
        names = self.head["patches"]
        if isinstance(names, dict):
            for name, place in names.items():
                self.tiles[name] = self._tile(name, place)
            names = list(names)
        if not isinstance(names, list) or not 1 <= len(names) <= _MAX_PATCHES:
            raise ProgramError(
                f'line {self.line}: field "patches": must be a list of 1 to {_MAX_PATCHES} names, or '
                "an object of names and tiles"
            )
        for name in names:
            if not isinstance(name, str) or not name or name in self.patches:
                raise ProgramError(
                    f'line {self.line}: field "patches": {name!r}: must be a new name that is not empty'
                )
            self.patches[name] = _Patch()

    def take(self, number: int, entry: dict[str, Any]) -> None:
        """Check one operation and append it."""
        self.line = number
        match entry["do"]:
            case "prepare":
                self._prepare(entry)
            case "idle":
                cycles = _whole(number, entry, "cycles", _LONGEST_IDLE)
                self._pass(cycles)
                self.operations.append(Operation(kind=Kind.IDLE, cycles=cycles))
            case "measure":
                self._measure(entry)
            case "wait":
                self._wait(entry)
            case "correct":
                self._correct(entry)
            case "merge":
                self._merge(entry)

    def fields(self, last_line: int) -> dict[str, Any]:
        """Return the fields of the program, which ends at `last_line`."""
        for name, patch in self.patches.items():
            if patch.alive and not patch.ending:
                raise ProgramError(f'line {last_line}: patch "{name}" is not measured at the end: measure it')
        if not self.outcomes:
            raise ProgramError(f"line {last_line}: nothing is measured: add a measure operation")
        if self.no_merge and any(one.kind == Kind.MERGE for one in self.operations):
            line, name = self.no_merge
            raise ProgramError(f'line {line}: field "{name}": not in a program with merges: leave it out')
        return {
            "name": self.head["program"],
            "patches": tuple(self.patches),
            "outcomes": tuple(self.outcomes),
            "operations": tuple(self._decided()),
            "results": frozenset(set(self.outcomes) - self.used),
            "shortest_life": self.shortest,
            "decisions": sum(one.kind == Kind.WAIT for one in self.operations),
            "tiles": tuple(self.tiles.values()),
        }

    def _decided(self) -> list[Operation]:
        """Mark the measurements whose outcomes the program waits for, before they are measured again."""
        found = list(self.operations)
        latest: dict[int, int] = {}
        for at, operation in enumerate(found):
            if operation.kind in (Kind.MEASURE, Kind.MERGE):
                latest[operation.outcome] = at
            elif operation.kind == Kind.WAIT:
                measured = latest[operation.outcome]
                found[measured] = replace(found[measured], decides=True)
        return found

    def _prepare(self, entry: Mapping[str, Any]) -> None:
        number, patch = self._patch(entry)
        if patch.alive:
            advice = "let a cycle pass first" if patch.ending else "measure it first"
            raise self._error("patch", f"{entry['patch']!r} is in use: {advice}")
        patch.alive, patch.cycles = True, 0
        self.operations.append(Operation(kind=Kind.PREPARE, patch=number))

    def _measure(self, entry: Mapping[str, Any]) -> None:
        number, patch = self._live(entry)
        basis, condition, basis_if = self._basis(entry["basis"])
        if patch.cycles < 1:
            raise self._error("patch", f"{entry['patch']!r} has had no cycle: idle before it is measured")
        outcome = self._outcome(entry, entry["patch"])
        patch.ending = True
        self.shortest = min(self.shortest, patch.cycles + 1)
        self.operations.append(
            Operation(
                kind=Kind.MEASURE,
                patch=number,
                outcome=outcome,
                basis=basis,
                condition=condition,
                basis_if=basis_if,
            )
        )

    def _merge(self, entry: Mapping[str, Any]) -> None:
        names = entry["patches"]
        if not isinstance(names, list) or len(names) != 2 or names[0] == names[1]:
            raise self._error("patches", f"{names!r}: must be a list of two different patches")
        numbers = []
        for name in names:
            number, patch = self._live({"patch": name}, "patches")
            if patch.cycles < 1:
                raise self._error("patches", f"{name!r} has had no cycle: idle before the merge")
            numbers.append(number)
        for name, patch in self.patches.items():
            if patch.ending:
                raise self._error("do", f"{name!r} is being measured: let a cycle pass before the merge")
        basis = BASES.index(self._known(entry["basis"], "basis", BASES, "basis"))
        if not self.tiles:
            raise self._error(
                "patches", 'merges need tiles: give the first line "patches": {NAME: [COLUMN, ROW]}'
            )
        axis, line = (0, "column") if basis == 0 else (1, "row")
        if self.tiles[names[0]][axis] != self.tiles[names[1]][axis]:
            raise self._error(
                "patches", f"{names!r} must be in one {line} to merge in basis {BASES[basis]!r}"
            )
        cycles = _whole(self.line, entry, "cycles", _LONGEST_MERGE)
        if cycles < 2:
            raise self._error("cycles", f"{cycles}: a merge takes at least 2, to see a wrong check")
        outcome = self._outcome(entry, "")
        self._pass(cycles)
        self.operations.append(
            Operation(
                kind=Kind.MERGE,
                patch=numbers[0],
                other=numbers[1],
                basis=basis,
                cycles=cycles,
                outcome=outcome,
            )
        )

    def _outcome(self, entry: Mapping[str, Any], patch: str) -> int:
        """Return the number of a new outcome, that of a patch or of a merge."""
        name = self._name(self.line, entry, "outcome")
        self.awaited.discard(name)
        self.measured_of[name] = patch
        return self.outcomes.setdefault(name, len(self.outcomes))

    def _tile(self, name: str, place: Any) -> tuple[int, int]:
        fits = isinstance(place, list) and len(place) == 2 and all(type(at) is int for at in place)
        if not fits or not all(0 <= at < _MAX_TILES for at in place):
            raise self._error(
                "patches", f"tile {place!r} of {name!r}: must be [COLUMN, ROW], 0 to {_MAX_TILES - 1} each"
            )
        column, row = place
        if (column, row) in self.tiles.values():
            raise self._error("patches", f"tile {place!r} of {name!r} is that of another patch")
        return column, row

    def _wait(self, entry: Mapping[str, Any]) -> None:
        name = self._known(entry["outcome"], "outcome", self.outcomes, "outcome measured before")
        patch = self.measured_of[name]  # "": measured by a merge
        if patch and self.patches[patch].ending:
            self._pass(1)
        self.awaited.add(name)
        wait = Operation(kind=Kind.WAIT, outcome=self.outcomes[name])
        for one, other in (("gap", "below"), ("below", "gap")):
            if one in entry and other not in entry:
                raise self._error(
                    other, f'missing: a wait has "gap" and "below", or neither, not "{one}" alone'
                )
        if "gap" in entry:
            self.no_merge = self.no_merge or (self.line, "gap")
            wait = replace(
                wait, least_gap=self._gap(entry["gap"]), **self._below(entry["below"], wait.outcome)
            )
        self.operations.append(wait)

    def _gap(self, value: Any) -> int:
        """Return a gap in steps of 1 / wire.GAP_STEPS."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LARGEST_GAP:
            raise self._error(
                "gap", f"{value!r}: must be log-odds, a number above 0 and at most {_LARGEST_GAP}"
            )
        return max(1, round(value * wire.GAP_STEPS))

    def _below(self, value: Any, outcome: int) -> dict[str, Any]:
        """Return the fields of the reaction to a small gap."""
        if value == "discard":
            return {"unsure": Unsure.DISCARD}
        if not isinstance(value, dict) or set(value) != {"repeat"}:
            raise self._error("below", f'{value!r}: must be "discard" or {{"repeat": TIMES}}')
        times = _whole(self.line, value, "repeat", _MAX_REPETITIONS)
        measured = max(
            at
            for at, one in enumerate(self.operations)
            if one.kind == Kind.MEASURE and one.outcome == outcome
        )
        patch = self.operations[measured].patch
        first = max(
            at
            for at, one in enumerate(self.operations[:measured])
            if one.kind == Kind.PREPARE and one.patch == patch
        )
        for at, one in enumerate(self.operations[first + 1 :], start=first + 1):
            if one.kind != Kind.IDLE and at != measured:
                raise self._error(
                    "below",
                    f"only idle may be between the preparation of {list(self.patches)[patch]!r} and its "
                    f"measurement and this wait, which are repeated, not {one.kind.name.lower()}",
                )
        return {"unsure": Unsure.REPEAT, "times": times, "target": first}

    def _correct(self, entry: Mapping[str, Any]) -> None:
        number, _ = self._live(entry)
        pauli = self._known(entry["pauli"], "pauli", _PAULIS, "Pauli")
        condition = self._condition(entry["if"], "if") if "if" in entry else -1
        self.operations.append(
            Operation(kind=Kind.CORRECT, patch=number, condition=condition, flips=_PAULIS[pauli])
        )

    def _basis(self, value: Any) -> tuple[int, int, int]:
        """Return the basis, the number of the outcome that may change it, and the basis if that is 1."""
        if not isinstance(value, dict):
            basis = BASES.index(self._known(value, "basis", BASES, "basis"))
            return basis, -1, basis
        if set(value) != {"if", "zero", "one"}:
            raise self._error("basis", 'must be "z", "x" or {"if": OUTCOME, "zero": BASIS, "one": BASIS}')
        zero, one = (BASES.index(self._known(value[key], "basis", BASES, "basis")) for key in ("zero", "one"))
        return zero, self._condition(value["if"], "basis"), one

    def _condition(self, value: Any, field_name: str) -> int:
        name = self._known(value, field_name, self.outcomes, "outcome measured before")
        if name not in self.awaited:
            raise self._error(field_name, f"{name!r} may not be there yet: wait for it first")
        self.used.add(name)
        return self.outcomes[name]

    def _pass(self, cycles: int) -> None:
        """Let cycles pass."""
        for patch in self.patches.values():
            if patch.ending:
                patch.alive = patch.ending = False
            patch.cycles += cycles

    def _patch(self, entry: Mapping[str, Any], field_name: str = "patch") -> tuple[int, _Patch]:
        name = self._known(entry["patch"], field_name, self.patches, "patch")
        return list(self.patches).index(name), self.patches[name]

    def _live(self, entry: Mapping[str, Any], field_name: str = "patch") -> tuple[int, _Patch]:
        number, patch = self._patch(entry, field_name)
        if not patch.alive or patch.ending:
            raise self._error(field_name, f"{entry['patch']!r} is not prepared: prepare it first")
        return number, patch

    def _known(self, value: Any, field_name: str, known: Iterable[str], what: str) -> str:
        names = list(known)
        if not isinstance(value, str) or value not in names:
            choices = f"choose from {', '.join(names)}" if names else f"there is no {what}"
            raise self._error(field_name, f"{value!r}: no such {what}: {choices}")
        return value

    def _name(self, number: int, entry: Mapping[str, Any], field_name: str) -> str:
        value = entry[field_name]
        if not isinstance(value, str) or not value:
            raise ProgramError(f'line {number}: field "{field_name}": {value!r}: must be a name')
        return value

    def _error(self, field_name: str, text: str) -> ProgramError:
        return ProgramError(f'line {self.line}: field "{field_name}": {text}')
