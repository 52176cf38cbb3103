"""Error model of a patch as layers, from which a source draws cycle by cycle without knowing the length."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import stim

from decoders.matching.workspace import Pools
from decoders.streaming.layers import LayeredModel
from qec.sampling.errors import ErrorList
from realtime.programs.kernels.records import LAYER

# An error: its detectors as (layers later, column), and its observables.
_Targets = tuple[tuple[tuple[int, int], ...], tuple[int, ...]]
#: Errors that begin in one layer -> their probabilities.
LayerErrors = dict[_Targets, float]
# Probabilities that differ by less are equal: stim adds up the parts of errors in different orders.
_SAME = 1e-9


@dataclass(frozen=True, kw_only=True)
class PatchLayers:
    """Errors of a patch by the layer of their earliest detector.

    Attributes:
        first: layers before the repeated one.
        bulk: the repeated layer.
        endings: for each readout the layer of the last cycle, and that of the readout.
        num_columns: detectors of a layer.
        reach: most layers by which an error extends to later ones.
    """

    first: tuple[LayerErrors, ...]
    bulk: LayerErrors
    endings: tuple[tuple[LayerErrors, LayerErrors], ...]
    num_columns: int
    reach: int

    @classmethod
    def from_circuits(
        cls, idle: stim.Circuit, readouts: Sequence[stim.Circuit], *, models: Sequence[LayeredModel]
    ) -> "PatchLayers":
        """Find the layers of circuits of a patch, as `ReadoutChoiceDecoder` takes them.

        Args:
            idle: cycles that no readout follows.
            readouts: the same cycles with each readout.
            models: of `idle` and the readouts, for the columns of the detectors.

        Raises:
            ValueError: an error without detectors, or circuits whose cycles before the last differ.
        """
        whole, *ended = (
            errors_of_layers(circuit, model) for circuit, model in zip((idle, *readouts), models, strict=True)
        )
        middle = len(whole) // 2
        bulk = whole[middle]
        start = next(
            at for at in range(middle + 1) if all(equal_errors(bulk, one) for one in whole[at : middle + 1])
        )
        for layers in ended:
            measured = {number for layer in layers for _, numbers in layer for number in numbers}
            like = [_restricted(one, measured) for one in (*whole[:start], bulk)]
            before = zip(layers[:-2], [*like[:-1], *[like[-1]] * (len(layers) - 2 - start)], strict=True)
            if not all(equal_errors(a, b) for a, b in before):
                raise ValueError(
                    "the readouts' circuits differ from the idle one before their last cycle: use circuits "
                    "of the same cycles"
                )
        reach = max((later for one in whole for targets, _ in one for later, _ in targets), default=0)
        return cls(
            first=tuple(whole[:start]),
            bulk=bulk,
            endings=tuple((layers[-2], layers[-1]) for layers in ended),
            num_columns=models[0].num_columns,
            reach=reach,
        )

    @property
    def row_bytes(self) -> int:
        """Bytes of a layer's detection events."""
        return (self.num_columns + 7) // 8

    def tables(self) -> list[Pools]:
        """Return the kernels' records LAYER: first layers, bulk, last cycle and readout of each readout."""
        layers = (*self.first, self.bulk, *(layer for pair in self.endings for layer in pair))
        return [layer_table(layer, row_bytes=self.row_bytes) for layer in layers]


def layer_table(layer: LayerErrors, *, row_bytes: int) -> Pools:
    """Return the kernels' record LAYER of one layer.

    Args:
        layer: its errors.
        row_bytes: of a layer's detection events.

    Raises:
        ValueError: an error of probability 1.
    """
    dem = stim.DetectorErrorModel()
    for (detectors, observables), p in layer.items():
        places = [later * 8 * row_bytes + column for later, column in detectors]
        targets = [
            *map(stim.target_relative_detector_id, places),
            *map(stim.target_logical_observable_id, observables),
        ]
        dem.append("error", p, targets)
    errors = ErrorList.from_dem(dem)
    groups, guide, table = errors.on_line()
    if (groups["hazard"][:-1] == 0).any():
        raise ValueError("an error of probability 1: noise must be random")
    pools = Pools(LAYER)
    pools.own(groups=groups, guide=guide, errors=table, targets=errors.targets)
    pools.set(
        num_groups=len(groups) - 1,
        num_parts=len(guide),
        num_errors=len(table) - 1,
        num_targets=len(errors.targets),
    )
    return pools


def _restricted(layer: LayerErrors, observables: set[int]) -> LayerErrors:
    """Leave out the observables that a readout does not measure."""
    found: LayerErrors = {}
    for (detectors, numbers), p in layer.items():
        key = detectors, tuple(number for number in numbers if number in observables)
        q = found.get(key, 0.0)
        found[key] = p * (1 - q) + q * (1 - p)
    return found


def equal_errors(a: LayerErrors, b: LayerErrors) -> bool:
    """Return whether two layers have the same errors with the same probabilities."""
    return a.keys() == b.keys() and all(abs(a[key] - b[key]) <= _SAME for key in a)


def errors_of_layers(circuit: stim.Circuit, model: LayeredModel) -> list[LayerErrors]:
    """Sort the errors of a circuit into the layers of their earliest detectors."""
    numbers = model.detector_numbers(model.num_layers)
    place = np.zeros((model.num_detectors, 2), dtype=np.int64)
    there = numbers >= 0
    place[numbers[there]] = np.argwhere(there)
    found: list[LayerErrors] = [{} for _ in range(model.num_layers)]
    for error in circuit.detector_error_model(approximate_disjoint_errors=True).flattened():
        if error.type != "error":
            continue
        targets: list[Any] = error.targets_copy()
        places = sorted(
            (int(place[target.val, 0]), int(place[target.val, 1]))
            for target in targets
            if target.is_relative_detector_id()
        )
        observables = tuple(sorted(t.val for t in targets if t.is_logical_observable_id()))
        if not places:
            raise ValueError("an error that no detector sees: use a circuit of a larger distance")
        layer = places[0][0]
        key = (tuple((at - layer, column) for at, column in places), observables)
        p, q = float(error.args_copy()[0]), found[layer].get(key, 0.0)
        found[layer][key] = p * (1 - q) + q * (1 - p)
    return found
