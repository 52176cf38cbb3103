"""Start and stop the loop: in one process, or as a daemon process and a source process."""

import contextlib
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import stim
from numpy.typing import NDArray

from decoders import ParallelStreamingDecoder, StreamingDecoder
from experiments.monitor.watch import Statistics
from qec.files import write_file
from realtime.in_process import InProcessLoop
from realtime.kernels.clock import now_ns
from realtime.latency import Histogram
from realtime.placement import Placement, pin_thread
from realtime.service.admission import Admission
from realtime.service.block_threads import make_stream_decoder
from realtime.service.client import Client, DaemonProcess
from realtime.service.daemon import DaemonConfig
from realtime.service.session import Policy
from realtime.source.jobs import Job, in_thread
from realtime.source.player import Player
from realtime.source.playlist import Playlist
from realtime.source.source import SourceConfig, SourceProcess

TRANSPORTS = ("ipc", "shm", "tcp", "inproc")
# What is final is reported so often in the middle of shots. It shows the backlog over time; and it keeps the
# way back awake, which at the end of a long shot would otherwise not have been gone for a second: its code
# and data would have left the caches.
_COMMIT_INTERVAL_NS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class LoopSetting:
    """Configuration of the loop.

    Attributes:
        transport: "ipc", "shm", "tcp" (two processes each) or "inproc".
        placement: cores.
        streams: logical qubits at once, played by one thread, each with a decoder of its own.
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame.
        decoder, commit, buffer: see `StreamingDecoder.from_circuit`.
        decoder_threads: threads that decode the windows of a stream; more than 1: parallel windows; 0: as
            `experiments.loop.threads` decides.
        max_load: see `realtime.service.admission`.
        policy: "drop-shot": give a shot up when the decoder does not keep up; "block": wait for it
            (back-pressure), so that cycles are not paced by the clock.
    """

    transport: str
    placement: Placement
    streams: int = 1
    cycle_ns: float
    frame_cycles: int
    decoder: str
    commit: int | None = None
    buffer: int | None = None
    decoder_threads: int = 1
    max_load: float = 0.0
    policy: Policy = "drop-shot"

    def __post_init__(self) -> None:
        Admission(most_load=self.max_load, cores=1)  # refuses what is no load

    @property
    def is_paced(self) -> bool:
        """Whether cycles are paced by the clock; otherwise latencies have no meaning."""
        return self.policy != "block"

    def make_decoder(self, circuit: stim.Circuit) -> StreamingDecoder | ParallelStreamingDecoder:
        """Make the decoder for a memory of this code and noise, of any length; raises as `from_circuit`."""
        return make_stream_decoder(
            circuit,
            threads=self.decoder_threads,
            commit=self.commit,
            buffer=self.buffer,
            decoder=self.decoder,
        )


