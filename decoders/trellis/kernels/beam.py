"""Sums over all sets of error mechanisms that explain a shot, one detector after the other, in a beam.

A state is what mechanisms chosen so far leave undone (detectors that must still be flipped) and the
observables that they flip. All choices that lead to the same state are one: their chances are added.
Without bounds this is exact; here only states of high rank are kept.
"""

import numpy as np

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import OK
from decoders.kernels.records import pool
from decoders.trellis.kernels.classes import add_hidden, choose_classes, enter_class, is_sure, score_opposites
from decoders.trellis.kernels.layout import BUCKET_SHIFT, IN_BUCKET, NUM_BUCKETS


@kernel
def sweep(plan, beam):
    """Sum over the errors of the shot in `fired`; leaves one state for every class of observables found."""
    start(plan, beam)
    steps, step_masks, hot = pool(plan, "steps"), pool(plan, "step_masks"), pool(beam, "hot")
    for number in range(plan.num_steps):
        step = steps[number]
        open_detectors(plan, beam, step)
        quiet = step.quiet < beam.spread
        for word in range(plan.open_words):
            quiet = quiet and step_masks[number * plan.open_words + word] & hot[word] == np.uint64(0)
        if quiet:
            continue  # the only state stays, and the detector is closed in all
        list_states(beam, step)
        for mechanism in range(step.first_mechanism, step.last_mechanism):
            decide(plan, beam, step, mechanism)
        close_detector(plan, beam, step, number)
        if beam.num_states == 0:
            return


@kernel
def start(plan, beam):
    """One state: nothing done."""
    states, keys, hot = pool(beam, "states"), pool(beam, "keys"), pool(beam, "hot")
    beam.half = 0
    beam.num_states = 1
    beam.scale = 0.0
    beam.floor = beam.spread
    beam.words = plan.words
    states[0].chance = 1.0
    states[0].hope = 1.0
    states[0].rank = 1.0
    states[0].gained = 0.0
    for word in range(plan.words):
        keys[word] = np.uint64(0)
        hot[word] = np.uint64(0)


@kernel
def open_detectors(plan, beam, step):
    """Give the step's new detectors a bit; of those that fired it is set in every state."""
    openings, fired, keys = pool(plan, "openings"), pool(beam, "fired"), pool(beam, "keys")
    hot = pool(beam, "hot")
    for at in range(step.first_new, step.last_new):
        opening = openings[at]
        if fired[opening.detector] != 0:
            first = beam.half * beam.room
            for state in range(first, first + beam.num_states):
                keys[state * beam.words + opening.word] ^= opening.bit
            hot[opening.word] |= opening.bit


@kernel
def list_states(beam, step):
    """Split the states by the event of the step's detector; they are in order of rank, and stay so."""
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
def decide(plan, beam, step, number):
    """Let every state take a mechanism or leave it."""
    mechanisms, links, hot = pool(plan, "mechanisms"), pool(plan, "links"), pool(beam, "hot")
    states = pool(beam, "states")
    with_event, without = pool(beam, "with_event"), pool(beam, "without")
    mechanism = mechanisms[number]
    most = mechanism.odds  # that any state's rank can be multiplied with
    for at in range(mechanism.first_link, mechanism.last_link):
        link = links[at]
        most *= link.despair if hot[link.word] & link.bit != np.uint64(0) else link.hope
    before, num_with, num_without = beam.num_states, beam.num_with, beam.num_without
    gained = False
    bound = most / mechanism.own
    if bound * beam.best_with >= beam.floor:
        for index in range(num_with):
            rank = states[with_event[index]].rank
            if rank * bound >= beam.floor:
                factor = 1.0 / mechanism.own
                if take(plan, beam, step, number, with_event[index], factor, factor):
                    gained = True
            elif index < beam.sorted_with and rank * bound * IN_BUCKET < beam.floor:
                break
    bound = most * mechanism.late
    if bound * beam.best_without >= beam.floor:
        for index in range(num_without):
            rank = states[without[index]].rank
            if rank * bound >= beam.floor:
                if take(plan, beam, step, number, without[index], mechanism.own, mechanism.late):
                    gained = True
            elif index < beam.sorted_without and rank * bound * IN_BUCKET < beam.floor:
                break
    if gained:
        add_gains(beam, step, before)


