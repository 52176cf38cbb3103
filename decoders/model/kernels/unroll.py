"""Run the steps of a parsed detector error model: unroll its `repeat` blocks into error components."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point
from decoders.model.kernels.dem_text import (
    CANCELLED,
    CERTAIN_ERROR,
    CLOSE,
    COMPONENTS,
    DECLARE,
    ERRORS,
    FIRST,
    FLIP_DETECTOR,
    FLIP_OBSERVABLE,
    HYPEREDGE,
    INDEX,
    KIND,
    LAST,
    OPEN,
    SHIFT,
)

# Answers of `unroll`.
DONE, BUFFER_FULL, HYPEREDGE_MET = 0, 1, 2

# Places of the state that `unroll` resumes from.
STEP = 0  # the next step
PLACE = 1  # how many components of that step have been written
BLOCKS = 2  # how many blocks are open
DETECTOR_SHIFT = 3
NUM_ERRORS = 4  # errors met so far
NUM_CERTAIN = 5  # of them, errors of probability one
NUM_CANCELLED = 6  # targets that cancelled another
STATES = 7


@entry_point
def count_unrolled(steps: NDArray[np.int64], factors: NDArray[np.float64]) -> tuple[float, float]:
    """Count the steps and components that `unroll` will go through, as floats, which cannot overflow.

    steps: int64 (steps, COLUMNS). factors: float64 scratch, longer than blocks are nested.
    """
    factor = 1.0
    depth = 0
    num_steps = 0.0
    num_components = 0.0
    for step in steps:
        num_steps += factor
        if step[KIND] == COMPONENTS:
            num_components += factor * (step[LAST] - step[FIRST])
        elif step[KIND] == OPEN:
            factors[depth] = factor
            depth += 1
            factor *= step[FIRST]
        elif step[KIND] == CLOSE:
            depth -= 1
            factor = factors[depth]
    return num_steps, num_components


@entry_point
def unroll(
    steps: NDArray[np.int64],
    numbers: NDArray[np.float64],
    ends: NDArray[np.int64],
    probability: NDArray[np.float64],
    observables: NDArray[np.uint64],
    error: NDArray[np.int32],
    state: NDArray[np.int64],
    blocks: NDArray[np.int64],
    shift: NDArray[np.float64],
    component_ends: NDArray[np.int32],
    component_probability: NDArray[np.float64],
    component_observables: NDArray[np.uint64],
    component_error: NDArray[np.int32],
    certain_detectors: NDArray[np.bool_],
    certain_observables: NDArray[np.uint64],
    coordinates: NDArray[np.float64],
    declared: NDArray[np.bool_],
) -> tuple[int, int]:
    """Write error components with absolute detector indices until the buffer is full or all is done.

    In: steps, numbers, ends, probability, observables, error: what `dem_text.parse_dem` wrote.
    Kept from call to call: state int64 (STATES,), with STEP at 0 for a new text; blocks int64 (depth, 2),
        step and repetitions left of the open blocks; shift float64 (most coordinates,).
    Out, as long as there is room: component_ends int32 (room, 2); component_probability float64 (room,);
        component_observables uint64 (room, words); component_error int32 (room,), numbered in their order.
    Updated: certain_detectors, certain_observables: bool (detectors,), uint64 (words,), the flips of all
        errors of probability one together; coordinates: float64 (detectors, most coordinates); declared:
        bool (detectors,).

    Returns how many components were written, and DONE, BUFFER_FULL or HYPEREDGE_MET (at state[STEP]).
    """
    count = 0
    room = component_probability.size
    words = observables.shape[1]
    detector_shift: Any = state[DETECTOR_SHIFT]
    at = state[STEP]
    depth = state[BLOCKS]
    answer = DONE
    while at < len(steps):
        kind = steps[at, KIND]
        if kind == COMPONENTS:
            begin = steps[at, FIRST] + state[PLACE]
            end = min(steps[at, LAST], begin + room - count)
            for index in range(begin, end):
                first, second = ends[index, 0], ends[index, 1]
                component_ends[count, 0] = first + detector_shift if first >= 0 else first
                component_ends[count, 1] = second + detector_shift if second >= 0 else second
                component_probability[count] = probability[index]
                for word in range(words):
                    component_observables[count, word] = observables[index, word]
                component_error[count] = state[NUM_ERRORS] + error[index]
                count += 1
            if end < steps[at, LAST]:
                state[PLACE] = end - steps[at, FIRST]
                answer = BUFFER_FULL
                break
            state[PLACE] = 0
            state[NUM_ERRORS] += steps[at, ERRORS]
            state[NUM_CANCELLED] += steps[at, CANCELLED]
        elif kind == DECLARE:
            detector = steps[at, INDEX] + detector_shift
            if not declared[detector]:  # the first declaration counts
                declared[detector] = True
                for dimension in range(steps[at, LAST] - steps[at, FIRST]):
                    coordinates[detector, dimension] = (
                        numbers[steps[at, FIRST] + dimension] + shift[dimension]
                    )
        elif kind == SHIFT:
            for dimension in range(steps[at, LAST] - steps[at, FIRST]):
                shift[dimension] += numbers[steps[at, FIRST] + dimension]
            detector_shift += steps[at, INDEX]
        elif kind == OPEN:
            if steps[at, FIRST] == 0:
                at = steps[at, LAST]
                continue
            blocks[depth, 0] = at
            blocks[depth, 1] = steps[at, FIRST]
            depth += 1
        elif kind == CLOSE:
            blocks[depth - 1, 1] -= 1
            if blocks[depth - 1, 1] > 0:
                at = blocks[depth - 1, 0]
            else:
                depth -= 1
        elif kind == FLIP_DETECTOR:
            certain_detectors[steps[at, FIRST] + detector_shift] ^= True
        elif kind == FLIP_OBSERVABLE:
            observable = steps[at, FIRST]
            certain_observables[observable >> 6] ^= np.uint64(1) << np.uint64(observable & 63)
        elif kind == CERTAIN_ERROR:
            state[NUM_ERRORS] += 1
            state[NUM_CERTAIN] += 1
        elif kind == HYPEREDGE:
            answer = HYPEREDGE_MET
            break
        at += 1
    state[STEP] = at
    state[BLOCKS] = depth
    state[DETECTOR_SHIFT] = detector_shift
    return count, answer
