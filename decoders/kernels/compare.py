"""Which of the two matchings of a shot the errors of the model explain better.

The second matching may take two edges, each for being likely beside one edge of the first, when no error
gives all three; and it may give up the very edges that made others likely. So where the two predict
different flips, both are judged by one measure: the weight of their edges, less what is saved by pairs of
edges that one error gives together, each edge in one pair at most (greedily, the largest saving first).
Components without observables count with the first matching's edges in both: what the second one changes
there only adds noise (measured: 0.5 to 8 % more logical errors, the more the larger the distance).
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.layout import IS_WATCHED, NOT_SEEN, NOT_USED
from decoders.kernels.pools import (
    certain_flips_of,
    detectors_of,
    edge_flips_of,
    ends_of,
    first_edges_of,
    flips_of,
    implied_of,
    implied_start_of,
    prices_of,
    queue_of,
    seen_of,
    weights_of,
)
from decoders.kernels.queue import drop_first, push


@kernel
def flips_like_first(graph, work):
    """Whether `flips` are what the edges of the first matching flip."""
    flips, edge_flips, first_edges = flips_of(work), edge_flips_of(graph), first_edges_of(work)
    certain = certain_flips_of(graph)
    for byte in range(graph.flip_bytes):
        flip = certain[byte] ^ flips[byte]
        for at in range(work.num_first):
            flip ^= edge_flips[first_edges[at] * graph.flip_bytes + byte]
        if flip != 0:
            return False
    return True


@kernel
def keep_first_elsewhere(graph, work):
    """Have the list hold the first matching's edges where nothing is flipped, the present one's elsewhere."""
    detectors, ends, first_edges = detectors_of(graph), ends_of(graph), first_edges_of(work)
    prices, seen, weights = prices_of(work), seen_of(work), weights_of(graph)
    for at in range(work.num_seen):
        if detectors[ends[2 * seen[at]]].flips & IS_WATCHED == 0:
            prices[seen[at]] = NOT_USED
    for at in range(work.num_first):
        edge = first_edges[at]
        if detectors[ends[2 * edge]].flips & IS_WATCHED == 0:
            if prices[edge] == NOT_SEEN:
                seen[work.num_seen] = edge
                work.num_seen += 1
            prices[edge] = weights[edge]


@kernel
def list_first_edges(graph, work):
    """List the edges of the first matching; returns their weight with the prices that they imply."""
    implied, starts, weights = implied_of(graph), implied_start_of(graph), weights_of(graph)
    first_edges, prices, seen = first_edges_of(work), prices_of(work), seen_of(work)
    for at in range(work.num_first):
        seen[at] = first_edges[at]
        prices[first_edges[at]] = weights[first_edges[at]]
    work.num_seen = work.num_first
    for at in range(work.num_first):
        for entry in range(starts[first_edges[at]], starts[first_edges[at] + 1]):
            other = implied[entry]
            if prices[other.edge] > other.weight:
                prices[other.edge] = other.weight
    total = np.int64(0)
    for at in range(work.num_first):
        total += prices[first_edges[at]]
    return total


@kernel
def judge(graph, work):
    """The measure of the matching whose edges are listed; it uses up their prices."""
    implied, starts, weights = implied_of(graph), implied_start_of(graph), weights_of(graph)
    prices, seen, queue = prices_of(work), seen_of(work), queue_of(work)
    total = np.int64(0)
    size = np.int64(0)
    for at in range(work.num_seen):
        edge = seen[at]
        if prices[edge] < 0:
            continue
        total += weights[edge]
        for entry in range(starts[edge], starts[edge + 1]):
            other = implied[entry]
            if prices[other.edge] >= 0:
                if size == work.max_queue:
                    work.overflow = 1
                    return total
                saved = np.int64(weights[other.edge]) - other.weight
                size = push(queue, size, -saved, edge << 32 | np.int64(other.edge))
    while size > 0:
        saved = -queue[0].key
        one = queue[0].what >> 32
        other = queue[0].what & 0xFFFFFFFF
        size = drop_first(queue, size)
        if prices[one] >= 0 and prices[other] >= 0:
            total -= saved
            prices[one] = NOT_USED
            prices[other] = NOT_USED
    return total
