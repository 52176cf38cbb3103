"""Beam search that sums over sets of error mechanisms, detector by detector.

A state consists of the detection events that the mechanisms chosen so far leave unexplained and of the
observables that they flip. All choices that lead to the same state are merged and their likelihoods added.
Without limits the sums are exact; only states of high rank are kept. All kernels write the BEAM record.
"""

import numpy as np

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.trellis.kernels.classes import (
    add_undetectable,
    choose_classes,
    is_decided,
    record_class,
    score_opposites,
)
from decoders.trellis.kernels.layout import BUCKET_SHIFT, IN_BUCKET, NUM_BUCKETS


@kernel
def run_sweep(plan, beam):
    """Sum over the error sets of the shot in `fired`; leaves one state for every class found."""
    initialize_beam(plan, beam)
    steps, step_masks, any_fired = pool(plan, "steps"), pool(plan, "step_masks"), pool(beam, "any_fired")
    for number in range(plan.num_steps):
        step = steps[number]
        open_detectors(plan, beam, step)
        idle = step.idle_rank < beam.spread
        for word in range(plan.open_words):
            idle = idle and step_masks[number * plan.open_words + word] & any_fired[word] == np.uint64(0)
        if idle:
            continue  # no mechanism matters, and the detector has fired in no state
        partition_states(beam, step)
        for mechanism in range(step.first_mechanism, step.last_mechanism):
            branch_on_mechanism(plan, beam, step, mechanism)
        close_detector(plan, beam, step, number)
        if beam.num_states == 0:
            return


@kernel
def initialize_beam(plan, beam):
    """Initialise the beam with one state: no mechanism chosen."""
    states, keys, any_fired = pool(beam, "states"), pool(beam, "keys"), pool(beam, "any_fired")
    beam.half = 0
    beam.num_states = 1
    beam.scale = 0.0
    beam.floor = beam.spread
    beam.words = plan.words
    states[0].likelihood = 1.0
    states[0].heuristic = 1.0
    states[0].rank = 1.0
    states[0].added = 0.0
    for word in range(plan.words):
        keys[word] = np.uint64(0)
        any_fired[word] = np.uint64(0)


@kernel
def open_detectors(plan, beam, step):
    """Assign bits to the step's new detectors, and set those of detectors that fired in every state."""
    openings, fired, keys = pool(plan, "openings"), pool(beam, "fired"), pool(beam, "keys")
    any_fired = pool(beam, "any_fired")
    for at in range(step.first_new, step.last_new):
        opening = openings[at]
        if fired[opening.detector] != 0:
            first = beam.half * beam.room
            for state in range(first, first + beam.num_states):
                keys[state * beam.words + opening.word] ^= opening.bit
            any_fired[opening.word] |= opening.bit


@kernel
def partition_states(beam, step):
    """Split the states, sorted by rank, by the event of the step's detector; both lists remain sorted."""
    keys, states = pool(beam, "keys"), pool(beam, "states")
    with_event, without = pool(beam, "with_event"), pool(beam, "without")
    beam.num_with = 0
    beam.num_without = 0
    beam.best_with = 0.0
    beam.best_without = 0.0
    beam.hashed = 0
    first = beam.half * beam.room
    for state in range(first, first + beam.num_states):
        rank = states[state].rank
        if keys[state * beam.words + step.word] & step.bit != np.uint64(0):
            with_event[beam.num_with] = state
            beam.num_with += 1
            beam.best_with = max(beam.best_with, rank)
        else:
            without[beam.num_without] = state
            beam.num_without += 1
            beam.best_without = max(beam.best_without, rank)
    beam.sorted_with = beam.num_with
    beam.sorted_without = beam.num_without


