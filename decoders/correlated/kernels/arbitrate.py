"""Choose between two matchings of a shot that predict different flips, by the whole errors that give each.

The second matching adds up conditional weights as if they were independent: it may take two edges, each
likely given one edge of the first matching, though no error flips all three; or give up the very edges that
made others likely. So both matchings get the same measure: the weight of a light set of whole errors that
flips exactly their edges. Finding the lightest is a set-cover problem; a greedy choice is made here: start
with every edge flipped alone, then apply the error that saves most, as long as one saves anything.

An edge that an error flips counts as present if two edges of the matching flip the same together (D0 and D1
to the boundary instead of D0 D1): a matching cannot tell the two apart.

The edges in components without observables only say what is likely. The two matchings may differ there as
well, so each prediction is weighed with both versions and keeps the lighter result.

Only the edges around those in which the matchings differ are weighed: all others have no error in common with
them, and weigh the same with both.
"""

import numpy as np

from decoders.correlated.kernels.implied_weights import forget_edges
from decoders.correlated.kernels.layout import second_of
from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import kernel
from decoders.kernels.layout import IS_RELEVANT, NONE, NOT_SEEN, NOT_USED
from decoders.kernels.records import pool

FIRST, SECOND = np.int64(0), np.int64(1)
#: Values of SECOND.used_by while whole errors are weighed.
COMMON, NEAR = np.int32(0), np.int32(1)


@kernel
def flips_like_first(graph, work):
    """Return whether `flips` are what the edges of the first matching flip."""
    second = second_of(work)
    flips, edge_flips = pool(work, "flips"), pool(graph, "edge_flips")
    first_edges = pool(second, "first_edges")
    certain = pool(graph, "certain_flips")
    for byte in range(graph.flip_bytes):
        flip = certain[byte] ^ flips[byte]
        for at in range(second.num_first):
            flip ^= edge_flips[first_edges[at] * graph.flip_bytes + byte]
        if flip != 0:
            return False
    return True


@kernel
def is_relevant(graph, edge):
    """Return whether an edge lies in a component that flips an observable."""
    return pool(graph, "detectors")[pool(graph, "ends")[2 * edge]].flips & IS_RELEVANT != 0


@kernel
def add_edge_to_set(graph, work, edge):
    """Add an edge to the set that is weighed."""
    second = second_of(work)
    ends, prices, seen = pool(graph, "ends"), pool(second, "prices"), pool(second, "seen")
    if prices[edge] == NOT_SEEN:
        incident_head, incident_next = pool(second, "incident_head"), pool(second, "incident_next")
        place = second.num_seen
        seen[place] = edge
        second.num_seen = place + 1
        for end in range(2):
            detector = ends[2 * edge + end]
            if detector >= 0:
                incident_next[2 * place + end] = incident_head[detector]
                incident_head[detector] = 2 * place + end
    prices[edge] = 0


@kernel
def clear_set(graph, work):
    """Empty the set that is weighed."""
    second = second_of(work)
    ends, seen, incident_head = pool(graph, "ends"), pool(second, "seen"), pool(second, "incident_head")
    for at in range(second.num_seen):
        for end in range(2):
            detector = ends[2 * seen[at] + end]
            if detector >= 0:
                incident_head[detector] = NONE
    forget_edges(work)


@kernel
def remove_from_set(work, edge):
    """Take an edge out of the set for the error that is being weighed."""
    second = second_of(work)
    pool(second, "prices")[edge] = NOT_USED
    pool(second, "changed")[second.num_removed] = edge
    second.num_removed += 1


@kernel
def flip_alike(graph, edge, one, other):
    """Return whether two edges together flip the observables that an edge flips."""
    flips, width = pool(graph, "edge_flips"), graph.flip_bytes
    for byte in range(width):
        if flips[edge * width + byte] != flips[one * width + byte] ^ flips[other * width + byte]:
            return False
    return True


