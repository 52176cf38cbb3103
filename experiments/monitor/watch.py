"""Samples of a daemon's counters and latencies, and their rates."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np

from realtime.latency import Histogram
from realtime.service.client import Client

#: Latencies that are watched; see docs/pages/protocol.md.
NAMES = ("decision", "window", "shot")


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
        client: connected to the daemon.
        kept: number of samples kept in `history`.
    """

    def __init__(self, client: Client, *, kept: int = 600) -> None:
        self._client = client
        self.history: deque[Sample] = deque(maxlen=kept)

    def sample(self) -> Sample:
        """Take a sample, and append it to `history`, which starts again when the daemon has restarted.

        Raises:
            TimeoutError: the daemon does not answer.
        """
        found = self._client.ask({"type": "stats"})
        if self.history and self.history[-1].boot != found["boot"]:
            self.history.clear()
        before = self.history[-1] if self.history else None
        sample = Sample(
            time_ns=found["now_ns"],
            boot=found["boot"],
            max_load=found["max_load"],
            refused=found["refused"] + found["refused_connections"],
            streams=[self._stream(stream, found["now_ns"], before) for stream in found["streams"]],
        )
        self.history.append(sample)
        return sample

    def _stream(self, stream: dict[str, Any], time_ns: int, before: Sample | None) -> StreamSample:
        number = stream["stream"]
        total = {
            name: Histogram.from_json(self._client.ask({"type": "latencies", "stream": number, "name": name}))
            for name in NAMES
        }
        last = before.streams[number] if before else None
        seconds = (time_ns - before.time_ns) / 1e9 if before else math.nan

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
            recent={name: since(total[name], last.total[name] if last else None) for name in NAMES},
        )


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
