"""Lightest operators and failing sets against all subsets of errors, and against measured rates."""

import itertools
import math

import numpy as np
import pymatching
import pytest
import stim
from numpy.typing import NDArray

from qec import RepetitionCode, RotatedSurfaceCode, families, memory_circuit
from qec.distance import LogicalGraph
from qec.noise import phenomenological, uniform
from qec.sampling import estimate_rare_failures

Packed = NDArray[np.uint8]


def judge(dem: stim.DetectorErrorModel):  # type: ignore[no-untyped-def]
    matching = pymatching.Matching.from_detector_error_model(dem)
    return lambda events: matching.decode_batch(events, bit_packed_shots=True, bit_packed_predictions=True)


def random_model(seed: int) -> stim.DetectorErrorModel:
    """A few detectors, a boundary, two observables; probabilities differ."""
    rng = np.random.default_rng(seed)
    num, pairs = 5, []
    for one, other in itertools.combinations(range(num), 2):
        pairs += [f"D{one} D{other}"] if rng.random() < 0.7 else []
    pairs += [f"D{one}" for one in range(num) if rng.random() < 0.5]
    lines = []
    for ends in pairs:
        flips = "".join(f" L{flip}" for flip in range(2) if rng.random() < 0.25)
        lines.append(f"error({rng.uniform(0.001, 0.01)}) {ends}{flips}")
    return stim.DetectorErrorModel("\n".join([*lines, "detector D4", "logical_observable L1"]))


@pytest.mark.parametrize("seed", range(8))
def test_against_all_sets_of_errors(seed: int) -> None:
    dem = random_model(seed)
    errors = [(one.args_copy()[0], one.targets_copy()) for one in dem if one.type == "error"]
    decode = judge(dem)

    def effect(chosen: tuple[int, ...]) -> tuple[Packed, Packed]:
        events, flips = np.zeros(8, dtype=np.uint8), np.zeros(8, dtype=np.uint8)
        for number in chosen:
            for target in errors[number][1]:
                (events if target.is_relative_detector_id() else flips)[target.val] ^= 1
        return np.packbits(events, bitorder="little"), np.packbits(flips, bitorder="little")

    graph = LogicalGraph(dem)
    for size in range(1, len(errors) + 1):
        effects = [effect(chosen) for chosen in itertools.combinations(range(len(errors)), size)]
        operators = sum(not events.any() and bool(flips.any()) for events, flips in effects)
        if operators:
            break
    assert graph.distance == size
    assert graph.count(num_errors=0)[0] == operators == len(list(graph.operators(length=size)))
    half = (size + 1) // 2
    total, num_failed = 0.0, 0
    for chosen in itertools.combinations(range(len(errors)), half):
        events, flips = effect(chosen)
        if (decode(events[None]) != flips).any():
            num_failed += 1
            total += math.prod(errors[number][0] / (1 - errors[number][0]) for number in chosen)
    found = graph.failures(decode)
    assert found is not None
    assert found.exact
    assert (found.num_sets, found.num_errors) == (num_failed, half)
    assert found.probability == pytest.approx(total)
    few = graph.failures(decode, most_sets=0)
    assert few is not None
    assert not few.exact
    assert few.num_sets == operators * math.comb(size, half)
    halves = sum(
        math.prod(graph.probability[e] / (1 - graph.probability[e]) for e in part)
        for operator in graph.operators(length=size)
        for part in itertools.combinations(operator, half)
    )
    assert few.probability == pytest.approx(halves)


@pytest.mark.parametrize(
    ("circuit", "distance"),
    [
        (memory_circuit(RepetitionCode(5, gates="cx"), rounds=3, noise=phenomenological(3e-4)), 5),
        (memory_circuit(RotatedSurfaceCode(3, gates="cx"), rounds=2, noise=uniform(3e-5)), 3),
        (families.circuit("toric", distance=3, p=3e-5, rounds=2), 3),
    ],
    ids=["repetition", "rotated", "toric"],
)
def test_the_rate_at_low_noise(circuit: stim.Circuit, distance: int) -> None:
    """The measured rate, by splitting, comes to that of the smallest failing sets."""
    dem = circuit.detector_error_model(decompose_errors=True)
    found = LogicalGraph(dem).failures(judge(dem))
    assert found is not None
    assert found.exact
    assert found.num_errors == (distance + 1) // 2
    measured = estimate_rare_failures(
        dem=dem, decode=judge(dem), seconds=1, seed=2, population=150
    ).probability
    assert measured.high < 1.3 * measured.low
    ratio = measured.value / found.probability
    assert abs(ratio - 1) < 0.03 + 4 * (measured.high / measured.value - 1)


def test_models_without_operators() -> None:
    harmless = stim.DetectorErrorModel("error(0.1) D0\nlogical_observable L0")
    graph = LogicalGraph(harmless)
    assert graph.distance is None
    assert graph.count(num_errors=1) == (0, 0.0)
    assert graph.failures(judge(harmless)) is None
    with pytest.raises(ValueError, match="no observable"):
        LogicalGraph(stim.DetectorErrorModel("error(0.1) D0"))


def test_an_error_of_three_detectors_makes_the_sum_an_estimate() -> None:
    dem = stim.DetectorErrorModel(
        "error(0.1) D0 L0\nerror(0.1) D0 D1\nerror(0.1) D1 D2\nerror(0.1) D2\nerror(0.01) D0 D1 ^ D2"
    )
    graph = LogicalGraph(dem)
    assert graph.num_left_out == 1
    found = graph.failures(judge(dem))
    assert found is not None
    assert not found.exact
