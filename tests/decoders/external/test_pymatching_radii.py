"""PyMatching adapters on graphs with distances beyond the range of PyMatching's integers.

Decoding runs in a process of its own with a time limit: the fault is a call that never returns.
"""

import json
import math
import subprocess
import sys

import numpy as np
import pymatching
import pytest
import stim

from decoders.external.pymatching import CorrelatedPyMatching, PyMatching

WEIGHT = math.log(9)  # of an error of probability 0.1

DECODE = """
import json, sys
import numpy as np, stim
import decoders
for case in json.load(sys.stdin):
    dem = stim.DetectorErrorModel(case["dem"])
    events = np.zeros((1, dem.num_detectors), dtype=np.bool_)
    events[0, case["events"]] = True
    decoder = decoders.from_dem(case["decoder"], dem)
    gap = case["gap"]
    answer = decoder.decode_batch(events, return_weights=True, return_gap=gap)
    print(json.dumps([answer[0].ravel().tolist(), answer[1][0], answer[2][0, 0] if gap else None]))
"""


def chain(edges: int, *, end: str, p: float = 0.1) -> str:
    inner = [f"error({p}) D{i} D{i + 1}" for i in range(edges - 1)]
    return "\n".join([*inner, f"error({p}) D{edges - 1} {end}"])


def decode(cases: list[tuple[str, str, list[int]]], *, gap: bool = False) -> list[list[object]]:
    """Decode (decoder, DEM, events) in a process of its own: predictions, weight and gap of each."""
    asked = [{"decoder": decoder, "dem": dem, "events": events, "gap": gap} for decoder, dem, events in cases]
    done = subprocess.run(
        [sys.executable, "-c", DECODE],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("decoder", ["pymatching", "pymatching-correlated"])
def test_distances_beyond_the_range_of_radii(decoder: str) -> None:
    cases = [
        # One event, and a boundary at the far end: the first length that hung is 66.
        *((chain(n, end="L0"), [0], n) for n in (64, 65, 66, 80, 1000)),
        # Two events at the ends of a component without boundary: the first length that hung is 130.
        *((chain(n, end=f"D{n} L0"), [0, n], n) for n in (128, 130, 400)),
        # A ring, with events opposite to each other.
        *((chain(n, end="D0 L0"), [0, n // 2], n // 2) for n in (256, 260, 401)),
        # The rest of the model is near the boundary, and has no events.
        (chain(100, end="L0") + "\n" + "\n".join(f"error(0.1) D{i}" for i in range(100, 200)), [0], 100),
    ]
    answers = decode([(decoder, dem, events) for dem, events, _ in cases])
    assert [answer[1] for answer in answers] == pytest.approx([WEIGHT * n for *_, n in cases], rel=1e-6)
    assert [answer[0] for answer in answers[:5]] == [[True]] * 5


def test_an_odd_cycle_far_from_the_boundary() -> None:
    # All five detectors of a cycle have events: a blossom grows along the whole chain.
    cycle = [0, 100, 101, 102, 103]
    closing = [f"error(0.1) D{one} D{other}" for one, other in zip(cycle, cycle[1:] + cycle[:1], strict=True)]
    dem = "\n".join([chain(100, end="L0"), *closing])
    for answer in decode([(decoder, dem, cycle) for decoder in ("pymatching", "pymatching-correlated")]):
        assert answer[0] == [True]
        assert answer[1] == pytest.approx(102 * WEIGHT, rel=1e-6)


def test_gaps_beyond_the_range_of_radii() -> None:
    dem = "error(0.1) D0\n" + chain(100, end="L0")
    (answer,) = decode([("pymatching", dem, [0])], gap=True)
    assert answer[0] == [False]
    assert answer[1:] == pytest.approx([WEIGHT, 99 * WEIGHT], rel=1e-6)


def test_likely_errors_beyond_the_range_of_radii() -> None:
    # The event at D0 alone is explained by all errors of the chain, each with weight log(0.1 / 0.9).
    (answer,) = decode([("pymatching", chain(100, end="L0", p=0.9), [0])])
    assert answer[0] == [True]
    assert answer[1] == pytest.approx(-100 * WEIGHT, rel=1e-6)


@pytest.mark.parametrize("decoder", [PyMatching, CorrelatedPyMatching])
def test_models_within_the_range_are_decoded_as_before(decoder: type[PyMatching]) -> None:
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_x", distance=3, rounds=70, after_clifford_depolarization=0.003
    )
    dem = circuit.detector_error_model(decompose_errors=True)
    events, _ = circuit.compile_detector_sampler(seed=3).sample(200, separate_observables=True)
    correlated = decoder is CorrelatedPyMatching
    plain = pymatching.Matching.from_detector_error_model(dem, enable_correlations=correlated)
    expected, weights = plain.decode_batch(events, return_weights=True, enable_correlations=correlated)
    found, found_weights = decoder.from_dem(dem).decode_batch(events, return_weights=True)
    np.testing.assert_array_equal(found, expected.astype(np.bool_))
    np.testing.assert_array_equal(found_weights, weights)


@pytest.mark.parametrize("adapter", [PyMatching, CorrelatedPyMatching])
def test_weights_that_are_all_zero(adapter: type[PyMatching]) -> None:
    decoder = adapter.from_dem(stim.DetectorErrorModel("error(0.5) D0 D1 L0"))
    assert decoder.decode_batch([[True, True], [False, False]], return_weights=True)[1].tolist() == [0, 0]
