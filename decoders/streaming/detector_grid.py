"""Assignment of detectors to layers and columns, from their coordinates and order.

A layer contains the detectors of one time, a column those of one position. Times may start anywhere and
advance in steps of any size; several detectors may share a position and a time. Detectors made from the data
readout often have the time of the last cycle: they become a separate layer.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Used instead of a coordinate: a layer ends where a position occurs again, in order of detectors.
BY_ORDER = -1
#: Used instead of a coordinate: the caller states the layer of each detector.
BY_CALLER = -2

# Times closer than this are equal: sums of shifts are not exact.
_SAME_TIME = 1e-6

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class TimeAxis(NamedTuple):
    """Derivation of layers from times."""

    #: Index of the time coordinate, BY_ORDER or BY_CALLER.
    axis: int
    #: Length of a cycle in units of the time coordinate.
    unit: float


class DetectorGrid(NamedTuple):
    """Detectors as a grid of layers and columns."""

    #: int64 (detectors,): layer of each detector; none is empty, except with BY_CALLER.
    layer: Integers
    #: int64 (detectors,): column of each detector; unique within a layer.
    column: Integers
    #: float64 (columns, k): coordinates without time; rows are equal where detectors share position and time.
    stabilizers: Floats
    #: Largest number of detectors with equal position and time, before the readout is separated.
    most_per_position: int
    time_axis: TimeAxis


def possible_axes(coordinates: Floats, shift: Floats) -> list[int]:
    """List the coordinates that may be the time, most plausible first.

    Args:
        coordinates: float64 (detectors, k), NaN where a detector has fewer than k.
        shift: float64 (m,), total shift of each coordinate in the model.

    Returns:
        The only coordinate that is ever shifted, if there is just one; the third (the second where
        detectors have two), by convention; the last (before the third if only the last increases from
        detector to detector); BY_ORDER.

    Raises:
        ValueError: a detector has fewer than two coordinates.
    """
    dimensions = coordinates.shape[1]
    if not len(coordinates):
        return [1]
    default = 2 if dimensions > 2 else 1
    unknown = np.arange(len(coordinates))
    if dimensions > 1:
        unknown = np.flatnonzero(np.isnan(_times(coordinates, default)))
    if unknown.size:
        raise ValueError(
            f"detector D{unknown[0]} has no time coordinate ({unknown.size} such in all): streaming needs "
            "DETECTOR instructions with coordinates (x, y, t); decode whole shots with 'mwpm' instead"
        )
    moved = [int(axis) for axis in np.flatnonzero(shift) if axis < dimensions]
    axes = [*(moved if len(moved) == 1 else []), default]
    if dimensions > 3:
        # Detectors are declared in order of time.
        last, usual = (np.diff(_times(coordinates, axis)) for axis in (dimensions - 1, default))
        is_time = (last >= 0).all() and last.any() and ((usual < 0).any() or not usual.any())
        axes.insert(len(axes) - 1 if is_time else len(axes), dimensions - 1)
    known = [axis for axis in dict.fromkeys(axes) if not np.isnan(_times(coordinates, axis)).any()]
    return [*known, BY_ORDER]


def assign_layers(coordinates: Floats, *, axis: int, unit: float | None = None) -> DetectorGrid:
    """Assign detectors to layers and columns.

    Args:
        coordinates: float64 (detectors, k), NaN where a detector has fewer than k.
        axis: one of `possible_axes`.
        unit: length of a cycle; default: found from the times.
    """
    num_detectors, dimensions = coordinates.shape
    if not num_detectors:
        empty = np.zeros(0, dtype=np.int64)
        return DetectorGrid(
            empty, empty, coordinates[:, : max(0, dimensions - 1)], 0, TimeAxis(axis, unit or 1.0)
        )
    where = np.nan_to_num(coordinates, nan=np.inf)
    if axis == BY_ORDER:
        place, at = np.unique(where, axis=0, return_inverse=True)
        at = at.reshape(-1).astype(np.int64)
        layer = _layers_in_order(at)
        unit, crowd = unit or 1.0, 1
    else:
        time = _times(coordinates, axis)
        if axis == 2:
            where[np.isnan(coordinates[:, 2]), 1] = 0  # (x, t): the place is x
        where[:, axis] = 0
        place, at = np.unique(where, axis=0, return_inverse=True)
        at = at.reshape(-1).astype(np.int64)
        unit = unit or _cycle_length(time, at)
        origin = np.floor(time.min()) if unit == 1 else time.min()
        _, layer = np.unique(np.floor((time - origin) / unit + _SAME_TIME), return_inverse=True)
        layer = layer.reshape(-1).astype(np.int64)
        crowd = int(np.unique(layer * len(place) + at, return_counts=True)[1].max())
        layer = _split_readout(layer, at)
    rank = _ranks(layer, at)
    ranks = int(rank.max()) + 1
    used, column = np.unique(at * ranks + rank, return_inverse=True)
    column = column.reshape(-1).astype(np.int64)
    stabilizers = place[used // ranks]
    # Order columns as the detectors of a full layer: a window that contains a whole shot then numbers its
    # detectors in their original order, and ties are broken as in whole-history decoding.
    full = np.flatnonzero(layer == np.argmax(np.bincount(layer)))
    first = np.full(used.size, num_detectors)
    first[column[full]] = full
    order = np.argsort(first, kind="stable")
    stabilizers, column = stabilizers[order], np.argsort(order)[column]
    stabilizers[np.isinf(stabilizers)] = np.nan
    if axis != BY_ORDER:
        stabilizers = np.delete(stabilizers, axis, axis=1)
    return DetectorGrid(layer, column, stabilizers, crowd, TimeAxis(axis, unit))


def given_layers(layers: ArrayLike, *, num_detectors: int) -> DetectorGrid:
    """Use layers that the caller states; columns count the detectors of each layer in their order.

    Args:
        layers: int (detectors,), at least 0; layers without detectors are kept.
        num_detectors: of the model.

    Raises:
        ValueError: layers that are no such array.
    """
    given = np.asarray(layers)
    if given.shape != (num_detectors,):
        raise ValueError(
            f"layers have shape {given.shape}, expected one for each of {num_detectors} detectors"
        )
    if given.size and not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"layers of dtype {given.dtype}: must be integers of at least 0")
    layer = given.astype(np.int64)
    if layer.min(initial=0) < 0:
        raise ValueError(f"layer {layer.min()}: must be at least 0")
    column = _ranks(layer, np.zeros_like(layer)) if layer.size else layer
    columns = int(column.max(initial=-1)) + 1
    return DetectorGrid(layer, column, np.zeros((columns, 0)), 1, TimeAxis(BY_CALLER, 1.0))


def _times(coordinates: Floats, axis: int) -> Floats:
    """Return the times of all detectors; for (x, t) the second coordinate."""
    time = coordinates[:, axis]
    if axis == 2:
        time = np.where(np.isnan(time), coordinates[:, 1], time)
    return time


def _cycle_length(time: Floats, place: Integers) -> float:
    """Find the most frequent time step between detectors of one position; 1 if that is a whole number.

    Times that count cycles are thus used unchanged, also if no position has a detector in every cycle, while
    other times (0, 0.5, 1, ... or 0, 1.1, 2.2, ...) are counted in steps.
    """
    order = np.lexsort((time, place))
    steps = np.diff(time[order])[np.diff(place[order]) == 0]
    steps = np.round(steps[steps > _SAME_TIME], 6)
    if not steps.size:
        return 1.0
    values, counts = np.unique(steps, return_counts=True)
    usual = float(values[np.argmax(counts)])
    return 1.0 if usual >= 1 and abs(usual - round(usual)) <= _SAME_TIME else usual


def _layers_in_order(place: Integers) -> Integers:
    """Begin a new layer where a position occurs again, in order of detectors."""
    layer = np.zeros(place.size, dtype=np.int64)
    latest = np.full(int(place.max()) + 1, -1)
    current = 0
    for detector, at in enumerate(place.tolist()):
        if latest[at] == current:
            current += 1
        latest[at] = current
        layer[detector] = current
    return layer


def _ranks(layer: Integers, place: Integers) -> Integers:
    """Number the detectors of each layer and position from 0."""
    order = np.lexsort((place, layer))
    group = layer[order] * (int(place.max()) + 1) + place[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    rank = np.empty(layer.size, dtype=np.int64)
    rank[order] = np.arange(layer.size) - np.repeat(starts, np.diff(starts, append=layer.size))
    return rank


def _split_readout(layer: Integers, place: Integers) -> Integers:
    """Move the data readout's detectors to a separate layer if they have the time of the last cycle.

    They are recognised by positions with more detectors in the last layer than in any earlier one. The
    readout follows the cycle, so the cut is at one index of the last layer's detectors. If several cuts are
    possible, the cycle gets as many detectors as the previous one.
    """
    last = int(layer.max())
    rank = _ranks(layer, place)
    usual = np.ones(int(place.max()) + 1, dtype=np.int64)
    earlier = (layer < last) & (layer >= min(1, last - 1))
    np.maximum.at(usual, place[earlier], rank[earlier] + 1)
    here = np.flatnonzero(layer == last)
    surplus = rank[here] >= usual[place[here]]
    if not surplus.any():
        return layer
    before = np.isin(place[here], place[here][surplus]) & (rank[here] == 0)
    stop = int(np.argmax(surplus))
    start = min(stop, int(np.flatnonzero(before[: stop + 1]).max(initial=0)) + 1)
    cut = min(stop, max(start, int((layer == last - 1).sum())))
    surplus[cut:] = True
    layer = layer.copy()
    layer[here[surplus]] = last + 1
    return layer
