"""Exact matching under per-shot edge weights.

Neighbour lists and boundary distances of a shot's events come from `event_lists`. Events matched in the first
pass need no longer path to the boundary; the tree searches find it if they grow that far.

Entry for kernels: `match_reweighted(graph, reweight, work, detectors, count, weights)`. Afterwards
`work.flips` and `work.weight` describe the matching, and `reweighted_edges` lists its edges. The weights of
any path must add up to less than 2**31 in absolute value. `graph`, `reweight` and `work` are records of a
`ReweightedGraph` and a `Workspace` for it; each thread needs its own. The same events can be matched again
under other weights at once.
"""

import numpy as np

from decoders.kernels.jit import entry_point, kernel
from decoders.kernels.layout import ADD, FULL, OK
from decoders.kernels.records import pool
from decoders.matching.kernels.batch import search_all
from decoders.matching.kernels.correction import apply_mate, mate_path
from decoders.matching.kernels.first_pass import (
    find_nearest,
    load_events,
    match_small_shot,
    match_tight_pairs,
)
from decoders.reweighted.kernels.event_lists import build_event_lists, store_found_boundary_path


@kernel
def load_weights(graph, reweight, weights):
    """Set the weight of every edge; edges of negative weight are assumed present.

    Of parallel edges only the lightest counts. Assuming a negative edge present leaves an edge of the
    opposite weight, which removes it again (Edmonds and Johnson 1973).

    Args:
        graph: GRAPH record; writes adjacent and boundary_edge.
        reweight: REWEIGHT record; writes present, boundary_weight and their totals.
        weights: int32 (num_edges,), even.
    """
    adjacent, positions, negative = (
        pool(graph, "adjacent"),
        pool(reweight, "positions"),
        pool(reweight, "negative"),
    )
    boundary_weight, boundary_edge = pool(reweight, "boundary_weight"), pool(graph, "boundary_edge")
    first_parallel, edge_has_flips = pool(reweight, "first_parallel"), pool(reweight, "edge_has_flips")
    ends = pool(graph, "ends")
    num_negative = 0
    total = np.int64(0)
    for edge in range(reweight.num_edges):
        weight = np.int64(weights[edge])
        if weight < 0:
            negative[num_negative] = edge
            num_negative += 1
            total += weight
            weight = -weight
        there, back = positions[2 * edge], positions[2 * edge + 1]
        if reweight.has_parallel_edges == 0 or first_parallel[edge] == edge:
            lighter = True
        elif back < 0:
            lighter = weight < boundary_weight[ends[2 * edge]]
        else:
            lighter = weight < adjacent[there].weight
        if not lighter:
            continue
        if back < 0:
            boundary_weight[ends[2 * edge]] = weight
            boundary_edge[ends[2 * edge]] = edge
            continue
        adjacent[there].weight = weight
        adjacent[back].weight = weight
        if reweight.has_parallel_edges:
            adjacent[there].edge = edge
            adjacent[back].edge = edge
            adjacent[there].flips = edge_has_flips[edge]
            adjacent[back].flips = edge_has_flips[edge]
    reweight.num_negative = num_negative
    reweight.negative_weight = total


@kernel
def load_residual_events(graph, reweight, work, detectors, count):
    """Write the detection events that the present edges leave to WORK.fired; return their number.

    `detectors` int64 (capacity,): the first `count` are the shot's events; ascending order is preserved.
    """
    fired, parity = pool(work, "fired"), pool(reweight, "parity")
    negative, ends = pool(reweight, "negative"), pool(graph, "ends")
    if reweight.num_negative == 0:
        for index in range(count):
            fired[index] = detectors[index]
        return count
    for index in range(count):
        parity[detectors[index]] = 1
    for at in range(reweight.num_negative):
        edge = negative[at]
        parity[ends[2 * edge]] ^= 1
        if ends[2 * edge + 1] >= 0:
            parity[ends[2 * edge + 1]] ^= 1
    size = 0
    for index in range(count):
        if parity[detectors[index]]:
            parity[detectors[index]] = 0
            fired[size] = detectors[index]
            size += 1
    for at in range(reweight.num_negative):
        for end in range(2):
            detector = np.int64(ends[2 * negative[at] + end])
            if detector < 0 or parity[detector] == 0:
                continue
            parity[detector] = 0
            place = size
            while place > 0 and fired[place - 1] > detector:
                fired[place] = fired[place - 1]
                place -= 1
            fired[place] = detector
            size += 1
    return size


