"""Geometry of a shot's growth: regions, blossoms and paths at chosen times."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from experiments.drawing.event_graph import EventGraph
from experiments.drawing.growth import Blossom, Growth, Step
from experiments.drawing.layout import Floats, Layout
from experiments.plotting.scene import Background, Matched, Moment, Region

_STATES: dict[int, Literal["growing", "matched", "shrinking"]] = {1: "growing", 0: "matched", -1: "shrinking"}

# Edges are about 1 long; longer ones lead around a torus.
_LONG = 2.6
# Blossoms are drawn a little outside their regions: distance in edges, and directions.
_PAD = 0.06
_SIDES = [np.array([np.cos(angle), np.sin(angle)]) for angle in np.arange(8) * np.pi / 4]


def background_of(layout: Layout, graph: EventGraph) -> Background:
    """Return the graph on paper; of parallel edges the lightest."""
    pairs = np.array(list(graph.edge_between), dtype=np.int64).reshape(-1, 2)
    pairs = pairs[layout.shown[pairs[:, 0]]]
    inner, outer = pairs[pairs[:, 1] >= 0], pairs[pairs[:, 1] < 0, 0]
    return Background(
        detectors=layout.places[layout.shown],
        edges=layout.places[inner],
        stubs=np.stack([layout.places[outer], layout.ends[outer]], axis=1),
        layers=layout.layers,
        arrows=layout.arrows,
    )


class Illustrator:
    """Draws moments of one shot's growth as plain geometry.

    Args:
        graph: The shot.
        growth: Its growth.
        layout: Where detectors are.
        labels: Whether events get their detectors' names.
    """

    def __init__(self, graph: EventGraph, growth: Growth, layout: Layout, *, labels: bool) -> None:
        self._graph, self._growth, self._layout = graph, growth, layout
        self._drawn = np.flatnonzero(layout.shown[graph.detectors])
        self._names = [f"D{d}" for d in graph.detectors[self._drawn]] if labels else []
        self._scale = graph.graph.weight_scale
        model = graph.graph
        edges = np.array(list(graph.edge_between.values()), dtype=np.int64)
        self._u, self._v = model.edge_u[edges].astype(np.int64), model.edge_v[edges].astype(np.int64)
        self._weight = np.abs(model.edge_weight[edges].astype(np.int64))
        across = layout.places[self._u] - layout.places[self._v]
        self._is_long = (self._v >= 0) & (np.hypot(*across.T) > _LONG)

    def moment(self, step: Step, time: float, *, lines: Sequence[str] = ()) -> Moment:
        """Describe the state at a time between a step and the next one."""
        radius = step.radius + step.rate * (time - step.time)
        regions: list[Region] = []
        tips: dict[int, list[Floats]] = {}
        for event in self._drawn.tolist():
            tips[event] = self._covered(event, float(radius[event]))
            if radius[event] > 0:
                state = _STATES[int(step.rate[event])]
                regions += [Region(outline=_hull(part), state=state) for part in tips[event]]
        blossoms = [one for one in step.blossoms if one.events[0] in tips]
        return Moment(
            events=self._layout.places[self._graph.detectors[self._drawn]],
            names=self._names,
            regions=regions,
            blossoms=[outline for one in blossoms for outline in self._around(one, tips, blossoms)],
            cycles=self._segments(
                edge for one in blossoms for pair in one.cycle for edge in self._graph.path(*pair)
            ),
            trees=self._segments(edge for pair in step.tree_edges for edge in self._graph.path(*pair)),
            matched=self._matched(edge for pair in step.pairs for edge in self._graph.path(*pair)),
            lines=lines,
        )

    def last_moment(self, *, lines: Sequence[str] = ()) -> Moment:
        """Describe the solution with the final radii."""
        step = self._growth.steps[-1]
        moment = self.moment(step, step.time, lines=lines)
        solution = self._graph.solution(self._growth.pairs)
        return replace(moment, cycles=np.zeros((0, 2, 2)), matched=self._matched(solution.tolist()))

    def _around(
        self, blossom: Blossom, tips: dict[int, list[Floats]], others: Sequence[Blossom]
    ) -> list[Floats]:
        """Return the hull of a blossom's regions, outside those of the blossoms that it contains.

        Regions that continue at another side of a torus get outlines of their own.
        """
        depth = sum(set(one.events) < set(blossom.events) for one in others)
        parts = [part for event in blossom.events for part in tips[event]]
        groups = [[part] for part in parts] if len(parts) > len(blossom.events) else [parts]
        wide = [(_PAD + 0.04 * depth) * side for side in _SIDES]
        return [_hull(np.concatenate([part + shift for part in group for shift in wide])) for group in groups]

    def _matched(self, edges: Iterable[int]) -> Matched:
        """Return the segments of edges that are used an odd number of times."""
        used: set[int] = set()
        for edge in edges:
            used ^= {edge}
        observables, second = self._graph.graph.edge_observables, self._graph.graph.edge_v
        return Matched(
            plain=self._segments(edge for edge in used if not observables[edge].any()),
            flipping=self._segments(edge for edge in used if observables[edge].any()),
            exits=self._segments(edge for edge in used if second[edge] < 0)[:, 1],
        )

    def _segments(self, edges: Iterable[int]) -> Floats:
        chosen = np.array(sorted(edges), dtype=np.int64)
        first, second = self._graph.graph.edge_u[chosen], self._graph.graph.edge_v[chosen]
        ends = np.where((second < 0)[:, np.newaxis], self._layout.ends[first], self._layout.places[second])
        segments = np.stack([self._layout.places[first], ends], axis=1)
        return segments[self._layout.shown[first]] if len(chosen) else np.zeros((0, 2, 2))

    def _covered(self, event: int, radius: float) -> list[Floats]:
        """Return the detectors within a radius of an event, and how far it covers the edges around them.

        One array for each part that edges of usual length connect: on a torus a region can continue at the
        other side.
        """
        reach = self._graph.reach[event]
        places, ends = self._layout.places, self._layout.ends
        inside = np.flatnonzero(reach <= radius)
        points, owners = [places[inside]], [inside]
        for here, there in ((self._u, self._v), (self._v, self._u)):
            edges = np.flatnonzero((here >= 0) & (reach[here] < radius) & ~self._is_long)
            start = places[here[edges]]
            outward = there[edges] < 0
            stop = np.where(outward[:, np.newaxis], ends[here[edges]], places[there[edges]])
            weight = np.maximum(self._weight[edges], 1)
            part = np.minimum(1.0, (radius - reach[here[edges]]) / weight)
            points.append(start + part[:, np.newaxis] * (stop - start))
            owners.append(here[edges])
        found, owner = np.concatenate(points), np.concatenate(owners)
        if not self._is_long.any():
            return [found]
        near = (self._v >= 0) & ~self._is_long & (reach[self._u] <= radius)
        near[near] = reach[self._v[near]] <= radius
        size = len(places)
        links = csr_array((np.ones(int(near.sum())), (self._u[near], self._v[near])), shape=(size, size))
        _, part_of = connected_components(links, directed=False)
        return [found[part_of[owner] == number] for number in np.unique(part_of[inside])]

    def frames(self, most: int) -> list[tuple[Step, float]]:
        """Choose steps and times for an animation: every step, with the growth in between."""
        steps = self._growth.steps
        chosen: list[tuple[Step, float]] = []
        for step, following in zip(steps, [*steps[1:], None], strict=True):
            if following is None:
                chosen.append((step, step.time))
            elif following.time > step.time:  # of several steps at one time the last
                chosen += [
                    (step, step.time + part * (following.time - step.time)) for part in (0, 1 / 3, 2 / 3)
                ]
        if len(chosen) > most:
            chosen = [chosen[at] for at in np.linspace(0, len(chosen) - 1, most).round().astype(int)]
        return chosen


def _hull(points: Floats) -> Floats:
    """Return the corners of the convex hull of points in the plane (Andrew 1979), counterclockwise."""
    ordered = sorted(set(map(tuple, points.round(9).tolist())))
    if len(ordered) < 3:
        return np.array(ordered).reshape(-1, 2)
    halves = []
    for sequence in (ordered, ordered[::-1]):
        chain: list[tuple[float, ...]] = []
        for point in sequence:
            while len(chain) > 1 and _turn(chain[-2], chain[-1], point) <= 0:
                chain.pop()
            chain.append(point)
        halves += chain[:-1]
    return np.array(halves)


def _turn(a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...]) -> float:
    """Return twice the area of a triangle, positive if its corners turn left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
