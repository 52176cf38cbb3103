"""What the present matching flips and weighs, kept up to date while searches change it."""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, FLIPS_SOMETHING, PAIRED
from decoders.kernels.records import pool
from decoders.matching.kernels.paths import (
    flip_path,
    path_by_search,
    path_in_list,
    path_of_way,
    path_outward,
    path_to_exit,
)


@kernel
def mate_entry(work, index):
    """Where an event's path to its mate stands in the neighbour lists.

    -1 if the mate is beyond its list, -2 if the pair counts at its other event.
    """
    event = pool(work, "events")[index]
    mate = event.mate
    if mate <= PAIRED:
        return event.scan - 1 if (PAIRED - mate) & 1 else -2
    # The half-edge with the odd number leads away from the event that found the edge.
    return pool(work, "edges")[mate >> 1].near if mate & 1 else -2


@kernel
def has_exit(work, index):
    """Whether an event's way to the boundary leads past lowered edges."""
    return (
        work.num_active > 0
        and pool(work, "events")[index].woken != 0
        and pool(work, "nodes")[index].exit >= 0
    )


@kernel
def mate_path(graph, work, index):
    """Write the edges from an event to its mate to `path`; returns how many, 0 if its mate counts them."""
    events = pool(work, "events")
    event = events[index]
    if event.mate == AT_BOUNDARY:
        if has_exit(work, index):
            node = pool(work, "nodes")[index]
            if node.way >= 0:
                return path_of_way(graph, work, node.way, True)
            return path_to_exit(graph, work, event.detector, node.exit, node.boundary)
        return path_outward(graph, work, event.detector, 0)
    entry = mate_entry(work, index)
    if entry == -2:
        return 0
    if entry == -1:
        way = pool(work, "edges")[event.mate >> 1].way
        if way >= 0:
            return path_of_way(graph, work, way, False)
        other = events[pool(work, "halves")[event.mate].to].detector
        return path_by_search(graph, work, event.detector, other)
    return path_in_list(graph, work, event.detector, entry, 0)


@kernel
def apply_mate(graph, work, index, sign):
    """Add (sign 1) or take away (sign -1) what an event's mate contributes to flips and weight."""
    event = pool(work, "events")[index]
    mate = event.mate
    if mate == AT_BOUNDARY:
        detector = pool(graph, "detectors")[event.detector]
        work.weight += sign * detector.boundary
        if detector.flips & FLIPS_SOMETHING:
            boundary_flips, flips = pool(graph, "boundary_flips"), pool(work, "flips")
            for byte in range(graph.flip_bytes):
                flips[byte] ^= boundary_flips[event.detector * graph.flip_bytes + byte]
        return
    entry = mate_entry(work, index)
    if entry == -2:
        return
    if entry == -1:
        work.weight += sign * pool(work, "edges")[mate >> 1].distance
    else:
        span = pool(graph, "near")[entry].span
        work.weight += sign * (span & ~1)
        if span & 1 == 0:
            return
    flip_path(graph, work, mate_path(graph, work, index))
