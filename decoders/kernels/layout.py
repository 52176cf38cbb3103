"""Records of the matching kernels: one per detector, event, tree node and edge.

A record keeps fields that are used together in one cache line and readable by name in a debugger. Fields
that a shot writes are int64 throughout: measured faster than int32, and every kernel is compiled for one
type of index. Fields that are only read, once per neighbour, are int32. Distances, radii and duals are in
the integer unit of the graph's weights.

Terms (docs/pages/glossary.md): an event is a fired detector of the shot; a half-edge is one direction of an
edge between two events; a node is an event or a blossom.
"""

import numpy as np

from decoders.kernels.records import Pool, record

# Constants are np.int64: numba would compile a kernel again for each plain Python number it is called with.
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

# Type of a queue item, in the lowest two bits of ITEM.what; the other bits are a half-edge, event or blossom.
TIGHT_EDGE, TIGHT_BOUNDARY, NEEDS_SCAN, ZERO_DUAL = _i8(0), _i8(1), _i8(2), _i8(3)

# WORK.prices of an edge that no path has passed, or an even number of them; WORK.lowered of one as heavy as
# in the graph.
NOT_SEEN, NOT_USED = np.int32(-1), np.int32(-2)
NOT_LOWERED = np.int32((1 << 31) - 1)
MAX_NEAR_EVENTS = _i8(16)  # largest number of events listed near a portal

# Kernel status: zero is success.
OK, NO_PARTNER, FULL, POSTPONED, DIFFERENT = _i8(0), _i8(1), _i8(2), _i8(3), _i8(4)

# Second end of an edge that leads out of a window (GRAPH.ends); -1 is the true boundary.
BEYOND = _i8(-2)
# Bits of DETECTOR.flips.
PATH_FLIPS, PATH_LEAVES_WINDOW, PATH_ENTERS_COMMIT, IS_RELEVANT = _i8(1), _i8(2), _i8(4), _i8(8)

# Signs with which `apply_mate` changes the weight of the matching.
ADD, SUBTRACT = _i8(1), _i8(-1)


