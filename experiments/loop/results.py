"""Results of the real-time loop: shots with their times, and summaries of times."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

#: Percentiles that tables and files show.
PERCENTILES = (50.0, 90.0, 99.0, 99.9)


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One shot of the loop; times in ns.

    Attributes:
        cycles: its length.
        status: "OK", what went wrong, or "MISSING" if no answer came.
        wrong: whether the correction misses the observables' true flips; None if unknown or not OK.
        same: whether the answer is that of the offline decoder; None if not compared or not OK.
        decision_ns: from the last data received to the correction ready; None without an answer.
        loop_ns: from the moment the last cycle was due to the correction back at the source.
        duration_ns: from the beginning of the first cycle to the correction back at the source.
        max_backlog: cycles received but not final, at most.
        index: number of the shot in its playlist.
    """

    cycles: int
    status: str
    wrong: bool | None = None
    same: bool | None = None
    decision_ns: int | None = None
    loop_ns: int | None = None
    duration_ns: int | None = None
    max_backlog: int = 0
    index: int = 0


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean, percentiles and maximum of times, in microseconds.

    Attributes:
        count: times that went in.
        missing: times that never ended (no answer); they count as infinite.
        mean: without the missing ones.
        percentiles: for PERCENTILES, infinite where the missing ones reach.
        maximum: of those that ended.
    """

    count: int
    missing: int
    mean: float
    percentiles: tuple[float, ...]
    maximum: float

    @classmethod
    def of(cls, times_ns: Sequence[int | None]) -> Self:
        """Summarise times in ns; None stands for a missing answer."""
        known = np.array(sorted(t for t in times_ns if t is not None), dtype=np.float64) / 1e3
        total = len(times_ns)
        if not known.size:
            nothing = float("nan")
            return cls(
                count=total,
                missing=total,
                mean=nothing,
                percentiles=(nothing,) * len(PERCENTILES),
                maximum=nothing,
            )
        # 99.9 % of 1000 is not quite 999 in floating point.
        ranks = [max(0, int(np.ceil(q * total / 100 - 1e-6)) - 1) for q in PERCENTILES]
        return cls(
            count=total,
            missing=total - known.size,
            mean=float(known.mean()),
            percentiles=tuple(float(known[r]) if r < known.size else float("inf") for r in ranks),
            maximum=float(known[-1]),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not a finite number is None."""
        names = [f"p{q:g}" for q in PERCENTILES]
        values = dict(zip(["mean", *names, "max"], [self.mean, *self.percentiles, self.maximum], strict=True))
        finite = {name: value if np.isfinite(value) else None for name, value in values.items()}
        return {"n": self.count, "missing": self.missing, "unit": "us", **finite}


@dataclass(frozen=True, kw_only=True)
class Run:
    """Shots of one length on one stream.

    Attributes:
        cycles: cycles of a shot.
        basis: "x" or "z".
        stream: number of the logical qubit.
        shots: what came of them.
        lateness: of the source, against its schedule.
        overruns: shots that the source gave up because the loop did not take its data.
        seconds: duration of the run.
        is_paced: whether cycles were paced by the clock; otherwise the source waited for the decoder, and
            there are no latencies.
    """

    cycles: int
    basis: str
    stream: int = 0
    shots: list[Shot]
    lateness: Spread
    overruns: int
    seconds: float
    is_paced: bool = True

    @property
    def decision(self) -> Spread:
        """Last data received -> correction ready."""
        return Spread.of([shot.decision_ns if shot.status == "OK" else None for shot in self.shots])

    @property
    def loop(self) -> Spread:
        """Last cycle due -> correction back at the source."""
        return Spread.of([shot.loop_ns if shot.status == "OK" else None for shot in self.shots])

    @property
    def us_per_cycle(self) -> float:
        """Duration of the answered shots divided by their cycles, in microseconds; NaN without any."""
        known = [(shot.duration_ns, shot.cycles) for shot in self.shots if shot.duration_ns is not None]
        total_ns, cycles = (sum(values) for values in zip(*known, strict=True)) if known else (0, 0)
        return total_ns / 1e3 / cycles if cycles else float("nan")

    @property
    def max_backlog(self) -> int:
        """Cycles, over all shots."""
        return max((shot.max_backlog for shot in self.shots), default=0)

    def count(self, status: str) -> int:
        """Count the shots with this status."""
        return sum(shot.status == status for shot in self.shots)


@dataclass(frozen=True, kw_only=True)
class Tail:
    """A distribution of times from its long end.

    Attributes:
        points: (microseconds, part of all times that are longer), the shortest first.
        spread: mean, percentiles, maximum.
    """

    points: list[tuple[float, float]]
    spread: Spread


@dataclass(frozen=True, kw_only=True)
class LoopResult:
    """Everything about one distance.

    Attributes:
        distance: code distance.
        timed: runs for latencies, one for each length and stream, the longest last.
        counted: runs of short shots for the logical error per cycle.
        windows: for each stream times from due to decoded of all windows in the middle of timed shots; None
            where there was none.
        backlog: for each stream (seconds, cycles) during the longest shots.
        control: how late a thread without work was while the timed shots ran; None where there was no core
            for it.
        detection_fraction: of the data.
        decoder_us: time of the decoder alone for a cycle, in microseconds.
        decoder_threads: that decoded the windows of each stream.
    """

    distance: int
    timed: list[Run]
    counted: list[Run]
    windows: list[Tail | None]
    backlog: list[list[tuple[float, float]]] = field(default_factory=list)
    control: Tail | None = None
    detection_fraction: float
    decoder_us: float
    decoder_threads: int = 1

    @property
    def streams(self) -> list[int]:
        """Numbers of the streams."""
        return sorted({run.stream for run in self.timed})

    @property
    def is_paced(self) -> bool:
        """Whether cycles were paced by the clock, see `Run`."""
        return all(run.is_paced for run in self.timed)

    def timed_on(self, stream: int) -> list[Run]:
        """List the timed runs of a stream by length; the last has the requested length."""
        return [run for run in self.timed if run.stream == stream]
