"""Detours through edges whose weight was lowered, found from neighbour lists.

A way from an event to another that leads past active edges goes to an end of one (a portal), through that
edge, on to the next portal, and so on, and from the last portal to the other event. All parts between active
edges are ways of the graph as it is, which neighbour lists know up to a certain length.
"""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, MOST_SIGHTS, NONE
from decoders.kernels.records import pool
from decoders.matching.kernels.known_edges import add_edge, find_known_edge


@kernel
def add_portal(graph, work, detector, other, slot):
    """Note an end of an active edge."""
    portal_at = pool(work, "portal_at")
    portal = pool(work, "portals")[work.num_portals]
    portal.detector = detector
    portal.other = other
    portal.weight = pool(work, "lowered")[slot]
    portal.slot = slot
    portal.next = portal_at[detector]
    portal.num_sights = 0
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
    """Note the portals at a detector that is so far from a portal."""
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
def look_around(graph, work, here, horizon):
    """List the events and portals nearer to a portal than a horizon, or than one that leaves not too many."""
    detectors, neighbours, event_of = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(work, "event_of"),
    )
    portal = pool(work, "portals")[here]
    sights = pool(work, "sights")
    portal_at = pool(work, "portal_at")
    row = here * MOST_SIGHTS
    around = detectors[portal.detector]
    portal.num_sights = 0
    portal.first_link = work.num_links
    link_portals(work, here, portal.detector, 0)
    if event_of[portal.detector] >= 0:
        sights[row].event = event_of[portal.detector]
        sights[row].distance = 0
        sights[row].entry = NONE
        portal.num_sights = 1
    at = around.first
    while at < around.last and neighbours[at].span < horizon:
        detector = portal.detector + neighbours[at].detector
        distance = neighbours[at].span & ~1
        if portal_at[detector] >= 0:
            link_portals(work, here, detector, distance)
        if event_of[detector] >= 0:
            if portal.num_sights == MOST_SIGHTS:
                horizon = distance
                portal.is_complete = 1
                break
            sights[row + portal.num_sights].event = event_of[detector]
            sights[row + portal.num_sights].distance = distance
            sights[row + portal.num_sights].entry = at
            portal.num_sights += 1
        at += 1
    portal.last_link = work.num_links
    portal.horizon = min(horizon, around.radius)
    if at == around.last:
        portal.is_complete = 1


@kernel
def go_through(work, here, distance, via, is_direct, queued):
    """A way so long comes to a portal and goes through its edge; returns how many portals are queued."""
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
def note_way(work, entry, start, slot, end, exit):
    """Remember a way through one active edge; returns its number, NONE if there is no room."""
    index = work.num_ways
    if index == work.max_ways:
        return NONE  # it will be searched for
    work.num_ways = index + 1
    way = pool(work, "ways")[index]
    way.entry = entry
    way.start = start
    way.slot = slot
    way.end = end
    way.exit = exit
    return index


@kernel
def shorten(work, event, sight, here, through):
    """Make a way past active edges known, if it is shorter than what is known."""
    edges = pool(work, "edges")
    half = find_known_edge(work, event, sight.event)
    if half < 0:
        half = add_edge(work, event, sight.event, through, NONE)
        if half < 0:
            return
    elif through < edges[half >> 1].distance:
        edges[half >> 1].distance = through
        edges[half >> 1].neighbour = NONE
    else:
        return
    edges[half >> 1].way = NONE
    if here.is_direct:
        start = pool(work, "events")[event].detector
        edges[half >> 1].way = note_way(work, here.via, start, here.slot, here.detector, sight.entry)


@kernel
def leave_to_boundary(work, event, exit, distance):
    """Store a detour from an event to the boundary if it is shorter; returns whether it is."""
    limit = pool(work, "detours")[event]
    if distance >= limit.boundary:
        return False
    limit.boundary = distance
    limit.exit = exit
    limit.way = NONE
    return True


@kernel
def find_ways_from(graph, work, event, horizon):
    """Make the ways from an event past active edges known that are shorter than a horizon; returns it."""
    detectors, neighbours, portal_at = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(work, "portal_at"),
    )
    detours = pool(work, "detours")
    portals, sights, links = pool(work, "portals"), pool(work, "sights"), pool(work, "links")
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
                    queued = go_through(work, here, distance, via, 1, queued)
            elif leave_to_boundary(work, event, portals[here].detector, distance + portals[here].weight):
                detours[event].way = note_way(work, via, detector, portals[here].slot, NONE, NONE)
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
            look_around(graph, work, index, horizon - here.distance)
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
                    queued = go_through(work, there, distance, NONE, 0, queued)
            else:
                leave_to_boundary(work, event, portals[there].detector, distance + portals[there].weight)
    for at in range(queued):
        index = stack[at]
        here = portals[index]
        if here.distance == FAR:
            continue
        if leave_to_boundary(work, event, here.detector, here.distance + here.boundary) and here.is_direct:
            detours[event].way = note_way(work, here.via, detector, here.slot, here.detector, NONE)
        row = index * MOST_SIGHTS
        for sight in range(row, row + here.num_sights):
            through = here.distance + sights[sight].distance
            if through >= horizon:
                break
            if sights[sight].event != event:
                shorten(work, event, sights[sight], here, through)
        here.distance = FAR
    return horizon


@kernel
def find_ways(graph, work, count):
    """Make the ways past active edges known that are shorter than the horizons of the events that must look.

    Those are the ones to be matched again, and those with larger regions than their lists account for. A
    horizon comes nearer if there is too much to see.
    """
    detours = pool(work, "detours")
    for index in range(count):
        detours[index].boundary = FAR
    open_portals(graph, work)
    for index in range(count):
        if detours[index].must_look and work.overflow == 0:
            detours[index].horizon = find_ways_from(graph, work, index, detours[index].horizon)
