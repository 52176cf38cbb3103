"""Reader that turns a DEM into arrays: error components, certain flips, detector coordinates."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import stim
from numpy.typing import NDArray

from decoders.model.kernels import dem_text, unroll

_LIMIT = 2**31 - 1
# Bounds of models, checked before memory is allocated: observables, pairs of an observable and a detector,
# coordinates of a detector, components held in memory (1.4 GB), instructions as Python objects, detectors
# that occur in no instruction.
_MAX_OBSERVABLES = 10**5
_MAX_PAIRS = 2 * 10**9
_MAX_COORDINATES = 100
_MAX_COMPONENTS = 5 * 10**7
_MAX_FLATTENED = 10**7
_MAX_UNUSED = 10**6
# Unrolled instructions on few detectors, and for each of many: repeating without a shift takes time only.
_MAX_REPEATED, _MAX_PER_DETECTOR = 10**6, 1000
# Characters of an instruction: targets of a component are compared with each other.
_LONGEST_INSTRUCTION = 10**5
# Instructions converted to text at a time: a few megabytes for a flattened DEM.
_PORTION = 1 << 15
# Characters of an error instruction shown in messages.
_LONGEST_LINE = 80


class Components(NamedTuple):
    """Consecutive error components; fields as in `DemArrays`."""

    ends: NDArray[Any]  # int32; int64 if relative to the detector shift
    probability: NDArray[np.float64]
    observables: NDArray[np.uint64]
    error: NDArray[np.int32]

    def first(self, count: int) -> "Components":
        """Return the first `count` components."""
        return Components(
            self.ends[:count], self.probability[:count], self.observables[:count], self.error[:count]
        )


class HyperedgeError(ValueError):
    """An error component has more than two detectors, so it is not an edge of a matching graph."""


class DemArrays(NamedTuple):
    """A DEM with unrolled `repeat` blocks. Detector indices are absolute; -1 means no detector."""

    num_detectors: int
    num_observables: int
    #: int32 (components, 2): detectors, smaller first; (d, -1) for one detector; (-1, -1) for none.
    component_ends: NDArray[np.int32]
    #: float64 (components,), strictly between 0 and 1.
    component_probability: NDArray[np.float64]
    #: uint64 (components, words): bit o % 64 of word o // 64 is observable o.
    component_observables: NDArray[np.uint64]
    #: int32 (components,): index of the error that each component is part of, ascending.
    component_error: NDArray[np.int32]
    #: bool (num_detectors,): total flips of all errors of probability one.
    certain_detectors: NDArray[np.bool_]
    #: uint64 (words,): the same for observables.
    certain_observables: NDArray[np.uint64]
    #: float64 (num_detectors, k), NaN where a detector has fewer coordinates than k.
    coordinates: NDArray[np.float64]
    #: Number of errors of probability one.
    num_certain: int
    #: Number of targets that cancelled an earlier equal target of their component.
    num_cancelled: int


class DemReader:
    """Read a DEM in batches of error components, so that neither its text nor its components are held whole.

    Iterate once; certain flips, coordinates and counts are complete when the iteration has ended. Errors of
    probability zero are dropped. The components of an error (separated by `^`) are listed one by one; equal
    targets of a component cancel, as in stim's sampler. Components that flip nothing are dropped.
    """

    def __init__(self, dem: stim.DetectorErrorModel, *, most: int | None = None) -> None:
        """Prepare to read a DEM.

        Args:
            dem: any detector error model.
            most: largest number of components per batch; default: all components of one portion of text.
        """
        self._dem = dem
        self._most = most
        self.num_detectors = dem.num_detectors
        self.num_observables = dem.num_observables
        _check_size(self.num_detectors, 0)
        _check_observables(self.num_observables, self.num_detectors)
        if self.num_detectors - 10 * (dem.num_errors + len(dem)) > _MAX_UNUSED:
            check_unused(self.num_detectors, used=_count_targets(dem))
        self._num_components = 0
        words = (self.num_observables + 63) // 64
        #: As in `DemArrays`.
        self.certain_detectors = np.zeros(self.num_detectors, dtype=np.bool_)
        self.certain_observables = np.zeros(words, dtype=np.uint64)
        self.coordinates = np.empty((self.num_detectors, 0))
        self._declared = np.zeros(self.num_detectors, dtype=np.bool_)
        self._shift = np.zeros(0)
        self._state = np.zeros(unroll.STATES, dtype=np.int64)
        self._num_steps = 0.0

    @property
    def num_certain(self) -> int:
        """Number of errors of probability one read so far."""
        return int(self._state[unroll.NUM_CERTAIN])

    @property
    def num_cancelled(self) -> int:
        """Number of targets read so far that cancelled an earlier equal target of their component."""
        return int(self._state[unroll.NUM_CANCELLED])

    def __iter__(self) -> Iterator[Components]:
        """Yield the components in batches; with `most`, each batch overwrites the previous one.

        Raises:
            HyperedgeError: a component has more than two detectors.
            ValueError: too many detectors or unrolled instructions.
        """
        buffer = None
        for start in range(0, len(self._dem), _PORTION):
            part = self._dem if len(self._dem) <= _PORTION else self._dem[start : start + _PORTION]
            text = np.frombuffer(str(part).encode(), dtype=np.uint8)
            _check_lines(text)
            steps, numbers, components, counts = _parse(text, words=self.certain_observables.size)
            depth = int(counts[dem_text.DEPTH])
            num_steps, size = unroll.count_unrolled(steps, np.empty(depth + 1))
            self._num_steps += num_steps
            self._num_components += int(size)
            _check_repeated(self.num_detectors, max(self._num_steps, self._num_components))
            _check_size(self.num_detectors, max(self._num_steps, size))
            self._make_room_for_numbers(int(counts[dem_text.MAX_NUMBERS]))
            if self._most is None and self._num_components > _MAX_COMPONENTS:
                raise ValueError(
                    f"the DEM has {self._num_components} unrolled error components, at most "
                    f"{_MAX_COMPONENTS} are held in memory: use fewer cycles, or mwpm-stream"
                )
            room = int(size) if self._most is None else self._most
            if buffer is None or self._most is None:
                buffer = _room_for(room, words=self.certain_observables.size)
            blocks = np.empty((depth, 2), dtype=np.int64)
            self._state[[unroll.STEP, unroll.PLACE, unroll.BLOCKS]] = 0
            answer = unroll.BUFFER_FULL
            while answer == unroll.BUFFER_FULL:
                count, answer = unroll.unroll(
                    steps,
                    numbers,
                    *components,
                    self._state,
                    blocks,
                    self._shift,
                    *buffer,
                    self.certain_detectors,
                    self.certain_observables,
                    self.coordinates,
                    self._declared,
                )
                if answer == unroll.HYPEREDGE_MET:
                    place = int(steps[self._state[unroll.STEP], dem_text.FIRST])
                    line = bytes(text[place:]).split(b"\n", 1)[0].decode()
                    shift = int(self._state[unroll.DETECTOR_SHIFT])
                    raise HyperedgeError(_describe_hyperedge(line, shift=shift))
                yield buffer.first(count)
        used = 2 * self._num_components + int(self.certain_detectors.sum() + self._declared.sum())
        check_unused(self.num_detectors, used=used)

    def _make_room_for_numbers(self, dimensions: int) -> None:
        """Widen the coordinate arrays to this number of dimensions."""
        known = self.coordinates.shape[1]
        check_coordinates(dimensions)
        if dimensions > known:
            wider = np.full((self.num_detectors, dimensions), np.nan)
            wider[:, :known] = self.coordinates
            self.coordinates = wider
            self._shift = np.append(self._shift, np.zeros(dimensions - known))


def read_dem(dem: stim.DetectorErrorModel) -> DemArrays:
    """Read a DEM into arrays, see `DemReader`.

    Raises:
        HyperedgeError: an error of probability strictly between 0 and 1 has a component with more than
            two detectors.
        ValueError: there are more than 2**31 - 1 detectors or unrolled instructions.
    """
    reader = DemReader(dem)
    batches = list(reader)
    if len(batches) == 1:
        (components,) = batches
    else:
        batches.append(_room_for(0, words=reader.certain_observables.size))
        components = Components(*(np.concatenate(arrays) for arrays in zip(*batches, strict=True)))
    return DemArrays(
        num_detectors=reader.num_detectors,
        num_observables=reader.num_observables,
        component_ends=components.ends,
        component_probability=components.probability,
        component_observables=components.observables,
        component_error=components.error,
        certain_detectors=reader.certain_detectors,
        certain_observables=reader.certain_observables,
        coordinates=reader.coordinates,
        num_certain=reader.num_certain,
        num_cancelled=reader.num_cancelled,
    )


def _check_size(num_detectors: int, num_instructions: float) -> None:
    if max(num_detectors, num_instructions) > _LIMIT:
        raise ValueError(
            f"the DEM has {num_detectors} detectors and {num_instructions:.0f} unrolled instructions, "
            f"at most {_LIMIT} are supported: use fewer cycles"
        )


def _check_repeated(num_detectors: int, num_instructions: float) -> None:
    most = max(_MAX_REPEATED, _MAX_PER_DETECTOR * num_detectors)
    if num_instructions > most:
        raise ValueError(
            f"the DEM has {num_instructions:.0f} unrolled instructions for {num_detectors} detectors, at "
            f"most {most} are supported: repeat with shift_detectors, and merge equal errors into one"
        )


def _check_observables(num_observables: int, num_detectors: int) -> None:
    if num_observables > _MAX_OBSERVABLES:
        raise ValueError(
            f"the DEM has {num_observables} observables, at most {_MAX_OBSERVABLES} are supported: number "
            "them from 0 without gaps"
        )
    if num_observables * num_detectors > _MAX_PAIRS:
        raise ValueError(
            f"the DEM has {num_observables} observables and {num_detectors} detectors, a product of at most "
            f"{_MAX_PAIRS} is supported: number observables from 0 without gaps"
        )


def check_coordinates(dimensions: int) -> None:
    """Refuse detectors with more coordinates than any use of them.

    Raises:
        ValueError: there are too many.
    """
    if dimensions > _MAX_COORDINATES:
        raise ValueError(f"a detector has {dimensions} coordinates, at most {_MAX_COORDINATES} are supported")


def check_unused(num_detectors: int, *, used: int) -> None:
    """Refuse a model most of whose detectors occur in no instruction: each takes memory all the same.

    Args:
        num_detectors: the largest index and one.
        used: an upper bound of the detectors that occur.

    Raises:
        ValueError: too many do not.
    """
    if num_detectors - used > _MAX_UNUSED:
        raise ValueError(
            f"the DEM has {num_detectors} detectors, of which at most {used} occur in it: number them from "
            f"0; at most {_MAX_UNUSED} numbers may be left out"
        )


def _check_lines(text: NDArray[np.uint8]) -> None:
    longest = int(np.diff(np.flatnonzero(text == ord("\n")), prepend=-1, append=text.size).max())
    if longest > _LONGEST_INSTRUCTION:
        raise ValueError(
            f"an instruction of the DEM has {longest} characters, at most {_LONGEST_INSTRUCTION} are "
            "supported: divide the error into independent ones"
        )


def check_flattened(dem: stim.DetectorErrorModel) -> None:
    """Refuse a model that would take too much memory as a list of instructions.

    Raises:
        ValueError: too many observables or unrolled instructions.
    """
    _check_observables(dem.num_observables, dem.num_detectors)
    size = _count_unrolled(dem)
    _check_repeated(dem.num_detectors, size)
    if size > _MAX_FLATTENED:
        raise ValueError(
            f"the DEM has {size} unrolled instructions, at most {_MAX_FLATTENED} are supported here: use "
            "fewer cycles"
        )


def _count_unrolled(dem: stim.DetectorErrorModel) -> int:
    return sum(
        one.repeat_count * _count_unrolled(one.body_copy()) if isinstance(one, stim.DemRepeatBlock) else 1
        for one in dem
    )


def _count_targets(dem: stim.DetectorErrorModel) -> int:
    """Count the targets of errors and of coordinate declarations, at least the detectors that occur."""
    return sum(
        one.repeat_count * _count_targets(one.body_copy())
        if isinstance(one, stim.DemRepeatBlock)
        else 0
        if one.type == "shift_detectors"
        else len(one.targets_copy())
        for one in dem
    )


def _room_for(size: int, *, words: int) -> Components:
    """Allocate uninitialised arrays for `size` components."""
    return Components(
        np.empty((size, 2), dtype=np.int32),
        np.empty(size),
        np.empty((size, words), dtype=np.uint64),
        np.empty(size, dtype=np.int32),
    )


def _parse(
    text: NDArray[np.uint8], *, words: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], Components, NDArray[np.int64]]:
    """Parse a text; return steps, coordinates, components with relative detectors, and counts."""
    bounds = np.empty(5, dtype=np.int64)
    dem_text.measure_text(text, bounds)
    lines, components, targets, numbers, blocks = bounds.tolist()
    steps = np.empty((lines + components + targets, dem_text.COLUMNS), dtype=np.int64)
    values = np.empty(numbers)
    ends = np.empty((components, 2), dtype=np.int64)
    probability = np.empty(components)
    # One more row than components: the parser writes to the row after the last component.
    observables = np.zeros((components + 1, words), dtype=np.uint64)
    error = np.empty(components, dtype=np.int32)
    counts = np.empty(dem_text.COUNTS, dtype=np.int64)
    dem_text.parse_dem(
        text,
        np.empty(blocks, dtype=np.int64),
        np.empty(targets, dtype=np.int64),
        steps,
        values,
        ends,
        probability,
        observables,
        error,
        counts,
    )
    count = int(counts[dem_text.NUM_COMPONENTS])
    return (
        steps[: counts[dem_text.STEPS]],
        values[: counts[dem_text.NUMBERS]],
        Components(ends, probability, observables, error).first(count),
        counts,
    )


def _describe_hyperedge(line: str, *, shift: int) -> str:
    """Describe a component that is not an edge, and the remedies."""
    sizes = []
    for component in line.rpartition(")")[2].split("^"):
        times = Counter(component.split())
        sizes.append(sum(name[0] == "D" and number % 2 for name, number in times.items()))
    shown = line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 4] + " ..."
    where = f" (detector indices shifted by {shift})" if shift else ""
    return (
        f"'{shown}'{where} has a component with {max(sizes)} detectors, but matching takes at most two: "
        "create the DEM with circuit.detector_error_model(decompose_errors=True), or decompose or drop such "
        "errors (hyperedges='decompose' or 'drop', --hyperedges, decoders.resolve_hyperedges), or decode "
        "with 'trellis', which accepts them"
    )


def make_likely_errors_certain(arrays: DemArrays) -> DemArrays:
    """Replace each error of probability p > 1/2 by a certain error and one of probability 1 - p.

    Returns:
        The equivalent model, whose errors have probability at most 1/2.
    """
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
