"""Daemon, shots and accounts for the faults."""

import contextlib
import itertools
import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from decoders import StreamingDecoder
from experiments.bench.faults.outcome import Outcome
from experiments.common.points import Point
from experiments.loop.options import CODE, SERVED_CYCLES
from experiments.loop.parts import resident_kb
from experiments.loop.shots import Prepared, prepare, simulate
from qec.files import write_file
from realtime.kernels.clock import now_ns
from realtime.protocol.wire import row_bytes
from realtime.service.client import DAEMON, Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from realtime.source.jobs import Job
from realtime.source.playlist import Playlist
from realtime.source.source import SourceConfig, SourceProcess

_P = 0.002762  # of the SI1000 noise; 8.5 % of the detectors fire at d = 5
#: Time between two cycles of the sources, ns: a shot of CYCLES lasts 2 ms.
CYCLE_NS = 20_000.0
CYCLES = 100
_DIFFERENT_SHOTS = 64
#: Shots before a fault, so that memory and caches have their working size, and after it.
SHOTS_BEFORE, SHOTS_AFTER = 60, 30
#: Counters of the daemon that show refused, missing or dropped frames and results.
REFUSALS = ("duplicates", "foreign", "drained", "lost_frames", "future_frames", "results_dropped")
#: Time to wait for the first right answer after a fault.
PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Shots:
    """Shots of one memory, with the answers of the offline decoder.

    Attributes:
        prepared: playlist in its folder, and the answers.
        playlist: the rows.
        hashes: CRC-32 of the payload of each shot, as in results.
    """

    prepared: Prepared
    playlist: Playlist
    hashes: list[int]

    def is_right(self, index: int, flips: bytes, syndrome_hash: int) -> bool:
        """Return whether this is the offline decoder's answer, to the data of this shot."""
        return flips == self.prepared.offline[index].tobytes() and syndrome_hash == self.hashes[index]


@dataclass
class Account:
    """Outcomes of shots, for one fault.

    Args:
        shots: that are sent.
        outcome: gets the counts.
    """

    shots: Shots
    outcome: Outcome
    _ends_ns: list[int] = field(default_factory=list)

    def add(self, index: int, *, status: str, flips: bytes | None, syndrome_hash: int, at_ns: int) -> bool:
        """Count a shot; return whether it was answered rightly."""
        self.outcome.shots += 1
        if status != "OK" or flips is None:
            self.outcome.failed[status] += 1
            return False
        if not self.shots.is_right(index, flips, syndrome_hash):
            self.outcome.wrong += 1
            return False
        self.outcome.right += 1
        if self._ends_ns and at_ns > self._ends_ns[0]:
            self.outcome.recoveries_ms.append((at_ns - self._ends_ns.pop(0)) / 1e6)
        return True

    def report(self, report: dict[str, Any]) -> bool:
        """Count a shot that a source reported; return whether it was answered rightly."""
        flips = report["flips"]
        return self.add(
            report["index"],
            status=report["status"],
            flips=None if flips is None else bytes.fromhex(flips),
            syndrome_hash=report["syndrome_hash"],
            at_ns=report["back_ns"],
        )

    def end_fault(self, at_ns: int | None = None) -> None:
        """Note the end of the fault; the next right answer gives the recovery time."""
        self._ends_ns.append(int(now_ns()) if at_ns is None else at_ns)

    @property
    def has_recovered(self) -> bool:
        """Whether a right answer followed the end of the fault."""
        return not self._ends_ns

    def close(self) -> None:
        """Count the ends without a right answer."""
        self.outcome.recoveries_ms += [float("inf")] * len(self._ends_ns)


