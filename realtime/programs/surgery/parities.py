"""Outcomes of a program with merges: random ones, and parities that the preparation determines.

Each patch begins as half of a Bell pair with a reference qubit. Merging in basis z measures the product of
both patches' Z and randomises each patch's X, while the product of their X is conserved; in basis x the same
with X and Z exchanged. All operators that programs measure are products of Z, or of X, so linear algebra over
bits is the whole stabilizer formalism (Gottesman, quant-ph/9807006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from realtime.programs.kernels.records import Kind
from realtime.programs.operations import Operation

# Symbols of a parity: ("reference", preparation, basis), ("random", merge) or ("outcome", measurement).
_Symbol = tuple[str, int, int]
_Parity = frozenset[_Symbol]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One measurement of a shot: of a patch, or of a product by a merge.

    Attributes:
        operation: number of its operation.
        observable: number of the observable that predicts it; -1: the outcome is random.
        parity: measurements whose parity, this one included, the observable is; empty if it is random.
        references: preparations, as numbers of operations, and bases (0: Z, 1: X) of the patches' operators
            that this parity is relative to.
    """

    operation: int
    observable: int
    parity: tuple[int, ...]
    references: tuple[tuple[int, int], ...]


def find_measurements(operations: Sequence[Operation]) -> list[Measurement]:
    """Find which outcomes of a program are random, and what determines the others.

    A random outcome cannot be wrong. Later ones that depend on it are determined relative to it.
    """
    values: dict[tuple[int, int], _Parity] = {}  # of each patch and basis
    known: dict[_Symbol, _Parity] = {}  # random symbols that a measurement has shown
    found: list[Measurement] = []
    observables = 0
    for at, one in enumerate(operations):
        if one.kind == Kind.PREPARE:
            for basis in (0, 1):
                values[one.patch, basis] = frozenset({("reference", at, basis)})
        if one.kind not in (Kind.MERGE, Kind.MEASURE):
            continue
        value = values[one.patch, one.basis]
        if one.kind == Kind.MERGE:
            value ^= values[one.other, one.basis]
            for patch in (one.patch, one.other):
                values[patch, 1 - one.basis] ^= {("random", at, 0)}
        value = _reduced(value, known)
        unknown = min((symbol for symbol in value if symbol[0] == "random"), default=None)
        if unknown is not None:
            known[unknown] = value ^ {unknown, ("outcome", len(found), 0)}
            found.append(Measurement(operation=at, observable=-1, parity=(), references=()))
            continue
        earlier = sorted(number for kind, number, _ in value if kind == "outcome")
        references = sorted((number, basis) for kind, number, basis in value if kind == "reference")
        found.append(
            Measurement(
                operation=at,
                observable=observables,
                parity=(*earlier, len(found)),
                references=tuple(references),
            )
        )
        observables += 1
    return found


def _reduced(value: _Parity, known: dict[_Symbol, _Parity]) -> _Parity:
    """Replace the random symbols that are known."""
    while True:
        symbol = next((one for one in value if one in known), None)
        if symbol is None:
            return value
        value ^= known[symbol] ^ {symbol}
