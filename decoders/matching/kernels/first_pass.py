"""First pass: match events that are mutually nearest, or nearest to the boundary.

Every event gets a radius of half the distance to its nearest event, at most its distance to the boundary.
That is a feasible dual solution; pairs and boundary edges that are tight in it are matched at once. The
remaining events (1 to 25 %) are matched by alternating trees, which may change these matches.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import ADD, AT_BOUNDARY, FAR, FREE, NONE, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import apply_mate


@kernel
def match_small_shot(graph, work, count):
    """Match a shot of one or two events by enumeration; return whether that was possible.

    Writes `events`, `flips` and `weight` as `match_tight_pairs` would.
    """
    if count > 2:
        return False
    detectors, neighbours, events = pool(graph, "detectors"), pool(graph, "neighbours"), pool(work, "events")
    fired = pool(work, "fired")
    first = detectors[fired[0]]
    limit = first.boundary
    if count == 2:
        limit += detectors[fired[1]].boundary
        at = first.first
        offset = fired[1] - fired[0]
        while at < first.last and (neighbours[at].span & ~1) < limit:
            if neighbours[at].detector == offset:
                events[0].detector = fired[0]
                events[1].detector = fired[1]
                events[0].scan = at + 1
                events[0].mate = PAIRED - 3
                events[1].mate = PAIRED
                for index in range(count):
                    apply_mate(graph, work, index, ADD)
                return True
            at += 1
        if at == first.last and first.radius < limit:
            return False
    if limit >= FAR:
        return False
    for index in range(count):
        events[index].detector = fired[index]
        events[index].mate = AT_BOUNDARY
        apply_mate(graph, work, index, ADD)
    return True


@kernel
def load_events(graph, work, count):
    """Create the events of the detectors fired[0..count-1].

    Resets `events`, writes `event_of`.
    """
    detectors, neighbours = pool(graph, "detectors"), pool(graph, "neighbours")
    events, event_of, fired = pool(work, "events"), pool(work, "event_of"), pool(work, "fired")
    for index in range(count):
        event = events[index]
        event.detector = fired[index]
        # Prefetch: the memory accesses of all events overlap here; in find_nearest each would wait.
        event.reach = neighbours[detectors[fired[index]].first].span
        event.mate = FREE
        event.reverse_nearest = -1
        event.first = -1
        event.top = index
        event.visited = 0
        event_of[fired[index]] = index


@kernel
def find_nearest(graph, work, count):
    """Find the nearest event of every event and set its first radius.

    Writes scan, nearest, reach, radius and the reverse lists of `events`.
    """
    detectors, neighbours = pool(graph, "detectors"), pool(graph, "neighbours")
    events, event_of = pool(work, "events"), pool(work, "event_of")
    for index in range(count):
        event = events[index]
        detector = detectors[event.detector]
        limit = 2 * detector.boundary
        at = detector.first
        end = detector.last
        nearest = NONE
        reach = detector.radius
        while at < end:
            distance = neighbours[at].span & ~1
            if distance >= limit:
                break
            nearest = np.int64(event_of[event.detector + neighbours[at].detector])
            at += 1
            if nearest >= 0:
                reach = distance
                event.next_reverse_nearest = events[nearest].reverse_nearest
                events[nearest].reverse_nearest = index
                break
        if nearest < 0 and reach > limit:
            reach = limit
        event.scan = at
        event.nearest = nearest
        event.reach = reach
        event.radius = reach >> 1


@kernel
def match_tight_pairs(graph, work, count):
    """Match tight pairs and tight boundary edges; return the number of events that remain unmatched.

    Writes EVENT.mate, `flips` and `weight`.
    """
    detectors, events = pool(graph, "detectors"), pool(work, "events")
    left = 0
    for index in range(count):
        event = events[index]
        if event.mate != FREE:
            continue
        nearest = event.nearest
        if nearest >= 0:
            other = events[nearest]
            if other.mate == FREE and event.radius + other.radius == event.reach:
                event.mate = PAIRED - 2 * nearest - 1
                other.mate = PAIRED - 2 * index
                apply_mate(graph, work, index, ADD)
            else:
                left += 1
        elif event.radius == detectors[event.detector].boundary:
            event.mate = AT_BOUNDARY
            apply_mate(graph, work, index, ADD)
        else:
            left += 1
    return left
