"""Reweight edges conditionally on the edges of the first matching.

A second matching is needed only where the dual solution of the first becomes infeasible. The potential of a
detector is how far the regions that cover it reach beyond it. The first matching stays optimal if weights of
its own edges fall, because no other solution falls by more, and if an edge outside it keeps a weight of at
least the sum of the potentials of its ends, because the regions then fit on it as before. If the weight is
less, but only one region is near, that region reaches farther; the solution stays feasible as long as the
region meets no other. See docs/pages/second_matching.md.
"""

import numpy as np

from decoders.correlated.kernels.layout import second_of
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FAR,
    IS_RELEVANT,
    NONE,
    NOT_LOWERED,
    NOT_SEEN,
    NOT_USED,
    PAIRED,
)
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import mate_entry, mate_path
from decoders.matching.kernels.dijkstra import end_dijkstra, settle_next, start_dijkstra


@kernel
def implied_by(graph, work, edge):
    """Return the range of an edge's entries in `implied`; of the relevant ones if only flips are needed."""
    second = second_of(work)
    starts = pool(graph, "implied_start")
    if second.only_rest:
        return np.int64(pool(graph, "implied_relevant")[edge]), np.int64(starts[edge + 1])
    if second.only_flips:
        return np.int64(starts[edge]), np.int64(pool(graph, "implied_relevant")[edge])
    return np.int64(starts[edge]), np.int64(starts[edge + 1])


@kernel
def leave_out(graph, work, count):
    """Mark the events in components without observables as left out, if only flips are asked for.

    With `only_rest` all others are left out.
    """
    second = second_of(work)
    events, detectors, changes = pool(work, "events"), pool(graph, "detectors"), pool(second, "changes")
    present = pool(second, "present")
    second.num_present = 0
    for index in range(count):
        relevant = detectors[events[index].detector].flips & IS_RELEVANT
        is_rest = second.only_flips != 0 and relevant == 0
        changes[index].is_left_out = is_rest != (second.only_rest != 0)
        if changes[index].is_left_out == 0:
            present[second.num_present] = index
            second.num_present += 1


@kernel
def list_edges(graph, work, count, everything):
    """List the edges of the present matching in `seen`, with their weights in `prices`.

    Unless everything is asked for, those of events that are left out are not.
    """
    second = second_of(work)
    path, prices, seen = pool(work, "path"), pool(second, "prices"), pool(second, "seen")
    weights = pool(graph, "weights")
    changes, lowered, used_by = pool(second, "changes"), pool(work, "lowered"), pool(second, "used_by")
    present = pool(second, "present")
    if not everything:
        count = second.num_present
    for place in range(count):
        index = np.int64(place) if everything else present[place]
        changes[index].cut = 0
        changes[index].is_cut = 0
        changes[index].shift = 0
        for at in range(mate_path(graph, work, index)):
            edge = path[at]
            if prices[edge] == NOT_SEEN:
                seen[second.num_seen] = edge
                second.num_seen += 1
            used_by[edge] = index
            prices[edge] = min(weights[edge], lowered[edge]) if prices[edge] < 0 else NOT_USED


@kernel
def forget_edges(work):
    """Empty the list of edges."""
    second = second_of(work)
    prices, seen = pool(second, "prices"), pool(second, "seen")
    for at in range(second.num_seen):
        prices[seen[at]] = NOT_SEEN
    second.num_seen = 0


@kernel
def keep_first_edges(graph, work):
    """Keep the listed edges as those of the first matching; those that imply weights come first."""
    second = second_of(work)
    prices, seen, first_edges = pool(second, "prices"), pool(second, "seen"), pool(second, "first_edges")
    ends = pool(graph, "ends")
    count = 0
    for is_late in range(2):
        for at in range(second.num_seen):
            edge = seen[at]
            if prices[edge] >= 0 and (ends[2 * edge] >= graph.end_of_implying) == (is_late == 1):
                first_edges[count] = edge
                count += 1
        if is_late == 0:
            second.num_implying = count
    second.num_first = count


@kernel
def keep_observed_edges(graph, work):
    """Remember those of the edges listed that all solutions of the syndrome contain."""
    second = second_of(work)
    seen, first_edges, observed = pool(second, "seen"), pool(second, "first_edges"), pool(graph, "observed")
    prices = pool(second, "prices")
    count = 0
    for at in range(second.num_seen):
        if prices[seen[at]] >= 0 and observed[seen[at]]:
            first_edges[count] = seen[at]
            count += 1
    second.num_first = count
    second.num_implying = count


