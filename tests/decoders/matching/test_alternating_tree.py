"""Traces of the alternating-tree search on small graphs that cover every kind of step."""

import numpy as np
import pytest

from decoders.kernels import layout
from decoders.matching.kernels import batch
from decoders.matching.optimality import check_certificate
from decoders.matching.workspace import Workspace, read_only
from tests.support import oracles
from tests.support.traced_search import BOUNDARY, Walk, graph_of


def decode(
    walk: Walk, *, keep_duals: bool = True, pool: int | None = None
) -> tuple[int, list[oracles.Edge], Workspace, int]:
    """The shot in one call: weight, edges, the workspace it was decoded in and how often that grew."""
    work = Workspace(walk.search_graph)
    work.record["keep_duals"] = keep_duals
    if pool is not None:
        work._resize(pool)
    shot = walk.packed
    edges = np.zeros(1000, dtype=np.int32)
    grown = 0
    size, status = batch.decode_to_edges(walk.search_graph.record, work.record, shot, edges)
    while status == layout.FULL:
        grown += 1
        work.grow()
        size, status = batch.decode_to_edges(walk.search_graph.record, work.record, shot, edges)
    assert status == layout.OK
    all_edges = oracles.edges_of(walk.graph)
    return int(work.record["weight"][0]), [all_edges[edge] for edge in edges[:size]], work, grown


def check_solution(walk: Walk) -> None:
    """The matching is lightest by another algorithm, and by its own dual solution, and so are its edges."""
    distance = oracles.distances(oracles.edges_of(walk.graph), num_detectors=walk.graph.num_detectors)
    expected = oracles.lightest_matching(distance, walk.fired.tolist())
    for keep_duals in [False, True]:
        weight, edges, work, _ = decode(walk, keep_duals=keep_duals)
        assert weight == expected
        assert sum(edge.weight for edge in edges) == expected
        assert oracles.syndrome_of(edges) == oracles.bits(walk.shot)
        flips = int.from_bytes(work.arrays["flips"].tobytes(), "little")
        assert flips == oracles.observables_of(edges)
    check_certificate(walk.graph, walk.packed, work, weight)


TRIANGLE = [(0, 1, 4), (1, 2, 4), (0, 2, 4)]

