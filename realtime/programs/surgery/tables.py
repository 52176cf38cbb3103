"""Tables of a program with merges for the kernels: operations, layers with their variants, references."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.matching.workspace import Pools
from realtime.programs.kernels.records import LAYER, Kind
from realtime.programs.kernels.surgery_records import LAYER_CHOICE, LAYER_CHOICES, STEP
from realtime.programs.layers import layer_table
from realtime.programs.surgery.circuit import WAIT_CYCLES
from realtime.programs.surgery.model import SurgeryModel

# Most bases that are chosen in two successive cycles: a circuit is written for each combination.
_MAX_CHOICES = 8


@dataclass(frozen=True, eq=False, kw_only=True)
class ProgramTables:
    """Tables of a program, as SOURCE describes them.

    Attributes:
        arrays: pools of SOURCE, by name.
        sizes: scalars of SOURCE.
        owners: of the memory to which `arrays` refer.
    """

    arrays: dict[str, NDArray[Any]]
    sizes: dict[str, int]
    owners: list[Pools]

    @classmethod
    def of(cls, model: SurgeryModel) -> ProgramTables:
        """Make the tables; writes the circuits of all combinations of chosen bases.

        Raises:
            ValueError: too many bases are chosen at the same time, or an error of probability 1.
        """
        columns = model.layers[0].num_columns
        turned = _turned_measurements(model)
        choices, layers, symbols = _choices(model, turned)
        owners = [
            layer_table(model.errors[number][layer], row_bytes=(columns + 7) // 8)
            for number, layer in symbols
        ]
        deepest = max(
            (
                later
                for number, layer in symbols
                for found, _ in model.errors[number][layer]
                for later, _ in found
            ),
            default=0,
        )
        references = sorted(
            {one for found in model.measurements for row in found.references.values() for one in row}
        )
        places = {one: at for at, one in enumerate(references)}
        rows = np.zeros((len(model.measurements), 2, len(references)), dtype=np.uint8)
        observables = np.full((len(model.measurements), 2), -1, dtype=np.int64)
        for number, measurement in enumerate(model.measurements):
            for basis, found in measurement.references.items():
                rows[number, basis, [places[one] for one in found]] = 1
                observables[number, basis] = measurement.observables[basis]
        operations = model.program.operations
        is_merge = np.array(
            [operations[one.operation].kind == Kind.MERGE for one in references], dtype=np.uint8
        )
        return cls(
            arrays={
                "steps": _steps(model, turned),
                "layers": layers,
                "choices": choices,
                "tables": np.concatenate([one.record for one in owners]).view(LAYER),
                "references": rows.reshape(-1),
                "observables": observables.reshape(-1),
                "is_merge": is_merge,
            },
            sizes={
                "num_steps": len(operations),
                "num_layers": len(layers),
                "num_choices": len(choices),
                "num_tables": len(owners),
                "num_measurements": len(model.measurements),
                "num_references": len(references),
                "num_patches": len(model.program.patches),
                "num_outcomes": len(model.program.outcomes),
                "num_rows": deepest + 1,
                "row_bytes": (columns + 7) // 8,
                "flip_bytes": (model.layers[0].num_observables + 7) // 8,
                "wait_cycles": WAIT_CYCLES,
            },
            owners=owners,
        )


def _turned_measurements(model: SurgeryModel) -> list[list[int]]:
    """Return for each layer the measurements that end patches in it and whose basis is chosen."""
    found: list[list[int]] = [[] for _ in range(model.layers[0].num_layers)]
    numbers = {one.operation: number for number, one in enumerate(model.measurements)}
    layer, ending = 0, list[int]()
    for at, one in enumerate(model.program.operations):
        if one.kind == Kind.MEASURE and len(model.measurements[numbers[at]].observables) > 1:
            ending.append(numbers[at])
        if one.kind in (Kind.IDLE, Kind.MERGE, Kind.WAIT):
            found[layer], ending = ending, []
            layer += model.cycles_of(at)
    found[layer] = ending
    return found


def _choices(
    model: SurgeryModel, turned: list[list[int]]
) -> tuple[NDArray[Any], NDArray[Any], dict[tuple[int, int], int]]:
    """Return LAYER_CHOICE (choices,), LAYER_CHOICES (layers,), and the table of each (model, layer)."""
    choices: list[tuple[int, int]] = []
    layers: list[tuple[int, int]] = []
    tables: dict[tuple[int, int], int] = {}
    operations = model.program.operations
    for layer, now in enumerate(turned):
        both = [*now, *(turned[layer - 1] if layer else [])]
        if len(both) > _MAX_CHOICES:
            raise ValueError(
                f"{len(both)} bases are chosen in two successive cycles: at most {_MAX_CHOICES} may be"
            )
        layers.append((len(choices), len(now)))
        for bits in product((0, 1), repeat=len(both)):
            bases = {
                number: operations[model.measurements[number].operation].basis_if
                for number, bit in zip(reversed(both), bits, strict=True)
                if bit
            }
            place = model.number_of(bases), layer
            tables.setdefault(place, len(tables))
            choices.append((place[0] * len(turned) + layer, tables[place]))
    return np.array(choices, dtype=LAYER_CHOICE), np.array(layers, dtype=LAYER_CHOICES), tables


def _steps(model: SurgeryModel, turned: list[list[int]]) -> NDArray[Any]:
    """Return STEP (operations,)."""
    found = np.zeros(len(model.program.operations), dtype=STEP)
    numbers = {one.operation: number for number, one in enumerate(model.measurements)}
    turns = {number: 1 << at for layer in turned for at, number in enumerate(layer)}
    for at, one in enumerate(model.program.operations):
        for name in STEP.names or ():
            if name not in ("number", "turn"):
                found[name][at] = int(getattr(one, name))
        found["number"][at] = numbers.get(at, -1)
        found["turn"][at] = turns.get(numbers.get(at, -1), 0)
    return found
