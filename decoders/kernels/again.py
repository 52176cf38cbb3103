"""The second matching: only events near edges whose new weights matter are matched anew.

Edges are lowered ("active") when regions of the present matching overlap on them. The events whose regions
come to an active edge lose their partners and radii, together with their mates and blossoms, and search
again, past active edges too; all others keep their partners until a search comes to them. That is repeated
until no edge is left on which regions overlap; every round lowers more.
"""

import numpy as np

from decoders.kernels.compare import flips_like_first, judge, list_first_edges
from decoders.kernels.implied import (
    activate,
    add_up,
    cover_all,
    find_implied,
    find_implied_again,
    forget_active,
    forget_cover,
    forget_edges,
    keep_first_edges,
    list_edges,
    lower,
    share_cuts,
)
from decoders.kernels.jit import kernel
from decoders.kernels.layout import BETTER_ONCE, FAR, FREE, FULL, NONE, OK, OUT_OF_TREE, PAIRED
from decoders.kernels.matching import mate_path
from decoders.kernels.pools import (
    active_of,
    candidates_of,
    certain_flips_of,
    chosen_of,
    covers_of,
    detectors_of,
    ends_of,
    event_of_of,
    events_of,
    flips_of,
    halves_of,
    implied_of,
    limits_of,
    near_of,
    nodes_of,
    path_of,
    prices_of,
    spare_of,
    weights_of,
    woken_of,
)
from decoders.kernels.portals import find_ways
from decoders.kernels.regions import wake
from decoders.kernels.search import find_partner


@kernel
def limit_lists(graph, work, detector):
    """Note for the events near an end of an active edge how near it is; returns what all others are away."""
    detectors, near, limits, event_of = (
        detectors_of(graph),
        near_of(graph),
        limits_of(work),
        event_of_of(work),
    )
    here = event_of[detector]
    if here >= 0:
        limits[here].limit = 0
    for at in range(detectors[detector].first, detectors[detector].last):
        there = event_of[near[at].detector]
        if there >= 0:
            limits[there].limit = min(limits[there].limit, near[at].span & ~1)
    return detectors[detector].radius


@kernel
def limit_own_list(graph, work, index):
    """The same for an event that may be farther away from all of them, by its own list."""
    detectors, near, covers, limits = detectors_of(graph), near_of(graph), covers_of(work), limits_of(work)
    around = detectors[events_of(work)[index].detector]
    limit = around.radius
    at = around.first
    while at < around.last:
        if covers[near[at].detector].portal >= 0:
            limit = near[at].span & ~1
            break
        at += 1
    return min(limit, limits[index].limit)


@kernel
def choose(work, index):
    """An event is to be matched anew."""
    limits = limits_of(work)
    if limits[index].chosen == 0:
        limits[index].chosen = 1
        chosen_of(work)[work.num_chosen] = index
        work.num_chosen += 1


@kernel
def choose_companions(graph, work, index):
    """An event is matched anew together with its mate and its blossom; what its way saved, others may use."""
    events, nodes, halves, path = events_of(work), nodes_of(work), halves_of(work), path_of(work)
    prices, weights = prices_of(work), weights_of(graph)
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
    cover, nodes = covers_of(work)[detector], nodes_of(work)
    if cover.potential == 0:
        return False
    event = cover.owner if cover.owner < work.max_events else nodes[cover.owner].first_leaf
    return limits_of(work)[event].chosen != 0


@kernel
def activate_around(graph, work):
    """Make edges active that regions to be given up reach: those to come are likely to overlap there."""
    implied, candidates, prices = implied_of(graph), candidates_of(work), prices_of(work)
    for at in range(work.num_candidates):
        other = implied[candidates[at]]
        if prices[other.edge] < 0 and (is_chosen(work, other.u) or is_chosen(work, other.v)):
            activate(graph, work, np.int64(other.edge), np.int64(other.weight))