@kernel
def edge_in_set(graph, work, detector, end, edge, one):
    """Find an edge of the set from a detector to an end that makes another edge with `one`; or NONE."""
    second = second_of(work)
    ends, prices, seen = pool(graph, "ends"), pool(second, "prices"), pool(second, "seen")
    incident_next = pool(second, "incident_next")
    at = pool(second, "incident_head")[detector]
    while at >= 0:
        other = seen[at >> 1]
        same_end = ends[2 * other + 1 - (at & 1)] == end
        if prices[other] >= 0 and other != one and same_end and flip_alike(graph, edge, one, other):
            return other
        at = incident_next[at]
    return NONE


@kernel
def remove_equivalent(graph, work, edge):
    """Remove the heaviest two edges of the set that flip what an edge flips.

    Returns the weight that they had alone, 0 if there are none.
    """
    second = second_of(work)
    ends, prices, seen = pool(graph, "ends"), pool(second, "prices"), pool(second, "seen")
    alone = pool(graph, "alone")
    incident_next = pool(second, "incident_next")
    u, v = np.int64(ends[2 * edge]), np.int64(ends[2 * edge + 1])
    most = np.int64(0)
    best_one, best_other = NONE, NONE
    at = pool(second, "incident_head")[u]
    while at >= 0:
        one = seen[at >> 1]
        middle = np.int64(ends[2 * one + 1 - (at & 1)])
        if prices[one] >= 0 and middle != v:
            # From v to where `one` leads, or, for an edge to a boundary, from there to it.
            start, end = (v, middle) if v >= 0 else (middle, v)
            if start >= 0:
                other = edge_in_set(graph, work, start, end, edge, one)
                if other >= 0 and np.int64(alone[one]) + alone[other] > most:
                    most = np.int64(alone[one]) + alone[other]
                    best_one, best_other = one, other
        at = incident_next[at]
    if best_one >= 0:
        remove_from_set(work, best_one)
        remove_from_set(work, best_other)
    return most


@kernel
def savings(graph, work, error, applies):
    """Return how much lighter an error makes the set; `applies`: also apply the error.

    Applied, the edges it adds to the set are the last `num_added` of `changed`.
    """
    second = second_of(work)
    errors, error_edges, alone = pool(graph, "errors"), pool(graph, "error_edges"), pool(graph, "alone")
    prices, changed = pool(second, "prices"), pool(second, "changed")
    first, last = errors[error].first, errors[error].last
    second.num_removed = 0
    second.num_added = 0
    total = -np.int64(errors[error].weight)
    for at in range(first, last):
        edge = np.int64(error_edges[at])
        if prices[edge] >= 0:
            total += alone[edge]
            remove_from_set(work, edge)
        else:
            second.num_added += 1
            changed[second.max_changed - second.num_added] = edge
    kept = np.int64(0)
    for at in range(second.num_added):
        edge = changed[second.max_changed - 1 - at]
        saved = remove_equivalent(graph, work, edge)
        total += saved
        if saved == 0:
            total -= alone[edge]
            kept += 1
            changed[second.max_changed - kept] = edge
    second.num_added = kept
    if not applies:
        for at in range(second.num_removed):
            prices[changed[at]] = 0
    return total


@kernel
def offer_errors(graph, work, edge, size):
    """Queue the errors with an edge of the set that make it lighter; returns the queue's size."""
    second = second_of(work)
    errors, error_edges = pool(graph, "errors"), pool(graph, "error_edges")
    starts = pool(graph, "errors_of_edge_start")
    prices, queue, of_edge = pool(second, "prices"), pool(work, "queue"), pool(graph, "errors_of_edge")
    for entry in range(starts[edge], starts[edge + 1]):
        error = np.int64(of_edge[entry])
        at = errors[error].first
        while prices[error_edges[at]] < 0:
            at += 1
        if error_edges[at] != edge:
            continue  # offered by an earlier edge of it
        saved = savings(graph, work, error, False)
        if saved > 0:
            if size == work.max_queue:
                work.overflow = 1
                return size
            size = push(queue, size, -saved, error)
    return size


