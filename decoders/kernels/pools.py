"""Pools of records by their address: the arrays behind a GRAPH or WORK record.

A kernel gets one record and asks for the pools it needs, as in `nodes = nodes_of(work)`. Compiled, that
is one load; with `NUMBA_DISABLE_JIT=1` it is an ordinary numpy view of the same memory. Bounds checks
see the true lengths in both.
"""

import ctypes
from typing import Any

import numpy as np
from numba import carray, types  # type: ignore[attr-defined]
from numba.extending import intrinsic

from decoders.kernels.jit import interpreted, kernel
from decoders.kernels.layout import (
    ADJACENT,
    BALL,
    COVER,
    DETECTOR,
    EDGE,
    ERROR,
    EVENT,
    HALF,
    IMPLIED,
    ITEM,
    LIMIT,
    LINK,
    MOST_SIGHTS,
    NEAR,
    NODE,
    PORTAL,
    RAISED,
    SIGHT,
    WAY,
)

if interpreted:

    def view(address: int, length: int, dtype: Any) -> Any:
        """The array at an address."""
        size = np.dtype(dtype).itemsize * int(length)
        return np.frombuffer((ctypes.c_char * size).from_address(int(address)), dtype=dtype)

else:

    @intrinsic
    def _pointer(typing_context, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

        return types.voidptr(types.int64), generate

    @kernel
    def view(address, length, dtype):  # type: ignore[misc]
        """The array at an address."""
        return carray(_pointer(address), (length,), dtype)  # type: ignore[call-arg]


@kernel
def detectors_of(graph):
    """The pool `detectors` of a graph record."""
    return view(graph.detectors, graph.num_detectors, DETECTOR)


@kernel
def near_of(graph):
    """The pool `near` of a graph record."""
    return view(graph.near, graph.num_near, NEAR)


@kernel
def indptr_of(graph):
    """The pool `indptr` of a graph record."""
    return view(graph.indptr, graph.num_detectors + 1, np.int32)


@kernel
def adjacent_of(graph):
    """The pool `adjacent` of a graph record."""
    return view(graph.adjacent, graph.num_adjacent, ADJACENT)


@kernel
def events_of(work):
    """The pool `events` of a work record."""
    return view(work.events, work.max_events, EVENT)


@kernel
def nodes_of(work):
    """The pool `nodes` of a work record."""
    return view(work.nodes, work.max_nodes, NODE)


@kernel
def halves_of(work):
    """The pool `halves` of a work record."""
    return view(work.halves, 2 * work.max_edges, HALF)


@kernel
def edges_of(work):
    """The pool `edges` of a work record."""
    return view(work.edges, work.max_edges, EDGE)


@kernel
def queue_of(work):
    """The pool `queue` of a work record."""
    return view(work.queue, work.max_queue, ITEM)


@kernel
def tree_of(work):
    """The pool `tree` of a work record."""
    return view(work.tree, work.max_tree, np.int64)


@kernel
def stack_of(work):
    """The pool `stack` of a work record."""
    return view(work.stack, 2 * work.max_nodes, np.int64)


@kernel
def spare_of(work):
    """The pool `spare` of a work record."""
    return view(work.spare, work.max_nodes, np.int64)


@kernel
def event_of_of(work):
    """The pool `event_of` of a work record."""
    return view(work.event_of, work.num_detectors, np.int32)


@kernel
def found_of(work):
    """The pool `found` of a work record."""
    return view(work.found, work.max_events, np.int64)


@kernel
def ball_nodes_of(work):
    """The pool `ball_nodes` of a work record."""
    return view(work.ball_nodes, work.num_detectors, BALL)


@kernel
def ball_queue_of(work):
    """The pool `ball_queue` of a work record."""
    return view(work.ball_queue, work.max_ball_queue, ITEM)


@kernel
def ball_touched_of(work):
    """The pool `ball_touched` of a work record."""
    return view(work.ball_touched, work.num_detectors, np.int64)


@kernel
def parents_of(graph):
    """The pool `parents` of a graph record."""
    return view(graph.parents, graph.num_near, np.int16)


@kernel
def boundary_edge_of(graph):
    """The pool `boundary_edge` of a graph record."""
    return view(graph.boundary_edge, graph.num_detectors, np.int32)


@kernel
def boundary_flips_of(graph):
    """The pool `boundary_flips` of a graph record."""
    return view(graph.boundary_flips, graph.num_detectors * graph.flip_bytes, np.uint8)


@kernel
def edge_flips_of(graph):
    """The pool `edge_flips` of a graph record."""
    return view(graph.edge_flips, graph.num_edges * graph.flip_bytes, np.uint8)


@kernel
def toggles_of(graph):
    """The pool `toggles` of a graph record."""
    return view(graph.toggles, graph.shot_bytes, np.uint8)


@kernel
def certain_flips_of(graph):
    """The pool `certain_flips` of a graph record."""
    return view(graph.certain_flips, graph.flip_bytes, np.uint8)


@kernel
def path_of(work):
    """The pool `path` of a work record."""
    return view(work.path, work.num_detectors + 1, np.int64)


@kernel
def woken_of(work):
    """The pool `woken` of a work record."""
    return view(work.woken, work.max_events, np.int64)


@kernel
def flips_of(work):
    """The pool `flips` of a work record."""
    return view(work.flips, work.flip_bytes, np.uint8)


@kernel
def ends_of(graph):
    """The pool `ends` of a graph record."""
    return view(graph.ends, 2 * graph.num_edges, np.int32)


@kernel
def rows_of(stream):
    """The pool `rows` of a stream record."""
    return view(stream.rows, stream.max_rows * stream.num_columns, np.uint8)


@kernel
def committed_flips_of(stream):
    """The pool `flips` of a stream record."""
    return view(stream.flips, stream.flip_bytes, np.uint8)


@kernel
def weights_of(graph):
    """The pool `weights` of a graph record."""
    return view(graph.weights, graph.num_edges, np.int32)


@kernel
def implied_of(graph):
    """The pool `implied` of a graph record."""
    return view(graph.implied, graph.num_implied, IMPLIED)


@kernel
def errors_of(graph):
    """The pool `errors` of a graph record."""
    return view(graph.errors, graph.num_errors, ERROR)


@kernel
def error_edges_of(graph):
    """The pool `error_edges` of a graph record."""
    return view(graph.error_edges, graph.num_error_edges, np.int32)


@kernel
def errors_of_edge_of(graph):
    """The pool `errors_of_edge` of a graph record."""
    return view(graph.errors_of_edge, graph.num_error_edges, np.int32)


@kernel
def errors_of_edge_start_of(graph):
    """The pool `errors_of_edge_start` of a graph record."""
    return view(graph.errors_of_edge_start, graph.num_edges + 1, np.int32)


@kernel
def alone_of(graph):
    """The pool `alone` of a graph record."""
    return view(graph.alone, graph.num_edges, np.int32)


@kernel
def implied_start_of(graph):
    """The pool `implied_start` of a graph record."""
    return view(graph.implied_start, graph.num_edges + 1, np.int32)


@kernel
def observed_of(graph):
    """The pool `observed` of a graph record."""
    return view(graph.observed, graph.num_edges, np.uint8)


@kernel
def limits_of(work):
    """The pool `limits` of a work record."""
    return view(work.limits, work.max_events, LIMIT)


@kernel
def chosen_of(work):
    """The pool `chosen` of a work record."""
    return view(work.chosen, work.max_events, np.int64)


@kernel
def covers_of(work):
    """The pool `covers` of a work record."""
    return view(work.covers, work.num_detectors + 1, COVER)


@kernel
def raised_of(work):
    """The pool `raised` of a work record."""
    return view(work.raised, work.max_raised, RAISED)


@kernel
def covered_of(work):
    """The pool `covered` of a work record."""
    return view(work.covered, work.num_detectors, np.int64)


@kernel
def prices_of(work):
    """The pool `prices` of a work record."""
    return view(work.prices, work.num_graph_edges, np.int32)


@kernel
def seen_of(work):
    """The pool `seen` of a work record."""
    return view(work.seen, work.num_graph_edges, np.int64)


@kernel
def used_by_of(work):
    """The pool `used_by` of a work record."""
    return view(work.used_by, work.num_graph_edges, np.int32)


@kernel
def second_edges_of(work):
    """The pool `second_edges` of a work record."""
    return view(work.second_edges, work.num_graph_edges, np.int64)


@kernel
def listed_at_of(work):
    """The pool `listed_at` of a work record."""
    return view(work.listed_at, work.num_detectors, np.int64)


@kernel
def listed_next_of(work):
    """The pool `listed_next` of a work record."""
    return view(work.listed_next, 2 * work.num_graph_edges, np.int64)


@kernel
def changed_of(work):
    """The pool `changed` of a work record."""
    return view(work.changed, work.max_changed, np.int64)


@kernel
def first_edges_of(work):
    """The pool `first_edges` of a work record."""
    return view(work.first_edges, work.num_graph_edges, np.int64)


@kernel
def lowered_of(work):
    """The pool `lowered` of a work record."""
    return view(work.lowered, work.num_graph_edges, np.int32)


@kernel
def lowered_as_of(work):
    """The pool `lowered_as` of a work record."""
    return view(work.lowered_as, work.num_graph_edges, np.int32)


@kernel
def active_of(work):
    """The pool `active` of a work record."""
    return view(work.active, work.num_graph_edges, np.int64)


@kernel
def slots_of(graph):
    """The pool `slots` of a graph record."""
    return view(graph.slots, graph.num_edges, np.int32)


@kernel
def implied_watched_of(graph):
    """The pool `implied_watched` of a graph record."""
    return view(graph.implied_watched, graph.num_edges, np.int32)


@kernel
def portals_of(work):
    """The pool `portals` of a work record."""
    return view(work.portals, work.max_portals, PORTAL)


@kernel
def sights_of(work):
    """The pool `sights` of a work record."""
    return view(work.sights, work.max_portals * MOST_SIGHTS, SIGHT)


@kernel
def links_of(work):
    """The pool `links` of a work record."""
    return view(work.links, work.max_links, LINK)


@kernel
def steps_of(graph):
    """The pool `steps` of a graph record."""
    return view(graph.steps, graph.num_near, np.int32)


@kernel
def exits_of(graph):
    """The pool `exits` of a graph record."""
    return view(graph.exits, graph.num_detectors, np.int64)


@kernel
def outward_edges_of(graph):
    """The pool `outward_edges` of a graph record."""
    return view(graph.outward_edges, graph.num_detectors, np.int32)


@kernel
def ways_of(work):
    """The pool `ways` of a work record."""
    return view(work.ways, work.max_ways, WAY)
