"""Operating-system jitter monitor: lateness of a spinning thread without work."""

import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import numpy as np

from realtime.kernels.atomics import store_word
from realtime.kernels.clock import now_ns
from realtime.kernels.pacing import measure_jitter
from realtime.latency import Histogram
from realtime.placement import pin_thread

_FOREVER_NS = 1 << 61


class JitterMonitor:
    """Measure jitter in a thread, between entering and leaving a `with` block.

    The thread spins without the GIL, so it needs a core that nothing else uses, or low priority.

    Args:
        core: of the thread; None leaves it to the operating system.
        interval_ns: time between two wake-up times. With the time between two frames, percentiles compare
            with those of the loop.
        modest: run only while nothing else wants the core (SCHED_IDLE, where available). Time that other
            threads take then counts as jitter.

    Raises:
        ValueError: interval_ns below 1.
    """

    def __init__(self, *, core: int | None = None, interval_ns: int = 11_000, modest: bool = False) -> None:
        if interval_ns < 1:
            raise ValueError(f"interval_ns={interval_ns}: must be at least 1")
        self._core, self._modest = core, modest
        self._interval = interval_ns
        # Polled by the kernel: returning to Python for it would show as jitter.
        self._stop = np.zeros(1, dtype=np.int64)
        self.histogram = Histogram()
        # Compile before the first wake-up time.
        measure_jitter(self.histogram.counts, self.histogram.totals, 0, 0, 1, self._stop)
        store_word(self._stop, 0, 0)

    def __enter__(self) -> Self:
        store_word(self._stop, 0, 0)
        self._thread = threading.Thread(target=self._run, name="jitter", daemon=True)
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
        measure_jitter(counts, totals, due, due + _FOREVER_NS, self._interval, self._stop)
