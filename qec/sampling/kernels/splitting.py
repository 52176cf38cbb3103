"""Proposals of Markov chains over sets of errors; the caller accepts or rejects them.

A set is a list of error numbers in no order: members int32 (capacity,), of which `count` are used. `where` is
the sparse matrix of errors per detector: the errors of detector D are at_errors[at_first[D]:at_first[D + 1]].
A nearby error is drawn from the errors of a random detector of an error.
"""

import numpy as np

from qec.sampling.kernels.errors import apply_error
from qec.sampling.kernels.jit import kernel
from qec.sampling.kernels.random import next_below, next_exponential, next_float, start_stream

# Shares of the kinds of proposals: a birth or death anywhere, one next to a member, a stretch drawn afresh;
# the others replace a member by a nearby error.
_ANYWHERE, _NEARBY, _STRETCH = 0.25, 0.25, 0.08
_STRETCH_ERRORS = 3.0  # most errors that are expected in a stretch


@kernel
def draw_all(line, target_first, targets, seed, first_chain, members, counts, events, flips):
    """Draw each chain's errors independently, without visiting absent ones.

    line float64 (errors + 1,): running sum of the hazards -ln(1 - p). Writes members int32 (chains,
    capacity), counts int64 (chains,) and the bit-packed events and flips.

    Returns:
        Number of chains drawn; fewer than all if the next one does not fit into `members`.
    """
    state = np.zeros(4, dtype=np.uint64)
    for chain in range(len(members)):
        start_stream(state, seed, np.uint64(first_chain + chain))
        events[chain, :] = 0
        flips[chain, :] = 0
        counts[chain] = 0
        time = next_exponential(state)
        while time < line[len(line) - 1]:
            error = np.searchsorted(line, time, side="right") - 1
            if counts[chain] == members.shape[1]:
                return chain
            members[chain, counts[chain]] = error
            counts[chain] += 1
            apply_error(target_first, targets, error, 0, events[chain], flips[chain])
            time = line[error + 1] + next_exponential(state)
    return len(members)


@kernel
def place_of(error, members, count):
    """Find an error in a set; -1 if it is absent."""
    for at in range(count):
        if members[at] == error:
            return at
    return -1


@kernel
def draw_nearby(error, target_first, targets, at_first, at_errors, state):
    """Draw an error of a random detector of an error, possibly itself; -1 if it has no detectors.

    Detectors come last in a sorted list of targets.
    """
    first, end = target_first[error], target_first[error + 1]
    while first < end and targets[first] < 0:
        first += 1
    if first == end:
        return np.int64(-1)
    detector = targets[first + next_below(state, end - first)]
    degree = at_first[detector + 1] - at_first[detector]
    return np.int64(at_errors[at_first[detector] + next_below(state, degree)])


@kernel
def nearby_chance(error, other, target_first, targets, at_first):
    """Compute the probability with which `draw_nearby` draws `other` from `error`."""
    size, chance = 0, 0.0
    for at in range(target_first[error], target_first[error + 1]):
        detector = targets[at]
        if detector >= 0:
            size += 1
            for place in range(target_first[other], target_first[other + 1]):
                if targets[place] == detector:
                    chance += 1.0 / (at_first[detector + 1] - at_first[detector])
    return chance / size if size else 0.0


@kernel
def birth_chance(error, members, count, target_first, targets, at_first):
    """Compute the probability that an error is drawn next to a random member other than itself."""
    total, others = 0.0, 0
    for at in range(count):
        if members[at] != error:
            others += 1
            total += nearby_chance(members[at], error, target_first, targets, at_first)
    return total / others if others else 0.0


@kernel
def propose_anywhere(odds, members, count, state, changed):
    """Add a random absent error, or remove a random member; return the number of changes."""
    num_errors = len(odds)
    if next_float(state) < 0.5:
        if count == min(num_errors, len(members)):
            return np.int64(0)
        error = next_below(state, num_errors)
        while place_of(error, members, count) >= 0:
            error = next_below(state, num_errors)
        ratio = odds[error] * (num_errors - count) / (count + 1)
    else:
        if count == 0:
            return np.int64(0)
        error = np.int64(members[next_below(state, count)])
        ratio = count / (odds[error] * (num_errors - count + 1))
    if next_float(state) >= ratio:
        return np.int64(0)
    changed[0] = error
    return np.int64(1)


@kernel
def propose_nearby(odds, members, count, target_first, targets, at_first, at_errors, state, changed):
    """Add an absent error next to a random member, or remove a random member; return the number of changes.

    Metropolis and Hastings: a removed error could have been drawn next to each of the others.
    """
    if count == 0:
        return np.int64(0)
    if next_float(state) < 0.5:
        if count == len(members):
            return np.int64(0)
        member = np.int64(members[next_below(state, count)])
        error = draw_nearby(member, target_first, targets, at_first, at_errors, state)
        if error < 0 or place_of(error, members, count) >= 0:
            return np.int64(0)
        chance = birth_chance(error, members, count, target_first, targets, at_first)
        ratio = odds[error] / ((count + 1) * chance)
    else:
        error = np.int64(members[next_below(state, count)])
        chance = birth_chance(error, members, count, target_first, targets, at_first)
        ratio = count * chance / odds[error]
    if next_float(state) >= ratio:
        return np.int64(0)
    changed[0] = error
    return np.int64(1)


