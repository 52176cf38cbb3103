"""Measurement cycles of CSS checks on any layout, shared by circuits of several kinds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qec.circuits.builder import CircuitBuilder
from qec.codes.code import Basis, Code, Coordinate

Results = dict[Coordinate, int]


@dataclass(frozen=True)
class Check:
    """One X- or Z-type check.

    Attributes:
        at: position of the measure qubit.
        basis: "x" or "z".
        schedule: data qubit of each CX layer, None where the check is idle.
    """

    at: Coordinate
    basis: Basis
    schedule: tuple[Coordinate | None, ...]

    @property
    def support(self) -> tuple[Coordinate, ...]:
        """Data qubits of the check."""
        return tuple(data for data in self.schedule if data is not None)


def checks_of(code: Code) -> list[Check]:
    """Return the checks of a CSS code, in its order."""
    return [Check(s.coordinate, s.basis, tuple(s.schedule)) for s in code.stabilizers]


def measure_checks(
    builder: CircuitBuilder,
    checks: Sequence[Check],
    *,
    half_way: Mapping[str, Sequence[Coordinate]] | None = None,
) -> Results:
    """Append one cycle: reset, CX layers, measurement of all measure qubits.

    Args:
        builder: receives the cycle.
        checks: to measure.
        half_way: gates of one more layer after half of the CX layers -> their qubits.

    Returns:
        Position of each check -> number of its measurement.
    """
    num_layers = max(len(check.schedule) for check in checks)
    by_basis = {basis: [check for check in checks if check.basis == basis] for basis in ("x", "z")}
    builder.tick(cycle=True)
    builder.gate("RX", [check.at for check in by_basis["x"]])
    builder.gate("R", [check.at for check in by_basis["z"]])
    builder.tick()
    for layer in range(num_layers):
        if half_way and layer == num_layers // 2:
            for name, places in half_way.items():
                builder.gate(name, places)
            builder.tick()
        pairs: list[Coordinate] = []
        for check in checks:
            data = check.schedule[layer]
            if data is not None:
                pairs += [check.at, data] if check.basis == "x" else [data, check.at]
        builder.gate("CX", pairs)
        builder.tick()
    results = builder.measure("MX", [check.at for check in by_basis["x"]])
    return results | builder.measure("M", [check.at for check in by_basis["z"]])


def compare(
    builder: CircuitBuilder,
    checks: Iterable[Check],
    now: Mapping[Coordinate, int],
    before: Mapping[Coordinate, Iterable[int]],
    *,
    time: int,
) -> None:
    """Declare the detectors of one cycle.

    Args:
        builder: the circuit.
        checks: in the order of the detectors.
        now: number of each check's measurement in this cycle.
        before: numbers of the earlier measurements that determine it, empty for a check of known value; a
            check without an entry has no detector.
        time: last coordinate.
    """
    for check in checks:
        if check.at in before:
            builder.detector([now[check.at], *before[check.at]], (*check.at, time))


def known(checks: Iterable[Check], basis: Basis) -> dict[Coordinate, tuple[int, ...]]:
    """Return `before` of the first cycle: checks of the basis in which all data qubits were prepared."""
    return {check.at: () for check in checks if check.basis == basis}


def single(results: Results) -> dict[Coordinate, tuple[int, ...]]:
    """Return `before` of a cycle that follows one with the same checks."""
    return {at: (record,) for at, record in results.items()}


def readout_detectors(
    builder: CircuitBuilder, checks: Iterable[Check], basis: Basis, last: Results, data: Results, *, time: int
) -> None:
    """Declare the detectors that compare measured data qubits with the last measurement of their checks."""
    for check in checks:
        if check.basis == basis:
            records = [last[check.at], *(data[at] for at in check.support)]
            builder.detector(records, (*check.at, time))
