"""Lay out what edges imply for the kernels that match twice."""

import numpy as np

from decoders.kernels.jit import entry_point


@entry_point
def fill_slots(edge_u, edge_v, weight, slots):
    """Write the lightest edge between the ends of each edge, the first of equals, to `slots`.

    edge_u, edge_v int32 (num_edges,), sorted by (edge_u, edge_v); weight int32 (num_edges,), not negative.
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
            slots[edge] = lightest
        run = end


@entry_point
def fill_implied(
    given_start, given_edge, given_weight, edge_u, edge_v, weight, slots, is_watched, table, start, watched
):
    """Write implied edges that are lighter than their slots to `table`, those in watched components first.

    given_start int32 (num_edges + 1,), given_edge, given_weight int32 (entries,): an `Implied`. is_watched
    bool (num_detectors,). table IMPLIED (entries,), start int32 (num_edges + 1,), watched int32
    (num_edges,) are filled as layout.GRAPH describes them. Returns how many entries of the table are used,
    and whether edges of watched components imply others there.
    """
    used = 0
    has_own = False
    for edge in range(len(edge_u)):
        start[edge] = used
        for turn in range(2):
            for at in range(given_start[edge], given_start[edge + 1]):
                implied = given_edge[at]
                is_first = is_watched[edge_u[implied]]
                if is_first == (turn == 0) and given_weight[at] < weight[slots[implied]]:
                    table[used].u = edge_u[implied]
                    table[used].v = edge_v[implied] if edge_v[implied] >= 0 else np.int32(len(is_watched))
                    table[used].edge = implied
                    table[used].weight = given_weight[at]
                    used += 1
            if turn == 0:
                watched[edge] = used
                has_own |= used > start[edge] and is_watched[edge_u[edge]]
    start[len(edge_u)] = used
    return used, has_own
