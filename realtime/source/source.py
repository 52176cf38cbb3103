"""Source process: play shots to a daemon on the schedule of a device, and report the answers.

`python -m realtime.source.source` reads lines of JSON from standard input: first its configuration, then
lists of jobs (see `realtime.source.jobs`). It writes lines of JSON: {"type": "ready", ...} when all kernels
are compiled and the session is open, the reports of each list, {"type": "end"} after each list. It ends when
its input ends.
"""

import contextlib
import gc
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from realtime.kernels.clock import now_ns
from realtime.placement import pin_thread, usable_cores
from realtime.protocol.wire import Flags
from realtime.security import ClientKeys
from realtime.service.client import Client, Welcome
from realtime.service.session import Policy
from realtime.source.jobs import Job, Place, play_jobs, report_missing
from realtime.source.player import Player, link_to
from realtime.source.playlist import Playlist
from realtime.source.presence import Presence
from realtime.transport import Pair

_END = {"type": "end"}


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Configuration of a source. Strings and numbers only, so that it can be sent as JSON.

    Attributes:
        control: the daemon's control address.
        playlist: folder of a playlist with the kind and bits of all that will be played.
        stream: number of the logical qubit.
        streams: number of streams that are played to at the same time, numbered from `stream` on.
        cycle_ns: time between two cycles.
        frame_cycles: cycles in a frame.
        policy: "drop-shot": abort a shot when the daemon has no room for its data; "block": wait, without
            keeping the schedule.
        commits: ask for reports of final cycles in the middle of shots.
        commit_interval_ns: least time between two such reports; 0: one for every window.
        replay: mark the data as recorded.
        digest: digest of the required decoder; None accepts any.
        model_digest, layout_digest: of the required model, see `decoders.streaming.digests`.
        reconnect_s: how long to wait for a daemon that was lost; 0 ends the source then.
        core, io_core: cores of the hot loop and of the I/O thread.
        secret_key, server_key: files of CURVE keys, both or none.
    """

    control: str
    playlist: str
    stream: int = 0
    streams: int = 1
    cycle_ns: float = 1100.0
    frame_cycles: int = 10
    policy: Policy = "drop-shot"
    commits: bool = True
    commit_interval_ns: int = 0
    replay: bool = False
    digest: str | None = None
    model_digest: str | None = None
    layout_digest: str | None = None
    reconnect_s: float = 0.0
    core: int | None = None
    io_core: int | None = None
    secret_key: str | None = None
    server_key: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.streams <= 64:
            raise ValueError(f"streams={self.streams}: must be between 1 and 64")

    @property
    def keys(self) -> ClientKeys | None:
        """Key files, None without.

        Raises:
            ValueError: only one of the two files is given.
        """
        if self.secret_key is None and self.server_key is None:
            return None
        if self.secret_key is None or self.server_key is None:
            raise ValueError("secret_key and server_key: give both or none")
        return ClientKeys(secret=Path(self.secret_key), server=Path(self.server_key))


def serve(config: SourceConfig, lines: Iterator[str], say: Callable[[dict[str, Any]], None]) -> None:
    """Play lists of jobs until there are no more.

    Args:
        config: of the source.
        lines: a JSON list of jobs each; read in another thread, so that their end stops the playing.
        say: called with each report, a JSON object.

    Raises:
        ValueError: the daemon refuses.
        TimeoutError: no daemon answers.
        ConnectionError: the daemon was lost, and did not come back in time.
        FileNotFoundError: no such playlist.
    """
    stop = threading.Event()
    ended = threading.Event()
    waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in lines:
            waiting.put(line)
        ended.set()  # the writer has ended or closed the stream
        stop.set()
        waiting.put(None)

    others = set(usable_cores()) - {config.core} if config.core is not None else set()
    pin_thread(config.core)
    form = Playlist.load(config.playlist)
    place = Place()
    before: list[Player] = []
    reader = threading.Thread(target=read, name="orders", daemon=True)
    until = 0.0
    while True:
        try:
            with Connection(config, form, stop, before, others) as connection:
                if not before:
                    reader.start()
                    say({"type": "ready", "sessions": connection.sessions, "digest": connection.digest})
                else:
                    say({"type": "reconnected", "sessions": connection.sessions})
                before, until = connection.players, 0.0
                if place.jobs:  # those that were interrupted
                    play_jobs(before, place.jobs, say, stop, place=place)
                    say(_END)
                while (line := waiting.get()) is not None:
                    place = Place([Job(**job) for job in json.loads(line)])
                    play_jobs(before, place.jobs, say, stop, place=place)
                    place = Place()
                    say(_END)
                return
        except InterruptedError:
            if ended.is_set():
                return
        except (TimeoutError, ConnectionError):
            if not before or ended.is_set():
                raise
        if not until:
            reason = connection.reason
            report_missing(place, before, say)
            if not config.reconnect_s:
                raise ConnectionError(f"the daemon at {config.control} is lost: {reason}")
            say({"type": "lost", "message": reason})
            until = now_ns() + config.reconnect_s * 1e9
        if now_ns() > until:
            raise ConnectionError(
                f"the daemon at {config.control} is lost: {reason}; it did not come back within "
                f"{config.reconnect_s:g} s"
            )
        stop.clear()
        ended.wait(0.1)


class Connection:
    """Sessions of a source, their sockets and players, between entering and leaving a `with` block.

    Args:
        config: of the source.
        form: playlist with the kind and bits of all that will be played.
        stop: set when the daemon is lost.
        before: players of the connection before, whose counts continue; empty at first.
        cores: for the thread that watches the daemon; empty: any.
    """

    def __init__(
        self,
        config: SourceConfig,
        form: Playlist,
        stop: threading.Event,
        before: Sequence[Player],
        cores: set[int],
    ) -> None:
        self._config, self._form, self._stop, self._before = config, form, stop, before
        self._cores = cores
        self._parts = contextlib.ExitStack()
        self.players: list[Player] = []
        self.sessions: list[int] = []
        self.digest = ""
        self._presence: Presence | None = None

    @property
    def reason(self) -> str:
        """How the daemon was lost, "" while it is there."""
        return self._presence.reason if self._presence else "it does not answer"

    def __enter__(self) -> Self:
        try:
            self._connect()
        except BaseException:
            self._parts.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.close()

    def _connect(self) -> None:
        config = self._config
        client = self._parts.enter_context(Client(config.control, keys=config.keys, io_core=config.io_core))
        welcomes: list[Welcome] = []
        pairs: list[Pair] = []
        if self._before:  # the next daemon may be starting
            client.ping(timeout_s=1.0)
        for stream in range(config.stream, config.stream + config.streams):
            welcomes.append(_hello(client, config, self._form, stream))
            pairs.append(client.connect(welcomes[-1]))
            self._parts.callback(pairs[-1].close, linger_ms=100)
            player = Player(
                link=link_to(pairs[-1]),
                session=welcomes[-1].session,
                stream=stream,
                playlist=self._form,
                cycle_ns=config.cycle_ns,
                frame_cycles=config.frame_cycles,
                blocks=config.policy == "block",
                flags=int(Flags.REPLAY) if config.replay else 0,
                stop=self._stop,
            )
            if self._before:
                player.continue_counts(self._before[len(self.players)])
            self.players.append(player)
        self.players[0].warm_up(streams=len(self.players))
        self.sessions = [welcome.session for welcome in welcomes]
        self.digest = welcomes[0].digest
        self._presence = self._parts.enter_context(
            Presence(
                config.control,
                keys=config.keys,
                welcomes=welcomes,
                pairs=pairs,
                stop=self._stop,
                cores=self._cores,
            )
        )


def _hello(client: Client, config: SourceConfig, form: Playlist, stream: int) -> Welcome:
    """Begin a session for shots like those of `form`.

    Raises:
        ValueError: the daemon refuses, or its decoder has other bits.
    """
    welcome = client.hello(
        stream=stream,
        kind=form.kind,
        cycle_ns=round(config.cycle_ns),
        policy=config.policy,
        commits=config.commits,
        commit_interval_ns=config.commit_interval_ns,
        digest=config.digest,
        model_digest=config.model_digest,
        layout_digest=config.layout_digest,
    )
    if (welcome.bits, welcome.final_bits) != (form.bits, form.last_bits):
        raise ValueError(
            f"the shots have {form.bits} and {form.last_bits} bits: must be those of the daemon's decoder, "
            f"{welcome.bits} and {welcome.final_bits}"
        )
    return welcome


class SourceProcess:
    """Source in a child process, which ends when this process ends.

    In a `with` block it is ready; the block's end stops it.

    Args:
        config: of the source.
        timeout_s: time that it may take to start; compiling for the first time takes a minute.
    """

    def __init__(self, config: SourceConfig, *, timeout_s: float = 300.0) -> None:
        self.config = config
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        #: Numbers of its sessions, one for each stream.
        self.sessions: list[int] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process number, 0 if it does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the source and wait until it is ready.

        Raises:
            ValueError: the source or the daemon refused the configuration.
            RuntimeError: the source ended.
            TimeoutError: it was not ready within the timeout.
        """
        self._process = subprocess.Popen(
            [sys.executable, "-m", "realtime.source.source"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True).start()
        try:
            self._order(asdict(self.config))
            self.sessions = self._next(self._timeout_s)["sessions"]
        except BaseException:
            self.stop()
            raise

    def play(self, jobs: Sequence[Job], *, silence_s: float = 60.0) -> Iterator[dict[str, Any]]:
        """Play jobs, and iterate over their reports.

        Args:
            jobs: to play.
            silence_s: longest time without a report; must exceed the longest shot.

        Raises:
            RuntimeError: the source ended.
            ConnectionError: the daemon was lost.
            TimeoutError: no report for silence_s.
        """
        self._order([asdict(job) for job in jobs])
        while (report := self._next(silence_s)) != _END:
            yield report

    def stop(self, *, timeout_s: float = 10.0) -> int:
        """Stop the source, after timeout_s by force; its exit status, 0 if it was not running."""
        process, self._process = self._process, None
        if process is None:
            return 0
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it may have ended
            process.stdin.close()
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        return status

    def kill(self) -> None:
        """Kill the source, which ends as in a crash."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _order(self, value: Any) -> None:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the source is not running: call start")
        try:
            self._process.stdin.write(json.dumps(value) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise RuntimeError("the source has ended") from None

    def _next(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=timeout_s)
        except queue.Empty:
            raise TimeoutError(f"no report of the source for {timeout_s:g} s") from None
        if line is None:
            raise RuntimeError("the source has ended")
        report: dict[str, Any] = json.loads(line)
        if report["type"] == "error":
            raise (ConnectionError if report["lost"] else ValueError)(report["message"])
        return report

    def _read(self, stream: TextIO) -> None:
        with stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)


def main() -> int:
    """Serve standard input; return the exit status."""
    # On Ctrl-C the parent closes standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def say(report: dict[str, Any]) -> None:
        print(json.dumps(report), flush=True)

    try:
        config = SourceConfig(**json.loads(sys.stdin.readline()))
        gc.collect()
        gc.freeze()
        gc.disable()
        serve(config, iter(sys.stdin.readline, ""), say)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        say({"type": "error", "message": str(error), "lost": isinstance(error, ConnectionError)})
        return 2
    return 0


if __name__ == "__main__":
    # The thread that reads standard input may be blocked in a read: do not wait for it.
    status = main()
    sys.stdout.flush()
    os._exit(status)
