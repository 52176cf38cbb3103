"""Detours through edges whose weight was lowered, found from neighbour lists.

A detour is a path from an event to another, or to the boundary, through active edges: to an end of one (a
portal), through that edge, on to the next portal, and so on. The parts between active edges are shortest
paths of the graph with its usual weights, which neighbour lists hold up to a certain length.
"""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, MAX_NEAR_EVENTS, NONE
from decoders.kernels.records import pool
from decoders.matching.kernels.known_edges import add_edge, find_known_edge


@kernel
def add_portal(graph, work, detector, other, slot):
    """Add an end of an active edge as a portal."""
    portal_at = pool(work, "portal_at")
    portal = pool(work, "portals")[work.num_portals]
    portal.detector = detector
    portal.other = other
    portal.weight = pool(work, "lowered")[slot]
    portal.slot = slot
    portal.next = portal_at[detector]
    portal.num_near_events = 0
    portal.horizon = 0
    portal.is_complete = 0
    portal.distance = FAR
    portal.boundary = pool(graph, "detectors")[detector].boundary
    outward = pool(graph, "boundary_edge")[detector]
    if outward >= 0:
        portal.boundary = min(portal.boundary, pool(work, "lowered")[outward])
    portal_at[detector] = work.num_portals
    work.num_portals += 1


@kernel
def open_portals(graph, work):
    """Make the ends of all active edges portals."""
    active, ends = pool(work, "active"), pool(graph, "ends")
    work.num_links = 0
    for at in range(work.num_active):
        slot = active[at]
        if work.num_portals + 2 > work.max_portals:
            work.overflow = 1
            return
        first = work.num_portals
        if ends[2 * slot + 1] >= 0:
            add_portal(graph, work, ends[2 * slot], first + 1, slot)
            add_portal(graph, work, ends[2 * slot + 1], first, slot)
        else:
            add_portal(graph, work, ends[2 * slot], NONE, slot)


@kernel
def close_portals(work):
    """Forget all portals."""
    portal_at, portals = pool(work, "portal_at"), pool(work, "portals")
    for at in range(work.num_portals):
        portal_at[portals[at].detector] = NONE
    work.num_portals = 0


@kernel
def link_portals(work, here, detector, distance):
    """Link a portal to those at a detector at a distance from it."""
    portals, links = pool(work, "portals"), pool(work, "links")
    there = pool(work, "portal_at")[detector]
    while there >= 0:
        if there != here and there != portals[here].other:
            if work.num_links == work.max_links:
                work.overflow = 1
                return
            link = links[work.num_links]
            link.other = there
            link.distance = distance
            work.num_links += 1
        there = portals[there].next


@kernel
def scan_portal(graph, work, here, horizon):
    """List the events and portals nearer to a portal than a horizon, at most MAX_NEAR_EVENTS events.

    Writes PORTAL.horizon and is_complete, `near_events` and `links`.
    """
    detectors, neighbours, event_of = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(work, "event_of"),
    )
    portal = pool(work, "portals")[here]
    near_events = pool(work, "near_events")
    portal_at = pool(work, "portal_at")
    row = here * MAX_NEAR_EVENTS
    around = detectors[portal.detector]
    portal.num_near_events = 0
    portal.first_link = work.num_links
    link_portals(work, here, portal.detector, 0)
    if event_of[portal.detector] >= 0:
        near_events[row].event = event_of[portal.detector]
        near_events[row].distance = 0
        near_events[row].entry = NONE
        portal.num_near_events = 1
    at = around.first
    while at < around.last and neighbours[at].span < horizon:
        detector = portal.detector + neighbours[at].detector
        distance = neighbours[at].span & ~1
        if portal_at[detector] >= 0:
            link_portals(work, here, detector, distance)
        if event_of[detector] >= 0:
            if portal.num_near_events == MAX_NEAR_EVENTS:
                horizon = distance
                portal.is_complete = 1
                break
            near_events[row + portal.num_near_events].event = event_of[detector]
            near_events[row + portal.num_near_events].distance = distance
            near_events[row + portal.num_near_events].entry = at
            portal.num_near_events += 1
        at += 1
    portal.last_link = work.num_links
    portal.horizon = min(horizon, around.radius)
    if at == around.last:
        portal.is_complete = 1


@kernel
def enter_portal(work, here, distance, via, is_direct, queued):
    """Relax the active edge of a portal reached at a distance; return the number of queued portals."""
    portals, stack = pool(work, "portals"), pool(work, "stack")
    there = portals[here].other
    through = distance + portals[here].weight
    if through < portals[there].distance:
        if portals[there].distance == FAR:
            stack[queued] = there
            queued += 1
            portals[there].is_queued = 1
        elif portals[there].is_queued == 0:
            portals[there].is_queued = 1
            stack[queued] = there
            queued += 1
        portals[there].distance = through
        portals[there].via = via
        portals[there].is_direct = is_direct
    return queued


