"""Kernels that prepare lightest parallel edges and implied edges for the second matching."""

import numpy as np

from decoders.kernels.jit import entry_point


@entry_point
def find_lightest_parallel(edge_u, edge_v, weight, lightest_parallel):
    """Write the lightest edge between the ends of each edge, the first of equals.

    Args:
        edge_u, edge_v: int32 (num_edges,), sorted by (edge_u, edge_v).
        weight: int32 (num_edges,), not negative.
        lightest_parallel: int32 (num_edges,), written.
    """
    run = 0
    while run < len(edge_u):
        end = run
        lightest = run
        while end < len(edge_u) and edge_u[end] == edge_u[run] and edge_v[end] == edge_v[run]:
            if weight[end] < weight[lightest]:
                lightest = end
            end += 1
        for edge in range(run, end):
            lightest_parallel[edge] = lightest
        run = end


@entry_point
def fill_implied(
    given_start,
    given_edge,
    given_weight,
    edge_u,
    edge_v,
    weight,
    lightest_parallel,
    is_relevant,
    table,
    start,
    relevant,
):
    """Write implied edges that are lighter than their lightest parallel edge, relevant components first.

    Args:
        given_start: int32 (num_edges + 1,), of an `Implied`.
        given_edge: int32 (entries,), likewise.
        given_weight: int32 (entries,), likewise.
        edge_u, edge_v: int32 (num_edges,).
        weight: int32 (num_edges,).
        lightest_parallel: int32 (num_edges,), of `find_lightest_parallel`.
        is_relevant: bool (num_detectors,).
        table: IMPLIED (entries,), written.
        start: int32 (num_edges + 1,), written: GRAPH.implied_start.
        relevant: int32 (num_edges,), written: GRAPH.implied_relevant.

    Returns:
        Number of table entries used, and whether edges of relevant components imply others there.
    """
    used = 0
    has_own = False
    for edge in range(len(edge_u)):
        start[edge] = used
        for turn in range(2):
            for at in range(given_start[edge], given_start[edge + 1]):
                implied = given_edge[at]
                is_first = is_relevant[edge_u[implied]]
                if is_first == (turn == 0) and given_weight[at] < weight[lightest_parallel[implied]]:
                    table[used].u = edge_u[implied]
                    table[used].v = edge_v[implied] if edge_v[implied] >= 0 else np.int32(len(is_relevant))
                    table[used].edge = implied
                    table[used].weight = given_weight[at]
                    used += 1
            if turn == 0:
                relevant[edge] = used
                has_own |= used > start[edge] and is_relevant[edge_u[edge]]
    start[len(edge_u)] = used
    return used, has_own