@kernel
def propose_replacement(odds, members, count, target_first, targets, at_first, at_errors, state, changed):
    """Replace a random member by a nearby error (Metropolis, Hastings); return the number of changes."""
    if count == 0:
        return np.int64(0)
    old = np.int64(members[next_below(state, count)])
    new = draw_nearby(old, target_first, targets, at_first, at_errors, state)
    if new < 0 or place_of(new, members, count) >= 0:
        return np.int64(0)
    there = nearby_chance(old, new, target_first, targets, at_first)
    back = nearby_chance(new, old, target_first, targets, at_first)
    if next_float(state) * odds[old] * there >= odds[new] * back:
        return np.int64(0)
    changed[0], changed[1] = old, new
    return np.int64(2)


@kernel
def propose_stretch(line, members, count, state, changed):
    """Draw all errors of a random stretch of the list afresh; return the number of changes."""
    num_errors = len(line) - 1
    largest = num_errors * min(1.0, _STRETCH_ERRORS / line[num_errors])
    size = max(np.int64(1), np.int64(largest * next_float(state)))
    first = next_below(state, num_errors - size + 1)
    total = np.int64(0)
    for at in range(count):
        if first <= members[at] < first + size:
            changed[total] = members[at]
            total += 1
    num_old = total
    time = line[first] + next_exponential(state)
    while time < line[first + size]:
        error = np.searchsorted(line, time, side="right") - 1
        at = place_of(error, changed, num_old)
        if at >= 0:  # drawn again: no change
            num_old -= 1
            total -= 1
            changed[at] = changed[num_old]
            changed[num_old] = changed[total]
        elif total == len(changed):
            return np.int64(0)
        else:
            changed[total] = error
            total += 1
        time = line[error + 1] + next_exponential(state)
    # Removed errors come first, so that the changes fit one by one.
    return total if count + total - 2 * num_old <= len(members) else np.int64(0)


@kernel
def apply_changes(target_first, targets, changed, num_changed, backwards, members, count, events, flips):
    """Add or remove the errors in `changed`, last ones first if `backwards`; return the number of members."""
    for number in range(num_changed):
        error = np.int64(changed[num_changed - 1 - number if backwards else number])
        at = place_of(error, members, count)
        if at >= 0:
            count -= 1
            members[at] = members[count]
        else:
            members[count] = error
            count += 1
        apply_error(target_first, targets, error, 0, events, flips)
    return count


@kernel
def propose(
    line,
    odds,
    target_first,
    targets,
    at_first,
    at_errors,
    states,
    left,
    members,
    counts,
    events,
    flips,
    changed,
    num_changed,
):
    """Make proposals in every chain, until one changes its errors or none is left; the change is applied.

    left int64 (chains,): remaining proposals of each chain. changed int32 (chains, 2 capacity) and
    num_changed int64 (chains,): errors that the proposal adds or removes, so that it can be undone.
    """
    for chain in range(len(members)):
        num_changed[chain] = 0
        state, count, old, new = states[chain], counts[chain], members[chain], changed[chain]
        while left[chain] > 0 and num_changed[chain] == 0:
            left[chain] -= 1
            kind = next_float(state)
            if kind < _ANYWHERE:
                num_changed[chain] = propose_anywhere(odds, old, count, state, new)
            elif kind < _ANYWHERE + _NEARBY:
                num_changed[chain] = propose_nearby(
                    odds, old, count, target_first, targets, at_first, at_errors, state, new
                )
            elif kind < _ANYWHERE + _NEARBY + _STRETCH:
                num_changed[chain] = propose_stretch(line, old, count, state, new)
            else:
                num_changed[chain] = propose_replacement(
                    odds, old, count, target_first, targets, at_first, at_errors, state, new
                )
        counts[chain] = apply_changes(
            target_first, targets, new, num_changed[chain], False, old, count, events[chain], flips[chain]
        )


@kernel
def take_back(fails, target_first, targets, members, counts, events, flips, changed, num_changed):
    """Undo the proposals of chains that no longer fail (fails uint8 (chains,) is zero)."""
    for chain in range(len(members)):
        if not fails[chain]:
            # Backwards, so that the number of members stays within the capacity.
            counts[chain] = apply_changes(
                target_first,
                targets,
                changed[chain],
                num_changed[chain],
                True,
                members[chain],
                counts[chain],
                events[chain],
                flips[chain],
            )
            num_changed[chain] = 0
