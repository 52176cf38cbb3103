"""Samples for the tests of the live view."""

import math
from functools import cache
from typing import Any

from experiments.monitor.watch import NAMES, Sample, StreamSample
from realtime.latency import Histogram


def histogram(*values_us: float, missing: int = 0) -> Histogram:
    found = Histogram(missing=missing)
    for value in values_us:
        found.record(round(1000 * value))
    return found


def stream(number: int, **changes: Any) -> StreamSample:
    names = (
        "shots",
        "shots_ok",
        "cycles_decoded",
        "frames",
        "max_backlog",
        "lost_frames",
        "late_frames",
        "future_frames",
    )
    counters = dict.fromkeys((*names, "foreign", "duplicates", "results_dropped"), 0)
    values: dict[str, Any] = {
        "number": number,
        "state": "idle",
        "load": 0.0,
        "service_us": 0.31,
        "counters": counters,
        "statuses": {"OK": 0, "BACKLOG": 0},
        "faults": {"CHECKSUM": 0},
        "cycles_per_s": math.nan,
        "total": {name: Histogram() for name in NAMES},
        "recent": {name: Histogram() for name in NAMES},
    }
    return StreamSample(**values | {"counters": counters | changes.pop("counters", {})} | changes)


def sample(*streams: StreamSample, time_ns: int = 0) -> Sample:
    return Sample(time_ns=time_ns, boot="b", max_load=0.7, refused=0, streams=list(streams))


@cache
def busy_stream() -> StreamSample:
    return stream(
        1,
        state="connected",
        load=0.34,
        counters={"shots": 123_456, "shots_ok": 123_000, "max_backlog": 1_234_567, "lost_frames": 3},
        statuses={"OK": 123_000, "BACKLOG": 456},
        faults={"CHECKSUM": 7},
        cycles_per_s=909_090.0,
        total={name: histogram(7, 8, 120, missing=1) for name in NAMES},
        recent={name: histogram(7, 8) for name in NAMES},
    )
