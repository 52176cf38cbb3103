"""Splitting against probabilities summed over all sets of errors, and against sampling."""

import math

import numpy as np
import pymatching
import pytest
import stim
from numpy.typing import NDArray

from qec import RepetitionCode, memory_circuit
from qec.noise import phenomenological
from qec.sampling.splitting import Splitting
from tests.support.chance import student_sigmas

Packed = NDArray[np.uint8]
SMALL = memory_circuit(
    RepetitionCode(3, gates="cx"), rounds=3, noise=phenomenological(0.01)
).detector_error_model(decompose_errors=True)


def judge(dem: stim.DetectorErrorModel):  # type: ignore[no-untyped-def]
    matching = pymatching.Matching.from_detector_error_model(dem)

    def fails(events: Packed, flips: Packed) -> NDArray[np.bool_]:
        predicted = matching.decode_batch(events, bit_packed_shots=True, bit_packed_predictions=True)
        return (predicted != flips).any(axis=1)

    return fails


def exact(dem: stim.DetectorErrorModel) -> float:
    """The failure probability, by all subsets of errors."""
    errors = [
        (part.args_copy()[0], [t for t in part.targets_copy() if not t.is_separator()])
        for part in dem.flattened()
        if part.type == "error"
    ]
    subsets = np.arange(1 << len(errors))
    events = np.zeros((subsets.size, (dem.num_detectors + 7) // 8 * 8), dtype=np.uint8)
    flips = np.zeros((subsets.size, 1), dtype=np.uint8)
    chance = np.ones(subsets.size)
    for index, (p, targets) in enumerate(errors):
        present = (subsets >> index & 1).astype(np.uint8)
        chance *= np.where(present, p, 1 - p)
        for target in targets:
            (flips[:, 0] if target.is_logical_observable_id() else events[:, target.val]).__ixor__(present)
    failed = judge(dem)(np.packbits(events, axis=1, bitorder="little"), flips)
    return float(chance[failed].sum())


def test_the_probability_of_a_small_memory() -> None:
    truth = exact(SMALL)
    assert truth < 0.005
    splitting = Splitting(dem=SMALL, fails=judge(SMALL), population=200, proposals=8)
    found = [splitting.estimate(top=20, shots=2000, seed=seed).probability for seed in range(12)]
    spread = np.std(found, ddof=1) / math.sqrt(len(found))
    assert spread < 0.1 * truth
    assert abs(np.mean(found) - truth) < student_sigmas(len(found)) * spread


def test_poor_mixing_costs_spread_but_not_the_mean() -> None:
    """Unbiased for a fixed ladder, even where members hardly move."""
    truth = exact(SMALL)
    splitting = Splitting(dem=SMALL, fails=judge(SMALL), population=50, proposals=0.3)
    found = [splitting.estimate(top=20, shots=1000, seed=seed).probability for seed in range(60)]
    spread = np.std(found, ddof=1) / math.sqrt(len(found))
    assert abs(np.mean(found) - truth) < student_sigmas(len(found)) * spread


def test_a_few_moves() -> None:
    """Also run uncompiled: members stay failing sets, and the same seed gives the same answer."""
    splitting = Splitting(dem=SMALL, fails=judge(SMALL), population=8, proposals=2)
    found = [splitting.estimate(top=25, shots=100, seed=4) for _ in range(2)]
    assert found[0] == found[1]
    assert found[0].probability > 0


def test_the_ladder_falls_to_one_and_the_odds_are_scaled() -> None:
    splitting = Splitting(dem=SMALL, fails=judge(SMALL))
    ladder = splitting.ladder(10.0)
    assert ladder[-1] == 1.0
    assert all(a > b for a, b in zip((10.0, *ladder), ladder, strict=False))
    assert np.allclose(
        splitting.scaled(3.0) / (1 - splitting.scaled(3.0)),
        3 * splitting.scaled(1.0) / (1 - splitting.scaled(1.0)),
    )


def test_bad_numbers() -> None:
    with pytest.raises(ValueError, match="population=1"):
        Splitting(dem=SMALL, fails=judge(SMALL), population=1)
    with pytest.raises(ValueError, match="no errors"):
        Splitting(dem=stim.DetectorErrorModel("detector D0"), fails=judge(SMALL))
    with pytest.raises(ValueError, match="certain"):
        Splitting(dem=stim.DetectorErrorModel("error(1) D0"), fails=judge(SMALL))
    splitting = Splitting(dem=SMALL, fails=lambda events, flips: np.zeros(len(events), dtype=np.bool_))
    with pytest.raises(ValueError, match="no failure in 100 shots"):
        splitting.estimate(top=5, shots=100, seed=1)
    with pytest.raises(ValueError, match="top=1"):
        splitting.ladder(1.0)
