"""Operations of programs on patches, with numbers in place of names."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.programs.kernels.records import Kind, Unsure


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation, in terms of numbers of patches and outcomes; fields as in OPERATION.

    A merge is one of `patch` and `other`; programs with merges have a loop of their own.
    """

    kind: Kind
    patch: int = 0
    other: int = 0
    cycles: int = 0
    outcome: int = -1
    basis: int = 0
    condition: int = -1
    basis_if: int = 0
    decides: bool = False
    flips: int = 0
    least_gap: int = 0
    unsure: Unsure = Unsure.GO_ON
    times: int = 0
    target: int = 0
    repeated: int = 0
