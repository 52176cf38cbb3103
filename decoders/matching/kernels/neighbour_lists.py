"""What every shot asks again and again, computed once: who is near, and how far is the boundary."""

import numpy as np

from decoders.kernels.heap import drop_first, push
from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import BEYOND, FAR, FLIPS_SOMETHING, LEADS_BEYOND, LEADS_INSIDE, LIST_LIMIT
from decoders.kernels.records import pool
from decoders.matching.kernels.dijkstra import ball_end, ball_next, ball_start
from decoders.matching.kernels.paths import edge_between


@entry_point
def measure_boundary(graphs, works, edge_weight):
    """Distance to the boundary, what lies on the way and the next step there, for every detector.

    `edge_weight` (int64, FAR without one) describes each detector's own boundary edge.
    """
    graph, work = graphs[0], works[0]
    detectors, indptr, adjacent = pool(graph, "detectors"), pool(graph, "indptr"), pool(graph, "adjacent")
    boundary_edge, boundary_flips = pool(graph, "boundary_edge"), pool(graph, "boundary_flips")
    edge_flips, ends, queue = pool(graph, "edge_flips"), pool(graph, "ends"), pool(work, "ball_queue")
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
        # Nearer detectors are final: their flips are known when those behind them need them.
        edge = np.int64(boundary_edge[here])
        if detector.outward >= 0:
            detector.flips |= detectors[detector.outward].flips & LEADS_BEYOND
        elif ends[2 * edge + 1] == BEYOND:
            detector.flips |= LEADS_BEYOND
        if detector.outward >= 0:
            edge = edge_between(graph, here, detector.outward)
        outward_edges[here] = edge
        for byte in range(width):
            flip = edge_flips[edge * width + byte]
            if detector.outward >= 0:
                flip ^= boundary_flips[detector.outward * width + byte]
            boundary_flips[here * width + byte] = flip
            if flip != 0:
                detector.flips |= FLIPS_SOMETHING
        for at in range(indptr[here], indptr[here + 1]):
            there = detectors[adjacent[at].detector]
            through = distance + adjacent[at].weight
            if through < there.boundary:
                there.boundary = through
                there.outward = here
                size = push(queue, size, through, np.int64(adjacent[at].detector))


@kernel
def _fill_list(graph, work, source, longest, limit, used):
    """Write the nearest detectors of one detector to `near`, from entry `used` on, none farther than `limit`.

    Returns how many entries are used then, and the first and the last detector whose adjacency was read.
    """
    near, parents, steps = pool(graph, "near"), pool(graph, "parents"), pool(graph, "steps")
    nodes = pool(work, "ball_nodes")
    indptr, adjacent = pool(graph, "indptr"), pool(graph, "adjacent")
    detector = pool(graph, "detectors")[source]
    own = adjacent[indptr[source]].edge if indptr[source] < indptr[source + 1] else np.int32(0)
    detector.first = used
    lowest = np.int64(source)
    highest = np.int64(source)
    ball_start(work, source)
    work.ball_limit = limit
    ball_next(graph, work)
    radius = FAR
    while True:
        there = ball_next(graph, work)
        if there < 0:
            if limit < FAR:
                radius = limit  # even: beyond it lies what was not looked at
            break
        lowest = min(lowest, there)
        highest = max(highest, there)
        node = nodes[there]
        if used - detector.first == longest or node.distance >= LIST_LIMIT:
            radius = node.distance
            break
        node.entry = used - detector.first
        near[used].detector = there - source
        near[used].span = node.distance | node.flips
        parents[used] = nodes[node.parent].entry
        steps[used] = node.edge - own
        used += 1
    ball_end(work)
    detector.last = used
    detector.radius = radius
    return used, lowest, highest


@entry_point
def fill_lists(graphs, works, longest, stretches, low, high, source, stop, used, guess):
    """Write the `longest` nearest detectors of each of the detectors source..stop-1 to `near`.

    Returns the detector where room for another list ran out (`stop` if it did not), how many entries are
    used, and `guess`: call again with these. At first the last two are 0 and FAR.

    How far to look is guessed from the detector before, so that the search need not touch what no list will
    hold; a list that comes out short is still complete up to its radius.

    In a stretch (`repeats.find_stretches`) the list of the detector one period before is taken again if all
    adjacency that its search has read repeats: a new search would go through the same steps. low, high int32
    (num_detectors,) receive the first and the last detector whose adjacency was read, less the source.
    """
    graph, work = graphs[0], works[0]
    detectors = pool(graph, "detectors")
    number = 0
    while source < stop:
        detector = detectors[source]
        while number < len(stretches) and source >= stretches[number, 1]:
            number += 1
        if number < len(stretches) and source >= stretches[number, 0]:
            twin = source - stretches[number, 2]
            is_repeated = source + low[twin] >= stretches[number, 0]
            if is_repeated and source + high[twin] < stretches[number, 1]:
                detector.first = detectors[twin].first
                detector.last = detectors[twin].last
                detector.radius = detectors[twin].radius
                low[source] = low[twin]
                high[source] = high[twin]
                source += 1
                continue
        if graph.num_near - used <= longest:
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
def fill_lists_of(graphs, works, wanted, longest, limit, used):
    """Write the neighbour lists of the detectors `wanted`, int64, to `near`, from entry `used` on.

    Returns how many entries are used then; there must be room for `longest` of each list. A list depends on
    the graph, `longest` and `limit` only, not on those written before: the search begins with detectors up to
    `limit`, and looks farther until the list is full or nothing is left.
    """
    graph, work = graphs[0], works[0]
    for source in wanted:
        farthest = limit
        while True:
            end, _, _ = _fill_list(graph, work, source, longest, farthest, used)
            if end - used == longest or farthest == FAR:
                break
            # Where less than half was found, the limit is far too low.
            farthest = farthest + 2 * (farthest >> 2) + 2 if 2 * (end - used) > longest else 2 * farthest + 2
            if farthest > LIST_LIMIT:
                farthest = FAR
        used = end
    return used


@entry_point
def mark_detours(graphs, low, high):
    """Mark detectors outside low..high-1 whose way to the boundary or a neighbour outside leads inside."""
    graph = graphs[0]
    detectors, near, parents = pool(graph, "detectors"), pool(graph, "near"), pool(graph, "parents")
    for source in range(graph.num_detectors):
        if low <= source < high:
            continue
        detector = detectors[source]
        here = detector.outward
        while here >= 0:
            if low <= here < high:
                detector.flips |= LEADS_INSIDE
            here = detectors[here].outward
        for entry in range(detector.first, detector.last):
            if low <= source + near[entry].detector < high:
                continue
            place = parents[entry]
            while place >= 0:
                if low <= source + near[detector.first + place].detector < high:
                    detector.flips |= LEADS_INSIDE
                place = parents[detector.first + place]


@entry_point
def fill_adjacency(rows, neighbours, edges, weight, edge_has_flips, indptr, adjacent):
    """Adjacency without the boundary and with only the lightest of parallel edges; returns its size.

    `rows`, `neighbours`, `edges`: the rows of a MatchingGraph, each sorted by neighbour, boundary first.
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
