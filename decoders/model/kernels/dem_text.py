"""Parser of the text of a detector error model into steps that `unroll.unroll` executes.

Only the form printed by `str(stim.DetectorErrorModel)` is supported: one instruction per line, single
spaces, numbers with up to 19 digits, tags without a raw `]` or line end (stim escapes both). Iterating over
the instructions as Python objects takes several times longer than building the whole matching graph from
the text. Each line is parsed once, however often the `repeat` blocks around it are executed.
"""

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.jit import entry_point, kernel
from decoders.model.kernels.decimals import read_integer, read_number

# Kinds of steps, and the meaning of their columns.
COMPONENTS = 0  # first, last: components; errors: number; cancelled: targets that cancelled another
FLIP_DETECTOR = 1  # first: detector flipped by an error of probability one
FLIP_OBSERVABLE = 2  # first: observable flipped by an error of probability one
CERTAIN_ERROR = 3  # one error of probability one has been listed
HYPEREDGE = 4  # first: place in the text of an error with more than two detectors in a component
DECLARE = 5  # first, last: coordinates; index: the detector
SHIFT = 6  # first, last: coordinates; index: shift of detector indices
OPEN = 7  # first: repetitions; last: the step after the block
CLOSE = 8
KIND, FIRST, LAST, ERRORS, CANCELLED, COLUMNS = 0, 1, 2, 3, 4, 5
INDEX = ERRORS

# Indices of the array of counts: steps, components, numbers, most coordinates of one instruction, deepest
# nesting of blocks.
STEPS, NUM_COMPONENTS, NUMBERS, MAX_NUMBERS, DEPTH, COUNTS = 0, 1, 2, 3, 4, 5

_LINE = ord("\n")
_SPACE = ord(" ")
_HAT = ord("^")
_COMMA = ord(",")
_OPEN_TAG, _CLOSE_TAG = ord("["), ord("]")
_OPEN, _CLOSE = ord("("), ord(")")
_CLOSE_BLOCK = ord("}")
_ERROR, _DETECTOR, _SHIFT, _REPEAT = ord("e"), ord("d"), ord("s"), ord("r")
_CAPITAL_D = ord("D")


@kernel
def _read_numbers(text: NDArray[np.uint8], at: int, numbers: NDArray[np.float64]) -> tuple[int, int]:
    """Read the numbers in parentheses at `at`, if any; return their count and the position after them."""
    count = 0
    if at < text.size and text[at] == _OPEN:
        while text[at] != _CLOSE:
            at += 1  # the parenthesis or a comma, which a space follows
            if text[at] == _SPACE:
                at += 1
            numbers[count], at = read_number(text, at)
            count += 1
        at += 1
    return count, at


@kernel
def _skip_name(text: NDArray[np.uint8], at: int) -> int:
    """Return the position after an instruction's name and tag: parenthesis, space or line end."""
    while at < text.size:
        char = text[at]
        if char == _OPEN_TAG:
            while text[at] != _CLOSE_TAG:
                at += 1
        elif char in (_OPEN, _SPACE, _LINE):
            break
        at += 1
    return at


@kernel
def _skip_line(text: NDArray[np.uint8], at: int) -> int:
    """Return the position of the first non-space character of the next line."""
    while at < text.size and text[at] != _LINE:
        at += 1
    while at < text.size and (text[at] == _LINE or text[at] == _SPACE):
        at += 1
    return at


@entry_point
def measure_text(text: NDArray[np.uint8], out: NDArray[np.int64]) -> None:
    """Bound the output of `parse_dem`.

    Args:
        text: uint8 (bytes,).
        out: int64 (5,), written: lines, components, targets, numbers, `repeat` blocks.
    """
    lines = 1
    hats = 0
    spaces = 0
    numbers = 0
    blocks = 0
    for char in text:
        lines += char == _LINE
        hats += char == _HAT
        spaces += char == _SPACE
        numbers += (char == _COMMA) | (char == _OPEN)
        blocks += char == _CLOSE_BLOCK
    out[0] = lines
    out[1] = lines + hats
    out[2] = spaces
    out[3] = numbers
    out[4] = blocks


