"""The memory of the matching kernels: one record per detector, event, tree node and edge.

Records keep what is used together in one cache line, and can be read by name in a debugger. Every
integer of a record is signed; distances and radii are int64 in the unit of the graph's weights.
"""

from typing import Any, NamedTuple

import numpy as np

FAR = 1 << 60  # farther than any sum of weights; twice FAR still fits in int64
LIST_LIMIT = 1 << 31  # distances in neighbour lists are int32

# Event.mate holds a half-edge (>= 0) or one of these.
FREE = -1
AT_BOUNDARY = -2
LEADS = -3  # matched in the first pass, along its own nearest entry
FOLLOWS = -4  # matched in the first pass, along its partner's nearest entry

# Node.label: outer regions grow, inner regions shrink.
OUT_OF_TREE, OUTER, INNER = 0, 1, 2

# What a queue item means, in its lowest two bits.
MEETS_EDGE, MEETS_BOUNDARY, NEEDS_SCAN, LOSES_SHELL = 0, 1, 2, 3

# Kernel status: zero is success.
OK, NO_PARTNER, FULL = 0, 1, 2

# Slots of Work.state.
NOW, QUEUE_SIZE, TREE_SIZE, NUM_EDGES, NUM_BLOSSOMS, NUM_SPARE, MARK, OVERFLOW = range(8)
# Slots of Ball.state.
BALL_QUEUE, BALL_TOUCHED = range(2)


def _record(**fields: Any) -> np.dtype[np.record]:
    return np.dtype((np.record, list(fields.items())))  # type: ignore[return-value]


_i4, _i8, _u8 = np.int32, np.int64, np.uint64

DETECTOR = _record(
    boundary=_i8,  # distance to the boundary, FAR without one
    radius=_i8,  # every detector nearer than this is in the list
    observables=_u8,  # flipped along the way to the boundary (the first 64)
    first=_i4,  # its neighbour list is near[first:last], nearest first
    last=_i4,
    outward=_i4,  # next detector on the way to the boundary, -1 at the last step
    component=_i4,
)
NEAR = _record(
    detector=_i4,
    distance=_i4,
    observables=_u8,  # flipped along the shortest path (the first 64)
)
EVENT = _record(
    detector=_i4,
    mate=_i4,
    scan=_i4,  # the next entry of near to look at
    nearest=_i4,  # the event found first, -1 if none is near enough to matter
    first=_i4,  # known edges: a chain of half-edges that point away
    top=_i4,  # the outermost blossom around it, or itself
    next_leaf=_i4,
    unused=_i4,
    radius=_i8,  # sum of the duals around it (the radius of its region)
    reach=_i8,  # every edge shorter than this is known
)
NODE = _record(
    label=_i4,
    entry=_i4,  # half-edge by which the tree came in, -1 at the root
    parent=_i4,  # the blossom just around it, -1 if none
    base=_i4,  # the event whose mate lies outside
    next=_i4,  # ring of siblings in the parent
    previous=_i4,
    joint=_i4,  # half-edge into the next sibling
    child=_i4,  # one child (blossoms)
    first_leaf=_i4,  # its events: a chain by Event.next_leaf
    last_leaf=_i4,
    mark=_i4,
    unused=_i4,
    dual=_i8,  # blossoms: its own dual
    since=_i8,  # time at which the duals inside were last brought up to date
)
HALF = _record(to=_i4, next=_i4)  # half-edges 2e and 2e+1 are the two directions of edge e
EDGE = _record(distance=_i8, near=_i4, unused=_i4)  # near: list entry of halves[2e].to, -1 if beyond the list
ITEM = _record(key=_i8, what=_i8)
BALL = _record(distance=_i8, parent=_i4, position=_i4, observables=_u8)


class Graph(NamedTuple):
    """A matching graph with everything precomputed, read only."""

    detectors: Any  # DETECTOR (detectors,)
    near: Any  # NEAR (entries,)
    indptr: Any  # int32 (detectors + 1,), adjacency without the boundary
    neighbours: Any  # int32
    weights: Any  # int32
    masks: Any  # uint64, observables of each adjacency (the first 64)


class Ball(NamedTuple):
    """Shortest paths around one detector, found nearest first."""

    nodes: Any  # BALL (detectors,)
    queue: Any  # ITEM
    touched: Any  # int32
    state: Any  # int64


class Work(NamedTuple):
    """What decoding one shot needs; allocated once, reset by the shot that used it."""

    events: Any  # EVENT
    nodes: Any  # NODE: events first, then blossoms
    halves: Any  # HALF
    edges: Any  # EDGE
    queue: Any  # ITEM
    tree: Any  # int32, nodes that got a label in this search
    stack: Any  # int32
    spare: Any  # int32, blossoms that can be used again
    event_of: Any  # int32 (detectors,), -1 where quiet
    state: Any  # int64
