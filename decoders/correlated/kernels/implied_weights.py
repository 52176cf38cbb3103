"""What a first matching implies: edges that are more likely beside those found, and so shorter.

A second matching is needed only where that matters. The first one's dual solution gives every point of the
graph a potential: how far the regions around it reach beyond it. A matching stays optimal when the weights
of its own edges fall, for no other edge set can fall by more; and when an edge that it does not use stays at
least as heavy as the potentials of its two ends together, for then the regions fit on it as before. If it
does not, but only one region is near, that region reaches farther than before, and all is well as long
as it comes to no other.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FAR,
    IS_WATCHED,
    NONE,
    NOT_LOWERED,
    NOT_SEEN,
    NOT_USED,
    PAIRED,
)
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import mate_entry, mate_path
from decoders.matching.kernels.dijkstra import ball_end, ball_next, ball_start


@kernel
def implied_by(graph, work, edge):
    """Where in `implied` the entries of an edge begin, and where those end that matter at present."""
    starts = pool(graph, "implied_start")
    if work.only_flips:
        return np.int64(starts[edge]), np.int64(pool(graph, "implied_watched")[edge])
    return np.int64(starts[edge]), np.int64(starts[edge + 1])


@kernel
def leave_out(graph, work, count):
    """Note which events lie where a second matching can flip nothing, if only flips are asked for."""
    events, detectors, limits = pool(work, "events"), pool(graph, "detectors"), pool(work, "limits")
    for index in range(count):
        watched = detectors[events[index].detector].flips & IS_WATCHED
        limits[index].is_left_out = work.only_flips != 0 and watched == 0


@kernel
def list_edges(graph, work, count, everything):
    """List the edges of the present matching in `seen`, with their weights in `prices`.

    Unless everything is asked for, those of events that are left out are not.
    """
    path, prices, seen = pool(work, "path"), pool(work, "prices"), pool(work, "seen")
    weights = pool(graph, "weights")
    limits, lowered, used_by = pool(work, "limits"), pool(work, "lowered"), pool(work, "used_by")
    for index in range(count):
        limits[index].cut = 0
        limits[index].is_cut = 0
        limits[index].shift = 0
        if limits[index].is_left_out and not everything:
            continue
        for at in range(mate_path(graph, work, index)):
            edge = path[at]
            if prices[edge] == NOT_SEEN:
                seen[work.num_seen] = edge
                work.num_seen += 1
            used_by[edge] = index
            prices[edge] = min(weights[edge], lowered[edge]) if prices[edge] < 0 else NOT_USED


@kernel
def forget_edges(work):
    """Empty the list of edges."""
    prices, seen = pool(work, "prices"), pool(work, "seen")
    for at in range(work.num_seen):
        prices[seen[at]] = NOT_SEEN
    work.num_seen = 0


@kernel
def keep_first_edges(work):
    """Remember the edges listed: they imply what they imply whatever is matched later."""
    prices, seen, first_edges = pool(work, "prices"), pool(work, "seen"), pool(work, "first_edges")
    count = 0
    for at in range(work.num_seen):
        if prices[seen[at]] >= 0:
            first_edges[count] = seen[at]
            count += 1
    work.num_first = count


@kernel
def keep_observed_edges(graph, work):
    """Remember those of the edges listed that all solutions of the syndrome contain."""
    seen, first_edges, observed = pool(work, "seen"), pool(work, "first_edges"), pool(graph, "observed")
    prices = pool(work, "prices")
    count = 0
    for at in range(work.num_seen):
        if prices[seen[at]] >= 0 and observed[seen[at]]:
            first_edges[count] = seen[at]
            count += 1
    work.num_first = count


@kernel
def lower_prices(graph, work):
    """Lower the prices of edges in use as the first edges imply; the regions around them shrink with them.

    Returns whether any falls.
    """
    implied, limits = pool(graph, "implied"), pool(work, "limits")
    prices, first_edges, used_by = pool(work, "prices"), pool(work, "first_edges"), pool(work, "used_by")
    any_falls = False
    for at in range(work.num_first):
        first, last = implied_by(graph, work, first_edges[at])
        for entry in range(first, last):
            other = implied[entry]
            saved = prices[other.edge] - other.weight
            if saved > 0:
                limits[used_by[other.edge]].cut += saved
                prices[other.edge] = other.weight
                work.weight -= saved
                any_falls = True
    return any_falls


@kernel
def own_dual(work, index):
    """The part of an event's radius that is not shared with other events of its blossom."""
    event = pool(work, "events")[index]
    return event.radius if event.top == index else pool(work, "nodes")[index].dual


