"""What time it is: the only file that asks. Times are int64 nanoseconds of the monotonic clock.

CLOCK_MONOTONIC is one clock for all processes of a machine, so that times in frames can be compared.
"""

import sys
import time
from typing import Protocol

from realtime.kernels.jit import interpreted, kernel
from realtime.kernels.memory import read_clock

_MONOTONIC = int(getattr(time, "CLOCK_MONOTONIC", 1))

if interpreted or sys.platform == "win32":
    now_ns = time.monotonic_ns
else:

    @kernel
    def now_ns() -> int:
        """The monotonic clock, ns; can be called from kernels."""
        return int(read_clock(_MONOTONIC))  # type: ignore[call-arg]


class Clock(Protocol):
    """Something that knows the time."""

    def now_ns(self) -> int:
        """Nanoseconds since some beginning."""
        ...


class MonotonicClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """The monotonic clock, ns."""
        return time.monotonic_ns()


class ManualClock:
    """A clock for tests: time passes when told to."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now = start_ns

    def now_ns(self) -> int:
        """The time it was set to, ns."""
        return self._now

    def advance(self, ns: int) -> None:
        """Let time pass.

        Raises:
            ValueError: time runs backwards.
        """
        if ns < 0:
            raise ValueError(f"{ns} ns: time does not run backwards")
        self._now += ns


class Cadence:
    """When cycles are due: cycle n ends at start + (n + 1) * period, in whole ns without drift."""

    def __init__(self, *, start_ns: int, cycle_ns: float) -> None:
        if not cycle_ns > 0:
            raise ValueError(f"cycle_ns={cycle_ns}: more than 0")
        self.start_ns = start_ns
        self.cycle_ns = cycle_ns

    def due_ns(self, cycle: int) -> int:
        """When the data of a cycle are due, counted from 0."""
        return self.start_ns + round((cycle + 1) * self.cycle_ns)


def pause(seconds: float) -> None:
    """Sleep; for loops that watch over others, never for pacing."""
    time.sleep(seconds)
