"""`qec stats`: counters and latencies of a decoder daemon."""

import argparse
import json
from typing import Any

from experiments.common.numbers import number
from experiments.common.terminal import table
from experiments.loop import options
from realtime.service.client import Client

_LATENCIES = ("decision", "shot", "window", "frame")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec stats`."""
    add = parser.add_argument
    add("address", metavar="ADDRESS", help="control address of the daemon, as qec serve printed it")
    add("--json", action="store_true", help="print all that the daemon answers, as JSON")
    options.add_client_keys(parser)


def run(args: argparse.Namespace) -> int:
    """Ask and print."""
    with Client(args.address, keys=options.client_keys(args)) as client:
        found = client.stats(timeout_s=3.0)
    print(json.dumps(found, indent=2) if args.json else _summary(found))
    return 0


def _summary(found: dict[str, Any]) -> str:
    """Format the answer as tables."""
    streams = found["streams"]
    shots = [
        [
            str(stream["stream"]),
            "connected" if stream["connected"] else "open" if stream["open"] else "free",
            f"{stream['counters']['shots']:,}",
            f"{stream['counters']['shots_ok']:,}",
            _nonzero({name: count for name, count in stream["statuses"].items() if name != "OK"}),
            f"{stream['counters']['cycles_decoded']:,}",
            f"{100 * stream['load']:.0f} %",
        ]
        for stream in streams
    ]
    frames = [
        [
            str(stream["stream"]),
            f"{stream['counters']['frames']:,}",
            *(
                f"{stream['counters'][name]:,}"
                for name in (
                    "duplicates",
                    "lost_frames",
                    "foreign",
                    "late_frames",
                    "future_frames",
                    "results_dropped",
                )
            ),
            _nonzero(stream["faults"]),
            f"{stream['refused_connections']:,}",
        ]
        for stream in streams
    ]
    times = [
        [str(stream["stream"]), name, *_times(stream["latencies_us"][name])]
        for stream in streams
        for name in _LATENCIES
        if stream["latencies_us"][name].get("n")
    ]
    alive = all(stream["alive"] for stream in streams)
    head = f"daemon {found['boot']}: {len(streams)} streams" + ("" if alive else ", NOT all threads alive")
    head += (
        f"; {found['refused_connections']:,} connections and {found['refused']:,} control messages refused"
    )
    parts = [
        head,
        table(["stream", "state", "shots", "OK", "failed", "cycles", "load"], shots),
        table(
            [
                "stream",
                "frames",
                "repeated",
                "lost",
                "foreign",
                "late",
                "early",
                "unsent",
                "damaged",
                "refused",
            ],
            frames,
        ),
    ]
    if times:
        parts.append(table(["stream", "latency (us)", "n", "mean", "p50", "p99", "p99.9", "max"], times))
    return "\n\n".join(parts)


def _nonzero(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "0"


def _times(summary: dict[str, float | None]) -> list[str]:
    names = ("mean", "p50", "p99", "p99.9", "max")
    values = [summary.get(name) for name in names]
    return [f"{summary['n']:,.0f}", *("-" if value is None else number(value) for value in values)]