@kernel
def take(plan, beam, step, number, parent, factor, test_factor):
    """Let one state take a mechanism; whether a state that was there before gained by it."""
    mechanisms, links, masks = pool(plan, "mechanisms"), pool(plan, "links"), pool(plan, "masks")
    states, keys, table = pool(beam, "states"), pool(beam, "keys"), pool(beam, "table")
    hot = pool(beam, "hot")
    mechanism = mechanisms[number]
    words = beam.words
    hope = states[parent].hope
    for at in range(mechanism.first_link, mechanism.last_link):
        link = links[at]
        hope *= link.despair if keys[parent * words + link.word] & link.bit != np.uint64(0) else link.hope
    chance = states[parent].chance * mechanism.odds
    if not chance * hope * test_factor >= beam.floor:
        return False
    if beam.hashed == 0:
        fill_table(beam)
    slot = np.int64(
        mixed(keys, parent * words, masks, number * words, words) & np.uint64(beam.table_size - 1)
    )
    while table[slot].stamp == beam.stamp:
        state = table[slot].state
        same = True
        for word in range(words):
            same = same and keys[state * words + word] == (
                keys[parent * words + word] ^ masks[number * words + word]
            )
        if same:
            states[state].gained += chance
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
        hot[word] |= keys[state * words + word]
    states[state].chance = chance
    states[state].hope = hope * factor
    states[state].rank = chance * hope * factor
    states[state].gained = 0.0
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
def add_gains(beam, step, before):
    """Add what other states brought to the states that there were before this mechanism."""
    states, keys = pool(beam, "states"), pool(beam, "keys")
    first = beam.half * beam.room
    for state in range(first, first + before):
        if states[state].gained != 0.0:
            states[state].chance += states[state].gained
            states[state].gained = 0.0
            states[state].rank = states[state].chance * states[state].hope
            if keys[state * beam.words + step.word] & step.bit != np.uint64(0):
                beam.best_with = max(beam.best_with, states[state].rank)
            else:
                beam.best_without = max(beam.best_without, states[state].rank)


@kernel
def fill_table(beam):
    """Enter all states into the hash table."""
    keys, table = pool(beam, "keys"), pool(beam, "table")
    beam.stamp += 1
    beam.hashed = 1
    first = beam.half * beam.room
    last = np.uint64(beam.table_size - 1)
    for state in range(first, first + beam.num_states):
        slot = np.int64(mixed(keys, state * beam.words, keys, np.int64(-1), beam.words) & last)
        while table[slot].stamp == beam.stamp:
            slot = (slot + 1) & (beam.table_size - 1)
        table[slot].stamp = beam.stamp
        table[slot].state = state


@kernel
def mixed(keys, start, masks, mask, words):
    """A hash of the words of a state, with a mechanism's mask applied unless `mask` is negative."""
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
    """Give up states in which the step's detector is not explained, and all but the best of the others."""
    states, keys, counts = pool(beam, "states"), pool(beam, "keys"), pool(beam, "counts")
    bits = pool(beam, "rank_bits")
    changes, step_masks = pool(plan, "changes"), pool(plan, "step_masks")
    words = beam.words
    first = beam.half * beam.room
    best, best_state = 0.0, first
    for state in range(first, first + beam.num_states):
        if keys[state * words + step.word] & step.bit != np.uint64(0):
            states[state].rank = -1.0  # below any limit, even that of an infinite spread
            continue
        touched = np.uint64(0)
        for word in range(plan.open_words):
            touched |= keys[state * words + word] & step_masks[number * plan.open_words + word]
        if touched != np.uint64(0):
            for at in range(step.first_change, step.last_change):
                change = changes[at]
                if keys[state * words + change.word] & change.bit != np.uint64(0):
                    states[state].hope *= change.factor
        states[state].rank = states[state].chance * states[state].hope
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
    keep(beam, first, best, best_state)


