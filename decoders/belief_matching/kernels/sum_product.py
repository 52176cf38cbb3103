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
    larger,
    load,
    logarithm,
    pick,
    smaller,
    spread,
    store,
    store_even,
    turned,
)
from decoders.kernels.jit import kernel
from decoders.kernels.records import pool

# Limit of messages, odds of a million to one, which keeps float32 far from overflow.
_SUREST = np.float32(1 - 2**-20)
_LEAST_ODDS, _MOST_ODDS = np.float32(1e-30), np.float32(1e30)
_LEAST_CHANCE = np.float32(1e-14)
#: Integer weights of edges are this many times -log of their chances, at most 2.2 million.
SCALE = np.float32(1 << 16)
# Rows between two tests whether any lane can still be explained, minus one.
_STRIDE = 15
_ONE, _NONE = np.float32(1), np.float32(0)


@kernel
def forget_beliefs(tanner, belief):
    """Reset the odds to the priors, clear all events, and activate all lanes."""
    odds, prior, signs = pool(belief, "odds"), pool(tanner, "prior"), pool(belief, "signs")
    one = spread(_ONE)
    for mechanism in range(tanner.num_mechanisms):
        store(odds, mechanism, spread(prior[mechanism]))
    for detector in range(tanner.num_detectors):
        store(signs, detector, one)
    store(pool(belief, "active"), 0, one)


@kernel
def first_sweep(tanner, belief):
    """Run the first iteration: update all odds from the priors, rows forward, in all lanes.

    Writes BELIEF.odds, messages; `before` and `differences` are scratch.
    """
    links, mechanisms = pool(tanner, "links"), pool(tanner, "mechanisms")
    odds, messages = pool(belief, "odds"), pool(belief, "messages")
    signs, before, differences = pool(belief, "signs"), pool(belief, "before"), pool(belief, "differences")
    one, surest, unsurest = spread(_ONE), spread(_SUREST), spread(-_SUREST)
    least, most = spread(_LEAST_ODDS), spread(_MOST_ODDS)
    for detector in range(tanner.num_detectors):
        first, size = np.int64(links[detector]), np.int64(links[detector + 1] - links[detector])
        product = load(signs, detector)
        for at in range(size):
            has = load(odds, np.int64(mechanisms[first + at]))
            difference = (one - has) / (one + has)  # 1 - 2p
            store(before, at, product)
            store(differences, at, difference)
            product = product * difference
        product = one
        for at in range(size - 1, -1, -1):
            mechanism = np.int64(mechanisms[first + at])
            says = smaller(larger(load(before, at) * product, unsurest), surest)
            product = product * load(differences, at)
            new = load(odds, mechanism) * (one - says) / (one + says)
            store(messages, first + at, says)
            store(odds, mechanism, smaller(larger(new, least), most))


@kernel
def sweep(tanner, belief, number):
    """Run one iteration in the active lanes, rows forward if `number` is odd.

    Writes BELIEF.odds, messages; `before` and `differences` are scratch.
    """
    links, mechanisms = pool(tanner, "links"), pool(tanner, "mechanisms")
    odds, messages = pool(belief, "odds"), pool(belief, "messages")
    signs, before, differences = pool(belief, "signs"), pool(belief, "before"), pool(belief, "differences")
    one, surest, unsurest = spread(_ONE), spread(_SUREST), spread(-_SUREST)
    least, most = spread(_LEAST_ODDS), spread(_MOST_ODDS)
    active = load(pool(belief, "active"), 0)
    for place in range(tanner.num_detectors):
        detector = place if number & 1 else tanner.num_detectors - 1 - place
        first, size = np.int64(links[detector]), np.int64(links[detector + 1] - links[detector])
        product = load(signs, detector)
        for at in range(size):
            said = load(messages, first + at)
            against = one - said
            # The odds without this detector's own message are in_favour / against.
            in_favour = load(odds, np.int64(mechanisms[first + at])) * (one + said)
            difference = (against - in_favour) / (against + in_favour)  # 1 - 2p
            store(before, at, product)
            store(differences, at, difference)
            product = product * difference
        product = one
        for at in range(size - 1, -1, -1):
            mechanism = np.int64(mechanisms[first + at])
            said, old = load(messages, first + at), load(odds, mechanism)
            says = smaller(larger(load(before, at) * product, unsurest), surest)
            product = product * load(differences, at)
            new = old * ((one + said) * (one - says)) / ((one - said) * (one + says))
            store(messages, first + at, says)
            store(odds, mechanism, pick(active, smaller(larger(new, least), most), old))


