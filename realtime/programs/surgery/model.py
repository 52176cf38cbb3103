"""Model of a program with merges: its circuit as layers; those of waits occur any number of times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.streaming.layers import LayeredModel, graphlike_dem, model_for
from decoders.streaming.sequences import SequenceDecoder
from qec.circuits import LogicalCircuit, Outcome
from qec.codes.code import Basis, Gates
from qec.noise.model import NoiseModel
from realtime.programs.kernels.records import Kind
from realtime.programs.layers import LayerErrors, equal_errors, errors_of_layers
from realtime.programs.program import Program
from realtime.programs.surgery.parities import Measurement, find_measurements

_BASES: tuple[Basis, Basis] = ("z", "x")
#: Cycles of a wait in the circuit that layers are taken from: the last one stands for all further ones.
WAIT_CYCLES = 3


@dataclass(frozen=True, kw_only=True)
class SurgeryModel:
    """Layers of a program's circuit, and what is measured.

    A wait takes at least one cycle. Its cycles from the third on are all alike, and none depends on what
    follows, so that one circuit has the layers of all shots.

    Attributes:
        program: with merges.
        layers: of the decoder.
        errors: by layer.
        measurements: in their order in a shot.
        commit, buffer: cycles of windows.
        distance, noise, gates: of the circuit.
    """

    program: Program
    layers: LayeredModel
    errors: tuple[LayerErrors, ...]
    measurements: tuple[Measurement, ...]
    commit: int
    buffer: int
    distance: int
    noise: NoiseModel
    gates: Gates

    @classmethod
    def of(
        cls,
        program: Program,
        *,
        distance: int,
        noise: NoiseModel,
        gates: Gates = "cz",
        commit: int | None = None,
        buffer: int | None = None,
    ) -> SurgeryModel:
        """Make the model of a program.

        Args:
            program: with merges.
            distance: of the patches, odd and at least 3.
            noise: of all cycles; the preparations are free of errors.
            gates: of the circuit, see `LogicalCircuit`.
            commit, buffer: cycles of windows; default: four distances, and one.

        Raises:
            ValueError: a program that the circuit cannot have, such as a patch in the way of a merge.
        """
        measurements = find_measurements(program.operations)
        made = []
        for cycles in (WAIT_CYCLES, WAIT_CYCLES + 1, 1):
            waits = [cycles] * program.decisions
            clean = program_circuit(program, measurements, distance=distance, gates=gates, waits=waits)
            circuit = noise.apply(clean)
            layers = model_for("mwpm", graphlike_dem(circuit, "refuse"))
            made.append((layers, errors_of_layers(circuit, layers), _positions(program, waits)))
        layers, errors, _ = made[0]
        for other in made[1:]:
            _check_alike(made[0][:2], other)
        buffer = max(distance, layers.longest_reach) if buffer is None else buffer
        return cls(
            program=program,
            layers=layers,
            errors=tuple(errors),
            measurements=tuple(measurements),
            commit=4 * distance if commit is None else commit,
            buffer=buffer,
            distance=distance,
            noise=noise,
            gates=gates,
        )

    def make_decoder(self) -> SequenceDecoder:
        """Make a decoder of the program's shots."""
        awaited = np.zeros(self.layers.num_observables, dtype=np.bool_)
        for one in self.measurements:
            if one.observable >= 0 and self.program.operations[one.operation].decides:
                awaited[one.observable] = True
        return SequenceDecoder(model=self.layers, commit=self.commit, buffer=self.buffer, awaited=awaited)

    def circuit(self, waits: Sequence[int]) -> stim.Circuit:
        """Write the whole circuit of a shot, with noise, whose waits take these numbers of cycles."""
        clean = program_circuit(
            self.program, self.measurements, distance=self.distance, gates=self.gates, waits=waits
        )
        return self.noise.apply(clean)

    def positions(self, waits: Sequence[int]) -> NDArray[np.int64]:
        """Return the layers of a shot whose waits take these numbers of cycles, the last readout included."""
        return _positions(self.program, waits)


