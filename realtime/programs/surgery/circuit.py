"""Circuits of programs with merges, for given lengths of waits and bases of measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import stim
from numpy.typing import NDArray

from qec.circuits import LogicalCircuit, Outcome
from qec.codes.code import Basis, Gates
from realtime.programs.kernels.records import Kind
from realtime.programs.program import Program
from realtime.programs.surgery.parities import Measurement, Reference

#: Cycles of a wait in the circuit that layers are taken from: the last one stands for all further ones.
WAIT_CYCLES = 3
_BASES: tuple[Basis, Basis] = ("z", "x")


def program_circuit(
    program: Program,
    measurements: Sequence[Measurement],
    *,
    distance: int,
    gates: Gates,
    waits: Sequence[int],
    bases: Mapping[int, int] | None = None,
) -> stim.Circuit:
    """Write the circuit of a shot without noise; observables are those of the measurements.

    Args:
        program: with tiles.
        measurements: of the program.
        distance, gates: see `LogicalCircuit`.
        waits: cycles of each wait.
        bases: measurement -> its basis, of those that are not made in that of their operation.

    Raises:
        ValueError: as `LogicalCircuit`.
    """
    return _Writer(program, measurements, distance, gates, bases or {}).write(list(waits))


class _Writer:
    """Writes one circuit."""

    def __init__(
        self,
        program: Program,
        measurements: Sequence[Measurement],
        distance: int,
        gates: Gates,
        bases: Mapping[int, int],
    ) -> None:
        self._program, self._measurements, self._bases = program, measurements, bases
        self._logical = LogicalCircuit(distance=distance, gates=gates)
        self._numbers = {one.operation: number for number, one in enumerate(measurements)}
        self._ending: list[int] = []
        self._included: dict[Reference, list[int]] = {}
        for one in measurements:
            for basis, references in one.references.items():
                for reference in references:
                    self._included.setdefault(reference, []).append(one.observables[basis])

    def write(self, waits: list[int]) -> stim.Circuit:
        """Return the circuit."""
        names = self._program.patches
        for at, one in enumerate(self._program.operations):
            match one.kind:
                case Kind.PREPARE:
                    self._logical.prepare_encoded(names[one.patch], tile=self._program.tiles[one.patch])
                    self._include(at)
                case Kind.IDLE:
                    self._pass(one.cycles)
                case Kind.MEASURE:
                    self._ending.append(self._numbers[at])
                case Kind.MERGE:
                    merged = names[one.patch], names[one.other]
                    [outcome] = self._logical.merge(*merged, basis=_BASES[one.basis], cycles=one.cycles)
                    self._complete(self._numbers[at], one.basis, outcome)
                    self._include(at)
                case Kind.WAIT:
                    self._pass(int(is_measuring(self._program, at)))
                    self._pass(waits.pop(0))
        self._pass(int(bool(self._ending)))
        return self._logical.circuit

    def _pass(self, cycles: int) -> None:
        """Let cycles pass; patches that are being measured end after the first."""
        if not cycles:
            return
        ending = [(number, *self._chosen(number)) for number in self._ending]
        for number, name, chosen in ending:
            for basis, observable in self._measurements[number].observables.items():
                # An operator that is not measured ends before the last cycle, which no readout protects.
                if basis != chosen:
                    self._logical.include_operator(name, basis=_BASES[basis], observable=observable)
        self._logical.idle(1)
        for number, name, chosen in ending:
            self._complete(number, chosen, self._logical.measure(name, basis=_BASES[chosen]))
        self._ending.clear()
        if cycles > 1:
            self._logical.idle(cycles - 1)

    def _chosen(self, number: int) -> tuple[str, int]:
        """Return the patch that is measured, and the basis."""
        one = self._measurements[number]
        basis = self._program.operations[one.operation].basis
        return self._program.patches[one.patch], self._bases.get(number, basis)

    def _include(self, operation: int) -> None:
        """Begin the observables that are relative to operators as they are after an operation."""
        for reference, observables in self._included.items():
            if reference.operation == operation:
                name, basis = self._program.patches[reference.patch], _BASES[reference.basis]
                for observable in observables:
                    self._logical.include_operator(name, basis=basis, observable=observable)

    def _complete(self, number: int, basis: int, outcome: Outcome) -> None:
        self._logical.observable(outcome, number=self._measurements[number].observables[basis])


def is_measuring(program: Program, wait: int) -> bool:
    """Return whether patches are being measured when an operation begins to wait: that cycle comes first."""
    for one in reversed(program.operations[:wait]):
        if one.kind in (Kind.IDLE, Kind.WAIT, Kind.MERGE):
            return False
        if one.kind == Kind.MEASURE:
            return True
    return False


def shot_layers(program: Program, waits: Sequence[int]) -> NDArray[np.int64]:
    """Return the layers of a shot in the circuit whose waits take WAIT_CYCLES cycles, with the readout."""
    found: list[int] = []
    at, left, ending = 0, list(waits), False
    for number, one in enumerate(program.operations):
        count = one.cycles if one.kind in (Kind.IDLE, Kind.MERGE) else 0
        if one.kind == Kind.MEASURE:
            ending = True
        if one.kind == Kind.WAIT:
            count = int(is_measuring(program, number))
        found += range(at, at + count)
        at += count
        if one.kind == Kind.WAIT:
            found += [at + min(cycle, WAIT_CYCLES - 1) for cycle in range(left.pop(0))]
            at += WAIT_CYCLES
        ending = ending and not count and one.kind != Kind.WAIT
    found += [at, at + 1] if ending else [at]
    return np.array(found)
