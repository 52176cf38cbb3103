"""Long REPEAT blocks of a detector error model, cut short."""

import numpy as np
import stim
from numpy.typing import NDArray

# Repetitions of a block that are looked at; enough for a bulk between first and last cycles that differ.
SEEN_REPEATS = 12


def shorten(dem: stim.DetectorErrorModel) -> tuple[stim.DetectorErrorModel, int, list[slice]]:
    """Shorten long REPEAT blocks.

    Returns also how many cycles that leaves out, and for every such block the detectors from its middle:
    if their layers are all the same, so are those left out.
    """
    short = stim.DetectorErrorModel()
    left_out = offset = 0
    repeated = []
    for instruction in dem:
        if isinstance(instruction, stim.DemRepeatBlock):
            body, count = instruction.body_copy(), instruction.repeat_count
            cycles, detectors = _advance(body)
            if count > SEEN_REPEATS and cycles > 0 and detectors > 0:
                left_out += (count - SEEN_REPEATS) * cycles
                count = SEEN_REPEATS
                third = SEEN_REPEATS // 3 * detectors
                repeated.append(slice(offset + third, offset + 2 * third))
            short.append(stim.DemRepeatBlock(count, body))
            offset += count * detectors
            continue
        if instruction.type == "shift_detectors":
            offset += instruction.targets_copy()[0]
        short.append(instruction)
    return short, left_out, repeated


def _advance(body: stim.DetectorErrorModel) -> tuple[int, int]:
    """By how many cycles (0 if that is not a whole number) and detectors one repetition moves on."""
    shift, detectors = _total_shift(body)
    time = shift[2] or shift[1]
    return int(time) if time == int(time) and time > 0 else 0, detectors


def _total_shift(body: stim.DetectorErrorModel) -> tuple[NDArray[np.float64], int]:
    shift = np.zeros(3)
    detectors = 0
    for instruction in body:
        if isinstance(instruction, stim.DemRepeatBlock):
            inner, count = _total_shift(instruction.body_copy())
            shift += instruction.repeat_count * inner
            detectors += instruction.repeat_count * count
        elif instruction.type == "shift_detectors":
            values = instruction.args_copy()[:3]
            shift[: len(values)] += values
            detectors += instruction.targets_copy()[0]
    return shift, detectors
