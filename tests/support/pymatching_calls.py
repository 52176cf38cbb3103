"""Calls to make of PyMatching's `Matching` and of ours, and a check of solutions against a graph."""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pymatching
from hypothesis import strategies as st
from numpy.typing import NDArray

from decoders.pymatching import Matching

STRATEGIES = ["disallow", "independent", "smallest-weight", "keep-original", "replace"]
FAULT_IDS = {"few": [0, 1, 2], "many": [0, 3, 63, 64, 130]}


class Call(NamedTuple):
    """A method, and its arguments."""

    method: str
    positional: tuple[Any, ...]
    named: dict[str, Any]

    def of(self, matching: Any) -> Any:
        return getattr(matching, self.method)(*self.positional, **self.named)


def weights(*, negative: bool = True) -> st.SearchStrategy[float]:
    whole = st.integers(-4 if negative else 0, 5).map(float)
    small = st.sampled_from([0.0, 0.1, 0.5, 1 / 3, 2.2, 10.0])
    any_size = st.floats(-20 if negative else 0, 20)
    return whole | small | any_size


@st.composite
def graph_calls(draw: st.DrawFn, *, max_nodes: int = 7, negative: bool = True) -> list[Call]:
    """Calls that build a graph: any edges, boundary nodes at any place, weights of one or several kinds."""
    size = draw(st.integers(1, max_nodes))
    node = st.integers(0, size - 1)
    ids = FAULT_IDS[draw(st.sampled_from(sorted(FAULT_IDS)))]
    whole = draw(st.booleans())
    fault_ids = st.none() | st.sampled_from(ids) | st.sets(st.sampled_from(ids), max_size=3)
    chance = st.none() | st.sampled_from([0.0, 0.1, 0.3, 0.9, -1.0, 2.0])
    calls = [Call("ensure_num_fault_ids", (max(ids) + 1,), {})]
    for _ in range(draw(st.integers(0, 3 * size))):
        ends = (draw(node),) if draw(st.integers(0, 3)) == 0 else (draw(node), draw(node))
        weight = draw(st.integers(-4 if negative else 0, 5) if whole else weights(negative=negative))
        named = {"merge_strategy": draw(st.sampled_from(STRATEGIES))}
        method = "add_edge" if len(ends) == 2 else "add_boundary_edge"
        calls.append(Call(method, (*ends, draw(fault_ids), weight, draw(chance)), named))
    for _ in range(draw(st.integers(0, 2))):
        nodes = draw(st.sets(node, max_size=3))
        calls.insert(draw(st.integers(0, len(calls))), Call("set_boundary_nodes", (nodes,), {}))
    return calls


def outcome(function: Callable[[], Any]) -> Any:
    """The value of a call, or the class of its error."""
    try:
        return function()
    except (ValueError, TypeError) as error:
        return type(error)


def make_both(calls: list[Call]) -> tuple[Matching, pymatching.Matching]:
    """Make the same calls of both; they must raise the same errors."""
    ours, theirs = Matching(), pymatching.Matching()
    for call in calls:
        mine, other = (outcome(partial(call.of, matching)) for matching in (ours, theirs))
        assert mine == other, call
    return ours, theirs


def assert_same_graph(ours: Matching, theirs: pymatching.Matching, *, in_order: bool = True) -> None:
    """Assert that edges and counts are equal; without in_order also where the ends of edges are exchanged."""
    for name in ("num_detectors", "num_nodes", "num_edges", "num_fault_ids", "boundary"):
        assert getattr(ours, name) == getattr(theirs, name), name
    for (u, v, mine), (other_u, other_v, other) in zip(ours.edges(), theirs.edges(), strict=True):
        if not in_order and v is not None:
            u, v, other_u, other_v = *sorted((u, v)), *sorted((other_u, other_v))
        assert (u, v, mine["fault_ids"]) == (other_u, other_v, other["fault_ids"])
        assert np.isclose(mine["weight"], other["weight"], rtol=1e-13, atol=1e-15)
        assert np.isclose(mine["error_probability"], other["error_probability"], rtol=1e-13)


class Solutions:
    """The edges of a graph that count, to check solutions by."""

    def __init__(self, matching: Matching) -> None:
        self.boundary = matching.boundary
        self.num_nodes, self.num_fault_ids = matching.num_nodes, matching.num_fault_ids
        sizes = [abs(attributes["weight"]) for _, _, attributes in matching.edges()]
        whole = all(size == round(size) for size in sizes)
        self.step = 1.0 if whole else max(sizes) / (2**24 - 1)
        self.loops: list[dict[str, Any]] = []
        self.edges: dict[tuple[int, int], dict[str, Any]] = {}
        for u, v, attributes in matching.edges():
            ends = sorted(
                {-1 if end is None or end in self.boundary else end for end in (u, v)}, reverse=True
            )
            if len(ends) == 1:
                if ends[0] >= 0 and self.steps(attributes) < 0:
                    self.loops.append(attributes)
            else:
                key = (ends[0], ends[1]) if ends[1] < 0 else (ends[1], ends[0])
                if key not in self.edges or self.steps(attributes) < self.steps(self.edges[key]):
                    self.edges[key] = attributes

    def steps(self, attributes: dict[str, Any]) -> int:
        return int(np.floor(abs(attributes["weight"]) / self.step + 0.5) * np.sign(attributes["weight"]))

    def check(
        self, syndrome: NDArray[Any], edges: NDArray[np.int64], prediction: NDArray[np.uint8], weight: float
    ) -> None:
        """Assert that edges explain a syndrome and have this prediction and this weight."""
        odd = np.zeros(self.num_nodes + 1, dtype=np.int64)
        flips = np.zeros(self.num_fault_ids, dtype=np.int64)
        chosen = [self.edges[(min(u, v), max(u, v)) if v >= 0 else (u, v)] for u, v in edges.tolist()]
        for ends in edges.tolist():
            odd[ends] ^= 1
        for attributes in [*chosen, *self.loops]:
            flips[sorted(attributes["fault_ids"])] ^= 1
        expected = np.zeros(self.num_nodes, dtype=np.int64)
        expected[: syndrome.size] = syndrome != 0
        expected[sorted(self.boundary)] = 0
        assert np.array_equal(odd[:-1], expected)
        assert np.array_equal(flips, prediction)
        total = sum(self.steps(attributes) for attributes in [*chosen, *self.loops])
        # Half a step up or down: sums of the rounded weights, and rounding at exactly one half.
        assert abs(total * self.step - weight) <= self.step * (0.5 + len(chosen))


def without_warnings(function: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function()