@kernel
def explain_set(graph, work):
    """Return the weight of errors chosen greedily that flip the edges of the set, which they replace."""
    second = second_of(work)
    seen, prices, queue = pool(second, "seen"), pool(second, "prices"), pool(work, "queue")
    alone, changed = pool(graph, "alone"), pool(second, "changed")
    total = np.int64(0)
    size = np.int64(0)
    for at in range(second.num_seen):
        total += alone[seen[at]]
        size = offer_errors(graph, work, seen[at], size)
    while size > 0 and work.overflow == 0:
        error = queue[0].what
        size = drop_first(queue, size)
        saved = savings(graph, work, error, False)
        if saved <= 0:
            continue
        if size > 0 and saved < -queue[0].key:
            size = push(queue, size, -saved, error)  # other errors have taken edges of it
            continue
        total -= savings(graph, work, error, True)
        first = second.max_changed - second.num_added
        for at in range(first, second.max_changed):
            add_edge_to_set(graph, work, changed[at])
        # `changed` is written to while errors are weighed: the added edges are now the last ones in `seen`,
        # or, listed before, are looked up by the error itself.
        errors, error_edges = pool(graph, "errors"), pool(graph, "error_edges")
        for at in range(errors[error].first, errors[error].last):
            if prices[error_edges[at]] >= 0:
                size = offer_errors(graph, work, np.int64(error_edges[at]), size)
    return total


@kernel
def add_near(work, edge):
    """Weigh an edge that both matchings contain, since it is near one in which they differ."""
    second = second_of(work)
    is_near = pool(second, "used_by")
    if pool(second, "prices")[edge] >= 0 and is_near[edge] == COMMON:
        is_near[edge] = NEAR
        pool(second, "near")[second.num_near] = edge
        second.num_near += 1


@kernel
def add_incident(graph, work, edge):
    """Weigh the edges of both matchings that share a detector with an edge."""
    second = second_of(work)
    ends, seen = pool(graph, "ends"), pool(second, "seen")
    incident_head, incident_next = pool(second, "incident_head"), pool(second, "incident_next")
    for end in range(2):
        detector = ends[2 * edge + end]
        if detector >= 0:
            at = incident_head[detector]
            while at >= 0:
                add_near(work, seen[at >> 1])
                at = incident_next[at]


@kernel
def find_near_edges(graph, work):
    """Find the edges that decide which matching is likelier.

    Those are the edges of one matching alone, and all edges that are connected with them by errors, or by
    detectors. Writes SECOND.near and used_by: NEAR for these edges, COMMON for all others of the matchings.
    """
    second = second_of(work)
    prices, is_near, near = pool(second, "prices"), pool(second, "used_by"), pool(second, "near")
    first_edges, second_edges = pool(second, "first_edges"), pool(second, "second_edges")
    errors, error_edges = pool(graph, "errors"), pool(graph, "error_edges")
    starts, of_edge = pool(graph, "errors_of_edge_start"), pool(graph, "errors_of_edge")
    for at in range(second.num_first):
        add_edge_to_set(graph, work, first_edges[at])
        is_near[first_edges[at]] = NEAR
    for at in range(second.num_second):
        edge = second_edges[at]
        if prices[edge] >= 0:
            is_near[edge] = COMMON
        else:
            add_edge_to_set(graph, work, edge)
            is_near[edge] = NEAR
    second.num_near = 0
    for at in range(second.num_seen):
        edge = pool(second, "seen")[at]
        if is_near[edge] == NEAR:
            near[second.num_near] = edge
            second.num_near += 1
    done = 0
    while done < second.num_near:
        edge = near[done]
        done += 1
        add_incident(graph, work, edge)
        for entry in range(starts[edge], starts[edge + 1]):
            error = errors[of_edge[entry]]
            for at in range(error.first, error.last):
                other = np.int64(error_edges[at])
                if prices[other] >= 0:
                    add_near(work, other)
                else:
                    add_incident(graph, work, other)  # two of them may flip together what `other` flips
    clear_set(graph, work)


