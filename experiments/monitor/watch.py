"""Samples of a daemon's counters and latencies, and their rates."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from realtime.latency import Histogram

#: Latencies that are watched; see docs/pages/protocol.md.
NAMES = ("decision", "window", "shot")


class Statistics(Protocol):
    """Source of statistics, such as `realtime.service.client.Client`; TimeoutError if it does not answer."""

    def stats(self) -> dict[str, Any]:
        """Return counters of all streams, as the control message `stats`."""
        ...

    def latencies(self, *, stream: int, name: str) -> Histogram:
        """Return a latency of a stream."""
        ...

    def detections(self, *, stream: int) -> tuple[int, NDArray[np.int64]]:
        """Return sampled cycles and the detection events in them by column; ValueError if not counted."""
        ...

    def describe(self) -> dict[str, Any]:
        """Return the description of the model, as the control message `describe`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Detections:
    """Detection events of a stream in a sample of its cycles.

    Attributes:
        places: float64 (columns, k), coordinates of the stabilizers.
        cycles: number of cycles in the sample.
        events: int64 (columns,), events of each stabilizer.
        recent: detection fraction of all stabilizers since the last but one sample; NaN without data.
    """

    places: NDArray[np.float64]
    cycles: int
    events: NDArray[np.int64]
    recent: float

    @property
    def fractions(self) -> NDArray[np.float64]:
        """Detection fraction of each stabilizer, float64 (columns,); NaN without data."""
        return self.events / (self.cycles or math.nan)


@dataclass(frozen=True, kw_only=True)
class StreamSample:
    """State of one stream.

    Attributes:
        number: of the stream.
        state: "idle", "connected", "disconnected" or "dead" (its decoding thread).
        load: part of a core that it is admitted with, at its cadence; 0 while idle.
        service_us: measured decoding time per cycle.
        counters: since the daemon's start, by name.
        statuses: shots since the start, by status.
        faults: damaged frames since the start, by reason.
        cycles_per_s: since the sample before; NaN in the first.
        decoding_s: time that its thread spent on frames since latencies were reset.
        busy: part of the time since the sample before in which its thread decoded; NaN in the first.
        is_paced: whether its source keeps the clock; one that waits (policy block) has no latencies.
        detections: detection events; None if they are not counted.
        total, recent: latencies since the start, and since the sample before, by name.
    """

    number: int
    state: str
    load: float
    service_us: float
    counters: dict[str, int]
    statuses: dict[str, int]
    faults: dict[str, int]
    cycles_per_s: float
    total: dict[str, Histogram]
    recent: dict[str, Histogram]
    decoding_s: float = 0.0
    busy: float = math.nan
    is_paced: bool = True
    detections: Detections | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """State of a daemon.

    Attributes:
        time_ns: monotonic time of the daemon's machine.
        boot: identity of this run of the daemon.
        max_load: part of a core above which streams are refused.
        refused: control messages and connections that were refused.
        streams: one for each stream.
    """

    time_ns: int
    boot: str
    max_load: float
    refused: int
    streams: list[StreamSample]


class Watch:
    """Asks a daemon for its statistics, at any interval; keeps the last samples.

    Questions are answered by the daemon's control thread, which does not decode.

    Args:
        source: client connected to the daemon, or another source of such statistics.
        kept: number of samples kept in `history`.
    """

    def __init__(self, source: Statistics, *, kept: int = 600) -> None:
        self._source = source
        self._places: NDArray[np.float64] | None = None
        self._decoding_us: dict[int, float] = {}
        self.history: deque[Sample] = deque(maxlen=kept)

    def sample(self, *, others: Sequence[Mapping[str, Histogram]] = ()) -> Sample:
        """Take a sample, and append it to `history`, which starts again when the daemon has restarted.

        Args:
            others: further times of each stream since the start, by name.

        Raises:
            TimeoutError: the daemon does not answer.
        """
        found = self._source.stats()
        if self.history and self.history[-1].boot != found["boot"]:
            self.history.clear()
            self._places = None
        if self._places is None:
            columns = self._source.describe()["columns"]
            self._places = np.array([column["coordinates"] for column in columns], dtype=np.float64)
        before = self.history[-1] if self.history else None
        sample = Sample(
            time_ns=found["now_ns"],
            boot=found["boot"],
            max_load=found["max_load"],
            refused=found["refused"] + found["refused_connections"],
            streams=[
                self._stream(stream, found["now_ns"], before, others[at] if at < len(others) else {})
                for at, stream in enumerate(found["streams"])
            ],
        )
        self.history.append(sample)
        return sample

    def _stream(
        self,
        stream: dict[str, Any],
        time_ns: int,
        before: Sample | None,
        others: Mapping[str, Histogram],
    ) -> StreamSample:
        number = stream["stream"]
        total = {name: self._source.latencies(stream=number, name=name) for name in NAMES} | dict(others)
        last = before.streams[number] if before else None
        seconds = (time_ns - before.time_ns) / 1e9 if before else math.nan
        service = stream["latencies_us"]["service"]
        decoding_us = service["n"] * (service["mean"] or 0.0)
        spent_us = decoding_us - self._decoding_us.get(number, 0.0)
        self._decoding_us[number] = decoding_us
        cycles = stream["counters"]["cycles_decoded"]
        return StreamSample(
            number=number,
            state=_state(stream),
            load=stream["load"],
            service_us=stream["service_ns_per_cycle"] / 1000,
            counters=stream["counters"],
            statuses=stream["statuses"],
            faults=stream["faults"],
            cycles_per_s=(cycles - last.counters["cycles_decoded"]) / seconds if last else math.nan,
            total=total,
            recent={name: since(total[name], last.total.get(name) if last else None) for name in total},
            decoding_s=decoding_us / 1e6,
            # Latencies may have been reset in between.
            busy=(spent_us if spent_us >= 0 else decoding_us) / 1e6 / seconds if last else math.nan,
            is_paced=stream.get("policy") != "block",
            detections=self._detections(number, last),
        )

    def _detections(self, number: int, last: StreamSample | None) -> Detections | None:
        try:
            cycles, events = self._source.detections(stream=number)
        except ValueError:  # an older daemon
            return None
        assert self._places is not None
        before = last.detections if last else None
        more = cycles - (before.cycles if before else 0)
        seen = int(events.sum() - (before.events.sum() if before else 0))
        recent = seen / (more * len(events)) if more > 0 else math.nan
        return Detections(places=self._places, cycles=cycles, events=events, recent=recent)


def _state(stream: dict[str, Any]) -> str:
    if not stream["alive"]:
        return "dead"
    if not stream["open"]:
        return "idle"
    return "connected" if stream["connected"] else "disconnected"


def since(now: Histogram, before: Histogram | None) -> Histogram:
    """Return the histogram of the values that came since an earlier one; all, if latencies were reset.

    Its extremes are those of all values, or the edges of their buckets.
    """
    if before is None or before.num > now.num or (before.counts > now.counts).any():
        return now
    return Histogram(
        counts=now.counts - before.counts,
        totals=np.where(np.arange(now.totals.size) < 2, now.totals - before.totals, now.totals),
        missing=now.missing - before.missing,
    )
