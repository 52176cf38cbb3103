"""Blossoms: odd rings of regions that act as one.

The children of a blossom stand in a ring; `joint` is the half-edge from one child into the next. Its
events form a chain that is the concatenation of its children's chains, so that taking a blossom apart
needs no list. Mates of events are always up to date, at every depth (Edmonds 1965; bookkeeping as in
Galil, "Efficient algorithms for finding maximum matching in graphs", 1986).
"""

from decoders.kernels.jit import kernel
from decoders.kernels.layout import (
    INNER,
    LOSES_SHELL,
    MARK,
    NOW,
    NUM_BLOSSOMS,
    NUM_SPARE,
    OUT_OF_TREE,
    OUTER,
    TREE_SIZE,
)
from decoders.kernels.regions import open_event, schedule, schedule_edge, settle


@kernel
def enter_tree(work, region, label, entry):
    """Give a region, until now out of the tree, a label and the half-edge by which the tree came in."""
    node = work.nodes[region]
    node.label = label
    node.entry = entry
    node.since = work.state[NOW]
    work.tree[work.state[TREE_SIZE]] = region
    work.state[TREE_SIZE] += 1


@kernel
def grow_inner(work, region, entry):
    """A region shrinks from now on; a blossom until its own dual is used up."""
    enter_tree(work, region, INNER, entry)
    if region >= len(work.events):
        schedule(work, work.state[NOW] + work.nodes[region].dual, (region << 2) | LOSES_SHELL)


@kernel
def grow_outer(graph, work, ball, region, entry):
    """A region grows from now on."""
    enter_tree(work, region, OUTER, entry)
    open_region(graph, work, ball, region)


@kernel
def open_region(graph, work, ball, region):
    """Open all events of a region that has just become part of a growing one."""
    event = work.nodes[region].first_leaf
    open_event(graph, work, ball, event)
    while event != work.nodes[region].last_leaf:
        event = work.events[event].next_leaf
        open_event(graph, work, ball, event)


@kernel
def child_around(work, event, blossom):
    """The child of a blossom that contains an event."""
    child = event
    while work.nodes[child].parent != blossom:
        child = work.nodes[child].parent
    return child


@kernel
def steps_forward(work, start, goal):
    """How many steps lead from one sibling to another along the ring."""
    steps = 0
    while start != goal:
        start = work.nodes[start].next
        steps += 1
    return steps


@kernel
def step(work, sibling, forward):
    """The half-edge from a sibling into the one beside it."""
    if forward:
        return work.nodes[sibling].joint
    return work.nodes[work.nodes[sibling].previous].joint ^ 1


@kernel
def beside(work, sibling, forward):
    """The sibling beside a sibling."""
    return work.nodes[sibling].next if forward else work.nodes[sibling].previous


@kernel
def move_base(work, blossom, event):
    """Rematch inside a blossom so that `event` is the one whose mate lies outside."""
    work.stack[0] = blossom
    work.stack[1] = event
    depth = 2
    while depth > 0:
        depth -= 2
        around = work.stack[depth]
        new_base = work.stack[depth + 1]
        here = child_around(work, new_base, around)
        goal = child_around(work, work.nodes[around].base, around)
        work.nodes[around].base = new_base
        if here >= len(work.events):
            work.stack[depth] = here
            work.stack[depth + 1] = new_base
            depth += 2
        forward = steps_forward(work, here, goal) & 1 == 0
        while here != goal:
            first = beside(work, here, forward)
            half = step(work, first, forward)
            here = beside(work, first, forward)
            tail = work.halves[half ^ 1].to
            head = work.halves[half].to
            if first >= len(work.events):
                work.stack[depth] = first
                work.stack[depth + 1] = tail
                depth += 2
            if here >= len(work.events):
                work.stack[depth] = here
                work.stack[depth + 1] = head
                depth += 2
            work.events[tail].mate = half
            work.events[head].mate = half ^ 1


@kernel
def match_event(work, event, mate):
    """Give an event a new mate; a blossom around it rematches inside."""
    region = work.events[event].top
    if region >= len(work.events):
        move_base(work, region, event)
    work.events[event].mate = mate


