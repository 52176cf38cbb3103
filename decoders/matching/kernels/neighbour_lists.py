"""Precomputed distances: neighbour list of each detector, and its path to the boundary."""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import (
    BEYOND,
    FAR,
    LIST_LIMIT,
    PATH_ENTERS_COMMIT,
    PATH_FLIPS,
    PATH_LEAVES_WINDOW,
)
from decoders.kernels.records import pool
from decoders.matching.kernels.dijkstra import end_dijkstra, settle_next, start_dijkstra
from decoders.matching.kernels.paths import edge_between


@entry_point
def measure_boundary(graphs, works, edge_weight):
    """Compute for every detector the distance to the boundary, the next step there, and what the path flips.

    Args:
        graphs: one GRAPH record; writes `detectors` (boundary, outward, flips), boundary_flips and
            outward_edges.
        works: one WORK record; its Dijkstra queue is scratch.
        edge_weight: int64 (num_detectors,): weight of each detector's own boundary edge, FAR without one.
    """
    graph, work = graphs[0], works[0]
    detectors, indptr, adjacent = pool(graph, "detectors"), pool(graph, "indptr"), pool(graph, "adjacent")
    boundary_edge, boundary_flips = pool(graph, "boundary_edge"), pool(graph, "boundary_flips")
    edge_flips, ends, queue = pool(graph, "edge_flips"), pool(graph, "ends"), pool(work, "dijkstra_queue")
    outward_edges = pool(graph, "outward_edges")
    width = graph.flip_bytes
    size = 0
    for index in range(graph.num_detectors):
        detectors[index].boundary = edge_weight[index]
        detectors[index].outward = -1
        detectors[index].flips = 0
        if edge_weight[index] < FAR:
            size = push(queue, size, edge_weight[index], np.int64(index))
    while size > 0:
        distance = queue[0].key
        here = queue[0].what
        size = drop_first(queue, size)
        detector = detectors[here]
        if distance > detector.boundary:
            continue
        # Nearer detectors are final, so the flips of their paths are available.
        edge = np.int64(boundary_edge[here])
        if detector.outward >= 0:
            detector.flips |= detectors[detector.outward].flips & PATH_LEAVES_WINDOW
        elif ends[2 * edge + 1] == BEYOND:
            detector.flips |= PATH_LEAVES_WINDOW
        if detector.outward >= 0:
            edge = edge_between(graph, here, detector.outward)
        outward_edges[here] = edge
        for byte in range(width):
            flip = edge_flips[edge * width + byte]
            if detector.outward >= 0:
                flip ^= boundary_flips[detector.outward * width + byte]
            boundary_flips[here * width + byte] = flip
            if flip != 0:
                detector.flips |= PATH_FLIPS
        for at in range(indptr[here], indptr[here + 1]):
            there = detectors[adjacent[at].detector]
            through = distance + adjacent[at].weight
            if through < there.boundary:
                there.boundary = through
                there.outward = here
                size = push(queue, size, through, np.int64(adjacent[at].detector))


@kernel
def _fill_list(graph, work, source, longest, limit, used):
    """Write the neighbour list of one detector to `neighbours`, from entry `used` on, up to a distance.

    Returns the number of entries then used, and the first and last detector whose adjacency was read.
    """
    neighbours, parents, steps = pool(graph, "neighbours"), pool(graph, "parents"), pool(graph, "steps")
    nodes = pool(work, "dijkstra_nodes")
    indptr, adjacent = pool(graph, "indptr"), pool(graph, "adjacent")
    detector = pool(graph, "detectors")[source]
    own = adjacent[indptr[source]].edge if indptr[source] < indptr[source + 1] else np.int32(0)
    detector.first = used
    lowest = np.int64(source)
    highest = np.int64(source)
    start_dijkstra(work, source)
    work.dijkstra_limit = limit
    settle_next(graph, work)
    radius = FAR
    while True:
        there = settle_next(graph, work)
        if there < 0:
            if limit < FAR:
                radius = limit  # even: detectors beyond it were not reached
            break
        lowest = min(lowest, there)
        highest = max(highest, there)
        node = nodes[there]
        if used - detector.first == longest or node.distance >= LIST_LIMIT:
            radius = node.distance
            break
        node.entry = used - detector.first
        neighbours[used].detector = there - source
        neighbours[used].span = node.distance | node.flips
        parents[used] = nodes[node.parent].entry
        steps[used] = node.edge - own
        used += 1
    end_dijkstra(work)
    detector.last = used
    detector.radius = radius
    return used, lowest, highest


