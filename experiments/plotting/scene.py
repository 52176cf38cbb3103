"""Data of pictures of matchings: a fixed background, and one or more moments of decoding."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Background:
    """The matching graph on paper.

    Attributes:
        detectors: float64 (detectors, 2).
        edges: float64 (edges, 2, 2): ends of edges between detectors.
        stubs: float64 (edges, 2, 2): edges to the boundary, which is at their second end.
        layers: Outlines of layers, (corners, 2) each, with labels.
        arrows: Directions of the axes, (2,) each, with names.
    """

    detectors: Floats
    edges: Floats
    stubs: Floats
    layers: Sequence[tuple[Floats, str]] = ()
    arrows: Sequence[tuple[Floats, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Region:
    """The region of one detection event.

    Attributes:
        outline: float64 (corners, 2): convex hull of the points of edges that it covers; two corners or
            more.
        state: Whether its radius changes.
    """

    outline: Floats
    state: Literal["growing", "matched", "shrinking"]


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Edges on matched paths.

    Attributes:
        plain: float64 (segments, 2, 2): those that flip no observable.
        flipping: float64 (segments, 2, 2): those that flip one.
        exits: float64 (ends, 2): where they reach the boundary.
    """

    plain: Floats = field(default_factory=lambda: np.zeros((0, 2, 2)))
    flipping: Floats = field(default_factory=lambda: np.zeros((0, 2, 2)))
    exits: Floats = field(default_factory=lambda: np.zeros((0, 2)))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """State of a matching at one time.

    Attributes:
        events: float64 (events, 2): places of the detection events.
        names: Of the events; empty to draw none.
        regions: Those with a radius above zero.
        blossoms: float64 (corners, 2) each: hulls of the regions of each blossom.
        cycles: float64 (segments, 2, 2): paths of the odd cycles of blossoms.
        trees: float64 (segments, 2, 2): paths of the edges of alternating trees.
        matched: The matched paths.
        lines: Text above the picture.
    """

    events: Floats
    names: Sequence[str] = ()
    regions: Sequence[Region] = ()
    blossoms: Sequence[Floats] = ()
    cycles: Floats = field(default_factory=lambda: np.zeros((0, 2, 2)))
    trees: Floats = field(default_factory=lambda: np.zeros((0, 2, 2)))
    matched: Matched = field(default_factory=Matched)
    lines: Sequence[str] = ()
