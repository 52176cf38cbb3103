"""Metrics of a daemon for Prometheus."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from experiments.monitor.watch import NAMES, Sample
from realtime.latency import Histogram, upper_edges

# Upper bounds of the exported buckets in us.
_BOUNDS_US = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000)


class DaemonCollector:
    """Takes a sample for each scrape.

    Args:
        sample: takes a sample, as `Watch.sample`; TimeoutError if the daemon does not answer.
    """

    def __init__(self, sample: Callable[[], Sample]) -> None:
        self._sample = sample

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics; only `qec_up`, zero, if the daemon does not answer."""
        try:
            sample = self._sample()
        except TimeoutError:
            yield GaugeMetricFamily("qec_up", "Whether the daemon answers.", value=0)
            return
        yield GaugeMetricFamily("qec_up", "Whether the daemon answers.", value=1)
        yield _counter("qec_refused", "Control messages and connections refused.", [({}, sample.refused)])
        streams = [({"stream": str(stream.number)}, stream) for stream in sample.streams]
        yield _gauge(
            "qec_stream_open",
            "Whether a source is connected.",
            [(at, s.state == "connected") for at, s in streams],
        )
        yield _gauge(
            "qec_stream_alive",
            "Whether the decoding thread lives.",
            [(at, s.state != "dead") for at, s in streams],
        )
        yield _gauge(
            "qec_load_cores", "Cores that the stream was admitted with.", [(at, s.load) for at, s in streams]
        )
        yield _gauge(
            "qec_service_seconds",
            "Decoding time of a cycle.",
            [(at, s.service_us / 1e6) for at, s in streams],
        )
        yield _counter(
            "qec_decoding_seconds",
            "Time spent on frames; its rate is the part of a core in use.",
            [(at, s.decoding_s) for at, s in streams],
        )
        yield _counter(
            "qec_sampled_cycles",
            "Cycles in which detection events were counted.",
            [(at, s.detections.cycles) for at, s in streams if s.detections is not None],
        )
        yield _counter(
            "qec_detection_events",
            "Detection events in the sampled cycles, by column.",
            [
                ({**at, "column": str(column)}, events)
                for at, s in streams
                if s.detections is not None
                for column, events in enumerate(s.detections.events.tolist())
            ],
        )
        yield _gauge(
            "qec_backlog_cycles",
            "Largest backlog so far.",
            [(at, s.counters["max_backlog"]) for at, s in streams],
        )
        yield _counter(
            "qec_cycles", "Cycles decoded.", [(at, s.counters["cycles_decoded"]) for at, s in streams]
        )
        yield _counter("qec_frames", "Frames received.", [(at, s.counters["frames"]) for at, s in streams])
        yield _counter(
            "qec_shots",
            "Shots answered, by status.",
            [({**at, "status": name}, value) for at, s in streams for name, value in s.statuses.items()],
        )
        yield _counter(
            "qec_damaged_frames",
            "Damaged frames, by reason.",
            [({**at, "reason": name}, value) for at, s in streams for name, value in s.faults.items()],
        )
        for name in NAMES:
            family = HistogramMetricFamily(
                f"qec_{name}_latency_seconds", f"Latency of a {name}.", labels=["stream"]
            )
            for at, stream in streams:
                family.add_metric([at["stream"]], *buckets(stream.total[name]))
            yield family


def buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Return the cumulative counts up to each bound in seconds, and the sum; missing values are above all."""
    edges = upper_edges()
    cumulative = np.cumsum(histogram.counts)
    found = []
    for bound in _BOUNDS_US:
        place = int(np.searchsorted(edges, bound * 1000, side="right")) - 1
        found.append((f"{bound / 1e6:g}", float(cumulative[place])))
    found.append(("+Inf", float(histogram.num + histogram.missing)))
    return found, histogram.mean * histogram.num / 1e9 if histogram.num else 0.0


def _gauge(name: str, text: str, values: list[tuple[dict[str, str], Any]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(values[0][0]) if values else [])
    for labels, value in values:
        family.add_metric(list(labels.values()), float(value))
    return family


def _counter(name: str, text: str, values: list[tuple[dict[str, str], float]]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=list(values[0][0]) if values else [])
    for labels, value in values:
        family.add_metric(list(labels.values()), value)
    return family


def serve_metrics(sample: Callable[[], Sample], *, port: int) -> tuple[Callable[[], None], int]:
    """Serve metrics on loopback; returns a function that ends that, and the port.

    Raises:
        OSError: the port cannot be used.
    """
    registry = CollectorRegistry()
    registry.register(DaemonCollector(sample))
    server, thread = start_http_server(port, addr="127.0.0.1", registry=registry)

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return close, server.server_address[1]
