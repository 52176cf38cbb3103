"""Growth of regions in minimum-weight perfect matching, step by step, for pictures.

A short reference in Python of the blossom algorithm (Edmonds 1965) in the order of sparse blossom (Higgott
and Gidney, arXiv 2303.15933): all regions grow at the same rate from radius zero, and every event that ends
or redirects growth is one step. `mwpm` reaches a solution of the same weight by another order: it starts
from the radii of a first pass and grows one tree at a time. Times, radii and dual variables are in the
integer unit of the graph's weights and exact.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Mate of an event that is matched to the boundary.
BOUNDARY = -1
#: Distance between events that no path connects.
FAR = 1 << 60

# An edge between two events: its first end lies in the region that holds it.
_Edge = tuple[int, int]

# Labels of regions, which are also the rates at which their dual variables change.
_GROWING, _MATCHED, _SHRINKING = 1, 0, -1


class Blossom(NamedTuple):
    """An odd set of events with a dual variable, contracted to one region.

    Attributes:
        events: Members, by their index among the shot's events.
        cycle: The edges between events that close its odd cycle of regions, in order.
        dual: Its dual variable.
    """

    events: tuple[int, ...]
    cycle: tuple[tuple[int, int], ...]
    dual: int


class Step(NamedTuple):
    """State of the regions right after one event of the algorithm.

    Attributes:
        time: Amount of growth since the beginning.
        radius: int64 (events,): radius of each event, the sum of the dual variables of the sets around it.
        rate: int64 (events,): how fast the radius changes from now on: 1, 0 or -1.
        blossoms: All blossoms, also nested ones.
        pairs: Matched pairs of outermost regions, each once; `BOUNDARY` as second event.
        tree_edges: Edges of the alternating trees.
        text: The event in words; empty for the beginning.
    """

    time: int
    radius: NDArray[np.int64]
    rate: NDArray[np.int64]
    blossoms: tuple[Blossom, ...]
    pairs: tuple[_Edge, ...]
    tree_edges: tuple[_Edge, ...]
    text: str


@dataclass(frozen=True)
class Growth:
    """All steps of one shot, and the solution.

    Attributes:
        steps: From the beginning, radius zero, to the last match.
        pairs: The matching: each pair once, `BOUNDARY` as second event.
        duals: Dual variable of each set of events: single events and blossoms.
    """

    steps: tuple[Step, ...]
    pairs: tuple[_Edge, ...]
    duals: tuple[tuple[tuple[int, ...], int], ...]


class NoMatchingError(ValueError):
    """No perfect matching exists: a component without boundary has an odd number of events."""


def grow_regions(
    distance: NDArray[np.int64], boundary: NDArray[np.int64], names: Sequence[str] = ()
) -> Growth:
    """Match events by growing regions.

    Args:
        distance: int64 (events, events), even, symmetric: shortest-path distances; `FAR` if unconnected.
        boundary: int64 (events,), even: distances to the boundary; `FAR` if there is none.
        names: Names of the events for the texts of the steps; default: their indices.

    Raises:
        NoMatchingError: The events have no perfect matching.
    """
    return _Matcher(distance, boundary, names or [str(index) for index in range(len(boundary))]).run()


class _Region:
    """An event, or a blossom of an odd cycle of regions."""

    def __init__(self, events: tuple[int, ...]) -> None:
        self.events = events
        self.cycle: list[_Region] = []
        self.links: list[_Edge] = []  # links[k] leads from cycle[k] to the next region
        self.dual = 0
        self.label = _GROWING
        self.mate: _Edge | None = None
        self.parent: _Region | None = None  # in the alternating tree
        self.entry: _Edge | None = None  # from the parent

    def leave_tree(self) -> None:
        self.label = _MATCHED
        self.parent = self.entry = None

    def ancestors(self) -> "list[_Region]":
        """List the region and those above it, up to the root."""
        found = [self]
        while found[-1].parent is not None:
            found.append(found[-1].parent)
        return found

    def match_children(self) -> None:
        """Match the regions of the cycle, the one with the mate's edge to the outside, first in the list."""
        assert self.mate is not None
        base = next(at for at, child in enumerate(self.cycle) if self.mate[0] in child.events)
        self.cycle = self.cycle[base:] + self.cycle[:base]
        self.links = self.links[base:] + self.links[:base]
        self.cycle[0].mate = self.mate
        for at in range(1, len(self.cycle), 2):
            self.cycle[at].mate = self.links[at]
            self.cycle[at + 1].mate = self.links[at][::-1]