@kernel
def share_cuts(work, count):
    """An event and its mate share what their way has become shorter by, if their own duals are enough."""
    events, halves, limits = pool(work, "events"), pool(work, "halves"), pool(work, "limits")
    for index in range(count):
        cut = limits[index].cut
        mate = events[index].mate
        if cut == 0 or (mate != AT_BOUNDARY and mate_entry(work, index) == -2):
            continue  # the other event of the pair holds the cut of both
        ours = own_dual(work, index)
        theirs = np.int64(0)
        if mate != AT_BOUNDARY:
            mate = (PAIRED - mate) >> 1 if mate <= PAIRED else halves[mate].to
            theirs = own_dual(work, mate)
        if cut > ours + theirs:
            limits[index].cut = 0
            continue
        if mate != AT_BOUNDARY:
            share = np.int64(np.float64(cut) * np.float64(ours) / np.float64(ours + theirs))
            share = max(min(share, ours, cut), cut - theirs)
            limits[index].cut = share
            limits[mate].cut = cut - share
        limits[index].is_cut = 1


@kernel
def raise_potential(work, detector, height, owner):
    """A region reaches so far beyond a detector."""
    cover = pool(work, "covers")[detector]
    if cover.potential == 0 and cover.centre == NONE:
        pool(work, "covered")[work.num_covered] = detector
        work.num_covered += 1
    cover.owner = owner
    cover.potential = max(cover.potential, height)


@kernel
def spread(graph, work, detector, height, owner):
    """A region reaches so far beyond a detector, and from there over others."""
    near, cover, ball = pool(graph, "near"), pool(work, "covers")[detector], pool(work, "ball_nodes")
    raise_potential(work, detector, height, owner)
    cover.centre = max(cover.centre, height)
    work.farthest = max(work.farthest, height)
    around = pool(graph, "detectors")[detector]
    if height > around.radius:
        ball_start(work, detector)
        there = ball_next(graph, work)
        while there >= 0 and ball[there].distance < height:
            raise_potential(work, there, height - ball[there].distance, owner)
            there = ball_next(graph, work)
        ball_end(work)
        return
    at = around.first
    while at < around.last and (near[at].span & ~1) < height:
        raise_potential(work, detector + near[at].detector, height - (near[at].span & ~1), owner)
        at += 1


@kernel
def cover_all(graph, work, count):
    """Note how the present matching's regions cover detectors, but not what they cover past active edges."""
    events, limits = pool(work, "events"), pool(work, "limits")
    work.farthest = 0
    work.num_raised = 0
    for index in range(count):
        event = events[index]
        if limits[index].is_left_out == 0:
            radius = event.radius - limits[index].cut + limits[index].shift
            spread(graph, work, event.detector, radius, event.top)


@kernel
def forget_cover(work):
    """No detector is covered."""
    covers, covered = pool(work, "covers"), pool(work, "covered")
    for at in range(work.num_covered):
        covers[covered[at]].potential = 0
        covers[covered[at]].centre = NONE
    work.num_covered = 0


@kernel
def activate(graph, work, edge, weight):
    """Make the way between an edge's ends as short as its new weight, from now on."""
    lowered, active, lowered_as = pool(work, "lowered"), pool(work, "active"), pool(work, "lowered_as")
    slot = np.int64(pool(graph, "slots")[edge])
    if weight >= lowered[slot]:
        return
    if lowered[slot] == NOT_LOWERED:
        active[work.num_active] = slot
        work.num_active += 1
    else:
        lowered[lowered_as[slot]] = NOT_LOWERED
    work.num_lowered += 1
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
    """Make the lighter edges through which a region (NONE: any) reaches farther active."""
    implied, raised = pool(graph, "implied"), pool(work, "raised")
    for at in range(work.num_raised):
        if owner == NONE or raised[at].owner == owner:
            other = implied[raised[at].entry]
            activate(graph, work, np.int64(other.edge), np.int64(other.weight))


@kernel
def overreach(graph, work, detector, height, owner, mate):
    """How far a region that reaches so far beyond a detector overlaps others but its mate's, or the boundary.

    FAR if the neighbour list does not tell.
    """
    detectors, near, covers = pool(graph, "detectors"), pool(graph, "near"), pool(work, "covers")
    around = detectors[detector]
    here = covers[detector]
    most = max(0, height - around.boundary)
    if here.centre != NONE and here.owner != owner and here.owner != mate:
        most = max(most, height + here.centre)
    limit = height + work.farthest
    if limit > around.radius:
        return FAR
    at = around.first
    while at < around.last and (near[at].span & ~1) < limit:
        there = covers[detector + near[at].detector]
        if there.centre != NONE and there.owner != owner and there.owner != mate:
            most = max(most, height + there.centre - (near[at].span & ~1))
        at += 1
    return most


