"""Sum-product belief propagation on error mechanisms and detectors, LANES shots at a time.

Serial schedule: detectors are updated one after the other, and odds change at once, so that one iteration
does the work of about two parallel ones (Higgott, Bohdanowicz, Kubica, Flammia and Campbell, PRX 13, 031007,
appendix). Iterations alternate forward and backward over the rows of detectors. Rows are ordered by
decreasing distance from a root, so the first two iterations are the upward and the downward pass that are
exact on trees of any diameter; further iterations change nothing there.

Beliefs are stored as odds p / (1 - p), so that they multiply, and messages of detectors as tanh(x / 2), x the
log-likelihood ratio: no exponential and no logarithm, and two divisions per link and iteration.
"""

import numpy as np

from decoders.belief_matching.kernels.simd import (
    LANES,
    apply_sign,
    broadcast,
    load,
    logarithm,
    maximum,
    minimum,
    select,
    store,
    store_even,
)
from decoders.kernels.jit import kernel
from decoders.kernels.records import pool

# Limit of messages, odds of a million to one, which keeps float32 far from overflow.
_LARGEST_MESSAGE = np.float32(1 - 2**-20)
_LEAST_ODDS, _MAX_ODDS = np.float32(1e-30), np.float32(1e30)
_LEAST_CHANCE = np.float32(1e-14)
#: Integer weights of edges are this many times -log of their chances, at most 2.2 million.
SCALE = np.float32(1 << 16)
# Rows between two tests whether any lane can still be explained, minus one.
_STRIDE = 15
_ONE, _NONE = np.float32(1), np.float32(0)


@kernel
def reset_beliefs(tanner, belief):
    """Reset the odds to the priors, clear all events, and activate all lanes."""
    odds, prior, signs = pool(belief, "odds"), pool(tanner, "prior"), pool(belief, "signs")
    one = broadcast(_ONE)
    for mechanism in range(tanner.num_mechanisms):
        store(odds, mechanism, broadcast(prior[mechanism]))
    for detector in range(tanner.num_detectors):
        store(signs, detector, one)
    store(pool(belief, "active"), 0, one)


@kernel
def run_first_iteration(tanner, belief):
    """Run the first iteration: update all odds from the priors, rows forward, in all lanes.

    Writes BELIEF.odds, messages; `before` and `differences` are scratch.
    """
    links, mechanisms = pool(tanner, "links"), pool(tanner, "mechanisms")
    odds, messages = pool(belief, "odds"), pool(belief, "messages")
    signs, before, differences = pool(belief, "signs"), pool(belief, "before"), pool(belief, "differences")
    one, largest, smallest = broadcast(_ONE), broadcast(_LARGEST_MESSAGE), broadcast(-_LARGEST_MESSAGE)
    least, most = broadcast(_LEAST_ODDS), broadcast(_MAX_ODDS)
    for detector in range(tanner.num_detectors):
        first, size = np.int64(links[detector]), np.int64(links[detector + 1] - links[detector])
        product = load(signs, detector)
        for at in range(size):
            value = load(odds, np.int64(mechanisms[first + at]))
            difference = (one - value) / (one + value)  # 1 - 2p
            store(before, at, product)
            store(differences, at, difference)
            product = product * difference
        product = one
        for at in range(size - 1, -1, -1):
            mechanism = np.int64(mechanisms[first + at])
            message = minimum(maximum(load(before, at) * product, smallest), largest)
            product = product * load(differences, at)
            new = load(odds, mechanism) * (one - message) / (one + message)
            store(messages, first + at, message)
            store(odds, mechanism, minimum(maximum(new, least), most))


@kernel
def run_iteration(tanner, belief, number):
    """Run one iteration in the active lanes, rows forward if `number` is odd.

    Writes BELIEF.odds, messages; `before` and `differences` are scratch.
    """
    links, mechanisms = pool(tanner, "links"), pool(tanner, "mechanisms")
    odds, messages = pool(belief, "odds"), pool(belief, "messages")
    signs, before, differences = pool(belief, "signs"), pool(belief, "before"), pool(belief, "differences")
    one, largest, smallest = broadcast(_ONE), broadcast(_LARGEST_MESSAGE), broadcast(-_LARGEST_MESSAGE)
    least, most = broadcast(_LEAST_ODDS), broadcast(_MAX_ODDS)
    active = load(pool(belief, "active"), 0)
    for place in range(tanner.num_detectors):
        detector = place if number & 1 else tanner.num_detectors - 1 - place
        first, size = np.int64(links[detector]), np.int64(links[detector + 1] - links[detector])
        product = load(signs, detector)
        for at in range(size):
            previous = load(messages, first + at)
            against = one - previous
            # The odds without this detector's own message are in_favour / against.
            in_favour = load(odds, np.int64(mechanisms[first + at])) * (one + previous)
            difference = (against - in_favour) / (against + in_favour)  # 1 - 2p
            store(before, at, product)
            store(differences, at, difference)
            product = product * difference
        product = one
        for at in range(size - 1, -1, -1):
            mechanism = np.int64(mechanisms[first + at])
            previous, old = load(messages, first + at), load(odds, mechanism)
            message = minimum(maximum(load(before, at) * product, smallest), largest)
            product = product * load(differences, at)
            new = old * ((one + previous) * (one - message)) / ((one - previous) * (one + message))
            store(messages, first + at, message)
            store(odds, mechanism, select(active, minimum(maximum(new, least), most), old))


