"""The memory of the matching kernels: one record per detector, event, tree node and edge.

Records keep what is used together in one cache line, and can be read by name in a debugger. What a shot
writes is int64 throughout: measured faster than int32, and every kernel is compiled for one type of
index. What is only read, once per neighbour, is int32. Distances are in the unit of the graph's weights.
"""

import numpy as np

from decoders.kernels.records import Pool, record

# Constants are np.int64: numba would compile a kernel once more for every plain number it is called with.
_i4, _i8, _u8 = np.int32, np.int64, np.uint64

NONE = _i8(-1)
FAR = _i8(1 << 60)  # farther than any sum of weights; twice FAR still fits in int64
LIST_LIMIT = _i8(1 << 31)  # distances in neighbour lists are int32

# Event.mate holds a half-edge (>= 0) or one of these.
FREE = _i8(-1)
AT_BOUNDARY = _i8(-2)
PAIRED = _i8(-3)  # this or less: matched in the first pass, to event (PAIRED - mate) // 2;
#              PAIRED - mate is odd for the one of the two whose nearest event the other is

# Node.label: outer regions grow, inner regions shrink.
OUT_OF_TREE, OUTER, INNER = _i8(0), _i8(1), _i8(2)

# What a queue item means, in its lowest two bits.
MEETS_EDGE, MEETS_BOUNDARY, NEEDS_SCAN, LOSES_SHELL = _i8(0), _i8(1), _i8(2), _i8(3)

# WORK.prices of an edge that no path has passed, or an even number of them; WORK.lowered of one as heavy as
# in the graph.
NOT_SEEN, NOT_USED = np.int32(-1), np.int32(-2)
NOT_LOWERED = np.int32((1 << 31) - 1)
MOST_SIGHTS = _i8(16)  # events that a portal knows

# Kernel status: zero is success.
OK, NO_PARTNER, FULL, POSTPONED, DIFFERENT = _i8(0), _i8(1), _i8(2), _i8(3), _i8(4)

# Where an edge ends that leads out of a window (GRAPH.ends); -1 is the true boundary.
BEYOND = _i8(-2)
# Bits of DETECTOR.flips.
FLIPS_SOMETHING, LEADS_BEYOND, LEADS_INSIDE, IS_WATCHED = _i8(1), _i8(2), _i8(4), _i8(8)

# The two ways to apply a mate to flips and weight.
ADD, TAKE_AWAY = _i8(1), _i8(-1)