class _Matcher:
    """State of the algorithm for one shot."""

    def __init__(
        self, distance: NDArray[np.int64], boundary: NDArray[np.int64], names: Sequence[str]
    ) -> None:
        self.distance, self.boundary, self.names = distance, boundary, names
        self.top = [_Region((event,)) for event in range(len(boundary))]
        self.radius = np.zeros(len(boundary), dtype=np.int64)
        self.now = 0

    def run(self) -> Growth:
        steps = [self.describe("")]
        while any(region.label == _GROWING for region in self.top):
            wait, happen = self.next_event()
            if wait >= FAR // 4:  # what no path connects comes no nearer than half of FAR
                raise NoMatchingError("the detection events have no perfect matching")
            self.now += wait
            for region in self.regions():
                region.dual += region.label * wait
                self.radius[list(region.events)] += region.label * wait
            steps.append(self.describe(happen()))
        duals = tuple((region.events, region.dual) for top in self.regions() for region in _nested(top))
        pairs = []
        for top in self.regions():
            for region in _nested(top):  # a blossom comes before its children
                if region.cycle:
                    region.match_children()
                elif region.mate is not None and not 0 <= region.mate[1] < region.mate[0]:
                    pairs.append(region.mate)
        return Growth(tuple(steps), tuple(sorted(pairs)), duals)

    def regions(self) -> list[_Region]:
        """List the outermost regions."""
        return list(dict.fromkeys(self.top))

    def next_event(self) -> tuple[int, Callable[[], str]]:
        """Find how long until the next event, and what to do then."""
        rate = self.rates()
        number = {region: at for at, region in enumerate(self.regions())}
        of = np.array([number[region] for region in self.top])
        closing = rate[:, np.newaxis] + rate
        meets = (closing > 0) & (rate[:, np.newaxis] > 0) & (of[:, np.newaxis] != of)
        slack = self.distance - self.radius[:, np.newaxis] - self.radius
        wait = np.where(meets, slack // np.maximum(closing, 1), FAR)
        first, second = divmod(int(wait.argmin()), len(self.top))
        best: tuple[int, Callable[[], str]] = int(wait[first, second]), partial(self.meet, first, second)
        out = np.where(rate > 0, self.boundary - self.radius, FAR)
        nearest = int(out.argmin())
        if out[nearest] <= best[0]:
            best = int(out[nearest]), partial(self.reach_boundary, nearest)
        for region in self.regions():
            if region.label == _SHRINKING and region.cycle and region.dual < best[0]:
                best = region.dual, partial(self.shatter, region)
        return best

    def rates(self) -> NDArray[np.int64]:
        return np.array([region.label for region in self.top], dtype=np.int64)

    def reach_boundary(self, event: int) -> str:
        text = f"{self.name(self.top[event])} reaches the boundary: matched"
        self.augment(self.top[event], (event, BOUNDARY))
        return text

    def meet(self, here: int, there: int) -> str:
        """Handle an edge that has become tight between a growing region and another one."""
        growing, other = self.top[here], self.top[there]
        names = f"{self.name(growing)} meets {self.name(other)}"
        if other.label == _GROWING:
            if growing.ancestors()[-1] is other.ancestors()[-1]:
                return f"{names}: {self.name(self.form_blossom(here, there))} forms"
            self.augment(growing, (here, there))
            self.augment(other, (there, here))
            return f"{names}: matched"
        assert other.mate is not None
        if other.mate[1] == BOUNDARY:
            self.augment(growing, (here, there))
            other.mate = (there, here)
            return f"{names}, which leaves the boundary: matched"
        partner = self.top[other.mate[1]]
        other.label, other.parent, other.entry = _SHRINKING, growing, (here, there)
        partner.label, partner.parent, partner.entry = _GROWING, other, other.mate
        return f"{names}: it shrinks, its mate {self.name(partner)} grows"

    def augment(self, region: _Region, edge: _Edge) -> None:
        """Match a growing region along an edge, alternate the matching up to the root, dissolve the tree."""
        root = region.ancestors()[-1]
        tree = [one for one in self.regions() if one.ancestors()[-1] is root]
        region.mate = edge
        while region.parent is not None:
            inner = region.parent
            assert inner.entry is not None
            assert inner.parent is not None
            inner.mate = inner.entry[::-1]
            region = inner.parent
            region.mate = inner.entry
        for one in tree:
            one.leave_tree()

    def form_blossom(self, here: int, there: int) -> _Region:
        """Contract the cycle that an edge between two growing regions of a tree closes."""
        left, right = self.top[here].ancestors(), self.top[there].ancestors()
        above = next(region for region in left if region in right)
        down = left[: left.index(above)][::-1]  # from below the common ancestor to the new edge
        up = right[: right.index(above)]
        cycle = [above, *down, *up]
        links = [region.entry for region in down] + [(here, there)]
        links += [region.entry[::-1] if region.entry else None for region in up]
        blossom = _Region(tuple(event for region in cycle for event in region.events))
        blossom.cycle, blossom.links = cycle, [link for link in links if link is not None]
        blossom.parent, blossom.entry, blossom.mate = above.parent, above.entry, above.mate
        for region in self.regions():
            if region.parent in cycle:
                region.parent = blossom
        for region in cycle:
            region.leave_tree()
        for event in blossom.events:
            self.top[event] = blossom
        return blossom

    def shatter(self, blossom: _Region) -> str:
        """Expand a shrinking blossom of dual zero; the even path through it stays in the tree."""
        text = f"{self.name(blossom)} shatters"
        assert blossom.entry is not None
        blossom.match_children()
        cycle, links, size = blossom.cycle, blossom.links, len(blossom.cycle)
        for region in cycle:
            region.leave_tree()
            for event in region.events:
                self.top[event] = region
        at = next(at for at, region in enumerate(cycle) if blossom.entry[1] in region.events)
        step = 1 if at % 2 else -1
        parent, entry, label = blossom.parent, blossom.entry, _SHRINKING
        while True:
            region = cycle[at]
            region.label, region.parent, region.entry = label, parent, entry
            if at == 0:
                break
            entry = links[at] if step == 1 else links[at - 1][::-1]
            parent, label, at = region, -label, (at + step) % size
        for region in self.regions():
            if region.parent is blossom:
                region.parent = cycle[0]
        return text

    def name(self, region: _Region) -> str:
        names = [self.names[event] for event in region.events]
        if len(names) == 1:
            return names[0]
        return f"blossom ({' '.join(names if len(names) < 8 else [*names[:6], '...'])})"

    def describe(self, text: str) -> Step:
        """Record the present state."""
        tops = self.regions()
        inner = [region for top in tops for region in _nested(top) if region.cycle]
        pairs = [top.mate for top in tops if top.mate is not None]
        return Step(
            time=self.now,
            radius=self.radius.copy(),
            rate=self.rates(),
            blossoms=tuple(Blossom(one.events, tuple(one.links), one.dual) for one in inner),
            pairs=tuple(pair for pair in pairs if not 0 <= pair[1] < pair[0]),
            tree_edges=tuple(top.entry for top in tops if top.entry is not None),
            text=text,
        )


def _nested(region: _Region) -> Iterator[_Region]:
    """Generate a region and all regions inside it, outer ones first."""
    yield region
    for child in region.cycle:
        yield from _nested(child)