@kernel
def deactivate_explained_lanes(tanner, belief):
    """Deactivate lanes in which the mechanisms of odds above 1 explain all events; return whether any stays.

    Writes BELIEF.active; `before` is scratch.
    """
    links, mechanisms = pool(tanner, "links"), pool(tanner, "mechanisms")
    odds, signs = pool(belief, "odds"), pool(belief, "signs")
    active, scratch = pool(belief, "active"), pool(belief, "before")
    one, none = broadcast(_ONE), broadcast(_NONE)
    before = load(active, 0)
    # An inactive lane cannot become active again.
    worst = select(before, one, none - one)
    for detector in range(tanner.num_detectors):
        parity = load(signs, detector)
        for link in range(links[detector], links[detector + 1]):
            parity = apply_sign(parity, one - load(odds, np.int64(mechanisms[link])))
        worst = minimum(worst, parity)
        if detector & _STRIDE == _STRIDE:
            store(scratch, 0, worst)
            any_left = False
            for lane in range(LANES):
                any_left = any_left or scratch[lane] > 0
            if not any_left:
                return True
    store(active, 0, select(worst, none, before))
    left = False
    for lane in range(LANES):
        left = left or active[lane] > 0
    return left


@kernel
def average_posteriors(tanner, belief, number):
    """Update the mean of the probabilities over iterations 2 to `number` in the active lanes.

    Beliefs that do not converge oscillate between explanations: their mean is more informative than their
    last value. The first iteration is excluded unless it is the only one. Writes BELIEF.posteriors.
    """
    odds, posteriors, one = pool(belief, "odds"), pool(belief, "posteriors"), broadcast(_ONE)
    active = load(pool(belief, "active"), 0)
    part = _ONE / np.float32(max(1, number - 1))
    new, kept = broadcast(part), broadcast(_ONE - part)
    for mechanism in range(tanner.num_mechanisms):
        value, mean = load(odds, mechanism), load(posteriors, mechanism)
        store(posteriors, mechanism, select(active, value / (one + value) * new + mean * kept, mean))


@kernel
def store_final_posteriors(tanner, belief):
    """Write the probabilities after the last iteration to BELIEF.posteriors in the inactive lanes."""
    odds, posteriors, one = pool(belief, "odds"), pool(belief, "posteriors"), broadcast(_ONE)
    active = load(pool(belief, "active"), 0)
    for mechanism in range(tanner.num_mechanisms):
        value, mean = load(odds, mechanism), load(posteriors, mechanism)
        store(posteriors, mechanism, select(active, mean, value / (one + value)))


@kernel
def num_active(belief):
    """Count the active lanes."""
    active = pool(belief, "active")
    count = 0
    for lane in range(LANES):
        count += active[lane] > 0
    return count


@kernel
def propagate(tanner, belief, max_sweeps, may_stop):
    """Iterate until all events of every lane are explained, or `max_sweeps` times.

    Afterwards BELIEF.posteriors has the mean probabilities in the lanes that are still active;
    `store_final_posteriors` writes those of the others. With `may_stop`, stop also when restarting the
    active lanes later in full vectors costs less than continuing with the other lanes idle.

    Returns:
        Whether it stopped for that reason; active lanes then have no result.
    """
    for number in range(1, max_sweeps + 1):
        if number == 1:
            run_first_iteration(tanner, belief)
        else:
            run_iteration(tanner, belief, number)
        if not deactivate_explained_lanes(tanner, belief):
            break
        if may_stop and num_active(belief) * max_sweeps < (max_sweeps - number) * LANES:
            return True
        if number > 1 or max_sweeps == 1:
            average_posteriors(tanner, belief, number)
    return False


@kernel
def weigh_edges(tanner, belief):
    """Compute integer edge weights -log(q) * SCALE, even and not negative.

    q is the sum of the probabilities of all mechanisms that flip the edge, as in the authors'
    `beliefmatching`; it is measurably better than log((1 - q) / q). Writes BELIEF.weights.
    """
    posteriors, weights = pool(belief, "posteriors"), pool(belief, "weights")
    start, shared_by, share = pool(tanner, "shares_start"), pool(tanner, "shared_by"), pool(tanner, "share")
    one, scale, least = broadcast(_ONE), broadcast(SCALE / np.float32(2)), broadcast(_LEAST_CHANCE)
    for edge in range(tanner.num_edges):
        chance = least
        for at in range(start[edge], start[edge + 1]):
            chance = chance + load(posteriors, np.int64(shared_by[at])) * broadcast(share[at])
        store_even(weights, edge, logarithm(one / minimum(chance, one)) * scale)
