"""Pools of the record REWEIGHT (see `decoders.kernels.pools`)."""

import numpy as np

from decoders.kernels.jit import kernel
from decoders.kernels.pools import view


@kernel
def places_of(reweight):
    """The pool `places` of a reweight record."""
    return view(reweight.places, 2 * reweight.num_edges, np.int32)


@kernel
def twin_of_of(reweight):
    """The pool `twin_of` of a reweight record."""
    return view(reweight.twin_of, reweight.num_edges, np.int32)


@kernel
def edge_has_flips_of(reweight):
    """The pool `edge_has_flips` of a reweight record."""
    return view(reweight.edge_has_flips, reweight.num_edges, np.uint8)


@kernel
def boundary_weight_of(reweight):
    """The pool `boundary_weight` of a reweight record."""
    return view(reweight.boundary_weight, reweight.num_detectors, np.int64)


@kernel
def present_of(reweight):
    """The pool `present` of a reweight record."""
    return view(reweight.present, reweight.num_edges, np.int64)


@kernel
def chained_of(reweight):
    """The pool `chained` of a reweight record."""
    return view(reweight.chained, reweight.num_detectors, np.int64)


@kernel
def parity_of(reweight):
    """The pool `parity` of a reweight record."""
    return view(reweight.parity, reweight.num_detectors, np.uint8)
