"""One search: an unmatched event grows an alternating tree until it finds a partner.

The shot's dual solution stays feasible and every matched edge tight, so when the last event has found
a partner the matching is optimal (Edmonds 1965). One tree grows at a time; what other trees left
behind, radii and blossoms included, is the starting point of the next.
"""

from decoders.kernels.heap import drop_first
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FULL,
    INNER,
    LOSES_SHELL,
    MEETS_BOUNDARY,
    MEETS_EDGE,
    NO_PARTNER,
    NONE,
    OK,
    OUT_OF_TREE,
    OUTER,
    POSTPONED,
)
from decoders.kernels.records import pool
from decoders.matching.kernels.blossoms import (
    form_blossom,
    grow_inner,
    grow_outer,
    match_event,
    shatter_blossom,
    tree_parent,
)
from decoders.matching.kernels.regions import radius_now, reveal, settle, wake


@kernel
def rematch_to_root(work, event, mate):
    """Give an outer event its new mate, and the old mates along the tree theirs."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    while True:
        region = events[event].top
        match_event(work, event, mate)
        entry = nodes[region].entry
        if entry < 0:
            return
        inner = events[halves[entry ^ 1].to].top
        way_in = nodes[inner].entry
        match_event(work, halves[way_in].to, way_in ^ 1)
        event = halves[way_in ^ 1].to
        mate = way_in


@kernel
def root_of(work, region):
    """The root of an outer region's tree."""
    above = tree_parent(work, region)
    while above >= 0:
        region = above
        above = tree_parent(work, region)
    return region


@kernel
def meet(graph, work, half):
    """Act on an edge that has become tight; returns whether a root can be matched through it."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    edges = pool(work, "edges")
    here = halves[half ^ 1].to
    there = halves[half].to
    top_here = events[here].top
    top_there = events[there].top
    label = nodes[top_there].label
    if nodes[top_here].label != OUTER or top_here == top_there or label == INNER:
        return False  # the tree has changed since this was scheduled
    if edges[half >> 1].distance > radius_now(work, here) + radius_now(work, there):
        return False
    if label == OUTER:
        if work.two_trees and root_of(work, top_here) != root_of(work, top_there):
            return True
        form_blossom(graph, work, half)
        return False
    wake(graph, work, there)
    mate = events[nodes[top_there].base_event].mate
    if mate < 0:  # unmatched, or matched to the boundary, which it can leave
        return True
    grow_inner(work, top_there, half)
    grow_outer(graph, work, events[halves[mate].to].top, mate)
    return False


@kernel
def leave_tree(work):
    """Settle all regions of the tree and take their labels away."""
    nodes, tree = pool(work, "nodes"), pool(work, "tree")
    for at in range(work.tree_size):
        region = tree[at]
        node = nodes[region]
        if node.label != OUT_OF_TREE:
            settle(work, region)
            node.label = OUT_OF_TREE
    work.tree_size = 0
    work.queue_size = 0


@kernel
def grow_tree(graph, work):
    """Let what has been planted grow until a root can be matched; returns the queue item of then, or -1."""
    events, nodes, queue = pool(work, "events"), pool(work, "nodes"), pool(work, "queue")
    while work.queue_size > 0 and work.overflow == 0 and work.postponed == 0:
        work.now = queue[0].key
        what = queue[0].what
        work.queue_size = drop_first(queue, work.queue_size)
        kind = what & 3
        index = what >> 2
        if kind == MEETS_EDGE:
            if meet(graph, work, index):
                return what
        elif kind == MEETS_BOUNDARY:
            # Never out of date: what has begun to grow goes on growing until the search ends.
            return what
        elif kind == LOSES_SHELL:
            node = nodes[index]
            if node.label == INNER and node.parent < 0 and node.dual == work.now - node.since:
                shatter_blossom(graph, work, index)
        elif nodes[events[index].top].label == OUTER:
            reveal(graph, work, index)
    return NONE


@kernel
def match_root(work, met):
    """Match the root, and all others along the way, through what the tree has met."""
    halves = pool(work, "halves")
    index = met >> 2
    if met & 3 == MEETS_EDGE:
        rematch_to_root(work, halves[index ^ 1].to, index)
        match_event(work, halves[index].to, index ^ 1)
    else:
        rematch_to_root(work, index, AT_BOUNDARY)


@kernel
def find_partner(graph, work, root):
    """Match one unmatched event, rematching others where that is better. Returns a status."""
    events = pool(work, "events")
    work.now = 0
    work.postponed = 0
    wake(graph, work, root)
    grow_outer(graph, work, events[root].top, NONE)
    met = grow_tree(graph, work)
    if met >= 0:
        match_root(work, met)
    leave_tree(work)
    if work.overflow:
        return FULL
    if work.postponed:
        return POSTPONED
    return OK if met >= 0 else NO_PARTNER
