"""Markov chains over sets of errors, one step at a time: proposals here, elsewhere the verdict on them."""

import math

import numpy as np

from qec.sampling.kernels.errors import apply_error, toggle
from qec.sampling.kernels.jit import kernel
from qec.sampling.kernels.random import next_below, next_float, start_stream


@kernel
def draw_all(probability, target_first, targets, seed, first_chain, present, events, flips):
    """Draw each chain's errors independently: present uint8 (chains, errors), bit-packed events and flips."""
    state = np.zeros(4, dtype=np.uint64)
    for chain in range(len(present)):
        start_stream(state, seed, np.uint64(first_chain + chain))
        events[chain, :] = 0
        flips[chain, :] = 0
        for error in range(len(probability)):
            present[chain, error] = next_float(state) < probability[error]
            if present[chain, error]:
                apply_error(target_first, targets, error, 0, events[chain], flips[chain])


@kernel
def flip_error(error, target_first, targets, present, events, flips, changed, count):
    """Take one error in or out; returns the new number of changes."""
    present[error] ^= np.uint8(1)
    apply_error(target_first, targets, error, 0, events, flips)
    changed[count] = error
    return count + 1


@kernel
def propose_block(probability, state, target_first, targets, present, events, flips, changed):
    """Draw all errors of a random stretch of the list anew; returns the number of changes."""
    num_errors = len(present)
    size = np.int64(math.exp(next_float(state) * math.log(num_errors)))
    first = next_below(state, num_errors - size + 1)
    count = np.int64(0)
    for error in range(first, first + size):
        if (next_float(state) < probability[error]) != (present[error] == 1):
            count = flip_error(error, target_first, targets, present, events, flips, changed, count)
    return count


@kernel
def nth_present(present, number):
    """The error that is present and has so many present ones before it."""
    error = np.int64(-1)
    while number >= 0:
        error += 1
        number -= present[error]
    return error


@kernel
def propose_birth_or_death(probability, state, target_first, targets, present, events, flips, changed):
    """Put a random absent error in, or take a random present one out; returns the number of changes."""
    num_errors = len(present)
    num_present = np.int64(0)
    for error in range(num_errors):
        num_present += present[error]
    if next_float(state) < 0.5:
        error = next_below(state, num_errors)
        while present[error] and num_present < num_errors:
            error = next_below(state, num_errors)
        if num_present == num_errors:
            return np.int64(0)
        odds = probability[error] / (1 - probability[error])
        ratio = odds * (num_errors - num_present) / (num_present + 1)
    else:
        if num_present == 0:
            return np.int64(0)
        error = nth_present(present, next_below(state, num_present))
        odds = probability[error] / (1 - probability[error])
        ratio = num_present / (odds * (num_errors - num_present + 1))
    if next_float(state) >= ratio:
        return np.int64(0)
    return flip_error(error, target_first, targets, present, events, flips, changed, np.int64(0))


@kernel
def propose_move(
    probability,
    state,
    neighbour_first,
    neighbours,
    target_first,
    targets,
    present,
    events,
    flips,
    changed,
):
    """Move a random error to a neighbour's place (Metropolis, Hastings); returns the number of changes."""
    num_errors = len(present)
    num_present = np.int64(0)
    for error in range(num_errors):
        num_present += present[error]
    if num_present == 0:
        return np.int64(0)
    old = nth_present(present, next_below(state, num_present))
    degree = neighbour_first[old + 1] - neighbour_first[old]
    if degree == 0:
        return np.int64(0)
    new = neighbours[neighbour_first[old] + next_below(state, degree)]
    if present[new]:
        return np.int64(0)
    odds = probability[new] / (1 - probability[new]) * (1 - probability[old]) / probability[old]
    back = neighbour_first[new + 1] - neighbour_first[new]
    if next_float(state) * back >= odds * degree:
        return np.int64(0)
    count = flip_error(old, target_first, targets, present, events, flips, changed, np.int64(0))
    return flip_error(new, target_first, targets, present, events, flips, changed, count)


@kernel
def propose(
    probability,
    neighbour_first,
    neighbours,
    target_first,
    targets,
    states,
    left,
    present,
    events,
    flips,
    changed,
    num_changed,
):
    """Let every chain make proposals until one changes something or it has none left; the change is made.

    left int64 (chains,): proposals each chain still has. changed int64 (chains, errors) and num_changed int64
    (chains,): what the proposal takes in or out, so that it can be taken back.
    """
    for chain in range(len(present)):
        num_changed[chain] = 0
        while left[chain] > 0 and num_changed[chain] == 0:
            left[chain] -= 1
            kind = next_float(states[chain])
            if kind < 0.45:
                num_changed[chain] = propose_birth_or_death(
                    probability,
                    states[chain],
                    target_first,
                    targets,
                    present[chain],
                    events[chain],
                    flips[chain],
                    changed[chain],
                )
            elif kind < 0.55:
                num_changed[chain] = propose_block(
                    probability,
                    states[chain],
                    target_first,
                    targets,
                    present[chain],
                    events[chain],
                    flips[chain],
                    changed[chain],
                )
            else:
                num_changed[chain] = propose_move(
                    probability,
                    states[chain],
                    neighbour_first,
                    neighbours,
                    target_first,
                    targets,
                    present[chain],
                    events[chain],
                    flips[chain],
                    changed[chain],
                )


@kernel
def take_back(fails, target_first, targets, present, events, flips, changed, num_changed):
    """Undo the proposals of chains that do not fail any more (fails uint8 (chains,) is zero)."""
    for chain in range(len(present)):
        if fails[chain]:
            continue
        for at in range(num_changed[chain]):
            error = changed[chain, at]
            present[chain, error] ^= np.uint8(1)
            for place in range(target_first[error], target_first[error + 1]):
                target = targets[place]
                if target >= 0:
                    toggle(events[chain], target)
                else:
                    toggle(flips[chain], ~target)
        num_changed[chain] = 0
