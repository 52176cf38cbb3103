"""Times of functions measured in turns on one core, and ratios of such times."""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

_STAT = Path("/proc/stat")


@dataclass(frozen=True)
class Ratio:
    """Median and extremes of ratios of times."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, times: Sequence[int], reference: Sequence[int]) -> Self:
        """Ratios of times that were measured in the same turns: `times` divided by `reference`.

        Raises:
            ValueError: no times, or not as many of one as of the other.
        """
        found = [one / other for one, other in zip(times, reference, strict=True)]
        if not found:
            raise ValueError("a ratio needs at least one pair of times")
        return cls(median=median(found), low=min(found), high=max(found))

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f}-{self.high:.2f})"


def in_turns(functions: Mapping[str, Callable[[], object]], *, repeats: int) -> dict[str, list[int]]:
    """Wall times of functions called A B C A B C ...: what slows the machine down slows all of them.

    Args:
        functions: what to time, by name; each should have run once before.
        repeats: number of turns.

    Returns:
        For each name its times in ns, one for each turn.
    """
    times: dict[str, list[int]] = {name: [] for name in functions}
    collecting = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            for name, function in functions.items():
                start = time.perf_counter_ns()
                function()
                times[name].append(time.perf_counter_ns() - start)
    finally:
        if collecting:
            gc.enable()
    return times


def usable_cores() -> list[int]:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def on_one_core() -> Iterator[int | None]:
    """Keep this thread on the least busy core that it may use; yields its number, None where impossible."""
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    core = least_busy(before)
    os.sched_setaffinity(0, {core})
    try:
        yield core
    finally:
        os.sched_setaffinity(0, before)


def least_busy(cores: Iterable[int], *, seconds: float = 0.1) -> int:
    """The core that did least during a short look; the first one where the system does not say."""
    allowed = sorted(cores)
    before = _busy_ticks()
    time.sleep(seconds if before and len(allowed) > 1 else 0)
    after = _busy_ticks()
    # A look is a few ticks long: of equal ones take the core that did least since the machine started.
    return min(allowed, key=lambda core: (after.get(core, 0) - before.get(core, 0), after.get(core, 0)))


def _busy_ticks() -> dict[int, int]:
    """Time that each core has spent on work; empty where there is no /proc/stat."""
    try:
        lines = _STAT.read_text().splitlines()
    except OSError:
        return {}
    ticks = {}
    for line in lines:
        name, *fields = line.split() or [""]
        if name.startswith("cpu") and name != "cpu":
            numbers = [int(field) for field in fields]
            ticks[int(name.removeprefix("cpu"))] = sum(numbers[:3]) + sum(numbers[5:8])
    return ticks
