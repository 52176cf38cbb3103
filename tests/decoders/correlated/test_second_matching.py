"""The second matching, driven round by round on graphs drawn by hand: every case happens, and is seen to."""

import pytest

from tests.support.second_walk import Edges, SecondWalk
from tests.support.traced_search import BOUNDARY

# A pair 0-1 in a component of its own, whose edge implies edges of the other component.
PAIR: Edges = [(0, 1, 4), (0, BOUNDARY, 20), (1, BOUNDARY, 20)]

# Edges of the other component, what edge 0 (that is 0-1) implies, the detectors with an event, the story.
STORIES: dict[str, tuple[Edges, list[tuple[int, int, int]], list[int] | None, list[str]]] = {
    "the regions fit on the lowered edge": (
        [(2, BOUNDARY, 4), (2, 3, 10), (3, BOUNDARY, 4)],
        [(0, 4, 8)],
        None,
        [],
    ),
    "an edge of the matching falls, and its regions shrink": (
        [(2, BOUNDARY, 8), (2, 3, 10), (3, BOUNDARY, 8)],
        [(0, 4, 2)],
        None,
        ["shrink 2 by 4", "shrink 3 by 4"],
    ),
    "a pair is formed across a lowered edge": (
        [(2, BOUNDARY, 4), (2, 3, 10), (3, BOUNDARY, 4)],
        [(0, 4, 2)],
        None,
        ["lower 2-3 to 2", "free 2 3", "match 0-1 2-3"],
    ),
    "a pair is taken apart by lowered edges to the boundary": (
        [(2, BOUNDARY, 10), (2, 3, 6), (3, BOUNDARY, 10)],
        [(0, 3, 2), (0, 5, 2)],
        None,
        ["lower 2-b to 2, 3-b to 2", "free 2 3", "match 0-1 2-b 3-b"],
    ),
    "a region reaches through a lowered edge and meets nothing": (
        [(2, 3, 2), (3, 4, 4), (4, 5, 10), (2, BOUNDARY, 4), (5, BOUNDARY, 4)],
        [(0, 4, 0)],
        [0, 1, 2, 5],
        ["reach through 3-4"],
    ),
    "a region withdraws, and its mate's grows": (
        [(2, 3, 8), (2, BOUNDARY, 20), (3, BOUNDARY, 10)],
        [(0, 5, 2)],
        None,
        ["grow 2 by 2", "shrink 3 by 2"],
    ),
    "a detour past two lowered edges": (
        [(2, 3, 2), (3, 4, 6), (4, 5, 2), (5, 6, 6), (6, 7, 2), (2, BOUNDARY, 6), (7, BOUNDARY, 6)],
        [(0, 4, 0), (0, 6, 0)],
        [0, 1, 2, 7],
        ["lower 5-6 to 0, 3-4 to 0", "free 2 7", "match 0-1 2-3 3-4 4-5 5-6 6-7"],
    ),
    "companions of freed events are freed, and find other partners": (
        [(2, 3, 4), (3, 4, 4), (2, 4, 4), (2, BOUNDARY, 10), (4, 5, 30), (5, BOUNDARY, 10)],
        [(0, 7, 2)],
        None,
        ["lower 4-5 to 2", "free 2 3 4 5", "match 0-1 2-3 4-5"],
    ),
    "lowered edges around a blossom": (
        [(2, 3, 4), (3, 4, 4), (2, 4, 4), (2, BOUNDARY, 10)],
        [(0, 3, 2), (0, 4, 2), (0, 5, 2)],
        None,
        [
            "shrink 3 by 1",
            "shrink 4 by 1",
            "lower 2-3 to 2, 2-4 to 2",
            "free 2 3 4",
            "match 0-1 2-b 3-4",
        ],
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_stories(title: str) -> None:
    edges, implies, detectors, story = STORIES[title]
    walk = SecondWalk(PAIR + edges, implies, detectors=detectors)
    assert walk.run() == story
    walk.check_optimal()
