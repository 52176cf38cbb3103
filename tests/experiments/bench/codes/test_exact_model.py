"""Exact error rates against counting by hand, and random models that hold what they should."""

import itertools

import numpy as np
import pytest
import stim

from experiments.bench.codes.exact_model import ExactModel
from experiments.bench.codes.random_models import random_model


def by_subsets(dem: stim.DetectorErrorModel) -> np.ndarray:
    """Joint probability (2^detectors, 2^observables) by adding over all sets of errors."""
    errors = [i for i in dem.flattened() if i.type == "error"]
    joint = np.zeros((2**dem.num_detectors, 2**dem.num_observables))
    for happened in itertools.product((False, True), repeat=len(errors)):
        probability, syndrome, flips = 1.0, 0, 0
        for error, here in zip(errors, happened, strict=True):
            (p,) = error.args_copy()
            probability *= p if here else 1 - p
            for target in error.targets_copy() if here else ():
                if target.is_relative_detector_id():
                    syndrome ^= 1 << target.val
                elif target.is_logical_observable_id():
                    flips ^= 1 << target.val
        joint[syndrome, flips] += probability
    return joint


_MODEL = stim.DetectorErrorModel("""
    error(0.1) D0 ^ D1 L1
    error(0.2) D0 D1
    error(0.05) D1 D2 L0 ^ D1 D2
    repeat 2 {
        error(0.01) D2 L0
        shift_detectors 1
    }
    error(0.3) D1 ^ D1 ^ D0 L0 L1
    error(0.25) L1
    detector D3
""")


def test_every_syndrome_and_class() -> None:
    exact = ExactModel.of(_MODEL)
    expected = by_subsets(_MODEL)
    assert np.isclose(expected.sum(), 1)
    assert exact.syndromes.tolist() == np.flatnonzero(expected.sum(axis=1)).tolist()
    assert np.allclose(exact.joint, expected[exact.syndromes], rtol=1e-12, atol=0)
    assert exact.events().dot(1 << np.arange(exact.num_detectors)).tolist() == exact.syndromes.tolist()
    assert len(exact.syndromes) < 2**exact.num_detectors  # D5 never flips: not asked for


def test_errors_and_optimum() -> None:
    exact = ExactModel.of(_MODEL)
    expected = by_subsets(_MODEL)[exact.syndromes]
    best = expected.argmax(axis=1)
    predictions = (best[:, np.newaxis] >> np.arange(2) & 1).astype(np.bool_)
    assert np.isclose(exact.errors(predictions).sum(), exact.optimum(), rtol=1e-12)
    assert np.isclose(exact.optimum(), 1 - expected.max(axis=1).sum(), rtol=1e-9)
    predictions[2] ^= (True, False)
    chosen = best.copy()
    chosen[2] ^= 1
    rates = exact.errors(predictions)
    assert np.allclose(rates, expected.sum(axis=1) - expected[np.arange(len(chosen)), chosen], atol=1e-15)
    assert rates.sum() > exact.optimum()
    with pytest.raises(ValueError, match=r"predictions have shape \(1, 2\)"):
        exact.errors(predictions[:1])


def test_small_rates_keep_their_digits() -> None:
    exact = ExactModel.of(stim.DetectorErrorModel("error(1e-9) D0 D1 L0\nerror(1e-10) D0\nerror(1e-10) D1"))
    # The likelier class is the pair; both single errors together have probability 1e-20.
    assert exact.optimum() == pytest.approx(1e-20, rel=1e-6)


def test_too_many_syndromes() -> None:
    with pytest.raises(ValueError, match="23 detectors and 0 observables: at most 22"):
        ExactModel.of(stim.DetectorErrorModel("error(0.1) D22"))


def test_random_models_are_what_they_promise() -> None:
    models = [random_model(seed) for seed in range(300)]
    assert models[7] == random_model(7)
    assert len({str(model) for model in models}) == 300
    seen = set()
    for model in models:
        assert 2 <= model.num_detectors <= 12
        assert 1 <= model.num_observables <= 3
        components: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        alone, parts = set(), set()
        for instruction in model:
            if instruction.type != "error":
                continue
            assert 1e-4 <= instruction.args_copy()[0] <= 0.3
            groups = instruction.target_groups()
            assert 1 <= len(groups) <= 4
            seen.add(f"{len(groups)} components")
            for group in groups:
                detectors = tuple(str(target) for target in group if target.is_relative_detector_id())
                flips = tuple(str(target) for target in group if target.is_logical_observable_id())
                assert len(detectors) <= 2
                assert detectors or flips
                components.setdefault(detectors, set()).add(flips)
                (alone if len(groups) == 1 else parts).add(detectors)
                seen.add(f"{len(detectors)} detectors")
        if any(len(flips) > 1 for ends, flips in components.items() if ends):
            seen.add("parallel edges with other observables")
        if alone & parts:
            seen.add("parts that occur alone")
        seen.add(f"{model.num_observables} observables")
    assert seen == {
        *(f"{number} components" for number in (1, 2, 3, 4)),
        *(f"{number} detectors" for number in (0, 1, 2)),
        *(f"{number} observables" for number in (1, 2, 3)),
        "parallel edges with other observables",
        "parts that occur alone",
    }
