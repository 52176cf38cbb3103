"""Blossoms: odd rings of regions that act as one.

The children of a blossom stand in a ring; `joint` is the half-edge from one child into the next. Its
events form a chain that is the concatenation of its children's chains, so that taking a blossom apart
needs no list. Mates of events are always up to date, at every depth (Edmonds 1965; bookkeeping as in
Galil, "Efficient algorithms for finding maximum matching in graphs", 1986).
"""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import INNER, LOSES_SHELL, OUT_OF_TREE, OUTER
from decoders.kernels.records import pool
from decoders.matching.kernels.regions import open_event, schedule, schedule_edge, settle


@kernel
def enter_tree(work, region, label, entry):
    """Give a region, until now out of the tree, a label and the half-edge by which the tree came in."""
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
def grow_inner(work, region, entry):
    """A region shrinks from now on; a blossom until its own dual is used up."""
    nodes = pool(work, "nodes")
    enter_tree(work, region, INNER, entry)
    if region >= work.max_events:
        schedule(work, work.now + nodes[region].dual, (region << 2) | LOSES_SHELL)


@kernel
def grow_outer(graph, work, region, entry):
    """A region grows from now on."""
    enter_tree(work, region, OUTER, entry)
    open_region(graph, work, region)


@kernel
def open_region(graph, work, region):
    """Open all events of a region that has just become part of a growing one."""
    events, nodes = pool(work, "events"), pool(work, "nodes")
    event = nodes[region].first_leaf
    open_event(graph, work, event)
    while event != nodes[region].last_leaf:
        event = events[event].next_leaf
        open_event(graph, work, event)


@kernel
def child_around(work, event, blossom):
    """The child of a blossom that contains an event."""
    nodes = pool(work, "nodes")
    child = event
    while nodes[child].parent != blossom:
        child = nodes[child].parent
    return child


@kernel
def steps_forward(work, start, goal):
    """How many steps lead from one sibling to another along the ring."""
    nodes = pool(work, "nodes")
    steps = 0
    while start != goal:
        start = nodes[start].next
        steps += 1
    return steps


@kernel
def step(work, sibling, forward):
    """The half-edge from a sibling into the one beside it."""
    nodes = pool(work, "nodes")
    if forward:
        return nodes[sibling].joint
    return nodes[nodes[sibling].previous].joint ^ 1


@kernel
def beside(work, sibling, forward):
    """The sibling beside a sibling."""
    nodes = pool(work, "nodes")
    return nodes[sibling].next if forward else nodes[sibling].previous


@kernel
def move_base(work, blossom, event):
    """Rematch inside a blossom so that `event` is the one whose mate lies outside."""
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
            first = beside(work, here, forward)
            half = step(work, first, forward)
            here = beside(work, first, forward)
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
    """Give an event a new mate; a blossom around it rematches inside."""
    events = pool(work, "events")
    region = events[event].top
    if region >= work.max_events:
        move_base(work, region, event)
    events[event].mate = mate


@kernel
def tree_parent(work, region):
    """The outer region two steps nearer to the root, -1 at the root."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    entry = nodes[region].entry
    if entry < 0:
        return -1
    inner = events[halves[entry ^ 1].to].top
    return events[halves[nodes[inner].entry ^ 1].to].top


@kernel
def common_ancestor(work, a, b):
    """The outer region where the paths of two outer regions to the root meet."""
    nodes = pool(work, "nodes")
    work.mark += 1
    mark = work.mark
    while True:
        if a >= 0:
            if nodes[a].mark == mark:
                return a
            nodes[a].mark = mark
            a = tree_parent(work, a)
        a, b = b, a


@kernel
def new_blossom(work):
    """A node for a blossom, used before or fresh."""
    spare = pool(work, "spare")
    if work.num_spare > 0:
        work.num_spare -= 1
        return spare[work.num_spare]
    work.num_blossoms += 1
    return work.max_events + work.num_blossoms - 1


@kernel
def join(work, sibling, half, following):
    """Place a sibling after another in a ring, joined by a half-edge."""
    nodes = pool(work, "nodes")
    nodes[sibling].next = following
    nodes[sibling].joint = half
    nodes[following].previous = sibling


@kernel
def form_blossom(graph, work, half):
    """Two outer regions of a tree have met along a half-edge: the ring through their ancestor closes."""
    events, nodes, halves = pool(work, "events"), pool(work, "nodes"), pool(work, "halves")
    left = events[halves[half ^ 1].to].top
    right = events[halves[half].to].top
    root = common_ancestor(work, left, right)
    blossom = new_blossom(work)
    # Walk up from both ends of the new edge; the ring runs root -> ... -> left -> right -> ... -> root.
    join(work, left, half, right)
    here = left
    while here != root:
        entry = nodes[here].entry
        above = events[halves[entry ^ 1].to].top
        join(work, above, entry, here)
        here = above
    here = right
    while here != root:
        entry = nodes[here].entry
        above = events[halves[entry ^ 1].to].top
        join(work, here, entry ^ 1, above)
        here = above
    entry = nodes[root].entry
    first = nodes[root].first_leaf
    last = -1
    here = root
    while True:
        settle(work, here)
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
    enter_tree(work, blossom, OUTER, entry)
    event = first
    events[event].top = blossom
    while event != last:
        event = events[event].next_leaf
        events[event].top = blossom
    here = root
    while True:  # every second sibling was shrinking until now
        was_inner = nodes[here].label == INNER
        nodes[here].label = OUT_OF_TREE
        if was_inner:
            open_region(graph, work, here)
        here = nodes[here].next
        if here == root:
            break


@kernel
def release(work, child):
    """A child of a blossom becomes a region of its own, out of the tree."""
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
    """A shrinking blossom has used up its dual: its children come back, those on the way stay in the tree."""
    nodes, halves, spare = pool(work, "nodes"), pool(work, "halves"), pool(work, "spare")
    settle(work, blossom)
    entry = nodes[blossom].entry
    here = child_around(work, halves[entry].to, blossom)
    goal = child_around(work, nodes[blossom].base_event, blossom)
    child = goal
    while True:
        release(work, child)
        child = nodes[child].next
        if child == goal:
            break
    nodes[blossom].label = OUT_OF_TREE
    spare[work.num_spare] = blossom
    work.num_spare += 1
    forward = steps_forward(work, here, goal) & 1 == 0
    child = beside(work, goal, forward)
    # Inner, outer, inner, ... along the even way to the base.
    half = entry
    start = here
    while True:
        grow_inner(work, here, half)
        if here == goal:
            break
        half = step(work, here, forward)
        here = beside(work, here, forward)
        grow_outer(graph, work, here, half)
        half = step(work, here, forward)
        here = beside(work, here, forward)
    # The rest leaves the tree: growing regions may meet it again.
    while child != start:
        announce(work, child)
        child = beside(work, child, forward)


@kernel
def announce(work, region):
    """A region has left the tree: schedule its meetings with the growing regions that know it."""
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
