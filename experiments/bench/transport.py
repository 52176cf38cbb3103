"""`qec bench transport`: cost of carrying frames to a daemon, by sockets and by shared memory."""

import argparse
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import stim

from decoders.streaming.layers import LayeredModel
from experiments.common.machine import description
from experiments.common.numbers import number
from experiments.common.parser import real, whole
from experiments.common.terminal import Progress, table
from qec.files import write_file
from realtime.latency import Histogram
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from realtime.source.jobs import Job
from realtime.source.simulation import sample_events
from realtime.source.source import SourceConfig, SourceProcess

SCHEMES = ("ipc", "shm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `qec bench transport`."""
    add = parser.add_argument
    parser.epilog = (
        "Plays the same shots to one daemon through ipc:// and shm://, alternately. Core time is that of\n"
        "the daemon, decoding included, and of the source's I/O threads. The source waits for the daemon\n"
        "where the machine is too slow (policy block): the loop latency then includes that."
    )
    add("--rounds", type=whole(), default=5, metavar="N", help="of each transport")
    add("--shots", type=whole(), default=20, metavar="N", help="in a round")
    add("--cycles", type=whole(2), default=10_000, metavar="N", help="of a shot, d = 3")
    add("--cycle_ns", type=real(0, 1e9), default=1100.0, metavar="NS", help="time from cycle to cycle")
    add("--frame_cycles", type=whole(1, 64), default=10, metavar="N", help="cycles in a frame")
    add("--spin", action="store_true", help="let the daemon poll without sleeping; needs idle cores")


@dataclass
class _Totals:
    """Measurements of one transport."""

    seconds: float = 0.0
    frames: int = 0
    decisions: Histogram = field(default_factory=Histogram)
    loops_ns: list[int] = field(default_factory=list)

    def row(self, scheme: str) -> list[str]:
        """Format as a row of the table."""
        loop = np.percentile(self.loops_ns, (50, 99)) / 1000
        decision = [self.decisions.percentile(percent) / 1000 for percent in (50, 99)]
        times = [1e6 * self.seconds / self.frames, *decision, *loop]
        return [scheme, f"{self.frames:,}", *(number(float(time)) for time in times)]


def run(args: argparse.Namespace) -> int:
    """Measure and print."""
    circuit = stim.Circuit.generated(
        "surface_code:rotated_memory_z",
        distance=3,
        rounds=args.cycles,
        after_clifford_depolarization=0.001,
    )
    totals = {scheme: _Totals() for scheme in SCHEMES}
    with tempfile.TemporaryDirectory(prefix="qec-bench-") as folder, Progress() as progress:
        model = Path(folder) / "memory.stim"
        write_file(model, f"{circuit}\n")
        layers = LayeredModel.from_dem(circuit.detector_error_model(decompose_errors=True))
        shots = sample_events(circuit, shots=4, seed=1, model=layers).save(Path(folder) / "shots")
        config = DaemonConfig(model=str(model), spin=args.spin, policy="block", max_load=0.0)
        with DaemonProcess(config) as daemon, Client(daemon.control) as client:
            for at in range(args.rounds * len(SCHEMES)):
                progress.show(f"round {at // len(SCHEMES) + 1} of {args.rounds}")
                scheme = SCHEMES[at % len(SCHEMES)]
                _play(totals[scheme], args, daemon, client, scheme=scheme, shots=shots)
    titles = ["transport", "frames", "core time per frame (us)"]
    titles += [f"{name} p{percent} (us)" for name in ("decision", "loop") for percent in (50, 99)]
    print(description())
    print(table(titles, [totals[scheme].row(scheme) for scheme in SCHEMES], left=1))
    return 0


def _play(
    totals: _Totals,
    args: argparse.Namespace,
    daemon: DaemonProcess,
    client: Client,
    *,
    scheme: str,
    shots: Path,
) -> None:
    """Play a round, and add what was measured."""
    source = SourceConfig(
        control=daemon.control.replace("ipc", scheme, 1),
        playlist=str(shots),
        cycle_ns=args.cycle_ns,
        frame_cycles=args.frame_cycles,
        policy="block",
        commits=False,
    )
    with SourceProcess(source) as process:
        client.reset(session=process.sessions[0])
        before = _core_seconds(daemon.pid) + _core_seconds(process.pid, "ZMQ")
        for report in process.play([Job(folder=str(shots), shots=args.shots)]):
            if report["type"] == "job":
                totals.frames += report["frames"]
            elif report["status"] == "OK":
                totals.loops_ns.append(report["back_ns"] - report["due_ns"])
            else:
                raise ValueError(f"{scheme}: a shot has the status {report['status']}")
        totals.seconds += _core_seconds(daemon.pid) + _core_seconds(process.pid, "ZMQ") - before
        totals.decisions = totals.decisions.merged(client.latencies(name="decision"))


def _core_seconds(pid: int, name: str = "") -> float:
    """Return the processor time of a process's threads whose names begin so."""
    ticks = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        known, _, numbers = (thread / "stat").read_text().partition("(")[2].rpartition(")")
        if known.startswith(name):
            ticks += sum(map(int, numbers.split()[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")
