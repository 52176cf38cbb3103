"""Flips and weight of the present matching, updated as searches change it."""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import AT_BOUNDARY, PAIRED, PATH_FLIPS
from decoders.kernels.records import pool
from decoders.matching.kernels.paths import (
    flip_path,
    path_to_exit,
    write_boundary_path,
    write_detour_path,
    write_list_path,
    write_searched_path,
)


@kernel
def mate_entry(work, index):
    """Return the neighbour-list entry of an event's mate.

    -1 if the mate is not in its list, -2 if the pair is counted at the mate.
    """
    event = pool(work, "events")[index]
    mate = event.mate
    if mate <= PAIRED:
        return event.scan - 1 if (PAIRED - mate) & 1 else -2
    # The odd half-edge leads away from the event that discovered the edge.
    return pool(work, "edges")[mate >> 1].neighbour if mate & 1 else -2


@kernel
def has_exit(work, index):
    """Return whether an event's path to the boundary leads past lowered edges."""
    return (
        work.num_active > 0
        and pool(work, "events")[index].visited != 0
        and pool(work, "nodes")[index].exit >= 0
    )


@kernel
def mate_path(graph, work, index):
    """Write the edges from an event to its mate to WORK.path.

    Returns their number, 0 if the pair is counted at the mate.
    """
    events = pool(work, "events")
    event = events[index]
    if event.mate == AT_BOUNDARY:
        if has_exit(work, index):
            node = pool(work, "nodes")[index]
            if node.detour >= 0:
                return write_detour_path(graph, work, node.detour, True)
            return path_to_exit(graph, work, event.detector, node.exit, node.boundary)
        return write_boundary_path(graph, work, event.detector, 0)
    entry = mate_entry(work, index)
    if entry == -2:
        return 0
    if entry == -1:
        detour = pool(work, "edges")[event.mate >> 1].detour
        if detour >= 0:
            return write_detour_path(graph, work, detour, False)
        other = events[pool(work, "halves")[event.mate].to].detector
        return write_searched_path(graph, work, event.detector, other)
    return write_list_path(graph, work, event.detector, entry, 0)


@kernel
def apply_mate(graph, work, index, sign):
    """Add (ADD) or subtract (SUBTRACT) an event's match to or from WORK.flips and WORK.weight."""
    event = pool(work, "events")[index]
    mate = event.mate
    if mate == AT_BOUNDARY:
        detector = pool(graph, "detectors")[event.detector]
        work.weight += sign * detector.boundary
        if detector.flips & PATH_FLIPS:
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
        span = pool(graph, "neighbours")[entry].span
        work.weight += sign * (span & ~1)
        if span & 1 == 0:
            return
    flip_path(graph, work, mate_path(graph, work, index))
