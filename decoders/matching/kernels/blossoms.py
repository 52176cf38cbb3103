"""Blossoms: odd cycles of regions that are contracted to one region.

The children of a blossom form a ring; `next_edge` is the half-edge from one child to the next. Its events
form a list that concatenates the lists of its children, so that expanding a blossom needs no copy. Mates of
events are always up to date, at every depth (Edmonds 1965; bookkeeping as in Galil, "Efficient algorithms
for finding maximum matching in graphs", 1986).
"""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import INNER, OUT_OF_TREE, OUTER, ZERO_DUAL
from decoders.kernels.records import pool
from decoders.matching.kernels.regions import push_item, schedule_edge, schedule_event, update_duals


@kernel
def add_to_tree(work, region, label, entry):
    """Add a region to the tree with a label and the half-edge from its tree parent.

    Writes NODE.label, entry and since, and `tree`.
    """
    nodes, tree = pool(work, "nodes"), pool(work, "tree")
    node = nodes[region]
    node.label = label
    node.entry = entry
    node.since = work.now
    if work.tree_size == work.max_tree:
        work.overflow = 1
        return
    tree[work.tree_size] = region
    work.tree_size += 1


@kernel
def add_inner_region(work, region, entry):
    """Add a region to the tree as an inner one, which shrinks; a blossom until its dual is zero."""
    nodes = pool(work, "nodes")
    add_to_tree(work, region, INNER, entry)
    if region >= work.max_events:
        push_item(work, work.now + nodes[region].dual, (region << 2) | ZERO_DUAL)


@kernel
def add_outer_region(graph, work, region, entry):
    """Add a region to the tree as an outer one, which grows, and schedule its edges."""
    add_to_tree(work, region, OUTER, entry)
    schedule_region(graph, work, region)


@kernel
def schedule_region(graph, work, region):
    """Schedule all events of a region that has become part of an outer one."""
    events, nodes = pool(work, "events"), pool(work, "nodes")
    event = nodes[region].first_leaf
    schedule_event(graph, work, event)
    while event != nodes[region].last_leaf:
        event = events[event].next_leaf
        schedule_event(graph, work, event)


@kernel
def child_around(work, event, blossom):
    """Return the child of a blossom that contains an event."""
    nodes = pool(work, "nodes")
    child = event
    while nodes[child].parent != blossom:
        child = nodes[child].parent
    return child


@kernel
def steps_forward(work, start, goal):
    """Count the steps from one sibling to another along the ring."""
    nodes = pool(work, "nodes")
    steps = 0
    while start != goal:
        start = nodes[start].next
        steps += 1
    return steps


@kernel
def sibling_edge(work, sibling, forward):
    """Return the half-edge from a sibling to the adjacent one."""
    nodes = pool(work, "nodes")
    if forward:
        return nodes[sibling].next_edge
    return nodes[nodes[sibling].previous].next_edge ^ 1


@kernel
def adjacent_sibling(work, sibling, forward):
    """Return the sibling adjacent to a sibling."""
    nodes = pool(work, "nodes")
    return nodes[sibling].next if forward else nodes[sibling].previous


@kernel
def shift_base(work, blossom, event):
    """Rematch inside a blossom so that `event` becomes its base, the event whose mate lies outside.

    Writes mates, base events and `stack`.
    """
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    stack = pool(work, "stack")
    stack[0] = blossom
    stack[1] = event
    depth = 2
    while depth > 0:
        depth -= 2
        around = stack[depth]
        new_base = stack[depth + 1]
        here = child_around(work, new_base, around)
        goal = child_around(work, nodes[around].base_event, around)
        nodes[around].base_event = new_base
        if here >= work.max_events:
            stack[depth] = here
            stack[depth + 1] = new_base
            depth += 2
        forward = steps_forward(work, here, goal) & 1 == 0
        while here != goal:
            first = adjacent_sibling(work, here, forward)
            half = sibling_edge(work, first, forward)
            here = adjacent_sibling(work, first, forward)
            tail = halves[half ^ 1].to
            head = halves[half].to
            if first >= work.max_events:
                stack[depth] = first
                stack[depth + 1] = tail
                depth += 2
            if here >= work.max_events:
                stack[depth] = here
                stack[depth + 1] = head
                depth += 2
            events[tail].mate = half
            events[head].mate = half ^ 1


@kernel
def match_event(work, event, mate):
    """Give an event a new mate; if it is inside a blossom, move the blossom's base there."""
    events = pool(work, "events")
    region = events[event].top
    if region >= work.max_events:
        shift_base(work, region, event)
    events[event].mate = mate


