"""Independent errors of a detector error model, drawn one after the other without visiting absent ones.

Errors stand on a line, each on a stretch as long as its hazard -ln(1 - p): at least one arrival of a Poisson
process of rate one falls there with probability p. One draw leads from an error to the next.
"""

import numpy as np

from qec.sampling.kernels.jit import kernel
from qec.sampling.kernels.random import next_exponential, next_float, start_stream

# A group: errors of nearly the same probability, the same in each of several repeats. All have stretches of
# the largest hazard and are kept with probability `keep`. A last group marks the end of the line.
GROUP = np.dtype(
    (
        np.record,
        [
            ("start", np.float64),  # where the group begins on the line
            ("hazard", np.float64),  # of one error; zero if its errors are certain
            ("inverse", np.float64),  # of the hazard; of the length of a part in the last group
            ("first", np.int64),
            ("size", np.int64),
            ("repeats", np.int64),
            ("period", np.int64),  # shift of detectors per repeat
        ],
    )
)
# A last error marks the end of the targets.
ERROR = np.dtype((np.record, [("first_target", np.int64), ("keep", np.float64)]))


@kernel
def toggle(bits, place):
    """Flip one bit of a row of bytes."""
    bits[place >> 3] ^= np.uint8(1) << np.uint8(place & 7)


@kernel
def apply_error(target_first, targets, error, shift, events, flips):
    """Flip the targets of one error: detectors, shifted by `shift`; observables, written as ~number."""
    for at in range(target_first[error], target_first[error + 1]):
        target = targets[at]
        if target >= 0:
            toggle(events, target + shift)
        else:
            toggle(flips, ~target)


@kernel
def find_slot(groups, guide, time):
    """Return the error whose stretch includes `time`: its group, and its place in all repeats of the group.

    groups GROUP (groups + 1,); guide int32 (parts,): the first group in each of equal parts of the line.
    """
    part = np.int64(time * groups[len(groups) - 1].inverse)
    at = np.int64(guide[min(part, len(guide) - 1)])
    while time >= groups[at + 1].start:
        at += 1
    slot = np.int64((time - groups[at].start) * groups[at].inverse)
    return at, min(slot, groups[at].size * groups[at].repeats - 1)


@kernel
def error_of(group, slot):
    """Return the error in a slot of a group, and the shift of its detectors."""
    if group.repeats == 1:
        return group.first + slot, np.int64(0)
    repeat = slot // group.size
    return group.first + slot - repeat * group.size, repeat * group.period


@kernel
def flip_targets(errors, targets, error, shift, events, flips):
    """Flip the targets of one error in bit-packed rows."""
    for at in range(errors[error].first_target, errors[error + 1].first_target):
        target = targets[at]
        if target >= 0:
            toggle(events, target + shift)
        else:
            toggle(flips, ~target)


@kernel
def flip_certain(groups, errors, targets, events, flips):
    """Apply the errors of probability one."""
    for at in range(len(groups) - 1):
        if groups[at].hazard == 0:
            for slot in range(groups[at].size * groups[at].repeats):
                error, shift = error_of(groups[at], slot)
                flip_targets(errors, targets, error, shift, events, flips)


@kernel
def draw_errors(groups, guide, errors, targets, state, events, flips):
    """Draw every error that is not certain, with a generator's `state`; flip targets in bit-packed rows."""
    time = next_exponential(state)
    while time < groups[len(groups) - 1].start:
        at, slot = find_slot(groups, guide, time)
        error, shift = error_of(groups[at], slot)
        if errors[error].keep >= 1.0 or next_float(state) < errors[error].keep:
            flip_targets(errors, targets, error, shift, events, flips)
        time = groups[at].start + (slot + 1) * groups[at].hazard + next_exponential(state)


@kernel
def sample_shots(groups, guide, errors, targets, seed, first_shot, events, flips):
    """Draw shots first_shot, first_shot + 1, ...: bit-packed uint8 (shots, bytes) events and flips."""
    state = np.zeros(4, dtype=np.uint64)
    for shot in range(len(events)):
        row, flipped = events[shot], flips[shot]
        row[:] = 0
        flipped[:] = 0
        flip_certain(groups, errors, targets, row, flipped)
        start_stream(state, seed, np.uint64(first_shot + shot))
        draw_errors(groups, guide, errors, targets, state, row, flipped)
