"""Distances from the boundary in edges, against a breadth-first search in Python."""

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decoders.external.kernels.hops import within_hops

EDGES = st.lists(
    st.tuples(st.integers(0, 9), st.integers(-1, 9)).filter(lambda edge: edge[0] != edge[1]), max_size=25
)


def search(edges: list[tuple[int, int]], most: int) -> dict[int, int]:
    """Distance of each detector that is at most `most` edges from the boundary."""
    found = {-1: 0}
    for level in range(most):
        for one, other in [*edges, *((v, u) for u, v in edges)]:
            if found.get(one) == level:
                found.setdefault(other, level + 1)
    return found


@settings(max_examples=200, deadline=None)
@given(EDGES, st.integers(0, 10))
@example([(0, -1), (0, 1)], 1)  # only the second end of an edge is too far
def test_as_a_breadth_first_search(edges: list[tuple[int, int]], most: int) -> None:
    ends = np.array(edges, dtype=np.int32).reshape(-1, 2)
    hops = np.empty(11, dtype=np.int32)
    short = within_hops(ends[:, 0].copy(), ends[:, 1].copy(), most, hops)
    expected = search(edges, most)
    assert hops[:10].tolist() == [expected.get(detector, most + 1) for detector in range(10)]
    assert short == all(end in expected for edge in edges for end in edge)
