"""Histograms against numpy's sorted values; the clock that tests hold in their hands."""

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.kernels.clock import now_ns
from realtime.latency import Histogram, summary

VALUES = st.lists(st.integers(0, 2**40), min_size=1, max_size=60)


def filled(values: list[int], missing: int = 0) -> Histogram:
    histogram = Histogram(missing=missing)
    for value in values:
        histogram.record(value)
    return histogram


@given(VALUES, st.floats(0, 100), st.integers(0, 5))
def test_percentiles_are_those_of_the_sorted_values(values: list[int], percent: float, missing: int) -> None:
    exact = np.sort(np.array(values + [math.inf] * missing))
    true = exact[max(1, math.ceil(percent / 100 * exact.size)) - 1]
    found = filled(values, missing).percentile(percent)
    assert true <= found <= true * (1 + 1 / 128)


@given(VALUES, VALUES)
def test_merged_is_as_if_recorded_together(a: list[int], b: list[int]) -> None:
    together, merged = filled(a + b), filled(a).merged(filled(b))
    assert np.array_equal(together.counts, merged.counts)
    assert np.array_equal(together.totals, merged.totals)
    again = Histogram.from_json(merged.to_json())
    assert np.array_equal(again.counts, merged.counts)
    assert np.array_equal(again.totals, merged.totals)


def test_mean_and_max_are_exact_and_nothing_is_nan() -> None:
    histogram = filled([1000, 3001])
    assert histogram.mean == 2000.5
    assert histogram.max == 3001
    assert math.isnan(Histogram().mean)
    assert math.isnan(Histogram().percentile(50))
    assert summary(filled([5000], missing=1))["max"] == math.inf


def test_huge_and_negative_values_are_counted() -> None:
    assert filled([2**62, -5]).num == 2


@given(VALUES)
def test_the_text_form_rises_to_all_values(values: list[int]) -> None:
    rows = [line.split() for line in filled(values).text().splitlines() if line and line[0] not in "#"]
    table = [[float(cell) for cell in row] for row in rows if row and row[0] != "Value"]
    counts = [row[2] for row in table]
    assert counts == sorted(set(counts))
    assert counts[-1] == len(values)
    assert table[-1][1] == 1
    assert [row[0] for row in table] == sorted(row[0] for row in table)


def test_the_text_form_names_what_never_came() -> None:
    assert "Missing" not in filled([1000]).text()
    assert "#[Missing =            3]" in filled([1000], missing=3).text()


def test_a_percentile_beyond_all_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 100"):
        Histogram().percentile(101)
    with pytest.raises(ValueError, match="not a histogram"):
        Histogram.from_json({"counts": []})


def test_compiled_code_reads_the_clock_of_python() -> None:
    before = time.monotonic_ns()
    between = now_ns()
    assert before <= between <= time.monotonic_ns()
