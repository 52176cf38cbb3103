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
from decoders.kernels.lanes import LANES
from decoders.kernels.layout import (
    ADJACENT,
    BALL,
    DETECTOR,
    EDGE,
    EVENT,
    HALF,
    ITEM,
    NEAR,
    NODE,
)

if interpreted:

    def _view(address: int, length: int, dtype: Any) -> Any:
        size = np.dtype(dtype).itemsize * int(length)
        return np.frombuffer((ctypes.c_char * size).from_address(int(address)), dtype=dtype)

else:

    @intrinsic
    def _pointer(typing_context, address):
        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

        return types.voidptr(types.int64), generate

    @kernel
    def _view(address, length, dtype):  # type: ignore[misc]
        return carray(_pointer(address), (length,), dtype)  # type: ignore[call-arg]


@kernel
def detectors_of(graph):
    """The pool `detectors` of a graph record."""
    return _view(graph.detectors, graph.num_detectors, DETECTOR)


@kernel
def near_of(graph):
    """The pool `near` of a graph record."""
    return _view(graph.near, graph.num_near, NEAR)


@kernel
def indptr_of(graph):
    """The pool `indptr` of a graph record."""
    return _view(graph.indptr, graph.num_detectors + 1, np.int32)


@kernel
def adjacent_of(graph):
    """The pool `adjacent` of a graph record."""
    return _view(graph.adjacent, graph.num_adjacent, ADJACENT)


@kernel
def events_of(work):
    """The pool `events` of a work record."""
    return _view(work.events, work.max_events, EVENT)


@kernel
def nodes_of(work):
    """The pool `nodes` of a work record."""
    return _view(work.nodes, work.max_nodes, NODE)


@kernel
def halves_of(work):
    """The pool `halves` of a work record."""
    return _view(work.halves, 2 * work.max_edges, HALF)


@kernel
def edges_of(work):
    """The pool `edges` of a work record."""
    return _view(work.edges, work.max_edges, EDGE)


@kernel
def queue_of(work):
    """The pool `queue` of a work record."""
    return _view(work.queue, work.max_queue, ITEM)


@kernel
def tree_of(work):
    """The pool `tree` of a work record."""
    return _view(work.tree, work.max_tree, np.int64)


@kernel
def stack_of(work):
    """The pool `stack` of a work record."""
    return _view(work.stack, 2 * work.max_nodes, np.int64)


@kernel
def spare_of(work):
    """The pool `spare` of a work record."""
    return _view(work.spare, work.max_nodes, np.int64)


@kernel
def event_of_of(work):
    """The pool `event_of` of a work record."""
    return _view(work.event_of, work.num_detectors, np.int32)


@kernel
def found_of(work):
    """The pool `found` of a work record."""
    return _view(work.found, work.max_events, np.int64)


@kernel
def ball_nodes_of(work):
    """The pool `ball_nodes` of a work record."""
    return _view(work.ball_nodes, work.num_detectors, BALL)


@kernel
def ball_queue_of(work):
    """The pool `ball_queue` of a work record."""
    return _view(work.ball_queue, work.max_ball_queue, ITEM)


@kernel
def ball_touched_of(work):
    """The pool `ball_touched` of a work record."""
    return _view(work.ball_touched, work.num_detectors, np.int64)


@kernel
def parents_of(graph):
    """The pool `parents` of a graph record."""
    return _view(graph.parents, graph.num_near, np.int16)


@kernel
def boundary_edge_of(graph):
    """The pool `boundary_edge` of a graph record."""
    return _view(graph.boundary_edge, graph.num_detectors, np.int32)


@kernel
def boundary_flips_of(graph):
    """The pool `boundary_flips` of a graph record."""
    return _view(graph.boundary_flips, graph.num_detectors * graph.flip_bytes, np.uint8)


@kernel
def edge_flips_of(graph):
    """The pool `edge_flips` of a graph record."""
    return _view(graph.edge_flips, graph.num_edges * graph.flip_bytes, np.uint8)


@kernel
def toggles_of(graph):
    """The pool `toggles` of a graph record."""
    return _view(graph.toggles, graph.shot_bytes, np.uint8)


@kernel
def certain_flips_of(graph):
    """The pool `certain_flips` of a graph record."""
    return _view(graph.certain_flips, graph.flip_bytes, np.uint8)


@kernel
def path_of(work):
    """The pool `path` of a work record."""
    return _view(work.path, work.num_detectors + 1, np.int64)