@kernel
def branch_on_mechanism(plan, beam, step, number):
    """Branch every state on one mechanism."""
    mechanisms, links, any_fired = pool(plan, "mechanisms"), pool(plan, "links"), pool(beam, "any_fired")
    states = pool(beam, "states")
    with_event, without = pool(beam, "with_event"), pool(beam, "without")
    mechanism = mechanisms[number]
    most = mechanism.odds  # upper bound of the factor for any state's rank
    for at in range(mechanism.first_link, mechanism.last_link):
        link = links[at]
        most *= link.inverse if any_fired[link.word] & link.bit != np.uint64(0) else link.heuristic
    before, num_with, num_without = beam.num_states, beam.num_with, beam.num_without
    added = False
    bound = most / mechanism.own
    if bound * beam.best_with >= beam.floor:
        for index in range(num_with):
            rank = states[with_event[index]].rank
            if rank * bound >= beam.floor:
                factor = 1.0 / mechanism.own
                if branch_state(plan, beam, step, number, with_event[index], factor, factor):
                    added = True
            elif index < beam.sorted_with and rank * bound * IN_BUCKET < beam.floor:
                break
    bound = most * mechanism.late
    if bound * beam.best_without >= beam.floor:
        for index in range(num_without):
            rank = states[without[index]].rank
            if rank * bound >= beam.floor:
                if branch_state(plan, beam, step, number, without[index], mechanism.own, mechanism.late):
                    added = True
            elif index < beam.sorted_without and rank * bound * IN_BUCKET < beam.floor:
                break
    if added:
        merge_likelihoods(beam, step, before)


@kernel
def branch_state(plan, beam, step, number, parent, factor, test_factor):
    """Add a mechanism to one state.

    Args:
        plan, beam, step: records.
        number: the mechanism.
        parent: the state.
        factor: factor of the heuristic due to the step's detector.
        test_factor: the same for the comparison with `floor`.

    Returns:
        Whether the new state had existed before, so that likelihood was added to it.
    """
    mechanisms, links, masks = pool(plan, "mechanisms"), pool(plan, "links"), pool(plan, "masks")
    states, keys, table = pool(beam, "states"), pool(beam, "keys"), pool(beam, "table")
    any_fired = pool(beam, "any_fired")
    mechanism = mechanisms[number]
    words = beam.words
    heuristic = states[parent].heuristic
    for at in range(mechanism.first_link, mechanism.last_link):
        link = links[at]
        heuristic *= (
            link.inverse if keys[parent * words + link.word] & link.bit != np.uint64(0) else link.heuristic
        )
    likelihood = states[parent].likelihood * mechanism.odds
    if not likelihood * heuristic * test_factor >= beam.floor:
        return False
    if beam.hashed == 0:
        fill_table(beam)
    slot = np.int64(
        hash_state(keys, parent * words, masks, number * words, words) & np.uint64(beam.table_size - 1)
    )
    while table[slot].stamp == beam.stamp:
        state = table[slot].state
        same = True
        for word in range(words):
            same = same and keys[state * words + word] == (
                keys[parent * words + word] ^ masks[number * words + word]
            )
        if same:
            states[state].added += likelihood
            return True
        slot = (slot + 1) & (beam.table_size - 1)
    if beam.num_states == beam.room:
        return False
    state = beam.half * beam.room + beam.num_states
    beam.num_states += 1
    table[slot].stamp = beam.stamp
    table[slot].state = state
    for word in range(words):
        keys[state * words + word] = keys[parent * words + word] ^ masks[number * words + word]
        any_fired[word] |= keys[state * words + word]
    states[state].likelihood = likelihood
    states[state].heuristic = heuristic * factor
    states[state].rank = likelihood * heuristic * factor
    states[state].added = 0.0
    if keys[state * words + step.word] & step.bit != np.uint64(0):
        pool(beam, "with_event")[beam.num_with] = state
        beam.num_with += 1
        beam.best_with = max(beam.best_with, states[state].rank)
    else:
        pool(beam, "without")[beam.num_without] = state
        beam.num_without += 1
        beam.best_without = max(beam.best_without, states[state].rank)
    return False