@kernel
def apply_negative_edges(graph, reweight, work):
    """Initialise `flips` and `weight` of the workspace with certain flips and the edges assumed present."""
    flips, certain_flips = pool(work, "flips"), pool(graph, "certain_flips")
    edge_flips = pool(graph, "edge_flips")
    negative = pool(reweight, "negative")
    width = graph.flip_bytes
    for byte in range(width):
        flips[byte] = certain_flips[byte]
    for at in range(reweight.num_negative):
        for byte in range(width):
            flips[byte] ^= edge_flips[negative[at] * width + byte]
    work.weight = reweight.negative_weight


@kernel
def run_first_pass(graph, reweight, work, count):
    """Match tight pairs and tight boundary edges; return the number of unmatched events."""
    apply_negative_edges(graph, reweight, work)
    load_events(graph, work, count)
    find_nearest(graph, work, count)
    return match_tight_pairs(graph, work, count)


@kernel
def match_reweighted(graph, reweight, work, detectors, count, weights):
    """Match detection events under the weights of this shot.

    Args:
        graph: GRAPH record; written.
        reweight: REWEIGHT record; written.
        work: WORK record; written.
        detectors: int64 (capacity,): the first `count` are the detectors that fired.
        count: number of events.
        weights: int32 (num_edges,), even.

    Returns:
        Number of events after edges of negative weight were assumed present, and a status.
    """
    load_weights(graph, reweight, weights)
    return match_loaded(graph, reweight, work, detectors, count)


@kernel
def match_loaded(graph, reweight, work, detectors, count):
    """Match detection events as `match_reweighted` does, under the weights that are loaded."""
    event_of, visited, fired = pool(work, "event_of"), pool(work, "visited"), pool(work, "fired")
    count = load_residual_events(graph, reweight, work, detectors, count)
    apply_negative_edges(graph, reweight, work)
    if count == 0:
        return count, OK
    build_event_lists(graph, reweight, work, count)
    status = OK
    few = work.keep_duals == 0 and match_small_shot(graph, work, count)
    if not few and run_first_pass(graph, reweight, work, count) > 0:
        status = search_all(graph, work, count)
        for at in range(work.num_visited):
            if status == OK:
                store_found_boundary_path(graph, reweight, work, visited[at])
                apply_mate(graph, work, visited[at], ADD)
    for index in range(count):
        event_of[fired[index]] = -1
    return count, status


@kernel
def reweighted_edges(graph, reweight, work, count, edges):
    """List the edges of the matching of `match_reweighted`, including those assumed present.

    Args:
        graph, reweight, work: records as left by `match_reweighted`.
        count: number of events that it returned.
        edges: int32 (capacity,), written; an edge listed an even number of times is not in the solution.

    Returns:
        Number of edges listed, and a status.
    """
    path, negative = pool(work, "path"), pool(reweight, "negative")
    size = 0
    for at in range(reweight.num_negative):
        if size == len(edges):
            return size, FULL
        edges[size] = negative[at]
        size += 1
    for index in range(count):
        for at in range(mate_path(graph, work, index)):
            if size == len(edges):
                return size, FULL
            edges[size] = path[at]
            size += 1
    return size, OK


@entry_point
def match_to_edges(graphs, reweights, works, detectors, weights, edges):
    """Match one shot and list the edges of its matching; return their number and a status.

    Args:
        graphs, reweights, works: one record each; written.
        detectors: int64 (events,).
        weights: int32 (num_edges,), even.
        edges: int32 (capacity,), written.
    """
    graph, reweight, work = graphs[0], reweights[0], works[0]
    count, status = match_reweighted(graph, reweight, work, detectors, len(detectors), weights)
    if status != OK:
        return 0, status
    return reweighted_edges(graph, reweight, work, count, edges)
