"""Superdense colour code memory: both checks of a face at once, through a Bell pair of measure qubits."""

import stim

from qec.circuits.builder import CircuitBuilder
from qec.codes.code import Coordinate

# Directions from a face of the 6.6.6 lattice to its data qubits, in cyclic order. The CX layer of a direction
# is its number modulo 3: the (at most three) faces of a data qubit reach it in different layers.
_DIRECTIONS = ((1, 0), (0, 1), (-1, 1), (-1, 0), (0, -1), (1, -1))
_LEFT = (1, 2, 3)


def superdense_circuit(*, distance: int, rounds: int) -> stim.Circuit:
    """Make a clean memory circuit of a triangular 6.6.6 colour code in basis Z (Gidney and Jones, arXiv
    2312.08813).

    Each face has two measure qubits. They are prepared as a Bell pair; data qubits of the left half interact
    with the left one and those of the right half with the right one, first as controls, then as targets; the
    pair is disentangled, and the left qubit gives the X check, the right one the Z check. A Z check of
    value -1 leaves X on the left half, so a Z detector compares with the last cycle's results of the
    neighbouring faces too, and the observable (logical Z along one side) collects those results.

    Detector coordinates: x, y, t, kind (0 to 2: X check of a red, green, blue face; 3 to 5: Z check).

    Args:
        distance: odd, at least 3.
        rounds: cycles, at least 1.
    """
    if distance < 3 or distance % 2 == 0:
        raise ValueError(f"distance={distance}: must be odd and at least 3 for a triangular colour code")
    return _Superdense(distance).circuit(rounds)


class _Superdense:
    """Layout: points (a, b) of a triangle; those with (a - b) mod 3 = 1 are faces, the others data qubits."""

    def __init__(self, distance: int) -> None:
        side = 3 * (distance - 1) // 2
        points = [(a, b) for b in range(side + 1) for a in range(side + 1 - b)]
        self._data = [at for at in points if (at[0] - at[1]) % 3 != 1]
        self._faces = [at for at in points if (at[0] - at[1]) % 3 == 1]
        known = set(self._data)
        self._neighbours = {
            face: {
                direction: at
                for direction, (da, db) in enumerate(_DIRECTIONS)
                if (at := (face[0] + da, face[1] + db)) in known
            }
            for face in self._faces
        }
        self._side = {at for at in self._data if at[1] == 0}
        # Data qubits that a Z check of value -1 flips.
        self._flipped = {
            face: {at for direction, at in around.items() if direction in _LEFT}
            for face, around in self._neighbours.items()
        }

    def circuit(self, rounds: int) -> stim.Circuit:
        left = {face: _place(face, -1) for face in self._faces}
        right = {face: _place(face, 1) for face in self._faces}
        builder = CircuitBuilder(
            data=[_place(at) for at in self._data], ancillas=[*left.values(), *right.values()]
        )
        builder.gate("R", [_place(at) for at in self._data])
        pairs = [at for face in self._faces for at in (left[face], right[face])]
        x_before: dict[Coordinate, int] = {}
        z_before: dict[Coordinate, list[int]] = {face: [] for face in self._faces}
        logical: list[int] = []
        for time in range(rounds):
            builder.tick(cycle=True)
            builder.gate("RX", left.values())
            builder.gate("R", right.values())
            builder.tick()
            builder.gate("CX", pairs)
            for data_controls in (True, False):
                for layer in range(3):
                    builder.tick()
                    builder.gate("CX", self._layer(layer, data_controls))
            builder.tick()
            builder.gate("CX", pairs)
            builder.tick()
            x_results = builder.measure("MX", left.values())
            z_results = builder.measure("M", right.values())
            for face in self._faces:
                if time:
                    records = [x_results[left[face]], x_before[left[face]]]
                    builder.detector(records, (*_place(face), time, _colour(face)))
                records = [z_results[right[face]], *z_before[face]]
                builder.detector(records, (*_place(face), time, 3 + _colour(face)))
            x_before = x_results
            outcome = {face: z_results[right[face]] for face in self._faces}
            z_before = {
                face: [outcome[face], *self._flips(set(self._neighbours[face].values()), outcome)]
                for face in self._faces
            }
            logical += self._flips(self._side, outcome)
        data = builder.measure("M", [_place(at) for at in self._data])
        for face in self._faces:
            ends = [data[_place(at)] for at in self._neighbours[face].values()]
            builder.detector([*z_before[face], *ends], (*_place(face), rounds, 3 + _colour(face)))
        builder.observable(0, [*logical, *(data[_place(at)] for at in self._side)])
        return builder.circuit

    def _layer(self, layer: int, data_controls: bool) -> list[Coordinate]:
        pairs: list[Coordinate] = []
        for face, around in self._neighbours.items():
            for direction, at in around.items():
                if direction % 3 == layer:
                    ancilla = _place(face, -1 if direction in _LEFT else 1)
                    pairs += [_place(at), ancilla] if data_controls else [ancilla, _place(at)]
        return pairs

    def _flips(self, support: set[Coordinate], outcome: dict[Coordinate, int]) -> list[int]:
        """Return the results whose X corrections anticommute with Z on the support."""
        return [outcome[face] for face in self._faces if len(support & self._flipped[face]) % 2]


def _place(at: Coordinate, shift: int = 0) -> Coordinate:
    return 4 * at[0] + 2 * at[1] + shift, 4 * at[1]


def _colour(face: Coordinate) -> int:
    return (face[0] + face[1]) % 3