def program_circuit(
    program: Program,
    measurements: Sequence[Measurement],
    *,
    distance: int,
    gates: Gates,
    waits: Sequence[int],
) -> stim.Circuit:
    """Write the circuit of a shot without noise; observables are those of the measurements.

    Args:
        program: with tiles.
        measurements: of the program.
        distance, gates: see `LogicalCircuit`.
        waits: cycles of each wait.

    Raises:
        ValueError: as `LogicalCircuit`.
    """
    logical = LogicalCircuit(distance=distance, gates=gates)
    included: dict[tuple[int, int], list[int]] = {}
    for measured in measurements:
        for reference in measured.references:
            included.setdefault(reference, []).append(measured.observable)
    names, left = program.patches, list(waits)
    outcomes: list[Outcome] = []
    ending: list[tuple[int, int]] = []

    def pass_cycles(count: int) -> None:
        """Let cycles pass; patches that are being measured end after the first."""
        if count:
            logical.idle(1)
            outcomes.extend(logical.measure(names[patch], basis=_BASES[basis]) for patch, basis in ending)
            ending.clear()
        if count > 1:
            logical.idle(count - 1)

    for at, one in enumerate(program.operations):
        match one.kind:
            case Kind.PREPARE:
                logical.prepare_encoded(
                    names[one.patch],
                    tile=program.tiles[one.patch],
                    observables={"Z": included.get((at, 0), []), "X": included.get((at, 1), [])},
                )
            case Kind.IDLE:
                pass_cycles(one.cycles)
            case Kind.MEASURE:
                ending.append((one.patch, one.basis))
            case Kind.MERGE:
                merged = names[one.patch], names[one.other]
                outcomes += logical.merge(*merged, basis=_BASES[one.basis], cycles=one.cycles)
            case Kind.WAIT:
                pass_cycles(int(_is_ending(program, at)))
                pass_cycles(left.pop(0))
    pass_cycles(len(ending) and 1)
    for measured in measurements:
        if measured.observable >= 0:
            parity = outcomes[measured.parity[0]]
            for number in measured.parity[1:]:
                parity ^= outcomes[number]
            logical.observable(parity)
    return logical.circuit


def _is_ending(program: Program, wait: int) -> bool:
    """Return whether patches are being measured when an operation begins to wait: that cycle comes first."""
    for one in reversed(program.operations[:wait]):
        if one.kind in (Kind.IDLE, Kind.WAIT, Kind.MERGE):
            return False
        if one.kind == Kind.MEASURE:
            return True
    return False


def _positions(program: Program, waits: Sequence[int]) -> NDArray[np.int64]:
    """Return the layers of a shot in the model whose waits take WAIT_CYCLES cycles."""
    found: list[int] = []
    at, left, ending = 0, list(waits), False
    for number, one in enumerate(program.operations):
        count = one.cycles if one.kind in (Kind.IDLE, Kind.MERGE) else 0
        if one.kind == Kind.MEASURE:
            ending = True
        if one.kind == Kind.WAIT:
            count = int(_is_ending(program, number))
        found += range(at, at + count)
        at += count
        if one.kind == Kind.WAIT:
            found += [at + min(cycle, WAIT_CYCLES - 1) for cycle in range(left.pop(0))]
            at += WAIT_CYCLES
        ending = ending and not count and one.kind != Kind.WAIT
    found += [at, at + 1] if ending else [at]
    return np.array(found)


def _check_alike(
    model: tuple[LayeredModel, list[LayerErrors]],
    other: tuple[LayeredModel, list[LayerErrors], NDArray[np.int64]],
) -> None:
    """Check that the layers of a circuit with other waits are those that the model has for them.

    Raises:
        ValueError: they are not, so that the cycles of a wait depend on its length.
    """
    (layers, errors), (made, made_errors, positions) = model, other
    fits = len(positions) == len(made.edges) and np.array_equal(layers.stabilizers, made.stabilizers)
    fits = fits and all(
        equal_errors(errors[at], made_errors[number]) for number, at in enumerate(positions.tolist())
    )
    if not fits:
        raise ValueError(
            "the cycles of a wait depend on its length: this program's circuit has no common layers"
        )
