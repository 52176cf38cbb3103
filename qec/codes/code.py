"""Code interface: coordinates, stabilizers, schedule, logical operators, patches."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

Basis = Literal["x", "z"]
Gates = Literal["cz", "cx"]
Pauli = Literal["X", "Z"]
Coordinate = tuple[int, int]


@dataclass(frozen=True)
class Stabilizer:
    """One check: the measure qubit, and the data qubits in the order in which it interacts with them.

    Attributes:
        coordinate: position of the measure qubit.
        basis: the memory ("x" or "z") in which the check has a known value from the first cycle on.
        schedule: one entry for each interaction layer: a data qubit, or None where the check is idle.
        paulis: the Pauli measured on each qubit of `support`, for example "ZXXZ".
    """

    coordinate: Coordinate
    basis: Basis
    schedule: tuple[Coordinate | None, ...]
    paulis: str

    @property
    def support(self) -> tuple[Coordinate, ...]:
        """Data qubits, in schedule order."""
        return tuple(data for data in self.schedule if data is not None)


class Code(ABC):
    """CSS code, possibly with Hadamards on some of its data qubits, and a schedule for measuring it.

    Subclasses are frozen dataclasses: they compare by value, hash and pickle.
    """

    distance: int
    """The smallest number of faults that flips the observable of a memory in one of the two bases unseen."""

    gates: Gates
    """Gate set of the circuits: "cz" (R, H, CZ, M) or "cx" (R, RX, H, CX, MR, M, MX)."""

    basis_change_slots: ClassVar[tuple[int, ...]]
    """Interaction layers before which Hadamards may stand with CZ gates; one more than the last: after it.

    Fixed for each code and not derived from each patch, so that a patch keeps the rhythm of the large code.
    """

    @property
    @abstractmethod
    def key(self) -> str:
        """Short name for metadata, without the distance: for example "surface_css_cz"."""

    @abstractmethod
    def memory_distance(self, basis: str) -> int:
        """Smallest number of faults that flips the observable of a memory in `basis` undetected."""

    @property
    @abstractmethod
    def data_qubits(self) -> tuple[Coordinate, ...]:
        """Data qubits, sorted by row (y), then x."""

    @property
    @abstractmethod
    def stabilizers(self) -> tuple[Stabilizer, ...]:
        """Checks, sorted by row (y), then x; this is their order in every cycle's measurements."""

    @property
    @abstractmethod
    def conjugated_qubits(self) -> frozenset[Coordinate]:
        """Data qubits that carry a Hadamard relative to the CSS code."""

    @abstractmethod
    def _logical_support(self, basis: Basis) -> tuple[Coordinate, ...]:
        """Return the data qubits of the logical operator that a memory in `basis` stores."""

    @abstractmethod
    def patches(self, distance: int) -> tuple[Self, ...]:
        """Return the codes of a smaller distance inside this one, in this code's coordinates."""

    def in_basis(self, basis: str) -> Self:
        """Return the code that a memory in `basis` ("x" or "z") runs on: for most codes this code."""
        check_basis(basis)
        return self

    def logical(self, basis: str) -> tuple[tuple[Coordinate, Pauli], ...]:
        """Return the logical operator of a memory in `basis`: (data qubit, Pauli) pairs, in order."""
        checked = check_basis(basis)
        return tuple((data, self.data_pauli(data, checked)) for data in self._logical_support(checked))

    def data_pauli(self, data: Coordinate, basis: str) -> Pauli:
        """Return the Pauli in which a memory in `basis` prepares and measures this data qubit."""
        return "X" if (check_basis(basis) == "x") != (data in self.conjugated_qubits) else "Z"

    @cached_property
    def qubits(self) -> tuple[Coordinate, ...]:
        """All qubits, data and measure, sorted by row (y), then x."""
        measure = (stabilizer.coordinate for stabilizer in self.stabilizers)
        return by_row((*self.data_qubits, *measure))

    @property
    def num_qubits(self) -> int:
        """Number of data and measure qubits."""
        return len(self.qubits)

    @property
    def num_data_qubits(self) -> int:
        """Number of data qubits."""
        return len(self.data_qubits)

    @property
    def num_stabilizers(self) -> int:
        """Number of checks, which is the number of measure qubits."""
        return len(self.stabilizers)

    def stabilizer_indices(self, patch: Code) -> NDArray[np.int64]:
        """Return the indices of the patch's stabilizers among this code's: int64 (patch.num_stabilizers,).

        They turn detection events of the large code into those of the patch (see
        `qec.memory.patch_detectors`).

        Raises:
            ValueError: the patch has a stabilizer that this code does not measure, as the boundary of a
                surface patch inside a larger surface code.
        """
        place = {(s.coordinate, s.support, s.paulis): i for i, s in enumerate(self.stabilizers)}
        indices = np.empty(patch.num_stabilizers, dtype=np.int64)
        for i, s in enumerate(patch.stabilizers):
            index = place.get((s.coordinate, s.support, s.paulis))
            if index is None:
                raise ValueError(
                    f"the patch's stabilizer {s.paulis} at {s.coordinate} is not measured by the larger "
                    "code; only sub-chains of a repetition code share all their stabilizers with it"
                )
            indices[i] = index
        return indices

    def _stabilizer(
        self, coordinate: Coordinate, basis: Basis, schedule: Sequence[Coordinate | None]
    ) -> Stabilizer:
        paulis = "".join(self.data_pauli(data, basis) for data in schedule if data is not None)
        return Stabilizer(coordinate, basis, tuple(schedule), paulis)


def by_row(coordinates: Sequence[Coordinate]) -> tuple[Coordinate, ...]:
    """Sort coordinates by y, then x: the order of qubit numbers in all circuits."""
    return tuple(sorted(coordinates, key=lambda at: (at[1], at[0])))


def check_basis(basis: object) -> Basis:
    """ "x" or "z" from either case; ValueError for anything else."""
    lowered = basis.lower() if isinstance(basis, str) else None
    if lowered == "x":
        return "x"
    if lowered == "z":
        return "z"
    raise ValueError(f"basis must be 'x' or 'z', not {basis!r}")


def check_gates(gates: str) -> None:
    """Raise ValueError unless `gates` is a gate set."""
    if gates not in get_args(Gates):
        raise ValueError(f"gates must be 'cz' or 'cx', not {gates!r}")


def check_origin(origin: object) -> Coordinate:
    """Return the origin as two Python ints; ValueError unless it is two even integers."""
    try:
        x, y = (operator.index(c) for c in origin)  # type: ignore[attr-defined]  # any value of a caller
    except (TypeError, ValueError):
        x = y = 1
    if x % 2 or y % 2:
        raise ValueError(f"origin must be two even integers, not {origin!r}")
    return x, y


def check_distance(name: str, distance: int) -> int:
    """Return a distance as a Python int; ValueError below 2 or for anything that is not an integer."""
    try:
        number = operator.index(distance)
    except TypeError:
        number = 0
    if number < 2:
        raise ValueError(f"{name} must be an integer of at least 2, not {distance!r}")
    return number


def check_patch_distance(distance: int, largest: int, step: int) -> int:
    """Return a patch's distance as a Python int; ValueError if it does not fit or the step is below 1."""
    number = check_distance("distance of a patch", distance)
    if number > largest:
        raise ValueError(f"distance={number}: a patch must be no larger than the code ({largest})")
    if step < 1:
        raise ValueError(f"step must be at least 1 data qubit, not {step!r}")
    return number
