"""The control: how late a thread is on this machine that does nothing but keep appointments."""

import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np

from realtime.kernels.atomics import store_word
from realtime.kernels.clock import now_ns
from realtime.kernels.histogram import NUM_BUCKETS
from realtime.kernels.pacing import measure_hiccups
from realtime.latency import Histogram
from realtime.placement import pin_thread

_FOREVER_NS = 1 << 61


class HiccupMeter:
    """Measures in a thread of its own, between entering and leaving a `with` block.

    The thread spins without the GIL: it needs a core of its own, or it has to be modest.

    Args:
        core: where; None leaves it to the system.
        interval_ns: time between two appointments; that between two frames makes the percentiles
            comparable.
        modest: leave the core to everybody else who wants it (SCHED_IDLE, where there is such a thing). What
            the others take then counts as hiccups.
    """

    def __init__(self, *, core: int | None = None, interval_ns: int = 11_000, modest: bool = False) -> None:
        if interval_ns < 1:
            raise ValueError(f"interval_ns={interval_ns}: at least 1")
        self._core, self._modest = core, modest
        self._interval = interval_ns
        # The kernel looks at it: going back to Python for that would show as a hiccup.
        self._stop = np.zeros(1, dtype=np.int64)
        self.histogram = Histogram()
        # Compile before the first appointment.
        measure_hiccups(
            np.zeros(NUM_BUCKETS, dtype=np.int64), np.zeros(4, dtype=np.int64), 0, 0, 1, self._stop
        )
        store_word(self._stop, 0, 0)

    def __enter__(self) -> Self:
        store_word(self._stop, 0, 0)
        self._thread = threading.Thread(target=self._run, name="hiccups", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        store_word(self._stop, 0, 1)
        self._thread.join()

    def _run(self) -> None:
        pin_thread(self._core)
        if self._modest and hasattr(os, "SCHED_IDLE"):
            with suppress(OSError):
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        counts, totals = self.histogram.counts, self.histogram.totals
        due = now_ns() + self._interval
        measure_hiccups(counts, totals, due, due + _FOREVER_NS, self._interval, self._stop)
