"""Rotated surface code, square or rectangular, CSS or ZXXZ."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, Literal, get_args

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

Variant = Literal["css", "zxxz"]

# Order in which a check interacts with its data qubits, as steps from the measure qubit (the order of stim's
# generated circuits). The last two steps of an X check lie in one row, those of a Z check in one column, so
# that a fault of the measure qubit half-way spreads across the logical operator of its kind and not along it.
_X_STEPS = ((1, 1), (-1, 1), (1, -1), (-1, -1))
_Z_STEPS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


@dataclass(frozen=True, init=False)
class RotatedSurfaceCode(Code):
    """Rotated surface code on a rectangle of data qubits.

    Coordinates are those of stim's generated circuits: data qubits at odd-odd places `origin + (2i+1, 2j+1)`,
    measure qubits at even-even places. Checks of type X end the patch at the top and bottom, checks of type Z
    at the left and right. The logical X runs down the first column, the logical Z along the first row.

    The type of a check depends on its absolute position, not on its position in the patch, so all patches of
    a chip agree on it.

    Attributes:
        distance: the smaller of `distance_x` and `distance_z`.
        distance_x: weight of the smallest logical X, which is the number of rows; a memory in basis "z" fails
            by `distance_x` faults.
        distance_z: weight of the smallest logical Z, which is the number of columns; a memory in basis "x"
            fails by `distance_z` faults.
        variant: "css", or "zxxz": Hadamards on every second data qubit turn all checks into Z X X Z (the XZZX
            code; the variant run in arXiv 2408.13687).
        gates: "cz" (R, H, CZ and M in the Z basis only) or "cx" (as stim's generated circuits).
        origin: corner of the patch, two even integers.
    """

    basis_change_slots: ClassVar[tuple[int, ...]] = (0, 1, 3, 4)

    distance: int = field(init=False, repr=False, compare=False)
    distance_x: int
    distance_z: int
    variant: Variant
    gates: Gates
    origin: Coordinate

    def __init__(
        self,
        distance: int | None = None,
        *,
        distance_x: int | None = None,
        distance_z: int | None = None,
        variant: Variant = "css",
        gates: Gates = "cz",
        origin: Coordinate = (0, 0),
    ) -> None:
        """Use `distance` for a square, or both `distance_x` and `distance_z`.

        Raises:
            ValueError: a distance below 2, `distance` with another one or no distance, an unknown variant or
                gate set, an origin that is not two even integers.
        """
        if distance is not None and distance_x is None and distance_z is None:
            distance_x = distance_z = check_distance("distance", distance)
        elif distance is not None or distance_x is None or distance_z is None:
            raise ValueError("give either distance, or both distance_x and distance_z")
        if variant not in get_args(Variant):
            raise ValueError(f"variant must be 'css' or 'zxxz', not {variant!r}")
        check_gates(gates)
        object.__setattr__(self, "distance_x", check_distance("distance_x", distance_x))
        object.__setattr__(self, "distance_z", check_distance("distance_z", distance_z))
        object.__setattr__(self, "distance", min(self.distance_x, self.distance_z))
        object.__setattr__(self, "variant", variant)
        object.__setattr__(self, "gates", gates)
        object.__setattr__(self, "origin", check_origin(origin))

    @property
    def key(self) -> str:
        """Key for metadata, such as "surface_css_cz"."""
        return f"surface_{self.variant}_{self.gates}"

    def memory_distance(self, basis: str) -> int:
        """Return `distance_x` for basis "z", `distance_z` for basis "x"."""
        return self.distance_x if check_basis(basis) == "z" else self.distance_z

    @cached_property
    def data_qubits(self) -> tuple[Coordinate, ...]:
        """Data qubits, sorted by row (y), then x."""
        x0, y0 = self.origin
        return tuple(
            (x0 + 2 * column + 1, y0 + 2 * row + 1)
            for row in range(self.distance_x)
            for column in range(self.distance_z)
        )

    @cached_property
    def conjugated_qubits(self) -> frozenset[Coordinate]:
        """No qubits for "css"; every second data qubit, as in a checkerboard, for "zxxz"."""
        if self.variant == "css":
            return frozenset()
        return frozenset((x, y) for x, y in self.data_qubits if (x + y) % 4 == 2)

    @cached_property
    def stabilizers(self) -> tuple[Stabilizer, ...]:
        """Checks sorted by row (y), then x; those at the edges have weight two."""
        x0, y0 = self.origin
        found = []
        for row in range(self.distance_x + 1):
            for column in range(self.distance_z + 1):
                x, y = x0 + 2 * column, y0 + 2 * row
                basis: Basis = "x" if (x + y) % 4 == 2 else "z"
                at_side = column in (0, self.distance_z)
                at_end = row in (0, self.distance_x)
                if (at_side and at_end) or (at_side and basis == "x") or (at_end and basis == "z"):
                    continue
                steps = _X_STEPS if basis == "x" else _Z_STEPS
                places = ((x + dx, y + dy) for dx, dy in steps)
                schedule = [place if self._has_data_at(place) else None for place in places]
                found.append(self._stabilizer((x, y), basis, schedule))
        return tuple(found)

    def patches(self, distance: int, *, step: int = 2) -> tuple[RotatedSurfaceCode, ...]:
        """Return square codes of a smaller distance inside this one, in its coordinates, by row, then column.

        Their bulk checks are those of this code; a boundary inside this code has checks of weight two.

        Args:
            distance: distance of the patches.
            step: data qubits from one patch to the next. The default 2 gives the nine patches of distance 3
                and four of distance 5 in distance 7 of arXiv 2408.13687; 1 gives every possible patch.

        Raises:
            ValueError: the distance is below 2 or does not fit, or the step is below 1.
        """
        distance = check_patch_distance(distance, self.distance, step)
        x0, y0 = self.origin
        return tuple(
            RotatedSurfaceCode(
                distance, variant=self.variant, gates=self.gates, origin=(x0 + 2 * column, y0 + 2 * row)
            )
            for row in range(0, self.distance_x - distance + 1, step)
            for column in range(0, self.distance_z - distance + 1, step)
        )

    def _logical_support(self, basis: Basis) -> tuple[Coordinate, ...]:
        x0, y0 = self.origin
        return tuple((x, y) for x, y in self.data_qubits if (x == x0 + 1 if basis == "x" else y == y0 + 1))

    def _has_data_at(self, place: Coordinate) -> bool:
        column, row = place[0] - self.origin[0], place[1] - self.origin[1]
        return 0 < column < 2 * self.distance_z and 0 < row < 2 * self.distance_x
