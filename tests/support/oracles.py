"""Slow and certain: minimum-weight error sets by algorithms that share nothing with the matching kernels.

Plain Python. A graph is a list of edges; a set of detectors is an integer with bit `d` for detector `d`,
a set of observables likewise.
"""

import itertools
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from decoders import MatchingGraph


class Edge(NamedTuple):
    """One edge; v is -1 at the boundary."""

    u: int
    v: int
    weight: int
    observables: int

    @property
    def syndrome(self) -> int:
        return 1 << self.u ^ (1 << self.v if self.v >= 0 else 0)


class Best(NamedTuple):
    """The least weight of a syndrome, and every set of observables that an error set of that weight flips."""

    weight: int
    observables: frozenset[int]


def bits(flags: Iterable[Any]) -> int:
    """A sequence of truth values as an integer, the first the lowest bit."""
    return sum(1 << place for place, flag in enumerate(flags) if flag)


def edges_of(graph: MatchingGraph) -> list[Edge]:
    """The edges of a graph, with their observables as integers."""
    words = [[int(word) for word in row] for row in graph.edge_observables]
    observables = [sum(word << 64 * place for place, word in enumerate(row)) for row in words]
    numbers = zip(graph.edge_u.tolist(), graph.edge_v.tolist(), graph.edge_weight.tolist(), strict=True)
    return [Edge(*number, flips) for number, flips in zip(numbers, observables, strict=True)]


def syndrome_of(edges: list[Edge]) -> int:
    """The detectors that a set of edges flips."""
    total = 0
    for edge in edges:
        total ^= edge.syndrome
    return total


def observables_of(edges: list[Edge]) -> int:
    """The observables that a set of edges flips."""
    total = 0
    for edge in edges:
        total ^= edge.observables
    return total


def _lighter(one: Best | None, other: Best | None) -> Best | None:
    if one is None or other is None:
        return one or other
    if one.weight == other.weight:
        return Best(one.weight, one.observables | other.observables)
    return min(one, other, key=lambda best: best.weight)


def every_subset(edges: list[Edge]) -> dict[int, Best]:
    """The best of each syndrome that any error set has, by trying all 2**edges of them."""
    found: dict[int, Best] = {}
    for size in range(len(edges) + 1):
        for chosen in itertools.combinations(edges, size):
            members = list(chosen)
            best = Best(sum(edge.weight for edge in members), frozenset([observables_of(members)]))
            syndrome = syndrome_of(members)
            found[syndrome] = _lighter(found.get(syndrome), best)  # type: ignore[assignment]
    return found


def every_syndrome(edges: list[Edge]) -> dict[int, Best]:
    """The same, one edge after the other, each taken or not: 2**detectors syndromes instead."""
    found = {0: Best(0, frozenset([0]))}
    for edge in edges:
        grown = dict(found)
        for syndrome, best in found.items():
            taken = Best(
                best.weight + edge.weight, frozenset(flips ^ edge.observables for flips in best.observables)
            )
            goal = syndrome ^ edge.syndrome
            grown[goal] = _lighter(found.get(goal), taken)  # type: ignore[assignment]
        found = grown
    return found


def distances(edges: list[Edge], *, num_detectors: int) -> list[list[float]]:
    """Floyd and Warshall's shortest distances, never through the boundary; the last column leads to it.

    Weights must not be negative.
    """
    far = float("inf")
    here = [[0 if u == v else far for v in range(num_detectors + 1)] for u in range(num_detectors)]
    for edge in edges:
        if edge.weight < 0:
            raise ValueError(f"a negative weight, {edge.weight}")
        here[edge.u][edge.v] = min(here[edge.u][edge.v], edge.weight)  # -1: the last column
        if edge.v >= 0:
            here[edge.v][edge.u] = here[edge.u][edge.v]
    for middle in range(num_detectors):
        for row in here:
            if row[middle] == far:
                continue
            for column, onward in enumerate(here[middle]):
                row[column] = min(row[column], row[middle] + onward)
    return here


def lightest_matching(distance: list[list[float]], events: list[int]) -> float:
    """The least weight of matching all events, with each other or the boundary; infinite if impossible.

    By the best matching of every subset of the events, so for at most about 14 of them. `distance` is
    from `distances`.
    """
    best = [float("inf")] * (1 << len(events))
    best[0] = 0
    for subset in range(1, len(best)):
        first = (subset & -subset).bit_length() - 1
        rest = subset ^ 1 << first
        row = distance[events[first]]
        weight = best[rest] + row[-1]
        for second in range(first + 1, len(events)):
            if rest >> second & 1:
                weight = min(weight, best[rest ^ 1 << second] + row[events[second]])
        best[subset] = weight
    return best[-1]


def every_class(graph: MatchingGraph) -> dict[tuple[int, int], float]:
    """The least weight for every pair of detection events and flips that any error set has.

    In units of likelihood. One error after the other, each taken or not; those that no detector sees too.
    """
    weighted = [
        (edge.syndrome, edge.observables, edge.weight / graph.weight_scale) for edge in edges_of(graph)
    ]
    for chance, row in zip(graph.undetectable_probability, graph.undetectable_observables, strict=True):
        flips = sum(int(word) << 64 * place for place, word in enumerate(row))
        weighted.append((0, flips, math.log1p(-chance) - math.log(chance)))
    start = bits(graph.certain_detectors)
    always = sum(int(word) << 64 * place for place, word in enumerate(graph.certain_observables))
    found = {(start, always): 0.0}
    for syndrome, flips, weight in weighted:
        grown = dict(found)
        for (events, observables), known in found.items():
            goal = (events ^ syndrome, observables ^ flips)
            grown[goal] = min(grown.get(goal, float("inf")), known + weight)
        found = grown
    return found


def has_gauge(graph: MatchingGraph, observable: int) -> bool:
    """Whether bits for the detectors exist that differ along the inner edges that flip the observable."""
    inner = [edge for edge in edges_of(graph) if edge.v >= 0]
    return any(
        all(sides[edge.u] ^ sides[edge.v] == edge.observables >> observable & 1 for edge in inner)
        for sides in itertools.product((0, 1), repeat=graph.num_detectors)
    )
