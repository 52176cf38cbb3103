"""Observables of programs with merges: what each measurement is compared with.

Each patch begins as half of a Bell pair with a reference qubit. Merging in basis z measures the product of
both patches' Z and randomises each patch's X, while the product of their X is conserved; in basis x the same
with X and Z exchanged. All operators that programs measure are products of Z, or of X, so linear algebra over
bits is the whole stabilizer formalism (Gottesman, quant-ph/9807006).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from realtime.programs.kernels.records import Kind
from realtime.programs.operations import Operation


class Reference(NamedTuple):
    """Value of a patch's logical operator when it was prepared, or after a merge that made it random."""

    #: Number of the preparation or of the merge.
    operation: int
    patch: int
    #: 0: Z, 1: X.
    basis: int


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measurement of a shot: of a patch, or of a product by a merge.

    Attributes:
        operation: number of its operation.
        patch: of the program; -1: of a merge.
        observables: basis in which it may be made -> number of the observable that compares it.
        references: such a basis -> values whose parity it shows.
    """

    operation: int
    patch: int
    observables: Mapping[int, int]
    references: Mapping[int, frozenset[Reference]]


def find_measurements(operations: Sequence[Operation]) -> list[Measurement]:
    """Find what the measurements of a program show, in their order."""
    values: dict[tuple[int, int], frozenset[Reference]] = {}  # of each patch and basis
    found: list[Measurement] = []
    number = 0
    for at, one in enumerate(operations):
        if one.kind == Kind.PREPARE:
            for basis in (0, 1):
                values[one.patch, basis] = frozenset({Reference(at, one.patch, basis)})
        if one.kind not in (Kind.MERGE, Kind.MEASURE):
            continue
        bases = sorted({one.basis, one.basis if one.condition < 0 else one.basis_if})
        references = {basis: values[one.patch, basis] for basis in bases}
        if one.kind == Kind.MERGE:
            references[one.basis] ^= values[one.other, one.basis]
            other = 1 - one.basis
            after = Reference(at, one.patch, other)
            product = values[one.patch, other] ^ values[one.other, other]
            values[one.patch, other], values[one.other, other] = frozenset({after}), product ^ {after}
        found.append(
            Measurement(
                operation=at,
                patch=one.patch if one.kind == Kind.MEASURE else -1,
                observables={basis: number + place for place, basis in enumerate(bases)},
                references=references,
            )
        )
        number += len(bases)
    return found


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What determines an outcome.

    Attributes:
        outcomes: measurements, this one included, whose parity is that of the references; empty if the
            outcome is random.
        references: of preparations, whose values only perfect reference qubits know.
    """

    outcomes: tuple[int, ...]
    references: tuple[Reference, ...]


class Comparisons:
    """Comparisons of the outcomes of a shot, in their order.

    The first outcome that contains a random value of a merge is random: it cannot be wrong, and the decoder
    has nothing to say about it. Later ones are determined relative to it.

    Args:
        operations: of the program.
    """

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._known: dict[Reference, tuple[frozenset[int], frozenset[Reference]]] = {}

    def take(self, number: int, references: frozenset[Reference]) -> Comparison:
        """Return what determines the next measurement, which shows the parity of some values."""
        outcomes = frozenset({number})
        unknown: list[Reference] = []
        while True:
            merged = [one for one in references if self._operations[one.operation].kind == Kind.MERGE]
            known = next((one for one in merged if one in self._known), None)
            if known is None:
                unknown = sorted(merged)
                break
            outcomes ^= self._known[known][0]
            references ^= self._known[known][1] | {known}
        if unknown:
            self._known[unknown[0]] = outcomes, references - {unknown[0]}
            return Comparison(outcomes=(), references=())
        return Comparison(outcomes=tuple(sorted(outcomes)), references=tuple(sorted(references)))


def compare_all(measurements: Sequence[Measurement], operations: Sequence[Operation]) -> list[Comparison]:
    """Return the comparisons of a shot whose measurements are made in the bases of their operations."""
    comparisons = Comparisons(operations)
    return [
        comparisons.take(number, one.references[operations[one.operation].basis])
        for number, one in enumerate(measurements)
    ]