DETECTOR = record(
    boundary=_i8,  # distance to the boundary, FAR without one
    radius=_i8,  # every detector nearer than this is in the list
    first=_i8,  # its neighbour list is near[first:last], nearest first; others may share it
    last=_i8,
    outward=_i8,  # next detector on the way to the boundary, -1 at the last step
    flips=_i8,  # FLIPS_SOMETHING if the way to the boundary does, LEADS_BEYOND if it leaves the window,
    #             LEADS_INSIDE if a way between two detectors that are not to be committed passes one that is,
    #             IS_WATCHED if an edge of the detector's component does
)
NEAR = record(
    detector=_i4,  # its number less that of the list's detector: those with equal surroundings share lists
    span=_i4,  # distance, even; the lowest bit tells whether any edge of the path flips observables
)
EVENT = record(
    detector=_i8,
    mate=_i8,
    scan=_i8,  # the next entry of near to look at
    nearest=_i8,  # the event found first, -1 if none is near enough to matter
    suitor=_i8,  # one of the events whose nearest is this one, -1 if none
    next_suitor=_i8,  # another event with the same nearest
    first=_i8,  # known edges: a chain of half-edges that point away
    top=_i8,  # the outermost blossom around it, or itself
    next_leaf=_i8,
    woken=_i8,  # whether a search has come here
    radius=_i8,  # sum of the duals around it (the radius of its region)
    reach=_i8,  # every edge shorter than this is known
)
NODE = record(
    label=_i8,
    entry=_i8,  # half-edge by which the tree came in, -1 at the root
    parent=_i8,  # the blossom just around it, -1 if none
    base_event=_i8,  # its mate lies outside (not "base": a numpy record has that attribute already)
    next=_i8,  # ring of siblings in the parent
    previous=_i8,
    joint=_i8,  # half-edge into the next sibling
    child=_i8,  # one child (blossoms)
    first_leaf=_i8,  # its events: a chain by Event.next_leaf
    last_leaf=_i8,
    mark=_i8,
    dual=_i8,  # blossoms: its own dual
    boundary=_i8,  # events: distance to the boundary
    way=_i8,  # events: see LIMIT
    exit=_i8,  # events: the detector behind which the way there is known, -1 if all of it is
    since=_i8,  # time at which the duals inside were last brought up to date
)
HALF = record(to=_i8, next=_i8)  # half-edges 2e and 2e+1 are the two directions of edge e
EDGE = record(
    distance=_i8,
    near=_i8,  # list entry of halves[2e].to, -1 if beyond the list
    way=_i8,  # the way past active edges, NONE if there is none or it is to be searched for
)
WAY = record(  # from an event through one active edge
    entry=_i8,  # in the event's list, of the end where the way comes in; NONE if the event is there
    start=_i8,  # the event's detector
    slot=_i8,
    end=_i8,  # the detector where it comes out
    exit=_i8,  # in that one's list, of the other event; NONE if that is there
)
ITEM = record(key=_i8, what=_i8)
ADJACENT = record(detector=_i4, weight=_i4, edge=_i4, flips=_i4)
IMPLIED = record(  # an edge that is more likely, and so shorter, where another has happened
    u=_i4,
    v=_i4,  # its ends; num_detectors at a boundary
    edge=_i4,
    weight=_i4,
)
ERROR = record(first=_i4, last=_i4, weight=_i4)  # an error that flips error_edges[first:last]
LIMIT = record(
    is_left_out=_i8,  # the second matching does not matter there
    horizon=_i8,  # every way shorter than this that leads past active edges is known
    must_look=_i8,  # so that is to be seen to, up to the horizon
    is_last=_i8,  # too much to see: farther on, the graph is searched
    boundary=_i8,  # the shortest known way to the boundary that does
    exit=_i8,  # the last active edge on it ends here
    way=_i8,  # as in EDGE, but for the last part
    chosen=_i8,  # whether it is to be matched anew
    cut=_i8,  # by how much its region shrinks with the weights of the matching's edges
    is_cut=_i8,  # whether that is so for the edges counted at this event
    shift=_i8,  # by how much its region grows at the cost of its mate's, or less than 0
)
COVER = record(  # how the regions of a matching cover a detector
    potential=_i8,  # how far one reaches beyond it; 0 if none does
    centre=_i8,  # the same where a region's distances are counted from; NONE elsewhere
    owner=_i8,  # the region: an event, or the outermost blossom around it
    portal=_i8,  # one of the ends of active edges that is here, NONE without
)
PORTAL = record(  # an end of an active edge
    detector=_i8,
    other=_i8,  # the portal at the other end; NONE at the boundary
    weight=_i8,
    next=_i8,  # another portal at the same detector
    boundary=_i8,  # from here to the boundary past no other active edge
    num_sights=_i8,  # events near it
    horizon=_i8,  # up to here all of them and all other portals are known
    is_complete=_i8,  # farther ones cannot be
    first_link=_i8,
    last_link=_i8,
    distance=_i8,  # from the event whose ways are looked for, through this edge; FAR if there is none
    via=_i8,  # the entry in that event's list by which the way comes in, if it passes no other active edge
    is_direct=_i8,  # whether that is so
    slot=_i8,
    is_queued=_i8,
)
SIGHT = record(event=_i8, distance=_i8, entry=_i8)  # an event near a portal, and its entry in the list
LINK = record(other=_i8, distance=_i8)  # a portal near another
RAISED = record(entry=_i8, owner=_i8)  # a region reaches farther through a lighter edge
BALL = record(distance=_i8, parent=_i8, edge=_i8, entry=_i8, flips=_i8)  # entry: its place in the list

