"""Independent errors of a detector error model, drawn one after the other without looking at those absent."""

import numpy as np

from qec.sampling.kernels.jit import kernel
from qec.sampling.kernels.random import next_float, next_skip, start_stream


@kernel
def toggle(bits, place):
    """Flip one bit of a row of bytes."""
    bits[place >> 3] ^= np.uint8(1) << np.uint8(place & 7)


@kernel
def apply_error(target_first, targets, error, shift, events, flips):
    """Flip what one error flips: detectors, `shift` later than written; observables, written as ~number."""
    for at in range(target_first[error], target_first[error + 1]):
        target = targets[at]
        if target >= 0:
            toggle(events, target + shift)
        else:
            toggle(flips, ~target)


@kernel
def sample_shot(groups, inverse_log, keep, target_first, targets, state, events, flips):
    """Draw the errors of one shot into its zeroed, bit-packed rows.

    A group is a number of errors, the same in each of several repeats, of nearly the same probability. Its
    errors and repeats in a row are one sequence of trials: the distance from one error to the next is
    geometric. What was drawn with the group's largest probability is kept with probability `keep`.
    groups int64 (groups, 4): first error, number of errors, repeats, shift of detectors per repeat.
    """
    for group in range(len(groups)):
        first, size, repeats, period = groups[group, 0], groups[group, 1], groups[group, 2], groups[group, 3]
        total = size * repeats
        scale = inverse_log[group]
        trial = next_skip(state, scale, total)
        while trial < total:
            repeat = trial // size
            error = first + trial - repeat * size
            if keep[error] >= 1.0 or next_float(state) < keep[error]:
                apply_error(target_first, targets, error, repeat * period, events, flips)
            trial += 1 + next_skip(state, scale, total)


@kernel
def sample_shots(groups, inverse_log, keep, target_first, targets, seed, first_shot, events, flips):
    """Draw shots first_shot, first_shot + 1, ...: bit-packed uint8 (shots, bytes) events and flips."""
    state = np.zeros(4, dtype=np.uint64)
    for shot in range(len(events)):
        events[shot, :] = 0
        flips[shot, :] = 0
        start_stream(state, seed, np.uint64(first_shot + shot))
        sample_shot(groups, inverse_log, keep, target_first, targets, state, events[shot], flips[shot])
