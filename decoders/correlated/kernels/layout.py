"""State of the second matching.

`WORK.second` is the address of one record SECOND for each workspace. What searches read of the second
matching (lowered weights, detours past active edges) is part of WORK itself.
"""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.records import Pool, record, record_at

_i4, _i8 = np.int32, np.int64

COVER = record(  # how the regions of a matching cover a detector
    potential=_i8,  # how far one reaches beyond it; 0 if none does
    centre=_i8,  # the same where a region's distances are counted from; NONE elsewhere
    owner=_i8,  # the region: an event, or the outermost blossom around it
)
RAISED = record(entry=_i8, owner=_i8)  # a region reaches farther through a lighter edge
CHANGE = record(  # how the second matching treats an event
    is_left_out=_i8,  # its component has no observables, and only flips are asked for
    chosen=_i8,  # whether it is to be matched again
    cut=_i8,  # by how much its region shrinks with the weights of the matching's edges
    is_cut=_i8,  # whether its own path, counted at this event, was shortened
    shift=_i8,  # growth of its region at the cost of its mate's; negative if it shrinks
)
SECOND = record(
    changes=Pool(CHANGE, "max_events"),
    present=Pool(_i8, "max_events"),  # events that are not left out
    chosen=Pool(_i8, "max_events"),  # events that are matched again
    covers=Pool(COVER, "num_detectors + 1"),  # the last is not covered
    covered=Pool(_i8, "num_detectors"),  # detectors with a cover
    raised=Pool(RAISED, "max_raised"),
    prices=Pool(_i4, "num_graph_edges"),  # weight of an edge of the matching, NOT_SEEN or NOT_USED
    seen=Pool(_i8, "num_graph_edges"),  # where prices are not NOT_SEEN
    used_by=Pool(_i4, "num_graph_edges"),  # the event whose path to its mate an edge is on; while the two
    # matchings are compared, whether an edge is weighed
    first_edges=Pool(_i8, "num_graph_edges"),  # the edges of the first matching
    second_edges=Pool(_i8, "num_graph_edges"),  # the edges of the second, while the two are compared
    near=Pool(_i8, "num_graph_edges"),  # edges of either that are weighed then
    incident_head=Pool(_i8, "num_detectors"),  # adjacency lists of the edges in `seen`: the last
    # edge at each detector, as 2 * place + end; NONE without
    incident_next=Pool(_i8, "2 * num_graph_edges"),  # the edge before it at the same detector
    changed=Pool(_i8, "max_changed"),  # edges that the error being weighed would remove or add
    num_present=_i8,
    num_chosen=_i8,
    num_covered=_i8,
    num_raised=_i8,
    max_raised=_i8,
    farthest=_i8,  # the largest of all centres
    may_shift=_i8,  # whether regions may grow at their mates' cost
    num_shifts=_i8,  # since the regions were last laid out
    has_shifts=_i8,  # before that
    shift_failed=_i8,  # a shifted region overlaps another on an active edge
    num_seen=_i8,
    num_first=_i8,
    num_implying=_i8,  # of the first edges, those that imply weights
    num_second=_i8,
    num_near=_i8,
    takes_first=_i8,  # the shot keeps its first matching, `first_edges`, though the events have the second
    max_changed=_i8,
    num_removed=_i8,  # of those in `changed`, from the start
    num_added=_i8,  # and from the end
    num_lowered=_i8,  # times that a slot was lowered, of all shots
    only_flips=_i8,  # no more is asked of a shot than what it flips: other components are matched once
    only_rest=_i8,  # only those other components are matched a second time
    num_rounds=_i8,  # rounds of the last second matching
    num_detectors=_i8,
    num_graph_edges=_i8,
    max_events=_i8,
)


@kernel
def second_of(work):
    """Return the state of the second matching of a workspace."""
    return record_at(work.second, SECOND)