@kernel
def choose_events(graph, work, count):
    """Find the events to be matched anew, and how far which events have to look past active edges."""
    events, limits, active, chosen, ends = (
        events_of(work),
        limits_of(work),
        active_of(work),
        chosen_of(work),
        ends_of(graph),
    )
    covers = covers_of(work)
    for index in range(count):
        limits[index].limit = FAR
        limits[index].chosen = 0
    work.num_chosen = 0
    everywhere = FAR
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
                    everywhere = min(everywhere, limit_lists(graph, work, detector))
        for index in range(count):
            limit = limits[index]
            limit.horizon = min(limit.limit, everywhere)
            radius = events[index].radius
            if 2 * radius > everywhere and radius <= limit.limit:
                limit.horizon = limit_own_list(graph, work, index)
                if 2 * radius > limit.horizon:
                    choose(work, index)
            elif radius > limit.limit:
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
    for index in range(count):
        limits[index].limit = min(limits[index].limit, everywhere)
    # Partners are rarely farther away than before, for weights only fall; if they are, searches notice.
    detectors, near = detectors_of(graph), near_of(graph)
    for index in range(count):
        limit = limits[index]
        reach = 2 * events[index].radius
        limit.must_look = limit.chosen != 0 or reach > limit.horizon
        if limit.must_look:
            nearest = near[detectors[events[index].detector].first].span & ~1
            limit.horizon = min(everywhere, max(reach, nearest) + 2)


@kernel
def free_events(graph, work):
    """Take partners, radii and blossoms away from the events to be matched anew."""
    events, nodes, chosen, spare = events_of(work), nodes_of(work), chosen_of(work), spare_of(work)
    detectors = detectors_of(graph)
    for at in range(work.num_chosen):
        wake(graph, work, chosen[at])  # all before any: what is known of others' nearest is from before
    work.mark += 1
    for at in range(work.num_chosen):
        blossom = nodes[chosen[at]].parent
        while blossom >= 0 and nodes[blossom].mark != work.mark:
            nodes[blossom].mark = work.mark
            spare[work.num_spare] = blossom
            work.num_spare += 1
            blossom = nodes[blossom].parent
    for at in range(work.num_chosen):
        index = chosen[at]
        event, node = events[index], nodes[index]
        event.mate = FREE
        event.radius = 0
        event.reach = 0
        event.scan = detectors[event.detector].first
        event.top = index
        event.next_leaf = -1
        node.label = OUT_OF_TREE
        node.parent = -1
        node.base_event = index
        node.first_leaf = index
        node.last_leaf = index
        node.dual = 0
        node.since = 0
        node.boundary = detectors[event.detector].boundary
        node.exit = -1


@kernel
def use_ways(work):
    """What is known of ways past active edges holds for the events that searches have come to already."""
    events, nodes, limits, woken = events_of(work), nodes_of(work), limits_of(work), woken_of(work)
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
def match_again(graph, work, count):
    """Match a matched shot a second time, with the weights that the first matching implies. Returns a status.

    `flips` and `weight` are then those of the second matching. If the first is to be preferred, the status
    is BETTER_ONCE, `weight` what it weighs with the new weights, and the events' mates are lost.
    """
    events, chosen = events_of(work), chosen_of(work)
    list_edges(graph, work, count)
    cover_all(graph, work, count)
    work.num_rounds = 0
    find_implied(graph, work)
    if work.num_candidates == 0:
        return OK
    if work.overflow:
        return FULL
    keep_first_edges(work)
    if share_cuts(work, count):
        forget_cover(work)
        cover_all(graph, work, count)
    while lower(graph, work, count):
        if work.overflow:
            return FULL
        work.num_rounds += 1
        work.may_look_beyond = 1
        choose_events(graph, work, count)
        free_events(graph, work)
        find_ways(graph, work, count)
        if work.overflow:
            return FULL
        use_ways(work)
        for at in range(work.num_chosen):
            if events[chosen[at]].mate == FREE:
                status = find_partner(graph, work, chosen[at])
                if status != OK:
                    return status
        forget_edges(work)
        forget_cover(work)
        list_edges(graph, work, count)
        cover_all(graph, work, count)
        find_implied_again(graph, work)
        if work.overflow:
            return FULL
        if share_cuts(work, count):
            forget_cover(work)
            cover_all(graph, work, count)
    if work.overflow:
        return FULL
    if work.num_rounds == 0:
        return OK
    flips, certain_flips = flips_of(work), certain_flips_of(graph)
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]
    add_up(graph, work)
    if graph.compares == 0 or flips_like_first(graph, work):
        return OK
    second = judge(graph, work)
    forget_edges(work)
    weight = list_first_edges(graph, work)
    first = judge(graph, work)
    if work.overflow:
        return FULL
    if first >= second:
        return OK
    work.weight = graph.certain_weight + weight
    return BETTER_ONCE
