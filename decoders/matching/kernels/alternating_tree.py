"""Alternating-tree search: an unmatched event grows a tree until an augmenting path is found.

The dual solution of the shot remains feasible and every matched edge tight, so the matching is optimal once
the last event is matched (Edmonds 1965). One tree grows at a time; it starts from the radii and blossoms
that earlier trees left.
"""

from decoders.kernels.heap import drop_first
from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    AT_BOUNDARY,
    FULL,
    INNER,
    NO_PARTNER,
    NONE,
    OK,
    OUT_OF_TREE,
    OUTER,
    POSTPONED,
    TIGHT_BOUNDARY,
    TIGHT_EDGE,
    ZERO_DUAL,
)
from decoders.kernels.records import pool
from decoders.matching.kernels.blossoms import (
    add_inner_region,
    add_outer_region,
    form_blossom,
    match_event,
    outer_parent,
    shatter_blossom,
)
from decoders.matching.kernels.regions import discover_edges, get_radius, update_duals, visit_event


@kernel
def augment_path(work, event, mate):
    """Match an outer event to a new mate and alternate the matching along the tree up to the root."""
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
def find_root(work, region):
    """Return the root of an outer region's tree."""
    above = outer_parent(work, region)
    while above >= 0:
        region = above
        above = outer_parent(work, region)
    return region


@kernel
def process_tight_edge(graph, work, half):
    """Process an edge that has become tight; return whether it ends an augmenting path."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    edges = pool(work, "edges")
    here = halves[half ^ 1].to
    there = halves[half].to
    top_here = events[here].top
    top_there = events[there].top
    label = nodes[top_there].label
    if nodes[top_here].label != OUTER or top_here == top_there or label == INNER:
        return False  # the tree has changed since the item was scheduled
    if edges[half >> 1].distance > get_radius(work, here) + get_radius(work, there):
        return False
    if label == OUTER:
        if work.two_trees and find_root(work, top_here) != find_root(work, top_there):
            return True
        form_blossom(graph, work, half)
        return False
    visit_event(graph, work, there)
    mate = events[nodes[top_there].base_event].mate
    if mate < 0:  # unmatched, or matched to the boundary, which it can leave
        return True
    add_inner_region(work, top_there, half)
    add_outer_region(graph, work, events[halves[mate].to].top, mate)
    return False


@kernel
def dissolve_tree(work):
    """Update the duals of all regions of the tree and remove their labels."""
    nodes, tree = pool(work, "nodes"), pool(work, "tree")
    for at in range(work.tree_size):
        region = tree[at]
        node = nodes[region]
        if node.label != OUT_OF_TREE:
            update_duals(work, region)
            node.label = OUT_OF_TREE
    work.tree_size = 0
    work.queue_size = 0


@kernel
def grow_tree(graph, work):
    """Grow the tree until an augmenting path is found; return the last queue item, or -1 if there is none."""
    events, nodes, queue = pool(work, "events"), pool(work, "nodes"), pool(work, "queue")
    while work.queue_size > 0 and work.overflow == 0 and work.postponed == 0:
        work.now = queue[0].key
        what = queue[0].what
        work.queue_size = drop_first(queue, work.queue_size)
        kind = what & 3
        index = what >> 2
        if kind == TIGHT_EDGE:
            if process_tight_edge(graph, work, index):
                return what
        elif kind == TIGHT_BOUNDARY:
            # Never outdated: a region that grows does so until the search ends.
            return what
        elif kind == ZERO_DUAL:
            node = nodes[index]
            if node.label == INNER and node.parent < 0 and node.dual == work.now - node.since:
                shatter_blossom(graph, work, index)
        elif nodes[events[index].top].label == OUTER:
            discover_edges(graph, work, index)
    return NONE


@kernel
def augment_matching(work, met):
    """Augment the matching along the path from the root to the tight edge of a queue item."""
    halves = pool(work, "halves")
    index = met >> 2
    if met & 3 == TIGHT_EDGE:
        augment_path(work, halves[index ^ 1].to, index)
        match_event(work, halves[index].to, index ^ 1)
    else:
        augment_path(work, index, AT_BOUNDARY)


@kernel
def find_partner(graph, work, root):
    """Match one unmatched event, rematching others where that is lighter; return a status.

    Writes `events`, `nodes`, `flips` and `weight`; the tree is empty again afterwards.
    """
    events = pool(work, "events")
    work.now = 0
    work.postponed = 0
    visit_event(graph, work, root)
    add_outer_region(graph, work, events[root].top, NONE)
    met = grow_tree(graph, work)
    if met >= 0:
        augment_matching(work, met)
    dissolve_tree(work)
    if work.overflow:
        return FULL
    if work.postponed:
        return POSTPONED
    return OK if met >= 0 else NO_PARTNER
