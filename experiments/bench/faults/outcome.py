"""Outcome of a fault: every shot right, or reported as failed; memory; recovery."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from experiments.common.numbers import number

#: Growth that is no leak: first looks at memory, buffers that grow to their working size.
MAX_GROWTH_KB = 4096


@dataclass(kw_only=True)
class Outcome:
    """Counts of what happened under a fault, and after it.

    Attributes:
        fault: its name.
        done: what was done to the loop, in words and counts.
        shots: sent, during the fault and after it.
        right: answered with status OK, as the offline decoder answers the same shot.
        wrong: answered with status OK, but otherwise.
        failed: shots without a correction, by status; MISSING: no answer, OVERRUN: aborted by the source.
        refused: frames, results and cycles that the daemon refused, missed or dropped, by its counters.
        growth_kb: growth of the resident memory of the process that survives, kB; None: none does.
        recoveries_ms: from each end of the fault to the first right answer, ms; infinite without one.
        broken: promises that were not kept, in words.
    """

    fault: str
    done: str = ""
    shots: int = 0
    right: int = 0
    wrong: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    growth_kb: int | None = None
    recoveries_ms: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def promises(self) -> list[str]:
        """Return the promises that were not kept, in words."""
        found = list(self.broken)
        if self.wrong:
            found.append(f"{self.wrong} shots are wrong with status OK")
        if self.shots != self.right + self.wrong + self.failed.total():
            found.append(f"{self.shots} shots, but {self.right + self.wrong + self.failed.total()} outcomes")
        if self.growth_kb is not None and self.growth_kb > MAX_GROWTH_KB:
            found.append(f"memory grew by {self.growth_kb} kB")
        if not self.recoveries_ms or max(self.recoveries_ms) == float("inf"):
            found.append("no right answer after the fault")
        return found

    def row(self) -> list[str]:
        """Format as a row of the table, see HEADER."""
        times = self.recoveries_ms
        recovery = number(median(times)) if times else "none"
        if len(times) > 1:
            recovery += f" (at most {number(max(times))})"
        growth = "" if self.growth_kb is None else f"{self.growth_kb:,}"
        counts = [f"{count:,}" for count in (self.shots, self.right, self.wrong)]
        return [self.fault, *counts, words(self.failed), words(self.refused), growth, recovery]

    def to_json(self) -> dict[str, Any]:
        """Convert to a JSON object."""
        return {**asdict(self), "failed": dict(self.failed), "refused": dict(self.refused)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Outcome":
        """Read what `to_json` returned."""
        counts = {name: Counter(values[name]) for name in ("failed", "refused")}
        return cls(**{**values, **counts})


HEADER = [
    "fault",
    "shots",
    "right",
    "wrong, but OK",
    "reported as failed",
    "refused or missed by the daemon",
    "memory growth (kB)",
    "recovery (ms)",
]


def words(counts: Mapping[str, int]) -> str:
    """Format counts by name, without zeros."""
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()) if count)
