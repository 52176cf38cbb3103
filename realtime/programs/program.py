"""Program files: operations on patches, one JSON object a line, some of which depend on decoded outcomes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from realtime.programs.kernels.records import OPERATION, Kind

VERSION = 1
Basis = Literal["z", "x"]
BASES: tuple[Basis, ...] = ("z", "x")
# Bit 0 flips outcomes in the z basis, bit 1 those in x.
_PAULIS = {"x": 1, "z": 2, "y": 3}
_MOST_OPERATIONS = 100_000
_MOST_PATCHES = 64
_LONGEST_IDLE = 1_000_000
# Operation -> its fields, all required but those in brackets.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "prepare": ("patch",),
    "idle": ("cycles",),
    "measure": ("patch", "basis", "outcome"),
    "wait": ("outcome",),
    "correct": ("patch", "pauli", "[if]"),
    "repeat": ("times",),
    "end": (),
}


class ProgramError(ValueError):
    """A program file that cannot be run: the line, the field, and what is accepted."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.splitlines())  # names of fields may be anything
        super().__init__(line if len(line) <= 600 else f"{line[:300]} ... {line[-200:]}")


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, in terms of numbers of patches and outcomes; fields as in OPERATION."""

    kind: Kind
    patch: int = 0
    cycles: int = 0
    outcome: int = -1
    basis: int = 0
    condition: int = -1
    basis_if: int = 0
    decides: bool = False
    flips: int = 0


@dataclass(frozen=True, kw_only=True)
class Program:
    """A valid program, repetitions unrolled.

    Attributes:
        name: for reports.
        patches: names.
        outcomes: names, in the order of their first measurement.
        operations: in order.
        results: names of the outcomes on which nothing depends: the program's results.
        shortest_life: fewest cycles of a patch from its preparation to the end of its measurement.
        decisions: number of waits.
    """

    name: str
    patches: tuple[str, ...]
    outcomes: tuple[str, ...]
    operations: tuple[Operation, ...]
    results: frozenset[str]
    shortest_life: int
    decisions: int

    @classmethod
    def read(cls, path: Path | str) -> Program:
        """Read a program file; raises as `parse`, with the file's name, and OSError."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8-sig"))
        except UnicodeDecodeError:
            raise ProgramError(f"{path}: not text in UTF-8") from None
        except ProgramError as error:
            raise ProgramError(f"{path}, {error}") from None

    @classmethod
    def parse(cls, text: str) -> Program:
        """Parse a program.

        The first line is `{"program": NAME, "version": 1, "patches": [NAME, ...]}`; each other line is one
        operation, see the page Feed-forward. Empty lines and lines that begin with # are skipped.

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
        return reader.program(lines[-1][0])

    def table(self) -> NDArray[Any]:
        """Return the operations for the kernels, OPERATION (operations,)."""
        table = np.zeros(len(self.operations), dtype=OPERATION)
        for name in OPERATION.names or ():
            table[name] = [int(getattr(operation, name)) for operation in self.operations]
        return table

    @property
    def num_lives(self) -> int:
        """Preparations in a shot."""
        return sum(operation.kind == Kind.PREPARE for operation in self.operations)


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
            open_blocks.append((number, _whole(number, entry, "times", _MOST_OPERATIONS), len(found)))
        elif entry["do"] == "end":
            if not open_blocks:
                raise ProgramError(f'line {number}: field "do": end without repeat')
            _, times, first = open_blocks.pop()
            if first + times * (len(found) - first) > _MOST_OPERATIONS:
                raise ProgramError(
                    f"line {number}: more than {_MOST_OPERATIONS} operations with all repetitions"
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
        if not isinstance(names, list) or not 1 <= len(names) <= _MOST_PATCHES:
            raise ProgramError(
                f'line {self.line}: field "patches": must be a list of 1 to {_MOST_PATCHES} names'
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
                name = self._known(entry["outcome"], "outcome", self.outcomes, "outcome measured before")
                if self.patches[self.measured_of[name]].ending:
                    self._pass(1)
                self.awaited.add(name)
                self.operations.append(Operation(kind=Kind.WAIT, outcome=self.outcomes[name]))
            case "correct":
                self._correct(entry)

    def program(self, last_line: int) -> Program:
        """Return the program, which ends at `last_line`."""
        for name, patch in self.patches.items():
            if patch.alive and not patch.ending:
                raise ProgramError(f'line {last_line}: patch "{name}" is not measured at the end: measure it')
        if not self.outcomes:
            raise ProgramError(f"line {last_line}: nothing is measured: add a measure operation")
        return Program(
            name=self.head["program"],
            patches=tuple(self.patches),
            outcomes=tuple(self.outcomes),
            operations=tuple(self._decided()),
            results=frozenset(set(self.outcomes) - self.used),
            shortest_life=self.shortest,
            decisions=sum(one.kind == Kind.WAIT for one in self.operations),
        )

    def _decided(self) -> list[Operation]:
        """Mark the measurements whose outcomes the program waits for, before they are measured again."""
        found = list(self.operations)
        latest: dict[int, int] = {}
        for at, operation in enumerate(found):
            if operation.kind == Kind.MEASURE:
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
        name = self._name(self.line, entry, "outcome")
        if patch.cycles < 1:
            raise self._error("patch", f"{entry['patch']!r} has had no cycle: idle before it is measured")
        patch.ending = True
        self.awaited.discard(name)
        self.measured_of[name] = entry["patch"]
        self.shortest = min(self.shortest, patch.cycles + 1)
        outcome = self.outcomes.setdefault(name, len(self.outcomes))
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

    def _patch(self, entry: Mapping[str, Any]) -> tuple[int, _Patch]:
        name = self._known(entry["patch"], "patch", self.patches, "patch")
        return list(self.patches).index(name), self.patches[name]

    def _live(self, entry: Mapping[str, Any]) -> tuple[int, _Patch]:
        number, patch = self._patch(entry)
        if not patch.alive or patch.ending:
            raise self._error("patch", f"{entry['patch']!r} is not prepared: prepare it first")
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
