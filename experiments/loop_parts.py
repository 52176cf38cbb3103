"""Starting and stopping the loop: in one process, or as a daemon and a source of their own."""

import contextlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import stim

from decoders import StreamingDecoder
from realtime.client import Client, DaemonProcess
from realtime.daemon import DaemonConfig
from realtime.jobs import Job, in_thread
from realtime.latency import Histogram
from realtime.local import LocalLoop
from realtime.placement import Placement
from realtime.player import Player
from realtime.playlist import Playlist
from realtime.source import SourceConfig, SourceProcess

TRANSPORTS = ("ipc", "tcp", "inproc")


@dataclass(frozen=True, kw_only=True)
class LoopSetting:
    """How the loop runs.

    Attributes:
        transport: "ipc", "tcp" (both: two processes) or "inproc".
        placement: cores.
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame.
        decoder, commit, buffer: see `StreamingDecoder.from_circuit`.
        blocks: whether the source waits when its data are not taken; then there are no latencies.
    """

    transport: str
    placement: Placement
    cycle_ns: float
    frame_cycles: int
    decoder: str
    commit: int | None = None
    buffer: int | None = None
    blocks: bool = False


class LoopParts(Protocol):
    """A running loop."""

    def play(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        """Play jobs; gives the source's reports as they come (see `realtime.jobs`)."""
        ...

    def play_with_commits(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        """The same with reports of the backlog in the middle of shots; the last thing to be played.

        Between processes a commit for every window costs as much as the data, and shows in latencies.
        """
        ...

    def windows(self) -> Histogram:
        """Due -> decoded, of the windows in the middle of shots, since the last `play` began."""
        ...

    def counters(self) -> dict[str, int]:
        """The decoder's counters; see `realtime.kernels.layout.COUNTERS`."""
        ...

    def memory_kb(self) -> int | None:
        """Memory of the process that decodes, in kB; None where the system does not tell."""
        ...


@contextlib.contextmanager
def open_loop(
    setting: LoopSetting, *, circuit: stim.Circuit, playlists: Sequence[Path]
) -> Iterator[LoopParts]:
    """Start a loop, and end all of it on leaving.

    Args:
        setting: how.
        circuit: a memory of the code and noise to decode, of any length.
        playlists: folders with shots, all of one form.

    Raises:
        ValueError: what a decoder or a source cannot be.
        RuntimeError: a process that did not start.
    """
    if setting.transport not in TRANSPORTS:
        raise ValueError(f"no transport is named '{setting.transport}': choose from {', '.join(TRANSPORTS)}")
    if setting.transport == "inproc":
        with _in_process(setting, circuit, playlists) as loop:
            yield loop
        return
    with _as_processes(setting, circuit, playlists) as loop:
        yield loop


@contextlib.contextmanager
def _in_process(
    setting: LoopSetting, circuit: stim.Circuit, playlists: Sequence[Path]
) -> Iterator[LoopParts]:
    decoder = StreamingDecoder.from_circuit(
        circuit, commit=setting.commit, buffer=setting.buffer, decoder=setting.decoder
    )
    form = Playlist.load(playlists[0])
    stop = threading.Event()
    with LocalLoop(
        decoder=decoder,
        kind=form.kind,
        cycle_ns=round(setting.cycle_ns),
        commits=True,
        policy="block" if setting.blocks else "drop-shot",
        core=setting.placement.decoder(0),
    ) as local:
        player = Player(
            link=local.link,
            session=local.session,
            playlist=form,
            cycle_ns=setting.cycle_ns,
            frame_cycles=setting.frame_cycles,
            blocks=setting.blocks,
            stop=stop,
        )
        player.warm_up()
        try:
            yield _InProcess(local, player, stop, setting.placement.source)
        finally:
            stop.set()


class _InProcess:
    """Decoder and source as threads."""

    def __init__(self, local: LocalLoop, player: Player, stop: threading.Event, core: int | None) -> None:
        self._local, self._player, self._stop, self._core = local, player, stop, core

    def play(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        self._local.reset_latencies()
        return in_thread(self._player, jobs, stop=self._stop, core=self._core)

    def play_with_commits(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        return self.play(jobs)

    def windows(self) -> Histogram:
        return self._local.histograms()["window"]

    def counters(self) -> dict[str, int]:
        return self._local.counters()

    def memory_kb(self) -> int | None:
        return resident_kb("self")


@contextlib.contextmanager
def _as_processes(
    setting: LoopSetting, circuit: stim.Circuit, playlists: Sequence[Path]
) -> Iterator[LoopParts]:
    placement = setting.placement
    with contextlib.ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="qec-daemon-")))
        model = folder / "model.stim"
        circuit.to_file(model)
        daemon = parts.enter_context(
            DaemonProcess(
                DaemonConfig(
                    model=str(model),
                    commit=setting.commit,
                    buffer=setting.buffer,
                    bind="tcp://127.0.0.1:*" if setting.transport == "tcp" else None,
                    cores=placement.decoders[:1],
                    io_core=placement.messages,
                    spin=placement.spins,
                )
            )
        )
        source = parts.enter_context(
            SourceProcess(
                SourceConfig(
                    control=daemon.control,
                    playlist=str(playlists[0]),
                    cycle_ns=setting.cycle_ns,
                    frame_cycles=setting.frame_cycles,
                    policy="block" if setting.blocks else "drop-shot",
                    commits=False,
                    core=placement.source,
                    io_core=placement.messages,
                )
            )
        )
        client = parts.enter_context(Client(daemon.control))
        yield _AsProcesses(daemon, source, client)


class _AsProcesses:
    """A daemon and a source."""

    def __init__(self, daemon: DaemonProcess, source: SourceProcess, client: Client) -> None:
        self._daemon, self._source, self._client = daemon, source, client

    def play(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        self._client.reset()
        return self._source.play(jobs)

    def play_with_commits(self, jobs: Sequence[Job]) -> Iterator[dict[str, Any]]:
        self._source.stop()  # a stream has one session
        with SourceProcess(replace(self._source.config, commits=True)) as source:
            yield from source.play(jobs)

    def windows(self) -> Histogram:
        return self._client.latencies(name="window")

    def counters(self) -> dict[str, int]:
        found: dict[str, int] = self._client.stats()["streams"][0]["counters"]
        return found

    def memory_kb(self) -> int | None:
        return resident_kb(self._daemon.pid)


def resident_kb(process: int | str) -> int | None:
    """Memory of a process in kB; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