DETECTOR = record(
    boundary=_i8,  # distance to the boundary, FAR if it has none
    radius=_i8,  # every detector at a smaller distance is in the neighbour list
    first=_i8,  # the neighbour list is neighbours[first:last], nearest first; may be shared
    last=_i8,
    outward=_i8,  # next detector on the shortest path to the boundary, -1 at the last step
    flips=_i8,  # PATH_FLIPS: the path to the boundary flips observables; PATH_LEAVES_WINDOW: it leaves the
    #             window; PATH_ENTERS_COMMIT: a path from here to an uncommitted detector or the boundary
    #             passes committed ones; IS_RELEVANT: an edge of the connected component flips observables
)
NEIGHBOUR = record(
    detector=_i4,  # its index minus that of the list's detector, so that equal neighbourhoods share lists
    span=_i4,  # distance, even; the lowest bit is set if an edge of the path flips observables
)
EVENT = record(
    detector=_i8,
    mate=_i8,  # see FREE, AT_BOUNDARY, PAIRED
    scan=_i8,  # next entry of the neighbour list to read
    nearest=_i8,  # nearest event, -1 if none is within twice the distance to the boundary
    reverse_nearest=_i8,  # head of the list of events whose nearest is this one, -1 if none
    next_reverse_nearest=_i8,  # next event with the same nearest
    first=_i8,  # head of the list of half-edges that lead away along known edges
    top=_i8,  # outermost blossom that contains the event, or the event itself
    next_leaf=_i8,  # next event of the same blossom
    visited=_i8,  # whether a search has visited the event and given it a node
    radius=_i8,  # sum of the duals of the sets that contain it, up to date as of NODE.since
    reach=_i8,  # every edge shorter than this is known
)
NODE = record(
    label=_i8,  # OUT_OF_TREE, OUTER or INNER
    entry=_i8,  # half-edge from the tree parent, -1 at the root
    parent=_i8,  # smallest blossom that contains the node, -1 if none
    base_event=_i8,  # event whose mate lies outside (numpy records already have an attribute "base")
    next=_i8,  # ring of siblings in the parent
    previous=_i8,
    next_edge=_i8,  # half-edge into the next sibling
    child=_i8,  # blossoms: one of the children
    first_leaf=_i8,  # its events: a list by EVENT.next_leaf
    last_leaf=_i8,
    mark=_i8,  # value of WORK.mark when an ancestor search visited the node
    dual=_i8,  # dual variable of the set; of an event its radius
    boundary=_i8,  # events: shortest known distance to the boundary
    detour=_i8,  # events: path to the boundary through an active edge, see DETOUR_SEARCH
    exit=_i8,  # events: detector from which the rest of that path is known; -1 if all of it is
    since=_i8,  # time of the last update of its dual and of the radii of its events
)
HALF = record(to=_i8, next=_i8)  # half-edges 2e and 2e+1 are the two directions of edge e
EDGE = record(
    distance=_i8,
    neighbour=_i8,  # entry of the event halves[2e].to in the other event's list, -1 if not from the list
    detour=_i8,  # its path through an active edge; NONE if there is none, or only a search finds it
)
DETOUR = record(  # a path from an event through one active edge
    entry=_i8,  # neighbour-list entry of the active edge's first end; NONE if the event is there
    start=_i8,  # the event's detector
    slot=_i8,  # the active edge
    end=_i8,  # the active edge's second end
    exit=_i8,  # entry of the other event in the list of `end`; NONE if that event is there
)
ITEM = record(key=_i8, what=_i8)  # entry of a heap
ADJACENT = record(detector=_i4, weight=_i4, edge=_i4, flips=_i4)  # flips: whether it flips observables
IMPLIED = record(  # an edge that is more likely, and so shorter, where another has happened
    u=_i4,
    v=_i4,  # its ends; num_detectors at a boundary
    edge=_i4,
    weight=_i4,
)
ERROR = record(first=_i4, last=_i4, weight=_i4)  # an error that flips error_edges[first:last]
PORTAL = record(  # an end of an active edge
    detector=_i8,
    other=_i8,  # the portal at the other end; NONE at the boundary
    weight=_i8,
    next=_i8,  # another portal at the same detector
    boundary=_i8,  # from here to the boundary past no other active edge
    num_near_events=_i8,  # number of NEAR_EVENT entries
    horizon=_i8,  # all events and portals nearer than this are listed
    is_complete=_i8,  # whether the horizon cannot be extended
    first_link=_i8,
    last_link=_i8,
    distance=_i8,  # from the event whose detours are searched, through this edge; FAR if not reached
    via=_i8,  # entry of the other end in that event's list, if the path has no other active edge
    is_direct=_i8,  # whether it has no other active edge
    slot=_i8,  # the active edge
    is_queued=_i8,
)
DETOUR_SEARCH = record(  # state of the search for an event's detours
    horizon=_i8,  # all detours shorter than this are known
    must_search=_i8,  # whether detours up to the horizon are to be searched for
    is_exhausted=_i8,  # the horizon reached its limit: beyond it the graph is searched
    boundary=_i8,  # length of the shortest known detour to the boundary
    exit=_i8,  # the detector at which its last active edge ends
    detour=_i8,  # its path up to there, as in EDGE
)
NEAR_EVENT = record(event=_i8, distance=_i8, entry=_i8)  # an event near a portal
LINK = record(other=_i8, distance=_i8)  # a portal near another
DIJKSTRA_NODE = record(  # a detector in Dijkstra's search
    distance=_i8,  # -1 if not reached
    parent=_i8,  # previous detector on the path, -1 at the source
    edge=_i8,  # edge from the parent
    entry=_i8,  # index in the neighbour list that is being written
    flips=_i8,  # whether an edge of the path flips observables
)