@kernel
def lower_prices(graph, work):
    """Lower the prices of edges in use as the first edges imply; the regions around them shrink with them.

    Returns whether any falls.
    """
    second = second_of(work)
    implied, changes = pool(graph, "implied"), pool(second, "changes")
    prices, first_edges, used_by = (
        pool(second, "prices"),
        pool(second, "first_edges"),
        pool(second, "used_by"),
    )
    any_falls = False
    for at in range(second.num_implying):
        first, last = implied_by(graph, work, first_edges[at])
        for entry in range(first, last):
            other = implied[entry]
            saved = prices[other.edge] - other.weight
            if saved > 0:
                changes[used_by[other.edge]].cut += saved
                prices[other.edge] = other.weight
                work.weight -= saved
                any_falls = True
    return any_falls


@kernel
def own_dual(work, index):
    """Return the part of an event's radius that is not shared with other events of its blossom."""
    event = pool(work, "events")[index]
    return event.radius if event.top == index else pool(work, "nodes")[index].dual


@kernel
def share_cuts(work):
    """Share the reduction of a path between its two events, if their own duals are large enough."""
    second = second_of(work)
    events, halves, changes = pool(work, "events"), pool(work, "halves"), pool(second, "changes")
    present = pool(second, "present")
    for at in range(second.num_present):
        index = present[at]
        cut = changes[index].cut
        mate = events[index].mate
        if cut == 0 or (mate != AT_BOUNDARY and mate_entry(work, index) == -2):
            continue  # the other event of the pair holds the cut of both
        ours = own_dual(work, index)
        theirs = np.int64(0)
        if mate != AT_BOUNDARY:
            mate = (PAIRED - mate) >> 1 if mate <= PAIRED else halves[mate].to
            theirs = own_dual(work, mate)
        if cut > ours + theirs:
            changes[index].cut = 0
            continue
        if mate != AT_BOUNDARY:
            share = np.int64(np.float64(cut) * np.float64(ours) / np.float64(ours + theirs))
            share = max(min(share, ours, cut), cut - theirs)
            changes[index].cut = share
            changes[mate].cut = cut - share
        changes[index].is_cut = 1


@kernel
def raise_potential(work, detector, height, owner):
    """Raise the potential of a detector to `height`: the region `owner` reaches at least so far beyond it."""
    second = second_of(work)
    cover = pool(second, "covers")[detector]
    if cover.potential == 0 and cover.centre == NONE:
        pool(second, "covered")[second.num_covered] = detector
        second.num_covered += 1
    cover.owner = owner
    cover.potential = max(cover.potential, height)


@kernel
def cover_ball(graph, work, detector, height, owner):
    """Cover the detectors within `height` of a detector by the region `owner`.

    Writes SECOND.covers, covered and farthest.
    """
    second = second_of(work)
    neighbours, cover, ball = (
        pool(graph, "neighbours"),
        pool(second, "covers")[detector],
        pool(work, "dijkstra_nodes"),
    )
    raise_potential(work, detector, height, owner)
    cover.centre = max(cover.centre, height)
    second.farthest = max(second.farthest, height)
    around = pool(graph, "detectors")[detector]
    if height > around.radius:
        start_dijkstra(work, detector)
        there = settle_next(graph, work)
        while there >= 0 and ball[there].distance < height:
            raise_potential(work, there, height - ball[there].distance, owner)
            there = settle_next(graph, work)
        end_dijkstra(work)
        return
    at = around.first
    while at < around.last and (neighbours[at].span & ~1) < height:
        raise_potential(work, detector + neighbours[at].detector, height - (neighbours[at].span & ~1), owner)
        at += 1


@kernel
def cover_detectors(graph, work):
    """Cover detectors by the regions of the present matching, as far as paths without active edges reach."""
    second = second_of(work)
    events, changes = pool(work, "events"), pool(second, "changes")
    second.farthest = 0
    second.num_raised = 0
    present = pool(second, "present")
    for at in range(second.num_present):
        index = present[at]
        event = events[index]
        radius = event.radius - changes[index].cut + changes[index].shift
        cover_ball(graph, work, event.detector, radius, event.top)


