"""Model of a program with merges: its circuit as layers; those of waits occur any number of times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.streaming.layers import LayeredModel, graphlike_dem, model_for
from decoders.streaming.sequences import GRAPH_BYTES, SequenceDecoder
from qec.codes.code import Gates
from qec.noise.model import NoiseModel
from realtime.programs.kernels.records import Kind
from realtime.programs.layers import LayerErrors, equal_errors, errors_of_layers
from realtime.programs.program import Program
from realtime.programs.surgery.circuit import WAIT_CYCLES, is_measuring, program_circuit, shot_layers
from realtime.programs.surgery.parities import Comparisons, Measurement, find_measurements

# Most measurements with a chosen basis whose combinations are all looked at.
_MAX_CHOSEN = 8
# Measurements that are not made in the basis of their operation, and their bases.
_Bases = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SurgeryModel:
    """Layers of a program's circuit, and what is measured.

    A wait takes at least one cycle. Its cycles from the third on are all alike, and none depends on what
    follows, so that one circuit has the layers of all shots. Where the basis of a measurement is chosen, its
    last cycle and readout are taken from a circuit with this basis.

    Attributes:
        program: with merges.
        layers: of the decoder, one model for each choice of bases so far.
        errors: by layer, of the same circuits.
        measurements: in their order in a shot.
        commit, buffer: cycles of windows.
        distance, noise, gates: of the circuit.
    """

    program: Program
    layers: list[LayeredModel]
    errors: list[list[LayerErrors]]
    measurements: tuple[Measurement, ...]
    commit: int
    buffer: int
    distance: int
    noise: NoiseModel
    gates: Gates
    _numbers: dict[_Bases, int] = field(default_factory=lambda: {(): 0})

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
        model = cls(
            program=program,
            layers=[],
            errors=[],
            measurements=tuple(find_measurements(program.operations)),
            commit=4 * distance if commit is None else commit,
            buffer=distance if buffer is None else buffer,
            distance=distance,
            noise=noise,
            gates=gates,
        )
        model._add({})
        for cycles in (WAIT_CYCLES + 1, 1) if program.decisions else ():
            waits = [cycles] * program.decisions
            _, errors = model._make(waits, {})
            _check_alike(model.errors[0], errors, shot_layers(program, waits))
        return model

    def circuit(self, waits: Sequence[int], bases: Mapping[int, int] | None = None) -> stim.Circuit:
        """Write the whole circuit of a shot, with noise; see `program_circuit`."""
        clean = program_circuit(
            self.program,
            self.measurements,
            distance=self.distance,
            gates=self.gates,
            waits=waits,
            bases=bases,
        )
        return self.noise.apply(clean)

    def number_of(self, bases: Mapping[int, int]) -> int:
        """Return the number of the layers of a circuit in which some measurements have another basis.

        Args:
            bases: measurement -> its basis, of those that are not made in that of their operation.
        """
        key = tuple(sorted(bases.items()))
        if key not in self._numbers:
            self._numbers[key] = len(self.layers)
            self._add(bases)
        return self._numbers[key]

    def cycles_of(self, operation: int) -> int:
        """Return the number of an operation's layers in the circuit, for a wait with the cycle before it."""
        one = self.program.operations[operation]
        if one.kind == Kind.WAIT:
            return WAIT_CYCLES + int(is_measuring(self.program, operation))
        return one.cycles if one.kind in (Kind.IDLE, Kind.MERGE) else 0

    def waits_of(self, layers: NDArray[np.int64]) -> list[int]:
        """Return the cycles of the waits of a shot, given its layers."""
        counts = np.bincount(layers, minlength=self.layers[0].num_layers)
        at, found = 0, []
        for number, one in enumerate(self.program.operations):
            at += self.cycles_of(number)
            if one.kind == Kind.WAIT:
                found.append(int(counts[at - WAIT_CYCLES : at].sum()))
        return found

    def make_decoder(self, *, graph_bytes: int = GRAPH_BYTES) -> SequenceDecoder:
        """Make a decoder of the program's shots, which keeps graphs of at most `graph_bytes` bytes."""
        last = self.layers[0].last_flips.copy()
        for number, one in enumerate(self.measurements):
            operation = self.program.operations[one.operation]
            for basis, observable in one.observables.items():
                if basis != operation.basis:
                    other = self.layers[self.number_of({number: basis})]
                    last[observable] = other.last_flips[observable]
        return SequenceDecoder(
            models=self.layers,
            commit=self.commit,
            buffer=self.buffer,
            last_flips=last,
            awaited=self._awaited(last),
            graph_bytes=graph_bytes,
        )

    def _awaited(self, last_flips: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Mark of the observables that determine each awaited outcome the one that is final last.

        Random outcomes need none. If there are too many combinations of chosen bases to look at all of them,
        the observables of all awaited outcomes are marked.
        """
        operations, found = self.program.operations, np.zeros(last_flips.size, dtype=np.bool_)
        chosen = [sorted(one.observables) for one in self.measurements]
        if sum(len(bases) > 1 for bases in chosen) > _MAX_CHOSEN:
            for one in self.measurements:
                found[list(one.observables.values())] = operations[one.operation].decides
            return found
        for bases in product(*chosen):
            comparisons = Comparisons(operations)
            for number, one in enumerate(self.measurements):
                outcomes = comparisons.take(number, one.references[bases[number]]).outcomes
                if outcomes and operations[one.operation].decides:
                    needed = [self.measurements[other].observables[bases[other]] for other in outcomes]
                    found[max(needed, key=lambda observable: int(last_flips[observable]))] = True
        return found

    def _add(self, bases: Mapping[int, int]) -> None:
        layers, errors = self._make([WAIT_CYCLES] * self.program.decisions, bases)
        if self.layers:
            first = self.layers[0]
            same = layers.weight_scale == first.weight_scale and len(errors) == len(self.errors[0])
            same = same and np.array_equal(layers.stabilizers, first.stabilizers)
            changed = sum(
                not equal_errors(one, other) for one, other in zip(self.errors[0], errors, strict=False)
            )
            # The last cycle of a patch, and its readout in the next layer.
            if not same or changed > 2 * len(bases):
                raise ValueError("the basis of a measurement changes layers before its patch's last cycle")
        self.layers.append(layers)
        self.errors.append(errors)

    def _make(self, waits: Sequence[int], bases: Mapping[int, int]) -> tuple[LayeredModel, list[LayerErrors]]:
        circuit = self.circuit(waits, bases)
        layers = model_for("mwpm", graphlike_dem(circuit, "refuse"))
        return layers, errors_of_layers(circuit, layers)


def _check_alike(
    errors: Sequence[LayerErrors], other: Sequence[LayerErrors], positions: NDArray[np.int64]
) -> None:
    """Check that the layers of a circuit with other waits are those that the model has for them.

    Raises:
        ValueError: they are not, so that the cycles of a wait depend on its length.
    """
    fits = len(positions) == len(other)
    if not fits or not all(equal_errors(errors[at], one) for at, one in zip(positions, other, strict=True)):
        raise ValueError("the cycles of a wait depend on its length: this circuit has no common layers")
