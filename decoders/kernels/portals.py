"""Shorter ways past active edges, found from the neighbour lists of their ends (portals).

A way between two events that leads past active edges goes from the first event to a portal, through that
edge, on to the next portal, and from the last one to the other event; all parts between are ways of the graph as
it is, which the portals' neighbour lists know up to a certain length.
"""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import FAR, MOST_SIGHTS, NONE
from decoders.kernels.pools import (
    active_of,
    boundary_edge_of,
    covers_of,
    detectors_of,
    edges_of,
    ends_of,
    event_of_of,
    limits_of,
    links_of,
    lowered_of,
    near_of,
    portals_of,
    sights_of,
)
from decoders.kernels.regions import add_edge, known_edge


@kernel
def add_portal(graph, work, detector, other, weight):
    """Note an end of an active edge."""
    cover = covers_of(work)[detector]
    lowered = lowered_of(work)
    portal = portals_of(work)[work.num_portals]
    portal.detector = detector
    portal.other = other
    portal.weight = weight
    portal.next = cover.portal
    portal.num_sights = 0
    portal.boundary = detectors_of(graph)[detector].boundary
    portal.exit = detector
    slot = boundary_edge_of(graph)[detector]
    if slot >= 0 and lowered[slot] < portal.boundary:
        portal.boundary = lowered[slot]
    cover.portal = work.num_portals
    work.num_portals += 1


@kernel
def open_portals(graph, work):
    """Make the ends of all active edges portals."""
    active, ends, lowered = active_of(work), ends_of(graph), lowered_of(work)
    for at in range(work.num_active):
        slot = active[at]
        if work.num_portals + 2 > work.max_portals:
            work.overflow = 1
            return
        weight = lowered[slot]
        first = work.num_portals
        if ends[2 * slot + 1] >= 0:
            add_portal(graph, work, ends[2 * slot], first + 1, weight)
            add_portal(graph, work, ends[2 * slot + 1], first, weight)
        else:
            add_portal(graph, work, ends[2 * slot], NONE, weight)


@kernel
def close_portals(work):
    """Forget all portals."""
    covers, portals = covers_of(work), portals_of(work)
    for at in range(work.num_portals):
        covers[portals[at].detector].portal = NONE
    work.num_portals = 0
    work.num_links = 0


@kernel
def link_portals(work, here, detector, distance):
    """Note the portals at a detector that is so far from a portal."""
    portals, links = portals_of(work), links_of(work)
    there = covers_of(work)[detector].portal
    while there >= 0:
        if there != here and there != portals[here].other:
            if work.num_links == work.max_links:
                work.overflow = 1
                return
            link = links[work.num_links]
            link.portal = here
            link.other = there
            link.distance = distance
            work.num_links += 1
        there = portals[there].next


@kernel
def look_around(graph, work, here, horizon):
    """List the events and portals near a portal; returns the horizon, nearer if there were too many."""
    detectors, near, event_of = detectors_of(graph), near_of(graph), event_of_of(work)
    portal = portals_of(work)[here]
    sights = sights_of(work)
    covers = covers_of(work)
    row = here * MOST_SIGHTS
    around = detectors[portal.detector]
    link_portals(work, here, portal.detector, 0)
    if event_of[portal.detector] >= 0:
        sights[row].event = event_of[portal.detector]
        sights[row].distance = 0
        portal.num_sights = 1
    at = around.first
    while at < around.last and near[at].span < horizon:
        detector = near[at].detector
        distance = near[at].span & ~1
        if covers[detector].portal >= 0:
            link_portals(work, here, detector, distance)
        if event_of[detector] >= 0:
            if portal.num_sights == MOST_SIGHTS:
                return distance
            sights[row + portal.num_sights].event = event_of[detector]
            sights[row + portal.num_sights].distance = distance
            portal.num_sights += 1
        at += 1
    return min(horizon, around.radius)


@kernel
def see(work, here, event, distance, horizon):
    """An event is so far from a portal; returns whether that is news, and the horizon."""
    portal, sights = portals_of(work)[here], sights_of(work)
    row = here * MOST_SIGHTS
    if distance >= horizon:
        return False, horizon
    for at in range(row, row + portal.num_sights):
        if sights[at].event == event:
            if sights[at].distance <= distance:
                return False, horizon
            sights[at].distance = distance
            return True, horizon
    if portal.num_sights == MOST_SIGHTS:
        return False, distance
    sights[row + portal.num_sights].event = event
    sights[row + portal.num_sights].distance = distance
    portal.num_sights += 1
    return True, horizon


@kernel
def follow_links(work, horizon):
    """What portals see past other active edges; returns the horizon."""
    portals, sights, links = portals_of(work), sights_of(work), links_of(work)
    news = True
    while news:
        news = False
        for at in range(work.num_links):
            link = links[at]
            here = portals[link.portal]
            there = portals[link.other]
            if link.distance >= horizon:
                continue
            if link.distance + there.boundary < here.boundary:
                here.boundary = link.distance + there.boundary
                here.exit = there.exit
                news = True
            if there.other < 0:
                continue
            behind = portals[there.other]
            through = link.distance + there.weight
            if through + behind.boundary < here.boundary:
                here.boundary = through + behind.boundary
                here.exit = behind.exit
                news = True
            row = there.other * MOST_SIGHTS
            for sight in range(row, row + behind.num_sights):
                is_new, horizon = see(
                    work, link.portal, sights[sight].event, through + sights[sight].distance, horizon
                )
                news = news or is_new
    return horizon


@kernel
def shorten(work, event, other, distance):
    """Make a way past active edges known, if it is shorter than what is known."""
    edges = edges_of(work)
    half = known_edge(work, event, other)
    if half < 0:
        add_edge(work, event, other, distance, NONE)
    elif distance < edges[half >> 1].distance:
        edges[half >> 1].distance = distance
        edges[half >> 1].near = NONE


@kernel
def look_through(work, here, horizon):
    """Make the ways known that lead from a portal through its edge, to events and to the boundary."""
    portals, sights, limits = portals_of(work), sights_of(work), limits_of(work)
    portal = portals[here]
    boundary = portal.boundary
    exit = portal.exit
    if portal.other >= 0 and portal.weight + portals[portal.other].boundary < boundary:
        boundary = portal.weight + portals[portal.other].boundary
        exit = portals[portal.other].exit
    row = here * MOST_SIGHTS
    for at in range(row, row + portal.num_sights):
        event = sights[at].event
        distance = sights[at].distance
        if distance + boundary < limits[event].boundary:
            limits[event].boundary = distance + boundary
            limits[event].exit = exit
        if portal.other <= here:  # each edge once, and none at the boundary
            continue
        far_row = portal.other * MOST_SIGHTS
        for there in range(far_row, far_row + portals[portal.other].num_sights):
            through = distance + portal.weight + sights[there].distance
            if sights[there].event != event and through < horizon:
                shorten(work, event, sights[there].event, through)


@kernel
def find_ways(graph, work, count, horizon):
    """Make all ways past active edges known that are shorter than a horizon; returns the horizon in the end."""
    limits = limits_of(work)
    for index in range(count):
        limits[index].boundary = FAR
    open_portals(graph, work)
    if work.overflow == 0:
        for here in range(work.num_portals):
            horizon = look_around(graph, work, here, horizon)
        horizon = follow_links(work, horizon)
        for here in range(work.num_portals):
            look_through(work, here, horizon)
    close_portals(work)
    return horizon
