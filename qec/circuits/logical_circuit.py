"""Logical operations on patches of the rotated surface code, as one circuit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import stim

from qec.circuits.builder import CircuitBuilder
from qec.circuits.checks import Check, checks_of
from qec.circuits.cz_gates import with_cz_gates
from qec.circuits.deformation import CheckCycles
from qec.circuits.folding import fold
from qec.codes.code import Basis, Coordinate, Gates
from qec.codes.surface import RotatedSurfaceCode

Tile = tuple[int, int]
_BASES: tuple[Basis, Basis] = ("x", "z")
_PAULIS: Mapping[str, Basis] = {"X": "x", "Z": "z"}


@dataclass(frozen=True)
class Outcome:
    """Result of a logical measurement: the parity of physical measurements.

    `one ^ other` is the parity of two outcomes.

    Attributes:
        measurements: numbers of the measurements, from the beginning of the circuit.
    """

    measurements: frozenset[int]

    def __xor__(self, other: Outcome) -> Outcome:
        """Return the parity of both."""
        return Outcome(self.measurements ^ other.measurements)


_NOTHING = Outcome(frozenset())


@dataclass
class _Patch:
    """A logical qubit; `frame`: basis of an operator -> the measurements that have changed its sign."""

    code: RotatedSurfaceCode
    tile: Tile
    frame: dict[Basis, Outcome]


class LogicalCircuit:
    """Circuit of logical operations on rotated surface code patches, without noise.

    Patches lie on the tiles of a grid, one column of qubits apart: tile (column, row). Operations follow one
    another; all patches that exist go through every cycle. Signs of logical operators that depend on
    measurements (the Pauli frame) are followed through all operations and are part of later outcomes, so
    that no correction is applied.

    Measurements of a product of logical operators are those of lattice surgery (Horsman et al., arXiv
    1111.4022; Litinski, arXiv 1808.02892): patches in one column are merged to measure the product of
    their Z, patches in one row that of their X, with free tiles between them as routing space.

    Args:
        distance: of the patches, odd and at least 3.
        gates: "cx" (R, RX, CX, M, MX), or "cz" (R, H, CZ, M).

    Raises:
        ValueError: another distance or gate set.

    Examples:
        >>> from qec import circuits, noise
        >>> program = circuits.LogicalCircuit(distance=3)
        >>> program.prepare("a", tile=(0, 0), basis="z")
        >>> program.prepare("b", tile=(0, 1), basis="z")
        >>> program.idle(3)
        >>> [parity] = program.merge("a", "b", basis="z", cycles=3)  # Z of a times Z of b
        >>> program.idle(3)
        >>> program.observable(parity)
        0
        >>> program.observable(program.measure("a", basis="z"))
        1
        >>> noise.uniform(0.003).apply(program.circuit).num_detectors
        148
    """

    def __init__(self, *, distance: int, gates: Gates = "cx") -> None:
        if distance < 3 or distance % 2 == 0:
            raise ValueError(f"distance={distance}: must be odd and at least 3 for lattice surgery")
        if gates not in get_args(Gates):
            raise ValueError(f"gates={gates!r}: must be 'cx' or 'cz'")
        self.distance = distance
        self.gates = gates
        self._patches: dict[str, _Patch] = {}
        self._builder = CircuitBuilder(data=())
        self._cycles = CheckCycles(self._builder)
        self._num_observables = 0

    @property
    def patches(self) -> dict[str, Tile]:
        """Patches that exist at this point -> their tiles."""
        return {name: patch.tile for name, patch in self._patches.items()}

    @property
    def num_cycles(self) -> int:
        """Number of cycles so far."""
        return self._cycles.time

    @property
    def circuit(self) -> stim.Circuit:
        """The circuit so far: detectors with coordinates (x, y, cycle), data qubits and cycles tagged."""
        plain = self._builder.circuit
        return plain if self.gates == "cx" else with_cz_gates(plain)

    def prepare(self, patch: str, *, tile: Tile, basis: Basis | None) -> None:
        """Add a patch.

        Args:
            patch: its name.
            tile: (column, row) of a free tile.
            basis: "z" for the logical 0, "x" for the logical plus; None: the qubits come in an unknown
                state, as for checks of the circuit by `flow`.

        Raises:
            ValueError: the name or the tile is taken.
        """
        if basis is not None:
            _check_basis(basis)
        code = self._new_patch(patch, tile)
        if basis is not None:
            self._builder.gate("R" if basis == "z" else "RX", code.data_qubits)
        prepared = () if basis is None else code.data_qubits
        self._cycles.change(self._all_checks(), basis=basis or "z", prepared=prepared)

    def prepare_encoded(self, patch: str, *, tile: Tile) -> None:
        """Add a patch that is encoded without errors: half of a Bell pair with a perfect reference qubit.

        Its checks are known, and both of its logical operators have values that only the reference knows:
        `include_operator` makes observables relative to them.

        Args:
            patch: its name.
            tile: (column, row) of a free tile.

        Raises:
            ValueError: the name or the tile is taken.
        """
        code = self._new_patch(patch, tile)
        checks = checks_of(code)
        operators = [dict.fromkeys(check.support, check.basis.upper()) for check in checks]
        numbers = self._builder.measure_operators(operators)
        self._cycles.change(self._all_checks(), basis="z")
        self._cycles.know({check.at: number for check, number in zip(checks, numbers, strict=True)})

    def include_operator(self, patch: str, *, basis: Basis, observable: int) -> None:
        """Include the present value of a patch's logical Z or X, with its Pauli frame, in an observable.

        No measurement takes place. An observable that an outcome completes is then relative to this value,
        and determined however random both are.

        Args:
            patch: name.
            basis: "z" or "x".
            observable: number.

        Raises:
            ValueError: a patch that does not exist, or an unknown basis.
        """
        _check_basis(basis)
        found = self._find(patch)
        self._builder.include_operator(observable, dict(found.code.logical(basis)))
        self._builder.observable(observable, sorted(found.frame[basis].measurements))
        self._num_observables = max(self._num_observables, observable + 1)

    def idle(self, cycles: int) -> None:
        """Let some cycles pass.

        Raises:
            ValueError: a negative number, or no patch exists.
        """
        if cycles < 0:
            raise ValueError(f"cycles={cycles}: must be at least 0")
        if not self._patches:
            raise ValueError("no patch exists: prepare one first")
        for _ in range(cycles):
            self._cycles.cycle()

    def merge(self, *patches: str, basis: Basis, cycles: int) -> list[Outcome]:
        """Merge patches, let some cycles pass, and split them again.

        Args:
            patches: at least two, in one column for basis "z", in one row for basis "x"; tiles between them
                must be free.
            basis: of the logical operators whose products are measured.
            cycles: while they are merged, at least 1; the distance protects the outcomes as well as the
                patches.

        Returns:
            The product of the operators of each patch and the next one, from top to bottom or from left to
            right.

        Raises:
            ValueError: a patch that does not exist, patches that are not in line, a tile between that is
                taken, fewer cycles or patches.
        """
        _check_basis(basis)
        if cycles < 1:
            raise ValueError(f"cycles={cycles}: a merge takes at least 1")
        line = self._in_line(patches, basis)
        self._require_cycle()
        union = self._code(line[0].tile, line[-1].tile)
        inside = {at for patch in line for at in patch.code.data_qubits}
        seam = [at for at in union.data_qubits if at not in inside]
        self._add_qubits([union])
        seam_basis: Basis = "x" if basis == "z" else "z"
        prepare, measure = ("RX", "MX") if basis == "z" else ("R", "M")
        self._builder.gate(prepare, seam)
        merged = checks_of(union)
        self._cycles.change([*merged, *self._checks_without(patches)], basis=seam_basis, prepared=seam)
        self._cycles.cycle()
        outcomes = [
            self._product(merged, one, next_one, basis) ^ one.frame[basis] ^ next_one.frame[basis]
            for one, next_one in pairwise(line)
        ]
        self.idle(cycles - 1)
        measured = self._builder.measure(measure, seam)
        self._cycles.change(self._all_checks(), basis=seam_basis, measured=measured)
        # The operator through all patches and seams is conserved: its part in a seam goes to the next patch.
        through = [at for at, _ in union.logical(seam_basis)]
        for one, next_one in pairwise(line):
            between = [measured[at] for at in through if at in measured and _is_between(at, one, next_one)]
            next_one.frame[seam_basis] ^= Outcome(frozenset(between))
        return outcomes

    def transversal_cnot(self, control: str, target: str) -> None:
        """Apply CX between all pairs of data qubits of two patches.

        Raises:
            ValueError: a patch that does not exist, or the same one twice.
        """
        one, other = self._two(control, target)
        self._require_cycle()
        self._builder.tick()
        pairs = zip(one.code.data_qubits, other.code.data_qubits, strict=True)
        self._builder.gate("CX", [at for pair in pairs for at in pair])
        one.frame["x"] ^= other.frame["x"]
        other.frame["z"] ^= one.frame["z"]
        # Z checks of the control are copied onto those of the target, X checks the other way.
        shift = tuple(b - a for a, b in zip(one.code.origin, other.code.origin, strict=True))
        sources: dict[Coordinate, Coordinate] = {}
        for check in checks_of(one.code):
            partner = (check.at[0] + shift[0], check.at[1] + shift[1])
            source, goal = (check.at, partner) if check.basis == "z" else (partner, check.at)
            sources[goal] = source
        self._cycles.multiply(sources)

    def phase_gate(self, *patches: str, inverse: bool = False) -> None:
        """Apply the phase gate S to patches, in one cycle.

        Half-way through the cycle, CZ gates between mirrored qubits fold each patch along a diagonal (Chen et
        al., arXiv 2412.01391; see `qec.circuits.folding`). The qubits of a pair are far apart, as those of a
        transversal CNOT.

        Args:
            patches: at least one, all of which have had a cycle.
            inverse: the inverse of S.

        Raises:
            ValueError: no patch, the same one twice, one that does not exist, or no cycle yet.
        """
        if not patches:
            raise ValueError("no patch: name at least one")
        if len(set(patches)) < len(patches):
            raise ValueError(f"patches {list(patches)}: name each once")
        chosen = [self._find(name) for name in patches]
        self._require_cycle()
        gates: dict[str, list[Coordinate]] = {"CZ": [], "S": [], "S_DAG": []}
        folds = [fold(patch.code, inverse=inverse) for patch in chosen]
        for one in folds:
            for name, places in one.gates.items():
                gates[name] += places
            self._cycles.multiply(one.flipped)
        self._cycles.cycle(half_way=gates)
        for one, patch in zip(folds, chosen, strict=True):
            self._cycles.multiply(one.flipping)
            # X of the first column becomes Y with Z of the last row: all Z checks away from the first row.
            between = [check.at for check in checks_of(patch.code) if check.basis == "z"]
            found = Outcome(frozenset(self._cycles.now[at] for at in between))
            patch.frame["x"] ^= patch.frame["z"] ^ found

    def cnot(self, control: str, target: str, *, ancilla: Tile, cycles: int) -> None:
        """Apply a CNOT by lattice surgery: an ancilla patch in the plus state, ZZ with the control, XX with
        the target, and a measurement of the ancilla in basis Z (arXiv 1111.4022).

        Args:
            control: patch in the column of the ancilla.
            target: patch in the row of the ancilla.
            ancilla: a free tile.
            cycles: of each merge and between the two, at least 1.

        Raises:
            ValueError: as `prepare` and `merge`.
        """
        one, other = self._two(control, target)
        if one.tile[0] != ancilla[0] or other.tile[1] != ancilla[1]:
            raise ValueError(
                f"ancilla={ancilla}: must be in the column of the control {one.tile} and in the row of the "
                f"target {other.tile}"
            )
        name = f"ancilla of {control} and {target}"
        self.prepare(name, tile=ancilla, basis="x")
        self.idle(1)
        [with_control] = self.merge(control, name, basis="z", cycles=cycles)
        self.idle(cycles)
        [with_target] = self.merge(name, target, basis="x", cycles=cycles)
        self.idle(1)
        last = self.measure(name, basis="z")
        other.frame["z"] ^= with_control ^ last
        one.frame["x"] ^= with_target

    def measure(self, patch: str, *, basis: Basis | Literal["y"]) -> Outcome:
        """Measure the data qubits of a patch, which ends it.

        Args:
            patch: to measure.
            basis: "y" takes one more cycle of all patches: the inverse phase gate, then basis "x".

        Returns:
            The logical Z, X or Y, corrected by the Pauli frame.

        Raises:
            ValueError: a patch that does not exist, or an unknown basis.
        """
        if basis not in (*_BASES, "y"):
            raise ValueError(f"basis={basis!r}: must be 'x', 'y' or 'z'")
        found = self._find(patch)
        if basis == "y":
            self.phase_gate(patch, inverse=True)
            basis = "x"
        self._require_cycle()
        data = self._builder.measure("M" if basis == "z" else "MX", found.code.data_qubits)
        del self._patches[patch]
        self._cycles.change(self._all_checks(), basis=basis, measured=data)
        records = frozenset(data[at] for at, _ in found.code.logical(basis))
        return Outcome(records) ^ found.frame[basis]

    def observable(self, outcome: Outcome, *, number: int | None = None) -> int:
        """Make an outcome, or the parity of several, the next observable; return its number.

        It must be determined by the preparation: stim refuses a random one when it makes an error model.

        Args:
            outcome: to include.
            number: of an observable that `include_operator` began, in place of the next one.
        """
        number = self._num_observables if number is None else number
        self._builder.observable(number, sorted(outcome.measurements))
        self._num_observables = max(self._num_observables, number + 1)
        return number

    def flow(
        self, inputs: Mapping[str, str], outputs: Mapping[str, str], outcomes: Iterable[Outcome] = ()
    ) -> stim.Flow:
        """Make the stabiliser flow that says how the circuit carries logical operators.

        `circuit.has_flow(flow, unsigned=True)` checks it, for patches that were prepared with basis None and
        are not measured.

        Args:
            inputs: patch -> "X", "Z" or "Y", before the first cycle.
            outputs: the same at the end, for patches that exist, with their Pauli frames.
            outcomes: whose parity the product of inputs and outputs is.

        Raises:
            ValueError: a patch that does not exist, or an unknown Pauli.
        """
        parity = _NOTHING
        for name, pauli in outputs.items():
            for basis in _factors(pauli):
                parity ^= self._find(name).frame[basis]
        for outcome in outcomes:
            parity ^= outcome
        return stim.Flow(
            input=self._operator(inputs),
            output=self._operator(outputs),
            measurements=sorted(parity.measurements),
        )

    def _operator(self, paulis: Mapping[str, str]) -> stim.PauliString:
        found = stim.PauliString(len(self._builder.index))
        for name, pauli in paulis.items():
            code = self._find(name).code
            for basis in _factors(pauli):
                for at, letter in code.logical(basis):
                    single = stim.PauliString(len(found))
                    single[self._builder.index[at]] = letter
                    found *= single
        found.sign = 1
        return found

    def _new_patch(self, patch: str, tile: Tile) -> RotatedSurfaceCode:
        if patch in self._patches:
            raise ValueError(f"patch {patch!r} exists already: measure it first, or choose another name")
        for name, other in self._patches.items():
            if other.tile == tile:
                raise ValueError(f"tile {tile} is taken by patch {name!r}: choose a free one")
        code = self._code(tile, tile)
        self._patches[patch] = _Patch(code, tile, dict.fromkeys(_BASES, _NOTHING))
        self._add_qubits([code])
        return code

    def _code(self, first: Tile, last: Tile) -> RotatedSurfaceCode:
        """Make the code on the tiles from one to another, in one row or column."""
        step = self.distance + 1
        columns, rows = (last[axis] - first[axis] + 1 for axis in (0, 1))
        return RotatedSurfaceCode(
            distance_x=rows * step - 1,
            distance_z=columns * step - 1,
            gates="cx",
            origin=(2 * step * first[0], 2 * step * first[1]),
        )

    def _add_qubits(self, codes: Iterable[RotatedSurfaceCode]) -> None:
        for code in codes:
            self._builder.add_qubits(data=code.data_qubits, ancillas=[check.at for check in checks_of(code)])

    def _all_checks(self) -> list[Check]:
        return self._checks_without(())

    def _checks_without(self, patches: Sequence[str]) -> list[Check]:
        return [
            check
            for name, patch in self._patches.items()
            if name not in patches
            for check in checks_of(patch.code)
        ]

    def _find(self, name: str) -> _Patch:
        if name not in self._patches:
            known = ", ".join(self._patches) or "none"
            raise ValueError(f"patch {name!r} does not exist; patches at this point: {known}")
        return self._patches[name]

    def _two(self, one: str, other: str) -> tuple[_Patch, _Patch]:
        if one == other:
            raise ValueError(f"{one!r} twice: control and target must be two patches")
        return self._find(one), self._find(other)

    def _require_cycle(self) -> None:
        missing = [check.at for check in self._cycles.checks if check.at not in self._cycles.now]
        if missing:
            raise ValueError("a new patch has had no cycle yet: call idle first")

    def _in_line(self, patches: Sequence[str], basis: Basis) -> list[_Patch]:
        """Return the patches in order, or raise."""
        if len(set(patches)) < 2 or len(set(patches)) < len(patches):
            raise ValueError(f"patches {list(patches)}: a merge takes two or more different ones")
        found = [self._find(name) for name in patches]
        along, across, what = (1, 0, "column") if basis == "z" else (0, 1, "row")
        if len({patch.tile[across] for patch in found}) > 1:
            places = ", ".join(f"{name} at {self._patches[name].tile}" for name in patches)
            raise ValueError(f"{places}: patches must be in one {what} to merge in basis {basis!r}")
        line = sorted(found, key=lambda patch: patch.tile[along])
        first, last = line[0].tile[along], line[-1].tile[along]
        for name, patch in self._patches.items():
            tile = patch.tile
            if patch not in found and tile[across] == line[0].tile[across] and first < tile[along] < last:
                raise ValueError(f"patch {name!r} at {tile} is in the way of the merge")
        return line

    def _product(self, merged: Sequence[Check], one: _Patch, other: _Patch, basis: Basis) -> Outcome:
        """Return the product of all checks between the logical operators of two patches."""
        axis = 1 if basis == "z" else 0
        low, high = one.code.origin[axis], other.code.origin[axis]
        between = [check.at for check in merged if check.basis == basis and low < check.at[axis] <= high]
        return Outcome(frozenset(self._cycles.now[at] for at in between))


def _factors(pauli: str) -> tuple[Basis, ...]:
    if pauli == "Y":
        return _BASES
    if pauli not in _PAULIS:
        raise ValueError(f"pauli {pauli!r}: must be 'X', 'Y' or 'Z'")
    return (_PAULIS[pauli],)


def _check_basis(basis: str) -> None:
    if basis not in _BASES:
        raise ValueError(f"basis={basis!r}: must be 'x' or 'z'")


def _is_between(at: Coordinate, one: _Patch, other: _Patch) -> bool:
    return all(
        a <= here <= b or a == b for a, here, b in zip(one.code.origin, at, other.code.origin, strict=True)
    )