@kernel
def tree_parent(work, region):
    """The outer region two steps nearer to the root, -1 at the root."""
    entry = work.nodes[region].entry
    if entry < 0:
        return -1
    inner = work.events[work.halves[entry ^ 1].to].top
    return work.events[work.halves[work.nodes[inner].entry ^ 1].to].top


@kernel
def common_ancestor(work, a, b):
    """The outer region where the paths of two outer regions to the root meet."""
    work.state[MARK] += 1
    mark = work.state[MARK]
    while True:
        if a >= 0:
            if work.nodes[a].mark == mark:
                return a
            work.nodes[a].mark = mark
            a = tree_parent(work, a)
        a, b = b, a


@kernel
def new_blossom(work):
    """A node for a blossom, used before or fresh."""
    if work.state[NUM_SPARE] > 0:
        work.state[NUM_SPARE] -= 1
        return work.spare[work.state[NUM_SPARE]]
    work.state[NUM_BLOSSOMS] += 1
    return len(work.events) + work.state[NUM_BLOSSOMS] - 1


@kernel
def join(work, sibling, half, following):
    """Place a sibling after another in a ring, joined by a half-edge."""
    work.nodes[sibling].next = following
    work.nodes[sibling].joint = half
    work.nodes[following].previous = sibling


@kernel
def form_blossom(graph, work, ball, half):
    """Two outer regions of one tree have met along a half-edge: the ring through their ancestor is a blossom."""
    nodes, events = work.nodes, work.events
    left = events[work.halves[half ^ 1].to].top
    right = events[work.halves[half].to].top
    root = common_ancestor(work, left, right)
    blossom = new_blossom(work)
    # Walk up from both ends of the new edge; the ring runs root -> ... -> left -> right -> ... -> root.
    join(work, left, half, right)
    here = left
    while here != root:
        entry = nodes[here].entry
        above = events[work.halves[entry ^ 1].to].top
        join(work, above, entry, here)
        here = above
    here = right
    while here != root:
        entry = nodes[here].entry
        above = events[work.halves[entry ^ 1].to].top
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
    shell.base = nodes[root].base
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
            open_region(graph, work, ball, here)
        here = nodes[here].next
        if here == root:
            break


@kernel
def release(work, child):
    """A child of a blossom becomes a region of its own, out of the tree."""
    node = work.nodes[child]
    node.parent = -1
    node.label = OUT_OF_TREE
    node.since = work.state[NOW]
    event = node.first_leaf
    work.events[event].top = child
    while event != node.last_leaf:
        event = work.events[event].next_leaf
        work.events[event].top = child


@kernel
def shatter_blossom(graph, work, ball, blossom):
    """A shrinking blossom has used up its dual: its children come back, those on the way stay in the tree."""
    nodes = work.nodes
    settle(work, blossom)
    entry = nodes[blossom].entry
    here = child_around(work, work.halves[entry].to, blossom)
    goal = child_around(work, nodes[blossom].base, blossom)
    child = goal
    while True:
        release(work, child)
        child = nodes[child].next
        if child == goal:
            break
    nodes[blossom].label = OUT_OF_TREE
    work.spare[work.state[NUM_SPARE]] = blossom
    work.state[NUM_SPARE] += 1
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
        grow_outer(graph, work, ball, here, half)
        half = step(work, here, forward)
        here = beside(work, here, forward)
    # The rest leaves the tree: growing regions may meet it again.
    while child != start:
        announce(work, child)
        child = beside(work, child, forward)


@kernel
def announce(work, region):
    """A region has left the tree: schedule its meetings with the growing regions that know it."""
    event = work.nodes[region].first_leaf
    while True:
        half = work.events[event].first
        while half >= 0:
            other = work.events[work.halves[half].to].top
            if work.nodes[other].label == OUTER:
                schedule_edge(work, half ^ 1)
            half = work.halves[half].next
        if event == work.nodes[region].last_leaf:
            break
        event = work.events[event].next_leaf
