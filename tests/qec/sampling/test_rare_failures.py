"""Rare failures against exact sums over all sets of errors, and against binomial tails."""

import math

import numpy as np
import pymatching
import pytest
import stim
from numpy.typing import NDArray

from qec import RepetitionCode, memory_circuit
from qec.noise import phenomenological
from qec.sampling import Splitting, estimate_rare_failures
from tests.support.chance import sigmas, student_sigmas

Packed = NDArray[np.uint8]


def judge(dem: stim.DetectorErrorModel):  # type: ignore[no-untyped-def]
    matching = pymatching.Matching.from_detector_error_model(dem)
    return lambda events: matching.decode_batch(events, bit_packed_shots=True, bit_packed_predictions=True)


def bit_flips(distance: int, p: float) -> tuple[stim.DetectorErrorModel, float]:
    """A repetition code with perfect measurements: its model, and the probability that a majority flips."""
    lines = [f"error({p}) D0 L0"]
    lines += [f"error({p}) D{at} D{at + 1}" for at in range(distance - 2)]
    lines += [f"error({p}) D{distance - 2}"]
    tail = sum(
        math.comb(distance, k) * p**k * (1 - p) ** (distance - k)
        for k in range(distance // 2 + 1, distance + 1)
    )
    return stim.DetectorErrorModel("\n".join(lines)), tail


def test_intervals_cover_as_often_as_they_say() -> None:
    """68 % intervals of a probability of 5e-7, without bias."""
    dem, truth = bit_flips(7, 0.011)
    decode = judge(dem)
    found = [
        estimate_rare_failures(dem=dem, decode=decode, seconds=1, seed=seed, population=48).probability
        for seed in range(30)
    ]
    covered = sum(one.low <= truth <= one.high for one in found)
    assert covered >= 8  # 20.5 expected: five standard deviations; qec bench coverage counts precisely
    values = np.array([one.value for one in found])
    spread = values.std(ddof=1) / math.sqrt(len(values))
    assert spread < 0.05 * truth
    assert abs(values.mean() - truth) < student_sigmas(len(values)) * spread


def test_a_probability_below_1e_minus_12() -> None:
    dem, truth = bit_flips(15, 0.01)
    assert truth < 1e-12
    one = estimate_rare_failures(dem=dem, decode=judge(dem), seconds=1, seed=3, population=100, threads=2)
    assert one.method == "splitting"
    assert abs(math.log(one.probability.value / truth)) < 4 * math.log(
        one.probability.high / one.probability.value
    )
    assert one.probability.high < 1.3 * one.probability.low
    again = estimate_rare_failures(dem=dem, decode=judge(dem), seconds=9, seed=3, population=100)
    assert again == one  # neither threads nor the time change it


def test_chains_keep_the_distribution_of_independent_errors() -> None:
    """If every set fails, the probability is one; chains with a wrong balance would shift the weights."""
    rng = np.random.default_rng(5)
    lines = []
    for _ in range(60):
        ends = sorted(rng.choice(12, size=rng.integers(1, 4), replace=False))
        lines.append(f"error({rng.uniform(0.002, 0.05)}) " + " ".join(f"D{end}" for end in ends))
    dem = stim.DetectorErrorModel("\n".join([*lines, "error(0.03) L0"]))
    splitting = Splitting(
        dem=dem, fails=lambda events, _: np.ones(len(events), dtype=np.bool_), population=400, proposals=20
    )
    found = [splitting.estimate(top=4, shots=400, seed=seed).probability for seed in range(16)]
    spread = np.std(found, ddof=1) / math.sqrt(len(found))
    assert spread < 0.02
    assert abs(np.mean(found) - 1) < student_sigmas(len(found)) * spread


def test_frequent_failures_are_counted() -> None:
    dem, truth = bit_flips(3, 0.2)
    found = estimate_rare_failures(dem=dem, decode=judge(dem), seconds=1, seed=1, population=1600)
    assert (found.method, found.values, found.population) == ("direct", (), 160_000)
    assert abs(found.probability.value - truth) < sigmas() * math.sqrt(truth / 160_000)
    timed = estimate_rare_failures(dem=dem, decode=judge(dem), seconds=0.01, seed=1)
    assert timed.population >= 2000
    assert abs(timed.probability.value - truth) < sigmas() * math.sqrt(truth / timed.population)


def test_time_decides_how_large_populations_are() -> None:
    dem = memory_circuit(RepetitionCode(5, gates="cx"), rounds=5, noise=phenomenological(0.002))
    model = dem.detector_error_model(decompose_errors=True)
    steps = []
    found = estimate_rare_failures(
        dem=model,
        decode=judge(model),
        seconds=0.3,
        seed=1,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert found.population >= 32
    assert steps == [(done, 16) for done in range(1, 17)]
    assert 0 < found.probability.low < found.probability.high < 1e-3


def test_bad_input() -> None:
    dem, _ = bit_flips(3, 0.01)
    with pytest.raises(ValueError, match="population=1"):
        estimate_rare_failures(dem=dem, decode=judge(dem), seconds=1, seed=1, population=1)
    harmless = stim.DetectorErrorModel("error(0.01) D0\nlogical_observable L0")
    with pytest.raises(ValueError, match="too few to start"):
        estimate_rare_failures(dem=harmless, decode=judge(harmless), seconds=1, seed=1)
