"""Repetition code against bit flips or phase flips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from qec.codes.code import (
    Basis,
    Code,
    Coordinate,
    Gates,
    Stabilizer,
    check_basis,
    check_distance,
    check_gates,
    check_origin,
    check_patch_distance,
)


@dataclass(frozen=True)
class RepetitionCode(Code):
    """Chain of data qubits with a parity check between each two neighbours.

    Coordinates are those of stim's generated circuits, on the line y = 0: data qubits at even x, measure
    qubits at odd x. The observable is one data qubit, the last.

    The chain protects one basis. In basis "z" (the default) its checks are Z Z, as in stim's generated
    circuits; in basis "x" everything is conjugated by Hadamards: checks X X, against phase flips. A memory
    experiment uses the chain of its own basis (`in_basis`), so it accepts a code of either basis.

    Args:
        distance: number of data qubits, at least 2.
        gates: "cz" (R, H, CZ and M in the Z basis only) or "cx" (as stim's generated circuits).
        basis: the basis that the chain protects.
        origin: position of the first data qubit, two even integers.

    Raises:
        ValueError: a distance below 2, an unknown gate set or basis, an origin that is not two even integers.
    """

    basis_change_slots: ClassVar[tuple[int, ...]] = (0, 2)

    distance: int
    gates: Gates = "cz"
    basis: Basis = "z"
    origin: Coordinate = (0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", check_distance("distance", self.distance))
        object.__setattr__(self, "basis", check_basis(self.basis))
        check_gates(self.gates)
        object.__setattr__(self, "origin", check_origin(self.origin))

    @property
    def key(self) -> str:
        """Key for metadata, such as "repetition_cz"; the basis is a separate entry."""
        return f"repetition_{self.gates}"

    def memory_distance(self, basis: str) -> int:
        """Return the number of data qubits: each memory runs on the chain of its own basis."""
        check_basis(basis)
        return self.distance

    def in_basis(self, basis: str) -> RepetitionCode:
        """Return the same chain, protecting `basis` ("x" or "z")."""
        return replace(self, basis=check_basis(basis))

    @cached_property
    def data_qubits(self) -> tuple[Coordinate, ...]:
        """Data qubits from left to right."""
        x0, y0 = self.origin
        return tuple((x0 + 2 * i, y0) for i in range(self.distance))

    @property
    def conjugated_qubits(self) -> frozenset[Coordinate]:
        """No qubits: the chain of the other basis is a CSS code, too."""
        return frozenset()

    @cached_property
    def stabilizers(self) -> tuple[Stabilizer, ...]:
        """Checks of weight two from left to right; each interacts with its left neighbour first."""
        return tuple(
            self._stabilizer((x + 1, y), self.basis, ((x, y), (x + 2, y))) for x, y in self.data_qubits[:-1]
        )

    def patches(self, distance: int, *, step: int = 1) -> tuple[RepetitionCode, ...]:
        """Return contiguous sub-chains of a smaller distance, in this chain's coordinates, from left to
        right.

        Args:
            distance: number of data qubits of the sub-chains.
            step: data qubits from the start of one sub-chain to the next; `distance` gives disjoint ones.

        Raises:
            ValueError: the distance is below 2 or does not fit, or the step is below 1.
        """
        distance = check_patch_distance(distance, self.distance, step)
        x0, y0 = self.origin
        return tuple(
            replace(self, distance=distance, origin=(x0 + 2 * first, y0))
            for first in range(0, self.distance - distance + 1, step)
        )

    def observable_stabilizers(self, patch: RepetitionCode) -> NDArray[np.int64]:
        """Return the indices of the stabilizers between the observables of a sub-chain and this chain: int64
        (k,).

        The sub-chain's observable flips when this chain's flips, exclusive-or the parity of all detection
        events of these stabilizers in all layers: their product is the product of the two observables.

        Raises:
            ValueError: `patch` is not a sub-chain of this chain.
        """
        self.stabilizer_indices(patch)
        start = (patch.origin[0] - self.origin[0]) // 2 + patch.distance - 1
        return np.arange(start, self.distance - 1, dtype=np.int64)

    def _logical_support(self, basis: Basis) -> tuple[Coordinate, ...]:
        return self.data_qubits[-1:] if basis == self.basis else self.data_qubits
