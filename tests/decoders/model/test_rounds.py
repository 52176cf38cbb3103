"""Cycles of detectors."""

import numpy as np
import pytest
import stim

from decoders import MatchingGraph, Rounds
from decoders.model.rounds import cycle_of_detectors

NAN = np.nan


@pytest.mark.parametrize(
    ("coordinates", "expected"),
    [
        ([[1, 2, 0], [1, 2, 3]], [0, 3]),
        ([[1, 2, 0, 7], [1, 2, 3, 9]], [0, 3]),
        ([[5, 0], [5, 4]], [0, 4]),  # stim's repetition code: (x, t)
        ([[5, 8, 1], [5, 4, NAN], [5, NAN, NAN], [NAN, NAN, NAN]], [1, 4, -1, -1]),
        ([[0, 0, 0.0], [0, 0, 0.5], [0, 0, 1.5]], [0, 0, 1]),
        ([[0, 0, -2.0], [0, 0, 1.0], [0, 0, NAN]], [0, 3, 2]),
        ([[0, 0, 1e300], [0, 0, 1.0]], [2**31 - 1, 1]),
        ([[3.0], [4.0]], [-1, -1]),
    ],
)
def test_cycle_of_detectors(coordinates: list[list[float]], expected: list[int]) -> None:
    assert cycle_of_detectors(coordinates=np.array(coordinates, dtype=float)).tolist() == expected


def test_no_detectors_and_no_coordinates() -> None:
    assert cycle_of_detectors(coordinates=np.empty((0, 3))).size == 0
    assert cycle_of_detectors(coordinates=np.empty((2, 0))).tolist() == [-1, -1]


@pytest.mark.parametrize("task", ["repetition_code:memory", "surface_code:rotated_memory_z"])
def test_generated_codes_have_one_cycle_more_than_rounds(task: str) -> None:
    circuit = stim.Circuit.generated(task, distance=3, rounds=6, after_clifford_depolarization=0.01)
    graph = MatchingGraph.from_dem(circuit.detector_error_model(decompose_errors=True))
    rounds = Rounds.from_cycles(graph.detector_cycle)
    assert rounds.num_cycles == 7
    sizes = np.diff(rounds.indptr).tolist()
    # The first and last layers of the surface code see one basis only.
    assert sizes == ([4, 8, 8, 8, 8, 8, 4] if task.startswith("surface") else [2] * 7)
    assert np.array_equal(np.sort(rounds.detectors), np.arange(graph.num_detectors))


def test_uneven_and_empty_cycles() -> None:
    rounds = Rounds.from_cycles([3, 0, 1, 0, 3])
    assert rounds.num_cycles == 4
    assert rounds.detectors_of(first=0, last=0).tolist() == [1, 3]
    assert rounds.detectors_of(first=2, last=2).tolist() == []
    assert rounds.detectors_of(first=1, last=3).tolist() == [2, 0, 4]
    assert rounds.detectors.dtype == rounds.indptr.dtype == rounds.cycle.dtype == np.int32


def test_no_detector_is_no_cycle() -> None:
    assert Rounds.from_cycles(np.empty(0, dtype=np.int32)).num_cycles == 0


def test_unknown_cycles_are_refused_by_detector() -> None:
    with pytest.raises(ValueError, match=r"detector D1 is unknown \(2 in all\)"):
        Rounds.from_cycles([0, -1, 2, -1])


@pytest.mark.parametrize(("first", "last"), [(-1, 0), (1, 0), (0, 4)])
def test_cycles_that_do_not_exist(first: int, last: int) -> None:
    with pytest.raises(ValueError, match="0 <= first <= last < 4"):
        Rounds.from_cycles([0, 1, 2, 3]).detectors_of(first=first, last=last)
