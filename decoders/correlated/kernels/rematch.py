"""The second matching: only events near edges whose new weights matter are matched anew.

Edges are lowered ("active") when regions of the present matching overlap on them. The events whose regions
come to an active edge lose their partners and radii, together with their mates and blossoms, and search
again, past active edges too; all others keep their partners until a search comes to them. That is repeated
until no edge is left on which regions overlap; every round lowers more.
"""

import numpy as np

from decoders.correlated.kernels.arbitrate import flips_like_first
from decoders.correlated.kernels.implied_weights import (
    activate,
    add_up,
    cover_all,
    forget_active,
    forget_cover,
    forget_edges,
    implied_by,
    keep_first_edges,
    keep_observed_edges,
    leave_out,
    list_edges,
    lower,
    lower_prices,
    share_cuts,
)
from decoders.correlated.kernels.restart import free_events, match_chosen
from decoders.kernels.jit import kernel
from decoders.kernels.layout import DIFFERENT, FREE, FULL, NONE, OK, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.alternating_tree import find_partner
from decoders.matching.kernels.correction import mate_path
from decoders.matching.kernels.detours import close_portals, find_ways


@kernel
def nearest_portal(graph, work, index, reach):
    """How far it is from an event to the nearest end of an active edge, or how far there is none."""
    detectors, near, covers = pool(graph, "detectors"), pool(graph, "near"), pool(work, "covers")
    detector = pool(work, "events")[index].detector
    around = detectors[detector]
    if covers[detector].portal >= 0:
        return np.int64(0)
    at = around.first
    while at < around.last and near[at].span < reach:
        if covers[detector + near[at].detector].portal >= 0:
            return np.int64(near[at].span & ~1)
        at += 1
    return min(reach, around.radius)


@kernel
def choose(work, index):
    """An event is to be matched anew."""
    limits = pool(work, "limits")
    if limits[index].chosen == 0:
        limits[index].chosen = 1
        pool(work, "chosen")[work.num_chosen] = index
        work.num_chosen += 1


