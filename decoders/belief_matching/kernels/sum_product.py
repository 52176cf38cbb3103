"""Belief propagation on the error mechanisms of a DEM and the detectors they flip, LANES shots at a time.

Sum-product with a serial schedule: detectors are updated one after the other, and odds change at once, so
that a sweep does the work of about two parallel rounds (Higgott, Bohdanowicz, Kubica, Flammia and Campbell,
PRX 13, 031007, appendix). Sweeps run forward and backward over the rows of detectors. Rows are ordered by
falling distance from a root, so the first two sweeps are the upward and the downward pass that are exact on
trees, whatever the diameter; further sweeps change nothing there.

Beliefs are kept as odds p / (1 - p), so that they multiply, and messages of detectors as tanh(x / 2), x the
log-likelihood ratio: no exponential and no logarithm, and two divisions for each link and sweep.
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

# Messages that say no more than this keep float32 far from its ends: odds of a million to one.
_SUREST = np.float32(1 - 2**-20)
_LEAST_ODDS, _MOST_ODDS = np.float32(1e-30), np.float32(1e30)
_LEAST_CHANCE = np.float32(1e-14)
#: Integer weights of edges are this many times -log of their chances, at most 2.2 million.
SCALE = np.float32(1 << 16)
# Rows between two looks at whether any lane can still be explained, less one.
_STRIDE = 15
_ONE, _NONE = np.float32(1), np.float32(0)


@kernel
def forget_beliefs(tanner, belief):
    """Back to the priors, no events in any lane, all lanes to be worked on."""
    odds, prior, signs = pool(belief, "odds"), pool(tanner, "prior"), pool(belief, "signs")
    one = spread(_ONE)
    for mechanism in range(tanner.num_mechanisms):
        store(odds, mechanism, spread(prior[mechanism]))
    for detector in range(tanner.num_detectors):
        store(signs, detector, one)
    store(pool(belief, "active"), 0, one)


@kernel
def first_sweep(tanner, belief):
    """Update the odds of every detector's mechanisms from the priors, rows forward; in all lanes."""
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
    """Update the odds of every detector's mechanisms in the active lanes, rows forward if `number` is odd."""
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
            # The odds without what this detector has said itself are for / against.
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
    """Deactivate lanes where the mechanisms of odds above 1 explain all events; say whether any stays."""
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
    """Update the mean of the probabilities over sweeps 2 to `number` in the active lanes.

    Beliefs that do not settle oscillate between explanations: their mean is worth more than their last
    value. The first sweep is left out unless it is the only one.
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
    """Write the probabilities after the last sweep in the lanes that are no longer active."""
    odds, chances, one = pool(belief, "odds"), pool(belief, "chances"), spread(_ONE)
    active = load(pool(belief, "active"), 0)
    for mechanism in range(tanner.num_mechanisms):
        has, mean = load(odds, mechanism), load(chances, mechanism)
        store(chances, mechanism, pick(active, mean, has / (one + has)))


@kernel
def num_active(belief):
    """Number of active lanes."""
    active = pool(belief, "active")
    count = 0
    for lane in range(LANES):
        count += active[lane] > 0
    return count


@kernel
def propagate(tanner, belief, max_sweeps, may_stop):
    """Sweep until all events of every active lane are explained, or `max_sweeps` times.

    Afterwards `chances` has the mean probabilities of mechanisms in the lanes that are still active;
    `note_settled` writes the others. With `may_stop`, stop also where it costs less to start the shots of the
    active lanes once more in full vectors than to go on with the others idle. Returns whether that is so;
    then active lanes have no result.
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
    """Integer weights of the edges, even and not negative: -log(q) * SCALE.

    q is the sum of the chances of all mechanisms that flip the edge, as in the authors' `beliefmatching`; it
    is measurably better than log((1 - q) / q).
    """
    chances, weights = pool(belief, "chances"), pool(belief, "weights")
    start, shared_by, share = pool(tanner, "shares_start"), pool(tanner, "shared_by"), pool(tanner, "share")
    one, scale, least = spread(_ONE), spread(SCALE / np.float32(2)), spread(_LEAST_CHANCE)
    for edge in range(tanner.num_edges):
        chance = least
        for at in range(start[edge], start[edge + 1]):
            chance = chance + load(chances, np.int64(shared_by[at])) * spread(share[at])
        store_even(weights, edge, logarithm(one / smaller(chance, one)) * scale)