# Each shot has an event at every detector. The number before a step is the time of its search.
STORIES = {
    "the root hits the boundary": (
        [(0, 1, 6), (1, 2, 2), (0, BOUNDARY, 6)],
        ["from 0", "2: 0 absorbs 1-2", "3: 0 hits the boundary"],
    ),
    "a matched event's place at the boundary is not taken, but left": (
        [(0, 1, 6), (1, BOUNDARY, 2)],
        ["from 0", "1: 0 meets 1, at the boundary"],
    ),
    "a frozen pair is taken apart": (
        [(0, 1, 10), (1, 2, 8), (2, 3, 10)],
        ["from 0", "1: 0 absorbs 1-2", "2: 2 meets 3, free"],
    ),
    "a blossom around a frozen pair hits the boundary": (
        [(0, 1, 4), (1, 2, 2), (2, BOUNDARY, 4)],
        ["from 0", "1: 0 absorbs 1-2", "2: 2 and 0 close (0 1 2)", "4: (0 1 2) hits the boundary"],
    ),
    "a blossom meets a free event": (
        [*TRIANGLE, (0, 3, 20)],
        ["from 2", "0: 2 absorbs 0-1", "0: 2 and 1 close (0 1 2)", "8: (0 1 2) meets 3, free"],
    ),
    "a blossom of five": (
        [(0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 4, 4), (0, 4, 4), (2, 5, 20)],
        [
            "from 4",
            "0: 4 absorbs 0-1",
            "0: 4 absorbs 3-2",
            "0: 1 and 2 close (0 1 2 3 4)",
            "8: (0 1 2 3 4) meets 5, free",
        ],
    ),
    "a blossom leaves the boundary": (
        [*TRIANGLE, (1, BOUNDARY, 8), (2, 3, 20)],
        [
            "from 2",
            "0: 2 absorbs 0-1",
            "0: 2 and 1 close (0 1 2)",
            "6: (0 1 2) hits the boundary",
            "from 3",
            "2: 3 meets (0 1 2), at the boundary",
        ],
    ),
    "a blossom in a blossom": (
        [*TRIANGLE, (2, 3, 14), (3, 4, 4), (0, 4, 14), (4, 5, 40)],
        [
            "from 2",
            "0: 2 absorbs 0-1",
            "0: 2 and 1 close (0 1 2)",
            "10: (0 1 2) absorbs 3-4",
            "10: (0 1 2) and 4 close ((0 1 2) 3 4)",
            "28: ((0 1 2) 3 4) meets 5, free",
        ],
    ),
    # The tree comes in at 1, the base is 0: 1 shrinks on, 2 grows, 0 shrinks on.
    "an inner blossom shatters, all of it on the way": (
        [*TRIANGLE, (0, 3, 12), (1, 4, 16), (2, 4, 20), (3, 5, 60), (4, 5, 40)],
        [
            "from 2",
            "0: 2 absorbs 0-1",
            "0: 2 and 1 close (0 1 2)",
            "4: (0 1 2) meets 3, free",
            "from 4",
            "2: 4 absorbs (0 1 2)-3",
            "6: (0 1 2) shatters",
            "8: 2 and 3 close (0 2 3)",
            "8: (0 2 3) and 4 close ((0 2 3) 1 4)",
            "12: ((0 2 3) 1 4) meets 5, free",
        ],
    ),
    # The tree comes in at the base: 1 and 2 leave it, and are found again.
    "an inner blossom shatters, a pair is left behind": (
        [*TRIANGLE, (0, 3, 12), (0, 4, 14), (1, 4, 18), (2, 5, 40), (4, 5, 50)],
        [
            "from 2",
            "0: 2 absorbs 0-1",
            "0: 2 and 1 close (0 1 2)",
            "4: (0 1 2) meets 3, free",
            "from 4",
            "1: 4 absorbs (0 1 2)-3",
            "5: (0 1 2) shatters",
            "7: 4 and 3 close (0 3 4)",
            "9: (0 3 4) absorbs 1-2",
            "9: (0 3 4) and 2 close ((0 3 4) 1 2)",
            "23: ((0 3 4) 1 2) meets 5, free",
        ],
    ),
    "a blossom that never grew shatters at once": (
        [*TRIANGLE, (0, 3, 4), (2, 4, 8), (4, 5, 40)],
        [
            "from 2",
            "0: 2 absorbs 0-1",
            "0: 2 and 1 close (0 1 2)",
            "0: (0 1 2) meets 3, free",
            "from 4",
            "2: 4 absorbs (0 1 2)-3",
            "2: (0 1 2) shatters",
            "4: 1 and 4 close (1 2 4)",
            "4: (1 2 4) and 3 close ((1 2 4) 0 3)",
            "16: ((1 2 4) 0 3) meets 5, free",
        ],
    ),
    "a blossom falls out of a blossom that shatters, and is absorbed again": (
        [(0, 6, 6), (1, 4, 24), (1, 6, 12), (2, 3, 22), (2, 4, 22), (3, 4, 4), (3, 5, 24), (4, 7, 24)],
        [
            "from 1",
            "3: 1 absorbs 6-0",
            "6: 0 and 1 close (0 1 6)",
            "16: (0 1 6) absorbs 4-3",
            "18: 3 and (0 1 6) close ((0 1 6) 3 4)",
            "25: ((0 1 6) 3 4) meets 2, free",
            "from 5",
            "1: 5 absorbs ((0 1 6) 3 4)-2",
            "8: ((0 1 6) 3 4) shatters",
            "12: 2 and 5 close (2 3 5)",
            "12: (2 3 5) absorbs 4-(0 1 6)",
            "12: (2 3 5) and (0 1 6) close ((0 1 6) (2 3 5) 4)",
            "24: ((0 1 6) (2 3 5) 4) meets 7, free",
        ],
    ),
    "nested blossoms shatter one after the other": (
        [(0, 1, 8), (0, 6, 20), (0, 7, 4), (1, 6, 8), (2, 6, 8), (3, 6, 12), (4, 7, 20), (5, 7, 10)],
        [
            "from 1",
            "0: 1 absorbs 6-2",
            "2: 1 absorbs 0-7",
            "4: 2 and 1 close (1 2 6)",
            "4: 7 and (1 2 6) close ((1 2 6) 0 7)",
            "5: ((1 2 6) 0 7) meets 5, free",
            "from 3",
            "5: 3 absorbs ((1 2 6) 0 7)-5",
            "6: ((1 2 6) 0 7) shatters",
            "6: (1 2 6) shatters",
            "6: 3 absorbs 6-2",
            "6: 3 and 2 close (2 3 6)",
            "10: 0 and 5 close (0 5 7)",
            "14: (2 3 6) and (0 5 7) close ((0 5 7) (2 3 6) 1)",
            "20: ((0 5 7) (2 3 6) 1) meets 4, free",
        ],
    ),
    "three blossoms shatter": (
        [
            *[(0, 1, 8), (0, 2, 16), (0, 4, 14), (0, 5, 20), (0, 7, 8)],
            *[(1, 3, 10), (1, 4, 16), (1, 7, 4), (6, 7, 20)],
        ],
        [
            "from 0",
            "2: 0 absorbs 1-7",
            "2: 0 and 7 close (0 1 7)",
            "3: (0 1 7) meets 4, free",
            "from 2",
            "1: 2 absorbs (0 1 7)-4",
            "2: (0 1 7) shatters",
            "8: 4 absorbs 1-7",
            "8: 2 and 4 close (0 2 4)",
            "10: 7 and (0 2 4) close ((0 2 4) 1 7)",
            "15: ((0 2 4) 1 7) meets 3, free",
            "from 5",
            "3: 5 absorbs ((0 2 4) 1 7)-3",
            "8: ((0 2 4) 1 7) shatters",
            "8: 3 absorbs 1-7",
            "8: 3 and 7 close (1 3 7)",
            "10: (0 2 4) shatters",
            "10: 5 absorbs 0-2",
            "10: 5 and 2 close (0 2 5)",
            "11: (0 2 5) and (1 3 7) close ((0 2 5) (1 3 7) 4)",
            "14: ((0 2 5) (1 3 7) 4) meets 6, free",
        ],
    ),
}