# The two things a kernel works with are single records: scalars by name, and where each pool of records
# lies in memory (see pools.py). One pointer instead of a hundred words of array descriptions per call.
GRAPH = record(
    detectors=Pool(DETECTOR, "num_detectors"),
    near=Pool(NEAR, "num_near"),
    parents=Pool(np.int16, "num_near"),  # the place in the list one step nearer, -1 at the first step
    steps=Pool(_i4, "num_near"),  # the edge of that step, less the first adjacent one of the list's detector
    outward_edges=Pool(_i4, "num_detectors"),  # the first edge on the way to the boundary, -1 without one
    indptr=Pool(_i4, "num_detectors + 1"),  # adjacency without the boundary
    adjacent=Pool(ADJACENT, "num_adjacent"),
    boundary_edge=Pool(_i4, "num_detectors"),  # the edge to the boundary, -1 without one
    boundary_flips=Pool(np.uint8, "num_detectors * flip_bytes"),  # observables along the way to the boundary
    edge_flips=Pool(np.uint8, "num_edges * flip_bytes"),
    weights=Pool(_i4, "num_edges"),
    slots=Pool(_i4, "num_edges"),  # the lightest edge between the ends of each edge
    implied=Pool(IMPLIED, "num_implied"),
    implied_start=Pool(_i4, "num_edges + 1"),  # what edge e implies is implied[start[e]:start[e + 1]]
    implied_watched=Pool(_i4, "num_edges"),  # those before implied[watched[e]] are in watched components
    # in all solutions of a syndrome or in none, and imply others; not read
    # if num_observed is 0
    observed=Pool(np.uint8, "num_edges"),
    errors=Pool(ERROR, "num_errors"),  # errors that flip two or more edges
    error_edges=Pool(_i4, "num_error_edges"),
    errors_of_edge=Pool(_i4, "num_error_edges"),  # the errors that flip each edge, one edge after the other
    errors_of_edge_start=Pool(_i4, "num_edges + 1"),  # those of edge e begin here
    alone=Pool(_i4, "num_edges"),  # weight of the lightest errors that flip this edge and no other
    ends=Pool(_i4, "2 * num_edges"),  # the two detectors of each edge, the second -1 or BEYOND at a boundary
    toggles=Pool(np.uint8, "shot_bytes"),  # detectors to flip before decoding
    certain_flips=Pool(np.uint8, "flip_bytes"),  # observables to flip after it
    exits=Pool(_i8, "num_detectors"),  # weight of the edge to the boundary, or FAR; with has_exits
    num_detectors=_i8,
    num_near=_i8,
    num_adjacent=_i8,
    num_edges=_i8,
    num_implied=_i8,  # 0: shots are matched once
    num_errors=_i8,
    num_error_edges=_i8,
    largest_error=_i8,  # edges of the error that flips most
    has_own_implied=_i8,  # whether edges of watched components imply others there
    num_observed=_i8,  # edges that `observed` marks
    only_first=_i8,  # whether shots are matched no more after what observed edges imply
    compares=_i8,  # whether the two matchings are compared where they predict different flips; needs `errors`
    flip_bytes=_i8,
    shot_bytes=_i8,
    has_toggles=_i8,
    has_exits=_i8,  # ways to the boundary that are not known beforehand are found by searches
    certain_weight=_i8,  # weight of what is flipped before decoding
)
WORK = record(
    events=Pool(EVENT, "max_events"),
    nodes=Pool(NODE, "max_nodes"),  # one per event, then blossoms
    halves=Pool(HALF, "2 * max_edges"),
    edges=Pool(EDGE, "max_edges"),
    queue=Pool(ITEM, "max_queue"),  # the search's agenda
    tree=Pool(_i8, "max_tree"),  # nodes that got a label in this search
    stack=Pool(_i8, "2 * max_nodes"),
    spare=Pool(_i8, "max_nodes"),  # blossoms that can be used again
    event_of=Pool(_i4, "num_detectors"),  # -1 where quiet
    found=Pool(_i8, "max_events"),  # the detectors that fired
    woken=Pool(_i8, "max_events"),  # events that searches have come to
    flips=Pool(np.uint8, "flip_bytes"),  # observables flipped by the present matching
    path=Pool(_i8, "num_detectors + 1"),  # the edges of one path
    ball_nodes=Pool(BALL, "num_detectors"),
    ball_queue=Pool(ITEM, "max_ball_queue"),
    ball_touched=Pool(_i8, "num_detectors"),
    limits=Pool(LIMIT, "max_events"),
    chosen=Pool(_i8, "max_events"),  # events that are matched anew
    covers=Pool(COVER, "num_detectors + 1"),  # the last is not covered
    covered=Pool(_i8, "num_detectors"),  # what of that is
    raised=Pool(RAISED, "max_raised"),
    portals=Pool(PORTAL, "max_portals"),
    sights=Pool(SIGHT, f"{MOST_SIGHTS} * max_portals"),
    links=Pool(LINK, "max_links"),
    ways=Pool(WAY, "max_ways"),
    prices=Pool(_i4, "num_graph_edges"),  # weight of an edge of the matching, NOT_SEEN or NOT_USED
    seen=Pool(_i8, "num_graph_edges"),  # where prices are not NOT_SEEN
    used_by=Pool(_i4, "num_graph_edges"),  # the event on whose way to its mate an edge is
    first_edges=Pool(_i8, "num_graph_edges"),  # the edges of the first matching
    second_edges=Pool(_i8, "num_graph_edges"),  # the edges of the second, while the two are compared
    listed_at=Pool(_i8, "num_detectors"),  # last edge in `seen` at each, as 2 * place + end; NONE
    listed_next=Pool(_i8, "2 * num_graph_edges"),  # the one before it
    changed=Pool(_i8, "max_changed"),  # edges that the error being weighed would remove or add
    lowered=Pool(_i4, "num_graph_edges"),  # weight of a slot in this matching, NOT_LOWERED if the graph's
    lowered_as=Pool(_i4, "num_graph_edges"),  # the edge that has this weight
    active=Pool(_i8, "num_graph_edges"),  # where slots are lowered
    num_graph_edges=_i8,
    num_chosen=_i8,
    num_covered=_i8,
    num_raised=_i8,
    num_portals=_i8,
    num_links=_i8,
    max_raised=_i8,
    max_portals=_i8,
    max_links=_i8,
    num_ways=_i8,
    max_ways=_i8,
    farthest=_i8,  # the largest of all centres
    may_shift=_i8,  # whether regions may grow at their mates' cost
    num_shifts=_i8,  # since the regions were last laid out
    has_shifts=_i8,  # before that
    shift_failed=_i8,  # a shifted region overlaps another on an active edge
    num_seen=_i8,
    num_first=_i8,
    num_second=_i8,
    max_changed=_i8,
    num_removed=_i8,  # of those in `changed`, from the start
    num_added=_i8,  # and from the end
    num_active=_i8,  # slots that are lowered; 0 in a first matching
    num_lowered=_i8,  # times that a slot was lowered, of all shots
    only_flips=_i8,  # no more is asked of a shot than what it flips: other components are matched once
    num_rounds=_i8,  # times that part of the last shot was matched anew
    num_detectors=_i8,
    max_events=_i8,
    max_nodes=_i8,
    max_edges=_i8,
    max_queue=_i8,
    max_tree=_i8,
    max_ball_queue=_i8,
    flip_bytes=_i8,
    keep_duals=_i8,  # leave a dual solution behind, even for shots that need none to be decoded
    num_woken=_i8,
    weight=_i8,  # of the present matching
    now=_i8,  # time of the running search: what the tree's radii have changed by
    queue_size=_i8,
    tree_size=_i8,
    num_edges=_i8,
    num_blossoms=_i8,
    num_spare=_i8,
    mark=_i8,
    may_look_beyond=_i8,  # whether searches may leave the neighbour lists
    two_trees=_i8,  # whether two trees grow at the same time
    postponed=_i8,  # the running search would have to
    overflow=_i8,  # a pool was too small: the shot must be decoded again in a larger workspace
    ball_limit=_i8,  # what is farther is not looked at
    ball_size=_i8,
    ball_reached=_i8,
)