@kernel
def keep(beam, first, best, best_state):
    """Copy the best states, in order, to the other half; the best gets rank one."""
    states, keys, counts = pool(beam, "states"), pool(beam, "keys"), pool(beam, "counts")
    bits = pool(beam, "rank_bits")
    hot = pool(beam, "hot")
    words = beam.words
    best_bits = bits[4 * best_state + 2]
    hope = 1.0 / states[best_state].hope
    chance = states[best_state].hope / best
    beam.scale -= np.log(chance)
    beam.half = 1 - beam.half
    other = beam.half * beam.room
    for word in range(words):
        hot[word] = np.uint64(0)
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
        states[place].chance = states[state].chance * chance
        states[place].hope = states[state].hope * hope
        states[place].rank = states[state].rank / best
        states[place].gained = 0.0
        for word in range(words):
            keys[place * words + word] = keys[state * words + word]
            hot[word] |= keys[state * words + word]
    beam.num_states = kept
    beam.floor = beam.spread
    if kept == beam.width:
        beam.floor = max(beam.spread, beam.pressure * states[other + kept - 1].rank)


@kernel
def load_shot(beam, shot, toggles):
    """Unpack a shot, without the detectors that always fire."""
    fired = pool(beam, "fired")
    for detector in range(beam.num_detectors):
        byte = shot[detector >> 3] ^ toggles[detector >> 3]
        fired[detector] = (byte >> np.uint8(detector & 7)) & np.uint8(1)


@entry_point
def sweep_shots(
    plans, beams, shots, toggles, chosen, known, known_score, hidden, hidden_odds, flips, scores, opposites
):
    """Find the most likely class of each chosen shot from all plans.

    Args:
        plans: SWEEP records, one for each order.
        beams: one BEAM record; written.
        shots: uint8 (shots, bytes), bit-packed detection events.
        toggles: uint8 (bytes,): detectors that are flipped for certain.
        chosen: int64 (chosen,): shots to sweep.
        known: uint64 (chosen, class words): observables of one error set of each shot.
        known_score: float64 (chosen,): log of its odds, a lower bound of the class's score; -inf if none is
            known.
        hidden: uint64 (m, class words): observables of the mechanisms that no detector sees.
        hidden_odds: float64 (m,): their odds.
        flips: uint64 (chosen, 2, class words): receives the observables of the best class and the second.
        scores: float64 (chosen, 2): receives their log-likelihoods relative to that of no error; -inf if
            none was found.
        opposites: float64 (chosen, observables): receives the scores of the best classes that differ in an
            observable from the best of all (no columns: not asked for).

    Returns:
        OK.
    """
    beam = beams[0]
    keys, states = pool(beam, "keys"), pool(beam, "states")
    for index in range(len(chosen)):
        load_shot(beam, shots[chosen[index]], toggles)
        beam.num_classes = 0
        for number in range(len(plans)):
            plan = plans[number]
            sweep(plan, beam)
            first = beam.half * beam.room
            for state in range(first, first + beam.num_states):
                score = np.log(states[state].chance) + beam.scale
                enter_class(beam, keys, state * beam.words + plan.open_words, score)
            if is_sure(beam):
                break
        if known_score[index] > -np.inf:
            enter_class(beam, known[index], 0, known_score[index])
        for number in range(len(hidden)):
            add_hidden(beam, hidden[number], hidden_odds[number])
        choose_classes(beam, flips[index], scores[index])
        score_opposites(beam, flips[index, 0], opposites[index])
    return OK
