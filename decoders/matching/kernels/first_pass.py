"""The first pass: most events are each other's nearest, or nearest to the boundary.

Every event gets a radius of half the distance to its nearest event, at most its distance to the
boundary. That is a feasible dual solution; pairs and boundary edges that are tight in it are matched
at once. What is left over (1 to 25 % of the events) is for the searches, which may undo any of this.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import ADD, AT_BOUNDARY, FAR, FREE, NONE, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.correction import apply_mate


@kernel
def match_few(graph, work, count):
    """Match a shot of one or two events by comparing all there is; returns whether that was possible.

    Leaves the events as `match_nearest` would.
    """
    if count > 2:
        return False
    detectors, near, events = pool(graph, "detectors"), pool(graph, "near"), pool(work, "events")
    found = pool(work, "found")
    first = detectors[found[0]]
    limit = first.boundary
    if count == 2:
        limit += detectors[found[1]].boundary
        at = first.first
        offset = found[1] - found[0]
        while at < first.last and (near[at].span & ~1) < limit:
            if near[at].detector == offset:
                events[0].detector = found[0]
                events[1].detector = found[1]
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
        events[index].detector = found[index]
        events[index].mate = AT_BOUNDARY
        apply_mate(graph, work, index, ADD)
    return True


@kernel
def load_events(graph, work, count):
    """Make events of the detectors found[0..count-1]."""
    detectors, near = pool(graph, "detectors"), pool(graph, "near")
    events, event_of, found = pool(work, "events"), pool(work, "event_of"), pool(work, "found")
    for index in range(count):
        event = events[index]
        event.detector = found[index]
        # Here the reads of all events wait for memory together; in find_nearest each would wait alone.
        event.reach = near[detectors[found[index]].first].span
        event.mate = FREE
        event.suitor = -1
        event.first = -1
        event.top = index
        event.woken = 0
        event_of[found[index]] = index


@kernel
def find_nearest(graph, work, count):
    """Give every event its nearest event and its first radius."""
    detectors, near = pool(graph, "detectors"), pool(graph, "near")
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
            distance = near[at].span & ~1
            if distance >= limit:
                break
            nearest = np.int64(event_of[event.detector + near[at].detector])
            at += 1
            if nearest >= 0:
                reach = distance
                event.next_suitor = events[nearest].suitor
                events[nearest].suitor = index
                break
        if nearest < 0 and reach > limit:
            reach = limit
        event.scan = at
        event.nearest = nearest
        event.reach = reach
        event.radius = reach >> 1


@kernel
def match_nearest(graph, work, count):
    """Match what is tight; returns how many events are left without a partner."""
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
