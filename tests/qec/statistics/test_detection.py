"""Detection fractions: hand-made events, packed and not, stim circuits, wrong input."""

import math

import numpy as np
import pytest
import stim
from hypothesis import given
from hypothesis import strategies as st

from qec.statistics import (
    detection_fraction,
    detection_fraction_by_cycle,
    detection_fraction_by_stabilizer,
)

COORDINATES = {0: (1, 1, 0), 1: (3, 1, 0), 2: (1, 1, 1), 3: (3, 1, 1), 4: (1, 1, 2)}
EVENTS = np.array(
    [[1, 0, 1, 0, 0], [0, 0, 1, 0, 0], [0, 0, 1, 1, 0], [1, 0, 0, 0, 0]],
    dtype=bool,
)


def packed(events):
    return np.packbits(events, axis=1, bitorder="little")


def values(fractions):
    return {key: estimate.value for key, estimate in fractions.items()}


def test_fractions_of_a_small_table():
    assert detection_fraction(detection_events=EVENTS, num_detectors=5).value == 6 / 20
    by_cycle = detection_fraction_by_cycle(detection_events=EVENTS, coordinates=COORDINATES)
    assert values(by_cycle) == {0: 2 / 8, 1: 4 / 8, 2: 0.0}
    by_stabilizer = detection_fraction_by_stabilizer(detection_events=EVENTS, coordinates=COORDINATES)
    assert values(by_stabilizer) == {(1.0, 1.0): 5 / 12, (3.0, 1.0): 1 / 8}
    bulk = detection_fraction_by_stabilizer(
        detection_events=EVENTS, coordinates=COORDINATES, cycles=range(1, 2)
    )
    assert values(bulk) == {(1.0, 1.0): 3 / 4, (3.0, 1.0): 1 / 4}


@given(
    shots=st.integers(1, 40),
    detectors=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from([bool, np.uint8, np.int64]),
)
def test_packed_and_plain_events_agree_with_a_plain_mean(shots, detectors, seed, kind):
    rng = np.random.default_rng(seed)
    events = rng.random((shots, detectors)) < 0.3
    times = rng.integers(0, 4, size=detectors)
    places = rng.integers(0, 3, size=(detectors, 2))
    coordinates = np.column_stack([places, times]).astype(float)
    for function, group_of in (
        (detection_fraction_by_cycle, lambda row: int(row[2])),
        (detection_fraction_by_stabilizer, lambda row: (row[0], row[1])),
    ):
        plain = function(detection_events=events.astype(kind), coordinates=coordinates)
        assert plain == function(detection_events=packed(events), coordinates=coordinates, bit_packed=True)
        expected = {}
        for column, row in enumerate(coordinates):
            expected.setdefault(group_of(row), []).append(events[:, column])
        assert list(plain) == sorted(expected)
        for key, columns in expected.items():
            assert plain[key].value == pytest.approx(np.mean(columns))
            assert 0 <= plain[key].low <= plain[key].value <= plain[key].high <= 1
    assert detection_fraction(
        detection_events=packed(events), num_detectors=detectors, bit_packed=True
    ) == detection_fraction(detection_events=events, num_detectors=detectors)


def test_stim_circuit_has_fewer_faults_at_its_ends():
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=3,
        rounds=6,
        after_clifford_depolarization=0.01,
        before_measure_flip_probability=0.01,
    )
    events = circuit.compile_detector_sampler(seed=11).sample(6000, bit_packed=True)
    coordinates = circuit.get_detector_coordinates()
    by_cycle = detection_fraction_by_cycle(detection_events=events, coordinates=coordinates, bit_packed=True)
    assert list(by_cycle) == list(range(7))
    bulk = [by_cycle[cycle] for cycle in range(2, 5)]
    assert max(estimate.low for estimate in bulk) < min(estimate.high for estimate in bulk)
    assert by_cycle[0].high < bulk[0].low
    assert by_cycle[6].high < bulk[0].low
    by_stabilizer = detection_fraction_by_stabilizer(
        detection_events=events, coordinates=coordinates, bit_packed=True, cycles=range(1, 6)
    )
    assert len(by_stabilizer) == 8
    # Oracle: the exact marginal of each detector from the error model.
    product = np.ones(circuit.num_detectors)
    for error in circuit.detector_error_model().flattened():
        if error.type == "error":
            for target in error.targets_copy():
                if target.is_relative_detector_id():
                    product[target.val] *= 1 - 2 * error.args_copy()[0]
    marginal = (1 - product) / 2
    for cycle, estimate in by_cycle.items():
        expected = np.mean([marginal[d] for d, place in coordinates.items() if place[2] == cycle])
        assert estimate.value == pytest.approx(expected, abs=3 * estimate.plus)


