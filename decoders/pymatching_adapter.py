"""PyMatching 2 as a decoder of this package: the reference that ours are compared with."""

from typing import ClassVar, Self

import numpy as np
import pymatching
import stim

from decoders.base import Decoder, Packed, Weights
from decoders.dem_reader import read_dem


class PyMatching(Decoder):
    """Minimum-weight perfect matching by PyMatching (Higgott and Gidney, arXiv 2303.15933).

    Takes what `MatchingGraph` takes, with two differences of PyMatching's own: mechanisms with the
    same detectors but different observables become one edge with the observables of the first; and
    `decode_batch` holds the interpreter's lock.
    """

    _name: ClassVar[str] = "pymatching"
    _correlated: ClassVar[bool] = False

    def __init__(self, *, dem: stim.DetectorErrorModel) -> None:
        super().__init__(
            name=self._name, num_detectors=dem.num_detectors, num_observables=dem.num_observables
        )
        arrays = read_dem(dem)  # PyMatching drops hyperedges silently; this refuses them
        # PyMatching refuses p = 1, and components that cancel or touch no detector confuse it.
        clean = dem
        if arrays.num_cancelled or (arrays.component_ends[:, 0] < 0).any() or arrays.num_certain:
            clean = _without_oddities(dem)
        self._certain_events = np.packbits(arrays.certain_detectors, bitorder="little")
        width = (self.num_observables + 7) // 8
        self._certain_flips = arrays.certain_observables.astype("<u8").view(np.uint8)[:width]
        self._matching = pymatching.Matching.from_detector_error_model(
            clean, enable_correlations=self._correlated
        )
        # A model without errors has no observables in PyMatching's eyes, however many are declared.
        if self._matching.num_fault_ids < self.num_observables:
            self._matching.ensure_num_fault_ids(self.num_observables)

    @classmethod
    def from_dem(cls, dem: stim.DetectorErrorModel) -> Self:
        """Make the decoder for a DEM.

        Raises:
            ValueError: an error has a component with more than two detectors.
        """
        return cls(dem=dem)

    def _decode_packed(self, packed: Packed, *, weights: bool, threads: int) -> tuple[Packed, Weights | None]:
        events = packed ^ self._certain_events
        try:
            answer = self._matching.decode_batch(
                events,
                bit_packed_shots=True,
                bit_packed_predictions=True,
                return_weights=weights,
                enable_correlations=self._correlated,
            )
        except ValueError as error:
            raise self._blame_shot(events, error) from None
        predictions, found = answer if weights else (answer, None)
        return predictions ^ self._certain_flips, found

    def _blame_shot(self, events: Packed, error: ValueError) -> ValueError:
        """PyMatching's error does not say which shot it is about: find the first one that fails alone."""
        for shot in range(events.shape[0]):
            try:
                self._matching.decode_batch(
                    events[shot : shot + 1], bit_packed_shots=True, enable_correlations=self._correlated
                )
            except ValueError as alone:
                return ValueError(f"shot {shot}: {alone}")
        return error


class CorrelatedPyMatching(PyMatching):
    """PyMatching's two-pass correlated matching (after Fowler, arXiv 1310.0863).

    The first pass's edges raise the probability of the edges that the same errors contain, as the
    `^` in the DEM says; then the shot is matched again. Weights are those of the second pass.
    """

    _name: ClassVar[str] = "pymatching-correlated"
    _correlated: ClassVar[bool] = True


def _without_oddities(dem: stim.DetectorErrorModel) -> stim.DetectorErrorModel:
    """The DEM without errors of probability 0 or 1, cancelled targets and components without detectors."""
    clean = stim.DetectorErrorModel()
    for instruction in dem.flattened():
        if instruction.type != "error":
            clean.append(instruction)
            continue
        probability = instruction.args_copy()[0]
        if not 0 < probability < 1:
            continue
        targets: list[stim.DemTarget] = []
        for group in instruction.target_groups():
            # Twice the same target is none; sorted by kind and number for a reproducible order.
            odd = [target for target in dict.fromkeys(group) if group.count(target) % 2]
            if any(target.is_relative_detector_id() for target in odd):
                targets += [stim.target_separator()] * bool(targets) + odd
        if targets:
            clean.append("error", probability, targets)
    return clean