class LoopParts(Protocol):
    """A running loop.

    Attributes:
        control: control address of its daemon; None in one process.
    """

    control: str | None

    def play(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        """Play jobs on all streams; gives the source's reports as they come (see `realtime.source.jobs`)."""
        ...

    def windows(self, stream: int) -> Histogram:
        """Due -> decoded, of the windows in the middle of shots, since the last `play` began."""
        ...

    def counters(self, stream: int) -> dict[str, int]:
        """Read the decoder's counters; see `realtime.kernels.records.COUNTERS`."""
        ...

    def memory_kb(self) -> int | None:
        """Memory of the process that decodes, in kB; None where the system does not tell."""
        ...

    def statistics(self) -> contextlib.AbstractContextManager["LoopStatistics"]:
        """Open a source of statistics for another thread, which opens, uses and closes it."""
        ...


class LoopStatistics(Statistics, Protocol):
    """Statistics of a running loop, for a thread that takes no part in it."""

    def tick(self) -> None:
        """Sample detection events, if the daemon does not; called many times a second."""
        ...


@contextlib.contextmanager
def open_loop(
    setting: LoopSetting, *, circuit: stim.Circuit, playlists: Sequence[Path]
) -> Iterator[LoopParts]:
    """Start a loop, and end all of it on leaving. Inside, the calling thread stays on the system's core.

    Args:
        setting: how.
        circuit: a memory of the code and noise to decode, of any length.
        playlists: folders with shots, all of one form.

    Raises:
        ValueError: what a decoder or a source cannot be; a decoder that would be too slow.
        RuntimeError: a process that did not start.
    """
    if setting.transport not in TRANSPORTS:
        raise ValueError(f"no transport is named '{setting.transport}': choose from {', '.join(TRANSPORTS)}")
    make = _in_process if setting.transport == "inproc" else _as_processes
    with make(setting, circuit, playlists) as loop, _kept_on(setting.placement.system):
        yield loop


@contextlib.contextmanager
def _kept_on(core: int | None) -> Iterator[None]:
    """Keep the calling thread, and those that it starts, away from the cores of the loop."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    pinned = pin_thread(core)
    try:
        yield
    finally:
        if pinned:
            os.sched_setaffinity(0, before)


@contextlib.contextmanager
def _in_process(
    setting: LoopSetting, circuit: stim.Circuit, playlists: Sequence[Path]
) -> Iterator[LoopParts]:
    form = Playlist.load(playlists[0])
    stop = threading.Event()
    decoders = [setting.make_decoder(circuit) for _ in range(setting.streams)]
    with contextlib.ExitStack() as parts:
        locals_ = [
            parts.enter_context(
                InProcessLoop(
                    decoder=decoder,
                    kind=form.kind,
                    cycle_ns=round(setting.cycle_ns),
                    commits=True,
                    commit_interval_ns=_COMMIT_INTERVAL_NS,
                    stream=stream,
                    core=setting.placement.decoder(stream),
                    block_cores=setting.placement.block_cores(stream),
                    max_load=setting.max_load,
                    policy=setting.policy,
                )
            )
            for stream, decoder in enumerate(decoders)
        ]
        players = [
            Player(
                link=local.link,
                session=local.session,
                stream=stream,
                playlist=form,
                cycle_ns=setting.cycle_ns,
                frame_cycles=setting.frame_cycles,
                blocks=not setting.is_paced,
                stop=stop,
            )
            for stream, local in enumerate(locals_)
        ]
        players[0].warm_up(streams=len(players))
        try:
            yield _InProcess(locals_, players, stop, setting, decoders[0].stabilizers)
        finally:
            stop.set()


class _InProcess:
    """Decoders and source as threads."""

    control: str | None = None

    def __init__(
        self,
        locals_: list[InProcessLoop],
        players: list[Player],
        stop: threading.Event,
        setting: LoopSetting,
        stabilizers: NDArray[np.float64],
    ) -> None:
        self._locals, self._players, self._stop = locals_, players, stop
        self._core, self._max_load = setting.placement.source, setting.max_load
        self._stabilizers = stabilizers

    def play(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        for local in self._locals:
            local.reset_latencies()
        return in_thread(self._players, jobs, stop=self._stop, core=self._core)

    def windows(self, stream: int) -> Histogram:
        return self._locals[stream].histograms()["window"]

    def counters(self, stream: int) -> dict[str, int]:
        return self._locals[stream].counters()

    def memory_kb(self) -> int | None:
        return resident_kb("self")

    @contextlib.contextmanager
    def statistics(self) -> Iterator[LoopStatistics]:
        yield _InProcessStatistics(self._locals, self._stabilizers, self._max_load)


class _InProcessStatistics:
    """Statistics of decoders in this process, in the form of a daemon's."""

    def __init__(
        self, locals_: Sequence[InProcessLoop], stabilizers: NDArray[np.float64], max_load: float
    ) -> None:
        self._locals, self._stabilizers, self._max_load = locals_, stabilizers, max_load
        self._boot = secrets.token_hex(8)
        self._detected = [local.detections() for local in locals_]

    def stats(self) -> dict[str, Any]:
        return {
            "boot": self._boot,
            "refused": 0,
            "refused_connections": 0,
            "max_load": self._max_load,
            "now_ns": int(now_ns()),
            "streams": [local.statistics() for local in self._locals],
        }

    def latencies(self, *, stream: int, name: str) -> Histogram:
        return self._locals[stream].histograms()[name]

    def detections(self, *, stream: int) -> tuple[int, NDArray[np.int64]]:
        return self._detected[stream].cycles, self._detected[stream].events.copy()

    def tick(self) -> None:
        for detected in self._detected:
            detected.sample()

    def describe(self) -> dict[str, Any]:
        return {"columns": [{"coordinates": place} for place in self._stabilizers.tolist()]}


@contextlib.contextmanager
def _as_processes(
    setting: LoopSetting, circuit: stim.Circuit, playlists: Sequence[Path]
) -> Iterator[LoopParts]:
    placement = setting.placement
    with contextlib.ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="qec-daemon-")))
        model = folder / "model.stim"
        write_file(model, f"{circuit}\n")
        daemon = parts.enter_context(
            DaemonProcess(
                DaemonConfig(
                    model=str(model),
                    streams=setting.streams,
                    decoder=setting.decoder,
                    commit=setting.commit,
                    buffer=setting.buffer,
                    decoder_threads=setting.decoder_threads,
                    max_load=setting.max_load,
                    bind="tcp://127.0.0.1:*" if setting.transport == "tcp" else None,
                    cores=placement.decoders,
                    io_core=placement.messages,
                    keeper_core=placement.system,
                    spin=placement.spins,
                )
            )
        )
        source = parts.enter_context(
            SourceProcess(
                SourceConfig(
                    control=daemon.control.replace("ipc://", f"{setting.transport}://"),
                    playlist=str(playlists[0]),
                    streams=setting.streams,
                    cycle_ns=setting.cycle_ns,
                    frame_cycles=setting.frame_cycles,
                    policy=setting.policy,
                    commits=True,
                    commit_interval_ns=_COMMIT_INTERVAL_NS,
                    core=placement.source,
                    io_core=placement.messages,
                )
            )
        )
        client = parts.enter_context(Client(daemon.control))
        yield _AsProcesses(daemon, source, client, setting.streams)


class _AsProcesses:
    """A daemon and a source."""

    def __init__(self, daemon: DaemonProcess, source: SourceProcess, client: Client, streams: int) -> None:
        self._daemon, self._source, self._client, self._streams = daemon, source, client, streams
        self.control: str | None = daemon.control

    def play(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        for stream in range(self._streams):
            self._client.reset(stream=stream, session=self._source.sessions[stream])
        return self._source.play(jobs)

    def windows(self, stream: int) -> Histogram:
        return self._client.latencies(stream=stream, name="window")

    def counters(self, stream: int) -> dict[str, int]:
        found: dict[str, int] = self._client.stats()["streams"][stream]["counters"]
        return found

    def memory_kb(self) -> int | None:
        return resident_kb(self._daemon.pid)

    def statistics(self) -> "_DaemonStatistics":
        return _DaemonStatistics(self._daemon.control)


class _DaemonStatistics(Client):
    """Statistics of a daemon, whose control thread samples detection events while it is asked for them."""

    def tick(self) -> None:
        pass


def resident_kb(process: int | str) -> int | None:
    """Memory of a process in kB; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
