"""Timing in turns, ratios, and the choice of a core."""

import os
from pathlib import Path

import pytest

from experiments.common import machine, timing
from experiments.common.timing import Ratio, in_turns, least_busy, on_one_core, usable_cores


def test_ratio_is_the_median_of_ratios_not_the_ratio_of_medians() -> None:
    ratio = Ratio.of([10, 200, 90], [10, 50, 30])
    assert (ratio.median, ratio.low, ratio.high) == (3.0, 1.0, 4.0)
    assert str(ratio) == "3.00 (1.00-4.00)"


@pytest.mark.parametrize(("times", "reference"), [([], []), ([1, 2], [1])])
def test_ratio_needs_pairs(times: list[int], reference: list[int]) -> None:
    with pytest.raises(ValueError):
        Ratio.of(times, reference)


def test_functions_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0
    called = []

    def work(name: str, ns: int) -> None:
        nonlocal now
        called.append(name)
        now += ns

    monkeypatch.setattr(timing.time, "perf_counter_ns", lambda: now)
    times = in_turns({"a": lambda: work("a", 5), "b": lambda: work("b", 7)}, repeats=3)
    assert called == ["a", "b"] * 3
    assert times == {"a": [5, 5, 5], "b": [7, 7, 7]}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes")
def test_core_is_given_back_even_after_an_error() -> None:
    before = os.sched_getaffinity(0)

    def fail() -> None:
        with on_one_core() as core:
            assert os.sched_getaffinity(0) == {core}
            assert core in before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert os.sched_getaffinity(0) == before


def test_without_pinning_nothing_is_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    with on_one_core() as core:
        assert core is None
    assert usable_cores() == list(range(os.cpu_count() or 1))


def test_least_busy_core_is_the_one_with_least_new_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Columns: user nice system idle iowait irq softirq steal. Core 0 may not be used, core 2 idles.
    looks = iter(
        [
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 0 0 0 0 0 0 0 0\ncpu1 5 0 0 0 0 0 0 0\ncpu2 900 0 0 0 0 0 0 0\n",
            "cpu  9 9 9 9 9 9 9 9 0 0\ncpu0 0 0 0 0 0 0 0 0\ncpu1 5 0 2 0 0 0 0 1\ncpu2 900 0 0 9 9 0 0 0\n",
        ]
    )
    stat = tmp_path / "stat"

    class Stat:
        def read_text(self) -> str:
            stat.write_text(next(looks))
            return stat.read_text()

    monkeypatch.setattr(timing, "_STAT", Stat())
    assert least_busy([1, 2], seconds=0) == 2
    monkeypatch.setattr(timing, "_STAT", tmp_path / "missing")
    assert least_busy([3, 1], seconds=0) == 1


def test_machine_line_names_processor_and_versions(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Abacus 3000\nmodel name\t: other\n")
    assert machine.processor(tmp_path / "cpuinfo") == "Abacus 3000"
    assert machine.processor(tmp_path / "missing")
    (tmp_path / "cpuinfo").write_text("cpu family: 6\nmodel : 207\nmodel name : Abacus\nmodel : 1\n")
    assert machine.exact_processor(tmp_path / "cpuinfo") == "Abacus (family 6, model 207)"
    assert machine.exact_processor(tmp_path / "missing") == machine.processor(tmp_path / "missing")
    line = machine.description()
    assert "\n" not in line
    for word in (" core", "Python 3.", "numba ", "pymatching "):
        assert word in line