@kernel
def merge_likelihoods(beam, step, before):
    """Add the likelihoods gained from other states to those that existed before this mechanism."""
    states, keys = pool(beam, "states"), pool(beam, "keys")
    first = beam.half * beam.room
    for state in range(first, first + before):
        if states[state].added != 0.0:
            states[state].likelihood += states[state].added
            states[state].added = 0.0
            states[state].rank = states[state].likelihood * states[state].heuristic
            if keys[state * beam.words + step.word] & step.bit != np.uint64(0):
                beam.best_with = max(beam.best_with, states[state].rank)
            else:
                beam.best_without = max(beam.best_without, states[state].rank)


@kernel
def fill_table(beam):
    """Insert all states into the hash table."""
    keys, table = pool(beam, "keys"), pool(beam, "table")
    beam.stamp += 1
    beam.hashed = 1
    first = beam.half * beam.room
    last = np.uint64(beam.table_size - 1)
    for state in range(first, first + beam.num_states):
        slot = np.int64(hash_state(keys, state * beam.words, keys, np.int64(-1), beam.words) & last)
        while table[slot].stamp == beam.stamp:
            slot = (slot + 1) & (beam.table_size - 1)
        table[slot].stamp = beam.stamp
        table[slot].state = state


@kernel
def hash_state(keys, start, masks, mask, words):
    """Hash the words of a state; with `mask` >= 0, after applying the mechanism's mask at that word."""
    value = np.uint64(0x9E3779B97F4A7C15)
    for word in range(words):
        value ^= keys[start + word]
        if mask >= 0:
            value ^= masks[mask + word]
        value ^= value << np.uint64(13)  # Marsaglia's xorshift
        value ^= value >> np.uint64(7)
        value ^= value << np.uint64(17)
    return value


@kernel
def close_detector(plan, beam, step, number):
    """Drop states in which the step's detector has fired, and all but the best of the others."""
    states, keys, counts = pool(beam, "states"), pool(beam, "keys"), pool(beam, "counts")
    bits = pool(beam, "rank_bits")
    changes, step_masks = pool(plan, "changes"), pool(plan, "step_masks")
    words = beam.words
    first = beam.half * beam.room
    best, best_state = 0.0, first
    for state in range(first, first + beam.num_states):
        if keys[state * words + step.word] & step.bit != np.uint64(0):
            states[state].rank = -1.0  # below any limit, even with an infinite spread
            continue
        touched = np.uint64(0)
        for word in range(plan.open_words):
            touched |= keys[state * words + word] & step_masks[number * plan.open_words + word]
        if touched != np.uint64(0):
            for at in range(step.first_change, step.last_change):
                change = changes[at]
                if keys[state * words + change.word] & change.bit != np.uint64(0):
                    states[state].heuristic *= change.factor
        states[state].rank = states[state].likelihood * states[state].heuristic
        if states[state].rank > best:
            best, best_state = states[state].rank, state
    if best == 0.0:
        beam.num_states = 0
        return
    for bucket in range(NUM_BUCKETS + 1):
        counts[bucket] = 0
    best_bits = bits[4 * best_state + 2]
    for state in range(first, first + beam.num_states):
        if states[state].rank >= best * beam.spread:
            counts[min((best_bits - bits[4 * state + 2]) >> BUCKET_SHIFT, NUM_BUCKETS - 1) + 1] += 1
    for bucket in range(NUM_BUCKETS):
        counts[bucket + 1] += counts[bucket]
    select_states(beam, first, best, best_state)


