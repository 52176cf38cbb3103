"""Phase gate of the rotated surface code: fold the patch along a diagonal half-way through a cycle."""

from collections.abc import Sequence
from dataclasses import dataclass

from qec.codes.code import Coordinate
from qec.codes.surface import RotatedSurfaceCode


@dataclass(frozen=True)
class Fold:
    """Gates of a layer half-way through a cycle, and their action on the checks.

    Attributes:
        gates: gate -> its qubits, in pairs for CZ.
        flipped: X check -> Z check whose value before the cycle flips the result in this cycle.
        flipping: X check -> Z check whose value flips the next result.
    """

    gates: dict[str, Sequence[Coordinate]]
    flipped: dict[Coordinate, Coordinate]
    flipping: dict[Coordinate, Coordinate]


def fold(code: RotatedSurfaceCode, *, inverse: bool) -> Fold:
    """Return the layer that applies S, or its inverse (arXiv 2412.01391).

    After two of the four CX layers the checks of weight two are either measured or not begun. All other
    qubits hold an unrotated surface code, whose X stabilizers are the Z stabilizers of its mirror image in
    either diagonal. CZ between mirrored qubits, and S on the diagonal, multiply each X stabilizer by its
    mirror image. With this CX order, the diagonal from bottom left to top right keeps the distance. Along the
    other one it is 2 at d = 3 and 3 at d = 5: a fault of a CX gate next to it, in the layer before, becomes
    two steps of a logical Z.

    Args:
        code: a square patch.
        inverse: the inverse of S.
    """
    (x0, y0), size = code.origin, 2 * code.distance
    checks = {check.coordinate: check.basis for check in code.stabilizers}

    def mirror(at: Coordinate) -> Coordinate:
        return x0 + size - (at[1] - y0), y0 + size - (at[0] - x0)

    inner = [(x, y) for x, y in code.qubits if 0 < x - x0 < size and 0 < y - y0 < size]
    on_data = [at for at in inner if at == mirror(at) and at not in checks]
    on_checks = [at for at in inner if at == mirror(at) and at in checks]
    # Alternating signs: each stabilizer has as many qubits on the diagonal with S as with its inverse.
    plus, minus = (on_checks, on_data) if inverse else (on_data, on_checks)
    images = {at: mirror(at) for at, basis in checks.items() if basis == "x"}
    return Fold(
        gates={
            "CZ": [place for at in inner if at < mirror(at) for place in (at, mirror(at))],
            "S": plus,
            "S_DAG": minus,
        },
        flipped={at: (x + 2, y) for at, (x, y) in images.items() if (x + 2, y) in checks},
        flipping={at: (x0, y) for at, (x, y) in images.items() if x == x0 + 2},
    )
