"""Counting detection events column by column, against counting shot by shot."""

import numpy as np
import pytest

from qec.datasets import pack
from qec.priors.events import event_columns


@pytest.mark.parametrize(
    ("shots", "num_detectors"), [(1, 1), (63, 9), (64, 8), (65, 3), (8192, 5), (20_001, 6)]
)
def test_counts_are_those_of_the_shots(shots: int, num_detectors: int) -> None:
    rng = np.random.default_rng(shots)
    events = rng.random((shots, num_detectors)) < 0.3
    columns = event_columns(pack(events, num_bits=num_detectors), num_detectors=num_detectors)
    assert columns.num_shots == shots
    assert np.array_equal(columns.singles(), events.sum(axis=0))
    first, second = np.triu_indices(num_detectors, k=1)
    assert np.array_equal(columns.pairs(first, second), (events[:, first] & events[:, second]).sum(axis=0))
    window = rng.permutation(num_detectors)[:3]
    patterns = (events[:, window] * (1 << np.arange(len(window)))).sum(axis=1)
    expected = np.bincount(patterns, minlength=2 ** len(window))
    assert np.array_equal(columns.patterns(window[None, :])[0], expected)


def test_packed_plain_and_strided_shots_agree() -> None:
    events = np.random.default_rng(2).random((501, 11)) < 0.4
    expected = event_columns(events[1::2], num_detectors=11).words
    packed = pack(events, num_bits=11)
    packed.flags.writeable = False
    assert np.array_equal(event_columns(packed[1::2], num_detectors=11).words, expected)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (np.zeros((0, 3), dtype=bool), "no shots"),
        (np.zeros((5, 4), dtype=bool), r"shape \(5, 4\), expected \(shots, 3\)"),
        (np.zeros((5, 3), dtype=int), "dtype int64"),
        (np.zeros(3, dtype=bool), r"shape \(3,\)"),
        (np.full((5, 1), 8, dtype=np.uint8), "shot 0 has bits set beyond its 3 bits"),
    ],
)
def test_wrong_events_are_named(events: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        event_columns(events, num_detectors=3)
