"""The control: every appointment is kept or counted late, and the thread ends."""

import threading

import numpy as np
import pytest

from realtime.jitter import HiccupMeter
from realtime.kernels.clock import now_ns
from realtime.kernels.pacing import measure_hiccups
from realtime.latency import Histogram

GO = np.zeros(1, dtype=np.int64)


@pytest.mark.parametrize("modest", [False, True])
def test_every_appointment_is_counted(modest: bool) -> None:
    before = threading.active_count()
    start = now_ns()
    with HiccupMeter(interval_ns=50_000, modest=modest) as meter:
        threading.Event().wait(0.2)
    passed = now_ns() - start
    found = meter.histogram
    assert (0 if modest else 0.1e9 / 50_000) < found.num <= passed / 50_000  # busy machines leave it nothing
    assert found.percentile(0) >= 0
    assert threading.active_count() == before


def test_a_missed_hour_is_many_late_appointments() -> None:
    """Appointments that lie behind count with their own delay each, not as one."""
    late = Histogram()
    now = now_ns()
    due = measure_hiccups(
        late.counts, late.totals, now - 10_000_000_000, now - 9_000_000_000, 100_000_000, GO
    )
    assert due == now - 9_000_000_000
    assert late.num == 10
    assert late.percentile(0) >= 9.0e9
    assert late.max - late.percentile(0) == pytest.approx(9e8, rel=0.1)


def test_nothing_is_allocated_or_counted_without_appointments() -> None:
    late = Histogram()
    assert measure_hiccups(late.counts, late.totals, 5, 5, 1, GO) == 5
    assert not np.any(late.counts)
    with pytest.raises(ValueError, match="interval_ns=0"):
        HiccupMeter(interval_ns=0)
