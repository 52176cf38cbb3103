"""The optimality proof rejects every kind of corrupted solution."""

import numpy as np
import pytest
import stim

import qec
from decoders.kernels import layout
from decoders.matching.decoder import MWPM
from decoders.matching.kernels import batch
from decoders.matching.optimality import check_certificate, check_edges
from decoders.matching.workspace import SearchGraph, Workspace, read_only
from tests.support.traced_search import BOUNDARY, graph_of

# 0, 1, 2 form a blossom that meets 3; 4 and 5 are a pair of the first pass; 6 is at the boundary.
EDGES = [(0, 1, 4), (1, 2, 4), (0, 2, 4), (0, 3, 20), (3, 4, 90), (4, 5, 10), (5, 6, 90), (6, BOUNDARY, 8)]


class Solved:
    """A shot of seven events, decoded with its duals kept."""

    def __init__(self) -> None:
        self.graph = graph_of(*EDGES)
        self.search_graph = SearchGraph(self.graph)
        self.work = Workspace(self.search_graph)
        self.work.record["keep_duals"] = 1
        self.shot = read_only(np.array([0b1111111], dtype=np.uint8))
        found = np.zeros(99, dtype=np.int32)
        _, status = batch.decode_to_edges(self.search_graph.record, self.work.record, self.shot, found)
        assert status == layout.OK
        self.weight = int(self.work.record["weight"][0])
        self.blossom = self.work.arrays["nodes"][self.work.record["max_events"][0]]

    def check(self) -> None:
        check_certificate(self.graph, self.shot, self.work, self.weight)


def test_a_solution_is_proven() -> None:
    solved = Solved()
    assert solved.weight == 4 + 20 + 10 + 8
    assert solved.work.record["num_blossoms"][0] == 1
    assert solved.blossom["dual"] > 2
    solved.check()


@pytest.mark.parametrize("change", [-2, 2])
def test_another_weight_is_not_proven(change: int) -> None:
    solved = Solved()
    solved.weight += change
    with pytest.raises(AssertionError, match="proves only 42"):
        solved.check()


def test_a_dual_that_is_too_large_overlaps() -> None:
    solved = Solved()
    solved.work.arrays["events"][4]["radius"] += 2
    with pytest.raises(AssertionError, match="D4 and D5 are 10 apart, their duals add up to 12"):
        solved.check()


def test_a_dual_moved_from_one_to_the_other_overlaps() -> None:
    """Primal and dual value stay equal: only feasibility is violated."""
    solved = Solved()
    nodes = solved.work.arrays["nodes"]
    nodes[0]["dual"] += 2
    nodes[3]["dual"] -= 2
    with pytest.raises(AssertionError, match="D0 and D1 are 4 apart, their duals add up to 6"):
        solved.check()


def test_a_dual_beyond_the_boundary() -> None:
    solved = Solved()
    solved.work.arrays["events"][6]["radius"] += 2
    with pytest.raises(AssertionError, match="D6 is 8 from the boundary, its duals add up to 10"):
        solved.check()


def test_a_dual_that_is_too_small_proves_less() -> None:
    solved = Solved()
    solved.work.arrays["events"][5]["radius"] -= 2
    with pytest.raises(AssertionError, match="the weight found is 42, the dual solution proves only 40"):
        solved.check()


def test_blossoms_have_no_negative_duals() -> None:
    solved = Solved()
    solved.blossom["dual"] = -2
    with pytest.raises(AssertionError, match="a blossom of 3 events has dual -2"):
        solved.check()


def test_blossoms_are_odd() -> None:
    solved = Solved()
    solved.work.arrays["nodes"][3]["parent"] = solved.work.record["max_events"][0]
    with pytest.raises(AssertionError, match="even number of events, 4"):
        solved.check()


def test_the_proof_is_of_this_shot() -> None:
    solved = Solved()
    solved.shot = np.array([0b0110000], dtype=np.uint8)
    with pytest.raises(AssertionError, match="another shot"):
        solved.check()
    solved.shot = np.array([0], dtype=np.uint8)
    with pytest.raises(AssertionError, match="weight 42 of a shot without events"):
        solved.check()


@pytest.mark.parametrize("change", [-2, 2])
def test_wrong_distances_in_the_lists_are_noticed(change: int) -> None:
    circuit = qec.memory_circuit(
        qec.RotatedSurfaceCode(3), rounds=3, basis="z", noise=qec.noise.phenomenological(0.03)
    )
    dem = circuit.detector_error_model(decompose_errors=True)
    decoder = MWPM.from_dem(dem, verify=True)
    events, _, _ = dem.compile_sampler(seed=3).sample(50)
    decoder.decode_batch(events)
    decoder.search_graph.arrays["neighbours"]["span"] += change
    with pytest.raises(AssertionError):
        decoder.decode_batch(events)


def test_likely_and_certain_errors_are_part_of_the_proof() -> None:
    text = """
        error(1) D0 D3 L1
        error(0.9) D0 D1
        error(0.7) D1 D2 L0
        error(0.1) D2 D3
        error(0.1) D3
        error(0.5) D0 D2
        error(0.8) L2
    """
    decoder = MWPM.from_dem(stim.DetectorErrorModel(text), verify=True)
    shots = (np.arange(16)[:, np.newaxis] >> np.arange(4) & 1).astype(np.bool_)
    _, weights = decoder.decode_batch(shots, return_weights=True)
    assert (weights < 0).any()


def test_edges_are_checked() -> None:
    solved = Solved()
    ends = [(int(solved.graph.edge_u[edge]), int(solved.graph.edge_v[edge])) for edge in range(8)]
    edges = np.array([ends.index(pair) for pair in [(0, 3), (1, 2), (4, 5), (6, -1)]])
    prediction = np.packbits([0, 1, 0, 1, 0, 1, 0, 1], bitorder="little")  # by the numbers in EDGES
    check_edges(solved.graph, solved.shot, edges, prediction, 42)
    with pytest.raises(AssertionError, match="the weight found is 40, its edges weigh 42"):
        check_edges(solved.graph, solved.shot, edges, prediction, 40)
    with pytest.raises(AssertionError, match="the edges do not explain D6"):
        check_edges(solved.graph, solved.shot, edges[:-1], prediction, 34)
    with pytest.raises(AssertionError, match="predicted"):
        check_edges(solved.graph, solved.shot, edges, prediction ^ np.uint8(4), 42)