@entry_point
def parse_dem(
    text: NDArray[np.uint8],
    blocks: NDArray[np.int64],
    detectors: NDArray[np.int64],
    steps: NDArray[np.int64],
    numbers: NDArray[np.float64],
    component_ends: NDArray[np.int64],
    component_probability: NDArray[np.float64],
    component_observables: NDArray[np.uint64],
    component_error: NDArray[np.int32],
    out: NDArray[np.int64],
) -> None:
    """Parse a text into steps.

    Args:
        text: uint8 (bytes,).
        blocks: int64 (depth,), scratch: steps that open the blocks around a line.
        detectors: int64 (most targets of one error,), scratch.
        steps: int64 (steps, COLUMNS), written. Capacities of this and the following: see `measure_text`.
        numbers: float64 (numbers,), written: coordinates of the steps DECLARE and SHIFT.
        component_ends: int64 (components, 2), written: detectors relative to the detector shift, smaller
            first; (d, -1) for one detector; (-1, -1) for none.
        component_probability: float64 (components,), written.
        component_observables: uint64 (components + 1, words), zero on entry, written.
        component_error: int32 (components,), written: index of the error within its step.
        out: int64 (COUNTS,), written.

    Errors of probability zero are dropped; equal targets of a component cancel.
    """
    out[:] = 0
    num_steps = 0
    num_components = 0
    num_numbers = 0
    depth = 0
    at = 0
    while at < text.size:
        kind = text[at]
        if kind == _ERROR:
            start = at
            probability, at = read_number(text, _skip_name(text, at) + 1)
            at += 1
            if probability == 0.0:
                at = _skip_line(text, at)
                continue
            certain = probability == 1.0
            if certain:
                steps[num_steps, KIND] = CERTAIN_ERROR
                num_steps += 1
            elif num_steps == 0 or steps[num_steps - 1, KIND] != COMPONENTS:
                steps[num_steps, KIND] = COMPONENTS
                steps[num_steps, FIRST] = num_components
                steps[num_steps, ERRORS] = 0
                steps[num_steps, CANCELLED] = 0
                num_steps += 1
            step = num_steps - 1
            num_detectors = 0
            row = num_components
            while True:
                # Invariant: `at` is at the space before a target, or at the end of the line.
                more = at < text.size and text[at] != _LINE
                if more and text[at + 1] != _HAT:
                    index, behind = read_integer(text, at + 2)
                    is_detector = text[at + 1] == _CAPITAL_D
                    at = behind
                    if certain:
                        steps[num_steps, KIND] = FLIP_DETECTOR if is_detector else FLIP_OBSERVABLE
                        steps[num_steps, FIRST] = index
                        num_steps += 1
                    elif is_detector:
                        place = 0
                        while place < num_detectors and detectors[place] != index:
                            place += 1
                        if place < num_detectors:
                            num_detectors -= 1
                            detectors[place] = detectors[num_detectors]
                            steps[step, CANCELLED] += 1
                        else:
                            detectors[place] = index
                            num_detectors += 1
                    else:
                        bit = np.uint64(1) << np.uint64(index & 63)
                        if component_observables[row, index >> 6] & bit:
                            steps[step, CANCELLED] += 1
                        component_observables[row, index >> 6] ^= bit
                    continue
                if not certain:
                    if num_detectors > 2:
                        steps[num_steps, KIND] = HYPEREDGE
                        steps[num_steps, FIRST] = start
                        num_steps += 1
                        for word in range(component_observables.shape[1]):
                            component_observables[row, word] = 0
                    elif num_detectors > 0 or component_observables[row].any():
                        first = np.int64(-1)
                        second = np.int64(-1)
                        if num_detectors == 1:
                            first = detectors[0]
                        elif num_detectors == 2:
                            first = min(detectors[0], detectors[1])
                            second = max(detectors[0], detectors[1])
                        component_ends[row, 0] = first
                        component_ends[row, 1] = second
                        component_probability[row] = probability
                        component_error[row] = steps[step, ERRORS]
                        num_components += 1
                        row = num_components
                    num_detectors = 0
                if not more:
                    break
                at += 2
            if not certain:
                steps[step, ERRORS] += 1
                steps[step, LAST] = num_components
        elif kind in (_DETECTOR, _SHIFT):
            steps[num_steps, KIND] = DECLARE if kind == _DETECTOR else SHIFT
            steps[num_steps, FIRST] = num_numbers
            count, at = _read_numbers(text, _skip_name(text, at), numbers[num_numbers:])
            num_numbers += count
            out[MAX_NUMBERS] = max(out[MAX_NUMBERS], count)
            steps[num_steps, LAST] = num_numbers
            index, at = read_integer(text, at + (2 if kind == _DETECTOR else 1))
            steps[num_steps, INDEX] = index
            num_steps += 1
        elif kind == _REPEAT:
            repetitions, at = read_integer(text, _skip_name(text, at) + 1)
            steps[num_steps, KIND] = OPEN
            steps[num_steps, FIRST] = repetitions
            blocks[depth] = num_steps
            num_steps += 1
            depth += 1
            out[DEPTH] = max(out[DEPTH], depth)
        elif kind == _CLOSE_BLOCK:
            depth -= 1
            steps[num_steps, KIND] = CLOSE
            num_steps += 1
            steps[blocks[depth], LAST] = num_steps
        at = _skip_line(text, at)
    out[STEPS] = num_steps
    out[NUM_COMPONENTS] = num_components
    out[NUMBERS] = num_numbers