@pytest.mark.parametrize("title", STORIES)
def test_what_happens(title: str) -> None:
    edges, story = STORIES[title]
    walk = Walk(graph_of(*edges))
    walk.search_all()
    assert walk.story == story
    check_solution(walk)


def test_the_stories_tell_of_every_kind_of_event() -> None:
    told = "\n".join(line for _, story in STORIES.values() for line in story)
    for happening in [
        "hits the boundary",
        ") hits the boundary",  # a blossom
        "absorbs",
        "absorbs (",
        "close (",
        "close ((",  # nested
        ") shatters",
        ") 3 4) shatters",
        ", free",
        ", at the boundary",
    ]:
        assert happening in told


def test_the_records_of_a_blossom() -> None:
    edges, _ = STORIES["a blossom in a blossom"]
    walk = Walk(graph_of(*edges))
    size = int(walk.work.record["max_events"][0])
    walk.search_all()
    assert walk.work.record["num_blossoms"][0] == 2
    inner, outer = walk.nodes[size], walk.nodes[size + 1]
    assert inner["parent"] == size + 1
    assert outer["parent"] == -1
    assert (inner["dual"], outer["dual"]) == (10, 18)
    # 5 is the nearest to nobody; half its distance to 4 is 20, and 4 has come 2 + 18 towards it.
    assert walk.events["radius"].tolist() == [2 + 10 + 18] * 3 + [2 + 18] * 2 + [20]
    assert walk.nodes["dual"][:6].tolist() == [2, 2, 2, 2, 2, 20]
    assert walk.events["top"].tolist() == [size + 1] * 5 + [5]
    assert outer["base_event"] == 4
    assert (walk.nodes["label"] == layout.OUT_OF_TREE).all()