def test_chain_has_its_time_in_the_last_coordinate():
    circuit = stim.Circuit.generated("repetition_code:memory", distance=4, rounds=2)
    events = np.zeros((5, circuit.num_detectors), dtype=bool)
    coordinates = circuit.get_detector_coordinates()
    assert list(detection_fraction_by_cycle(detection_events=events, coordinates=coordinates)) == [0, 1, 2]
    places = detection_fraction_by_stabilizer(detection_events=events, coordinates=coordinates)
    assert list(places) == [(1.0,), (3.0,), (5.0,)]


def test_coordinates_padded_with_nan_and_a_fourth_coordinate():
    events = np.array([[1, 0, 1]], dtype=bool)
    padded = np.array([[1, 0, np.nan, np.nan], [1, 2, 0, np.nan], [1, 2, 0, 7]])
    by_cycle = detection_fraction_by_cycle(detection_events=events, coordinates=padded)
    assert values(by_cycle) == {0: 2 / 3}


def test_no_event_leaves_an_upper_end_that_counts_shots():
    found = detection_fraction(detection_events=np.zeros((100, 50), dtype=bool), num_detectors=50)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 100))


def test_equal_detectors_count_once():
    # Fifty copies of one detector know no more than one of them.
    column = np.random.default_rng(0).random((2000, 1)) < 0.1
    one = detection_fraction(detection_events=column, num_detectors=1)
    fifty = detection_fraction(detection_events=np.repeat(column, 50, axis=1), num_detectors=50)
    assert fifty.value == pytest.approx(one.value)
    assert fifty.plus == pytest.approx(one.plus, rel=5e-3)  # Student's t for the variance of fifty
    fraction = column.mean()
    assert one.plus == pytest.approx(1.96 * math.sqrt(fraction * (1 - fraction) / 2000), rel=0.07)


def test_read_only_and_many_shots():
    events = packed(np.random.default_rng(1).random((10_000, 11)) < 0.2)
    events.flags.writeable = False
    found = detection_fraction(detection_events=events, num_detectors=11, bit_packed=True)
    assert found.value == np.unpackbits(events).sum() / 110_000


@pytest.mark.parametrize(
    ("events", "arguments", "message"),
    [
        (EVENTS, {"num_detectors": 6}, "has 5 columns but 6 detectors need 6 columns"),
        (EVENTS, {"num_detectors": 5, "bit_packed": True}, "5 detectors need 1 bit-packed bytes"),
        (EVENTS[:, :1], {"num_detectors": 5, "bit_packed": True}, "must be uint8, got bool"),
        (EVENTS[:0], {"num_detectors": 5}, "has no shots"),
        (EVENTS[0], {"num_detectors": 5}, "two-dimensional array: one row per shot"),
        (EVENTS.astype(float), {"num_detectors": 5}, "bool or 0/1 integers, got float64"),
        (2 * EVENTS.astype(np.uint8), {"num_detectors": 5}, "only 0 and 1 unless bit_packed=True"),
        (EVENTS[:, :0], {"num_detectors": 0}, "num_detectors must be at least 1, got 0"),
        (EVENTS, {"num_detectors": 5, "confidence": 2}, "confidence must lie between 0 and 1"),
    ],
)
def test_wrong_events_are_named(events, arguments, message):
    with pytest.raises(ValueError, match=message):
        detection_fraction(detection_events=events, **arguments)


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        ({0: (1, 1, 0), 2: (1, 1, 1)}, "must name detectors 0 to 1 without a gap"),
        ({}, "coordinates is empty"),
        ({**COORDINATES, 3: ()}, "detector 3 has no coordinates"),
        ({**COORDINATES, 3: (1, 1, 0.5)}, "detector 3 has time 0.5, but cycles are whole numbers"),
        ({**COORDINATES, 5: (1, 1, 3)}, "has 5 columns but 6 detectors need 6 columns"),
    ],
)
def test_wrong_coordinates_are_named(coordinates, message):
    for function in (detection_fraction_by_cycle, detection_fraction_by_stabilizer):
        with pytest.raises(ValueError, match=message):
            function(detection_events=EVENTS, coordinates=coordinates)


def test_cycles_without_detectors_are_named():
    with pytest.raises(ValueError, match="no detector in the given cycles: must be from 0 to 2"):
        detection_fraction_by_stabilizer(detection_events=EVENTS, coordinates=COORDINATES, cycles=[7])