@kernel
def shift(graph, work, index, excess):
    """Shrink an event's region and let that of its mate grow, which proves as much, if there is room."""
    if work.may_shift == 0 or index >= work.max_events or excess >= FAR:
        return False
    events, limits = pool(work, "events"), pool(work, "limits")
    mate = events[index].mate
    if mate == AT_BOUNDARY:
        return False
    mate = (PAIRED - mate) >> 1 if mate <= PAIRED else pool(work, "halves")[mate].to
    if events[mate].top != mate:
        return False
    if events[index].radius - limits[index].cut + limits[index].shift < excess:
        return False
    height = events[mate].radius - limits[mate].cut + limits[mate].shift + excess
    if overreach(graph, work, events[mate].detector, height, mate, index) > 0:
        return False
    limits[index].shift -= excess
    limits[mate].shift += excess
    pool(work, "covers")[events[mate].detector].centre = height
    work.farthest = max(work.farthest, height)
    work.num_shifts += 1
    return True


@kernel
def overlap(graph, work, entry):
    """What a lighter edge does to the regions; its weight is less than the potentials of its ends together.

    If only one region is near, it reaches farther, which may bring it to the next lighter edge (returns
    true). Otherwise a region withdraws in favour of its mate's, or else the edge becomes active.
    """
    covers, implied = pool(work, "covers"), pool(graph, "implied")
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
        trusted = is_active and work.has_shifts == 0 and work.num_raised == 0
        excess = np.int64(0) if trusted else np.int64(overreach(graph, work, v, height, owner, owner))
        if excess == 0:
            if not is_active:
                if work.num_raised == work.max_raised:
                    work.overflow = 1
                    return False
                raised = pool(work, "raised")[work.num_raised]
                raised.entry = entry
                raised.owner = owner
                work.num_raised += 1
            spread(graph, work, v, height, owner)
            return True
    if shift(graph, work, owner, excess):
        return False
    meets = v < graph.num_detectors and covers[v].potential > 0 and covers[v].owner != owner
    if meets and shift(graph, work, covers[v].owner, excess):
        return False
    if is_active:
        if work.has_shifts != 0:
            work.shift_failed = 1
        else:
            activate_raised(graph, work, NONE)
        return False
    activate(graph, work, np.int64(other.edge), np.int64(other.weight))
    activate_raised(graph, work, owner)
    if meets:
        activate_raised(graph, work, covers[v].owner)
    return False


@kernel
def check_all(graph, work):
    """Look for overlaps on all implied edges; returns whether regions reach farther than before."""
    implied, covers, first_edges = pool(graph, "implied"), pool(work, "covers"), pool(work, "first_edges")
    farther = False
    for at in range(work.num_first):
        first, last = implied_by(graph, work, first_edges[at])
        for entry in range(first, last):
            other = implied[entry]
            if covers[other.u].potential + covers[other.v].potential > other.weight:
                farther = overlap(graph, work, np.int64(entry)) or farther
    return farther


@kernel
def lower(graph, work, count):
    """Make those of the implied edges active on which regions overlap; returns whether there are new ones."""
    limits = pool(work, "limits")
    num_lowered = work.num_lowered
    work.may_shift = 1
    work.has_shifts = 0
    tries = 0
    while True:
        work.num_shifts = 0
        work.shift_failed = 0
        while check_all(graph, work):  # a region that reaches farther may come to any other edge
            pass
        if work.num_lowered > num_lowered:  # also a parallel edge in place of one that is active already
            return True
        if work.num_shifts == 0 and work.shift_failed == 0:
            return False
        tries += 1
        work.has_shifts = 1
        work.may_shift = 1 if tries < 4 else 0
        if work.shift_failed:
            work.has_shifts = 0
            work.may_shift = 0
            for index in range(count):
                limits[index].shift = 0
        forget_cover(work)
        cover_all(graph, work, count)


@kernel
def add_up(graph, work):
    """Write what the edges listed flip and weigh to `flips` and `weight`."""
    prices, seen, flips = pool(work, "prices"), pool(work, "seen"), pool(work, "flips")
    edge_flips = pool(graph, "edge_flips")
    work.weight = graph.certain_weight
    width = graph.flip_bytes
    for at in range(work.num_seen):
        edge = seen[at]
        if prices[edge] >= 0:
            work.weight += prices[edge]
            for byte in range(width):
                flips[byte] ^= edge_flips[edge * width + byte]