@kernel
def forget_cover(work):
    """Reset the cover: no region covers a detector."""
    second = second_of(work)
    covers, covered = pool(second, "covers"), pool(second, "covered")
    for at in range(second.num_covered):
        covers[covered[at]].potential = 0
        covers[covered[at]].centre = NONE
    second.num_covered = 0


@kernel
def activate_edge(graph, work, edge, weight):
    """Lower the weight of an edge for searches from now on, if no parallel edge is as light.

    Writes WORK.lowered, lowered_as and active.
    """
    second = second_of(work)
    lowered, active, lowered_as = pool(work, "lowered"), pool(work, "active"), pool(work, "lowered_as")
    slot = np.int64(pool(graph, "lightest_parallel")[edge])
    if weight >= lowered[slot]:
        return
    if lowered[slot] == NOT_LOWERED:
        active[work.num_active] = slot
        work.num_active += 1
    else:
        lowered[lowered_as[slot]] = NOT_LOWERED
    second.num_lowered += 1
    lowered[slot] = weight
    lowered_as[slot] = edge
    lowered[edge] = weight  # so that its price is known where it is not the lightest of the graph's


@kernel
def forget_active(work):
    """Give the edges lowered for the last shot their usual weights back."""
    lowered, active, lowered_as = pool(work, "lowered"), pool(work, "active"), pool(work, "lowered_as")
    for at in range(work.num_active):
        lowered[lowered_as[active[at]]] = NOT_LOWERED
        lowered[active[at]] = NOT_LOWERED
    work.num_active = 0


@kernel
def activate_raised(graph, work, owner):
    """Activate the lighter edges through which a region (NONE: any) reaches farther."""
    second = second_of(work)
    implied, raised = pool(graph, "implied"), pool(second, "raised")
    for at in range(second.num_raised):
        if owner == NONE or raised[at].owner == owner:
            other = implied[raised[at].entry]
            activate_edge(graph, work, np.int64(other.edge), np.int64(other.weight))


@kernel
def measure_overlap(graph, work, detector, height, owner, mate):
    """Return by how much a region overlaps other regions than its mate's, or the boundary.

    FAR if the neighbour list does not tell.
    """
    second = second_of(work)
    detectors, neighbours, covers = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(second, "covers"),
    )
    around = detectors[detector]
    here = covers[detector]
    most = max(0, height - around.boundary)
    if here.centre != NONE and here.owner != owner and here.owner != mate:
        most = max(most, height + here.centre)
    limit = height + second.farthest
    if limit > around.radius:
        return FAR
    at = around.first
    while at < around.last and (neighbours[at].span & ~1) < limit:
        there = covers[detector + neighbours[at].detector]
        if there.centre != NONE and there.owner != owner and there.owner != mate:
            most = max(most, height + there.centre - (neighbours[at].span & ~1))
        at += 1
    return most


@kernel
def shift_radius(graph, work, index, excess):
    """Shrink an event's region and grow its mate's by `excess`, if there is room; return whether there is.

    The sum of the duals, and so the lower bound on the weight, stays the same.
    """
    second = second_of(work)
    if second.may_shift == 0 or index >= work.max_events or excess >= FAR:
        return False
    events, changes = pool(work, "events"), pool(second, "changes")
    mate = events[index].mate
    if mate == AT_BOUNDARY:
        return False
    mate = (PAIRED - mate) >> 1 if mate <= PAIRED else pool(work, "halves")[mate].to
    if events[mate].top != mate:
        return False
    if events[index].radius - changes[index].cut + changes[index].shift < excess:
        return False
    height = events[mate].radius - changes[mate].cut + changes[mate].shift + excess
    if measure_overlap(graph, work, events[mate].detector, height, mate, index) > 0:
        return False
    changes[index].shift -= excess
    changes[mate].shift += excess
    pool(second, "covers")[events[mate].detector].centre = height
    second.farthest = max(second.farthest, height)
    second.num_shifts += 1
    return True


