"""Second matching: only events near edges whose new weights matter are matched again.

Edges are lowered ("active") when regions of the present matching overlap on them. The events whose regions
come to an active edge lose their partners and radii, together with their mates and blossoms, and search
again, past active edges too; all others keep their partners until a search comes to them. That is repeated
until no edge is left on which regions overlap; every round lowers more.
"""

import numpy as np

from decoders.correlated.kernels.arbitrate import flips_like_first, keep_second_edges
from decoders.correlated.kernels.implied_weights import (
    activate_edge,
    cover_detectors,
    forget_active,
    forget_cover,
    forget_edges,
    keep_first_edges,
    keep_observed_edges,
    leave_out,
    list_edges,
    lower_edges,
    lower_prices,
    share_cuts,
    sum_listed_edges,
)
from decoders.correlated.kernels.layout import second_of
from decoders.correlated.kernels.restart import free_events, match_chosen
from decoders.kernels.jit import kernel
from decoders.kernels.layout import DIFFERENT, FREE, FULL, NONE, OK, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.alternating_tree import find_partner
from decoders.matching.kernels.correction import mate_path
from decoders.matching.kernels.detours import close_portals, find_detours


@kernel
def nearest_portal(graph, work, index, reach):
    """Return the distance to the nearest end of an active edge, or a distance up to which there is none."""
    detectors, neighbours, portal_at = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(work, "portal_at"),
    )
    detector = pool(work, "events")[index].detector
    around = detectors[detector]
    if portal_at[detector] >= 0:
        return np.int64(0)
    at = around.first
    while at < around.last and neighbours[at].span < reach:
        if portal_at[detector + neighbours[at].detector] >= 0:
            return np.int64(neighbours[at].span & ~1)
        at += 1
    return min(reach, around.radius)


@kernel
def choose_event(work, index):
    """Mark an event to be matched again."""
    second = second_of(work)
    changes = pool(second, "changes")
    if changes[index].chosen == 0:
        changes[index].chosen = 1
        pool(second, "chosen")[second.num_chosen] = index
        second.num_chosen += 1


@kernel
def choose_companions(graph, work, index):
    """Mark the mate and the blossom of an event, and make the lowered edges of its path active."""
    second = second_of(work)
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    path = pool(work, "path")
    prices, weights = pool(second, "prices"), pool(graph, "weights")
    mate = events[index].mate
    for at in range(mate_path(graph, work, index)):
        edge = path[at]
        if 0 <= prices[edge] < weights[edge]:
            activate_edge(graph, work, edge, np.int64(prices[edge]))
    if mate >= 0:
        choose_event(work, halves[mate].to)
    elif mate <= PAIRED:
        choose_event(work, (PAIRED - mate) >> 1)
    top = events[index].top
    if top >= work.max_events:
        event = nodes[top].first_leaf
        while event != nodes[top].last_leaf:
            choose_event(work, event)
            event = events[event].next_leaf
        choose_event(work, event)


@kernel
def choose_events(graph, work):
    """Choose the events to be matched again, and the horizon up to which each needs detours."""
    second = second_of(work)
    changes = pool(second, "changes")
    events, searches, active = pool(work, "events"), pool(work, "detour_searches"), pool(work, "active")
    chosen, ends = pool(second, "chosen"), pool(graph, "ends")
    portal_at, detectors, neighbours = (
        pool(work, "portal_at"),
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
    )
    present = pool(second, "present")
    for at in range(second.num_present):
        changes[present[at]].chosen = 0
        searches[present[at]].is_exhausted = 0
    second.num_chosen = 0
    at_edge = 0
    at_event = 0
    while at_edge < work.num_active:
        while at_edge < work.num_active:
            slot = active[at_edge]
            at_edge += 1
            for end in range(2):
                detector = ends[2 * slot + end]
                if detector >= 0:
                    portal_at[detector] = 0
        for at in range(second.num_present):
            index = present[at]
            if changes[index].chosen == 0:
                radius = events[index].radius
                horizon = nearest_portal(graph, work, index, 2 * radius)
                searches[index].horizon = horizon
                if radius > horizon or (2 * radius > horizon == detectors[events[index].detector].radius):
                    choose_event(work, index)
        while at_event < second.num_chosen:
            at_event += 1
            choose_companions(graph, work, chosen[at_event - 1])
    for at in range(work.num_active):
        for end in range(2):
            detector = ends[2 * active[at] + end]
            if detector >= 0:
                portal_at[detector] = NONE
    # Events that start again look farther while they grow.
    for at in range(second.num_present):
        index = present[at]
        limit = searches[index]
        reach = 2 * events[index].radius
        limit.must_search = changes[index].chosen != 0 or reach > limit.horizon
        if limit.must_search:
            around = detectors[events[index].detector]
            limit.horizon = min(around.radius, max(reach, neighbours[around.first].span & ~1) + 2)


