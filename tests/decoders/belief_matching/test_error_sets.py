"""Covers of edges by errors, and Gaussian elimination by beliefs, against enumeration of all error sets."""

import itertools

import numpy as np
import pytest
import stim

from decoders.belief_matching.error_sets import ErrorSets, SetSearch
from decoders.belief_matching.kernels import elimination, error_sets, sum_product
from decoders.belief_matching.kernels.simd import LANES
from decoders.belief_matching.tanner import Beliefs, ErrorMechanisms, TannerGraph
from decoders.model.dem import read_dem
from decoders.model.matching_graph import MatchingGraph
from decoders.reweighted.graph import ReweightedGraph
from tests.support.small_models import random_model


class Case:
    """A small model with everything that the kernels need, and all its sets of mechanisms."""

    def __init__(self, dem: stim.DetectorErrorModel) -> None:
        arrays = read_dem(dem)
        self.graph, edge_of = MatchingGraph.from_arrays(arrays)
        whole = ErrorMechanisms.of(arrays, graph=self.graph, edge_of=edge_of)
        self.tanner = TannerGraph.from_errors(whole, graph=self.graph)
        self.errors = ErrorSets.from_errors(whole, graph=self.graph, tanner=self.tanner)
        self.sets = SetSearch(self.errors, self.tanner)
        self.search_graph = ReweightedGraph(self.graph)
        self.flips = np.zeros((self.graph.num_observables + 7) // 8, dtype=np.uint8)
        # Bits: detectors first, then the observables.
        self.symptoms = np.zeros(whole.leader.size, dtype=np.int64)
        np.bitwise_or.at(self.symptoms, whole.mechanism[whole.link_error], 1 << whole.link_detector)
        self.symptoms |= whole.observables[whole.leader, 0].astype(np.int64) << self.graph.num_detectors
        self.weights = self.errors.arrays["weight"]
        #: (detectors and observables, weight) of every set of mechanisms.
        self.possible: set[tuple[int, int]] = set()
        for chosen in itertools.product([False, True], repeat=self.symptoms.size):
            symptom = int(np.bitwise_xor.reduce(self.symptoms[list(chosen)], initial=0))
            self.possible.add((symptom, int(self.weights[list(chosen)].sum())))


def cases(count: int) -> list[Case]:
    rng = np.random.default_rng(4)
    return [
        Case(random_model(rng, num_detectors=4, num_errors=int(rng.integers(3, 10)))) for _ in range(count)
    ]


def test_covers_are_sets_of_errors_that_give_the_edges() -> None:
    """What is found flips what the edges flip, and weighs what it message; or an edge is left over."""
    rng = np.random.default_rng(1)
    left_over = 0
    for case in cases(20):
        for _ in range(10):
            chosen = np.flatnonzero(rng.random(case.graph.num_edges) < 0.4)
            detectors = 0
            for edge in chosen:
                error_sets.toggle_edge(case.sets.record[0], np.int64(edge))
                ends = (case.graph.edge_u[edge], case.graph.edge_v[edge])
                detectors ^= sum(1 << int(end) for end in ends if end >= 0)
            case.flips[:] = 0
            weight = error_sets.cover_edges(
                case.tanner.record[0],
                case.errors.record[0],
                case.sets.record[0],
                case.search_graph.record[0],
                case.flips,
            )
            assert not case.sets.arrays["marks"].any()
            if weight >= error_sets.UNCOVERED:
                left_over += 1
                continue
            symptom = detectors | int(case.flips[0]) << case.graph.num_detectors
            assert any(symptom == one and weight >= other for one, other in case.possible)
    assert 10 < left_over < 190


def test_an_error_of_two_edges_is_taken_whole() -> None:
    case = Case(stim.DetectorErrorModel("error(0.1) D0 L0 ^ D1\nerror(0.05) D0 L0\nerror(0.05) D1"))
    for edge in range(2):
        error_sets.toggle_edge(case.sets.record[0], np.int64(edge))
    weight = error_sets.cover_edges(
        case.tanner.record[0],
        case.errors.record[0],
        case.sets.record[0],
        case.search_graph.record[0],
        case.flips,
    )
    assert weight == pytest.approx(np.log(9) * sum_product.SCALE, abs=2)
    assert case.flips.tolist() == [1]


def test_elimination_finds_a_set_wherever_there_is_one() -> None:
    rng = np.random.default_rng(3)
    impossible = 0
    for case in cases(20):
        work = Beliefs(case.tanner, max_sweeps=1)
        mask = (1 << case.graph.num_detectors) - 1
        for shot in range(mask + 1):
            sum_product.reset_beliefs(case.tanner.record[0], work.record[0])
            bits = np.flatnonzero(shot >> np.arange(case.graph.num_detectors) & 1)
            rows = case.tanner.arrays["row_of"][bits]
            lane = shot % LANES
            work.arrays["signs"].reshape(-1, LANES)[rows, lane] = -1
            posteriors = rng.random((case.symptoms.size, LANES)).astype(np.float32)
            work.arrays["posteriors"][:] = posteriors.reshape(-1)
            case.flips[:] = 0
            weight = elimination.solve_by_beliefs(
                case.tanner.record[0],
                case.errors.record[0],
                work.record[0],
                case.sets.record[0],
                lane,
                case.flips,
            )
            if weight == elimination.IMPOSSIBLE:
                impossible += 1
                assert not any(symptom & mask == shot for symptom, _ in case.possible)
            else:
                assert (shot | int(case.flips[0]) << case.graph.num_detectors, weight) in case.possible
            assert not case.sets.arrays["states"].any()
            assert (case.sets.arrays["number_of"] < 0).all()
    assert impossible > 10


def test_elimination_gives_up_where_the_region_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain explained from its far ends only: a region of four detectors does not reach them."""
    monkeypatch.setattr("decoders.belief_matching.error_sets.MAX_ROWS", 4)
    chain = "\n".join(["error(0.1) D0 L0", *(f"error(0.1) D{k} D{k + 1}" for k in range(9)), "error(0.1) D9"])
    case = Case(stim.DetectorErrorModel(chain))
    work = Beliefs(case.tanner, max_sweeps=1)
    sum_product.reset_beliefs(case.tanner.record[0], work.record[0])
    arguments = case.tanner.record[0], case.errors.record[0], work.record[0], case.sets.record[0]
    signs = work.arrays["signs"].reshape(-1, LANES)
    signs[case.tanner.arrays["row_of"][[4, 5]], 0] = -1
    signs[case.tanner.arrays["row_of"][5], 1] = -1
    assert elimination.solve_by_beliefs(*arguments, 0, case.flips) == pytest.approx(
        np.log(9) * sum_product.SCALE, abs=2
    )
    assert elimination.solve_by_beliefs(*arguments, 1, case.flips) == elimination.NOT_FOUND
    assert (case.sets.arrays["number_of"] < 0).all()
