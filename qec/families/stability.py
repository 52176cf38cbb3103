"""Stability experiment: a patch without a logical qubit, whose X checks multiply to the identity."""

import stim

from qec.circuits import checks as css
from qec.circuits.builder import CircuitBuilder
from qec.codes.code import Basis, Coordinate

# Orders of `RotatedSurfaceCode`.
_X_STEPS = ((1, 1), (-1, 1), (1, -1), (-1, -1))
_Z_STEPS = ((1, 1), (1, -1), (-1, 1), (-1, -1))


def stability_circuit(*, width: int, rounds: int) -> stim.Circuit:
    """Make a clean circuit of a stability experiment (Gidney, arXiv 2204.13834).

    All four sides of a square patch end in X checks. Every data qubit is in two of them, so the product of
    all X checks is the identity, while each one is random. Observable 0 is the product of the X checks of the
    first cycle. Data qubits are prepared and measured in the Z basis. The shortest logical error flips one
    check in every cycle: the distance is the number of cycles.

    Args:
        width: data qubits along a side, even.
        rounds: cycles, at least 1.
    """
    if width < 2 or width % 2:
        raise ValueError(f"width={width}: must be even and at least 2 for a stability patch")
    data = [(2 * column + 1, 2 * row + 1) for row in range(width) for column in range(width)]
    checks = _checks(width, set(data))
    builder = CircuitBuilder(data=data, ancillas=[check.at for check in checks])
    builder.gate("R", data)
    before = css.known(checks, "z")
    for time in range(rounds):
        now = css.measure_checks(builder, checks)
        css.compare(builder, checks, now, before, time=time)
        if time == 0:
            builder.observable(0, [now[check.at] for check in checks if check.basis == "x"])
        before = css.single(now)
    css.readout_detectors(builder, checks, "z", now, builder.measure("M", data), time=rounds)
    return builder.circuit


def _checks(width: int, data: set[Coordinate]) -> list[css.Check]:
    found = []
    for row in range(width + 1):
        for column in range(width + 1):
            basis: Basis = "x" if (row + column) % 2 else "z"
            at_edge = row in (0, width) or column in (0, width)
            if basis == "z" and at_edge:
                continue
            x, y = 2 * column, 2 * row
            places = ((x + dx, y + dy) for dx, dy in (_X_STEPS if basis == "x" else _Z_STEPS))
            found.append(css.Check((x, y), basis, tuple(at if at in data else None for at in places)))
    return found