@kernel
def outer_parent(work, region):
    """Return the outer region two steps closer to the root, -1 at the root."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    entry = nodes[region].entry
    if entry < 0:
        return -1
    inner = events[halves[entry ^ 1].to].top
    return events[halves[nodes[inner].entry ^ 1].to].top


@kernel
def find_common_ancestor(work, a, b):
    """Return the outer region at which the paths of two outer regions to the root meet.

    Writes NODE.mark and WORK.mark.
    """
    nodes = pool(work, "nodes")
    work.mark += 1
    mark = work.mark
    while True:
        if a >= 0:
            if nodes[a].mark == mark:
                return a
            nodes[a].mark = mark
            a = outer_parent(work, a)
        a, b = b, a


@kernel
def allocate_blossom(work):
    """Allocate a node for a blossom."""
    spare = pool(work, "spare")
    if work.num_spare > 0:
        work.num_spare -= 1
        return spare[work.num_spare]
    work.num_blossoms += 1
    return work.max_events + work.num_blossoms - 1


@kernel
def link_siblings(work, sibling, half, following):
    """Link a sibling to the following one in a ring through a half-edge."""
    nodes = pool(work, "nodes")
    nodes[sibling].next = following
    nodes[sibling].next_edge = half
    nodes[following].previous = sibling


@kernel
def form_blossom(graph, work, half):
    """Form a blossom of the cycle that a tight half-edge between two outer regions of a tree closes.

    Writes nodes, EVENT.top and next_leaf; schedules the events that were in inner regions.
    """
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    left = events[halves[half ^ 1].to].top
    right = events[halves[half].to].top
    root = find_common_ancestor(work, left, right)
    blossom = allocate_blossom(work)
    # Walk up from both ends of the new edge; the ring runs root -> ... -> left -> right -> ... -> root.
    link_siblings(work, left, half, right)
    here = left
    while here != root:
        entry = nodes[here].entry
        above = events[halves[entry ^ 1].to].top
        link_siblings(work, above, entry, here)
        here = above
    here = right
    while here != root:
        entry = nodes[here].entry
        above = events[halves[entry ^ 1].to].top
        link_siblings(work, here, entry ^ 1, above)
        here = above
    entry = nodes[root].entry
    first = nodes[root].first_leaf
    last = -1
    here = root
    while True:
        update_duals(work, here)
        nodes[here].parent = blossom
        if last >= 0:
            events[last].next_leaf = nodes[here].first_leaf
        last = nodes[here].last_leaf
        here = nodes[here].next
        if here == root:
            break
    shell = nodes[blossom]
    shell.parent = -1
    shell.base_event = nodes[root].base_event
    shell.child = root
    shell.first_leaf = first
    shell.last_leaf = last
    shell.mark = 0
    shell.dual = 0
    add_to_tree(work, blossom, OUTER, entry)
    event = first
    events[event].top = blossom
    while event != last:
        event = events[event].next_leaf
        events[event].top = blossom
    here = root
    while True:  # inner siblings now grow
        was_inner = nodes[here].label == INNER
        nodes[here].label = OUT_OF_TREE
        if was_inner:
            schedule_region(graph, work, here)
        here = nodes[here].next
        if here == root:
            break


@kernel
def release_child(work, child):
    """Turn a child of a blossom into a separate region outside the tree."""
    events, nodes = pool(work, "events"), pool(work, "nodes")
    node = nodes[child]
    node.parent = -1
    node.label = OUT_OF_TREE
    node.since = work.now
    event = node.first_leaf
    events[event].top = child
    while event != node.last_leaf:
        event = events[event].next_leaf
        events[event].top = child


@kernel
def shatter_blossom(graph, work, blossom):
    """Expand an inner blossom whose dual is zero.

    Children on the even path from the entry to the base stay in the tree, alternately inner and outer; the
    others leave it.
    """
    nodes, halves, spare = pool(work, "nodes"), pool(work, "halves"), pool(work, "spare")
    update_duals(work, blossom)
    entry = nodes[blossom].entry
    here = child_around(work, halves[entry].to, blossom)
    goal = child_around(work, nodes[blossom].base_event, blossom)
    child = goal
    while True:
        release_child(work, child)
        child = nodes[child].next
        if child == goal:
            break
    nodes[blossom].label = OUT_OF_TREE
    spare[work.num_spare] = blossom
    work.num_spare += 1
    forward = steps_forward(work, here, goal) & 1 == 0
    child = adjacent_sibling(work, goal, forward)
    # Inner, outer, inner, ... along the even path to the base.
    half = entry
    start = here
    while True:
        add_inner_region(work, here, half)
        if here == goal:
            break
        half = sibling_edge(work, here, forward)
        here = adjacent_sibling(work, here, forward)
        add_outer_region(graph, work, here, half)
        half = sibling_edge(work, here, forward)
        here = adjacent_sibling(work, here, forward)
    # The other children leave the tree: growing regions may reach them again.
    while child != start:
        reschedule_region(work, child)
        child = adjacent_sibling(work, child, forward)


@kernel
def reschedule_region(work, region):
    """Schedule the edges from outer regions to a region that has left the tree."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    event = nodes[region].first_leaf
    while True:
        half = events[event].first
        while half >= 0:
            other = events[halves[half].to].top
            if nodes[other].label == OUTER:
                schedule_edge(work, half ^ 1)
            half = halves[half].next
        if event == nodes[region].last_leaf:
            break
        event = events[event].next_leaf