@entry_point
def fill_lists(graphs, works, longest, ranges, low, high, source, stop, used, guess):
    """Write the neighbour lists of detectors source..stop-1 to `neighbours`.

    The search radius is estimated from the previous detector, so that the search reaches few detectors that
    no list holds; a list that comes out short is still complete up to its radius.

    In a periodic range the list of the detector one period before is reused if all adjacency that its search
    read repeats: a new search would take the same steps.

    Args:
        graphs: one GRAPH record; writes `neighbours`, parents, steps and the list fields of `detectors`.
        works: one WORK record; Dijkstra fields are scratch.
        longest: most detectors per list.
        ranges: int64 (ranges, 3) of `find_periodic_ranges`.
        low: int32 (num_detectors,), written: first detector whose adjacency was read, minus the source.
        high: int32 (num_detectors,), written: last such detector, minus the source.
        source: first detector.
        stop: end of the detectors.
        used: entries used so far; 0 at first.
        guess: estimated search radius; FAR at first.

    Returns:
        The detector at which `neighbours` was full (`stop` if all lists were written), and the new `used` and
        `guess` to continue with.
    """
    graph, work = graphs[0], works[0]
    detectors = pool(graph, "detectors")
    number = 0
    while source < stop:
        detector = detectors[source]
        while number < len(ranges) and source >= ranges[number, 1]:
            number += 1
        if number < len(ranges) and source >= ranges[number, 0]:
            twin = source - ranges[number, 2]
            is_repeated = source + low[twin] >= ranges[number, 0]
            if is_repeated and source + high[twin] < ranges[number, 1]:
                detector.first = detectors[twin].first
                detector.last = detectors[twin].last
                detector.radius = detectors[twin].radius
                low[source] = low[twin]
                high[source] = high[twin]
                source += 1
                continue
        if graph.num_neighbours - used <= longest:
            break
        used, lowest, highest = _fill_list(graph, work, source, longest, guess, used)
        low[source] = lowest - source
        high[source] = highest - source
        if used - detector.first == longest:
            guess = detector.radius + 2 * (detector.radius >> 4)
        elif guess < FAR:
            guess = guess + 2 * (guess >> 3) + 2 if 4 * (used - detector.first) < 3 * longest else guess
        source += 1
    return source, used, guess


@entry_point
def fill_selected_lists(graphs, works, wanted, longest, limit, used):
    """Write the neighbour lists of selected detectors to `neighbours`.

    A list depends only on the graph, `longest` and `limit`, not on earlier lists: the search starts with
    radius `limit` and extends it until the list is full or no detector is left.

    Args:
        graphs: one GRAPH record; writes `neighbours`, parents, steps and the list fields of `detectors`.
        works: one WORK record; Dijkstra fields are scratch.
        wanted: int64 (detectors,).
        longest: most detectors per list; `neighbours` has this many free entries for each.
        limit: first search radius.
        used: entries used so far.

    Returns:
        Number of entries then used.
    """
    graph, work = graphs[0], works[0]
    for source in wanted:
        farthest = limit
        while True:
            end, _, _ = _fill_list(graph, work, source, longest, farthest, used)
            if end - used == longest or farthest == FAR:
                break
            # If less than half of a list was found, the limit is far too low.
            farthest = farthest + 2 * (farthest >> 2) + 2 if 2 * (end - used) > longest else 2 * farthest + 2
            if farthest > LIST_LIMIT:
                farthest = FAR
        used = end
    return used


@entry_point
def mark_window_crossings(graphs, low, high):
    """Set PATH_ENTERS_COMMIT for detectors outside low..high-1 whose precomputed paths pass inside.

    Args:
        graphs: one GRAPH record; writes DETECTOR.flips.
        low: first detector to be committed.
        high: end of the detectors to be committed.
    """
    graph = graphs[0]
    detectors, neighbours, parents = (
        pool(graph, "detectors"),
        pool(graph, "neighbours"),
        pool(graph, "parents"),
    )
    for source in range(graph.num_detectors):
        if low <= source < high:
            continue
        detector = detectors[source]
        here = detector.outward
        while here >= 0:
            if low <= here < high:
                detector.flips |= PATH_ENTERS_COMMIT
            here = detectors[here].outward
        for entry in range(detector.first, detector.last):
            if low <= source + neighbours[entry].detector < high:
                continue
            place = parents[entry]
            while place >= 0:
                if low <= source + neighbours[detector.first + place].detector < high:
                    detector.flips |= PATH_ENTERS_COMMIT
                place = parents[detector.first + place]


@entry_point
def fill_adjacency(rows, neighbours, edges, weight, edge_has_flips, indptr, adjacent):
    """Write the adjacency without the boundary and with only the lightest of parallel edges.

    Args:
        rows, neighbours, edges: indptr, adjacent_detector and adjacent_edge of a MatchingGraph.
        weight: int32 (edges,), not negative.
        edge_has_flips: bool (edges,).
        indptr: int32 (num_detectors + 1,), 0 at the first place on entry; written.
        adjacent: ADJACENT (entries,), written.

    Returns:
        Number of entries.
    """
    used = 0
    for detector in range(len(rows) - 1):
        start = used
        for at in range(rows[detector], rows[detector + 1]):
            other = neighbours[at]
            if other < 0:
                continue
            edge = edges[at]
            if used > start and adjacent[used - 1].detector == other:
                if adjacent[used - 1].weight <= weight[edge]:
                    continue
                used -= 1
            adjacent[used].detector = other
            adjacent[used].weight = weight[edge]
            adjacent[used].edge = edge
            adjacent[used].flips = edge_has_flips[edge]
            used += 1
        indptr[detector + 1] = used
    return used
