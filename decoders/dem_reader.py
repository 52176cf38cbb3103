"""Every error component, certain flip and detector coordinate of a DEM, as arrays."""

from typing import NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.kernels import dem_text

_LIMIT = 2**31 - 1
# Errors in messages are cut off here.
_LONGEST_LINE = 80


class HyperedgeError(ValueError):
    """A DEM has an error component with more than two detectors, which no matching graph holds."""


class DemArrays(NamedTuple):
    """A DEM with its blocks unrolled. Indices of detectors are absolute; -1 means no detector."""

    num_detectors: int
    num_observables: int
    #: int32 (components, 2): smaller detector first; one detector (d, -1); none (-1, -1).
    component_ends: NDArray[np.int32]
    #: float64 (components,), strictly between 0 and 1.
    component_probability: NDArray[np.float64]
    #: uint64 (components, words), bit o % 64 of word o // 64 is observable o.
    component_observables: NDArray[np.uint64]
    #: int32 (components,): which error each component is part of, ascending.
    component_error: NDArray[np.int32]
    #: bool (num_detectors,): flipped by the errors of probability one, taken together.
    certain_detectors: NDArray[np.bool_]
    #: uint64 (words,): the same for observables.
    certain_observables: NDArray[np.uint64]
    #: float64 (num_detectors, k), NaN where a detector has fewer coordinates than k.
    coordinates: NDArray[np.float64]
    #: How many errors of probability one there are.
    num_certain: int
    #: How many targets cancelled an earlier equal one in their component.
    num_cancelled: int


def read_dem(dem: stim.DetectorErrorModel) -> DemArrays:
    """Read a DEM into arrays.

    Errors of probability zero are left out. The components of an error (`^` separates them) are
    listed one by one; targets that appear twice in one component cancel, as they do when stim
    samples. A component that flips nothing is left out.

    Raises:
        HyperedgeError: an error of probability strictly between 0 and 1 has a component with more than
            two detectors.
        ValueError: there are more than 2**31 - 1 detectors or unrolled instructions.
    """
    num_detectors = dem.num_detectors
    num_observables = dem.num_observables
    words = (num_observables + 63) // 64
    text = np.frombuffer(str(dem).encode(), dtype=np.uint8)
    measures = np.empty(dem_text.MEASURES)
    # A block takes at least four lines' characters, so this is more levels than any text can hold.
    dem_text.measure_dem(text, np.empty(text.size // 8 + 1), measures)
    if max(num_detectors, measures.max()) > _LIMIT:
        raise ValueError(
            f"the DEM has {num_detectors} detectors and {measures[dem_text.NUM_INSTRUCTIONS]:.0f} unrolled "
            f"instructions, more than {_LIMIT}: use fewer cycles"
        )
    num_components, dimensions, num_targets, depth = (int(value) for value in measures[1:])
    ends = np.empty((num_components, 2), dtype=np.int32)
    probability = np.empty(num_components)
    error = np.empty(num_components, dtype=np.int32)
    # One row more than components: the reader clears no row behind itself.
    observables = np.zeros((num_components + 1, words), dtype=np.uint64)
    certain_detectors = np.zeros(num_detectors, dtype=np.bool_)
    certain_observables = np.zeros(words, dtype=np.uint64)
    coordinates = np.full((num_detectors, dimensions), np.nan)
    out = np.zeros(dem_text.RESULTS, dtype=np.int64)
    status = dem_text.read_dem(
        text,
        np.empty((depth, 2), dtype=np.int64),
        np.empty(num_targets, dtype=np.int64),
        np.zeros(dimensions),
        np.empty(dimensions),
        ends,
        probability,
        observables,
        error,
        certain_detectors,
        certain_observables,
        coordinates,
        np.zeros(num_detectors, dtype=np.bool_),
        out,
    )
    if status == dem_text.HYPEREDGE:
        place, shift = int(out[dem_text.HYPEREDGE_PLACE]), int(out[dem_text.HYPEREDGE_SHIFT])
        line = bytes(text[place:]).split(b"\n", 1)[0].decode()
        raise HyperedgeError(_describe_hyperedge(line, shift=shift))
    count = int(out[dem_text.COMPONENTS])
    return DemArrays(
        num_detectors=num_detectors,
        num_observables=num_observables,
        component_ends=ends[:count],
        component_probability=probability[:count],
        component_observables=observables[:count],
        component_error=error[:count],
        certain_detectors=certain_detectors,
        certain_observables=certain_observables,
        coordinates=coordinates,
        num_certain=int(out[dem_text.CERTAIN_ERRORS]),
        num_cancelled=int(out[dem_text.CANCELLED_TARGETS]),
    )


def _describe_hyperedge(line: str, *, shift: int) -> str:
    """Name the component of an error that is no edge, and what can be done."""
    sizes = []
    for component in line.rpartition(")")[2].split("^"):
        targets = component.split()
        sizes.append(sum(name[0] == "D" and targets.count(name) % 2 for name in set(targets)))
    shown = line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 4] + " ..."
    where = f" (detector indices shifted by {shift})" if shift else ""
    return (
        f"'{shown}'{where} has a component with {max(sizes)} detectors, but matching takes at most two: make "
        "the DEM with circuit.detector_error_model(decompose_errors=True); if stim cannot decompose this "
        "circuit's errors, decode with 'ensemble', which takes whole errors"
    )


def with_likely_errors_present(arrays: DemArrays) -> DemArrays:
    """The same model, errors of probability p > 1/2 made of a certain one and one of probability 1 - p."""
    likely = arrays.component_probability > 0.5
    if not likely.any():
        return arrays
    ends = arrays.component_ends[likely].reshape(-1)
    times = np.bincount(ends[ends >= 0], minlength=arrays.num_detectors)
    flipped = np.bitwise_xor.reduce(arrays.component_observables[likely], axis=0)
    p = arrays.component_probability
    return arrays._replace(
        component_probability=np.where(likely, 1 - p, p),
        certain_detectors=arrays.certain_detectors ^ (times % 2 == 1),
        certain_observables=arrays.certain_observables ^ flipped,
    )