@kernel
def woken_of(work):
    """The pool `woken` of a work record."""
    return _view(work.woken, work.max_events, np.int64)


@kernel
def flips_of(work):
    """The pool `flips` of a work record."""
    return _view(work.flips, work.flip_bytes, np.uint8)


@kernel
def ends_of(graph):
    """The pool `ends` of a graph record."""
    return _view(graph.ends, 2 * graph.num_edges, np.int32)


@kernel
def rows_of(stream):
    """The pool `rows` of a stream record."""
    return _view(stream.rows, stream.max_rows * stream.num_columns, np.uint8)


@kernel
def committed_flips_of(stream):
    """The pool `flips` of a stream record."""
    return _view(stream.flips, stream.flip_bytes, np.uint8)


@kernel
def places_of(reweight):
    """The pool `places` of a reweight record."""
    return _view(reweight.places, 2 * reweight.num_edges, np.int32)


@kernel
def twin_of_of(reweight):
    """The pool `twin_of` of a reweight record."""
    return _view(reweight.twin_of, reweight.num_edges, np.int32)


@kernel
def edge_has_flips_of(reweight):
    """The pool `edge_has_flips` of a reweight record."""
    return _view(reweight.edge_has_flips, reweight.num_edges, np.uint8)


@kernel
def boundary_weight_of(reweight):
    """The pool `boundary_weight` of a reweight record."""
    return _view(reweight.boundary_weight, reweight.num_detectors, np.int64)


@kernel
def present_of(reweight):
    """The pool `present` of a reweight record."""
    return _view(reweight.present, reweight.num_edges, np.int64)


@kernel
def chained_of(reweight):
    """The pool `chained` of a reweight record."""
    return _view(reweight.chained, reweight.num_detectors, np.int64)


@kernel
def parity_of(reweight):
    """The pool `parity` of a reweight record."""
    return _view(reweight.parity, reweight.num_detectors, np.uint8)


@kernel
def links_of(tanner):
    """The pool `links` of a tanner record."""
    return _view(tanner.links, tanner.num_detectors + 1, np.int32)


@kernel
def mechanisms_of(tanner):
    """The pool `mechanisms` of a tanner record."""
    return _view(tanner.mechanisms, tanner.num_links, np.int32)


@kernel
def prior_of(tanner):
    """The pool `prior` of a tanner record."""
    return _view(tanner.prior, tanner.num_mechanisms, np.float32)


@kernel
def shares_start_of(tanner):
    """The pool `shares_start` of a tanner record."""
    return _view(tanner.shares_start, tanner.num_edges + 1, np.int32)


@kernel
def shared_by_of(tanner):
    """The pool `shared_by` of a tanner record."""
    return _view(tanner.shared_by, tanner.num_shares, np.int32)


@kernel
def share_of(tanner):
    """The pool `share` of a tanner record."""
    return _view(tanner.share, tanner.num_shares, np.float32)


@kernel
def odds_of(belief):
    """The pool `odds` of a belief record."""
    return _view(belief.odds, belief.num_mechanisms * LANES, np.float32)


@kernel
def messages_of(belief):
    """The pool `messages` of a belief record."""
    return _view(belief.messages, belief.num_links * LANES, np.float32)


@kernel
def signs_of(belief):
    """The pool `signs` of a belief record."""
    return _view(belief.signs, belief.num_detectors * LANES, np.float32)


@kernel
def before_of(belief):
    """The pool `before` of a belief record."""
    return _view(belief.before, belief.longest_row * LANES, np.float32)


@kernel
def differences_of(belief):
    """The pool `differences` of a belief record."""
    return _view(belief.differences, belief.longest_row * LANES, np.float32)


@kernel
def active_of(belief):
    """The pool `active` of a belief record."""
    return _view(belief.active, LANES, np.float32)


@kernel
def finished_of(belief):
    """The pool `finished` of a belief record."""
    return _view(belief.finished, LANES, np.float32)


@kernel
def chances_of(belief):
    """The pool `chances` of a belief record."""
    return _view(belief.chances, belief.num_mechanisms * LANES, np.float32)


@kernel
def weights_of(belief):
    """The pool `weights` of a belief record."""
    return _view(belief.weights, belief.num_edges * LANES, np.int32)


@kernel
def shot_weights_of(belief):
    """The pool `shot_weights` of a belief record."""
    return _view(belief.shot_weights, belief.num_edges, np.int32)


@kernel
def shot_events_of(belief):
    """The pool `shot_events` of a belief record."""
    return _view(belief.shot_events, belief.num_detectors, np.int64)