@kernel
def select_states(beam, first, best, best_state):
    """Copy the best states, sorted, to the other half, scaled such that the best has rank one."""
    states, keys, counts = pool(beam, "states"), pool(beam, "keys"), pool(beam, "counts")
    bits = pool(beam, "rank_bits")
    any_fired = pool(beam, "any_fired")
    words = beam.words
    best_bits = bits[4 * best_state + 2]
    heuristic = 1.0 / states[best_state].heuristic
    likelihood = states[best_state].heuristic / best
    beam.scale -= np.log(likelihood)
    beam.half = 1 - beam.half
    other = beam.half * beam.room
    for word in range(words):
        any_fired[word] = np.uint64(0)
    kept = 0
    for state in range(first, first + beam.num_states):
        if not states[state].rank >= best * beam.spread:
            continue
        bucket = min((best_bits - bits[4 * state + 2]) >> BUCKET_SHIFT, NUM_BUCKETS - 1)
        place = counts[bucket]
        counts[bucket] += 1
        if place >= beam.width:
            continue
        kept += 1
        place += other
        states[place].likelihood = states[state].likelihood * likelihood
        states[place].heuristic = states[state].heuristic * heuristic
        states[place].rank = states[state].rank / best
        states[place].added = 0.0
        for word in range(words):
            keys[place * words + word] = keys[state * words + word]
            any_fired[word] |= keys[state * words + word]
    beam.num_states = kept
    beam.floor = beam.spread
    if kept == beam.width:
        beam.floor = max(beam.spread, beam.creation_threshold * states[other + kept - 1].rank)


@kernel
def unpack_shot(beam, shot, inverted):
    """Unpack a shot, without certain flips, to BEAM.fired.

    Args:
        beam: BEAM record; writes `fired`.
        shot: uint8 (bytes,).
        inverted: uint8 (bytes,): detectors that are always flipped.
    """
    fired = pool(beam, "fired")
    for detector in range(beam.num_detectors):
        byte = shot[detector >> 3] ^ inverted[detector >> 3]
        fired[detector] = (byte >> np.uint8(detector & 7)) & np.uint8(1)


@entry_point
def decode_selected(
    plans,
    beams,
    shots,
    inverted,
    selected,
    candidates,
    candidate_score,
    undetectable,
    undetectable_odds,
    flips,
    scores,
    opposites,
):
    """Find the most likely classes of each selected shot by sweeps of all plans.

    Args:
        plans: SWEEP records, one for each order.
        beams: one BEAM record; written.
        shots: uint8 (shots, bytes), bit-packed detection events.
        inverted: uint8 (bytes,): detectors that are always flipped.
        selected: int64 (selected,): indices of the shots.
        candidates: uint64 (selected, class words): observables of one error set of each shot.
        candidate_score: float64 (selected,): log of its odds, a lower bound of the class's score; -inf if
            there is none.
        undetectable: uint64 (m, class words): observables of the undetectable mechanisms.
        undetectable_odds: float64 (m,): their odds.
        flips: uint64 (selected, 2, class words), written: observables of the best class and the second.
        scores: float64 (selected, 2), written: their log-likelihoods relative to no error; -inf if none
            was found.
        opposites: float64 (selected, observables), written: scores of the best classes that differ in an
            observable from the best of all (no columns: not requested).

    Returns:
        OK.
    """
    beam = beams[0]
    keys, states = pool(beam, "keys"), pool(beam, "states")
    for index in range(len(selected)):
        unpack_shot(beam, shots[selected[index]], inverted)
        beam.num_classes = 0
        for number in range(len(plans)):
            plan = plans[number]
            run_sweep(plan, beam)
            first = beam.half * beam.room
            for state in range(first, first + beam.num_states):
                score = np.log(states[state].likelihood) + beam.scale
                record_class(beam, keys, state * beam.words + plan.open_words, score)
            if is_decided(beam):
                break
        if candidate_score[index] > -np.inf:
            record_class(beam, candidates[index], 0, candidate_score[index])
        for number in range(len(undetectable)):
            add_undetectable(beam, undetectable[number], undetectable_odds[number])
        choose_classes(beam, flips[index], scores[index])
        score_opposites(beam, flips[index, 0], opposites[index])
    return OK