def test_the_node_of_a_shattered_blossom_is_used_again() -> None:
    edges, story = STORIES["three blossoms shatter"]
    walk = Walk(graph_of(*edges))
    walk.search_all()
    closed = sum("close" in line for line in story)
    shattered = sum("shatters" in line for line in story)
    alive = {int(top) for top in walk.events["top"]}
    assert (closed, shattered) == (6, 3)
    assert walk.work.record["num_blossoms"][0] == 3  # never more than three at a time
    assert walk.work.record["num_spare"][0] == 0
    assert len(alive) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("title", STORIES)
def test_pools_that_are_too_small_are_enlarged(title: str, size: int) -> None:
    edges, _ = STORIES[title]
    walk = Walk(graph_of(*edges))
    expected, expected_edges, _, _ = decode(walk)
    weight, found_edges, work, grown = decode(walk, pool=size)
    assert (weight, found_edges) == (expected, expected_edges)
    assert work.record["max_edges"][0] == size << grown
    if size == 1:
        assert grown > 0
    check_certificate(walk.graph, walk.packed, work, weight)


@pytest.mark.parametrize("field", ["max_edges", "max_queue", "max_tree"])
def test_each_pool_can_overflow(field: str) -> None:
    edges, _ = STORIES["three blossoms shatter"]
    walk = Walk(graph_of(*edges))
    for limit in range(1, 9):
        work = Workspace(walk.search_graph)
        work.record[field] = limit
        shot = walk.packed
        out = np.zeros(100, dtype=np.int32)
        _, status = batch.decode_to_edges(walk.search_graph.record, work.record, shot, out)
        if status == layout.FULL:
            assert work.record["overflow"][0]
            work._resize(100)
            work.grow()
            assert (work.arrays["nodes"]["label"] == layout.OUT_OF_TREE).all()
            _, status = batch.decode_to_edges(walk.search_graph.record, work.record, shot, out)
        else:
            assert limit > 3
        assert status == layout.OK
        assert work.record["weight"][0] == decode(walk)[0]
        assert (work.arrays["event_of"] == -1).all()


def test_an_odd_shot_without_boundary_ends_without_a_partner() -> None:
    walk = Walk(graph_of(*TRIANGLE))
    assert walk.search(2) == layout.NO_PARTNER
    assert walk.story == ["0: 2 absorbs 0-1", "0: 2 and 1 close (0 1 2)"]
    # The workspace is as good as new: the next shot is decoded in it.
    record = walk.search_graph.record
    pair = read_only(np.array([0b101], dtype=np.uint8))
    size, status = batch.decode_to_edges(record, walk.work.record, pair, np.zeros(8, dtype=np.int32))
    assert (size, status) == (1, layout.OK)
    assert walk.work.record["weight"][0] == 4


CHAIN = [(0, 1, 4), (1, 2, 6), (2, 3, 6), (3, 4, 4)]


@pytest.mark.parametrize("list_length", [1, 2, 3])
def test_a_search_waits_rather_than_look_beyond_the_lists(list_length: int) -> None:
    walk = Walk(graph_of(*CHAIN), detectors=[0, 4], list_length=list_length)
    assert walk.free() == [0, 1]
    for workspace in [walk.work, walk.twin]:
        workspace.record["may_search_graph"] = 0
    # Nothing at all is on the agenda, yet there is a partner.
    assert walk.search(0) == layout.POSTPONED
    assert walk.free() == [0, 1]
    for workspace in [walk.work, walk.twin]:
        workspace.record["may_search_graph"] = 1
    assert walk.search(0) == layout.OK
    assert walk.story[-1].endswith("0 meets 4, free")
    assert walk.work.arrays["edges"]["neighbour"][0] == -1  # not from a list
    check_solution(walk)


@pytest.mark.parametrize("list_length", [1, 2, 3, 4])
@pytest.mark.parametrize("title", STORIES)
def test_short_lists_change_no_weight(title: str, list_length: int) -> None:
    edges, _ = STORIES[title]
    walk = Walk(graph_of(*edges), list_length=list_length)
    walk.search_all()
    check_solution(walk)
