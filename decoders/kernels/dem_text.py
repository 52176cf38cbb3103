"""Reads the text that `str(stim.DetectorErrorModel)` prints, one pass over its bytes.

Only that printed form is understood: one instruction per line, single spaces, numbers with up to 19
digits, tags without a raw `]` or line end (stim escapes both). Walking the instructions as Python
objects takes several times longer than building the whole matching graph from the text.
`repeat` blocks are unrolled by reading their lines again, so nothing needs to be flattened first.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from decoders.kernels.decimals import read_integer, read_number
from decoders.kernels.jit import kernel

# What `read_dem` answers.
OK = 0
HYPEREDGE = 1

# Rows of the array that `measure_dem` fills (float64, so that huge repeat counts cannot overflow).
NUM_INSTRUCTIONS, NUM_COMPONENTS, NUM_COORDINATES, NUM_TARGETS, DEPTH, MEASURES = 0, 1, 2, 3, 4, 5

# Places of the array that `read_dem` fills.
COMPONENTS, CERTAIN_ERRORS, CANCELLED_TARGETS, HYPEREDGE_PLACE, HYPEREDGE_SHIFT, RESULTS = 0, 1, 2, 3, 4, 5

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
    """The numbers in parentheses at `at`, if there are any, as (how many, place behind them)."""
    count = 0
    if at < text.size and text[at] == _OPEN:
        while text[at] != _CLOSE:
            at += 1  # the parenthesis or a comma; a space stands behind a comma
            if text[at] == _SPACE:
                at += 1
            numbers[count], at = read_number(text, at)
            count += 1
        at += 1
    return count, at


@kernel
def _skip_name(text: NDArray[np.uint8], at: int) -> int:
    """The place behind an instruction's name and tag: an opening parenthesis, a space or the line's end."""
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
    """The first character of the next line that is not a space."""
    while at < text.size and text[at] != _LINE:
        at += 1
    while at < text.size and (text[at] == _LINE or text[at] == _SPACE):
        at += 1
    return at


@kernel
def _skip_block(text: NDArray[np.uint8], at: int) -> int:
    """The place behind a block's closing brace, from any place in its first line's header."""
    depth = 1
    while depth > 0:
        at = _skip_line(text, at)
        if text[at] == _REPEAT:
            depth += 1
        elif text[at] == _CLOSE_BLOCK:
            depth -= 1
    return at + 1


@kernel
def measure_dem(text: NDArray[np.uint8], block_factor: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Count what `read_dem` will meet, so that its arrays can be made.

    text: uint8 (bytes,). block_factor: float64 scratch, longer than blocks are nested. out: float64
    (MEASURES,): instructions and components after unrolling, most coordinates of one instruction,
    most targets of one error, deepest nesting of blocks.
    """
    out[:] = 0.0
    depth = 0
    factor = 1.0
    at = 0
    while at < text.size:
        kind = text[at]
        if kind == _ERROR:
            at = _skip_name(text, at)
            components = 1
            targets = 1
            while at < text.size and text[at] != _LINE:
                components += text[at] == _HAT
                targets += text[at] == _SPACE
                at += 1
            out[NUM_COMPONENTS] += factor * components
            out[NUM_TARGETS] = max(out[NUM_TARGETS], targets)
        elif kind in (_DETECTOR, _SHIFT):
            at = _skip_name(text, at)
            if at < text.size and text[at] == _OPEN:
                coordinates = 1
                while text[at] != _CLOSE:
                    coordinates += text[at] == _COMMA
                    at += 1
                out[NUM_COORDINATES] = max(out[NUM_COORDINATES], coordinates)
        elif kind == _REPEAT:
            repetitions, at = read_integer(text, _skip_name(text, at) + 1)
            block_factor[depth] = factor
            factor *= repetitions
            depth += 1
            out[DEPTH] = max(out[DEPTH], depth)
        elif kind == _CLOSE_BLOCK:
            depth -= 1
            factor = block_factor[depth]
        out[NUM_INSTRUCTIONS] += factor
        at = _skip_line(text, at)


