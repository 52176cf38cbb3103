"""Pools of the records TANNER and BELIEF (see `decoders.kernels.pools`)."""

import numpy as np

from decoders.belief_matching.kernels.simd import LANES
from decoders.kernels.jit import kernel
from decoders.kernels.pools import view


@kernel
def links_of(tanner):
    """The pool `links` of a tanner record."""
    return view(tanner.links, tanner.num_detectors + 1, np.int32)


@kernel
def row_of_of(tanner):
    """The pool `row_of` of a tanner record."""
    return view(tanner.row_of, tanner.num_detectors, np.int32)


@kernel
def mechanisms_of(tanner):
    """The pool `mechanisms` of a tanner record."""
    return view(tanner.mechanisms, tanner.num_links, np.int32)


@kernel
def prior_of(tanner):
    """The pool `prior` of a tanner record."""
    return view(tanner.prior, tanner.num_mechanisms, np.float32)


@kernel
def shares_start_of(tanner):
    """The pool `shares_start` of a tanner record."""
    return view(tanner.shares_start, tanner.num_edges + 1, np.int32)


@kernel
def shared_by_of(tanner):
    """The pool `shared_by` of a tanner record."""
    return view(tanner.shared_by, tanner.num_shares, np.int32)


@kernel
def flippers_of(tanner):
    """The pool `flippers` of a tanner record."""
    return view(tanner.flippers, tanner.num_flippers, np.int32)


@kernel
def flipped_of(tanner):
    """The pool `flipped` of a tanner record."""
    return view(tanner.flipped, tanner.num_mechanisms * tanner.flip_bytes, np.uint8)


@kernel
def share_of(tanner):
    """The pool `share` of a tanner record."""
    return view(tanner.share, tanner.num_shares, np.float32)


@kernel
def odds_of(belief):
    """The pool `odds` of a belief record."""
    return view(belief.odds, belief.num_mechanisms * LANES, np.float32)


@kernel
def messages_of(belief):
    """The pool `messages` of a belief record."""
    return view(belief.messages, belief.num_links * LANES, np.float32)


@kernel
def signs_of(belief):
    """The pool `signs` of a belief record."""
    return view(belief.signs, belief.num_detectors * LANES, np.float32)


@kernel
def before_of(belief):
    """The pool `before` of a belief record."""
    return view(belief.before, belief.longest_row * LANES, np.float32)


@kernel
def differences_of(belief):
    """The pool `differences` of a belief record."""
    return view(belief.differences, belief.longest_row * LANES, np.float32)


@kernel
def active_of(belief):
    """The pool `active` of a belief record."""
    return view(belief.active, LANES, np.float32)


@kernel
def chances_of(belief):
    """The pool `chances` of a belief record."""
    return view(belief.chances, belief.num_mechanisms * LANES, np.float32)


@kernel
def weights_of(belief):
    """The pool `weights` of a belief record."""
    return view(belief.weights, belief.num_edges * LANES, np.int32)


@kernel
def shot_weights_of(belief):
    """The pool `shot_weights` of a belief record."""
    return view(belief.shot_weights, belief.num_edges, np.int32)


@kernel
def shot_events_of(belief):
    """The pool `shot_events` of a belief record."""
    return view(belief.shot_events, belief.num_detectors, np.int64)


@kernel
def group_of(belief):
    """The pool `group` of a belief record."""
    return view(belief.group, LANES, np.int64)


@kernel
def waiting_of(belief):
    """The pool `waiting` of a belief record."""
    return view(belief.waiting, belief.max_waiting, np.int64)
