"""Honeycomb code memory on a torus, by noisy pair measurements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import NDArray

from qec.circuits.builder import CircuitBuilder

Bits = NDArray[np.bool_]
Face = tuple[int, int]
_PAULIS = "XYZ"


@dataclass(frozen=True)
class _Edge:
    """Edge: two qubits, the colour (0, 1, 2: XX, YY, ZZ) and the two adjacent faces."""

    qubits: tuple[int, int]
    colour: int
    sides: tuple[Face, Face]


def honeycomb_circuit(*, size: int, periods: int, p: float) -> stim.Circuit:
    """Make a noisy memory circuit of the honeycomb code (Hastings and Haah, arXiv 2107.02194) on a torus.

    Rounds measure all XX, then all YY, then all ZZ edges, each by one MPP instruction. Faces of colour c
    have the stabilizer P_c on their six qubits, known from the two rounds of the other colours; a
    detector compares two successive values of a face. Qubits start and end in the X basis. Observables are
    both logical operators that the preparation determines; each collects the edge results that keep it
    commuting with the next round.

    Noise: Z flip p after preparation, two-qubit depolarizing p before each pair measurement, flip p of each
    measured result (EM3 of Gidney, Newman, Fowler, Broughton, arXiv 2108.10457, with independent parts).

    Args:
        size: faces along each side, a multiple of 3.
        periods: the circuit has 6 * periods + 1 rounds; after six rounds the logical operators return.
        p: noise strength.
    """
    if size < 3 or size % 3:
        raise ValueError(f"size={size}: must be a multiple of 3 for a honeycomb torus")
    if periods < 1:
        raise ValueError(f"periods={periods}: must be at least 1")
    return _Honeycomb(size).circuit(6 * periods + 1, p)


class _Honeycomb:
    """Layout: faces are the points of a triangular lattice, qubits its up (even) and down (odd) triangles."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._num_qubits = 2 * size * size
        self._edges = [edge for i in range(size) for j in range(size) for edge in self._edges_at(i, j)]
        self._faces: dict[Face, list[_Edge]] = {}
        for edge in self._edges:
            for face in edge.sides:
                self._faces.setdefault(face, []).append(edge)

    def _edges_at(self, i: int, j: int) -> Iterable[_Edge]:
        """Return the three edges of the up triangle with corners (i, j), (i + 1, j) and (i, j + 1)."""
        corners = [(i, j), (i + 1, j), (i, j + 1)]
        for corner, (down_i, down_j) in zip(corners, [(i, j), (i - 1, j), (i, j - 1)], strict=True):
            sides = [self._face(*other) for other in corners if other != corner]
            yield _Edge(
                (self._qubit(i, j, 0), self._qubit(down_i, down_j, 1)),
                self._colour(corner),
                (sides[0], sides[1]),
            )

    def _face(self, i: int, j: int) -> Face:
        return i % self._size, j % self._size

    def _qubit(self, i: int, j: int, down: int) -> int:
        return 2 * ((j % self._size) * self._size + i % self._size) + down

    def _colour(self, face: Face) -> int:
        return (face[0] - face[1]) % 3

    def circuit(self, rounds: int, p: float) -> stim.Circuit:
        places = [(3 * (q // 2 % self._size) + q % 2, q // 2 // self._size) for q in range(self._num_qubits)]
        builder = CircuitBuilder(data=places)
        qubits = [builder.index[at] for at in places]
        builder.gate("RX", places)
        _errors(builder, "Z_ERROR", qubits, p)
        operators = self._logical_operators()
        collected: list[list[int]] = [[] for _ in operators]
        values: dict[Face, list[int]] = {}
        results: dict[_Edge, int] = {}
        for number in range(rounds):
            colour = number % 3
            now = [edge for edge in self._edges if edge.colour == colour]
            for operator, records in zip(operators, collected, strict=True):
                before = [edge for edge in self._edges if edge.colour == (number - 1) % 3] if number else []
                for edge in self._commuting(operator, before, now):
                    operator ^= self._operator(edge)
                    records.append(results[edge])
            builder.tick()
            pairs = [(qubits[edge.qubits[0]], qubits[edge.qubits[1]]) for edge in now]
            _errors(builder, "DEPOLARIZE2", [q for pair in pairs for q in pair], p)
            measured = builder.measure_products(_PAULIS[colour], pairs, flip=p)
            results |= dict(zip(now, measured, strict=True))
            if number == 0:
                for edge, record in zip(now, measured, strict=True):
                    builder.detector([record], (*places[edge.qubits[0]], 0))
            else:
                self._detect_faces(builder, (colour + 1) % 3, results, values, time=number)
        builder.tick()
        _errors(builder, "Z_ERROR", qubits, p)
        data = builder.measure("MX", places)
        final = [data[at] for at in places]
        for edge in self._edges:
            if edge.colour == 0:
                ends = [final[q] for q in edge.qubits]
                builder.detector([results[edge], *ends], (*places[edge.qubits[0]], rounds))
        for face, records in values.items():
            if self._colour(face) == 0:
                ends = [final[q] for q in np.flatnonzero(self._face_operator(face)[0])]
                builder.detector([*records, *ends], (3 * face[0], face[1], rounds))
        for number, operator in enumerate(operators):
            records = collected[number] + self._to_x_basis(operator, results, values)
            builder.observable(number, [*records, *(final[q] for q in np.flatnonzero(operator[0]))])
        return builder.circuit

    def _detect_faces(
        self,
        builder: CircuitBuilder,
        colour: int,
        results: dict[_Edge, int],
        values: dict[Face, list[int]],
        *,
        time: int,
    ) -> None:
        """Declare detectors of the faces whose edges the last two rounds have measured."""
        for face, edges in self._faces.items():
            if self._colour(face) != colour or any(edge not in results for edge in edges):
                continue
            now = [results[edge] for edge in edges]
            if face in values or colour == 0:  # the preparation determines the faces of type X
                builder.detector([*now, *values.get(face, [])], (3 * face[0], face[1], time))
            values[face] = now

    def _operator(self, edge: _Edge) -> Bits:
        return self._pauli(edge.qubits, edge.colour)

    def _face_operator(self, face: Face) -> Bits:
        return self._pauli({q for edge in self._faces[face] for q in edge.qubits}, self._colour(face))

    def _pauli(self, qubits: Iterable[int], colour: int) -> Bits:
        """Return a Pauli string as bool (2, qubits): X part and Z part."""
        operator = np.zeros((2, self._num_qubits), dtype=np.bool_)
        for qubit in qubits:
            operator[:, qubit] = (colour in (0, 1), colour in (1, 2))
        return operator

    def _logical_operators(self) -> list[Bits]:
        """Find X-type operators that commute with all faces and are not products of XX edges and faces."""
        others = [self._face_operator(face)[1] for face in self._faces if self._colour(face)]
        trivial = [self._operator(edge)[0] for edge in self._edges if edge.colour == 0]
        trivial += [self._face_operator(face)[0] for face in self._faces if self._colour(face) == 0]
        found = []
        for candidate in _null_space(np.array(others)):
            if _solve(np.array(trivial).T, candidate) is None:
                trivial.append(candidate)
                found.append(np.array([candidate, np.zeros_like(candidate)]))
        return found

    def _commuting(self, operator: Bits, before: Sequence[_Edge], now: Sequence[_Edge]) -> list[_Edge]:
        """Find edges of the last round whose product makes the operator commute with those of this round."""
        coming = [self._operator(edge) for edge in now]
        wrong = np.array([_anticommute(operator, edge) for edge in coming])
        if not before:
            return []
        matrix = np.array([[_anticommute(self._operator(old), edge) for old in before] for edge in coming])
        solution = _solve(matrix, wrong)
        assert solution is not None  # a logical operator can always be moved
        return [edge for edge, chosen in zip(before, solution, strict=True) if chosen]

    def _to_x_basis(
        self, operator: Bits, results: dict[_Edge, int], values: dict[Face, list[int]]
    ) -> list[int]:
        """Make the operator X-type with known stabilizers; return their measurements."""
        known = [(self._face_operator(face), records) for face, records in values.items()]
        known += [(self._operator(edge), [results[edge]]) for edge in self._edges if edge.colour == 0]
        solution = _solve(np.array([other[1] for other, _ in known]).T, operator[1])
        assert solution is not None  # six rounds return an X-type operator to an X-type one
        records: list[int] = []
        for (other, of_other), chosen in zip(known, solution, strict=True):
            if chosen:
                operator ^= other
                records += of_other
        return records


def _errors(builder: CircuitBuilder, name: str, targets: Sequence[int], p: float) -> None:
    if p > 0:
        builder.body.append(name, targets, p)


def _anticommute(one: Bits, other: Bits) -> bool:
    return bool((np.count_nonzero(one[0] & other[1]) + np.count_nonzero(one[1] & other[0])) % 2)


def _eliminate(matrix: Bits) -> tuple[Bits, list[int]]:
    """Compute the reduced row echelon form over GF(2) and the columns of its pivots."""
    rows = matrix.copy()
    pivots: list[int] = []
    for column in range(rows.shape[1]):
        place = len(pivots)
        below = np.flatnonzero(rows[place:, column])
        if not below.size:
            continue
        rows[[place, place + below[0]]] = rows[[place + below[0], place]]
        others = np.flatnonzero(rows[:, column])
        rows[others[others != place]] ^= rows[place]
        pivots.append(column)
    return rows, pivots


def _solve(matrix: Bits, target: Bits) -> Bits | None:
    """Solve matrix x = target over GF(2): one solution, None without."""
    columns = matrix.shape[1]
    rows, pivots = _eliminate(np.column_stack([matrix, target]))
    if columns in pivots:
        return None
    solution = np.zeros(columns, dtype=np.bool_)
    solution[pivots] = rows[: len(pivots), columns]
    return solution


def _null_space(matrix: Bits) -> list[Bits]:
    """Compute a basis of the solutions of matrix x = 0 over GF(2)."""
    columns = matrix.shape[1]
    rows, pivots = _eliminate(matrix)
    basis = []
    for free in sorted(set(range(columns)) - set(pivots)):
        vector = np.zeros(columns, dtype=np.bool_)
        vector[free] = True
        vector[pivots] = rows[: len(pivots), free]
        basis.append(vector)
    return basis
