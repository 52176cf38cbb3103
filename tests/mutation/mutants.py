"""List the ways to break a file: one changed operator, number or condition each.

The changes are those of Cosmic Ray's operators. Its own runner gives all files the same tests.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import Visitor, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

#: Changes that a slip of the hand could make. Others, such as a power for a sum, any test would notice.
OPERATORS = (
    *(f"core/ReplaceBinaryOperator_{pair}" for pair in (
        "Add_Sub", "Sub_Add", "Mul_Div", "FloorDiv_Mul", "Mod_FloorDiv", "LShift_RShift", "RShift_LShift",
        "BitAnd_BitXor", "BitXor_BitAnd",
    )),
    *(f"core/ReplaceComparisonOperator_{pair}" for pair in (
        "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_GtE", "Gt_LtE", "Eq_NotEq", "NotEq_Eq", "Is_IsNot",
    )),
    "core/ReplaceUnaryOperator_Delete_USub",
    "core/ReplaceUnaryOperator_Delete_Not",
    "core/AddNot",
    "core/NumberReplacer",
    "core/ReplaceAndWithOr",
    "core/ReplaceOrWithAnd",
    "core/ReplaceTrueWithFalse",
    "core/ReplaceFalseWithTrue",
    "core/ReplaceBreakWithContinue",
    "core/ReplaceContinueWithBreak",
    "core/ZeroIterationForLoop",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A change of one line.

    Attributes:
        file: path from the root of the project.
        line: number of the line that differs, from 1.
        operator: name of Cosmic Ray's operator.
        before, after: text of that line.
        source: text of the changed file.
    """

    file: str
    line: int
    operator: str
    before: str
    after: str
    source: str


class _Positions(Visitor):  # type: ignore[misc]
    """Counts the occurrences of an operator in a file, with the line of each."""

    def __init__(self, operator: Any) -> None:
        self.lines: list[int] = []
        self._operator = operator

    def visit(self, node: Any) -> Any:
        """Note the lines of a node's occurrences."""
        self.lines += [start[0] for start, _ in self._operator.mutation_positions(node)]
        return node


def _places(file: Path) -> Iterator[tuple[int, str, int]]:
    """Yield the line, operator and number of each change that a file allows."""
    tree = get_ast(file.read_text(encoding="utf-8"))
    for name in OPERATORS:
        positions = _Positions(get_operator(name)())
        positions.walk(tree)
        for occurrence, line in enumerate(positions.lines):
            yield line, name, occurrence


def _mutant(root: Path, file: Path, line: int, operator: str, occurrence: int) -> Mutant | None:
    """Make a change; None where it means nothing.

    The star before keyword arguments is no product, the only record of an array is its last one, too, and
    whether instances of a class can be changed is a matter of style.
    """
    source = file.read_text(encoding="utf-8")
    changed = mutate_code(source, get_operator(operator)(), occurrence)
    before, after = (text.splitlines()[line - 1].strip() for text in (source, changed))
    if ("*," in before and "/," in after) or "[-1]" in after.replace(" ", "") or "@dataclass" in before:
        return None
    return Mutant(str(file.relative_to(root)), line, operator, before, after, changed)


def choose(root: Path, patterns: Iterable[str], *, count: int, seed: int) -> list[Mutant]:
    """Choose mutants at random: lines first, all with the same probability, then one change of each line.

    A larger count of the same seed begins with the same mutants.

    Raises:
        ValueError: a pattern that names no file.
    """
    by_line: dict[tuple[Path, int], list[tuple[str, int]]] = {}
    for pattern in patterns:
        files = sorted(file for file in root.glob(pattern) if file.name != "__init__.py")
        if not files:
            raise ValueError(f"no file is named {pattern}: correct tests/mutation/subjects.py")
        for file in files:
            for line, operator, occurrence in _places(file):
                by_line.setdefault((file, line), []).append((operator, occurrence))
    generator = random.Random(seed)
    order = sorted(by_line)
    generator.shuffle(order)
    chosen: list[Mutant] = []
    for file, line in order:
        if len(chosen) == count:
            break
        operator, occurrence = generator.choice(by_line[file, line])
        if (mutant := _mutant(root, file, line, operator, occurrence)) is not None:
            chosen.append(mutant)
    return chosen
