"""Heavy-hexagon code memory with flag qubits."""

import stim

from qec.circuits.builder import CircuitBuilder
from qec.codes.code import Coordinate

Pair = tuple[Coordinate, Coordinate]


def heavy_hexagon_circuit(*, distance: int, rounds: int) -> stim.Circuit:
    """Make a clean memory circuit of the heavy-hexagon code in basis Z (Chamberland et al., arXiv
    1907.09528).

    A subsystem code on a distance x distance grid of data qubits. Z gauge operators are vertical pairs; two
    neighbouring ones multiply to a weight-four Z check as in the surface code. X gauge operators are
    squares on every second face, measured through a measure qubit and two flag qubits, and pairs at top
    and bottom; those of two columns multiply to one X check as in the Bacon-Shor code. The qubit that
    measures a vertical pair is the flag of the square next to it.

    Each cycle measures all Z gauge operators, then all X gauge operators with their flags. Detectors compare
    Z checks and X checks with the cycle before; each flag is a detector, because it reads 0
    without errors. Detector coordinates: x, y, t, kind (0: Z check, 1: X check, 2: flag).

    Args:
        distance: odd, at least 3.
        rounds: cycles, at least 1.
    """
    if distance < 3 or distance % 2 == 0:
        raise ValueError(f"distance={distance}: must be odd and at least 3 for the heavy-hexagon code")
    return _HeavyHexagon(distance).circuit(rounds)


class _HeavyHexagon:
    """Layout: data qubits at (4 column, 4 row), flags below them, measure qubits between flags."""

    def __init__(self, distance: int) -> None:
        self._distance = distance
        span = range(distance)
        self._data = [(4 * column, 4 * row) for row in span for column in span]
        inner = range(distance - 1)
        # Between data qubits (row, column) and (row + 1, column).
        self._flags = [(4 * column, 4 * row + 2) for row in inner for column in span]
        self._squares = [
            (4 * column + 2, 4 * row + 2) for row in inner for column in inner if (row + column) % 2 == 0
        ]
        last = distance - 1
        self._pairs: dict[Coordinate, Pair] = {}
        for column in inner:
            if column % 2:
                self._pairs[4 * column + 2, -2] = ((4 * column, 0), (4 * column + 4, 0))
            else:
                self._pairs[4 * column + 2, 4 * last + 2] = (
                    (4 * column, 4 * last),
                    (4 * column + 4, 4 * last),
                )

    def circuit(self, rounds: int) -> stim.Circuit:
        builder = CircuitBuilder(data=self._data, ancillas=[*self._flags, *self._squares, *self._pairs])
        builder.gate("R", self._data)
        z_before: dict[Coordinate, int] = {}
        x_before: dict[Coordinate, int] = {}
        for time in range(rounds):
            z_now = self._measure_z(builder)
            for at, flags in self._z_checks().items():
                records = [cycle[flag] for flag in flags for cycle in (z_now, z_before) if flag in cycle]
                builder.detector(records, (*at, time, 0))
            x_now, flagged = self._measure_x(builder)
            for column in range(self._distance - 1) if x_before else ():
                strip = [at for at in x_now if at[0] == 4 * column + 2]
                records = [cycle[at] for at in strip for cycle in (x_now, x_before)]
                builder.detector(records, (4 * column + 2, -4, time, 1))
            for at, record in flagged.items():
                builder.detector([record], (*at, time, 2))
            z_before, x_before = z_now, x_now
        data = builder.measure("M", self._data)
        for at, flags in self._z_checks().items():
            ends = [(x, y + dy) for x, y in flags for dy in (-2, 2)]
            records = [*(z_before[flag] for flag in flags), *(data[end] for end in ends)]
            builder.detector(records, (*at, rounds, 0))
        builder.observable(0, [data[4 * column, 0] for column in range(self._distance)])
        return builder.circuit

    def _z_checks(self) -> dict[Coordinate, list[Coordinate]]:
        """Return: position of each Z check -> flag qubits whose Z gauge operators multiply to it."""
        places = set(self._flags)
        found = {}
        for row in range(self._distance - 1):
            for column in range(-1, self._distance):
                if (row + column) % 2:
                    at = (4 * column + 2, 4 * row + 2)
                    found[at] = [flag for flag in ((at[0] - 2, at[1]), (at[0] + 2, at[1])) if flag in places]
        return found

    def _measure_z(self, builder: CircuitBuilder) -> dict[Coordinate, int]:
        builder.tick(cycle=True)
        builder.gate("R", self._flags)
        for dy in (-2, 2):
            builder.tick()
            builder.gate("CX", [at for x, y in self._flags for at in ((x, y + dy), (x, y))])
        builder.tick()
        return builder.measure("M", self._flags)

    def _measure_x(self, builder: CircuitBuilder) -> tuple[dict[Coordinate, int], dict[Coordinate, int]]:
        left = [((x, y), (x - 2, y)) for x, y in self._squares]
        right = [((x, y), (x + 2, y)) for x, y in self._squares]
        flags = [flag for _, flag in (*left, *right)]

        def to_data(pairs: list[Pair], dy: int) -> list[Pair]:
            return [((x, y), (x, y + dy)) for _, (x, y) in pairs]

        def of_pair(end: int) -> list[Pair]:
            return [(at, ends[end]) for at, ends in self._pairs.items()]

        builder.tick()
        builder.gate("RX", [*self._squares, *self._pairs])
        builder.gate("R", flags)
        # Upper-left, lower-left and lower-right, upper-right: no data qubit has two gates in one layer.
        layers: list[list[Pair]] = [
            left + of_pair(0),
            right + to_data(left, -2),
            to_data(left, 2) + to_data(right, 2),
            to_data(right, -2) + left,
            right + of_pair(1),
        ]
        for layer in layers:
            builder.tick()
            builder.gate("CX", [at for pair in layer for at in pair])
        builder.tick()
        results = builder.measure("MX", [*self._squares, *self._pairs])
        return results, builder.measure("M", flags)