@kernel
def resolve_overlap(graph, work, entry):
    """Restore dual feasibility at an edge that is lighter than the sum of the potentials of its ends.

    If only one region is near, it reaches farther, which may bring it to the next lighter edge (returns
    true). Otherwise a region shrinks and its mate's grows, or else the edge becomes active.
    """
    second = second_of(work)
    covers, implied = pool(second, "covers"), pool(graph, "implied")
    other = implied[entry]
    u = np.int64(other.u)
    v = np.int64(other.v)
    if covers[u].potential < covers[v].potential:
        u, v = v, u
    owner = covers[u].owner
    is_active = pool(work, "lowered")[other.edge] <= other.weight
    height = covers[u].potential - other.weight
    is_one = v < graph.num_detectors and (covers[v].potential == 0 or covers[v].owner == owner)
    excess = height + covers[v].potential
    if is_one and height <= covers[v].potential and (owner < work.max_events or is_active):
        return False
    if is_one and owner >= work.max_events and not is_active:
        # What is inside a blossom's own shell must not meet through the edge either.
        shell = pool(work, "nodes")[owner].dual
        inside = max(covers[u].potential - shell, 0) + max(covers[v].potential - shell, 0)
        is_one = inside <= other.weight
        if is_one and height <= covers[v].potential:
            return False
    if is_one:
        # Unless shifted or reaching farther, the regions of the present matching fit on active edges.
        trusted = is_active and second.has_shifts == 0 and second.num_raised == 0
        excess = np.int64(0) if trusted else np.int64(measure_overlap(graph, work, v, height, owner, owner))
        if excess == 0:
            if not is_active:
                if second.num_raised == second.max_raised:
                    work.overflow = 1
                    return False
                raised = pool(second, "raised")[second.num_raised]
                raised.entry = entry
                raised.owner = owner
                second.num_raised += 1
            cover_ball(graph, work, v, height, owner)
            return True
    if shift_radius(graph, work, owner, excess):
        return False
    meets = v < graph.num_detectors and covers[v].potential > 0 and covers[v].owner != owner
    if meets and shift_radius(graph, work, covers[v].owner, excess):
        return False
    if is_active:
        if second.has_shifts != 0:
            second.shift_failed = 1
        else:
            activate_raised(graph, work, NONE)
        return False
    activate_edge(graph, work, np.int64(other.edge), np.int64(other.weight))
    activate_raised(graph, work, owner)
    if meets:
        activate_raised(graph, work, covers[v].owner)
    return False


@kernel
def resolve_overlaps(graph, work):
    """Resolve the overlaps on all implied edges; return whether regions reach farther than before."""
    second = second_of(work)
    implied, covers, first_edges = pool(graph, "implied"), pool(second, "covers"), pool(second, "first_edges")
    farther = False
    for at in range(second.num_implying):
        first, last = implied_by(graph, work, first_edges[at])
        for entry in range(first, last):
            other = implied[entry]
            if covers[other.u].potential + covers[other.v].potential > other.weight:
                farther = resolve_overlap(graph, work, np.int64(entry)) or farther
    return farther


@kernel
def lower_edges(graph, work):
    """Activate the implied edges on which regions overlap; return whether there are new ones."""
    second = second_of(work)
    changes = pool(second, "changes")
    num_lowered = second.num_lowered
    second.may_shift = 1
    second.has_shifts = 0
    tries = 0
    while True:
        second.num_shifts = 0
        second.shift_failed = 0
        while resolve_overlaps(graph, work):  # a region that reaches farther may come to any other edge
            pass
        if second.num_lowered > num_lowered:  # also a parallel edge in place of one that is active already
            return True
        if second.num_shifts == 0 and second.shift_failed == 0:
            return False
        tries += 1
        second.has_shifts = 1
        second.may_shift = 1 if tries < 4 else 0
        if second.shift_failed:
            second.has_shifts = 0
            second.may_shift = 0
            present = pool(second, "present")
            for at in range(second.num_present):
                changes[present[at]].shift = 0
        forget_cover(work)
        cover_detectors(graph, work)


@kernel
def sum_listed_edges(graph, work):
    """Add the observables and weights of the listed edges to WORK.flips and WORK.weight."""
    second = second_of(work)
    prices, seen, flips = pool(second, "prices"), pool(second, "seen"), pool(work, "flips")
    edge_flips = pool(graph, "edge_flips")
    work.weight = graph.certain_weight
    width = graph.flip_bytes
    for at in range(second.num_seen):
        edge = seen[at]
        if prices[edge] >= 0:
            work.weight += prices[edge]
            for byte in range(width):
                flips[byte] ^= edge_flips[edge * width + byte]