@kernel
def choose_companions(graph, work, index):
    """An event is matched anew together with its mate and its blossom; what its way saved, others may use."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    path = pool(work, "path")
    prices, weights = pool(work, "prices"), pool(graph, "weights")
    mate = events[index].mate
    for at in range(mate_path(graph, work, index)):
        edge = path[at]
        if 0 <= prices[edge] < weights[edge]:
            activate(graph, work, edge, np.int64(prices[edge]))
    if mate >= 0:
        choose(work, halves[mate].to)
    elif mate <= PAIRED:
        choose(work, (PAIRED - mate) >> 1)
    top = events[index].top
    if top >= work.max_events:
        event = nodes[top].first_leaf
        while event != nodes[top].last_leaf:
            choose(work, event)
            event = events[event].next_leaf
        choose(work, event)


@kernel
def is_chosen(work, detector):
    """Whether the region that covers a detector is one that will be given up."""
    cover, nodes = pool(work, "covers")[detector], pool(work, "nodes")
    if cover.potential == 0:
        return False
    event = cover.owner if cover.owner < work.max_events else nodes[cover.owner].first_leaf
    return pool(work, "limits")[event].chosen != 0


@kernel
def activate_around(graph, work):
    """Make edges active that regions to be given up reach: those to come are likely to overlap there."""
    implied, prices = pool(graph, "implied"), pool(work, "prices")
    covers, first_edges = pool(work, "covers"), pool(work, "first_edges")
    for at in range(work.num_first):
        first, last = implied_by(graph, work, first_edges[at])
        for entry in range(first, last):
            other = implied[entry]
            if (
                prices[other.edge] >= 0
                or covers[other.u].potential + covers[other.v].potential < other.weight
            ):
                continue
            if is_chosen(work, other.u) or is_chosen(work, other.v):
                activate(graph, work, np.int64(other.edge), np.int64(other.weight))


@kernel
def choose_events(graph, work, count):
    """Find the events to be matched anew, and how far which events have to look past active edges."""
    events, limits, active = pool(work, "events"), pool(work, "limits"), pool(work, "active")
    chosen, ends = pool(work, "chosen"), pool(graph, "ends")
    covers, detectors, near = pool(work, "covers"), pool(graph, "detectors"), pool(graph, "near")
    for index in range(count):
        limits[index].chosen = 0
        limits[index].is_last = 0
    work.num_chosen = 0
    is_wide = False
    at_edge = 0
    at_event = 0
    while at_edge < work.num_active:
        while at_edge < work.num_active:
            slot = active[at_edge]
            at_edge += 1
            for end in range(2):
                detector = ends[2 * slot + end]
                if detector >= 0:
                    covers[detector].portal = 0
        for index in range(count):
            if limits[index].chosen == 0 and limits[index].is_left_out == 0:
                radius = events[index].radius
                horizon = nearest_portal(graph, work, index, 2 * radius)
                limits[index].horizon = horizon
                if radius > horizon or (2 * radius > horizon == detectors[events[index].detector].radius):
                    choose(work, index)
        while at_event < work.num_chosen:
            at_event += 1
            choose_companions(graph, work, chosen[at_event - 1])
        if at_edge == work.num_active and not is_wide:
            is_wide = True
            activate_around(graph, work)
    for at in range(work.num_active):
        for end in range(2):
            detector = ends[2 * active[at] + end]
            if detector >= 0:
                covers[detector].portal = NONE
    # Events that begin anew have time to look farther while they grow.
    for index in range(count):
        limit = limits[index]
        reach = 2 * events[index].radius
        limit.must_look = limit.chosen != 0 or (limit.is_left_out == 0 and reach > limit.horizon)
        if limit.must_look:
            around = detectors[events[index].detector]
            limit.horizon = min(around.radius, max(reach, near[around.first].span & ~1) + 2)


@kernel
def use_ways(work):
    """What is known of ways past active edges holds for the events that searches have come to already."""
    events, nodes, limits = pool(work, "events"), pool(work, "nodes"), pool(work, "limits")
    woken = pool(work, "woken")
    for at in range(work.num_woken):
        index = woken[at]
        limit = limits[index]
        events[index].reach = min(events[index].reach, limit.horizon)
        if limit.boundary < nodes[index].boundary:
            nodes[index].boundary = limit.boundary
            nodes[index].exit = limit.exit
            nodes[index].way = limit.way


@kernel
def forget_shot(work):
    """Forget what the second matching of the last shot lowered and listed, however it ended."""
    forget_edges(work)
    forget_cover(work)
    forget_active(work)
    work.num_ways = 0


@kernel
def lay_out(graph, work, count):
    """List the edges of the present matching, and how its regions cover detectors."""
    list_edges(graph, work, count, False)
    if lower_prices(graph, work):
        share_cuts(work, count)
    cover_all(graph, work, count)


@kernel
def forget_layout(work):
    """Forget what `lay_out` noted."""
    forget_edges(work)
    forget_cover(work)


@kernel
def improve(graph, work, count):
    """Match parts of the shot anew until nothing overlaps on lighter edges. Returns a status."""
    events, chosen = pool(work, "events"), pool(work, "chosen")
    while lower(graph, work, count):
        if work.overflow:
            return FULL
        work.num_rounds += 1
        work.may_look_beyond = 1
        choose_events(graph, work, count)
        free_events(graph, work)
        find_ways(graph, work, count)
        if work.overflow:
            close_portals(work)
            return FULL
        use_ways(work)
        match_chosen(graph, work)
        for at in range(work.num_chosen):
            if events[chosen[at]].mate == FREE:
                status = find_partner(graph, work, chosen[at])
                if status != OK:
                    close_portals(work)  # before there are larger pools
                    return status
        close_portals(work)
        forget_layout(work)
        lay_out(graph, work, count)
    return FULL if work.overflow else OK


@kernel
def apply_observed(graph, work, count):
    """Match a matched shot with the weights that its observed edges imply. Returns a status.

    Observed edges are no guess: all solutions of the syndrome contain them. So what results is the first
    matching, whose edges imply others. All components are matched, whatever is asked for: edges without
    observables must imply the same in any case. `flips` and `weight` are those of this matching.
    """
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    only_flips = work.only_flips
    work.only_flips = 0
    leave_out(graph, work, count)
    list_edges(graph, work, count, True)
    keep_observed_edges(graph, work)
    status = OK
    if work.num_first > 0:
        if lower_prices(graph, work):
            share_cuts(work, count)
        cover_all(graph, work, count)
        status = improve(graph, work, count)
        if status == OK:
            for byte in range(graph.flip_bytes):
                flips[byte] = certain_flips[byte]
            add_up(graph, work)
    forget_layout(work)
    work.only_flips = only_flips
    return status


@kernel
def match_again(graph, work, count):
    """Match a matched shot a second time, with the weights that the first matching implies. Returns a status.

    Where there are observed edges, the first matching becomes the one with the weights that those imply.

    `flips` and `weight` are then those of the second matching; if only flips are asked for, components that
    flip nothing may keep their first matching, and there is no weight. The status is DIFFERENT if the two
    matchings are to be compared and predict different flips; the edges of the second are then listed.
    """
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    work.num_rounds = 0
    if graph.num_observed > 0:
        status = apply_observed(graph, work, count)
        if status != OK or graph.only_first:
            return status
    leave_out(graph, work, count)
    list_edges(graph, work, count, True)
    keep_first_edges(work)
    if lower_prices(graph, work):
        share_cuts(work, count)
    cover_all(graph, work, count)
    status = improve(graph, work, count)
    if status != OK or (work.num_rounds == 0 and graph.num_observed == 0):
        return status
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]
    add_up(graph, work)
    if graph.compares == 0 or flips_like_first(graph, work):
        return OK
    return DIFFERENT
