"""Proof that a shot's matching is optimal, independent of the algorithm that found it.

Linear programming duality for perfect matching with odd-set constraints (Edmonds 1965): assign a dual value
to every event and a nonnegative one to every blossom, such that for any two events the duals of the sets
that separate them sum to at most their distance. Then the sum of all duals is a lower bound on the weight of
every perfect matching. If the weight found equals that sum, and the edges found have that weight, it is
minimal. Distances are computed by scipy, not by our kernels.
"""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse import csgraph

from decoders.matching.workspace import Workspace
from decoders.model.matching_graph import MatchingGraph


def check_certificate(graph: MatchingGraph, shot: NDArray[np.uint8], work: Workspace, weight: int) -> None:
    """Check that primal and dual values of the last decoded shot agree and that the dual is feasible.

    Args:
        graph: the graph of the decoder.
        shot: uint8 (ceil(detectors / 8),), the bit-packed detection events given to the decoder.
        work: the workspace that decoded it, with keep_duals set.
        weight: integer weight of the solution, in the graph's units.

    Raises:
        AssertionError: the dual solution does not prove the weight minimal; the message states why.
    """
    negative = graph.edge_weight < 0
    bits = _explained(graph, shot) ^ _syndrome(graph, np.flatnonzero(negative))
    detectors = np.flatnonzero(bits)
    if detectors.size == 0:
        assert weight == graph.edge_weight[negative].sum(), f"weight {weight} of a shot without events"
        return
    events = work.arrays["events"][: detectors.size]
    if not np.array_equal(events["detector"], detectors):
        raise AssertionError("the workspace holds another shot")
    sets, duals = _dual_solution(work, detectors.size)
    distance, boundary = _distances(graph, detectors)
    overlap = np.zeros_like(distance)
    radius = np.zeros(detectors.size)
    for members, dual in zip(sets, duals, strict=True):
        inside = np.zeros(detectors.size, dtype=np.bool_)
        inside[members] = True
        overlap += dual * (inside[:, np.newaxis] != inside[np.newaxis, :])
        radius += dual * inside
        if len(members) > 1:
            assert dual >= 0, f"a blossom of {len(members)} events has dual {dual}"
            assert len(members) % 2 == 1, f"a blossom has an even number of events, {len(members)}"
    np.fill_diagonal(overlap, 0)
    worst = np.unravel_index(np.argmax(overlap - distance), overlap.shape)
    assert overlap[worst] <= distance[worst], (
        f"duals overlap: D{detectors[worst[0]]} and D{detectors[worst[1]]} are {distance[worst]:.0f} apart, "
        f"their duals add up to {overlap[worst]:.0f}"
    )
    at = int(np.argmax(radius - boundary))
    assert radius[at] <= boundary[at], (
        f"D{detectors[at]} is {boundary[at]:.0f} from the boundary, its duals add up to {radius[at]:.0f}"
    )
    bound = int(sum(duals)) + int(graph.edge_weight[negative].sum(dtype=np.int64))
    assert bound == weight, f"the weight found is {weight}, the dual solution proves only {bound}"


def check_edges(
    graph: MatchingGraph,
    shot: NDArray[np.uint8],
    edges: NDArray[np.int64],
    prediction: NDArray[np.uint8],
    weight: int,
) -> None:
    """Check that edges are a solution of the shot with this weight and prediction.

    Args:
        graph: the graph of the decoder.
        shot: uint8 (ceil(detectors / 8),), the bit-packed detection events given to the decoder.
        edges: int64 (edges,), edge numbers.
        prediction: uint8 (ceil(observables / 8),).
        weight: integer weight of the solution.

    Raises:
        AssertionError: they are not; the message states why.
    """
    wrong = np.flatnonzero(_explained(graph, shot) ^ _syndrome(graph, edges))
    assert wrong.size == 0, f"the edges do not explain D{wrong[0]}"
    total = int(graph.edge_weight[edges].sum(dtype=np.int64))
    assert total == weight, f"the weight found is {weight}, its edges weigh {total}"
    words = np.concatenate(
        [
            graph.edge_observables[edges],
            graph.undetectable_observables[graph.undetectable_probability > 0.5],
            graph.certain_observables[np.newaxis],
        ]
    )
    flips = np.bitwise_xor.reduce(words, axis=0).astype("<u8").view(np.uint8)[: prediction.size]
    assert np.array_equal(flips, prediction), f"predicted {prediction}, the edges flip {flips}"


def _explained(graph: MatchingGraph, shot: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the syndrome that the edges of a solution must have: the events without certain flips."""
    bits = np.unpackbits(shot, count=graph.num_detectors, bitorder="little").astype(np.bool_)
    return bits ^ graph.certain_detectors


def _syndrome(graph: MatchingGraph, edges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the detectors that edges flip in total, bool (num_detectors,)."""
    ends = np.concatenate([graph.edge_u[edges], graph.edge_v[edges]])
    times = np.bincount(ends[ends >= 0], minlength=graph.num_detectors)
    return (times % 2).astype(np.bool_)


def _dual_solution(work: Workspace, num_events: int) -> tuple[list[list[int]], list[int]]:
    """Return the sets with a dual (events and blossoms) and their duals."""
    events, nodes = work.arrays["events"], work.arrays["nodes"]
    members: dict[int, list[int]] = {}
    duals: dict[int, int] = {}
    for event in range(num_events):
        if work.record["num_visited"][0] == 0 or not events[event]["visited"]:
            members[event], duals[event] = [event], int(events[event]["radius"])
            continue
        node = event
        while node >= 0:
            members.setdefault(node, []).append(event)
            duals[node] = int(nodes[node]["dual"])
            node = int(nodes[node]["parent"])
    return list(members.values()), [duals[node] for node in members]


def _distances(
    graph: MatchingGraph, detectors: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distances between events, never through the boundary, and to the boundary; infinite if none."""
    weight = np.abs(graph.edge_weight).astype(np.float64)
    inner = graph.edge_v >= 0
    # Keep the lightest of parallel edges; a sparse array would add their weights.
    order = np.flatnonzero(inner)[np.argsort(-weight[inner], kind="stable")]
    lightest = {(int(graph.edge_u[e]), int(graph.edge_v[e])): weight[e] for e in order}
    rows = np.array([ends[0] for ends in lightest], dtype=np.int64)
    columns = np.array([ends[1] for ends in lightest], dtype=np.int64)
    values = np.array(list(lightest.values()))
    shape = (graph.num_detectors, graph.num_detectors)
    adjacency = scipy.sparse.csr_array((values, (rows, columns)), shape=shape)
    to_all = csgraph.dijkstra(adjacency, directed=False, indices=detectors)
    edge = np.full(graph.num_detectors, np.inf)
    np.minimum.at(edge, graph.edge_u[~inner], weight[~inner])
    return to_all[:, detectors], (to_all + edge).min(axis=1)