# A graph and a workspace are one record each: scalars by name and addresses of pools (see records.py).
#
# GRAPH: filled by SearchGraph (or ReweightedGraph) and its kernels; searches only read it.
GRAPH = record(
    detectors=Pool(DETECTOR, "num_detectors"),
    neighbours=Pool(NEIGHBOUR, "num_neighbours"),
    parents=Pool(np.int16, "num_neighbours"),  # list index of the previous detector on the path, -1 if none
    steps=Pool(_i4, "num_neighbours"),  # last edge of the path, minus the first edge of the list's detector
    outward_edges=Pool(_i4, "num_detectors"),  # first edge of the path to the boundary, -1 without one
    indptr=Pool(_i4, "num_detectors + 1"),  # adjacency without the boundary
    adjacent=Pool(ADJACENT, "num_adjacent"),  # only the lightest of parallel edges
    boundary_edge=Pool(_i4, "num_detectors"),  # lightest edge to the boundary, -1 without one
    boundary_flips=Pool(np.uint8, "num_detectors * flip_bytes"),  # observables along the path to the boundary
    edge_flips=Pool(np.uint8, "num_edges * flip_bytes"),  # observables of each edge
    weights=Pool(_i4, "num_edges"),
    lightest_parallel=Pool(_i4, "num_edges"),  # the lightest edge between the ends of each edge
    implied=Pool(IMPLIED, "num_implied"),
    implied_start=Pool(_i4, "num_edges + 1"),  # what edge e implies is implied[start[e]:start[e + 1]]
    implied_relevant=Pool(_i4, "num_edges"),  # those before implied[relevant[e]] are in relevant components
    # in all solutions of a syndrome or in none, and imply others; not read
    # if num_observed is 0
    observed=Pool(np.uint8, "num_edges"),
    errors=Pool(ERROR, "num_errors"),  # errors that flip two or more edges
    error_edges=Pool(_i4, "num_error_edges"),
    errors_of_edge=Pool(_i4, "num_error_edges"),  # the errors that flip each edge, one edge after the other
    errors_of_edge_start=Pool(_i4, "num_edges + 1"),  # those of edge e begin here
    alone=Pool(_i4, "num_edges"),  # weight of the lightest errors that flip this edge and no other
    ends=Pool(_i4, "2 * num_edges"),  # the two detectors of each edge, the second -1 or BEYOND at a boundary
    inverted=Pool(np.uint8, "shot_bytes"),  # detectors to flip before decoding, bit-packed
    certain_flips=Pool(np.uint8, "flip_bytes"),  # observables to flip after decoding
    boundary_weight=Pool(_i8, "num_detectors"),  # of the edge to the boundary, or FAR; if has_lazy_boundary
    num_detectors=_i8,
    num_neighbours=_i8,
    num_adjacent=_i8,
    num_edges=_i8,
    num_implied=_i8,  # 0: shots are matched once
    num_errors=_i8,
    num_error_edges=_i8,
    largest_error=_i8,  # edges of the error that flips most
    has_own_implied=_i8,  # whether edges of relevant components imply others there
    num_observed=_i8,  # edges that `observed` marks
    end_of_implying=_i8,  # edges whose detectors have at least this number imply nothing
    only_first=_i8,  # whether shots are matched no more after what observed edges imply
    compares=_i8,  # whether the two matchings are compared where they predict different flips; needs `errors`
    # Of a window: the detectors partner_first to partner_stop - 1 have the edges of committed layers that
    # imply edges of other layers, and those edges. 0 and 0 without any.
    partner_first=_i8,
    partner_stop=_i8,
    flip_bytes=_i8,
    shot_bytes=_i8,
    has_inverted=_i8,
    has_lazy_boundary=_i8,  # distances to the boundary are not precomputed: searches find them
    certain_weight=_i8,  # total weight of the edges of negative weight
)
# WORK: memory of one thread. Written by: load_shot `fired`, `weight`, `flips`; first pass and searches the
# events, nodes, edges, queue and tree. Reset by: reset_search the counters from num_visited to overflow,
# clear_event_lookup `event_of`, end_dijkstra the fields of Dijkstra's search; load_events the events.
WORK = record(
    events=Pool(EVENT, "max_events"),
    nodes=Pool(NODE, "max_nodes"),  # one per event, then blossoms
    halves=Pool(HALF, "2 * max_edges"),
    edges=Pool(EDGE, "max_edges"),
    queue=Pool(ITEM, "max_queue"),  # events of the growing tree by time
    tree=Pool(_i8, "max_tree"),  # nodes that were labelled in this search
    stack=Pool(_i8, "2 * max_nodes"),  # scratch
    spare=Pool(_i8, "max_nodes"),  # blossom nodes free for reuse
    event_of=Pool(_i4, "num_detectors"),  # event of each detector, -1 if it has not fired
    fired=Pool(_i8, "max_events"),  # detectors that fired
    visited=Pool(_i8, "max_events"),  # events that searches have visited
    flips=Pool(np.uint8, "flip_bytes"),  # observables flipped by the present matching
    path=Pool(_i8, "num_detectors + 1"),  # edges of one path, scratch
    dijkstra_nodes=Pool(DIJKSTRA_NODE, "num_detectors"),
    dijkstra_queue=Pool(ITEM, "max_dijkstra_queue"),
    dijkstra_touched=Pool(_i8, "num_detectors"),
    detour_searches=Pool(DETOUR_SEARCH, "max_events"),
    portal_at=Pool(_i8, "num_detectors"),  # one of the ends of active edges there; NONE without
    second=_i8,  # address of the state of second matchings, see decoders.correlated.kernels.layout
    portals=Pool(PORTAL, "max_portals"),
    near_events=Pool(NEAR_EVENT, f"{MAX_NEAR_EVENTS} * max_portals"),
    links=Pool(LINK, "max_links"),
    detours=Pool(DETOUR, "max_detours"),
    lowered=Pool(_i4, "num_graph_edges"),  # weight of a slot in this matching, NOT_LOWERED if the graph's
    lowered_as=Pool(_i4, "num_graph_edges"),  # the edge that has this weight
    active=Pool(_i8, "num_graph_edges"),  # where slots are lowered
    num_graph_edges=_i8,
    num_portals=_i8,
    num_links=_i8,
    max_portals=_i8,
    max_links=_i8,
    num_detours=_i8,
    max_detours=_i8,
    num_active=_i8,  # slots that are lowered; 0 in a first matching
    num_detectors=_i8,
    max_events=_i8,
    max_nodes=_i8,
    max_edges=_i8,
    max_queue=_i8,
    max_tree=_i8,
    max_dijkstra_queue=_i8,
    flip_bytes=_i8,
    keep_duals=_i8,  # compute a dual solution for every shot, even where decoding does not need one
    num_visited=_i8,
    weight=_i8,  # of the present matching
    now=_i8,  # time of the running search: the amount by which the tree's radii have changed
    queue_size=_i8,
    tree_size=_i8,
    num_edges=_i8,  # known edges
    num_blossoms=_i8,
    num_spare=_i8,
    mark=_i8,  # number of the last ancestor search
    may_search_graph=_i8,  # whether searches may go beyond the neighbour lists
    two_trees=_i8,  # whether two trees grow at the same time (gaps)
    postponed=_i8,  # the running search would have to go beyond the neighbour lists
    overflow=_i8,  # a pool was too small: the shot must be decoded again in a larger workspace
    dijkstra_limit=_i8,  # detectors farther than this are not reached
    dijkstra_queue_size=_i8,  # items in the queue
    num_dijkstra_touched=_i8,  # detectors with a distance
)
