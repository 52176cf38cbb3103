"""Positions of detectors and of the boundary on paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import shortest_path

from decoders import MatchingGraph

Floats = NDArray[np.float64]
View = Literal["auto", "3d", "top", "side"]

#: Layouts of models without coordinates need all distances between detectors.
_MAX_PLACED = 2000
_STUB = 0.55  # length of an edge to the boundary; edges between detectors are about 1 long
# Oblique projection: x to the right, y to the back, time upwards. No ratio of small numbers, so that
# different detectors of a lattice seldom coincide.
_OBLIQUE = np.array([[1.0, -0.2], [0.42, 0.34], [0.0, 1.27]])
_TOP = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
_SIDE = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
_BACK = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])


@dataclass(frozen=True)
class Layout:
    """Where detectors are drawn.

    Attributes:
        places: float64 (num_detectors, 2): position of each detector; NaN if it is not shown.
        ends: float64 (num_detectors, 2): where its edge to the boundary ends.
        shown: bool (num_detectors,).
        layers: Outlines of layers of equal time, each (corners, 2), with their labels.
        arrows: Directions of the axes, (2,) each, with their names; none if positions are computed.
        note: How positions were found, if they are not the model's coordinates.
    """

    places: Floats
    ends: Floats
    shown: NDArray[np.bool_]
    layers: tuple[tuple[Floats, str], ...]
    arrows: tuple[tuple[Floats, str], ...]
    note: str


def place_detectors(
    graph: MatchingGraph, *, shown: NDArray[np.bool_], view: View = "auto", axes: Sequence[str] | None = None
) -> Layout:
    """Place detectors by their coordinates, or by their distances in the graph if they have none.

    Args:
        graph: A matching graph.
        shown: bool (num_detectors,): which detectors are drawn; the others do not affect the result.
        view: "3d" draws x, y and time obliquely, "top" x and y, "side" x and time; "auto" is "3d" where all
            three vary. Models with fewer dimensions have one view.
        axes: Names of the coordinates, such as ("x", "y"); "t" is drawn upwards. Default: as in stim, x, y, t
            for three or more and x, t for two.

    Raises:
        ValueError: An unknown view, names that do not fit the coordinates, or too many detectors.
    """
    if view not in get_args(View):
        raise ValueError(f"view={view!r}: choose one of {', '.join(get_args(View))}")
    space, note = _coordinates(graph, shown, axes)
    inner, outer = _edges(graph, shown)
    if note:
        space = _spread_by_distance(graph, shown, inner)
    space = _scaled(space, inner, shown)
    ranges = np.ptp(space[shown], axis=0) if shown.any() else np.zeros(3)
    projection = _projection(view, ranges > 1e-9)
    ends = space + _STUB * _outward(space, inner, outer, snap=not note)
    shift = _separate(space, shown)
    layers, arrows = [], []
    if not note:
        arrows = [
            (projection[axis], "xyt"[axis])
            for axis in range(3)
            if ranges[axis] > 1e-9 and projection[axis].any()
        ]
        if projection is _OBLIQUE:
            layers = _layers(graph, space, shown, projection, axes)
    return Layout(
        space @ projection + shift, ends @ projection + shift, shown, tuple(layers), tuple(arrows), note
    )


def detector_space(coordinates: Floats, axes: Sequence[str] | None) -> Floats:
    """Return x, y and time of detectors, zero for coordinates that no detector has.

    Args:
        coordinates: float64 (detectors, k), NaN where a detector has fewer than k.
        axes: As in `place_detectors`.

    Returns:
        float64 (detectors, 3).

    Raises:
        ValueError: A detector without coordinates, or names that do not fit.
    """
    known = (~np.isnan(coordinates)).sum(axis=1)
    least = int(known.min()) if known.size else 0
    if least == 0:
        raise ValueError(
            f"{int((known == 0).sum())} of {known.size} detectors have no coordinates: "
            "give the circuit's DETECTOR instructions coordinates"
        )
    names = tuple(axes) if axes is not None else ("x", "y", "t") if least > 2 else ("x", "t")[:least]
    if len(names) > least or len(set(names)) < len(names) or not set(names) <= {"x", "y", "t"}:
        raise ValueError(
            f"axes {','.join(names)}: give different names out of x, y, t for at most {least} coordinates"
        )
    space = np.zeros((len(known), 3))
    for column, name in enumerate(names):
        space[:, "xyt".index(name)] = coordinates[:, column]
    return space


def _coordinates(
    graph: MatchingGraph, shown: NDArray[np.bool_], axes: Sequence[str] | None
) -> tuple[Floats, str]:
    """Return x, y and time, float64 (num_detectors, 3), and a note if a detector has no coordinates."""
    given = graph.detector_coordinates
    space = np.full((graph.num_detectors, 3), np.nan)
    bare = int(np.isnan(given[shown]).all(axis=1).sum())
    if bare:
        where = "no coordinates" if bare == shown.sum() else f"{bare} detectors without coordinates"
        return space, f"{where}: positions from distances in the graph"
    space[shown] = detector_space(given[shown], axes)
    return space, ""


def _edges(graph: MatchingGraph, shown: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ends of shown edges between detectors, (edges, 2), and detectors at the boundary."""
    first, second = graph.edge_u.astype(np.int64), graph.edge_v.astype(np.int64)
    inner = (second >= 0) & shown[first]
    return np.stack([first[inner], second[inner]], axis=1), np.unique(first[(second < 0) & shown[first]])