@kernel
def rest_explained(tanner, belief):
    """Deactivate lanes in which the mechanisms of odds above 1 explain all events; return whether any stays.

    Writes BELIEF.active; `before` is scratch.
    """
    links, mechanisms = pool(tanner, "links"), pool(tanner, "mechanisms")
    odds, signs = pool(belief, "odds"), pool(belief, "signs")
    active, scratch = pool(belief, "active"), pool(belief, "before")
    one, none = spread(_ONE), spread(_NONE)
    before = load(active, 0)
    # An inactive lane cannot become active again.
    worst = pick(before, one, none - one)
    for detector in range(tanner.num_detectors):
        parity = load(signs, detector)
        for link in range(links[detector], links[detector + 1]):
            parity = turned(parity, one - load(odds, np.int64(mechanisms[link])))
        worst = smaller(worst, parity)
        if detector & _STRIDE == _STRIDE:
            store(scratch, 0, worst)
            any_left = False
            for lane in range(LANES):
                any_left = any_left or scratch[lane] > 0
            if not any_left:
                return True
    store(active, 0, pick(worst, none, before))
    left = False
    for lane in range(LANES):
        left = left or active[lane] > 0
    return left


@kernel
def note_chances(tanner, belief, number):
    """Update the mean of the probabilities over iterations 2 to `number` in the active lanes.

    Beliefs that do not converge oscillate between explanations: their mean is more informative than their
    last value. The first iteration is excluded unless it is the only one. Writes BELIEF.chances.
    """
    odds, chances, one = pool(belief, "odds"), pool(belief, "chances"), spread(_ONE)
    active = load(pool(belief, "active"), 0)
    part = _ONE / np.float32(max(1, number - 1))
    new, kept = spread(part), spread(_ONE - part)
    for mechanism in range(tanner.num_mechanisms):
        has, mean = load(odds, mechanism), load(chances, mechanism)
        store(chances, mechanism, pick(active, has / (one + has) * new + mean * kept, mean))


@kernel
def note_settled(tanner, belief):
    """Write the probabilities after the last iteration to BELIEF.chances in the inactive lanes."""
    odds, chances, one = pool(belief, "odds"), pool(belief, "chances"), spread(_ONE)
    active = load(pool(belief, "active"), 0)
    for mechanism in range(tanner.num_mechanisms):
        has, mean = load(odds, mechanism), load(chances, mechanism)
        store(chances, mechanism, pick(active, mean, has / (one + has)))


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

    Afterwards BELIEF.chances has the mean probabilities in the lanes that are still active; `note_settled`
    writes those of the others. With `may_stop`, stop also when restarting the active lanes later in full
    vectors costs less than continuing with the other lanes idle.

    Returns:
        Whether it stopped for that reason; active lanes then have no result.
    """
    for number in range(1, max_sweeps + 1):
        if number == 1:
            first_sweep(tanner, belief)
        else:
            sweep(tanner, belief, number)
        if not rest_explained(tanner, belief):
            break
        if may_stop and num_active(belief) * max_sweeps < (max_sweeps - number) * LANES:
            return True
        if number > 1 or max_sweeps == 1:
            note_chances(tanner, belief, number)
    return False


@kernel
def weigh_edges(tanner, belief):
    """Compute integer edge weights -log(q) * SCALE, even and not negative.

    q is the sum of the probabilities of all mechanisms that flip the edge, as in the authors'
    `beliefmatching`; it is measurably better than log((1 - q) / q). Writes BELIEF.weights.
    """
    chances, weights = pool(belief, "chances"), pool(belief, "weights")
    start, shared_by, share = pool(tanner, "shares_start"), pool(tanner, "shared_by"), pool(tanner, "share")
    one, scale, least = spread(_ONE), spread(SCALE / np.float32(2)), spread(_LEAST_CHANCE)
    for edge in range(tanner.num_edges):
        chance = least
        for at in range(start[edge], start[edge + 1]):
            chance = chance + load(chances, np.int64(shared_by[at])) * spread(share[at])
        store_even(weights, edge, logarithm(one / smaller(chance, one)) * scale)