@kernel
def add_detour(work, entry, start, slot, end, exit):
    """Store a path through one active edge (record DETOUR); return its number, NONE without room."""
    index = work.num_detours
    if index == work.max_detours:
        return NONE  # a search finds the path again
    work.num_detours = index + 1
    detour = pool(work, "detours")[index]
    detour.entry = entry
    detour.start = start
    detour.slot = slot
    detour.end = end
    detour.exit = exit
    return index


@kernel
def shorten_edge(work, event, near, here, through):
    """Add or shorten the known edge from an event to one near a portal, by the path through that portal."""
    edges = pool(work, "edges")
    half = find_known_edge(work, event, near.event)
    if half < 0:
        half = add_edge(work, event, near.event, through, NONE)
        if half < 0:
            return
    elif through < edges[half >> 1].distance:
        edges[half >> 1].distance = through
        edges[half >> 1].neighbour = NONE
    else:
        return
    edges[half >> 1].detour = NONE
    if here.is_direct:
        start = pool(work, "events")[event].detector
        edges[half >> 1].detour = add_detour(work, here.via, start, here.slot, here.detector, near.entry)


@kernel
def shorten_to_boundary(work, event, exit, distance):
    """Store a detour from an event to the boundary if it is shorter; returns whether it is."""
    search = pool(work, "detour_searches")[event]
    if distance >= search.boundary:
        return False
    search.boundary = distance
    search.exit = exit
    search.detour = NONE
    return True


@kernel
def find_detours_from(graph, work, event, horizon):
    """Find the detours of an event that are shorter than a horizon; return the horizon reached.

    It is nearer than the one given if there are too many events or portals.
    """
    detectors, neighbours, portal_at = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(work, "portal_at"),
    )
    searches = pool(work, "detour_searches")
    portals, near_events, links = pool(work, "portals"), pool(work, "near_events"), pool(work, "links")
    stack = pool(work, "stack")
    detector = pool(work, "events")[event].detector
    around = detectors[detector]
    queued = 0
    at = around.first - 1
    while at < around.first or (at < around.last and neighbours[at].span < horizon):
        distance = 0
        via = NONE
        here = portal_at[detector]
        if at >= around.first:
            via = at
            here = portal_at[detector + neighbours[at].detector]
            distance = neighbours[at].span & ~1
        while here >= 0:
            if portals[here].other >= 0:
                if queued == stack.size:  # omitted portals are at least this far
                    horizon = min(horizon, distance)
                else:
                    queued = enter_portal(work, here, distance, via, 1, queued)
            elif shorten_to_boundary(work, event, portals[here].detector, distance + portals[here].weight):
                searches[event].detour = add_detour(work, via, detector, portals[here].slot, NONE, NONE)
            here = portals[here].next
        at += 1
    done = 0
    while done < queued:
        index = stack[done]
        done += 1
        here = portals[index]
        here.is_queued = 0
        if here.distance >= horizon:
            continue
        if here.horizon < horizon - here.distance and here.is_complete == 0:
            scan_portal(graph, work, index, horizon - here.distance)
        horizon = min(horizon, here.distance + here.horizon)
        for at in range(here.first_link, here.last_link):
            distance = here.distance + links[at].distance
            if distance >= horizon:
                break
            there = links[at].other
            if portals[there].other >= 0:
                if queued == stack.size:
                    horizon = min(horizon, distance)
                else:
                    queued = enter_portal(work, there, distance, NONE, 0, queued)
            else:
                shorten_to_boundary(work, event, portals[there].detector, distance + portals[there].weight)
    for at in range(queued):
        index = stack[at]
        here = portals[index]
        if here.distance == FAR:
            continue
        if shorten_to_boundary(work, event, here.detector, here.distance + here.boundary) and here.is_direct:
            searches[event].detour = add_detour(work, here.via, detector, here.slot, here.detector, NONE)
        row = index * MAX_NEAR_EVENTS
        for near in range(row, row + here.num_near_events):
            through = here.distance + near_events[near].distance
            if through >= horizon:
                break
            if near_events[near].event != event:
                shorten_edge(work, event, near_events[near], here, through)
        here.distance = FAR
    return horizon


@kernel
def find_detours(graph, work, chosen, count):
    """Find the detours of those of the first `count` events in `chosen` that have `must_search`.

    Those are the events to be matched again, and those whose regions exceed what their lists account for.
    Writes `detour_searches`, `detours` and known edges.
    """
    searches = pool(work, "detour_searches")
    for at in range(count):
        searches[chosen[at]].boundary = FAR
    open_portals(graph, work)
    for at in range(count):
        index = chosen[at]
        if searches[index].must_search and work.overflow == 0:
            searches[index].horizon = find_detours_from(graph, work, index, searches[index].horizon)