def _spread_by_distance(graph: MatchingGraph, shown: NDArray[np.bool_], inner: NDArray[np.int64]) -> Floats:
    """Place detectors in a plane so that distances resemble those of the graph (classical scaling).

    Torgerson 1952: the two main axes of the matrix of squared distances. Components are put side by side.
    """
    chosen = np.flatnonzero(shown)
    if chosen.size > _MAX_PLACED:
        raise ValueError(
            f"{chosen.size} detectors without coordinates: at most {_MAX_PLACED} can be placed, "
            "give the circuit's DETECTOR instructions coordinates"
        )
    space = np.full((graph.num_detectors, 3), np.nan)
    ones = (np.ones(len(inner)), (inner[:, 0], inner[:, 1]))
    hops = shortest_path(
        csr_array(ones, shape=(graph.num_detectors,) * 2), directed=False, unweighted=True, indices=chosen
    )[:, chosen]
    left = 0.0
    for component in np.unique(graph.component[chosen]):
        mine = np.flatnonzero(graph.component[chosen] == component)
        squared = hops[np.ix_(mine, mine)] ** 2
        centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, np.newaxis] + squared.mean()
        values, vectors = np.linalg.eigh(-centred / 2)
        plane = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0))
        plane *= np.where(plane[np.abs(plane).argmax(axis=0), range(plane.shape[1])] < 0, -1, 1)
        space[chosen[mine]] = 0
        space[chosen[mine], : plane.shape[1]] = plane
        space[chosen[mine], 0] += left - plane[:, 0].min()
        left = float(space[chosen[mine], 0].max()) + 1.5
    return space


def _scaled(space: Floats, inner: NDArray[np.int64], shown: NDArray[np.bool_]) -> Floats:
    """Scale space and time so that edges in each are about 1 long."""
    steps = np.abs(space[inner[:, 0]] - space[inner[:, 1]])
    flat, high = np.hypot(steps[:, 0], steps[:, 1]), steps[:, 2]
    scaled = space - (np.nanmin(space[shown], axis=0) if shown.any() else 0)
    if (flat > 0).any():
        scaled[:, :2] /= np.median(flat[flat > 0])
    if (high > 0).any():
        scaled[:, 2] /= np.median(high[high > 0])
    return scaled


def _projection(view: View, varies: NDArray[np.bool_]) -> Floats:
    if varies.all() and view in ("auto", "3d"):
        return _OBLIQUE
    if view == "top" and varies[:2].any():
        return _TOP
    if varies[2]:
        return _SIDE if varies[0] or not varies[1] else _BACK
    return _TOP


def _outward(space: Floats, inner: NDArray[np.int64], outer: NDArray[np.int64], *, snap: bool) -> Floats:
    """Return the direction to the boundary of each detector: away from its neighbours."""
    away = np.zeros_like(space)
    flat = np.ones(len(inner), dtype=np.bool_)
    flat &= np.hypot(*(space[inner[:, 0], :2] - space[inner[:, 1], :2]).T) > 0
    for one, other in ((0, 1), (1, 0)):
        np.add.at(away, inner[flat, one], space[inner[flat, one]] - space[inner[flat, other]])
    away[:, 2] = 0
    size = np.hypot(away[:, 0], away[:, 1])
    middle = np.nanmean(space, axis=0) if len(outer) else np.zeros(3)
    lost = size < 0.2
    away[lost, :2] = (space - middle)[lost, :2]
    away[np.hypot(away[:, 0], away[:, 1]) < 1e-9, 0] = -1.0
    away /= np.hypot(away[:, 0], away[:, 1])[:, np.newaxis]
    if snap and len(outer):
        # At a corner, the direction of most others decides.
        common = np.abs(away[outer, :2]).sum(axis=0)
        axis = (np.abs(away[:, :2]) + common / common.sum()).argmax(axis=1)
        sign = np.sign(np.take_along_axis(away, axis[:, np.newaxis], axis=1)[:, 0])
        away = np.zeros_like(space)
        away[np.arange(len(away)), axis] = np.where(sign == 0, 1.0, sign)
    return away


def _separate(space: Floats, shown: NDArray[np.bool_]) -> Floats:
    """Return shifts on paper, (num_detectors, 2), between detectors of equal coordinates."""
    shift = np.zeros((len(space), 2))
    _, place = np.unique(space[shown].round(6), axis=0, return_inverse=True)
    taken: dict[int, int] = {}
    for detector, at in zip(np.flatnonzero(shown).tolist(), place.tolist(), strict=True):
        shift[detector] = 0.16 * taken.get(at, 0) * np.array([1.0, 0.5])
        taken[at] = taken.get(at, 0) + 1
    return shift


def _layers(
    graph: MatchingGraph,
    space: Floats,
    shown: NDArray[np.bool_],
    projection: Floats,
    axes: Sequence[str] | None,
) -> list[tuple[Floats, str]]:
    """Return the outline of the patch at each time, with its label."""
    margin = 0.3
    low, high = space[shown].min(axis=0) - margin, space[shown].max(axis=0) + margin
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    column = list(axes).index("t") if axes is not None else 2
    times, first = np.unique(space[shown, 2], return_index=True)
    labels = graph.detector_coordinates[shown, column][first]
    found = []
    for time, label in zip(times, labels, strict=True):
        outline = np.column_stack([corners, np.full(4, time)]) @ projection
        found.append((outline, f"{label:g}"))
    return found
