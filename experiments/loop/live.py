"""Live view of a running loop: samples of its counters, taken by a thread that takes no part in the loop."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from experiments.common.fits import Count
from experiments.loop.parts import LoopParts
from experiments.loop.results import Shot
from experiments.monitor.live import LiveProgress
from experiments.monitor.loop_screen import LoopNews, LoopScreen
from experiments.monitor.watch import Watch
from realtime.jitter import JitterMonitor
from realtime.kernels.clock import now_ns
from realtime.latency import Histogram

_INTERVAL_S = 1.0
# Seconds between two samples of detection events.
_TICK_S = 0.05


@dataclass
class _Errors:
    shots: int = 0
    errors: int = 0


@dataclass
class LoopView:
    """Sends the state of a loop to a live screen.

    Attributes:
        progress: the screen.
        interval_s: seconds between two samples.
    """

    progress: LiveProgress
    interval_s: float
    _title: str = ""
    _loop_latency: list[Histogram] = field(default_factory=list)
    _errors: dict[tuple[int, str, int], _Errors] = field(default_factory=dict)

    @classmethod
    def of(cls, command: str, *, terminal: int | None = None, interval_s: float = _INTERVAL_S) -> "LoopView":
        """Make the view of a command on standard error, or on the terminal with this file descriptor.

        Raises:
            ValueError: standard error is no terminal.
        """
        return cls(LiveProgress(LoopScreen(command), terminal=terminal), interval_s)

    @contextlib.contextmanager
    def watching(
        self, loop: LoopParts, *, title: str, streams: int, machine: JitterMonitor | None
    ) -> Iterator[None]:
        """Show a loop while the block runs.

        Args:
            loop: that runs.
            title: what is decoded.
            streams: number of its streams.
            machine: jitter monitor that runs at the same time, if any.
        """
        self._title = title
        self._loop_latency = [Histogram() for _ in range(streams)]
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(loop, machine, stop), name="watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def count(self, shot: Shot, *, distance: int, basis: str, stream: int, for_errors: bool = True) -> None:
        """Take the outcome of a shot, for latencies and, if `for_errors`, for the logical error per cycle."""
        if shot.loop_ns is not None:
            self._loop_latency[stream].record(shot.loop_ns)
        if for_errors and shot.wrong is not None:
            found = self._errors.setdefault((distance, basis, shot.cycles), _Errors())
            found.shots += 1
            found.errors += shot.wrong

    def _watch(self, loop: LoopParts, machine: JitterMonitor | None, stop: threading.Event) -> None:
        with loop.statistics() as source:
            watch = Watch(source, kept=2)  # the screen keeps the others
            while True:
                others = [{"loop": latency.copy()} for latency in self._loop_latency]
                if machine is not None:
                    others[0]["machine"] = machine.histogram.copy()
                with contextlib.suppress(TimeoutError):  # the next sample shows it
                    sample = watch.sample(others=others)
                    counts = [
                        Count(distance, basis, cycles, found.shots, found.errors)
                        for (distance, basis, cycles), found in list(self._errors.items())
                    ]
                    self.progress.send(LoopNews(title=self._title, sample=sample, counts=counts))
                until = now_ns() + round(self.interval_s * 1e9)
                while now_ns() < until:
                    if stop.wait(_TICK_S):
                        return
                    source.tick()