@kernel
def apply_detours(work):
    """Apply the known detours to the events that searches have visited already."""
    events, nodes, searches = pool(work, "events"), pool(work, "nodes"), pool(work, "detour_searches")
    visited = pool(work, "visited")
    changes = pool(second_of(work), "changes")
    for at in range(work.num_visited):
        index = visited[at]
        if changes[index].is_left_out:
            continue
        limit = searches[index]
        events[index].reach = min(events[index].reach, limit.horizon)
        if limit.boundary < nodes[index].boundary:
            nodes[index].boundary = limit.boundary
            nodes[index].exit = limit.exit
            nodes[index].detour = limit.detour


@kernel
def forget_shot(work):
    """Forget what the second matching of the last shot lowered and listed, however it ended."""
    forget_edges(work)
    forget_cover(work)
    forget_active(work)
    work.num_detours = 0


@kernel
def lay_out_regions(graph, work):
    """Lower the weights of the listed edges, and note how the regions of the matching cover detectors."""
    if lower_prices(graph, work):
        share_cuts(work)
    cover_detectors(graph, work)


@kernel
def forget_layout(work):
    """Forget which edges are listed and which detectors are covered."""
    forget_edges(work)
    forget_cover(work)


@kernel
def rematch_events(graph, work, count):
    """Match the events around newly lowered edges again, and lay out the new matching. Returns a status."""
    second = second_of(work)
    events, chosen = pool(work, "events"), pool(second, "chosen")
    second.num_rounds += 1
    work.may_search_graph = 1
    choose_events(graph, work)
    free_events(graph, work)
    find_detours(graph, work, pool(second, "present"), second.num_present)
    if work.overflow:
        close_portals(work)
        return FULL
    apply_detours(work)
    match_chosen(graph, work)
    for at in range(second.num_chosen):
        if events[chosen[at]].mate == FREE:
            status = find_partner(graph, work, chosen[at])
            if status != OK:
                close_portals(work)  # before there are larger pools
                return status
    close_portals(work)
    forget_layout(work)
    list_edges(graph, work, count, False)
    lay_out_regions(graph, work)
    return OK


@kernel
def improve(graph, work, count):
    """Match parts of the shot again until no regions overlap on lowered edges. Returns a status."""
    while lower_edges(graph, work):
        if work.overflow:
            return FULL
        status = rematch_events(graph, work, count)
        if status != OK:
            return status
    return FULL if work.overflow else OK


@kernel
def apply_observed(graph, work, count):
    """Match a matched shot with the weights that its observed edges imply. Returns a status.

    All solutions of the syndrome contain the observed edges. So the result is the first matching, whose edges
    imply others. All components are matched, also if only flips are requested: edges without observables must
    imply the same in any case. `flips` and `weight` are those of this matching.
    """
    second = second_of(work)
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    only_flips = second.only_flips
    second.only_flips = 0
    leave_out(graph, work, count)
    list_edges(graph, work, count, True)
    keep_observed_edges(graph, work)
    status = OK
    if second.num_first > 0:
        lay_out_regions(graph, work)
        status = improve(graph, work, count)
        if status == OK:
            for byte in range(graph.flip_bytes):
                flips[byte] = certain_flips[byte]
            sum_listed_edges(graph, work)
    forget_layout(work)
    second.only_flips = only_flips
    return status


@kernel
def match_again(graph, work, count):
    """Match a matched shot a second time, with the weights that the first matching implies. Returns a status.

    Where there are observed edges, the first matching becomes the one with the weights that those imply.

    `flips` and `weight` are then those of the second matching; if only flips are asked for, components that
    flip nothing may keep their first matching, and there is no weight. The status is DIFFERENT if the two
    matchings are to be compared and predict different flips; the edges of the second are then listed.
    """
    second = second_of(work)
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    second.num_rounds = 0
    second.takes_first = 0
    if graph.num_observed > 0:
        status = apply_observed(graph, work, count)
        if status != OK or graph.only_first:
            return status
    leave_out(graph, work, count)
    list_edges(graph, work, count, True)
    keep_first_edges(graph, work)
    lay_out_regions(graph, work)
    status = improve(graph, work, count)
    if status != OK or (second.num_rounds == 0 and graph.num_observed == 0):
        return status
    for byte in range(graph.flip_bytes):
        flips[byte] = certain_flips[byte]
    sum_listed_edges(graph, work)
    if graph.compares == 0 or flips_like_first(graph, work):
        return OK
    return DIFFERENT


@kernel
def match_rest_again(graph, work, count):
    """Match the components a second time that `match_again` has left out. Returns a status.

    The edges of the second matching are those listed before, and those of these components: they are in
    `second_edges` afterwards. No edges are listed then.
    """
    second = second_of(work)
    second.num_second = 0
    keep_second_edges(work)
    if second.only_flips == 0:
        return OK
    forget_cover(work)
    second.only_rest = 1
    leave_out(graph, work, count)
    list_edges(graph, work, count, False)
    lay_out_regions(graph, work)
    status = improve(graph, work, count)
    second.only_rest = 0
    keep_second_edges(work)
    forget_cover(work)
    return status
