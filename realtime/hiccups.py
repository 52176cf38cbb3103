"""The control: how late a thread is on this machine that does nothing but keep appointments."""

import threading
from types import TracebackType
from typing import Self

import numpy as np

from realtime.clock import now_ns
from realtime.kernels.histogram import NUM_BUCKETS
from realtime.kernels.pacing import measure_hiccups
from realtime.latency import Histogram
from realtime.placement import pin_thread

# Back to Python so often, to see whether to stop.
_LOOK_NS = 50_000_000


class HiccupMeter:
    """Measures in a thread of its own, between entering and leaving a `with` block.

    The thread spins without the GIL: it needs a core of its own.

    Args:
        core: where; None leaves it to the system.
        interval_ns: time between two appointments; that between two frames makes the percentiles
            comparable.
    """

    def __init__(self, *, core: int | None = None, interval_ns: int = 11_000) -> None:
        if interval_ns < 1:
            raise ValueError(f"interval_ns={interval_ns}: at least 1")
        self._core = core
        self._interval = interval_ns
        self._stop = threading.Event()
        self.histogram = Histogram()
        # Compile before the first appointment.
        measure_hiccups(np.zeros(NUM_BUCKETS, dtype=np.int64), np.zeros(4, dtype=np.int64), 0, 0, 1)

    def __enter__(self) -> Self:
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="hiccups", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        pin_thread(self._core)
        counts, totals = self.histogram.counts, self.histogram.totals
        due = now_ns() + self._interval
        while not self._stop.is_set():
            due = measure_hiccups(counts, totals, due, due + _LOOK_NS, self._interval)