@dataclass(kw_only=True)
class Stage:
    """Place for the faults.

    Attributes:
        folder: private, for sockets and files.
        shots: sent under each fault.
        repeats: times that each process is killed.
        seed: of all choices.
        show: takes a line of progress.
    """

    folder: Path
    shots: int = 300
    repeats: int = 5
    seed: int = 1
    show: Callable[[str], None] = print
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def random(self, name: str) -> random.Random:
        """Make a source of random choices for a fault."""
        return random.Random(f"{self.seed} {name}")

    @cached_property
    def model(self) -> Path:
        """File of the circuit that daemons decode."""
        return self._model(3)

    @cached_property
    def memory(self) -> Shots:
        """Short shots at d = 3."""
        return self.make_shots(distance=3, cycles=CYCLES, count=_DIFFERENT_SHOTS)

    def _model(self, distance: int) -> Path:
        path = self.folder / f"memory-{distance}.stim"
        write_file(path, f"{_point(distance, SERVED_CYCLES).circuit()}\n")
        return path

    def slow_model(self) -> Path:
        """Write the circuit of a decoder that needs microseconds for a cycle (d = 7)."""
        return self._model(7)

    def make_shots(self, *, distance: int, cycles: int, count: int) -> Shots:
        """Simulate shots, and decode them offline."""
        playlist = simulate(_point(distance, cycles), shots=count, seed=self.seed, progress=self.show)
        decoder = StreamingDecoder.from_circuit(_point(distance, SERVED_CYCLES).circuit())
        folder = self.folder / f"shots-{distance}-{cycles}"
        prepared = prepare(playlist, decoder=decoder, folder=folder, progress=self.show)
        parts = zip(playlist.rows, playlist.last, strict=True)
        hashes = [zlib.crc32(rows.tobytes() + last.tobytes()) for rows, last in parts]
        assert prepared.offline.shape[1] == row_bytes(decoder.num_observables)
        return Shots(prepared=prepared, playlist=playlist, hashes=hashes)

    @contextlib.contextmanager
    def daemon(self, outcome: Outcome, *, module: str = DAEMON, **changes: Any) -> Iterator[DaemonProcess]:
        """Start a daemon at an address of its own; in the end it must end by itself."""
        address = f"ipc://{self.folder}/daemon-{next(self._numbers)}"
        config = DaemonConfig(**{"model": str(self.model), "bind": address, **changes})
        with DaemonProcess(config, module=module) as process:
            yield process
            if status := process.stop():
                outcome.broken.append(f"the daemon ended with status {status}")

    def source(self, control: str, **changes: Any) -> SourceProcess:
        """Make a source for the short shots; it starts in a `with` block."""
        folder = str(self.memory.prepared.folder)
        settings = {"control": control, "playlist": folder, "cycle_ns": CYCLE_NS, **changes}
        return SourceProcess(SourceConfig(**settings))

    def play(self, source: SourceProcess, account: Account | None, shots: int) -> None:
        """Let a source play short shots, and count them."""
        for report in source.play([Job(folder=str(self.memory.prepared.folder), shots=shots)]):
            if account is not None and report["type"] == "shot":
                account.report(report)

    def endless(self, seconds: float = 1e6) -> Job:
        """Make a job that ends only after this time."""
        return Job(folder=str(self.memory.prepared.folder), shots=1 << 40, seconds=seconds)


@dataclass(frozen=True)
class Snapshot:
    """Counters and memory of a daemon at a moment."""

    counts: Counter[str]
    resident_kb: int

    @classmethod
    def of(cls, daemon: DaemonProcess) -> "Snapshot":
        """Ask the daemon."""
        counts: Counter[str] = Counter()
        with Client(daemon.control) as client:
            for stream in client.stats()["streams"]:
                counts.update(stream["faults"])
                counts.update({name: stream["counters"][name] for name in REFUSALS})
            return cls(counts, resident_kb(daemon.pid) or 0)

    def close(self, outcome: Outcome, after: "Snapshot") -> None:
        """Write what the daemon counted since this snapshot, and how its memory grew."""
        outcome.refused += after.counts - self.counts
        outcome.growth_kb = max(0, after.resident_kb - self.resident_kb)


def _point(distance: int, cycles: int) -> Point:
    return Point(CODE, "cz", distance, cycles, "z", "si1000", _P)
