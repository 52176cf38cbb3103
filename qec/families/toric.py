"""Toric code memory: two logical qubits, no boundary."""

import stim

from qec.circuits import checks as css
from qec.circuits.builder import CircuitBuilder
from qec.codes.code import Coordinate

# North, west, east, south. With one order for both types, the two data qubits that an X check and a Z check
# share are visited in the same order of the checks, so that the checks' measurements commute.
_STEPS = ((0, -1), (-1, 0), (1, 0), (0, 1))


def toric_circuit(*, distance: int, rounds: int) -> stim.Circuit:
    """Make a clean memory circuit of the toric code in basis Z, with both logical Z operators as observables.

    Data qubits are the edges of a distance x distance square lattice with periodic boundaries; X checks are
    the vertices, Z checks the faces. Observable 0 runs along a row, observable 1 along a column.

    Args:
        distance: side of the lattice, at least 2.
        rounds: cycles, at least 1.
    """
    size = 2 * distance
    data = [(x, y) for y in range(size) for x in range(size) if (x + y) % 2]
    checks = [_check(x, y, size) for y in range(size) for x in range(size) if (x + y) % 2 == 0]
    builder = CircuitBuilder(data=data, ancillas=[check.at for check in checks])
    builder.gate("R", data)
    before = css.known(checks, "z")
    for time in range(rounds):
        now = css.measure_checks(builder, checks)
        css.compare(builder, checks, now, before, time=time)
        before = css.single(now)
    results = builder.measure("M", data)
    css.readout_detectors(builder, checks, "z", now, results, time=rounds)
    builder.observable(0, [results[x, 0] for x in range(1, size, 2)])
    builder.observable(1, [results[0, y] for y in range(1, size, 2)])
    return builder.circuit


def _check(x: int, y: int, size: int) -> css.Check:
    places: list[Coordinate] = [((x + dx) % size, (y + dy) % size) for dx, dy in _STEPS]
    return css.Check((x, y), "x" if x % 2 == 0 else "z", tuple(places))
