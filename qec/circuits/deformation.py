"""Cycles of checks that change in between: patches appear, merge, split and are measured."""

from collections.abc import Mapping, Sequence

from qec.circuits.builder import CircuitBuilder
from qec.circuits.checks import Check, Results, compare, measure_checks, single
from qec.codes.code import Basis, Coordinate


class CheckCycles:
    """Measurement cycles of checks, and their detectors.

    A check goes on where its old and its new support differ by qubits that were prepared or measured in its
    own basis. A new check has a known value if all of its qubits were prepared in its basis, and is random
    otherwise. An old check ends in a detector if all of its qubits were measured in its basis.

    Args:
        builder: receives the circuit.

    Attributes:
        checks: those of the next cycle.
        before: position of a check -> measurements whose parity the next result must have; random checks are
            missing.
        now: results of the last cycle.
        time: number of cycles.
    """

    def __init__(self, builder: CircuitBuilder) -> None:
        self.checks: list[Check] = []
        self.before: dict[Coordinate, tuple[int, ...]] = {}
        self.now: Results = {}
        self.time = 0
        self._builder = builder

    def cycle(self, *, half_way: Mapping[str, Sequence[Coordinate]] | None = None) -> None:
        """Append one cycle; see `measure_checks`."""
        self.now = measure_checks(self._builder, self.checks, half_way=half_way)
        compare(self._builder, self.checks, self.now, self.before, time=self.time)
        self.before = single(self.now)
        self.time += 1

    def know(self, results: Mapping[Coordinate, int]) -> None:
        """Take the values of checks of the next cycle from measurements without errors."""
        self.before = self.before | {at: (number,) for at, number in results.items()}

    def multiply(self, sources: Mapping[Coordinate, Coordinate]) -> None:
        """Multiply checks by others, as gates between two cycles do.

        Args:
            sources: check -> the one by which it is multiplied, which is multiplied by none.
        """
        before = self.before
        self.before = dict(before)
        for goal, source in sources.items():
            if source in before and goal in before:
                self.before[goal] = (*before[goal], *before[source])
            else:
                self.before.pop(goal, None)

    def change(
        self,
        checks: Sequence[Check],
        *,
        basis: Basis,
        prepared: Sequence[Coordinate] = (),
        measured: Mapping[Coordinate, int] | None = None,
    ) -> None:
        """Replace the checks.

        Args:
            checks: of the next cycles.
            basis: in which qubits were prepared or measured.
            prepared: qubits that were prepared since the last cycle.
            measured: qubits that were measured since then -> numbers of the measurements.
        """
        measured = measured or {}
        new = set(prepared)
        old = {check.at: check for check in self.checks}
        kept = {check.at for check in checks}
        before: dict[Coordinate, tuple[int, ...]] = {}
        for check in checks:
            support = set(check.support)
            if check.at not in old:
                if check.basis == basis and support <= new:
                    before[check.at] = ()
                continue
            former = set(old[check.at].support)
            changed = former ^ support
            fits = check.basis == basis and support - former <= new and former - support <= measured.keys()
            if check.at in self.before and (not changed or fits):
                gone = [measured[at] for at in old[check.at].support if at not in support]
                before[check.at] = (*self.before[check.at], *gone)
        for check in self.checks:
            if check.at in kept or check.basis != basis or check.at not in self.before:
                continue
            if set(check.support) <= measured.keys():
                records = [*self.before[check.at], *(measured[at] for at in check.support)]
                self._builder.detector(records, (*check.at, self.time))
        self.checks, self.before = list(checks), before