@kernel
def weigh_prediction(graph, work, relevant, elsewhere):
    """Weigh one matching's edges in relevant components, with those of one or the other elsewhere.

    Edges that `find_near_edges` did not find are left out.
    """
    second = second_of(work)
    is_near = pool(second, "used_by")
    edges = pool(second, "first_edges") if relevant == FIRST else pool(second, "second_edges")
    count = second.num_first if relevant == FIRST else second.num_second
    for at in range(count):
        if is_near[edges[at]] == NEAR and is_relevant(graph, edges[at]):
            add_edge_to_set(graph, work, edges[at])
    edges = pool(second, "first_edges") if elsewhere == FIRST else pool(second, "second_edges")
    count = second.num_first if elsewhere == FIRST else second.num_second
    for at in range(count):
        if is_near[edges[at]] == NEAR and not is_relevant(graph, edges[at]):
            add_edge_to_set(graph, work, edges[at])
    total = explain_set(graph, work)
    clear_set(graph, work)
    return total


@kernel
def keep_second_edges(work):
    """Append the listed edges to those of the second matching; the list is empty afterwards."""
    second = second_of(work)
    prices, seen, second_edges = pool(second, "prices"), pool(second, "seen"), pool(second, "second_edges")
    for at in range(second.num_seen):
        if prices[seen[at]] >= 0:
            second_edges[second.num_second] = seen[at]
            second.num_second += 1
    forget_edges(work)


@kernel
def flip_first(graph, work):
    """Write what the edges of the first matching flip to WORK.flips."""
    second = second_of(work)
    flips, edge_flips = pool(work, "flips"), pool(graph, "edge_flips")
    certain, first_edges = pool(graph, "certain_flips"), pool(second, "first_edges")
    for byte in range(graph.flip_bytes):
        flips[byte] = certain[byte]
        for at in range(second.num_first):
            flips[byte] ^= edge_flips[first_edges[at] * graph.flip_bytes + byte]


@kernel
def differ_elsewhere(graph, work):
    """Return whether the two matchings differ in components without observables."""
    second = second_of(work)
    first_edges, second_edges = pool(second, "first_edges"), pool(second, "second_edges")
    prices = pool(second, "prices")
    num_common = np.int64(0)
    num_first = np.int64(0)
    for at in range(second.num_first):
        if not is_relevant(graph, first_edges[at]):
            num_first += 1
            prices[first_edges[at]] = 0
    num_second = np.int64(0)
    for at in range(second.num_second):
        if not is_relevant(graph, second_edges[at]):
            num_second += 1
            if prices[second_edges[at]] == 0:
                num_common += 1
    for at in range(second.num_first):
        prices[first_edges[at]] = NOT_SEEN
    return num_common != num_first or num_common != num_second


@kernel
def is_first_likelier(graph, work):
    """Return whether errors explain the prediction of the first matching better than that of the second.

    They are in `first_edges` and `second_edges`; no edges may be listed.
    """
    find_near_edges(graph, work)
    first = weigh_prediction(graph, work, FIRST, FIRST)
    second = weigh_prediction(graph, work, SECOND, SECOND)
    if differ_elsewhere(graph, work):
        first = min(first, weigh_prediction(graph, work, FIRST, SECOND))
        second = min(second, weigh_prediction(graph, work, SECOND, FIRST))
    return first < second


@kernel
def weigh_first(graph, work):
    """Weigh the first matching's edges with the weights that they imply. No edges may be listed."""
    second = second_of(work)
    implied, starts, weights = pool(graph, "implied"), pool(graph, "implied_start"), pool(graph, "weights")
    first_edges, prices = pool(second, "first_edges"), pool(second, "prices")
    for at in range(second.num_first):
        prices[first_edges[at]] = weights[first_edges[at]]
    for at in range(second.num_first):
        for entry in range(starts[first_edges[at]], starts[first_edges[at] + 1]):
            other = implied[entry]
            if prices[other.edge] > other.weight:
                prices[other.edge] = other.weight
    total = np.int64(0)
    for at in range(second.num_first):
        total += prices[first_edges[at]]
        prices[first_edges[at]] = NOT_SEEN
    return total
