"""One search: an unmatched event grows an alternating tree until it finds a partner.

The shot's dual solution stays feasible and every matched edge tight, so when the last event has found
a partner the matching is optimal (Edmonds 1965). One tree grows at a time; what other trees left
behind, radii and blossoms included, is the starting point of the next.
"""

from decoders.kernels.blossoms import (
    form_blossom,
    grow_inner,
    grow_outer,
    match_event,
    shatter_blossom,
)
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FULL,
    INNER,
    LOSES_SHELL,
    MEETS_BOUNDARY,
    MEETS_EDGE,
    NO_PARTNER,
    NOW,
    OK,
    OUT_OF_TREE,
    OUTER,
    OVERFLOW,
    QUEUE_SIZE,
    TREE_SIZE,
)
from decoders.kernels.queue import drop_first
from decoders.kernels.regions import radius_now, reveal, settle


@kernel
def rematch_to_root(work, event, mate):
    """Give an outer event its new mate, and the old mates along the tree theirs."""
    while True:
        region = work.events[event].top
        match_event(work, event, mate)
        entry = work.nodes[region].entry
        if entry < 0:
            return
        inner = work.events[work.halves[entry ^ 1].to].top
        way_in = work.nodes[inner].entry
        match_event(work, work.halves[way_in].to, way_in ^ 1)
        event = work.halves[way_in ^ 1].to
        mate = way_in


@kernel
def meet(graph, work, ball, half):
    """Act on an edge that has become tight; returns whether the search has ended."""
    here = work.halves[half ^ 1].to
    there = work.halves[half].to
    top_here = work.events[here].top
    top_there = work.events[there].top
    label = work.nodes[top_there].label
    if work.nodes[top_here].label != OUTER or top_here == top_there or label == INNER:
        return False  # the tree has changed since this was scheduled
    if work.edges[half >> 1].distance > radius_now(work, here) + radius_now(work, there):
        return False
    if label == OUTER:
        form_blossom(graph, work, ball, half)
        return False
    mate = work.events[work.nodes[top_there].base].mate
    if mate < 0:  # unmatched, or matched to the boundary, which it can leave
        rematch_to_root(work, here, half)
        match_event(work, there, half ^ 1)
        return True
    grow_inner(work, top_there, half)
    grow_outer(graph, work, ball, work.events[work.halves[mate].to].top, mate)
    return False


@kernel
def leave_tree(work):
    """Settle all regions of the tree and take their labels away."""
    for at in range(work.state[TREE_SIZE]):
        region = work.tree[at]
        node = work.nodes[region]
        if node.label != OUT_OF_TREE:
            settle(work, region)
            node.label = OUT_OF_TREE
    work.state[TREE_SIZE] = 0
    work.state[QUEUE_SIZE] = 0


@kernel
def find_partner(graph, work, ball, root):
    """Match one unmatched event, rematching others where that is better. Returns a status."""
    state = work.state
    state[NOW] = 0
    grow_outer(graph, work, ball, work.events[root].top, -1)
    status = NO_PARTNER
    while state[QUEUE_SIZE] > 0 and state[OVERFLOW] == 0:
        state[NOW] = work.queue[0].key
        what = work.queue[0].what
        state[QUEUE_SIZE] = drop_first(work.queue, state[QUEUE_SIZE])
        kind = what & 3
        index = what >> 2
        if kind == MEETS_EDGE:
            if meet(graph, work, ball, index):
                status = OK
                break
        elif kind == MEETS_BOUNDARY:
            rematch_to_root(work, index, AT_BOUNDARY)
            status = OK
            break
        elif kind == LOSES_SHELL:
            node = work.nodes[index]
            if node.label == INNER and node.parent < 0 and node.dual == state[NOW] - node.since:
                shatter_blossom(graph, work, ball, index)
        elif work.nodes[work.events[index].top].label == OUTER:
            reveal(graph, work, ball, index)
    if state[OVERFLOW]:
        return FULL
    leave_tree(work)
    return status