@kernel
def read_dem(
    text: NDArray[np.uint8],
    blocks: NDArray[np.int64],
    detectors: NDArray[np.int64],
    shift: NDArray[np.float64],
    numbers: NDArray[np.float64],
    component_ends: NDArray[np.int32],
    component_probability: NDArray[np.float64],
    component_observables: NDArray[np.uint64],
    component_error: NDArray[np.int32],
    certain_detectors: NDArray[np.bool_],
    certain_observables: NDArray[np.uint64],
    coordinates: NDArray[np.float64],
    declared: NDArray[np.bool_],
    out: NDArray[np.int64],
) -> int:
    """Read every error component and every detector's coordinates.

    Scratch:
        blocks: int64 (depth, 2).
        detectors: int64 (most targets of one error,).
        shift, numbers: float64 (most coordinates of one instruction,); shift zero on entry.
    Filled:
        component_ends: int32 (components, 2), smaller detector first; one detector (d, -1), none (-1, -1).
        component_probability: float64 (components,).
        component_observables: uint64 (components + 1, words), zero on entry.
        component_error: int32 (components,), which error it is part of; these are numbered in their order.
        certain_detectors, certain_observables: bool (detectors,), uint64 (words,), zero on entry: the
            flips of all errors of probability one together.
        coordinates: float64 (detectors, most coordinates), NaN on entry.
        declared: bool (detectors,), False on entry.
        out: int64 (RESULTS,), zero on entry: how many components, errors of probability one, and
            targets that cancelled another; on HYPEREDGE the error's place in the text and the shift
            of detector indices there.

    Errors of probability zero do nothing and are left out, whatever they touch; targets that
    appear twice in a component cancel.
    """
    num_components = 0
    num_errors = 0
    detector_shift: Any = np.int64(0)
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
            out[CERTAIN_ERRORS] += certain
            num_detectors = 0
            row = num_components
            while True:
                # Here `at` is at the space before a target, or at the end of the line.
                more = at < text.size and text[at] != _LINE
                if more and text[at + 1] != _HAT:
                    index, behind = read_integer(text, at + 2)
                    if text[at + 1] == _CAPITAL_D:
                        index += detector_shift
                        if certain:
                            certain_detectors[index] ^= True
                        else:
                            place = 0
                            while place < num_detectors and detectors[place] != index:
                                place += 1
                            if place < num_detectors:
                                num_detectors -= 1
                                detectors[place] = detectors[num_detectors]
                                out[CANCELLED_TARGETS] += 1
                            else:
                                detectors[place] = index
                                num_detectors += 1
                    else:
                        bit = np.uint64(1) << np.uint64(index & 63)
                        if certain:
                            certain_observables[index >> 6] ^= bit
                        else:
                            if component_observables[row, index >> 6] & bit:
                                out[CANCELLED_TARGETS] += 1
                            component_observables[row, index >> 6] ^= bit
                    at = behind
                    continue
                if not certain:
                    if num_detectors > 2:
                        out[HYPEREDGE_PLACE] = start
                        out[HYPEREDGE_SHIFT] = detector_shift
                        return HYPEREDGE
                    if num_detectors > 0 or component_observables[row].any():
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
                        component_error[row] = num_errors
                        num_components += 1
                        row = num_components
                    num_detectors = 0
                if not more:
                    break
                at += 2
            num_errors += 1
        elif kind == _DETECTOR:
            dimensions, at = _read_numbers(text, _skip_name(text, at), numbers)
            index, at = read_integer(text, at + 2)
            index += detector_shift
            if not declared[index]:  # the first declaration counts
                declared[index] = True
                for dimension in range(dimensions):
                    coordinates[index, dimension] = numbers[dimension] + shift[dimension]
        elif kind == _SHIFT:
            dimensions, at = _read_numbers(text, _skip_name(text, at), numbers)
            for dimension in range(dimensions):
                shift[dimension] += numbers[dimension]
            amount, at = read_integer(text, at + 1)
            detector_shift += amount
        elif kind == _REPEAT:
            repetitions, at = read_integer(text, _skip_name(text, at) + 1)
            if repetitions == 0:
                at = _skip_block(text, at)
            else:
                blocks[depth, 0] = at
                blocks[depth, 1] = repetitions
                depth += 1
        elif kind == _CLOSE_BLOCK:
            blocks[depth - 1, 1] -= 1
            if blocks[depth - 1, 1] > 0:
                at = blocks[depth - 1, 0]
            else:
                depth -= 1
        at = _skip_line(text, at)
    out[COMPONENTS] = num_components
    return OK
